-- Takes the conversation's lock on PostgreSQL (SQLite has one writer).
-- name: LockConversation :execrows
UPDATE agent_conversations SET updated_at = updated_at WHERE id = @id AND user_id = @user_id AND agent_id = @agent_id;

-- name: ConversationByClient :one
SELECT id, agent_id FROM agent_conversations WHERE user_id = @user_id AND client_id = @client_id;

-- name: InsertConversation :one
INSERT INTO agent_conversations (agent_id, user_id, title, client_id, total_tokens_used, total_cost_nanos, created_at, updated_at)
VALUES (@agent_id, @user_id, @title, @client_id, 0, 0, @now, @now)
RETURNING id;

-- name: LastMessages :many
SELECT id, position, role, content, payload, steps, created_at
FROM agent_messages
WHERE conversation_id = @conversation_id AND position < @before
ORDER BY position DESC
LIMIT sqlc.arg(most);

-- name: NextPosition :one
SELECT CAST(COALESCE(MAX(position) + 1, 0) AS BIGINT) AS position FROM agent_messages WHERE conversation_id = @conversation_id;

-- name: InsertMessage :exec
INSERT INTO agent_messages (conversation_id, position, role, content, steps, created_at)
VALUES (@conversation_id, @position, @role, @content, @steps, @created_at);

-- name: DeleteMessagesFrom :exec
DELETE FROM agent_messages WHERE conversation_id = @conversation_id AND position >= @position;

-- name: TouchConversation :execrows
UPDATE agent_conversations
SET total_tokens_used = total_tokens_used + @tokens, total_cost_nanos = total_cost_nanos + @cost_nanos, updated_at = @updated_at
WHERE id = @id;

-- name: CountInteraction :exec
UPDATE ai_agents SET total_interactions = total_interactions + 1, last_used = @at WHERE id = @id;

-- name: DeleteConversation :execrows
DELETE FROM agent_conversations WHERE id = @id AND user_id = @user_id;

-- name: ConversationByID :one
SELECT * FROM agent_conversations WHERE id = @id AND user_id = @user_id;

-- name: OldConversations :many
SELECT c.id FROM agent_conversations c
WHERE c.updated_at < @before
  AND NOT EXISTS (SELECT 1 FROM ai_runs r WHERE r.conversation_id = c.id AND r.status IN ('running', 'waiting'))
ORDER BY c.updated_at
LIMIT sqlc.arg(most);

-- name: DeleteOldConversation :execrows
DELETE FROM agent_conversations WHERE id = @id AND updated_at < @before;

-- name: OldRuns :many
SELECT id FROM ai_runs WHERE conversation_id IS NULL AND finished_at < @before ORDER BY id LIMIT sqlc.arg(most);

-- name: DeleteRun :exec
DELETE FROM ai_runs WHERE id = @id;

-- name: InsertRun :one
INSERT INTO ai_runs (user_id, agent_id, conversation_id, opened, position, whole, unattended, session_id, key_id, status, owner,
                     lease_until, error_code, error_text, retry_after_ms, finish_reason, tainted, input_tokens, output_tokens,
                     cost_nanos, created_at, updated_at)
VALUES (@user_id, @agent_id, @conversation_id, @opened, @position, @whole, @unattended, @session_id, @key_id, 'running', @owner,
        @lease_until, '', '', 0, '', FALSE, 0, 0, 0, @now, @now)
RETURNING *;

-- name: RunByID :one
SELECT * FROM ai_runs WHERE id = @id AND user_id = @user_id;

-- name: LastRunOf :one
SELECT * FROM ai_runs WHERE conversation_id = @conversation_id AND user_id = @user_id ORDER BY id DESC LIMIT 1;

-- name: RunState :one
SELECT status FROM ai_runs WHERE id = @id AND user_id = @user_id;

-- Writes nothing when the run has been taken away from its owner.
-- name: InsertRunEvents :execrows
INSERT INTO ai_run_events (run_id, seq, lines)
SELECT r.id, CAST(@seq AS BIGINT), CAST(@lines AS TEXT)
FROM ai_runs r
WHERE r.id = @run_id AND r.owner = @owner AND r.status = 'running';

