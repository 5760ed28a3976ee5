package theme_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
	"github.com/bdash/bdash/internal/theme"
)

func openFor(t testing.TB) *sqlstore.DB {
	t.Helper()
	return sqltest.Open(t)
}

func TestBuiltInThemes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ann := b.user(t, "ann")
		for _, want := range []struct {
			id         int64
			name, mode string
		}{
			{-1, "Light", "light"}, {-2, "Dark", "dark"},
			{-3, "High contrast light", "light"}, {-4, "High contrast dark", "dark"},
		} {
			got, err := b.ByID(t.Context(), ann, want.id)
			if err != nil {
				t.Fatalf("ByID(%d): %v", want.id, err)
			}
			if got.ID != want.id || got.Name != want.name || got.ColorMode != want.mode {
				t.Errorf("ByID(%d) = %d %q %s, want %+v", want.id, got.ID, got.Name, got.ColorMode, want)
			}
			if !got.BuiltIn() || got.UserID != 0 || got.IsActive || got.IsDefault || got.SourceID != nil ||
				got.Description == "" || got.BorderRadius == "" || got.CreatedAt.IsZero() || !got.UpdatedAt.Equal(got.CreatedAt) {
				t.Errorf("ByID(%d) = %+v", want.id, got)
			}
			var palettes map[string]json.RawMessage
			if err := json.Unmarshal(got.Palettes, &palettes); err != nil || string(palettes[got.ColorMode]) != string(got.Colors) {
				t.Errorf("the colors of %d are not its palette of %s (%v)", want.id, got.ColorMode, err)
			}
			// What is built in passes the rules for everybody's themes.
			b.create(t, ann, theme.Draft{Name: &got.Name, ColorMode: &got.ColorMode, Colors: got.Colors, Palettes: got.Palettes})
		}
		for _, id := range []int64{-5, 0, math.MinInt64} {
			if _, err := b.ByID(t.Context(), ann, id); !errors.Is(err, theme.ErrNotFound) {
				t.Errorf("ByID(%d) = %v, want ErrNotFound", id, err)
			}
			if _, err := b.Activate(t.Context(), ann, id); !errors.Is(err, theme.ErrNotFound) {
				t.Errorf("Activate(%d) = %v, want ErrNotFound", id, err)
			}
		}
	})
}

