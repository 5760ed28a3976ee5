-- name: PreferencesOf :one
SELECT * FROM user_preferences WHERE user_id = @user_id;

-- name: CreatePreferences :exec
INSERT INTO user_preferences (user_id, locale, theme_mode, active_theme_id, sidebar_collapsed, active_dashboard_view,
                              time_zone, version, created_at, updated_at)
VALUES (@user_id, @locale, @theme_mode, NULL, @sidebar_collapsed, '', @time_zone, 1, @now, @now)
ON CONFLICT (user_id) DO NOTHING;

-- One statement: fields that are not set keep what they have, whoever writes
-- at the same time.
-- name: UpdatePreferences :one
UPDATE user_preferences
SET locale                = CASE WHEN CAST(@set_locale AS BOOLEAN) THEN @locale ELSE locale END,
    theme_mode            = CASE WHEN CAST(@set_theme_mode AS BOOLEAN) THEN @theme_mode ELSE theme_mode END,
    active_theme_id       = CASE WHEN CAST(@set_active_theme_id AS BOOLEAN) THEN sqlc.narg(active_theme_id) ELSE active_theme_id END,
    sidebar_collapsed     = CASE WHEN CAST(@set_sidebar_collapsed AS BOOLEAN) THEN CAST(@sidebar_collapsed AS BOOLEAN) ELSE sidebar_collapsed END,
    active_dashboard_view = CASE WHEN CAST(@set_active_dashboard_view AS BOOLEAN) THEN @active_dashboard_view ELSE active_dashboard_view END,
    time_zone             = CASE WHEN CAST(@set_time_zone AS BOOLEAN) THEN @time_zone ELSE time_zone END,
    version = version + 1,
    updated_at = @now
WHERE user_id = @user_id
RETURNING *;

-- Takes the row's lock on PostgreSQL (SQLite has one writer): what follows in
-- the transaction happens one after another for this user.
-- name: LockPreferences :one
UPDATE user_preferences SET version = version WHERE user_id = @user_id
RETURNING *;