-- name: RunEvents :many
SELECT seq, lines FROM ai_run_events WHERE run_id = @run_id AND seq >= @since ORDER BY seq LIMIT sqlc.arg(most);

-- name: FinishRun :one
UPDATE ai_runs
SET status = @status, error_code = @error_code, error_text = @error_text, retry_after_ms = @retry_after_ms,
    finish_reason = @finish_reason, tainted = @tainted, input_tokens = @input_tokens, output_tokens = @output_tokens,
    cost_nanos = @cost_nanos, updated_at = @now, finished_at = @now
WHERE id = @id AND owner = @owner AND status = 'running'
RETURNING *;

-- name: PauseRun :execrows
UPDATE ai_runs
SET status = 'waiting', tainted = @tainted, input_tokens = @input_tokens, output_tokens = @output_tokens, cost_nanos = @cost_nanos,
    lease_until = @until, updated_at = @now
WHERE id = @id AND owner = @owner AND status = 'running' AND cancel_asked_at IS NULL;

-- Gives a waiting run to a process.
-- name: WakeRun :one
UPDATE ai_runs
SET status = 'running', owner = @owner, session_id = @session_id, key_id = 0, lease_until = @lease_until, updated_at = @now
WHERE id = @id AND status = 'waiting'
RETURNING *;

-- Takes a run from a process that has not been heard of.
-- name: SeizeRun :one
UPDATE ai_runs SET status = 'running', owner = @owner, lease_until = @lease_until, updated_at = @now
WHERE id = @id AND status = @status AND lease_until < @now
RETURNING *;

-- name: ForgetConversationOfRun :exec
UPDATE ai_runs SET conversation_id = NULL WHERE id = @id;

-- name: RenewLease :exec
UPDATE ai_runs SET lease_until = @lease_until WHERE id = @id AND owner = @owner AND status = 'running';

-- Takes the waiting run's lock on PostgreSQL.
-- name: LockWaitingRun :execrows
UPDATE ai_runs SET updated_at = updated_at WHERE id = @id AND user_id = @user_id AND status = 'waiting';

-- name: SeizeWaitingRun :one
UPDATE ai_runs SET status = 'running', owner = @owner, lease_until = @lease_until, updated_at = @now
WHERE id = @id AND status = 'waiting'
RETURNING *;

-- name: ExpiredRuns :many
SELECT id, status FROM ai_runs WHERE status IN ('running', 'waiting') AND lease_until < @now ORDER BY lease_until LIMIT sqlc.arg(most);

-- name: AskCancel :exec
UPDATE ai_runs SET cancel_asked_at = @now
WHERE id = @id AND user_id = @user_id AND status IN ('running', 'waiting') AND cancel_asked_at IS NULL;

-- name: CancelAsked :many
SELECT id FROM ai_runs WHERE owner = @owner AND status = 'running' AND cancel_asked_at IS NOT NULL;

-- name: InsertRunCall :exec
INSERT INTO ai_run_calls (run_id, call_id, tool, arguments, arguments_hash, state, expires_at)
VALUES (@run_id, @call_id, @tool, @arguments, @arguments_hash, 'pending', @expires_at);

-- name: RunCalls :many
SELECT * FROM ai_run_calls WHERE run_id = @run_id ORDER BY call_id;

-- name: DecideRunCall :execrows
UPDATE ai_run_calls SET state = @state, decided_at = @now
WHERE run_id = @run_id AND call_id = @call_id AND arguments_hash = @arguments_hash AND state = 'pending' AND expires_at > @now;

-- name: PendingRunCalls :one
SELECT COUNT(*) FROM ai_run_calls WHERE run_id = @run_id AND state = 'pending';

-- name: ExpireRunCalls :exec
UPDATE ai_run_calls SET state = 'expired', decided_at = @now WHERE run_id = @run_id AND state = 'pending';
