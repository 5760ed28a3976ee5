package preference_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/preference"
)

func baseOf(t *testing.T, p preference.Preferences) *preference.Base {
	t.Helper()
	b, ok := preference.DecodeBase(p.Base().Encode())
	if !ok {
		t.Fatalf("DecodeBase of %s", p.Base().Encode())
	}
	b.Version = p.Version
	return &b
}

func TestPreferencesMerge(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice")
		first, err := b.Of(ctx, alice)
		if err != nil {
			t.Fatal(err)
		}
		base := baseOf(t, first)
		theirs := preference.Draft{Locale: new("fr"), ActiveThemeID: new(new("7")), SidebarCollapsed: new(true), Base: base}
		if _, err := b.Update(ctx, alice, theirs); err != nil {
			t.Fatal(err)
		}
		// All fields are sent; two of them are new, one of these the same as theirs.
		whole := preference.Draft{
			Locale: new("en"), ThemeMode: new("dark"), ActiveThemeID: new((*string)(nil)), SidebarCollapsed: new(true),
			ActiveDashboardView: new(""), TimeZone: new("UTC"), Base: base,
		}
		got, err := b.Update(ctx, alice, whole)
		if err != nil || got.Locale != "fr" || got.ThemeMode != "dark" || got.ActiveThemeID == nil || *got.ActiveThemeID != "7" || !got.SidebarCollapsed {
			t.Errorf("merged %+v, %v, want both sides' changes", got, err)
		}
		_, err = b.Update(ctx, alice, preference.Draft{Locale: new("de"), TimeZone: new("Europe/Paris"), ActiveThemeID: new(new("")), Base: base})
		var c *preference.Conflict
		if !errors.As(err, &c) || !errors.Is(err, preference.ErrConflict) {
			t.Fatalf("%v, want a Conflict", err)
		}
		want := []preference.FieldConflict{
			{Field: "locale", Ancestor: []byte(`"en"`), Yours: []byte(`"de"`), Current: []byte(`"fr"`)},
			{Field: "active_theme_id", Ancestor: []byte(`null`), Yours: []byte(`""`), Current: []byte(`"7"`)},
		}
		if diff := cmp.Diff(want, c.Conflicts); diff != "" {
			t.Errorf("conflicts (-want +got):\n%s", diff)
		}
		if now, err := b.Of(ctx, alice); err != nil || !cmp.Equal(now, got) {
			t.Errorf("preferences %+v, %v, want them untouched", now, err)
		}
		future := *base
		future.Version = got.Version + 1
		for _, stale := range []preference.Base{{}, future} {
			if _, err := b.Update(ctx, alice, preference.Draft{Locale: new("x"), Base: &stale}); !errors.Is(err, preference.ErrStale) {
				t.Errorf("version %d: %v, want ErrStale", stale.Version, err)
			}
		}
	})
}

// Writers who all started from one state: of those who want different values
// of one field one wins and is told, and no other field is lost.
func TestManyWritersOfPreferences(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice")
		first, err := b.Of(ctx, alice)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var won []string
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				locale := fmt.Sprint("l", i)
				_, err := b.Update(ctx, alice, preference.Draft{Locale: &locale, Base: baseOf(t, first)})
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					won = append(won, locale)
				} else if !errors.Is(err, preference.ErrConflict) {
					t.Errorf("writer %d: %v", i, err)
				}
			})
			wg.Go(func() {
				if _, err := b.Update(ctx, alice, preference.Draft{SidebarCollapsed: new(true), Base: baseOf(t, first)}); err != nil {
					t.Errorf("another field: %v", err)
				}
			})
		}
		wg.Wait()
		got, err := b.Of(ctx, alice)
		if err != nil || len(won) != 1 || got.Locale != won[0] || !got.SidebarCollapsed {
			t.Errorf("winners %v, preferences %+v, %v, want one winner", won, got, err)
		}
	})
}
