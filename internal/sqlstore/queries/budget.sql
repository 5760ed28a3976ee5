-- Takes the row's lock on PostgreSQL (SQLite has one writer), making it first
-- if need be: what follows in the transaction happens one after another for
-- this user.
-- name: LockSpending :one
INSERT INTO ai_spending (user_id, day, day_nanos, month, month_nanos, reserved_nanos)
VALUES (@user_id, @day, 0, @month, 0, 0)
ON CONFLICT (user_id) DO UPDATE SET reserved_nanos = ai_spending.reserved_nanos
RETURNING *;

-- name: SpendingOf :one
SELECT * FROM ai_spending WHERE user_id = @user_id;

-- name: PutSpending :exec
UPDATE ai_spending
SET day = @day, day_nanos = @day_nanos, month = @month, month_nanos = @month_nanos, reserved_nanos = @reserved_nanos
WHERE user_id = @user_id;

-- name: BudgetOf :one
SELECT * FROM ai_budgets WHERE user_id = @user_id;

-- name: PutBudget :exec
INSERT INTO ai_budgets (user_id, daily_nanos, monthly_nanos, unlimited, updated_at)
VALUES (@user_id, @daily_nanos, @monthly_nanos, @unlimited, @updated_at)
ON CONFLICT (user_id) DO UPDATE
SET daily_nanos = excluded.daily_nanos, monthly_nanos = excluded.monthly_nanos, unlimited = excluded.unlimited, updated_at = excluded.updated_at;

-- name: DeleteBudget :execrows
DELETE FROM ai_budgets WHERE user_id = @user_id;

-- name: InsertReservation :one
INSERT INTO ai_reservations (user_id, agent_id, run_id, model, amount_nanos, input_estimate, created_at)
VALUES (@user_id, @agent_id, @run_id, @model, @amount_nanos, @input_estimate, @created_at)
RETURNING id;

-- name: TakeReservation :one
DELETE FROM ai_reservations WHERE id = @id AND user_id = @user_id
RETURNING *;

-- name: ReservationsOfRun :many
SELECT * FROM ai_reservations WHERE run_id = @run_id ORDER BY id;

-- name: ReservationsBefore :many
SELECT * FROM ai_reservations WHERE created_at < @before ORDER BY created_at, id LIMIT @most;

-- name: InsertUsage :exec
INSERT INTO ai_usage (user_id, agent_id, run_id, model, input_tokens, cached_tokens, output_tokens, reasoning_tokens, estimated,
                      cost_nanos, priced, day, created_at)
VALUES (@user_id, @agent_id, @run_id, @model, @input_tokens, @cached_tokens, @output_tokens, @reasoning_tokens, @estimated,
        @cost_nanos, @priced, @day, @created_at);

-- name: UsageOf :many
SELECT day, agent_id, model, COUNT(*) AS calls,
       CAST(SUM(input_tokens) AS BIGINT) AS input_tokens, CAST(SUM(cached_tokens) AS BIGINT) AS cached_tokens,
       CAST(SUM(output_tokens) AS BIGINT) AS output_tokens, CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens,
       CAST(SUM(CASE WHEN estimated THEN 1 ELSE 0 END) AS BIGINT) AS estimated_calls,
       CAST(SUM(CASE WHEN priced THEN 0 ELSE 1 END) AS BIGINT) AS unpriced_calls,
       CAST(SUM(cost_nanos) AS BIGINT) AS cost_nanos
FROM ai_usage
WHERE user_id = @user_id AND day >= @first_day AND day <= @last_day
GROUP BY day, agent_id, model
ORDER BY day, agent_id, model;
