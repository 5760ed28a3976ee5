package widget_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/widget"
)

// source is a source of the test's own: it answers how often it was asked.
type source struct {
	mu   sync.Mutex
	uses widget.Uses
	asks []widget.Ask
	fail error
	// gate holds answers back while it is not nil; asked is told of each question.
	gate  chan struct{}
	asked chan struct{}
}

func newSource(uses widget.Uses) *source {
	return &source{uses: uses, asked: make(chan struct{}, 10_000)}
}

func (s *source) Uses(string, json.RawMessage) (widget.Uses, error) { return s.uses, nil }

func (s *source) Fetch(ctx context.Context, ask widget.Ask) (widget.Frame, error) {
	s.mu.Lock()
	s.asks = append(s.asks, ask)
	n, gate, fail := int64(len(s.asks)), s.gate, s.fail
	s.mu.Unlock()
	s.asked <- struct{}{}
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return widget.Frame{}, ctx.Err()
		}
	}
	if fail != nil {
		return widget.Frame{}, fail
	}
	return *frame(col("n", widget.Integer, n)), nil
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asks)
}

func (s *source) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// people of a test have zones by id, and roles that can be changed.
type people struct {
	mu     sync.Mutex
	zones  map[int64]string
	actors map[int64]identity.Actor
}

func (p *people) Actor(_ context.Context, id int64) (identity.Actor, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.actors[id]
	if !ok {
		return a, fault.New(fault.NotFound, "test.gone", "Not found.")
	}
	return a, nil
}

func (p *people) TimeZone(_ context.Context, a identity.Actor) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.zones[a.UserID], nil
}

// told keeps what the room told.
type told struct {
	mu       sync.Mutex
	data     []int64
	failures []string
	fresh    chan struct{}
	failed   chan struct{}
}

func (o *told) messages() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.failures)
}

func (o *told) WidgetData(_ context.Context, id int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.data = append(o.data, id)
	o.fresh <- struct{}{}
}

func (o *told) SourceFailed(_ context.Context, w widget.Widget, message string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failures = append(o.failures, fmt.Sprintf("%d: %s", w.CreatedBy, message))
	o.failed <- struct{}{}
}

// fed is a room with a source.
type fed struct {
	*bundle
	source *source
	told   *told
	people *people
}

func eachFed(t *testing.T, uses widget.Uses, test func(t *testing.T, b *fed)) {
	t.Helper()
	each(t, func(t *testing.T, b *bundle) { test(t, feed(t, b, newSource(uses))) })
}

func feed(t testing.TB, b *bundle, s *source) *fed {
	t.Helper()
	f := &fed{bundle: b, source: s, told: &told{fresh: make(chan struct{}, 10_000), failed: make(chan struct{}, 100)},
		people: &people{zones: map[int64]string{}, actors: map[int64]identity.Actor{}}}
	b.Sources, b.Results, b.People, b.Events, b.Alerts = f.source, &sqlstore.Widgets{DB: b.db}, f.people, f.told, f.told
	b.Random = func() float64 { return 0.5 }
	t.Cleanup(b.Close)
	return f
}

func (f *fed) member(t testing.TB, name string, role identity.Role) identity.Actor {
	t.Helper()
	a := f.user(t, name, role)
	a.Email = name + "@example.com"
	f.people.mu.Lock()
	defer f.people.mu.Unlock()
	f.people.actors[a.UserID] = a
	return a
}

// live adds a public widget with a source.
func (f *fed) live(t testing.TB, owner identity.Actor, change ...func(*widget.Widget)) widget.Widget {
	t.Helper()
	w := widget.Widget{CreatedBy: owner.UserID, IsPublic: true, Source: widget.SourceStatic, Query: json.RawMessage(`{}`)}
	for _, c := range change {
		c(&w)
	}
	return f.add(t, w)
}

// value is the figure that a stats widget shows.
func value(t testing.TB, d widget.Data) int64 {
	t.Helper()
	var body struct{ Value *float64 }
	if err := json.Unmarshal(d.Data, &body); err != nil || body.Value == nil {
		t.Fatalf("data = %s: %v", d.Data, err)
	}
	return int64(*body.Value)
}

