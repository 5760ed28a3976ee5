-- name: ThemeByID :one
SELECT * FROM themes WHERE id = @id AND user_id = @user_id;

-- name: ActiveTheme :one
SELECT * FROM themes WHERE user_id = @user_id AND is_active;

-- name: ThemeCopy :one
SELECT * FROM themes WHERE user_id = @user_id AND source_id = @source_id;

-- name: ThemeByClientID :one
SELECT * FROM themes WHERE user_id = @user_id AND client_id = @client_id;

-- name: ThemesOf :many
SELECT * FROM themes WHERE user_id = @user_id ORDER BY id;

-- name: BrowserTheme :one
SELECT browser_theme FROM users WHERE id = @id;

-- name: SetBrowserTheme :exec
UPDATE users SET browser_theme = @browser_theme WHERE id = @id;

-- name: ThemeNames :many
SELECT name FROM themes WHERE user_id = @user_id;

-- name: SameTheme :one
SELECT * FROM themes
WHERE user_id = @user_id AND name = @name AND color_mode = @color_mode AND colors = @colors AND border_radius = @border_radius;

-- Every write to a user's themes begins with this: it takes the row's lock and
-- moves the version that is part of cache keys.
-- name: MoveThemes :execrows
UPDATE users SET themes_version = themes_version + 1 WHERE id = @id;

-- name: DeactivateThemes :exec
UPDATE themes SET is_active = FALSE WHERE user_id = @user_id AND is_active AND id <> @but;

-- name: InsertTheme :one
INSERT INTO themes (user_id, name, description, color_mode, colors, palettes, border_radius, is_active, is_default, source_id,
                    search_text, client_id, document, created_at, updated_at)
VALUES (@user_id, @name, @description, @color_mode, @colors, @palettes, @border_radius, @is_active, @is_default, @source_id,
        @search_text, @client_id, @document, @created_at, @updated_at)
RETURNING *;

-- name: UpdateTheme :one
UPDATE themes
SET name = @name, description = @description, color_mode = @color_mode, colors = @colors, palettes = @palettes,
    border_radius = @border_radius, is_active = @is_active, is_default = @is_default, search_text = @search_text,
    document = @document, updated_at = @updated_at
WHERE id = @id AND user_id = @user_id
RETURNING *;

-- name: DeleteTheme :execrows
DELETE FROM themes WHERE id = @id AND user_id = @user_id;
