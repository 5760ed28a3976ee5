-- The same tables as for PostgreSQL: same names, same columns, same constraints.
-- AUTOINCREMENT: the id of a deleted row is never given out again.

-- +goose Up
CREATE TABLE users (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    username           TEXT NOT NULL,
    email              TEXT NOT NULL,
    -- the address folded by Go; several imported accounts may share it
    email_key          TEXT NOT NULL,
    -- the same, held by the one account that owns the address; NULL for others
    email_claim        TEXT,
    email_verified_at  TIMESTAMPTZ,
    password           TEXT NOT NULL,
    first_name         TEXT NOT NULL,
    last_name          TEXT NOT NULL,
    role               TEXT NOT NULL,
    status             TEXT NOT NULL,
    is_active          BOOLEAN NOT NULL,
    avatar             TEXT,
    bio                TEXT NOT NULL,
    preferred_locale   TEXT NOT NULL,
    theme_mode         TEXT NOT NULL,
    sidebar_collapsed  BOOLEAN NOT NULL,
    last_login         TIMESTAMPTZ,
    date_joined        TIMESTAMPTZ NOT NULL,
    -- tokens without a session (made by Django) count only if issued since
    tokens_valid_after TIMESTAMPTZ,
    -- moves with every write to the user's themes: part of cache keys
    themes_version     BIGINT NOT NULL,
    search_text        TEXT NOT NULL,
    created_at         TIMESTAMPTZ NOT NULL,
    updated_at         TIMESTAMPTZ NOT NULL,
    CONSTRAINT users_username_key UNIQUE (username),
    CONSTRAINT users_email_claim_key UNIQUE (email_claim),
    CONSTRAINT users_role_check CHECK (role IN ('admin', 'editor', 'user')),
    CONSTRAINT users_status_check CHECK (status IN ('active', 'inactive', 'pending'))
);
CREATE INDEX users_email_key_idx ON users (email_key);
CREATE INDEX users_list_idx ON users (date_joined DESC, id DESC);
CREATE INDEX users_role_idx ON users (role, date_joined DESC, id DESC);
CREATE INDEX users_status_idx ON users (status, date_joined DESC, id DESC);

CREATE TABLE sessions (
    id            TEXT NOT NULL PRIMARY KEY,
    user_id       BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- the refresh token that may be used now: enough to make it again
    refresh_jti   TEXT NOT NULL,
    refresh_iat   BIGINT NOT NULL,
    refresh_exp   BIGINT NOT NULL,
    -- the one that was rotated away last, and when
    previous_jti  TEXT,
    rotated_at    TIMESTAMPTZ,
    -- the Django refresh token that was exchanged for this session
    origin_jti    TEXT,
    -- whether tokens carry email, role and status
    rich_claims   BOOLEAN NOT NULL,
    ip            TEXT NOT NULL,
    user_agent    TEXT NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    last_seen_at  TIMESTAMPTZ NOT NULL,
    expires_at    TIMESTAMPTZ NOT NULL,
    ended_at      TIMESTAMPTZ,
    end_reason    TEXT NOT NULL,
    CONSTRAINT sessions_origin_jti_key UNIQUE (origin_jti)
);
CREATE INDEX sessions_user_idx ON sessions (user_id, created_at DESC, id DESC);
CREATE INDEX sessions_expires_idx ON sessions (expires_at);