func (f *fed) see(t testing.TB, who identity.Actor, id int64, req widget.Request) widget.Data {
	t.Helper()
	d, err := f.Data(t.Context(), who, id, req)
	if err != nil {
		t.Fatalf("Data(%d) = %v", id, err)
	}
	return d
}

// await waits for a signal of the test.
func await(t testing.TB, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s did not happen", what)
	}
}

func TestDataIsFetchedOnceAndKept(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{}, func(t *testing.T, b *fed) {
		alice, bob := b.member(t, "alice", identity.Admin), b.member(t, "bob", identity.User)
		w := b.live(t, alice)
		at := b.stamp()
		for _, who := range []identity.Actor{bob, alice, bob} {
			d := b.see(t, who, w.ID, widget.Request{Period: "7d"})
			if value(t, d) != 1 || d.From != widget.SourceStatic || d.Stale || d.Error != "" || d.Period != "" {
				t.Errorf("data = %+v", d)
			}
			if !d.FetchedAt.Equal(at) || !d.ExpiresAt().Equal(at.Add(285*time.Second)) { // 300 s, jittered by the test's 0.5
				t.Errorf("fetched %v, expires %v", d.FetchedAt, d.ExpiresAt())
			}
		}
		if n := b.source.count(); n != 1 {
			t.Errorf("the source was asked %d times, want 1", n)
		}
		await(t, "the event", b.told.fresh)
		b.told.mu.Lock()
		defer b.told.mu.Unlock()
		if len(b.told.data) != 1 || b.told.data[0] != w.ID {
			t.Errorf("told of %v, want the widget once", b.told.data)
		}
	})
}

// Stale data are shown at once while exactly one fetch runs.
func TestStaleIsServedWhileOneRefreshRuns(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{}, func(t *testing.T, b *fed) {
		alice := b.member(t, "alice", identity.Admin)
		w := b.live(t, alice, func(w *widget.Widget) { w.CacheTTL = ptr[int64](10) })
		b.see(t, alice, w.ID, widget.Request{})
		await(t, "the first fetch", b.told.fresh)
		<-b.source.asked
		gate := make(chan struct{})
		b.source.set(func() { b.source.gate = gate })
		b.pass(time.Minute)
		for range 20 {
			d := b.see(t, alice, w.ID, widget.Request{})
			if value(t, d) != 1 || !d.Stale {
				t.Fatalf("data = %s, stale %v; want the old data", d.Data, d.Stale)
			}
			if d.KeepUntil.Sub(b.stamp()) > time.Second {
				t.Errorf("a stale answer is kept until %v", d.KeepUntil)
			}
		}
		await(t, "the refresh", b.source.asked)
		close(gate)
		await(t, "the new data", b.told.fresh)
		if d := b.see(t, alice, w.ID, widget.Request{}); value(t, d) != 2 || d.Stale {
			t.Errorf("data = %s, stale %v; want the new data", d.Data, d.Stale)
		}
		if n := b.source.count(); n != 2 {
			t.Errorf("the source was asked %d times, want 2", n)
		}
	})
}

// A thousand askers of a cold widget, on two instances: one question.
func TestThousandAskersAreOneQuestion(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{}, func(t *testing.T, b *fed) {
		other := &widget.Service{Store: b.Store, Now: b.clock, Sources: b.source, Results: b.Results, People: b.people}
		t.Cleanup(other.Close)
		alice := b.member(t, "alice", identity.Admin)
		w := b.live(t, alice)
		gate := make(chan struct{})
		b.source.set(func() { b.source.gate = gate })
		var g errgroup.Group
		g.SetLimit(1000)
		for i := range 1000 {
			room := b.Service
			if i%2 == 1 {
				room = other
			}
			g.Go(func() error {
				d, err := room.Data(t.Context(), alice, w.ID, widget.Request{})
				if err == nil && (d.Error != "" || d.Data == nil) {
					err = fmt.Errorf("data %s, error %q", d.Data, d.Error)
				}
				return err
			})
		}
		await(t, "the question", b.source.asked)
		close(gate)
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		if n := b.source.count(); n != 1 {
			t.Errorf("the source was asked %d times, want 1", n)
		}
	})
}

