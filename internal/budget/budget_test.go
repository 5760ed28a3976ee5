package budget_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/budget"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/price"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// bundle is the room over a database of its own, with a clock that stands
// still until it is moved.
type bundle struct {
	*budget.Service
	db *sqlstore.DB

	mu  sync.Mutex
	now time.Time
}

// prices: one USD per million tokens of "penny" is a nano times a thousand per
// token, so that sums can be read.
const table = `{"date":"2026-01-01","source":"test","models":[
	{"model":"penny","input":"1000","cached_input":"100","output":"10000"},
	{"model":"small","context":1000,"max_output":50,"input":"1000","output":"10000"},
	{"model":"dear","input":"2000","output":"20000"},
	{"model":"demo","input":"0","output":"0"}]}`

type prices struct{ *price.Table }

func (p prices) Price(model string) (price.Entry, bool) { return p.Of(model) }

// usd is an amount of dollars in nanos.
func usd(f float64) int64 { return int64(math.Round(f * price.Nano)) }

func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) { test(t, newBundle(t, d)) })
}

func newBundle(t *testing.T, d *sqlstore.DB) *bundle {
	t.Helper()
	prc, err := price.Read(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{db: d, now: time.Date(2026, 1, 31, 5, 6, 7, 123456789, time.UTC)}
	b.Service = &budget.Service{
		Store: &sqlstore.Budgets{DB: d}, Prices: prices{prc}, Now: b.clock,
		Roles: map[identity.Role]budget.Limits{identity.User: {Daily: new(usd(1)), Monthly: new(usd(5))}},
	}
	return b
}

func (b *bundle) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bundle) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *bundle) user(t *testing.T, name string, role identity.Role) identity.Actor {
	t.Helper()
	u, err := b.db.W().InsertUser(t.Context(), db.InsertUserParams{
		Username: name, Email: name + "@example.com", EmailKey: name + "@example.com", Password: "!",
		Role: string(role), Status: "active", IsActive: true, DateJoined: b.clock(), CreatedAt: b.clock(), UpdatedAt: b.clock(),
	})
	if err != nil {
		t.Fatalf("insert user %s: %v", name, err)
	}
	return identity.Actor{UserID: u.ID, Role: role, Status: identity.Active}
}

func (b *bundle) standing(t *testing.T, who identity.Actor) budget.Standing {
	t.Helper()
	st, err := b.Standing(t.Context(), who, who.UserID)
	if err != nil {
		t.Fatalf("Standing: %v", err)
	}
	return st
}

func (b *bundle) reserve(t *testing.T, c budget.Call) budget.Reservation {
	t.Helper()
	r, err := b.Reserve(t.Context(), c)
	if err != nil {
		t.Fatalf("Reserve(%+v): %v", c, err)
	}
	return r
}

func (b *bundle) settle(t *testing.T, r budget.Reservation, u llm.Usage, want int64) {
	t.Helper()
	if got, err := b.Settle(t.Context(), r, u); err != nil || got != want {
		t.Fatalf("Settle(%+v) = %d, %v; want %d", u, got, err, want)
	}
}

