package budget_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bdash/bdash/internal/budget"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// Any sequence of reservations, settlements, releases, passing days and changed
// limits, against a model of a few lines: what is charged and held back never
// passes the limit that was in force when it was held back.
func TestAnySequence(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
		b := newBundle(t, d)
		root := b.user(t, "root", identity.Admin)
		users := 0
		rapid.Check(t, func(rt *rapid.T) {
			users++
			bob := b.user(t, fmt.Sprintf("bob%d", users), identity.User)
			m := &model{b: b, bob: bob, root: root, daily: usd(1), monthly: usd(5), open: map[string]openCall{}}
			rt.Repeat(map[string]func(*rapid.T){
				"reserve": m.reserve, "settle": m.settle, "release": m.release, "pass": m.pass, "limit": m.limit, "": m.check,
			})
		})
	})
}

type openCall struct {
	budget.Reservation
	input, amount int64
}

// model is what a budget should come to.
type model struct {
	b         *bundle
	bob, root identity.Actor
	runs      int
	open      map[string]openCall

	day, month     string
	daySum, monSum int64
	daily, monthly int64
}

func (m *model) held() (sum int64) {
	for _, c := range m.open {
		sum += c.amount
	}
	return sum
}

// roll moves on to the day of the clock.
func (m *model) roll() {
	now := m.b.clock()
	if day := now.Format(time.DateOnly); day != m.day {
		m.day, m.daySum = day, 0
	}
	if month := now.Format("2006-01"); month != m.month {
		m.month, m.monSum = month, 0
	}
}

func (m *model) reserve(t *rapid.T) {
	m.roll()
	m.runs++
	run := fmt.Sprintf("%d/%d", m.bob.UserID, m.runs)
	input, most := rapid.Int64Range(0, 400).Draw(t, "input"), rapid.Int64Range(1, 60).Draw(t, "max")
	r, err := m.b.Reserve(t.Context(), budget.Call{Actor: m.bob, RunID: run, Model: "penny", InputEstimate: input, MaxTokens: most})
	left := min(m.daily-m.daySum, m.monthly-m.monSum) - m.held() - usd(0.001)*input
	fits := min(most, max(left, 0)/usd(0.01))
	if left < 0 || fits < min(most, 16) {
		if !errors.Is(err, budget.ErrSpent) {
			t.Fatalf("Reserve(%d, %d) with %d left = %v, want ErrSpent", input, most, left, err)
		}
		return
	}
	if err != nil || r.MaxTokens != fits {
		t.Fatalf("Reserve(%d, %d) = %d, %v; want %d", input, most, r.MaxTokens, err, fits)
	}
	m.open[run] = openCall{r, input, usd(0.001)*input + usd(0.01)*fits}
}

func (m *model) pick(t *rapid.T) string {
	if len(m.open) == 0 {
		t.Skip("nothing is open")
	}
	runs := []string{}
	for i := 1; i <= m.runs; i++ {
		if run := fmt.Sprintf("%d/%d", m.bob.UserID, i); m.open[run].ID != 0 {
			runs = append(runs, run)
		}
	}
	return rapid.SampledFrom(runs).Draw(t, "run")
}

func (m *model) end(run string, cost int64) {
	delete(m.open, run)
	m.roll()
	m.daySum += cost
	m.monSum += cost
}

func (m *model) settle(t *rapid.T) {
	run := m.pick(t)
	c := m.open[run]
	u := llm.Usage{Input: rapid.Int64Range(0, c.input).Draw(t, "input"), Output: rapid.Int64Range(0, c.MaxTokens).Draw(t, "output")}
	cost, err := m.b.Settle(t.Context(), c.Reservation, u)
	if want := usd(0.001)*u.Input + usd(0.01)*u.Output; err != nil || cost != want {
		t.Fatalf("Settle(%+v) = %d, %v; want %d", u, cost, err, want)
	}
	m.end(run, cost)
}

func (m *model) release(t *rapid.T) {
	run := m.pick(t)
	c := m.open[run]
	said := rapid.Int64Range(0, c.MaxTokens).Draw(t, "said")
	cost, err := m.b.Release(t.Context(), run, llm.Usage{Output: said})
	if want := usd(0.001)*c.input + usd(0.01)*said; err != nil || cost != want {
		t.Fatalf("Release = %d, %v; want %d", cost, err, want)
	}
	m.end(run, cost)
}

func (m *model) pass(t *rapid.T) {
	m.b.pass(time.Duration(rapid.IntRange(1, 40).Draw(t, "hours")) * time.Hour)
}

func (m *model) limit(t *rapid.T) {
	m.daily = rapid.Int64Range(0, 3*usd(1)).Draw(t, "daily")
	if _, err := m.b.SetOverride(t.Context(), m.root, m.bob.UserID, &budget.Override{Daily: &m.daily}); err != nil {
		t.Fatal(err)
	}
}

func (m *model) check(t *rapid.T) {
	m.roll()
	st, err := m.b.Standing(t.Context(), m.bob, m.bob.UserID)
	if err != nil {
		t.Fatal(err)
	}
	if st.DayNanos != m.daySum || st.MonthNanos != m.monSum || st.Reserved != m.held() {
		t.Fatalf("account %+v, want day %d, month %d, held %d", st.Account, m.daySum, m.monSum, m.held())
	}
	if sum := st.MonthNanos + st.Reserved; sum > m.monthly {
		t.Fatalf("%d are charged or held back, and the limit is %d", sum, m.monthly)
	}
}
