-- name: DatasourceByID :one
SELECT * FROM datasources WHERE id = @id;

-- name: InsertDatasource :one
INSERT INTO datasources (name, description, kind, settings, secrets, secrets_key, editors_allowed, privileged, version,
                         created_by, search_text, created_at, updated_at)
VALUES (@name, @description, @kind, @settings, @secrets, @secrets_key, @editors_allowed, @privileged, 1,
        @created_by, @search_text, @created_at, @updated_at)
RETURNING *;

-- Writes only over what was read: the version tells.
-- name: UpdateDatasource :one
UPDATE datasources
SET name = @name, description = @description, settings = @settings, secrets = @secrets, secrets_key = @secrets_key,
    editors_allowed = @editors_allowed, privileged = @privileged, version = version + 1, search_text = @search_text,
    updated_at = @updated_at
WHERE id = @id AND version = @version
RETURNING *;

-- name: DeleteDatasource :execrows
DELETE FROM datasources WHERE id = @id;

-- Those that a former SECRET_KEY sealed, in portions.
-- name: DatasourcesNotSealedBy :many
SELECT * FROM datasources
WHERE secrets_key <> @secrets_key AND secrets <> '' AND id > @after
ORDER BY id LIMIT @up_to;

-- The version stays: nothing that anybody sees changes.
-- name: ResealDatasource :execrows
UPDATE datasources SET secrets = @secrets, secrets_key = @secrets_key WHERE id = @id AND version = @version;
