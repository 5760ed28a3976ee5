-- What language models cost: limits, money that is held back while a call
-- runs, and what every call came to. Amounts are billionths of a US dollar.

-- +goose Up
-- Limits of one user, set by an administrator, in place of the role's.
CREATE TABLE ai_budgets (
    user_id       BIGINT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- NULL: the role's limit counts
    daily_nanos   BIGINT,
    monthly_nanos BIGINT,
    unlimited     BOOLEAN NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL
);

-- Running totals of one user; its row is the lock that reservations queue at.
CREATE TABLE ai_spending (
    user_id        BIGINT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- the UTC day (2026-01-31) and month (2026-01) that the sums are of
    day            TEXT NOT NULL,
    day_nanos      BIGINT NOT NULL,
    month          TEXT NOT NULL,
    month_nanos    BIGINT NOT NULL,
    -- the sum of the user's rows in ai_reservations
    reserved_nanos BIGINT NOT NULL
);

-- Money held back for a call that runs, or whose process died.
CREATE TABLE ai_reservations (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id        BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- no reference: an agent may be deleted while it answers
    agent_id       BIGINT NOT NULL,
    run_id         TEXT NOT NULL,
    model          TEXT NOT NULL,
    amount_nanos   BIGINT NOT NULL,
    input_estimate BIGINT NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL
);
CREATE INDEX ai_reservations_run_idx ON ai_reservations (run_id);
CREATE INDEX ai_reservations_created_idx ON ai_reservations (created_at, id);
CREATE INDEX ai_reservations_user_idx ON ai_reservations (user_id);

-- One row per call, appended and never changed.
CREATE TABLE ai_usage (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id          BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- no reference: what a deleted agent cost stays on the account
    agent_id         BIGINT NOT NULL,
    run_id           TEXT NOT NULL,
    model            TEXT NOT NULL,
    input_tokens     BIGINT NOT NULL,
    cached_tokens    BIGINT NOT NULL,
    output_tokens    BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    -- counted here, because the provider gave no counts
    estimated        BOOLEAN NOT NULL,
    cost_nanos       BIGINT NOT NULL,
    -- FALSE: nobody knows the price, the cost is 0
    priced           BOOLEAN NOT NULL,
    -- the UTC day (2026-01-31)
    day              TEXT NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL
);
CREATE INDEX ai_usage_day_idx ON ai_usage (user_id, day);