CREATE TABLE denied_tokens (
    jti        TEXT NOT NULL PRIMARY KEY,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX denied_tokens_expires_idx ON denied_tokens (expires_at);

CREATE TABLE api_keys (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    -- the first characters, to tell keys apart; the key itself is not stored
    prefix       TEXT NOT NULL,
    hash         TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    expires_at   TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    created_at   TIMESTAMPTZ NOT NULL,
    CONSTRAINT api_keys_hash_key UNIQUE (hash)
);
CREATE INDEX api_keys_user_idx ON api_keys (user_id, created_at DESC, id DESC);

-- Links in mails and event tickets: used once, stored hashed.
CREATE TABLE one_time_tokens (
    hash       TEXT NOT NULL PRIMARY KEY,
    purpose    TEXT NOT NULL,
    user_id    BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id TEXT REFERENCES sessions (id) ON DELETE CASCADE,
    -- the address that the link was sent to: a change of address voids it
    email_key  TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX one_time_tokens_user_idx ON one_time_tokens (user_id, purpose);
CREATE INDEX one_time_tokens_session_idx ON one_time_tokens (session_id);
CREATE INDEX one_time_tokens_expires_idx ON one_time_tokens (expires_at);

CREATE TABLE themes (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id       BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    description   TEXT NOT NULL,
    color_mode    TEXT NOT NULL,
    colors        TEXT NOT NULL,
    -- {"light": {...}, "dark": {...}} when the theme carries both, else NULL
    palettes      TEXT,
    border_radius TEXT NOT NULL,
    is_active     BOOLEAN NOT NULL,
    is_default    BOOLEAN NOT NULL,
    -- the built-in theme (negative) that this one is a copy of
    source_id     BIGINT,
    search_text   TEXT NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    CONSTRAINT themes_id_check CHECK (id > 0),
    CONSTRAINT themes_user_name_key UNIQUE (user_id, name)
);
CREATE UNIQUE INDEX themes_one_active ON themes (user_id) WHERE is_active;
CREATE UNIQUE INDEX themes_one_copy ON themes (user_id, source_id) WHERE source_id IS NOT NULL;
CREATE INDEX themes_list_idx ON themes (user_id, is_active DESC, created_at DESC, id DESC);

CREATE TABLE dashboard_views (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id        BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name           TEXT NOT NULL,
    description    TEXT NOT NULL,
    widgets_config TEXT NOT NULL,
    is_default     BOOLEAN NOT NULL,
    is_active      BOOLEAN NOT NULL,
    search_text    TEXT NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL,
    CONSTRAINT dashboard_views_user_name_key UNIQUE (user_id, name)
);
CREATE UNIQUE INDEX dashboard_views_one_active ON dashboard_views (user_id) WHERE is_active;
CREATE INDEX dashboard_views_list_idx ON dashboard_views (user_id, is_active DESC, created_at DESC, id DESC);

-- The layout that a user of the role starts with, where an admin changed it.
CREATE TABLE role_layouts (
    role           TEXT NOT NULL PRIMARY KEY,
    widgets_config TEXT NOT NULL,
    updated_by     BIGINT REFERENCES users (id) ON DELETE SET NULL,
    updated_at     TIMESTAMPTZ NOT NULL,
    CONSTRAINT role_layouts_role_check CHECK (role IN ('admin', 'editor', 'user'))
);
CREATE INDEX role_layouts_updated_by_idx ON role_layouts (updated_by);

CREATE TABLE user_preferences (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id               BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    locale                TEXT NOT NULL,
    theme_mode            TEXT NOT NULL,
    active_theme_id       TEXT,
    sidebar_collapsed     BOOLEAN NOT NULL,
    active_dashboard_view TEXT NOT NULL,
    time_zone             TEXT NOT NULL,
    -- moves with every write: part of cache keys
    version               BIGINT NOT NULL,
    created_at            TIMESTAMPTZ NOT NULL,
    updated_at            TIMESTAMPTZ NOT NULL,
    CONSTRAINT user_preferences_user_key UNIQUE (user_id)
);

CREATE TABLE widgets (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    key           TEXT,
    name          TEXT NOT NULL,
    widget_type   TEXT NOT NULL,
    description   TEXT NOT NULL,
    config_schema TEXT NOT NULL,
    is_public     BOOLEAN NOT NULL,
    -- no cascade: deleting a user must decide what becomes of public widgets
    created_by    BIGINT NOT NULL REFERENCES users (id),
    search_text   TEXT NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    CONSTRAINT widgets_key_key UNIQUE (key)
);
CREATE INDEX widgets_public_idx ON widgets (is_public, id);
CREATE INDEX widgets_created_by_idx ON widgets (created_by, id);

CREATE TABLE widget_data (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    widget_id BIGINT NOT NULL REFERENCES widgets (id) ON DELETE CASCADE,
    -- NULL: for everybody who sees the widget; a user's own row wins for them
    user_id   BIGINT REFERENCES users (id) ON DELETE CASCADE,
    data      TEXT NOT NULL,
    cached_at TIMESTAMPTZ NOT NULL,
    cache_ttl BIGINT NOT NULL,
    CONSTRAINT widget_data_user_key UNIQUE (widget_id, user_id)
);
CREATE UNIQUE INDEX widget_data_shared_key ON widget_data (widget_id) WHERE user_id IS NULL;
CREATE INDEX widget_data_user_idx ON widget_data (user_id);

CREATE TABLE widget_settings (
    widget_id  BIGINT NOT NULL REFERENCES widgets (id) ON DELETE CASCADE,
    user_id    BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    config     TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (widget_id, user_id)
);
CREATE INDEX widget_settings_user_idx ON widget_settings (user_id);

CREATE TABLE ai_agents (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id            BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name               TEXT NOT NULL,
    description        TEXT NOT NULL,
    agent_type         TEXT NOT NULL,
    system_prompt      TEXT NOT NULL,
    model              TEXT NOT NULL,
    temperature        REAL NOT NULL,
    max_tokens         BIGINT NOT NULL,
    available_tools    TEXT NOT NULL,
    status             TEXT NOT NULL,
    total_interactions BIGINT NOT NULL,
    last_used          TIMESTAMPTZ,
    created_at         TIMESTAMPTZ NOT NULL,
    updated_at         TIMESTAMPTZ NOT NULL
);
-- the recorded order is last_used DESC with NULLs first, spelled for both engines
CREATE INDEX ai_agents_list_idx ON ai_agents (user_id, (last_used IS NULL) DESC, last_used DESC, id DESC);

CREATE TABLE agent_conversations (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    agent_id          BIGINT NOT NULL REFERENCES ai_agents (id) ON DELETE CASCADE,
    user_id           BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title             TEXT NOT NULL,
    total_tokens_used BIGINT NOT NULL,
    -- billionths of a US dollar: exact on both engines
    total_cost_nanos  BIGINT NOT NULL,
    created_at        TIMESTAMPTZ NOT NULL,
    updated_at        TIMESTAMPTZ NOT NULL
);
CREATE INDEX agent_conversations_list_idx ON agent_conversations (user_id, updated_at DESC, id DESC);
CREATE INDEX agent_conversations_agent_idx ON agent_conversations (agent_id);

CREATE TABLE agent_messages (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id BIGINT NOT NULL REFERENCES agent_conversations (id) ON DELETE CASCADE,
    -- counts from 0 within the conversation
    position        BIGINT NOT NULL,
    role            TEXT NOT NULL,
    content         TEXT NOT NULL,
    -- an imported message that is more than role, content and time: as it was
    payload         TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT agent_messages_position_key UNIQUE (conversation_id, position)
);

CREATE TABLE notifications (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    title      TEXT NOT NULL,
    body       TEXT NOT NULL,
    link       TEXT NOT NULL,
    read_at    TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX notifications_unread_idx ON notifications (user_id) WHERE read_at IS NULL;
CREATE INDEX notifications_list_idx ON notifications (user_id, created_at DESC, id DESC);

-- What an import took over, and what the row looked like just after: a row
-- that looks different now was changed in bdash and is left alone.
CREATE TABLE imported_rows (
    table_name  TEXT NOT NULL,
    row_id      BIGINT NOT NULL,
    source      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    imported_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (table_name, row_id)
);

-- Facts about this database itself, such as its random installation_id.
CREATE TABLE facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