func TestSlots(t *testing.T) {
	t.Parallel()
	schema := json.RawMessage(`{"type":"object","properties":{"limit":{"default":5},"color":{}}}`)
	for _, c := range []struct {
		name string
		uses widget.Uses
		// how often the source is asked when each differs
		users, periods, limits, colors int
	}{
		{"of nothing", widget.Uses{}, 1, 1, 1, 1},
		{"of the user", widget.Uses{User: true}, 2, 1, 1, 1},
		{"of the period", widget.Uses{Period: true}, 1, 4, 1, 1}, // each with the time before
		{"of a setting", widget.Uses{Settings: []string{"limit"}}, 1, 1, 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			eachFed(t, c.uses, func(t *testing.T, b *fed) {
				alice, bob := b.member(t, "alice", identity.Admin), b.member(t, "bob", identity.User)
				questions := func(what string, want int, look func(id int64)) {
					t.Helper()
					before := b.source.count()
					look(b.live(t, alice, func(w *widget.Widget) { w.ConfigSchema = schema }).ID)
					if got := b.source.count() - before; got != want {
						t.Errorf("different %s: %d questions, want %d", what, got, want)
					}
				}
				perLook := 1
				if c.uses.Period {
					perLook = 2
				}
				questions("users", c.users*perLook, func(id int64) {
					b.see(t, alice, id, widget.Request{})
					b.see(t, bob, id, widget.Request{})
				})
				questions("periods", c.periods, func(id int64) {
					b.see(t, alice, id, widget.Request{Period: "1d"})
					b.see(t, alice, id, widget.Request{Period: "7d"})
				})
				questions("limits", c.limits*perLook, func(id int64) {
					b.see(t, alice, id, widget.Request{})
					b.see(t, alice, id, widget.Request{Config: json.RawMessage(`{"limit":5}`)}) // the default
					b.see(t, alice, id, widget.Request{Config: json.RawMessage(`{"limit":6}`)})
				})
				questions("colors", c.colors*perLook, func(id int64) {
					b.see(t, alice, id, widget.Request{})
					b.see(t, alice, id, widget.Request{Config: json.RawMessage(`{"color":"red"}`)})
				})
			})
		})
	}
}

// What reaches the source: the user's settings over the defaults, the period of
// the settings, days of the user's zone, and the user only where it is used.
func TestWhatIsAsked(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{User: true, Period: true, Settings: []string{"limit", "status"}}, func(t *testing.T, b *fed) {
		alice := b.member(t, "alice", identity.Admin)
		b.people.zones[alice.UserID] = "Europe/Paris"
		w := b.live(t, alice, func(w *widget.Widget) {
			w.ConfigSchema = json.RawMessage(`{"type":"object","properties":{"limit":{"default":5},"status":{"default":"open"},"dateRange":{"default":"7d"}}}`)
		})
		if err := b.PutSettings(t.Context(), alice, w.ID, json.RawMessage(`{"limit":9,"other":1}`)); err != nil {
			t.Fatal(err)
		}
		d := b.see(t, alice, w.ID, widget.Request{})
		if d.Period != "7d" {
			t.Errorf("period = %q, want that of the settings", d.Period)
		}
		ask, before := b.source.asks[0], b.source.asks[1]
		if string(ask.Settings) != `{"limit":9,"status":"open"}` || ask.User.UserID != alice.UserID || ask.User.Email != alice.Email {
			t.Errorf("asked with settings %s as %+v", ask.Settings, ask.User)
		}
		paris, _ := time.LoadLocation("Europe/Paris")
		want, wantBefore := widget.Period("7d").Spans(b.clock(), paris)
		if ask.Span.From != want.From || ask.Span.To != want.To || before.Span.From != wantBefore.From || ask.Span.Zone.String() != "Europe/Paris" {
			t.Errorf("asked about %v and %v, want %v and %v", ask.Span, before.Span, want, wantBefore)
		}
		var body struct{ Value, Previous, Change float64 }
		if err := json.Unmarshal(d.Data, &body); err != nil || body.Value != 1 || body.Previous != 2 || body.Change != -1 {
			t.Errorf("data = %s", d.Data)
		}
		// A new day is another period, however long the data would be fresh.
		b.pass(23*time.Hour - 10*time.Minute)
		b.people.zones[alice.UserID] = "UTC"
		ttl := ptr(ptr[int64](7 * 24 * 3600))
		if _, err := b.Update(t.Context(), alice, w.ID, widget.Draft{CacheTTL: ttl}); err != nil {
			t.Fatal(err)
		}
		d = b.see(t, alice, w.ID, widget.Request{Period: "1d"})
		if midnight := time.Date(2026, 3, 6, 0, 0, 0, 0, time.UTC); !d.ExpiresAt().Equal(midnight) {
			t.Errorf("expires at %v, want %v", d.ExpiresAt(), midnight)
		}
	})
}

