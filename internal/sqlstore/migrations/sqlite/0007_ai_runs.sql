-- +goose Up
-- Runs: what an agent does with one message. Their events are the one record
-- of it, from which every dialect is written.

-- what an agent may do with its tools: {"dashboard": "allow"}
ALTER TABLE ai_agents ADD COLUMN tool_permissions TEXT NOT NULL DEFAULT '{}';

-- the name that a client gave the conversation before it had an id
ALTER TABLE agent_conversations ADD COLUMN client_id TEXT;
CREATE UNIQUE INDEX agent_conversations_client_key ON agent_conversations (user_id, client_id);
-- for the sweep of old conversations
CREATE INDEX agent_conversations_age_idx ON agent_conversations (updated_at);

-- what an answer did between its texts: calls of tools and their results
ALTER TABLE agent_messages ADD COLUMN steps TEXT;

CREATE TABLE ai_runs (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id          BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    agent_id         BIGINT NOT NULL REFERENCES ai_agents (id) ON DELETE CASCADE,
    -- NULL once a run has failed that began its conversation and said nothing
    conversation_id  BIGINT REFERENCES agent_conversations (id) ON DELETE CASCADE,
    -- the run began the conversation
    opened           BOOLEAN NOT NULL,
    -- of the user's message; the answer stands behind it
    position         BIGINT NOT NULL,
    -- a failure takes back what was said: nobody has seen it
    whole            BOOLEAN NOT NULL,
    -- nobody is there to approve a call
    unattended       BOOLEAN NOT NULL,
    -- who asked: a session, or an API key
    session_id       TEXT NOT NULL,
    key_id           BIGINT NOT NULL,
    status           TEXT NOT NULL,
    -- the process that runs it, and until when it is believed to live
    owner            TEXT NOT NULL,
    lease_until      TIMESTAMPTZ NOT NULL,
    cancel_asked_at  TIMESTAMPTZ,
    error_code       TEXT NOT NULL,
    error_text       TEXT NOT NULL,
    retry_after_ms   BIGINT NOT NULL,
    finish_reason    TEXT NOT NULL,
    -- content from outside was read: writing tools ask from then on
    tainted          BOOLEAN NOT NULL,
    input_tokens     BIGINT NOT NULL,
    output_tokens    BIGINT NOT NULL,
    cost_nanos       BIGINT NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL,
    finished_at      TIMESTAMPTZ
);
-- one at a time in a conversation
CREATE UNIQUE INDEX ai_runs_open_key ON ai_runs (conversation_id) WHERE status IN ('running', 'waiting');
CREATE INDEX ai_runs_conversation_idx ON ai_runs (conversation_id, id);
CREATE INDEX ai_runs_user_idx ON ai_runs (user_id, id);
CREATE INDEX ai_runs_agent_idx ON ai_runs (agent_id);
CREATE INDEX ai_runs_lease_idx ON ai_runs (status, lease_until) WHERE status IN ('running', 'waiting');

-- A row holds the events of one commit, as lines of JSON.
CREATE TABLE ai_run_events (
    run_id BIGINT NOT NULL REFERENCES ai_runs (id) ON DELETE CASCADE,
    -- of the first line; the run's events count from 1
    seq    BIGINT NOT NULL,
    lines  TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- Calls that wait, or waited, for their owner's word.
CREATE TABLE ai_run_calls (
    run_id         BIGINT NOT NULL REFERENCES ai_runs (id) ON DELETE CASCADE,
    call_id        TEXT NOT NULL,
    tool           TEXT NOT NULL,
    arguments      TEXT NOT NULL,
    arguments_hash TEXT NOT NULL,
    -- "pending", "approved", "refused" or "expired"
    state          TEXT NOT NULL,
    expires_at     TIMESTAMPTZ NOT NULL,
    decided_at     TIMESTAMPTZ,
    PRIMARY KEY (run_id, call_id)
);
