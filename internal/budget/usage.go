package budget

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// Sum is what calls came to.
type Sum struct {
	// Day, AgentID and Model are what the sum is of; zero where it is of all.
	Day     string
	AgentID int64
	Model   string

	Calls, Input, Cached, Output, Reasoning int64
	// EstimatedCalls were counted here, UnpricedCalls have no known cost.
	EstimatedCalls, UnpricedCalls int64
	// Cost is in nanos.
	Cost int64
}

func (s *Sum) add(o *Sum) {
	s.Calls += o.Calls
	s.Input += o.Input
	s.Cached += o.Cached
	s.Output += o.Output
	s.Reasoning += o.Reasoning
	s.EstimatedCalls += o.EstimatedCalls
	s.UnpricedCalls += o.UnpricedCalls
	s.Cost += o.Cost
}

// Usage is what a user spent in a span of days, looked at in three ways.
type Usage struct {
	UserID int64
	// First and Last are UTC days, both included.
	First, Last             time.Time
	Total                   Sum
	ByDay, ByAgent, ByModel []Sum
}

// UsageRequest asks for a span; zero days mean the last 30 up to today.
type UsageRequest struct {
	UserID      int64
	First, Last time.Time
}

const (
	defaultSpan = 30
	maxSpan     = 366
)

// ErrSpan says that the span of days cannot be reported.
var ErrSpan = fault.New(fault.Invalid, "usage.span", "The first day must not be after the last one, and a report spans at most 366 days.")

// Usage reports what a user spent: the actor, or for administrators anybody.
// ErrNotFound, ErrSpan.
func (s *Service) Usage(ctx context.Context, actor identity.Actor, req UsageRequest) (Usage, error) {
	if req.UserID != actor.UserID {
		if !actor.IsAdmin() {
			return Usage{}, ErrNotFound
		}
		if _, err := s.Store.RoleOf(ctx, req.UserID); err != nil {
			return Usage{}, err
		}
	}
	u := Usage{UserID: req.UserID, First: req.First, Last: req.Last}
	if u.Last.IsZero() {
		y, m, d := s.now().Date()
		u.Last = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	if u.First.IsZero() {
		u.First = u.Last.AddDate(0, 0, 1-defaultSpan)
	}
	if u.First.After(u.Last) || u.First.AddDate(0, 0, maxSpan-1).Before(u.Last) {
		return Usage{}, ErrSpan
	}
	sums, err := s.Store.Usage(ctx, req.UserID, u.First.Format(time.DateOnly), u.Last.Format(time.DateOnly))
	if err != nil {
		return Usage{}, err
	}
	for i := range sums {
		u.Total.add(&sums[i])
	}
	u.ByDay = grouped(sums, func(s *Sum) Sum { return Sum{Day: s.Day} })
	u.ByAgent = grouped(sums, func(s *Sum) Sum { return Sum{AgentID: s.AgentID} })
	u.ByModel = grouped(sums, func(s *Sum) Sum { return Sum{Model: s.Model} })
	return u, nil
}

// grouped adds up what has one key, in the order of the keys. Never nil.
func grouped(sums []Sum, key func(*Sum) Sum) []Sum {
	at := map[Sum]int{}
	out := []Sum{}
	for i := range sums {
		k := key(&sums[i])
		j, ok := at[k]
		if !ok {
			j = len(out)
			at[k] = j
			out = append(out, k)
		}
		out[j].add(&sums[i])
	}
	slices.SortFunc(out, func(a, b Sum) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.AgentID, b.AgentID), cmp.Compare(a.Model, b.Model))
	})
	return out
}