func TestRoleIsPartOfTheSlot(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{User: true}, func(t *testing.T, b *fed) {
		alice := b.member(t, "alice", identity.Admin)
		w := b.live(t, alice)
		b.see(t, alice, w.ID, widget.Request{})
		alice.Role = identity.User
		if d := b.see(t, alice, w.ID, widget.Request{}); value(t, d) != 2 {
			t.Errorf("data = %s: those of the former role", d.Data)
		}
	})
}

func TestChangedQueryIsAnotherSlot(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{}, func(t *testing.T, b *fed) {
		alice := b.member(t, "alice", identity.Admin)
		w := b.live(t, alice)
		b.see(t, alice, w.ID, widget.Request{})
		if _, err := b.Update(t.Context(), alice, w.ID, widget.Draft{Query: json.RawMessage(`{"columns":[]}`)}); err != nil {
			t.Fatal(err)
		}
		if d := b.see(t, alice, w.ID, widget.Request{}); value(t, d) != 2 || d.Stale {
			t.Errorf("data = %s, stale %v; want those of the new query", d.Data, d.Stale)
		}
		if _, err := b.Update(t.Context(), alice, w.ID, widget.Draft{Name: ptr("Other")}); err != nil {
			t.Fatal(err)
		}
		if d := b.see(t, alice, w.ID, widget.Request{}); value(t, d) != 2 {
			t.Errorf("data = %s: a new name asked the source", d.Data)
		}
	})
}

