-- +goose Up
-- One row. It moves with every write that the answer of a widget may show: part
-- of cache keys, read with the session at every request.
CREATE TABLE widget_epoch (
    id      BIGINT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    CONSTRAINT widget_epoch_one_check CHECK (id = 1)
);
INSERT INTO widget_epoch (id, version) VALUES (1, 1);

-- moves with every write to the user's dashboard views: part of cache keys
ALTER TABLE users ADD COLUMN views_version BIGINT NOT NULL DEFAULT 0;

-- What sources answered: one row for each way in which a widget's data differs.
CREATE TABLE widget_results (
    widget_id    BIGINT NOT NULL REFERENCES widgets (id) ON DELETE CASCADE,
    -- the hash of all that the data depends on, the widget's query included
    slot         TEXT NOT NULL,
    -- as whom the source is asked; NULL: it is the same for everybody
    user_id      BIGINT REFERENCES users (id) ON DELETE CASCADE,
    -- what is asked besides the query, as JSON
    ask          TEXT NOT NULL,
    -- the last good data; NULL before there are any
    data         TEXT,
    fetched_at   TIMESTAMPTZ,
    expires_at   TIMESTAMPTZ,
    -- fetches that failed since
    failures     BIGINT NOT NULL,
    error        TEXT NOT NULL,
    error_detail TEXT NOT NULL,
    next_try     TIMESTAMPTZ,
    -- who is fetching, and until when nobody else begins
    lease        TEXT NOT NULL,
    lease_until  TIMESTAMPTZ,
    viewed_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (widget_id, slot)
);
CREATE INDEX widget_results_user_idx ON widget_results (user_id);
CREATE INDEX widget_results_viewed_idx ON widget_results (viewed_at);

-- Widgets whose owner was told that their source fails.
CREATE TABLE widget_outages (
    widget_id BIGINT NOT NULL PRIMARY KEY REFERENCES widgets (id) ON DELETE CASCADE,
    since     TIMESTAMPTZ NOT NULL
);
