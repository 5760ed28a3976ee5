-- +goose Up
CREATE TABLE datasources (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    kind            TEXT NOT NULL,
    -- what is not secret, as JSON
    settings        TEXT NOT NULL,
    -- the secrets, sealed (internal/seal); empty for none
    secrets         TEXT NOT NULL,
    -- the key they were sealed with: which rows a new SECRET_KEY leaves behind
    secrets_key     TEXT NOT NULL,
    editors_allowed BOOLEAN NOT NULL,
    -- what an administrator confirmed that the role may do besides reading
    privileged      TEXT NOT NULL,
    -- moves with every write: part of cache keys
    version         BIGINT NOT NULL,
    -- no cascade: those of a deleted user pass to the admin who deletes
    created_by      BIGINT NOT NULL REFERENCES users (id),
    search_text     TEXT NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT datasources_name_key UNIQUE (name)
);
CREATE INDEX datasources_created_by_idx ON datasources (created_by);
CREATE INDEX datasources_secrets_key_idx ON datasources (secrets_key, id);

ALTER TABLE widgets ADD COLUMN source TEXT NOT NULL DEFAULT 'push';
-- no cascade: a data source that widgets show is not deleted
ALTER TABLE widgets ADD COLUMN datasource_id BIGINT REFERENCES datasources (id);
ALTER TABLE widgets ADD COLUMN query TEXT;
ALTER TABLE widgets ADD COLUMN mapping TEXT;
ALTER TABLE widgets ADD COLUMN cache_ttl BIGINT;
ALTER TABLE widgets ADD COLUMN refresh_every BIGINT;
ALTER TABLE widgets ADD COLUMN variant TEXT;
CREATE INDEX widgets_datasource_idx ON widgets (datasource_id);
CREATE INDEX widgets_refresh_idx ON widgets (id) WHERE refresh_every IS NOT NULL;