// An outage: the last good data stay, marked with the error and the next try;
// the owner is told once, and again only after it was over.
func TestFailingSource(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{}, func(t *testing.T, b *fed) {
		alice, bob := b.member(t, "alice", identity.Admin), b.member(t, "bob", identity.User)
		w := b.live(t, alice, func(w *widget.Widget) { w.CacheTTL = ptr[int64](10) })
		b.see(t, bob, w.ID, widget.Request{})
		b.source.set(func() {
			b.source.fail = &widget.SourceError{Code: widget.CodeRefused, Message: "The source cannot be reached.", Detail: "dial db:5432: refused"}
		})
		// The waits before each try: they double, from ten seconds on, up to 15 minutes.
		waits := []int{10, 20, 40, 80, 160, 320, 640, 900, 900}
		b.pass(time.Minute)
		for i, wait := range waits {
			b.refreshed(t, bob, w.ID, i+2)
			d := b.see(t, bob, w.ID, widget.Request{})
			if value(t, d) != 1 || !d.Stale || d.Error != "The source cannot be reached." || d.Detail != "" {
				t.Fatalf("failure %d: %+v", i, d)
			}
			if next := b.stamp().Add(time.Duration(wait) * time.Second); d.NextTry == nil || !d.NextTry.Equal(next) || d.KeepUntil.After(next) {
				t.Fatalf("failure %d: next try %v, want %v", i, d.NextTry, next)
			}
			if d := b.see(t, alice, w.ID, widget.Request{}); d.Detail != "dial db:5432: refused" {
				t.Errorf("the owner is told %q", d.Detail)
			}
			b.pass(time.Duration(wait)*time.Second - time.Second)
			b.see(t, bob, w.ID, widget.Request{})
			if n := b.source.count(); n != i+2 {
				t.Fatalf("failure %d: asked %d times before the next try", i, n)
			}
			b.pass(time.Second)
		}
		await(t, "the notice", b.told.failed)
		if want := []string{fmt.Sprintf("%d: dial db:5432: refused", alice.UserID)}; !slices.Equal(b.told.messages(), want) {
			t.Errorf("the owner was told %q, want %q", b.told.messages(), want)
		}
		b.source.set(func() { b.source.fail = nil })
		b.refreshed(t, bob, w.ID, len(waits)+2)
		if d := b.see(t, bob, w.ID, widget.Request{}); d.Stale || d.Error != "" || d.NextTry != nil {
			t.Errorf("after the outage: %+v", d)
		}
		b.source.set(func() { b.source.fail = errors.New("a bug") })
		b.pass(time.Minute)
		b.refreshed(t, bob, w.ID, len(waits)+3)
		if d := b.see(t, alice, w.ID, widget.Request{}); d.Error != "The data could not be fetched." || d.Detail != "" {
			t.Errorf("an internal error says %q, %q", d.Error, d.Detail)
		}
		await(t, "another notice", b.told.failed)
		if len(b.told.messages()) != 2 {
			t.Errorf("the owner was told %q, want one more", b.told.messages())
		}
	})
}

// refreshed looks, and waits until the source was asked n times and what came of
// it is stored.
func (f *fed) refreshed(t testing.TB, who identity.Actor, id int64, n int) {
	t.Helper()
	f.see(t, who, id, widget.Request{})
	deadline := time.Now().Add(20 * time.Second)
	for {
		asked := f.source.count() // first: the lease is there before the question
		rows := f.text(t, "SELECT count(*) FROM widget_results WHERE lease <> ''")
		if asked >= n && rows == "0" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the source was asked %d times, want %d; %s leases", f.source.count(), n, rows)
		}
		<-time.After(time.Millisecond)
	}
}

func (b *bundle) text(t testing.TB, query string) (text string) {
	t.Helper()
	if err := b.db.ReadDBTX().QueryRow(t.Context(), "SELECT CAST(("+query+") AS TEXT)").Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// A source that never gave anything: no data, the reason, and no rush.
func TestColdFailure(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{}, func(t *testing.T, b *fed) {
		alice := b.member(t, "alice", identity.Admin)
		w := b.live(t, alice, func(w *widget.Widget) { w.Mapping = json.RawMessage(`{"value":"revenue"}`) })
		for range 3 {
			d := b.see(t, alice, w.ID, widget.Request{})
			if d.Data != nil || !d.Stale || d.Error != `The column "revenue" (value) is missing.` || d.NextTry == nil {
				t.Errorf("data = %+v", d)
			}
		}
		if n := b.source.count(); n != 1 {
			t.Errorf("asked %d times, want 1", n)
		}
	})
}

// Stored data and the source: rows for one user always win, those for everybody
// while they are fresh.
func TestPushedBeforeFetched(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{}, func(t *testing.T, b *fed) {
		alice, bob := b.member(t, "alice", identity.Admin), b.member(t, "bob", identity.User)
		w := b.live(t, alice)
		push := func(p widget.Push) {
			t.Helper()
			p.TTL = ptr[int64](60)
			if _, err := b.PutData(t.Context(), alice, w.ID, p); err != nil {
				t.Fatal(err)
			}
		}
		push(widget.Push{Data: json.RawMessage(`"all"`)})
		if d := b.see(t, bob, w.ID, widget.Request{}); string(d.Data) != `"all"` || d.From != widget.SourcePush || d.KeepUntil.After(d.ExpiresAt()) {
			t.Errorf("data = %+v", d)
		}
		b.pass(time.Minute)
		if d := b.see(t, bob, w.ID, widget.Request{}); d.From != widget.SourceStatic || value(t, d) != 1 {
			t.Errorf("data = %+v, want the source's", d)
		}
		push(widget.Push{Data: json.RawMessage(`"bob"`), UserID: &bob.UserID})
		b.pass(time.Hour)
		if d := b.see(t, bob, w.ID, widget.Request{}); string(d.Data) != `"bob"` || !d.Stale {
			t.Errorf("data = %+v, want bob's own", d)
		}
	})
}

