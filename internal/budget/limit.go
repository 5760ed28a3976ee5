package budget

import (
	"context"
	"time"

	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm/price"
)

// limits are what counts for a user: the override, and the role elsewhere.
func (s *Service) limits(role identity.Role, o *Override) Limits {
	l := s.Roles[role]
	switch {
	case o == nil:
	case o.Unlimited:
		return Limits{}
	default:
		if o.Daily != nil {
			l.Daily = o.Daily
		}
		if o.Monthly != nil {
			l.Monthly = o.Monthly
		}
	}
	return l
}

// left is what remains of the tighter limit.
type left struct {
	nanos   int64
	limit   int64
	monthly bool
}

// remaining is nil without a limit.
func remaining(a Account, l Limits) *left {
	var tight *left
	if l.Daily != nil {
		tight = &left{nanos: *l.Daily - a.DayNanos - a.Reserved, limit: *l.Daily}
	}
	if l.Monthly != nil {
		if n := *l.Monthly - a.MonthNanos - a.Reserved; tight == nil || n < tight.nanos {
			tight = &left{nanos: n, limit: *l.Monthly, monthly: true}
		}
	}
	return tight
}

// spent words ErrSpent.
func spent(l *left, now time.Time) error {
	period, ends := "a day", dayAfter(now)
	if l.monthly {
		period, ends = "a month", monthAfter(now)
	}
	err := *ErrSpent
	begin := "Your AI budget of " + price.FormatUSD(l.limit) + " USD " + period
	if l.nanos <= 0 {
		err.Message = begin + " is used up."
	} else {
		err.Message = begin + " has " + price.FormatUSD(l.nanos) + " USD left, which does not pay for this request."
	}
	err.Message += " It is renewed at " + ends.Format("2006-01-02 15:04") + " UTC; an administrator can raise it."
	return err.After(ends.Sub(now))
}

func dayAfter(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
}

func monthAfter(t time.Time) time.Time {
	y, m, _ := t.Date()
	return time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)
}

// Standing is a user's budget as it is shown.
type Standing struct {
	Account
	Role identity.Role
	// Limits are what counts now.
	Limits Limits
	// Remaining is what can still be spent now, in nanos, never negative; nil
	// without a limit.
	Remaining *int64
}

// Standing is where a user stands: the actor, or for administrators anybody.
// ErrNotFound.
func (s *Service) Standing(ctx context.Context, actor identity.Actor, userID int64) (Standing, error) {
	if userID != actor.UserID && !actor.IsAdmin() {
		return Standing{}, ErrNotFound
	}
	role, err := s.Store.RoleOf(ctx, userID)
	if err != nil {
		return Standing{}, err
	}
	a, err := s.Store.Account(ctx, userID, s.now())
	if err != nil {
		return Standing{}, err
	}
	st := Standing{Account: a, Role: role, Limits: s.limits(role, a.Override)}
	if left := remaining(a, st.Limits); left != nil {
		n := max(left.nanos, 0)
		st.Remaining = &n
	}
	return st, nil
}

// SetOverride replaces a user's own limits; nil returns to the role's. It
// counts from the next call on. For administrators: ErrForbidden otherwise;
// ErrNotFound.
func (s *Service) SetOverride(ctx context.Context, actor identity.Actor, userID int64, o *Override) (Standing, error) {
	if !actor.IsAdmin() {
		return Standing{}, ErrForbidden
	}
	if err := s.Store.SetOverride(ctx, userID, o, s.now()); err != nil {
		return Standing{}, err
	}
	return s.Standing(ctx, actor, userID)
}
