// Package budget keeps what users may spend on language models, and what they
// spent.
//
// Before a call, Reserve holds back the most that it can cost; after it, Settle
// charges what it did cost and gives the rest back. Both are one transaction
// under the lock of the user's account, so no interleaving of calls, on however
// many instances, spends more than the limit: what is charged and what is held
// back together never pass it. A call is charged to the UTC day on which it is
// settled. What a provider counts beyond the estimate of the input is charged
// all the same, and only then can the sum end above the limit.
//
// A reservation whose process died is settled by Release, for one run, or by
// Sweep. Amounts are nanos: whole billionths of a US dollar.
package budget

import (
	"context"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/price"
)

// Limits are what may be spent per UTC day and UTC month; nil is no limit.
type Limits struct{ Daily, Monthly *int64 }

// Override is what an administrator set for one user. A nil amount leaves the
// role's limit in force.
type Override struct {
	Daily, Monthly *int64
	// Unlimited lifts every limit, whatever else is set.
	Unlimited bool
}

// Account is where a user stands.
type Account struct {
	UserID int64
	// Day ("2026-01-31") and Month ("2026-01") are what the sums are of.
	Day, Month string
	// DayNanos and MonthNanos are charged, Reserved is held back.
	DayNanos, MonthNanos, Reserved int64
	// Override is nil unless an administrator set one.
	Override *Override
}

// Held is what Store keeps of a call that runs.
type Held struct {
	ID, UserID, AgentID int64
	RunID, Model        string
	// Amount is in nanos.
	Amount, InputEstimate int64
	CreatedAt             time.Time
}

// Charge is one call that was made.
type Charge struct {
	UserID, AgentID int64
	RunID, Model    string
	Usage           llm.Usage
	// Cost is in nanos; 0 and not Priced when nobody knows the price.
	Cost   int64
	Priced bool
	At     time.Time
}

// Store keeps accounts. Each method is one unit of work.
type Store interface {
	// Reserve locks the user's account, moved on to now's day and month, and
	// holds back what decide returns; its error is returned and nothing is kept.
	// decide may run more than once. ErrNotFound: there is no such user.
	Reserve(ctx context.Context, userID int64, now time.Time, decide func(Account) (Held, error)) (Held, error)
	// Settle ends a reservation and appends the charge that made gives, unless
	// that is nil. false: it was ended before, and nothing is charged.
	Settle(ctx context.Context, userID, id int64, now time.Time, charge func(Held) *Charge) (bool, error)
	// OfRun lists the open reservations of a run, and Before those made before a
	// time, the oldest first, at most a number.
	OfRun(ctx context.Context, runID string) ([]Held, error)
	Before(ctx context.Context, at time.Time, most int) ([]Held, error)
	// Account is where a user stands now; zero sums for one who never spent.
	Account(ctx context.Context, userID int64, now time.Time) (Account, error)
	// SetOverride replaces it; nil removes it. ErrNotFound: no such user.
	SetOverride(ctx context.Context, userID int64, o *Override, now time.Time) error
	// RoleOf is the role of a user. ErrNotFound.
	RoleOf(ctx context.Context, userID int64) (identity.Role, error)
	// Usage sums the charges of a user from one UTC day to another, both
	// included, by day, agent and model, in this order.
	Usage(ctx context.Context, userID int64, first, last string) ([]Sum, error)
}

// Prices knows what a model costs, by the name that agents use.
type Prices interface {
	Price(model string) (price.Entry, bool)
}

// Errors of this room.
var (
	// ErrNotFound: no such user, or none of the actor's business.
	ErrNotFound = fault.New(fault.NotFound, "budget.not_found", "Not found.")
	// ErrForbidden: only administrators set limits.
	ErrForbidden = fault.New(fault.Forbidden, "budget.forbidden", "You do not have permission to perform this action.")
	// ErrSpent: the limit of the day or month is reached, or what is left of it
	// does not pay for the call. RetryAfter is when the period ends.
	ErrSpent = fault.New(fault.PaymentRequired, "budget.spent", "Your AI budget is used up.")
	// ErrNoPrice: a limit applies, and nobody knows what the model costs.
	ErrNoPrice = fault.New(fault.PaymentRequired, "budget.no_price", "The price of this model is not known, so it cannot be used under a budget.")
)

// Service is the room.
type Service struct {
	Store  Store
	Prices Prices
	// Roles are the limits of each role; a role that is not named has none.
	Roles map[identity.Role]Limits
	// Fallback is the model that may answer in place of any other; "" is none.
	Fallback string
	Now      func() time.Time
}

// Call is what is about to be asked of a model.
type Call struct {
	Actor   identity.Actor
	AgentID int64
	// RunID names the run for Release; "" for none.
	RunID string
	// Model is the name that the agent gives it, with our prefix.
	Model string
	// InputEstimate is how many tokens the request has, rather too many.
	InputEstimate int64
	// MaxTokens bounds the answer; 0 or less leaves it to the provider.
	MaxTokens int64
}

// Reservation is a promise that a call is paid for. It is settled once.
type Reservation struct {
	ID, UserID int64
	// MaxTokens is what to ask the provider for: Call.MaxTokens, or less where
	// the budget does not pay for so many; 0 leaves it to the provider.
	MaxTokens int64
}

