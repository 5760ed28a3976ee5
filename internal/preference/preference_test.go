package preference_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/preference"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// bundle is a room over a database of its own, with a clock that stands still
// until it is moved.
type bundle struct {
	*preference.Service
	db *sqlstore.DB

	mu  sync.Mutex
	now time.Time
}

func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
		b := &bundle{db: d, now: time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC)}
		b.Service = &preference.Service{Store: &sqlstore.Preferences{DB: d}, Now: b.clock}
		test(t, b)
	})
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

func (b *bundle) user(t *testing.T, name string) identity.Actor {
	t.Helper()
	u, err := b.db.W().InsertUser(t.Context(), db.InsertUserParams{
		Username: name, Email: name + "@example.com", EmailKey: name + "@example.com", Password: "!",
		Role: "user", Status: "active", IsActive: true, DateJoined: b.clock(), CreatedAt: b.clock(), UpdatedAt: b.clock(),
	})
	if err != nil {
		t.Fatalf("insert user %s: %v", name, err)
	}
	return identity.Actor{UserID: u.ID, Role: identity.User, Status: identity.Active}
}

func (b *bundle) rows(t *testing.T) (n int) {
	t.Helper()
	if err := b.db.ReadDBTX().QueryRow(t.Context(), "SELECT count(*) FROM user_preferences").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func ptr[T any](v T) *T { return &v }

func TestFirstSightGivesTheDefaults(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice")
		got, err := b.Of(t.Context(), alice)
		if err != nil {
			t.Fatalf("Of: %v", err)
		}
		at := b.clock().Truncate(time.Microsecond)
		want := preference.Preferences{UserID: alice.UserID, Locale: "en", ThemeMode: "system", TimeZone: "UTC", Version: 1, CreatedAt: at, UpdatedAt: at}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Of (-want +got):\n%s", diff)
		}
		b.pass(time.Hour)
		again, err := b.Of(t.Context(), alice)
		if diff := cmp.Diff(want, again); err != nil || diff != "" {
			t.Errorf("second Of: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice, bob := b.user(t, "alice"), b.user(t, "bob")
		first, err := b.Of(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		want := first
		steps := []struct {
			name  string
			draft preference.Draft
			apply func(p *preference.Preferences)
		}{
			{"two fields", preference.Draft{Locale: ptr("ar"), ThemeMode: ptr("dark")},
				func(p *preference.Preferences) { p.Locale, p.ThemeMode = "ar", "dark" }},
			{"theme", preference.Draft{ActiveThemeID: ptr(ptr("theme-1"))}, func(p *preference.Preferences) { p.ActiveThemeID = ptr("theme-1") }},
			{"blank theme", preference.Draft{ActiveThemeID: ptr(ptr(""))}, func(p *preference.Preferences) { p.ActiveThemeID = ptr("") }},
			{"no theme", preference.Draft{ActiveThemeID: ptr[*string](nil)}, func(p *preference.Preferences) { p.ActiveThemeID = nil }},
			{"side bar", preference.Draft{SidebarCollapsed: ptr(true)}, func(p *preference.Preferences) { p.SidebarCollapsed = true }},
			{"view", preference.Draft{ActiveDashboardView: ptr("v")}, func(p *preference.Preferences) { p.ActiveDashboardView = "v" }},
			{"blank view", preference.Draft{ActiveDashboardView: ptr("")}, func(p *preference.Preferences) { p.ActiveDashboardView = "" }},
			{"zone", preference.Draft{TimeZone: ptr("America/Argentina/Buenos_Aires")},
				func(p *preference.Preferences) { p.TimeZone = "America/Argentina/Buenos_Aires" }},
			{"nothing", preference.Draft{}, func(*preference.Preferences) {}},
		}
		for _, step := range steps {
			b.pass(time.Second)
			step.apply(&want)
			want.Version++
			want.UpdatedAt = b.clock().Truncate(time.Microsecond)
			got, err := b.Update(t.Context(), alice, step.draft)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Fatalf("%s: Update: %v (-want +got):\n%s", step.name, err, diff)
			}
		}
		if got, err := b.Of(t.Context(), alice); err != nil || !cmp.Equal(want, got) {
			t.Errorf("Of after all = %+v, %v, want %+v", got, err, want)
		}
		if got, err := b.Of(t.Context(), bob); err != nil || got.Locale != "en" || got.Version != 1 {
			t.Errorf("Of another user = %+v, %v, want the defaults", got, err)
		}
	})
}

