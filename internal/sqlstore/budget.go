package sqlstore

import (
	"context"
	"time"

	"github.com/bdash/bdash/internal/budget"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Budgets implements budget.Store.
type Budgets struct{ DB *DB }

const monthOnly = "2006-01"

func budgetFault(err error) error {
	switch {
	case IsNoRows(err):
		return budget.ErrNotFound
	case IsForeignKey(err):
		return budget.ErrNotFound.Because(err)
	}
	return err
}

// accountOf moves the sums on to the day and month of now. An instance whose
// clock is behind does not move them back.
func accountOf(r *db.AISpending, now time.Time) budget.Account {
	a := budget.Account{UserID: r.UserID, Day: r.Day, Month: r.Month, DayNanos: r.DayNanos, MonthNanos: r.MonthNanos, Reserved: r.ReservedNanos}
	if day := now.Format(time.DateOnly); day > a.Day {
		a.Day, a.DayNanos = day, 0
	}
	if month := now.Format(monthOnly); month > a.Month {
		a.Month, a.MonthNanos = month, 0
	}
	return a
}

func putSpending(ctx context.Context, tx *Tx, a *budget.Account) error {
	return tx.PutSpending(ctx, db.PutSpendingParams{
		UserID: a.UserID, Day: a.Day, DayNanos: a.DayNanos, Month: a.Month, MonthNanos: a.MonthNanos, ReservedNanos: a.Reserved,
	})
}

func lockSpending(ctx context.Context, tx *Tx, userID int64, now time.Time) (budget.Account, error) {
	row, err := tx.LockSpending(ctx, db.LockSpendingParams{UserID: userID, Day: now.Format(time.DateOnly), Month: now.Format(monthOnly)})
	return accountOf(&row, now), err
}

func overrideOf(ctx context.Context, q *db.Queries, userID int64) (*budget.Override, error) {
	row, err := q.BudgetOf(ctx, userID)
	if IsNoRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &budget.Override{Daily: row.DailyNanos, Monthly: row.MonthlyNanos, Unlimited: row.Unlimited}, nil
}

func heldOf(r *db.AIReservation) budget.Held {
	return budget.Held{
		ID: r.ID, UserID: r.UserID, AgentID: r.AgentID, RunID: r.RunID, Model: r.Model,
		Amount: r.AmountNanos, InputEstimate: r.InputEstimate, CreatedAt: r.CreatedAt,
	}
}

func heldList(rows []db.AIReservation) []budget.Held {
	list := make([]budget.Held, len(rows))
	for i := range rows {
		list[i] = heldOf(&rows[i])
	}
	return list
}

// Reserve implements budget.Store.
func (s *Budgets) Reserve(ctx context.Context, userID int64, now time.Time, decide func(budget.Account) (budget.Held, error)) (held budget.Held, err error) {
	err = s.DB.InTx(ctx, func(tx *Tx) error {
		a, err := lockSpending(ctx, tx, userID, now)
		if err != nil {
			return err
		}
		if a.Override, err = overrideOf(ctx, tx.Queries, userID); err != nil {
			return err
		}
		if held, err = decide(a); err != nil {
			return err
		}
		held.ID, err = tx.InsertReservation(ctx, db.InsertReservationParams{
			UserID: userID, AgentID: held.AgentID, RunID: held.RunID, Model: held.Model,
			AmountNanos: held.Amount, InputEstimate: held.InputEstimate, CreatedAt: now,
		})
		if err != nil {
			return err
		}
		a.Reserved += held.Amount
		return putSpending(ctx, tx, &a)
	})
	return held, budgetFault(err)
}

// Settle implements budget.Store.
func (s *Budgets) Settle(ctx context.Context, userID, id int64, now time.Time, charge func(budget.Held) *budget.Charge) (ended bool, err error) {
	err = s.DB.InTx(ctx, func(tx *Tx) error {
		ended = false
		// The lock first, as in Reserve: never the two in another order.
		a, err := lockSpending(ctx, tx, userID, now)
		if err != nil {
			return err
		}
		row, err := tx.TakeReservation(ctx, db.TakeReservationParams{ID: id, UserID: userID})
		if IsNoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		ended = true
		a.Reserved -= row.AmountNanos
		if c := charge(heldOf(&row)); c != nil {
			a.DayNanos += c.Cost
			a.MonthNanos += c.Cost
			if err := tx.InsertUsage(ctx, usageParams(c, a.Day)); err != nil {
				return err
			}
		}
		return putSpending(ctx, tx, &a)
	})
	if IsForeignKey(err) { // the user is gone, and the reservation with them
		return false, nil
	}
	return ended, err
}

func usageParams(c *budget.Charge, day string) db.InsertUsageParams {
	return db.InsertUsageParams{
		UserID: c.UserID, AgentID: c.AgentID, RunID: c.RunID, Model: c.Model,
		InputTokens: c.Usage.Input, CachedTokens: c.Usage.Cached, OutputTokens: c.Usage.Output, ReasoningTokens: c.Usage.Reasoning,
		Estimated: c.Usage.Estimated, CostNanos: c.Cost, Priced: c.Priced, Day: day, CreatedAt: c.At,
	}
}

// OfRun implements budget.Store.
func (s *Budgets) OfRun(ctx context.Context, runID string) ([]budget.Held, error) {
	rows, err := s.DB.R().ReservationsOfRun(ctx, runID)
	return heldList(rows), err
}

// Before implements budget.Store.
func (s *Budgets) Before(ctx context.Context, at time.Time, most int) ([]budget.Held, error) {
	rows, err := s.DB.R().ReservationsBefore(ctx, db.ReservationsBeforeParams{Before: at, Most: int32(most)}) //nolint:gosec // a small constant
	return heldList(rows), err
}

// Account implements budget.Store.
func (s *Budgets) Account(ctx context.Context, userID int64, now time.Time) (budget.Account, error) {
	row, err := s.DB.R().SpendingOf(ctx, userID)
	if err != nil && !IsNoRows(err) {
		return budget.Account{}, err
	}
	row.UserID = userID
	a := accountOf(&row, now)
	a.Override, err = overrideOf(ctx, s.DB.R(), userID)
	return a, err
}

// SetOverride implements budget.Store.
func (s *Budgets) SetOverride(ctx context.Context, userID int64, o *budget.Override, now time.Time) error {
	if o == nil {
		if _, err := s.RoleOf(ctx, userID); err != nil {
			return err
		}
		_, err := s.DB.W().DeleteBudget(ctx, userID)
		return err
	}
	return budgetFault(s.DB.W().PutBudget(ctx, db.PutBudgetParams{
		UserID: userID, DailyNanos: o.Daily, MonthlyNanos: o.Monthly, Unlimited: o.Unlimited, UpdatedAt: now,
	}))
}

// RoleOf implements budget.Store.
func (s *Budgets) RoleOf(ctx context.Context, userID int64) (identity.Role, error) {
	row, err := s.DB.R().UserByID(ctx, userID)
	return identity.Role(row.Role), budgetFault(err)
}

// Usage implements budget.Store.
func (s *Budgets) Usage(ctx context.Context, userID int64, first, last string) ([]budget.Sum, error) {
	rows, err := s.DB.R().UsageOf(ctx, db.UsageOfParams{UserID: userID, FirstDay: first, LastDay: last})
	if err != nil {
		return nil, err
	}
	sums := make([]budget.Sum, len(rows))
	for i := range rows {
		r := &rows[i]
		sums[i] = budget.Sum{
			Day: r.Day, AgentID: r.AgentID, Model: r.Model, Calls: r.Calls,
			Input: r.InputTokens, Cached: r.CachedTokens, Output: r.OutputTokens, Reasoning: r.ReasoningTokens,
			EstimatedCalls: r.EstimatedCalls, UnpricedCalls: r.UnpricedCalls, Cost: r.CostNanos,
		}
	}
	return sums, nil
}