// Answers shorter than this are not worth a call.
const leastOutput = 16

// defaultOutput bounds an answer under a limit when neither the agent nor the
// price table does.
const defaultOutput = 4096

// settleTimeout bounds what is done after the caller may be gone.
const settleTimeout = 15 * time.Second

// Reserve holds back what the call can cost. ErrSpent, ErrNoPrice, ErrNotFound.
func (s *Service) Reserve(ctx context.Context, c Call) (Reservation, error) {
	entry, priced := s.ceiling(c.Model)
	c.MaxTokens, c.InputEstimate = max(c.MaxTokens, 0), max(c.InputEstimate, 0)
	var output int64
	now := s.now()
	held, err := s.Store.Reserve(ctx, c.Actor.UserID, now, func(a Account) (Held, error) {
		h := Held{UserID: c.Actor.UserID, AgentID: c.AgentID, RunID: c.RunID, Model: c.Model, InputEstimate: c.InputEstimate, CreatedAt: now}
		limits := s.limits(c.Actor.Role, a.Override)
		output = c.MaxTokens
		switch {
		case !priced && (limits.Daily != nil || limits.Monthly != nil):
			return h, ErrNoPrice
		case !priced || entry.Free():
			return h, nil
		}
		bound := output
		if bound == 0 {
			bound = orElse(entry.MaxOutput, defaultOutput)
		}
		left := remaining(a, limits)
		if left != nil {
			affordable := min(bound, entry.OutputFor(left.nanos, c.InputEstimate))
			if affordable < min(bound, leastOutput) {
				return h, spent(left, now)
			}
			bound, output = affordable, affordable
		}
		h.Amount = entry.Cost(llm.Usage{Input: c.InputEstimate, Output: bound})
		return h, nil
	})
	return Reservation{ID: held.ID, UserID: held.UserID, MaxTokens: output}, err
}

// Settle charges what a call used and gives the rest of the reservation back;
// it returns the cost in nanos. A call that used nothing leaves no charge.
// Settling again does nothing. It is done even if ctx has ended.
func (s *Service) Settle(ctx context.Context, r Reservation, u llm.Usage) (cost int64, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	now := s.now()
	ended, err := s.Store.Settle(ctx, r.UserID, r.ID, now, func(h Held) *Charge {
		c := s.charge(h, u, now)
		cost = 0
		if c != nil {
			cost = c.Cost
		}
		return c
	})
	if err != nil || !ended {
		return 0, err
	}
	return cost, nil
}

// charge is nil when nothing was used.
func (s *Service) charge(h Held, u llm.Usage, now time.Time) *Charge {
	if u.Input <= 0 && u.Output <= 0 {
		return nil
	}
	c := &Charge{UserID: h.UserID, AgentID: h.AgentID, RunID: h.RunID, Model: h.Model, Usage: u, At: now}
	if u.Model != "" {
		c.Model = u.Model
	}
	if entry, ok := s.Prices.Price(c.Model); ok {
		c.Cost, c.Priced = entry.Cost(u), true
	}
	return c
}

// Release settles what a run that is no more left open: what it is known to
// have used (said), and at least the estimate of its input, because the
// provider may have read it. It returns what that cost.
func (s *Service) Release(ctx context.Context, runID string, said llm.Usage) (cost int64, err error) {
	if runID == "" {
		return 0, nil
	}
	open, err := s.Store.OfRun(ctx, runID)
	if err != nil {
		return 0, err
	}
	for _, h := range open {
		one, err := s.settleDead(ctx, h, said)
		if err != nil {
			return cost, err
		}
		cost += one
		said = llm.Usage{} // counted once
	}
	return cost, nil
}

func (s *Service) settleDead(ctx context.Context, h Held, said llm.Usage) (int64, error) {
	said.Estimated = true
	said.Input = max(said.Input, h.InputEstimate)
	return s.Settle(ctx, Reservation{ID: h.ID, UserID: h.UserID}, said)
}

// Abandoned is how old a reservation must be for Sweep: far older than a call
// can be.
const Abandoned = 2 * time.Hour

const sweepBatch = 500

// Sweep settles reservations that nobody will settle any more, by the estimate
// of their input, and tells how many.
func (s *Service) Sweep(ctx context.Context) (int, error) {
	for total := 0; ; {
		open, err := s.Store.Before(ctx, s.now().Add(-Abandoned), sweepBatch)
		if err != nil {
			return total, err
		}
		for _, h := range open {
			if _, err := s.settleDead(ctx, h, llm.Usage{}); err != nil {
				return total, err
			}
			total++
		}
		if len(open) < sweepBatch {
			return total, nil
		}
	}
}

// ceiling is the most that the call can cost, whoever answers it.
func (s *Service) ceiling(model string) (price.Entry, bool) {
	entry, ok := s.Prices.Price(model)
	if !ok || s.Fallback == "" {
		return entry, ok
	}
	other, ok := s.Prices.Price(s.Fallback)
	return entry.Dearer(other), ok
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

func orElse(n, other int64) int64 {
	if n > 0 {
		return n
	}
	return other
}