func TestReserveAndSettle(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		call := budget.Call{Actor: bob, AgentID: 7, RunID: "r1", Model: "penny", InputEstimate: 100, MaxTokens: 50}
		r := b.reserve(t, call) // 0.1 + 0.5 USD
		if r.MaxTokens != 50 {
			t.Errorf("MaxTokens = %d, want 50", r.MaxTokens)
		}
		if st := b.standing(t, bob); st.Reserved != usd(0.6) || *st.Remaining != usd(0.4) {
			t.Errorf("after Reserve: reserved %d, remaining %d", st.Reserved, *st.Remaining)
		}
		second := b.reserve(t, call) // what is left pays for 30 tokens
		if second.MaxTokens != 30 {
			t.Errorf("second MaxTokens = %d, want 30", second.MaxTokens)
		}
		_, err := b.Reserve(t.Context(), call)
		f, _ := fault.As(err)
		if !errors.Is(err, budget.ErrSpent) || f.Kind != fault.PaymentRequired || f.RetryAfter <= 0 ||
			!strings.Contains(f.Message, "1.00 USD a day is used up") || !strings.Contains(f.Message, "2026-02-01 00:00 UTC") {
			t.Errorf("third Reserve: %v (%+v)", err, f)
		}
		b.settle(t, r, llm.Usage{Input: 90, Cached: 40, Output: 10, Reasoning: 3}, usd(0.05+0.004+0.1))
		b.settle(t, r, llm.Usage{Input: 90, Output: 10}, 0) // twice charges once
		b.settle(t, second, llm.Usage{}, 0)                 // nothing used, nothing charged
		st := b.standing(t, bob)
		if st.DayNanos != usd(0.154) || st.MonthNanos != usd(0.154) || st.Reserved != 0 || *st.Remaining != usd(0.846) {
			t.Errorf("at the end: %+v, remaining %d", st.Account, *st.Remaining)
		}
		u, err := b.Usage(t.Context(), bob, budget.UsageRequest{UserID: bob.UserID})
		want := budget.Sum{Calls: 1, Input: 90, Cached: 40, Output: 10, Reasoning: 3, Cost: usd(0.154)}
		if diff := cmp.Diff(want, u.Total); diff != "" || err != nil {
			t.Errorf("Usage: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob, eve := b.user(t, "bob", identity.User), b.user(t, "eve", identity.Editor)
		nobody := identity.Actor{UserID: 987654, Role: identity.Editor}
		tests := []struct {
			name string
			call budget.Call
			want error
			max  int64
		}{
			{"no price under a limit", budget.Call{Actor: bob, Model: "unknown", MaxTokens: 9}, budget.ErrNoPrice, 0},
			{"no price without a limit", budget.Call{Actor: eve, Model: "unknown", MaxTokens: 9}, nil, 9},
			{"free", budget.Call{Actor: bob, Model: "demo", InputEstimate: 1 << 50, MaxTokens: 0}, nil, 0},
			{"input alone is too dear", budget.Call{Actor: bob, Model: "penny", InputEstimate: 1001, MaxTokens: 5}, budget.ErrSpent, 0},
			{"input of any size", budget.Call{Actor: bob, Model: "penny", InputEstimate: math.MaxInt64, MaxTokens: 5}, budget.ErrSpent, 0},
			{"an answer too short to be worth it", budget.Call{Actor: bob, Model: "penny", InputEstimate: 900, MaxTokens: 100}, budget.ErrSpent, 0},
			{"a short answer that was asked for", budget.Call{Actor: bob, Model: "penny", InputEstimate: 900, MaxTokens: 10}, nil, 10},
			{"no bound without a limit", budget.Call{Actor: eve, Model: "small", MaxTokens: -5}, nil, 0},
			{"nobody", budget.Call{Actor: nobody, Model: "penny", MaxTokens: 5}, budget.ErrNotFound, 0},
		}
		for _, test := range tests {
			r, err := b.Reserve(t.Context(), test.call)
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) || r.MaxTokens != test.max && err == nil {
				t.Errorf("%s: Reserve = %d, %v; want %d, %v", test.name, r.MaxTokens, err, test.max, test.want)
			}
			if err == nil {
				b.settle(t, r, llm.Usage{}, 0)
			}
		}
		r := b.reserve(t, budget.Call{Actor: bob, Model: "small"}) // the table's longest answer
		if r.MaxTokens != 50 {
			t.Errorf("MaxTokens without a bound = %d, want 50", r.MaxTokens)
		}
		b.settle(t, r, llm.Usage{}, 0)
		if st := b.standing(t, bob); st.Reserved != 0 {
			t.Errorf("what was refused holds %d nanos back", st.Reserved)
		}
		f, _ := fault.As(errOf(b.Reserve(t.Context(), budget.Call{Actor: bob, Model: "penny", InputEstimate: 5000})))
		if f == nil || !strings.Contains(f.Message, "has 1.00 USD left, which does not pay") {
			t.Errorf("too dear says %v", f)
		}
	})
}

func errOf(_ budget.Reservation, err error) error { return err }

func TestPeriodsAndOverrides(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob, root := b.user(t, "bob", identity.User), b.user(t, "root", identity.Admin)
		spend := func(out int64) error {
			r, err := b.Reserve(t.Context(), budget.Call{Actor: bob, Model: "penny", MaxTokens: out})
			if err == nil {
				b.settle(t, r, llm.Usage{Output: out}, usd(0.01)*out)
			}
			return err
		}
		if err := spend(100); err != nil {
			t.Fatal(err)
		}
		if err := spend(100); !errors.Is(err, budget.ErrSpent) {
			t.Errorf("on a spent day: %v", err)
		}
		late := b.reserve(t, budget.Call{Actor: root, Model: "penny", MaxTokens: 100})
		b.pass(24 * time.Hour) // also the next month
		if err := spend(100); err != nil {
			t.Errorf("on the next day: %v", err)
		}
		b.settle(t, late, llm.Usage{Output: 100}, usd(1)) // charged to the day it ends
		if st := b.standing(t, root); st.DayNanos != usd(1) || st.Day != "2026-02-01" || st.Month != "2026-02" || st.Remaining != nil {
			t.Errorf("over midnight: %+v", st.Account)
		}
		b.pass(-24 * time.Hour) // a clock that is behind opens no new day
		if err := spend(100); !errors.Is(err, budget.ErrSpent) {
			t.Errorf("by a clock that is behind: %v", err)
		}
		b.pass(24 * time.Hour)
		set := func(o *budget.Override) {
			if _, err := b.SetOverride(t.Context(), root, bob.UserID, o); err != nil {
				t.Fatalf("SetOverride(%+v): %v", o, err)
			}
		}
		set(&budget.Override{Daily: new(usd(50))})
		if err := spend(400); err != nil { // the month now stands at 5
			t.Errorf("with a raised day: %v", err)
		}
		f, _ := fault.As(spend(100))
		if f == nil || !strings.Contains(f.Message, "5.00 USD a month is used up") || !strings.Contains(f.Message, "2026-03-01 00:00 UTC") {
			t.Errorf("the month's limit says %v", f)
		}
		set(&budget.Override{Unlimited: true})
		if err := spend(1000); err != nil {
			t.Errorf("unlimited: %v", err)
		}
		set(&budget.Override{Daily: new(int64(0))})
		if err := spend(1); !errors.Is(err, budget.ErrSpent) {
			t.Errorf("a limit of nothing: %v", err)
		}
		set(nil)
		if st := b.standing(t, bob); st.Override != nil || *st.Limits.Daily != usd(1) || *st.Remaining != 0 {
			t.Errorf("back to the role: %+v", st)
		}
	})
}