// A refresh that was asked for fetches though the data are fresh and though the
// source is given time to recover; many who ask at the same time are one.
func TestRefetch(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{Settings: []string{"limit"}}, func(t *testing.T, b *fed) {
		alice, bob := b.member(t, "alice", identity.Admin), b.member(t, "bob", identity.User)
		w := b.live(t, alice)
		for _, config := range []string{`{"limit":1}`, `{"limit":2}`} {
			b.see(t, bob, w.ID, widget.Request{Config: json.RawMessage(config)})
		}
		b.pass(time.Second)
		since := b.stamp()
		var g errgroup.Group
		for i := range 40 {
			who := []identity.Actor{alice, bob}[i%2]
			g.Go(func() error {
				return b.Refetch(t.Context(), widget.Refetch{WidgetID: w.ID, UserID: who.UserID}, since)
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		// Two before, then the users' own settings (none) and the two of layouts.
		if n := b.source.count(); n != 5 {
			t.Errorf("the source was asked %d times, want 5", n)
		}
		b.source.set(func() { b.source.fail = &widget.SourceError{Code: widget.CodeAuth, Message: "Wrong password."} })
		b.pass(time.Second)
		err := b.Refetch(t.Context(), widget.Refetch{WidgetID: w.ID, UserID: bob.UserID}, b.stamp())
		if f, ok := fault.As(err); !ok || !errors.Is(err, widget.ErrSource) || f.Message != "Wrong password." {
			t.Errorf("Refetch of a failing source = %v", err)
		}
		b.source.set(func() { b.source.fail = nil })
		if err := b.Refetch(t.Context(), widget.Refetch{WidgetID: w.ID, UserID: bob.UserID}, b.stamp()); err != nil {
			t.Errorf("Refetch within the back-off = %v", err)
		}
		stranger := widget.Refetch{WidgetID: w.ID, UserID: 1 << 40}
		if err := b.Refetch(t.Context(), stranger, b.stamp()); fault.KindOf(err) != fault.NotFound {
			t.Errorf("Refetch for nobody = %v", err)
		}
	})
}

// A process that died while it fetched holds its lease no longer than that
// lasts; what it writes afterwards is not taken.
func TestLeaseEnds(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{}, func(t *testing.T, b *fed) {
		alice := b.member(t, "alice", identity.Admin)
		w := b.live(t, alice)
		b.see(t, alice, w.ID, widget.Request{})
		slot := widget.Slot{WidgetID: w.ID, Key: b.text(t, "SELECT slot FROM widget_results"), Ask: json.RawMessage(`{}`)}
		now := b.stamp()
		if _, ok, err := b.Results.Lease(t.Context(), slot, "dead", now, now.Add(time.Minute)); !ok || err != nil {
			t.Fatalf("Lease = %v, %v", ok, err)
		}
		if _, ok, err := b.Results.Lease(t.Context(), slot, "other", now.Add(59*time.Second), now.Add(time.Hour)); ok || err != nil {
			t.Errorf("a lease that runs was given away: %v, %v", ok, err)
		}
		b.pass(10 * time.Minute) // stale, and the lease is over
		b.refreshed(t, alice, w.ID, 2)
		if d := b.see(t, alice, w.ID, widget.Request{}); value(t, d) != 2 || d.Stale {
			t.Errorf("data = %s, stale %v", d.Data, d.Stale)
		}
		if _, err := b.Results.Put(t.Context(), slot, "dead", json.RawMessage(`"late"`), now, now); !errors.Is(err, widget.ErrLost) {
			t.Errorf("Put without the lease = %v, want ErrLost", err)
		}
		if _, _, err := b.Results.Fail(t.Context(), slot, "dead", widget.Failure{NextTry: now}, now); !errors.Is(err, widget.ErrLost) {
			t.Errorf("Fail without the lease = %v, want ErrLost", err)
		}
		if d := b.see(t, alice, w.ID, widget.Request{}); value(t, d) != 2 {
			t.Errorf("data = %s", d.Data)
		}
	})
}

// Closing hands back what is being fetched, so that another process may go on
// at once, and leaves no goroutine behind.
func TestCloseWhileFetching(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{}, func(t *testing.T, b *fed) {
		alice := b.member(t, "alice", identity.Admin)
		w := b.live(t, alice)
		b.source.set(func() { b.source.gate = make(chan struct{}) })
		answer := make(chan widget.Data, 1)
		go func() {
			d, err := b.Data(t.Context(), alice, w.ID, widget.Request{})
			if err != nil {
				t.Errorf("Data = %v", err)
			}
			answer <- d
		}()
		await(t, "the question", b.source.asked)
		b.Close()
		if d := <-answer; d.Data != nil || d.Error == "" {
			t.Errorf("data = %+v, want none and why", d)
		}
		b.source.set(func() { b.source.gate = nil })
		other := &widget.Service{Store: b.Store, Now: b.clock, Sources: b.source, Results: b.Results, People: b.people}
		t.Cleanup(other.Close)
		if d, err := other.Data(t.Context(), alice, w.ID, widget.Request{}); err != nil || value(t, d) != 2 {
			t.Errorf("another process: %+v, %v", d, err)
		}
		if d := b.see(t, alice, w.ID, widget.Request{}); value(t, d) != 2 {
			t.Errorf("a closed room answers %+v", d)
		}
	})
}

