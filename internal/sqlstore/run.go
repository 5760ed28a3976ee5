package sqlstore

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Runs implements agent.RunStore.
type Runs struct{ DB *DB }

func runOf(r *db.AIRun) agent.Run {
	run := agent.Run{
		ID: r.ID, UserID: r.UserID, AgentID: r.AgentID, Opened: r.Opened, Position: r.Position, Whole: r.Whole,
		Unattended: r.Unattended, SessionID: r.SessionID, KeyID: r.KeyID, Status: agent.Status(r.Status), Owner: r.Owner,
		CancelAsked: r.CancelAskedAt != nil, FinishReason: r.FinishReason, Tainted: r.Tainted, InputTokens: r.InputTokens,
		OutputTokens: r.OutputTokens, CostNanos: r.CostNanos, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, FinishedAt: r.FinishedAt,
	}
	if r.ConversationID != nil {
		run.ConversationID = *r.ConversationID
	}
	if r.ErrorCode != "" {
		run.Failure = &agent.Failure{Code: r.ErrorCode, Text: r.ErrorText, RetryAfter: time.Duration(r.RetryAfterMs) * time.Millisecond}
	}
	return run
}

func runFault(err error) error {
	switch {
	case IsNoRows(err):
		return agent.ErrRunNotFound
	case IsForeignKey(err): // the user, the agent or the conversation was deleted just now
		return agent.ErrNoConversation.Because(err)
	case Violates(err, "ai_runs_open_key"), Violates(err, "agent_conversations_client_key"), Violates(err, "agent_messages_position_key"):
		return agent.ErrBusy.Because(err)
	}
	return err
}

// Begin implements agent.RunStore.
func (s *Runs) Begin(ctx context.Context, b agent.Beginning) (begun agent.Run, err error) {
	err = s.DB.InTx(ctx, func(tx *Tx) error {
		run := b.Run
		if err := conversationFor(ctx, tx, &b, &run); err != nil {
			return err
		}
		if b.Prompt.Regenerate {
			if err := takeBack(ctx, tx, run.ConversationID); err != nil {
				return err
			}
		}
		position, err := tx.NextPosition(ctx, run.ConversationID)
		if err != nil {
			return err
		}
		// The run first: it is refused while another one is open.
		row, err := tx.InsertRun(ctx, db.InsertRunParams{
			UserID: run.UserID, AgentID: run.AgentID, ConversationID: &run.ConversationID, Opened: run.Opened, Position: position,
			Whole: run.Whole, Unattended: run.Unattended, SessionID: run.SessionID, KeyID: run.KeyID, Owner: run.Owner,
			LeaseUntil: b.Lease, Now: b.Now,
		})
		if err != nil {
			return err
		}
		begun = runOf(&row)
		return tx.InsertMessage(ctx, db.InsertMessageParams{
			ConversationID: run.ConversationID, Position: position, Role: "user", Content: b.Prompt.Text, CreatedAt: b.Now,
		})
	})
	return begun, runFault(err)
}

// conversationFor finds the conversation of a message, or begins it, and holds
// its lock.
func conversationFor(ctx context.Context, tx *Tx, b *agent.Beginning, run *agent.Run) error {
	var client *string
	if id := b.Prompt.ClientID; run.ConversationID == 0 && id != "" {
		client = &id
		row, err := tx.ConversationByClient(ctx, db.ConversationByClientParams{UserID: run.UserID, ClientID: client})
		switch {
		case err == nil:
			run.ConversationID = row.ID
		case !IsNoRows(err):
			return err
		}
	}
	if run.ConversationID != 0 {
		n, err := tx.LockConversation(ctx, db.LockConversationParams{ID: run.ConversationID, UserID: run.UserID, AgentID: run.AgentID})
		if err == nil && n == 0 {
			return agent.ErrNoConversation
		}
		return err
	}
	id, err := tx.InsertConversation(ctx, db.InsertConversationParams{
		AgentID: run.AgentID, UserID: run.UserID, Title: b.Title, ClientID: client, Now: b.Now,
	})
	run.ConversationID, run.Opened = id, true
	return err
}