func TestWhoMay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob, eve, root := b.user(t, "bob", identity.User), b.user(t, "eve", identity.Editor), b.user(t, "root", identity.Admin)
		want := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		_, err := b.Standing(t.Context(), eve, bob.UserID)
		want("another's budget", err, budget.ErrNotFound)
		_, err = b.Usage(t.Context(), eve, budget.UsageRequest{UserID: bob.UserID})
		want("another's usage", err, budget.ErrNotFound)
		_, err = b.SetOverride(t.Context(), bob, bob.UserID, &budget.Override{Unlimited: true})
		want("the own limit", err, budget.ErrForbidden)
		for _, o := range []*budget.Override{nil, {}} {
			_, err = b.SetOverride(t.Context(), root, 987654, o)
			want("nobody's limit", err, budget.ErrNotFound)
		}
		_, err = b.Usage(t.Context(), root, budget.UsageRequest{UserID: 987654})
		want("nobody's usage", err, budget.ErrNotFound)
		if u, err := b.Usage(t.Context(), root, budget.UsageRequest{UserID: bob.UserID}); err != nil || len(u.ByDay) != 0 || u.ByDay == nil {
			t.Errorf("an admin sees %+v, %v", u, err)
		}
		day := func(s string) time.Time { d, _ := time.Parse(time.DateOnly, s); return d }
		for _, req := range []budget.UsageRequest{{First: day("2026-01-02"), Last: day("2026-01-01")}, {First: day("2024-01-01"), Last: day("2026-01-01")}} {
			req.UserID = bob.UserID
			_, err = b.Usage(t.Context(), bob, req)
			want("a bad span", err, budget.ErrSpan)
		}
	})
}

func TestUsageAddsUp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		eve := b.user(t, "eve", identity.Editor)
		for i, c := range []budget.Call{
			{AgentID: 1, Model: "penny"}, {AgentID: 2, Model: "penny"}, {AgentID: 1, Model: "unknown"}, {AgentID: 1, Model: "penny"},
		} {
			c.Actor = eve
			u := llm.Usage{Input: 10, Output: int64(i), Estimated: i == 3}
			if _, err := b.Settle(t.Context(), b.reserve(t, c), u); err != nil {
				t.Fatal(err)
			}
			if i == 1 {
				b.pass(24 * time.Hour)
			}
		}
		u, err := b.Usage(t.Context(), eve, budget.UsageRequest{UserID: eve.UserID})
		if err != nil {
			t.Fatal(err)
		}
		in := usd(0.01)
		want := budget.Usage{
			UserID: eve.UserID, First: u.First, Last: u.Last,
			Total: budget.Sum{Calls: 4, Input: 40, Output: 6, EstimatedCalls: 1, UnpricedCalls: 1, Cost: 3*in + 4*in},
			ByDay: []budget.Sum{
				{Day: "2026-01-31", Calls: 2, Input: 20, Output: 1, Cost: 2*in + in},
				{Day: "2026-02-01", Calls: 2, Input: 20, Output: 5, EstimatedCalls: 1, UnpricedCalls: 1, Cost: in + 3*in},
			},
			ByAgent: []budget.Sum{
				{AgentID: 1, Calls: 3, Input: 30, Output: 5, EstimatedCalls: 1, UnpricedCalls: 1, Cost: 2*in + 3*in},
				{AgentID: 2, Calls: 1, Input: 10, Output: 1, Cost: in + in},
			},
			ByModel: []budget.Sum{
				{Model: "penny", Calls: 3, Input: 30, Output: 4, EstimatedCalls: 1, Cost: 3*in + 4*in},
				{Model: "unknown", Calls: 1, Input: 10, Output: 2, UnpricedCalls: 1},
			},
		}
		if diff := cmp.Diff(want, u); diff != "" {
			t.Errorf("Usage (-want +got):\n%s", diff)
		}
		if got := u.First.Format(time.DateOnly); got != "2026-01-03" {
			t.Errorf("the span starts on %s", got)
		}
	})
}

