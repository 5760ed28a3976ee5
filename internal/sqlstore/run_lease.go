package sqlstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Renew implements agent.RunStore.
func (s *Runs) Renew(ctx context.Context, owner string, ids []int64, lease time.Time) error {
	return s.DB.InTx(ctx, func(tx *Tx) error {
		for _, id := range ids {
			if err := tx.RenewLease(ctx, db.RenewLeaseParams{ID: id, Owner: owner, LeaseUntil: lease}); err != nil {
				return err
			}
		}
		return nil
	})
}

// CancelAsked implements agent.RunStore.
func (s *Runs) CancelAsked(ctx context.Context, owner string) ([]int64, error) {
	return s.DB.R().CancelAsked(ctx, owner)
}

// Seize implements agent.RunStore.
func (s *Runs) Seize(ctx context.Context, id int64, owner string, lease, now time.Time) (agent.Run, error) {
	row, err := s.DB.W().SeizeWaitingRun(ctx, db.SeizeWaitingRunParams{ID: id, Owner: owner, LeaseUntil: lease, Now: now})
	if IsNoRows(err) {
		return agent.Run{}, agent.ErrLost
	}
	return runOf(&row), err
}

// SeizeExpired implements agent.RunStore.
func (s *Runs) SeizeExpired(ctx context.Context, owner string, lease, now time.Time, most int, skip map[int64]bool) ([]agent.Seized, error) {
	expired, err := s.DB.R().ExpiredRuns(ctx, db.ExpiredRunsParams{Now: now, Most: int32(most)}) //nolint:gosec // a constant of the caller
	if err != nil {
		return nil, err
	}
	var seized []agent.Seized
	for _, e := range expired {
		if skip[e.ID] {
			continue
		}
		row, err := s.DB.W().SeizeRun(ctx, db.SeizeRunParams{ID: e.ID, Status: e.Status, Owner: owner, LeaseUntil: lease, Now: now})
		if IsNoRows(err) { // another process was quicker
			continue
		}
		if err != nil {
			return seized, err
		}
		seized = append(seized, agent.Seized{Run: runOf(&row), Was: agent.Status(e.Status)})
	}
	return seized, nil
}

// ByID implements agent.RunStore.
func (s *Runs) ByID(ctx context.Context, userID, id int64) (agent.Run, error) {
	row, err := s.DB.R().RunByID(ctx, db.RunByIDParams{ID: id, UserID: userID})
	return runOf(&row), runFault(err)
}

// Status implements agent.RunStore.
func (s *Runs) Status(ctx context.Context, userID, id int64) (agent.Status, error) {
	status, err := s.DB.R().RunState(ctx, db.RunStateParams{ID: id, UserID: userID})
	return agent.Status(status), runFault(err)
}

// LastOf implements agent.RunStore.
func (s *Runs) LastOf(ctx context.Context, userID, conversationID int64) (agent.Run, error) {
	row, err := s.DB.R().LastRunOf(ctx, db.LastRunOfParams{ConversationID: &conversationID, UserID: userID})
	return runOf(&row), runFault(err)
}

// eventRows is how many commits of a run are read at a time.
const eventRows = 200

// Events implements agent.RunStore.
func (s *Runs) Events(ctx context.Context, runID, seq int64) ([]agent.Event, error) {
	rows, err := s.DB.R().RunEvents(ctx, db.RunEventsParams{RunID: runID, Since: seq, Most: eventRows})
	if err != nil {
		return nil, err
	}
	var events []agent.Event
	for i := range rows {
		some, err := agent.DecodeEvents(rows[i].Lines)
		if err != nil {
			return nil, err
		}
		events = append(events, some...)
	}
	return events, nil
}