// takeBack deletes the last message of the user and its answer.
func takeBack(ctx context.Context, tx *Tx, conversation int64) error {
	last, err := tx.LastMessages(ctx, db.LastMessagesParams{ConversationID: conversation, Before: math.MaxInt64, Most: 2})
	if err != nil {
		return err
	}
	for _, m := range last {
		if m.Role == "user" {
			return tx.DeleteMessagesFrom(ctx, db.DeleteMessagesFromParams{ConversationID: conversation, Position: m.Position})
		}
	}
	return nil
}

// maxHistory is how many messages are looked at for a model.
const maxHistory = 400

// Messages implements agent.RunStore.
func (s *Runs) Messages(ctx context.Context, conversationID, before int64) ([]agent.StoredMessage, error) {
	rows, err := s.DB.R().LastMessages(ctx, db.LastMessagesParams{ConversationID: conversationID, Before: before, Most: maxHistory})
	if err != nil {
		return nil, err
	}
	out := make([]agent.StoredMessage, len(rows))
	for i := range rows {
		r := &rows[len(rows)-1-i]
		out[i].Message = agent.Message{Role: r.Role, Content: r.Content, SentAt: r.CreatedAt, Payload: rawOrNil(r.Payload)}
		if r.Steps != nil {
			if err := json.Unmarshal([]byte(*r.Steps), &out[i].Steps); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// Append implements agent.RunStore.
func (s *Runs) Append(ctx context.Context, owner string, batches []agent.Batch) (lost []int64, err error) {
	lines := make([]string, len(batches))
	for i := range batches {
		if lines[i], err = agent.EncodeEvents(batches[i].Events); err != nil {
			return nil, err
		}
	}
	err = s.DB.InTx(ctx, func(tx *Tx) error {
		lost = nil
		for i := range batches {
			n, err := tx.InsertRunEvents(ctx, db.InsertRunEventsParams{RunID: batches[i].RunID, Seq: batches[i].Seq, Lines: lines[i], Owner: owner})
			if err != nil {
				return err
			}
			if n == 0 {
				lost = append(lost, batches[i].RunID)
			}
		}
		return nil
	})
	return lost, err
}

// Pause implements agent.RunStore.
func (s *Runs) Pause(ctx context.Context, r agent.Run, asks []agent.Ask, until, now time.Time) error {
	return s.DB.InTx(ctx, func(tx *Tx) error {
		n, err := tx.PauseRun(ctx, db.PauseRunParams{
			ID: r.ID, Owner: r.Owner, Tainted: r.Tainted, InputTokens: r.InputTokens, OutputTokens: r.OutputTokens,
			CostNanos: r.CostNanos, Until: until, Now: now,
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return agent.ErrLost
		}
		for _, a := range asks {
			err := tx.InsertRunCall(ctx, db.InsertRunCallParams{
				RunID: r.ID, CallID: a.CallID, Tool: a.Tool, Arguments: a.Arguments, ArgumentsHash: a.Hash, ExpiresAt: a.ExpiresAt,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Finish implements agent.RunStore.
func (s *Runs) Finish(ctx context.Context, e agent.Ending) (ended agent.Run, err error) {
	err = s.DB.InTx(ctx, func(tx *Tx) error {
		lines, err := agent.EncodeEvents([]agent.Event{e.End})
		if err != nil {
			return err
		}
		n, err := tx.InsertRunEvents(ctx, db.InsertRunEventsParams{RunID: e.Run.ID, Seq: e.Seq, Lines: lines, Owner: e.Run.Owner})
		if err != nil {
			return err
		}
		if n == 0 {
			return agent.ErrLost
		}
		p := db.FinishRunParams{
			ID: e.Run.ID, Owner: e.Run.Owner, Status: string(e.Run.Status), FinishReason: e.Run.FinishReason, Tainted: e.Run.Tainted,
			InputTokens: e.Run.InputTokens, OutputTokens: e.Run.OutputTokens, CostNanos: e.Run.CostNanos, Now: e.Now,
		}
		if f := e.Run.Failure; f != nil {
			p.ErrorCode, p.ErrorText, p.RetryAfterMs = f.Code, f.Text, f.RetryAfter.Milliseconds()
		}
		row, err := tx.FinishRun(ctx, p)
		if IsNoRows(err) {
			return agent.ErrLost
		}
		if err != nil {
			return err
		}
		ended = runOf(&row)
		if e.Discard {
			return discard(ctx, tx, &ended)
		}
		return keep(ctx, tx, &e)
	})
	return ended, err
}

// discard takes the message of a run back.
func discard(ctx context.Context, tx *Tx, r *agent.Run) error {
	if !r.Opened {
		return tx.DeleteMessagesFrom(ctx, db.DeleteMessagesFromParams{ConversationID: r.ConversationID, Position: r.Position})
	}
	if err := tx.ForgetConversationOfRun(ctx, r.ID); err != nil {
		return err
	}
	_, err := tx.DeleteConversation(ctx, db.DeleteConversationParams{ID: r.ConversationID, UserID: r.UserID})
	r.ConversationID = 0
	return err
}

// keep stores what was said.
func keep(ctx context.Context, tx *Tx, e *agent.Ending) error {
	r := &e.Run
	if e.Answer != "" || len(e.Steps) > 0 {
		p := db.InsertMessageParams{ConversationID: r.ConversationID, Position: r.Position + 1, Role: "assistant", Content: e.Answer, CreatedAt: e.Now}
		if len(e.Steps) > 0 {
			steps := string(e.Steps)
			p.Steps = &steps
		}
		if err := tx.InsertMessage(ctx, p); err != nil {
			return err
		}
	}
	if r.Status == agent.Succeeded {
		if err := tx.CountInteraction(ctx, db.CountInteractionParams{ID: r.AgentID, At: &e.Now}); err != nil {
			return err
		}
	}
	_, err := tx.TouchConversation(ctx, db.TouchConversationParams{
		ID: r.ConversationID, Tokens: r.InputTokens + r.OutputTokens, CostNanos: r.CostNanos, UpdatedAt: e.Now,
	})
	return err
}

// Decide implements agent.RunStore.
func (s *Runs) Decide(ctx context.Context, userID int64, d agent.Decision) (run agent.Run, woken bool, err error) {
	err = s.DB.InTx(ctx, func(tx *Tx) error {
		woken = false
		n, err := tx.LockWaitingRun(ctx, db.LockWaitingRunParams{ID: d.RunID, UserID: userID})
		if err != nil {
			return err
		}
		row, err := tx.RunByID(ctx, db.RunByIDParams{ID: d.RunID, UserID: userID})
		if err != nil {
			return err
		}
		run = runOf(&row)
		if n == 0 || run.CancelAsked {
			return agent.ErrNotWaiting
		}
		state := agent.CallRefused
		if d.Yes {
			state = agent.CallApproved
		}
		n, err = tx.DecideRunCall(ctx, db.DecideRunCallParams{
			RunID: d.RunID, CallID: d.CallID, ArgumentsHash: d.Hash, State: string(state), Now: &d.Now,
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return agent.ErrCallDecided
		}
		pending, err := tx.PendingRunCalls(ctx, d.RunID)
		if err != nil || pending > 0 {
			return err
		}
		row, err = tx.WakeRun(ctx, db.WakeRunParams{ID: d.RunID, Owner: d.Owner, SessionID: d.SessionID, LeaseUntil: d.Lease, Now: d.Now})
		run, woken = runOf(&row), true
		return err
	})
	return run, woken, runFault(err)
}

// Calls implements agent.RunStore.
func (s *Runs) Calls(ctx context.Context, runID int64) (map[string]agent.CallState, error) {
	rows, err := s.DB.R().RunCalls(ctx, runID)
	if err != nil {
		return nil, err
	}
	states := make(map[string]agent.CallState, len(rows))
	for i := range rows {
		states[rows[i].CallID] = agent.CallState(rows[i].State)
	}
	return states, nil
}

// Expire implements agent.RunStore.
func (s *Runs) Expire(ctx context.Context, runID int64, now time.Time) error {
	return s.DB.W().ExpireRunCalls(ctx, db.ExpireRunCallsParams{RunID: runID, Now: &now})
}

// AskCancel implements agent.RunStore.
func (s *Runs) AskCancel(ctx context.Context, userID, id int64, now time.Time) (agent.Run, error) {
	if err := s.DB.W().AskCancel(ctx, db.AskCancelParams{ID: id, UserID: userID, Now: &now}); err != nil {
		return agent.Run{}, err
	}
	return s.ByID(ctx, userID, id)
}
