-- +goose Up
-- Who did what, when, from where. Rows are added and, when they are old,
-- removed; never changed.
CREATE TABLE audit_entries (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at          TIMESTAMPTZ NOT NULL,
    -- no reference: an entry outlives its actor; NULL is nobody, or a command
    actor_id    BIGINT,
    -- the actor's address at that time
    actor_name  TEXT NOT NULL,
    -- session, api_key, command, or empty for nobody
    via         TEXT NOT NULL,
    action      TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target_id   TEXT NOT NULL,
    ip          TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    -- a JSON object
    detail      TEXT NOT NULL,
    CONSTRAINT audit_entries_outcome_check CHECK (outcome IN ('ok', 'failed'))
);
CREATE INDEX audit_entries_list_idx ON audit_entries (at DESC, id DESC);
CREATE INDEX audit_entries_actor_idx ON audit_entries (actor_id, at DESC, id DESC);
CREATE INDEX audit_entries_action_idx ON audit_entries (action, at DESC, id DESC);
CREATE INDEX audit_entries_target_idx ON audit_entries (target_kind, target_id, at DESC, id DESC);

-- +goose StatementBegin
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'audit entries are never changed');
END;
-- +goose StatementEnd
