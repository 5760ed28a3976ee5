-- +goose Up
-- The number of the view's newest revision. Views that are older than
-- revisions have 1, and get their first revision when they are next changed.
ALTER TABLE dashboard_views ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

-- Every saved state of a view. Numbers of a view follow each other without a
-- gap, up to its version.
CREATE TABLE view_revisions (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    view_id        BIGINT NOT NULL REFERENCES dashboard_views (id) ON DELETE CASCADE,
    number         BIGINT NOT NULL,
    name           TEXT NOT NULL,
    description    TEXT NOT NULL,
    widgets_config TEXT NOT NULL,
    is_default     BOOLEAN NOT NULL,
    -- who saved it, NULL when that is not known; and with which API key
    changed_by     BIGINT REFERENCES users (id) ON DELETE SET NULL,
    key_id         BIGINT,
    reason         TEXT NOT NULL,
    -- what changed against the revision before, as JSON
    summary        TEXT NOT NULL,
    -- the revision that was restored by it
    restored       BIGINT,
    -- no longer among the newest of its view: may be swept when it is old
    surplus        BOOLEAN NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    CONSTRAINT view_revisions_number_key UNIQUE (view_id, number)
);
CREATE INDEX view_revisions_changed_by_idx ON view_revisions (changed_by);
CREATE INDEX view_revisions_sweep_idx ON view_revisions (created_at) WHERE surplus;

-- Links by which anybody may look at a view.
CREATE TABLE view_shares (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    view_id       BIGINT NOT NULL REFERENCES dashboard_views (id) ON DELETE CASCADE,
    -- SHA-256 of the token, hexadecimal
    hash          TEXT NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    expires_at    TIMESTAMPTZ NOT NULL,
    visits        BIGINT NOT NULL,
    last_visit_at TIMESTAMPTZ,
    CONSTRAINT view_shares_hash_key UNIQUE (hash)
);
CREATE INDEX view_shares_list_idx ON view_shares (view_id, created_at DESC, id DESC);
CREATE INDEX view_shares_expires_idx ON view_shares (expires_at);
