-- name: AgentByID :one
SELECT * FROM ai_agents WHERE id = @id AND user_id = @user_id;

-- name: InsertAgent :one
INSERT INTO ai_agents (user_id, name, description, agent_type, system_prompt, model, temperature, max_tokens, available_tools, tool_permissions,
                       status, total_interactions, last_used, created_at, updated_at)
VALUES (@user_id, @name, @description, @agent_type, @system_prompt, @model, @temperature, @max_tokens, @available_tools, @tool_permissions,
        @status, @total_interactions, @last_used, @created_at, @updated_at)
RETURNING *;

-- name: UpdateAgent :one
UPDATE ai_agents
SET name = @name, description = @description, agent_type = @agent_type, system_prompt = @system_prompt, model = @model,
    temperature = @temperature, max_tokens = @max_tokens, available_tools = @available_tools,
    tool_permissions = @tool_permissions, status = @status,
    total_interactions = @total_interactions, last_used = @last_used, updated_at = @updated_at
WHERE id = @id AND user_id = @user_id
RETURNING *;

-- name: DeleteAgent :execrows
DELETE FROM ai_agents WHERE id = @id AND user_id = @user_id;

-- Takes the row's lock on PostgreSQL (SQLite has one writer): what follows in
-- the transaction happens one after another for this agent.
-- name: LockAgent :execrows
UPDATE ai_agents SET status = status WHERE id = @id AND user_id = @user_id;

-- Conversations with their messages in one statement, so that both are of one
-- moment: a row per message, and one without a message for an empty
-- conversation.
-- name: ConversationsOf :many
SELECT c.id, c.agent_id, c.title, c.total_tokens_used, c.total_cost_nanos, c.created_at, c.updated_at,
       m.role, m.content, m.payload, m.created_at AS sent_at
FROM agent_conversations c
LEFT JOIN agent_messages m ON m.conversation_id = c.id
WHERE c.user_id = @user_id
ORDER BY c.updated_at DESC, c.id DESC, m.position;
