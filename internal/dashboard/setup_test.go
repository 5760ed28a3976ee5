package dashboard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// bundle is a room over a database of its own; its clock moves a second with
// each look.
type bundle struct {
	*dashboard.Service
	db      *sqlstore.DB
	widgets *fakeWidgets
	events  *fakeEvents

	mu  sync.Mutex
	now time.Time
}

// fakeEvents notes what it was told: "user view version".
type fakeEvents struct {
	mu   sync.Mutex
	told []string
}

func (f *fakeEvents) DashboardUpdated(_ context.Context, userID, viewID, version int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, fmt.Sprint(userID, viewID, version))
}

// take gives what was told since the last time.
func (f *fakeEvents) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	told := f.told
	f.told = nil
	return told
}

// SharedData knows a number for each widget; the fourth asks who is looking.
func (f *fakeWidgets) SharedData(_ context.Context, owner identity.Actor, items []dashboard.Item) ([]dashboard.Seen, error) {
	seen := make([]dashboard.Seen, len(items))
	for i, it := range items {
		for _, w := range f.all {
			if w.ID == it.WidgetID && (owner.IsAdmin() || !slices.Contains(f.hidden, w.ID)) {
				seen[i] = dashboard.Seen{ID: w.ID, Name: w.Key, Data: json.RawMessage(fmt.Sprint(w.ID * 11)), Personal: w.ID == 4}
			}
		}
	}
	return seen, nil
}

// fakeWidgets knows a few widgets; hidden ones are seen by admins only.
type fakeWidgets struct {
	all    []dashboard.Widget
	hidden []int64
	err    error
}

func (f *fakeWidgets) Known(_ context.Context, actor identity.Actor, ids []int64, keys []string) ([]dashboard.Widget, error) {
	if f.err != nil {
		return nil, f.err
	}
	var known []dashboard.Widget
	for _, w := range f.all {
		asked := slices.Contains(ids, w.ID) || w.Key != "" && slices.Contains(keys, w.Key)
		if asked && (actor.IsAdmin() || !slices.Contains(f.hidden, w.ID)) {
			known = append(known, w)
		}
	}
	return known, nil
}

func newWidgets() *fakeWidgets {
	limit := json.RawMessage(`{"type":"object","properties":{"limit":{"type":"integer","maximum":100},"sortOrder":{"enum":["asc","desc"]}}}`)
	return &fakeWidgets{
		all: []dashboard.Widget{
			{ID: 1, Key: "total-revenue"},
			{ID: 2, Key: "revenue-chart", ConfigSchema: json.RawMessage(`{"additionalProperties":false}`)},
			{ID: 3, Key: "recent-orders", ConfigSchema: limit},
			{ID: 4, ConfigSchema: json.RawMessage(`[]`)}, // imported: no key, no schema
			{ID: 5, Key: "secret"},
		},
		hidden: []int64{5},
	}
}

func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) { test(t, newBundle(d)) })
}

func newBundle(d *sqlstore.DB) *bundle {
	b := &bundle{db: d, widgets: newWidgets(), events: &fakeEvents{}, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	store := &sqlstore.Dashboards{DB: d}
	b.Service = &dashboard.Service{Store: store, Shares: store, Widgets: b.widgets, Data: b.widgets, Events: b.events, Now: b.clock}
	return b
}

func (b *bundle) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(time.Second)
	return b.now
}

func (b *bundle) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *bundle) user(t *testing.T, name string, role identity.Role) identity.Actor {
	t.Helper()
	at := b.clock()
	u, err := b.db.W().InsertUser(t.Context(), db.InsertUserParams{
		Username: name, Email: name + "@example.com", EmailKey: name + "@example.com", Password: "!",
		Role: string(role), Status: "active", IsActive: true, DateJoined: at, CreatedAt: at, UpdatedAt: at,
	})
	if err != nil {
		t.Fatalf("insert user %s: %v", name, err)
	}
	return identity.Actor{UserID: u.ID, Role: role, Status: identity.Active}
}

func (b *bundle) create(t *testing.T, who identity.Actor, name string, more dashboard.Draft) dashboard.View {
	t.Helper()
	more.Name = &name
	v, err := b.Create(t.Context(), who, more)
	if err != nil {
		t.Fatalf("Create(%q): %v", name, err)
	}
	return v
}

// count runs a query that counts rows.
func (b *bundle) count(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	if err := b.db.ReadDBTX().QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (b *bundle) wantOneActive(t *testing.T, who identity.Actor) {
	t.Helper()
	if n := b.count(t, "SELECT count(*) FROM dashboard_views WHERE user_id = $1 AND is_active", who.UserID); n != 1 {
		t.Errorf("%d active views, want exactly 1", n)
	}
}

// layoutMessages are what ErrLayout says of widgets_config.
func layoutMessages(t *testing.T, err error) []string {
	t.Helper()
	if !errors.Is(err, dashboard.ErrLayout) {
		t.Fatalf("error %v, want ErrLayout", err)
	}
	f, _ := fault.As(err)
	var out []string
	for _, field := range f.Fields {
		if field.Name != "widgets_config" {
			t.Errorf("fault of field %q, want widgets_config", field.Name)
		}
		out = append(out, field.Message)
	}
	return out
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func ptr[T any](v T) *T { return &v }