// ConversationByID implements agent.RunStore.
func (s *Runs) ConversationByID(ctx context.Context, userID, id int64) (agent.Conversation, error) {
	r, err := s.DB.R().ConversationByID(ctx, db.ConversationByIDParams{ID: id, UserID: userID})
	if IsNoRows(err) {
		return agent.Conversation{}, agent.ErrConversation
	}
	return agent.Conversation{
		ID: r.ID, AgentID: r.AgentID, Title: r.Title, TotalTokensUsed: r.TotalTokensUsed, TotalCostNanos: r.TotalCostNanos,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}, err
}

var conversationList = ListSpec{
	Columns: "id, agent_id, title, total_tokens_used, total_cost_nanos, created_at, updated_at",
	From:    "agent_conversations",
	Where:   "user_id = $1",
	ID:      "id",
	Order: map[string]OrderKey{
		"id": {Expr: "id"}, "title": {Expr: "title"}, "total_tokens_used": {Expr: "total_tokens_used"},
		"total_cost": {Expr: "total_cost_nanos"}, "created_at": {Expr: "created_at"}, "updated_at": {Expr: "updated_at"},
	},
	Default: []page.Order{{Field: "updated_at", Desc: true}},
	Filters: map[string]Filter{},
}

// ListConversations implements agent.RunStore.
func (s *Runs) ListConversations(ctx context.Context, userID int64, req page.Request) (page.Result[agent.Conversation], error) {
	spec := conversationList
	spec.Args = []any{userID}
	return ListPage(ctx, s.DB.ReadDBTX(), spec, req, func(rows pgx.Rows) (agent.Conversation, error) {
		var c agent.Conversation
		err := rows.Scan(&c.ID, &c.AgentID, &c.Title, &c.TotalTokensUsed, &c.TotalCostNanos, &c.CreatedAt, &c.UpdatedAt)
		return c, err
	})
}

var messageList = ListSpec{
	Columns: "role, content, payload, steps, created_at",
	From:    "agent_messages",
	Where:   "conversation_id = $1",
	ID:      "position",
	Order:   map[string]OrderKey{"position": {Expr: "position"}},
	Default: []page.Order{{Field: "position"}},
	Filters: map[string]Filter{},
}

// ListMessages implements agent.RunStore.
func (s *Runs) ListMessages(ctx context.Context, conversationID int64, req page.Request) (page.Result[agent.Message], error) {
	spec := messageList
	spec.Args = []any{conversationID}
	return ListPage(ctx, s.DB.ReadDBTX(), spec, req, func(rows pgx.Rows) (agent.Message, error) {
		var m agent.Message
		var payload, steps *string
		err := rows.Scan(&m.Role, &m.Content, &payload, &steps, &m.SentAt)
		m.Payload, m.Steps = rawOrNil(payload), rawOrNil(steps)
		return m, err
	})
}

// DeleteConversation implements agent.RunStore.
func (s *Runs) DeleteConversation(ctx context.Context, userID, id int64) error {
	n, err := s.DB.W().DeleteConversation(ctx, db.DeleteConversationParams{ID: id, UserID: userID})
	if err == nil && n == 0 {
		return agent.ErrConversation
	}
	return err
}

// Sweep implements agent.RunStore.
func (s *Runs) Sweep(ctx context.Context, before time.Time, most int) (swept int, err error) {
	err = s.DB.InTx(ctx, func(tx *Tx) error {
		swept = 0
		limit := int32(most) //nolint:gosec // a constant of the caller
		old, err := tx.OldConversations(ctx, db.OldConversationsParams{Before: before, Most: limit})
		if err != nil {
			return err
		}
		for _, id := range old {
			n, err := tx.DeleteOldConversation(ctx, db.DeleteOldConversationParams{ID: id, Before: before})
			if err != nil {
				return err
			}
			swept += int(n)
		}
		runs, err := tx.OldRuns(ctx, db.OldRunsParams{Before: &before, Most: limit})
		if err != nil {
			return err
		}
		for _, id := range runs {
			if err := tx.DeleteRun(ctx, id); err != nil {
				return err
			}
		}
		swept += len(runs)
		return nil
	})
	return swept, err
}