// A client that goes away takes nothing with it: the fetch goes on for others.
func TestAskerGoesAway(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{}, func(t *testing.T, b *fed) {
		alice := b.member(t, "alice", identity.Admin)
		w := b.live(t, alice)
		gate := make(chan struct{})
		b.source.set(func() { b.source.gate = gate })
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			_, err := b.Data(ctx, alice, w.ID, widget.Request{})
			gone <- err
		}()
		await(t, "the question", b.source.asked)
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("Data = %v", err)
		}
		close(gate)
		if d := b.see(t, alice, w.ID, widget.Request{}); value(t, d) != 1 || b.source.count() != 1 {
			t.Errorf("data = %s after %d questions", d.Data, b.source.count())
		}
	})
}

// A fault in a source's library is an error of that widget, not the end of the
// server.
func TestSourcePanics(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		f := feed(t, b, newSource(widget.Uses{}))
		b.Sources = panicking{f.source}
		alice := f.member(t, "alice", identity.Admin)
		w := f.live(t, alice)
		if d := f.see(t, alice, w.ID, widget.Request{}); d.Data != nil || d.Error != "The data could not be fetched." || d.NextTry == nil {
			t.Errorf("data = %+v", d)
		}
	})
}

type panicking struct{ *source }

func (panicking) Fetch(context.Context, widget.Ask) (widget.Frame, error) { panic("a bug") }