func TestUpdateBeforeFirstSight(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		got, err := b.Update(t.Context(), b.user(t, "carol"), preference.Draft{ActiveThemeID: ptr(ptr("5"))})
		if err != nil || got.Locale != "en" || got.ActiveThemeID == nil || *got.ActiveThemeID != "5" {
			t.Errorf("Update = %+v, %v, want the defaults with theme 5", got, err)
		}
	})
}

func TestTimeZones(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice")
		for zone, fine := range map[string]bool{
			"UTC": true, "Europe/Paris": true, "Asia/Kathmandu": true, "Etc/GMT+5": true,
			"": false, "Local": false, "Mars/Olympus": false, "Europe": false, "../etc/passwd": false, "/etc/localtime": false,
			"europe/paris\x00": false, "+02:00": false,
		} {
			_, err := b.Update(t.Context(), alice, preference.Draft{TimeZone: &zone, Locale: ptr("xx")})
			if fine && err != nil {
				t.Errorf("Update(%q) = %v, want it taken", zone, err)
			}
			if fine {
				continue
			}
			if !errors.Is(err, preference.ErrTimeZone) {
				t.Errorf("Update(%q) = %v, want ErrTimeZone", zone, err)
				continue
			}
			if f, _ := fault.As(err); len(f.Fields) != 1 || f.Fields[0].Name != "time_zone" {
				t.Errorf("Update(%q) names the fields %v, want time_zone", zone, f.Fields)
			}
		}
	})
}

func TestUserIsGone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		gone := identity.Actor{UserID: 987654}
		if _, err := b.Of(t.Context(), gone); !errors.Is(err, preference.ErrNotFound) {
			t.Errorf("Of = %v, want ErrNotFound", err)
		}
		if _, err := b.Update(t.Context(), gone, preference.Draft{}); !errors.Is(err, preference.ErrNotFound) {
			t.Errorf("Update = %v, want ErrNotFound", err)
		}
	})
}

func TestConcurrentFirstSight(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice")
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				var err error
				if i%5 == 0 {
					_, err = b.Update(t.Context(), alice, preference.Draft{})
				} else {
					_, err = b.Of(t.Context(), alice)
				}
				if err != nil {
					t.Errorf("request %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if n := b.rows(t); n != 1 {
			t.Errorf("%d rows, want 1", n)
		}
		if p, err := b.Of(t.Context(), alice); err != nil || p.Version != 11 {
			t.Errorf("Of = version %d, %v, want 11: created and ten updates", p.Version, err)
		}
	})
}

// A change of one field must not bring back an old value of another one.
func TestConcurrentUpdatesOfDifferentFields(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice")
		want, err := b.Of(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		drafts := []preference.Draft{
			{Locale: ptr("fr")}, {ThemeMode: ptr("light")}, {ActiveThemeID: ptr(ptr("7"))},
			{SidebarCollapsed: ptr(true)}, {ActiveDashboardView: ptr("9")}, {TimeZone: ptr("Asia/Tokyo")},
		}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if _, err := b.Update(t.Context(), alice, drafts[i%len(drafts)]); err != nil {
					t.Errorf("Update %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		want.Locale, want.ThemeMode, want.ActiveThemeID = "fr", "light", ptr("7")
		want.SidebarCollapsed, want.ActiveDashboardView, want.TimeZone, want.Version = true, "9", "Asia/Tokyo", 101
		got, err := b.Of(t.Context(), alice)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("Of: %v (-want +got):\n%s", err, diff)
		}
	})
}
