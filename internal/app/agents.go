package app

import (
	"context"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/agent/tool"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/budget"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/job"
	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/notify"
	"github.com/bdash/bdash/internal/sqlstore"
)

// newRunner puts together what answers the users' messages.
func (a *App) newRunner(opts Options, agents *agent.Service, notes *notify.Service) (*agent.Runner, error) {
	tools, err := a.tools()
	if err != nil {
		return nil, err
	}
	var models llm.Model = a.models
	if opts.Models != nil {
		models = opts.Models
	}
	return agent.NewRunner(agent.Parts{
		Agents: agents, Store: &sqlstore.Runs{DB: a.DB}, Models: models, Tools: tools, Now: a.now, Log: a.Log,
		Budget: purse{a.API.Budgets},
		Window: func(model string) int64 {
			entry, _ := a.API.Budgets.Prices.Price(model)
			return entry.Context
		},
		Access: recheck{a},
		Refused: func(ctx context.Context, r agent.Run, by *agent.Agent, tool string) {
			_, err := notes.Add(ctx, r.UserID, notify.Message{
				Kind: "agent.call_refused", Title: "A call of " + by.Name + " was refused",
				Body: "The agent wanted to use " + tool + ", which needs your approval. Nobody could be asked where it ran, so the call was not made.",
			})
			if err != nil {
				a.Log.ErrorContext(ctx, "tell of a refused call", "error", err)
			}
		},
	}), nil
}

// tools are what agents can do.
func (a *App) tools() (*agent.Toolbox, error) {
	return agent.NewToolbox(tool.All(tool.Rooms{Views: a.API.Dashboards, Themes: a.API.Themes, Widgets: a.API.Widgets})...)
}

// purse shows the budget room to the agent room.
type purse struct{ budgets *budget.Service }

// Reserve implements agent.Budget.
func (p purse) Reserve(ctx context.Context, c agent.Charge) (agent.Reserved, error) {
	r, err := p.budgets.Reserve(ctx, budget.Call{
		Actor: c.Actor, AgentID: c.AgentID, RunID: strconv.FormatInt(c.RunID, 10), Model: c.Model, InputEstimate: c.Input, MaxTokens: c.MaxTokens,
	})
	return agent.Reserved(r), err
}

// Settle implements agent.Budget.
func (p purse) Settle(ctx context.Context, r agent.Reserved, u llm.Usage) (int64, error) {
	return p.budgets.Settle(ctx, budget.Reservation(r), u)
}

// Release implements agent.Budget.
func (p purse) Release(ctx context.Context, runID int64, said llm.Usage) (int64, error) {
	return p.budgets.Release(ctx, strconv.FormatInt(runID, 10), said)
}

// recheck asks the rooms of accounts and sessions whether a run may go on.
type recheck struct{ app *App }

// Recheck implements agent.Access.
func (r recheck) Recheck(ctx context.Context, userID int64, sessionID string, keyID int64, since time.Time) (identity.Actor, error) {
	return r.app.API.Auth.Recheck(ctx, auth.Origin{UserID: userID, SessionID: sessionID, KeyID: keyID, Since: since})
}

// cleanupArgs is the job that deletes old conversations: the guide's.
type cleanupArgs struct{}

// Kind implements job.Args.
func (cleanupArgs) Kind() string { return "agent.cleanup_old_conversations" }

// cleanupBatch bounds one transaction of the clean-up.
const cleanupBatch = 200

func (a *App) registerCleanup(w *job.Workers) job.Periodic {
	job.Register(w, func(ctx context.Context, _ job.Job[cleanupArgs]) error {
		before := a.now().UTC().AddDate(0, 0, -a.Config.AIRetentionDays)
		for {
			n, err := a.API.Runs.Store.Sweep(ctx, before, cleanupBatch)
			if err != nil || n == 0 {
				return err
			}
		}
	}, job.KindOpts{})
	return job.Periodic{ID: "agent.cleanup", Every: 24 * time.Hour, Make: func() job.Insert { return job.Insert{Args: cleanupArgs{}} }}
}
