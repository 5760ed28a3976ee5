package widget_test

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
	"github.com/bdash/bdash/internal/widget"
)

// bundle is the room over a database of its own, with a clock that stands
// still until it is moved.
type bundle struct {
	*widget.Service
	db *sqlstore.DB

	mu  sync.Mutex
	now time.Time
}

func newBundle(d *sqlstore.DB) *bundle {
	b := &bundle{db: d, now: time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC)}
	b.Service = &widget.Service{Store: &sqlstore.Widgets{DB: d}, Now: b.clock}
	return b
}

// each runs test on every engine.
func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) { test(t, newBundle(d)) })
}

// look is Data, without how long it may be kept.
func (b *bundle) look(t testing.TB, actor identity.Actor, id int64) (widget.Data, error) {
	t.Helper()
	d, err := b.Data(t.Context(), actor, id, widget.Request{})
	d.KeepUntil = time.Time{}
	return d, err
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

// stamp is the time as it is stored.
func (b *bundle) stamp() time.Time { return b.clock().Truncate(time.Microsecond) }

func (b *bundle) user(t testing.TB, name string, role identity.Role) identity.Actor {
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

// add stores a widget as an import would, whatever its owner may do.
func (b *bundle) add(t testing.TB, w widget.Widget) widget.Widget {
	t.Helper()
	if w.Name == "" {
		w.Name = "Revenue"
	}
	if w.WidgetType == "" {
		w.WidgetType = "stats"
	}
	if w.ConfigSchema == nil {
		w.ConfigSchema = json.RawMessage(`{}`)
	}
	w.CreatedAt, w.UpdatedAt = b.stamp(), b.stamp()
	stored, err := b.Store.Create(t.Context(), w)
	if err != nil {
		t.Fatalf("store widget %q: %v", w.Name, err)
	}
	return stored
}

func (b *bundle) count(t testing.TB, table string) (n int) {
	t.Helper()
	if err := b.db.ReadDBTX().QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func ptr[T any](v T) *T { return &v }

// keyed is the key of a draft.
func keyed(key string) **string { return ptr(ptr(key)) }

// draft is the least that a new widget needs.
func draft(name string) widget.Draft {
	return widget.Draft{Name: &name, WidgetType: ptr("stats")}
}

// fieldsOf gives the messages of a field fault by field.
func fieldsOf(t testing.TB, err error) map[string][]string {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Invalid {
		t.Fatalf("error = %v, want a field fault", err)
	}
	fields := map[string][]string{}
	for _, field := range f.Fields {
		fields[field.Name] = append(fields[field.Name], field.Message)
	}
	return fields
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error = %v, want %v", what, err, want)
	}
}