func TestDeadRuns(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		call := budget.Call{Actor: bob, RunID: "r1", Model: "penny", InputEstimate: 100, MaxTokens: 20}
		dead := b.reserve(t, call)
		other := b.reserve(t, budget.Call{Actor: bob, RunID: "r2", Model: "penny", InputEstimate: 10, MaxTokens: 20})
		if cost, err := b.Release(t.Context(), "r1", llm.Usage{Output: 5}); err != nil || cost != usd(0.15) {
			t.Errorf("Release = %d, %v; want the input and what was said", cost, err)
		}
		for _, id := range []string{"r1", "", "never"} {
			if cost, err := b.Release(t.Context(), id, llm.Usage{Output: 5}); err != nil || cost != 0 {
				t.Errorf("Release(%q) = %d, %v; want nothing", id, cost, err)
			}
		}
		b.settle(t, dead, llm.Usage{Input: 100, Output: 20}, 0) // it was not dead after all
		if n, err := b.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("Sweep of a young one = %d, %v", n, err)
		}
		b.pass(budget.Abandoned + time.Second)
		if n, err := b.Sweep(t.Context()); n != 1 || err != nil {
			t.Errorf("Sweep = %d, %v; want one", n, err)
		}
		b.settle(t, other, llm.Usage{Output: 1}, 0)
		if st := b.standing(t, bob); st.Reserved != 0 || st.DayNanos != usd(0.16) {
			t.Errorf("at the end: %+v", st.Account)
		}
	})
}

// A deleted user takes account and reservations along; a call that ends
// afterwards disturbs nobody.
func TestUserIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		r := b.reserve(t, budget.Call{Actor: bob, Model: "penny", MaxTokens: 20})
		if _, err := b.db.WriteDBTX().Exec(t.Context(), "DELETE FROM users WHERE id = $1", bob.UserID); err != nil {
			t.Fatal(err)
		}
		b.settle(t, r, llm.Usage{Output: 5}, 0)
	})
}

// The caller may be gone when a call ends.
func TestSettleOutlivesTheRequest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		r := b.reserve(t, budget.Call{Actor: bob, Model: "penny", MaxTokens: 20})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if cost, err := b.Settle(ctx, r, llm.Usage{Output: 5}); err != nil || cost != usd(0.05) {
			t.Errorf("Settle = %d, %v", cost, err)
		}
	})
}

// The dearer of model and fallback is held back; what answered is charged.
func TestFallbackIsPaidFor(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		b.Fallback = "dear"
		r := b.reserve(t, budget.Call{Actor: bob, Model: "penny", InputEstimate: 100, MaxTokens: 20})
		if st := b.standing(t, bob); st.Reserved != usd(0.2+0.4) {
			t.Errorf("reserved %d", st.Reserved)
		}
		b.settle(t, r, llm.Usage{Input: 100, Output: 20, Model: "dear"}, usd(0.6))
		b.Fallback = "unknown"
		if _, err := b.Reserve(t.Context(), budget.Call{Actor: bob, Model: "penny"}); !errors.Is(err, budget.ErrNoPrice) {
			t.Errorf("a fallback without a price: %v", err)
		}
	})
}

// 100 chats at once against a budget for 10.
func TestNeverOverspent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		call := budget.Call{Actor: bob, Model: "penny", InputEstimate: 50, MaxTokens: 5} // 0.1 USD
		var paid, refused atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 100 {
			wg.Go(func() {
				<-start
				r, err := b.Reserve(t.Context(), call)
				if errors.Is(err, budget.ErrSpent) {
					refused.Add(1)
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if r.MaxTokens != 5 {
					t.Errorf("MaxTokens = %d", r.MaxTokens)
				}
				cost, err := b.Settle(t.Context(), r, llm.Usage{Input: 50, Output: 5})
				if err != nil || cost != usd(0.1) {
					t.Errorf("Settle = %d, %v", cost, err)
				}
				paid.Add(1)
			})
		}
		close(start)
		wg.Wait()
		if paid.Load() != 10 || refused.Load() != 90 {
			t.Errorf("%d were paid for and %d refused, want 10 and 90", paid.Load(), refused.Load())
		}
		if st := b.standing(t, bob); st.DayNanos != usd(1) || st.Reserved != 0 {
			t.Errorf("at the end: %+v", st.Account)
		}
	})
}