// Schedules ask as who looked: in the present role, and no more once the user
// or the right to see is gone.
func TestScheduleAsksAsWhoLooked(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{User: true}, func(t *testing.T, b *fed) {
		alice, bob, carl := b.member(t, "alice", identity.Admin), b.member(t, "bob", identity.User), b.member(t, "carl", identity.User)
		w := b.live(t, alice, func(w *widget.Widget) { w.RefreshEvery = ptr[int64](60) })
		for _, who := range []identity.Actor{alice, bob, carl} {
			b.see(t, who, w.ID, widget.Request{})
		}
		due := func(want int, slots string) {
			t.Helper()
			b.pass(time.Minute)
			before := b.source.count()
			if err := b.RefreshDue(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := b.source.count() - before; got != want {
				t.Errorf("%d questions, want %d", got, want)
			}
			if got := b.text(t, "SELECT count(*) FROM widget_results"); got != slots {
				t.Errorf("%s slots, want %s", got, slots)
			}
		}
		due(3, "3")
		bob.Role = identity.Editor
		b.people.mu.Lock()
		b.people.actors[bob.UserID] = bob
		delete(b.people.actors, carl.UserID)
		b.people.mu.Unlock()
		due(1, "1") // bob of the former role and carl are nobody's slots
		b.see(t, bob, w.ID, widget.Request{})
		due(2, "2")
		if _, err := b.Update(t.Context(), alice, w.ID, widget.Draft{IsPublic: ptr(false)}); err != nil {
			t.Fatal(err)
		}
		due(1, "1")
		b.pass(8 * 24 * time.Hour)
		if err := b.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		due(0, "0")
	})
}

// Slots are made by whoever reads: a sweep leaves the last thousand of a widget.
func TestSweepThinsSlots(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{}, func(t *testing.T, b *fed) {
		alice := b.member(t, "alice", identity.Admin)
		w := b.live(t, alice)
		for i := range 1003 {
			slot := widget.Slot{WidgetID: w.ID, Key: fmt.Sprintf("slot-%04d", i), Ask: json.RawMessage(`{}`)}
			if _, ok, err := b.Results.Lease(t.Context(), slot, "x", b.stamp(), b.stamp()); !ok || err != nil {
				t.Fatalf("Lease = %v, %v", ok, err)
			}
			b.pass(time.Millisecond)
		}
		if err := b.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, first := b.text(t, "SELECT count(*) FROM widget_results"), b.text(t, "SELECT min(slot) FROM widget_results"); n != "1000" || first != "slot-0003" {
			t.Errorf("%s slots are left, the first is %s", n, first)
		}
	})
}

func TestStoredAsksNobody(t *testing.T) {
	t.Parallel()
	eachFed(t, widget.Uses{}, func(t *testing.T, b *fed) {
		alice := b.member(t, "alice", identity.Admin)
		w := b.live(t, alice)
		stored := widget.Request{Stored: true}
		_, err := b.Data(t.Context(), alice, w.ID, stored)
		wantErr(t, "stored data before any", err, widget.ErrNoData)
		b.see(t, alice, w.ID, widget.Request{})
		b.pass(time.Hour)
		if d := b.see(t, alice, w.ID, stored); value(t, d) != 1 || !d.Stale {
			t.Errorf("data = %+v", d)
		}
		b.source.set(func() { b.source.uses = widget.Uses{User: true} })
		_, err = b.Data(t.Context(), alice, w.ID, stored)
		wantErr(t, "personal data", err, widget.ErrPersonal)
		if n := b.source.count(); n != 1 {
			t.Errorf("the source was asked %d times, want 1", n)
		}
	})
}

func TestMappingIsCheckedWithTheShape(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice", identity.Admin)
		d := draft("W")
		d.Mapping = json.RawMessage(`{"x":"day"}`)
		_, err := b.Create(t.Context(), alice, d)
		if got := fieldsOf(t, err)["mapping"]; len(got) != 1 || got[0] != `A mapping of shape "stats" has no "x".` {
			t.Errorf("Create = %v", err)
		}
		d.WidgetType = ptr("chart")
		w, err := b.Create(t.Context(), alice, d)
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Update(t.Context(), alice, w.ID, widget.Draft{WidgetType: ptr("table")})
		if got := fieldsOf(t, err)["mapping"]; len(got) != 1 {
			t.Errorf("a type that the mapping does not fit: %v", err)
		}
		if _, err := b.Update(t.Context(), alice, w.ID, widget.Draft{WidgetType: ptr("table"), Mapping: json.RawMessage(`null`)}); err != nil {
			t.Errorf("a type without the mapping: %v", err)
		}
	})
}
