-- name: ViewByID :one
SELECT * FROM dashboard_views WHERE id = @id AND user_id = @user_id;

-- name: ActiveView :one
SELECT * FROM dashboard_views WHERE user_id = @user_id AND is_active;

-- name: NewestView :one
SELECT * FROM dashboard_views WHERE user_id = @user_id ORDER BY is_default DESC, created_at DESC, id DESC LIMIT 1;

-- name: ViewNames :many
SELECT name FROM dashboard_views WHERE user_id = @user_id;

-- name: DeactivateViews :exec
UPDATE dashboard_views SET is_active = FALSE WHERE user_id = @user_id AND is_active AND id <> @but;

-- name: InsertView :one
INSERT INTO dashboard_views (user_id, name, description, widgets_config, is_default, is_active, search_text, created_at, updated_at)
VALUES (@user_id, @name, @description, @widgets_config, @is_default, @is_active, @search_text, @created_at, @updated_at)
RETURNING *;

-- name: UpdateView :one
UPDATE dashboard_views
SET name = @name, description = @description, widgets_config = @widgets_config, is_default = @is_default,
    is_active = @is_active, search_text = @search_text, updated_at = @updated_at, version = @version
WHERE id = @id AND user_id = @user_id
RETURNING *;

-- name: DeleteView :execrows
DELETE FROM dashboard_views WHERE id = @id AND user_id = @user_id;

-- name: RoleLayout :one
SELECT * FROM role_layouts WHERE role = @role;

-- name: PutRoleLayout :one
INSERT INTO role_layouts (role, widgets_config, updated_by, updated_at)
VALUES (@role, @widgets_config, @updated_by, @updated_at)
ON CONFLICT (role) DO UPDATE
SET widgets_config = excluded.widgets_config, updated_by = excluded.updated_by, updated_at = excluded.updated_at
RETURNING *;