func TestBuiltInThemesCannotBeChanged(t *testing.T) {
	t.Parallel()
	b := newBundle(openFor(t))
	ann := b.user(t, "ann")
	for id, want := range map[int64]error{-1: theme.ErrBuiltIn, -4: theme.ErrBuiltIn, -5: theme.ErrNotFound} {
		if _, err := b.Update(t.Context(), ann, id, named("mine")); !errors.Is(err, want) {
			t.Errorf("Update(%d) = %v, want %v", id, err, want)
		}
		if err := b.Delete(t.Context(), ann, id); !errors.Is(err, want) {
			t.Errorf("Delete(%d) = %v, want %v", id, err, want)
		}
	}
	// Nor through what a reader was given.
	got, err := b.ByID(t.Context(), ann, -1)
	if err != nil {
		t.Fatal(err)
	}
	clear(got.Colors)
	clear(got.Palettes)
	listed, err := b.ListBuiltIn(t.Context(), ann, page.Request{Number: 1, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	clear(listed.Items[0].Colors)
	again, err := b.ByID(t.Context(), ann, -1)
	if err != nil || !json.Valid(again.Colors) || !json.Valid(again.Palettes) {
		t.Errorf("a reader changed the built-in theme: %q (%v)", again.Colors, err)
	}
}

func TestListBuiltIn(t *testing.T) {
	t.Parallel()
	b := newBundle(openFor(t))
	ann := b.user(t, "ann")
	b.create(t, ann, named("Own"))
	order := func(field string, desc bool) []page.Order { return []page.Order{{Field: field, Desc: desc}} }
	for _, tt := range []struct {
		name  string
		req   page.Request
		want  []int64
		count int
	}{
		{"default order", page.Request{}, []int64{-1, -2, -3, -4}, 4},
		{"by id", page.Request{Ordering: order("id", false)}, []int64{-4, -3, -2, -1}, 4},
		{"by id, falling", page.Request{Ordering: order("id", true)}, []int64{-1, -2, -3, -4}, 4},
		{"by name", page.Request{Ordering: order("name", false)}, []int64{-2, -4, -3, -1}, 4},
		{"by mode, then name falling", page.Request{Ordering: []page.Order{{Field: "color_mode"}, {Field: "name", Desc: true}}}, []int64{-4, -2, -1, -3}, 4},
		{"ties follow the first field", page.Request{Ordering: order("created_at", false)}, []int64{-4, -3, -2, -1}, 4},
		{"ties, falling", page.Request{Ordering: order("is_active", true)}, []int64{-1, -2, -3, -4}, 4},
		{"unknown field", page.Request{Ordering: order("password", false)}, []int64{-1, -2, -3, -4}, 4},
		{"first page", page.Request{Number: 1, Size: 3}, []int64{-1, -2, -3}, 4},
		{"second page", page.Request{Number: 2, Size: 3}, []int64{-4}, 4},
		{"last page", page.Request{Last: true, Size: 3}, []int64{-4}, 4},
		{"size beyond counting", page.Request{Number: 1, Size: math.MaxInt}, []int64{-1, -2, -3, -4}, 4},
		{"mode", page.Request{Filters: map[string]string{"color_mode": "dark"}}, []int64{-2, -4}, 2},
		{"mode of another case", page.Request{Filters: map[string]string{"color_mode": "Dark"}}, []int64{}, 0},
		{"active", page.Request{Filters: map[string]string{"is_active": "true"}}, []int64{}, 0},
		{"not active", page.Request{Filters: map[string]string{"is_active": "False", "is_default": "0"}}, []int64{-1, -2, -3, -4}, 4},
		{"default", page.Request{Filters: map[string]string{"is_default": "1"}}, []int64{}, 0},
		{"nonsense", page.Request{Filters: map[string]string{"is_default": "perhaps"}}, []int64{}, 0},
		{"unknown filter", page.Request{Filters: map[string]string{"is_system": "true", "x": "y"}}, []int64{-1, -2, -3, -4}, 4},
		{"a word", page.Request{Search: "CONTRAST"}, []int64{-3, -4}, 2},
		{"all words", page.Request{Search: " dark,contrast\thigh "}, []int64{-4}, 1},
		{"quoted words", page.Request{Search: `"high contrast"`, Filters: map[string]string{"color_mode": "light"}}, []int64{-3}, 1},
		{"word of a description", page.Request{Search: "rooms", Filters: map[string]string{"color_mode": "dark"}}, []int64{-4}, 1},
		{"no such word", page.Request{Search: "dark ocean"}, []int64{}, 0},
		{"only separators", page.Request{Search: ` , "`}, []int64{-1, -2, -3, -4}, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.req.Size == 0 {
				tt.req.Number, tt.req.Size = 1, 20
			}
			res, err := b.ListBuiltIn(t.Context(), ann, tt.req)
			if err != nil {
				t.Fatalf("ListBuiltIn(%+v): %v", tt.req, err)
			}
			got := []int64{}
			for _, th := range res.Items {
				got = append(got, th.ID)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || res.Count != tt.count || res.Items == nil || res.Size != tt.req.Size {
				t.Errorf("ListBuiltIn(%+v) has count %d, want %d; ids (-want +got):\n%s", tt.req, res.Count, tt.count, diff)
			}
		})
	}
	for _, req := range []page.Request{
		{Number: 0, Size: 20}, {Number: -1, Size: 20}, {Number: 2, Size: 20}, {Number: math.MaxInt, Size: 20},
		{Number: 1, Size: 0}, {Number: 2, Size: 2, Search: "contrast"}, {Number: 2, Size: 1, Search: "ocean"},
	} {
		if _, err := b.ListBuiltIn(t.Context(), ann, req); !errors.Is(err, page.ErrInvalid) {
			t.Errorf("ListBuiltIn(%+v) = %v, want page.ErrInvalid", req, err)
		}
	}
	// They stand in no other list.
	if own := b.list(t, ann); len(own) != 1 || own[0].BuiltIn() {
		t.Errorf("List has %d themes, want the own one", len(own))
	}
}

func TestActivateBuiltIn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ann, bob := b.user(t, "ann"), b.user(t, "bob")
		source, err := b.ByID(t.Context(), ann, -1)
		if err != nil {
			t.Fatal(err)
		}
		b.create(t, ann, named("Light"))
		copied := b.activate(t, ann, -1)
		at := noon.Truncate(time.Microsecond)
		want := source
		want.ID, want.UserID, want.Name, want.IsActive, want.SourceID = copied.ID, ann.UserID, "Light 2", true, ptr(int64(-1))
		want.CreatedAt, want.UpdatedAt = at, at
		if diff := cmp.Diff(want, copied); diff != "" || copied.ID < 1 {
			t.Errorf("Activate of a built-in theme (-want +got):\n%s", diff)
		}
		// The copy is the user's own: changes stay, and it is found again.
		if _, err := b.Update(t.Context(), ann, copied.ID, theme.Draft{Name: ptr("Mine"), BorderRadius: ptr("1rem")}); err != nil {
			t.Fatal(err)
		}
		b.activate(t, ann, -2)
		again := b.activate(t, ann, -1)
		if again.ID != copied.ID || again.Name != "Mine" || again.BorderRadius != "1rem" || !again.IsActive {
			t.Errorf("a second Activate gives %d %q, want the copy %d", again.ID, again.Name, copied.ID)
		}
		if n := len(b.list(t, ann)); n != 3 {
			t.Errorf("%d themes, want 3", n)
		}
		// One that was deleted is made anew; names are each user's own.
		if err := b.Delete(t.Context(), ann, copied.ID); err != nil {
			t.Fatal(err)
		}
		if anew := b.activate(t, ann, -1); anew.ID == copied.ID || anew.Name != "Light 2" || string(anew.Colors) != string(source.Colors) {
			t.Errorf("Activate after Delete = %d %q, want a new copy", anew.ID, anew.Name)
		}
		if other := b.activate(t, bob, -1); other.UserID != bob.UserID || other.Name != "Light" {
			t.Errorf("another user's copy = %q of %d", other.Name, other.UserID)
		}
		// The built-in theme itself stays as it was.
		if now, err := b.ByID(t.Context(), ann, -1); err != nil || cmp.Diff(source, now) != "" {
			t.Errorf("the built-in theme changed: %v %s", err, cmp.Diff(source, now))
		}
	})
}

func (b *bundle) activate(t *testing.T, actor identity.Actor, id int64) theme.Theme {
	t.Helper()
	got, err := b.Activate(t.Context(), actor, id)
	if err != nil {
		t.Fatalf("Activate(%d): %v", id, err)
	}
	return got
}
