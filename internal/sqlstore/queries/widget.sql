-- name: WidgetByID :one
SELECT * FROM widgets WHERE id = @id AND (is_public OR created_by = @user_id);

-- name: AnyWidgetByID :one
SELECT * FROM widgets WHERE id = @id;

-- name: InsertWidget :one
INSERT INTO widgets (key, name, widget_type, description, config_schema, is_public, created_by, search_text, created_at, updated_at,
    source, datasource_id, query, mapping, cache_ttl, refresh_every, variant)
VALUES (@key, @name, @widget_type, @description, @config_schema, @is_public, @created_by, @search_text, @created_at, @updated_at,
    @source, @datasource_id, @query, @mapping, @cache_ttl, @refresh_every, @variant)
RETURNING *;

-- name: UpdateWidget :one
UPDATE widgets
SET key = @key, name = @name, widget_type = @widget_type, description = @description, config_schema = @config_schema,
    is_public = @is_public, search_text = @search_text, updated_at = @updated_at,
    source = @source, datasource_id = @datasource_id, query = @query, mapping = @mapping, cache_ttl = @cache_ttl,
    refresh_every = @refresh_every, variant = @variant
WHERE id = @id
RETURNING *;

-- name: DeleteWidget :execrows
DELETE FROM widgets WHERE id = @id;

-- A row kept for the user wins over the one for everybody.
-- name: WidgetDataFor :one
SELECT * FROM widget_data
WHERE widget_id = @widget_id AND (user_id IS NULL OR user_id = @user_id)
ORDER BY CASE WHEN user_id IS NULL THEN 1 ELSE 0 END
LIMIT 1;

-- name: PutSharedData :exec
INSERT INTO widget_data (widget_id, user_id, data, cached_at, cache_ttl)
VALUES (@widget_id, NULL, @data, @cached_at, @cache_ttl)
ON CONFLICT (widget_id) WHERE user_id IS NULL DO UPDATE
SET data = excluded.data, cached_at = excluded.cached_at, cache_ttl = excluded.cache_ttl;

-- name: PutUserData :exec
INSERT INTO widget_data (widget_id, user_id, data, cached_at, cache_ttl)
VALUES (@widget_id, @user_id, @data, @cached_at, @cache_ttl)
ON CONFLICT (widget_id, user_id) DO UPDATE
SET data = excluded.data, cached_at = excluded.cached_at, cache_ttl = excluded.cache_ttl;

-- name: WidgetSettings :one
SELECT * FROM widget_settings WHERE widget_id = @widget_id AND user_id = @user_id;

-- name: PutWidgetSettings :exec
INSERT INTO widget_settings (widget_id, user_id, config, updated_at)
VALUES (@widget_id, @user_id, @config, @updated_at)
ON CONFLICT (widget_id, user_id) DO UPDATE SET config = excluded.config, updated_at = excluded.updated_at;

-- Takes the row's lock on PostgreSQL (SQLite has one writer): what follows in
-- the transaction happens one after another for this widget.
-- name: LockWidget :execrows
UPDATE widgets SET search_text = search_text WHERE id = @id;
