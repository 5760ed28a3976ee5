package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Agents implements agent.Store.
type Agents struct{ DB *DB }

func agentOf(r *db.AIAgent) agent.Agent {
	return agent.Agent{
		ID: r.ID, UserID: r.UserID, Name: r.Name, Description: r.Description, AgentType: r.AgentType,
		SystemPrompt: r.SystemPrompt, Model: r.Model, Temperature: r.Temperature, MaxTokens: r.MaxTokens,
		AvailableTools: json.RawMessage(r.AvailableTools), ToolPermissions: json.RawMessage(r.ToolPermissions), Status: r.Status, TotalInteractions: r.TotalInteractions,
		LastUsed: r.LastUsed, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func agentFault(err error) error {
	switch {
	case IsNoRows(err):
		return agent.ErrNotFound
	case IsForeignKey(err): // the user was deleted just now
		return agent.ErrNotFound.Because(err)
	}
	return err
}

// ByID implements agent.Store.
func (s *Agents) ByID(ctx context.Context, userID, id int64) (agent.Agent, error) {
	row, err := s.DB.R().AgentByID(ctx, db.AgentByIDParams{ID: id, UserID: userID})
	return agentOf(&row), agentFault(err)
}

var agentList = ListSpec{
	Columns: `id, user_id, name, description, agent_type, system_prompt, model, temperature, max_tokens, available_tools, tool_permissions, status,
	total_interactions, last_used, created_at, updated_at`,
	From:  "ai_agents",
	Where: "user_id = $1",
	ID:    "id",
	Order: orderKeysOf(map[string]bool{
		"id": false, "name": false, "description": false, "agent_type": false, "system_prompt": false, "model": false,
		"temperature": false, "max_tokens": false, "available_tools": false, "status": false, "total_interactions": false,
		"last_used": true, "created_at": false, "updated_at": false,
	}),
	Default: []page.Order{{Field: "last_used", Desc: true}},
	Filters: map[string]Filter{"agent_type": {Expr: "agent_type"}, "status": {Expr: "status"}},
}

// List implements agent.Store.
func (s *Agents) List(ctx context.Context, userID int64, req page.Request) (page.Result[agent.Agent], error) {
	spec := agentList
	spec.Args = []any{userID}
	return ListPage(ctx, s.DB.ReadDBTX(), spec, req, func(rows pgx.Rows) (agent.Agent, error) {
		var a agent.Agent
		var tools, permissions string
		err := rows.Scan(&a.ID, &a.UserID, &a.Name, &a.Description, &a.AgentType, &a.SystemPrompt, &a.Model, &a.Temperature,
			&a.MaxTokens, &tools, &permissions, &a.Status, &a.TotalInteractions, &a.LastUsed, &a.CreatedAt, &a.UpdatedAt)
		a.AvailableTools, a.ToolPermissions = json.RawMessage(tools), json.RawMessage(permissions)
		return a, err
	})
}

// Create implements agent.Store.
func (s *Agents) Create(ctx context.Context, a agent.Agent) (agent.Agent, error) {
	row, err := s.DB.W().InsertAgent(ctx, db.InsertAgentParams{
		UserID: a.UserID, Name: a.Name, Description: a.Description, AgentType: a.AgentType, SystemPrompt: a.SystemPrompt,
		Model: a.Model, Temperature: a.Temperature, MaxTokens: a.MaxTokens, AvailableTools: string(a.AvailableTools), ToolPermissions: string(a.ToolPermissions),
		Status: a.Status, TotalInteractions: a.TotalInteractions, LastUsed: a.LastUsed, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
	})
	return agentOf(&row), agentFault(err)
}

// Update implements agent.Store.
func (s *Agents) Update(ctx context.Context, userID, id int64, change func(*agent.Agent)) (updated agent.Agent, err error) {
	err = s.DB.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.LockAgent(ctx, db.LockAgentParams{ID: id, UserID: userID}); err != nil {
			return err
		}
		row, err := tx.AgentByID(ctx, db.AgentByIDParams{ID: id, UserID: userID})
		if err != nil {
			return err
		}
		a := agentOf(&row)
		change(&a)
		row, err = tx.UpdateAgent(ctx, db.UpdateAgentParams{
			ID: id, UserID: userID, Name: a.Name, Description: a.Description, AgentType: a.AgentType, SystemPrompt: a.SystemPrompt,
			Model: a.Model, Temperature: a.Temperature, MaxTokens: a.MaxTokens, AvailableTools: string(a.AvailableTools), ToolPermissions: string(a.ToolPermissions),
			Status: a.Status, TotalInteractions: a.TotalInteractions, LastUsed: a.LastUsed, UpdatedAt: a.UpdatedAt,
		})
		updated = agentOf(&row)
		return err
	})
	return updated, agentFault(err)
}

// Delete implements agent.Store.
func (s *Agents) Delete(ctx context.Context, userID, id int64) error {
	n, err := s.DB.W().DeleteAgent(ctx, db.DeleteAgentParams{ID: id, UserID: userID})
	if err == nil && n == 0 {
		return agent.ErrNotFound
	}
	return err
}

// Conversations implements agent.Store.
func (s *Agents) Conversations(ctx context.Context, userID int64) ([]agent.Conversation, error) {
	rows, err := s.DB.R().ConversationsOf(ctx, userID)
	if err != nil {
		return nil, err
	}
	list := []agent.Conversation{}
	for i := range rows {
		r := &rows[i]
		if n := len(list); n == 0 || list[n-1].ID != r.ID {
			list = append(list, agent.Conversation{
				ID: r.ID, AgentID: r.AgentID, Title: r.Title, TotalTokensUsed: r.TotalTokensUsed,
				TotalCostNanos: r.TotalCostNanos, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
			})
		}
		if r.Role == nil || r.Content == nil || r.SentAt == nil { // a conversation without messages
			continue
		}
		c := &list[len(list)-1]
		c.Messages = append(c.Messages, agent.Message{Role: *r.Role, Content: *r.Content, SentAt: *r.SentAt, Payload: rawOrNil(r.Payload)})
	}
	return list, nil
}
