package theme_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
	"github.com/bdash/bdash/internal/theme"
)

// noon is when the clock of a bundle stands, with more digits than are kept.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456789, time.UTC)

// bundle is a room over a database of its own.
type bundle struct {
	*theme.Service
	db *sqlstore.DB
}

func newBundle(d *sqlstore.DB) *bundle {
	now := func() time.Time { return noon }
	return &bundle{Service: &theme.Service{Store: &sqlstore.Themes{DB: d}, Now: now}, db: d}
}

func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) { test(t, newBundle(d)) })
}

func (b *bundle) user(t testing.TB, name string) identity.Actor {
	t.Helper()
	u, err := b.db.W().InsertUser(t.Context(), db.InsertUserParams{
		Username: name, Email: name + "@example.com", EmailKey: name + "@example.com", Password: "!",
		Role: "user", Status: "active", IsActive: true, DateJoined: noon, CreatedAt: noon, UpdatedAt: noon,
	})
	if err != nil {
		t.Fatalf("insert user %s: %v", name, err)
	}
	return identity.Actor{UserID: u.ID, Role: identity.User, Status: identity.Active}
}

// create makes a theme that must succeed.
func (b *bundle) create(t *testing.T, actor identity.Actor, d theme.Draft) theme.Theme {
	t.Helper()
	created, err := b.Create(t.Context(), actor, d)
	if err != nil {
		t.Fatalf("Create(%+v): %v", d, err)
	}
	return created
}

func (b *bundle) list(t *testing.T, actor identity.Actor) []theme.Theme {
	t.Helper()
	res, err := b.List(t.Context(), actor, page.Request{Number: 1, Size: 1000})
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	return res.Items
}

func ptr[T any](v T) *T { return &v }

func named(name string) theme.Draft { return theme.Draft{Name: &name, ColorMode: ptr("light")} }

// fieldOf gives the one field that err complains about.
func fieldOf(t *testing.T, err error) fault.Field {
	t.Helper()
	e, ok := fault.As(err)
	if !ok || e.Kind != fault.Invalid || len(e.Fields) != 1 {
		t.Fatalf("err = %v, want an invalid field", err)
	}
	return e.Fields[0]
}

func TestCreateAndRead(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ann, bob := b.user(t, "ann"), b.user(t, "bob")
		got := b.create(t, ann, named("Ocean"))
		at := noon.Truncate(time.Microsecond)
		want := theme.Theme{
			ID: got.ID, UserID: ann.UserID, Name: "Ocean", ColorMode: "light", Colors: json.RawMessage("{}"),
			BorderRadius: "0.5rem", CreatedAt: at, UpdatedAt: at,
		}
		if diff := cmp.Diff(want, got); diff != "" || got.ID < 1 {
			t.Errorf("Create (-want +got):\n%s", diff)
		}
		read, err := b.ByID(t.Context(), ann, got.ID)
		if diff := cmp.Diff(want, read); err != nil || diff != "" {
			t.Errorf("ByID: %v (-want +got):\n%s", err, diff)
		}
		// Somebody else's theme is missing, whatever one tries with it.
		_, byID := b.ByID(t.Context(), bob, got.ID)
		_, update := b.Update(t.Context(), bob, got.ID, named("Mine"))
		_, activate := b.Activate(t.Context(), bob, got.ID)
		for what, err := range map[string]error{
			"ByID": byID, "Update": update, "Activate": activate, "Delete": b.Delete(t.Context(), bob, got.ID),
		} {
			if !errors.Is(err, theme.ErrNotFound) {
				t.Errorf("%s of another user's theme = %v, want ErrNotFound", what, err)
			}
		}
		if _, err := b.Create(t.Context(), ann, named("Ocean")); !errors.Is(err, theme.ErrNameTaken) {
			t.Errorf("Create of the same name = %v, want ErrNameTaken", err)
		}
		b.create(t, bob, named("Ocean"))
	})
}

func TestActiveThemeIsOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ann, bob := b.user(t, "ann"), b.user(t, "bob")
		if _, err := b.Active(t.Context(), ann); !errors.Is(err, theme.ErrNoActive) {
			t.Errorf("Active of a new user = %v, want ErrNoActive", err)
		}
		one, two := b.create(t, ann, named("one")), b.create(t, ann, named("two"))
		three := named("three")
		three.IsActive = ptr(true)
		steps := []struct {
			what string
			do   func() (theme.Theme, error)
		}{
			{"Activate", func() (theme.Theme, error) { return b.Activate(t.Context(), ann, one.ID) }},
			{"Update", func() (theme.Theme, error) {
				return b.Update(t.Context(), ann, two.ID, theme.Draft{IsActive: ptr(true)})
			}},
			{"Create", func() (theme.Theme, error) { return b.Create(t.Context(), ann, three) }},
			{"Activate of a built-in theme", func() (theme.Theme, error) { return b.Activate(t.Context(), ann, -1) }},
		}
		for _, s := range steps {
			made, err := s.do()
			active, errActive := b.Active(t.Context(), ann)
			if err != nil || errActive != nil || active.ID != made.ID || !made.IsActive {
				t.Errorf("%s: %v; active is %d (%v), want %d", s.what, err, active.ID, errActive, made.ID)
			}
			if n := b.activeRows(t, ann); n != 1 {
				t.Errorf("%s leaves %d active rows, want 1", s.what, n)
			}
		}
		if n := b.activeRows(t, bob); n != 0 {
			t.Errorf("another user has %d active rows, want 0", n)
		}
	})
}

func (b *bundle) activeRows(t *testing.T, actor identity.Actor) (n int) {
	t.Helper()
	row := b.db.ReadDBTX().QueryRow(t.Context(), "SELECT count(*) FROM themes WHERE user_id = $1 AND is_active", actor.UserID)
	if err := row.Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestConcurrentActivations guards the recorded fault of two active rows.
func TestConcurrentActivations(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		const calls = 200
		ann := b.user(t, "ann")
		ids := []int64{-1, -2}
		for i := range 4 {
			ids = append(ids, b.create(t, ann, named(fmt.Sprintf("theme %d", i))).ID)
		}
		var wg sync.WaitGroup
		begin := make(chan struct{})
		errs := make([]error, calls)
		for i := range calls {
			wg.Go(func() {
				<-begin
				_, errs[i] = b.Activate(t.Context(), ann, ids[i%len(ids)])
			})
		}
		close(begin)
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("Activate: %v", err)
		}
		if n := b.activeRows(t, ann); n != 1 {
			t.Errorf("%d active rows, want 1", n)
		}
		if n := len(b.list(t, ann)); n != len(ids) {
			t.Errorf("%d themes, want %d: one copy of each built-in theme", n, len(ids))
		}
	})
}

func TestFreeName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		limit int
		taken []string
		want  string
	}{
		{"Light", 100, nil, "Light"},
		{"Light", 100, []string{"Light"}, "Light 2"},
		{"Light", 100, []string{"Light", "Light 2", "Light 3"}, "Light 4"},
		{"Light", 100, []string{"Light 2"}, "Light"},
		{strings.Repeat("é", 10), 10, []string{strings.Repeat("é", 10)}, strings.Repeat("é", 8) + " 2"},
		{"A light ten", 10, []string{"A light ten"}, "A light 2"},
	} {
		taken := func(name string) bool {
			for _, n := range tt.taken {
				if n == name {
					return true
				}
			}
			return false
		}
		if got := theme.FreeName(tt.name, tt.limit, taken); got != tt.want {
			t.Errorf("FreeName(%q, %d) with %q taken = %q, want %q", tt.name, tt.limit, tt.taken, got, tt.want)
		}
	}
}
