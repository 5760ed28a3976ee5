package dashboard_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
)

type layoutItem struct {
	InstanceID string `json:"instance_id"`
	WidgetKey  string `json:"widget_key"`
	Position   struct{ X, Y, Width, Height int }
	Visible    bool
	Config     json.RawMessage
}

func items(t *testing.T, layout json.RawMessage) []layoutItem {
	t.Helper()
	var out []layoutItem
	if err := json.Unmarshal(layout, &out); err != nil {
		t.Fatalf("layout %s: %v", layout, err)
	}
	return out
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// What comes with bdash must be a layout that bdash itself would store.
func TestBuiltInRoleLayouts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "admin", identity.Admin)
		for i, key := range []string{"total-revenue", "total-users", "active-sessions", "conversion-rate", "revenue-chart", "sales-by-category", "recent-orders", "top-products"} {
			b.widgets.all = append(b.widgets.all, dashboard.Widget{ID: int64(100 + i), Key: key})
		}
		for _, role := range identity.Roles {
			l, err := b.RoleLayout(t.Context(), role)
			if err != nil || l.Role != role || l.UpdatedAt != nil {
				t.Fatalf("RoleLayout(%s) = %+v, %v", role, l, err)
			}
			taken := map[[2]int]string{}
			for _, it := range items(t, l.WidgetsConfig) {
				if !uuidForm.MatchString(it.InstanceID) || !it.Visible {
					t.Errorf("%s: item %+v, want a UUID, visible", role, it)
				}
				for x := it.Position.X; x < it.Position.X+it.Position.Width; x++ {
					for y := it.Position.Y; y < it.Position.Y+it.Position.Height; y++ {
						if other := taken[[2]int{x, y}]; other != "" {
							t.Errorf("%s: %s lies over %s", role, it.WidgetKey, other)
						}
						taken[[2]int{x, y}] = it.WidgetKey
					}
				}
			}
			if again, err := b.RoleLayout(t.Context(), role); err != nil || !cmp.Equal(l, again) {
				t.Errorf("RoleLayout(%s) differs from call to call", role)
			}
			if _, err := b.PutRoleLayout(t.Context(), admin, role, l.WidgetsConfig); err != nil {
				t.Errorf("PutRoleLayout(%s) of its own layout: %v", role, err)
			}
		}
	})
}

func TestPutRoleLayout(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, admin := t.Context(), b.user(t, "admin", identity.Admin)
		layout := raw(`[{"widget_key":"total-revenue","instance_id":"a","position":{"x":0,"y":0,"width":3,"height":2},"note":"<b>"}]`)
		for _, actor := range []identity.Actor{b.user(t, "user", identity.User), b.user(t, "editor", identity.Editor),
			{UserID: admin.UserID, Role: identity.Admin, KeyID: 1, Scopes: []identity.Scope{identity.ScopeWrite}}, {}} {
			if _, err := b.PutRoleLayout(ctx, actor, identity.User, layout); !errors.Is(err, dashboard.ErrForbidden) {
				t.Errorf("PutRoleLayout by %+v = %v, want ErrForbidden", actor, err)
			}
		}
		if _, err := b.PutRoleLayout(ctx, admin, "owner", layout); !errors.Is(err, dashboard.ErrNotFound) {
			t.Errorf("PutRoleLayout of an unknown role = %v, want ErrNotFound", err)
		}
		if _, err := b.RoleLayout(ctx, "owner"); !errors.Is(err, dashboard.ErrNotFound) {
			t.Errorf("RoleLayout of an unknown role = %v, want ErrNotFound", err)
		}
		for _, bad := range []string{`{}`, `"x"`, `null`, `[{"widget_id":99}]`} {
			if _, err := b.PutRoleLayout(ctx, admin, identity.User, raw(bad)); !errors.Is(err, dashboard.ErrLayout) {
				t.Errorf("PutRoleLayout(%s) = %v, want ErrLayout", bad, err)
			}
		}
		for _, layout := range []json.RawMessage{layout, raw(`[]`), layout} {
			put, err := b.PutRoleLayout(ctx, admin, identity.User, layout)
			if err != nil || put.UpdatedAt == nil {
				t.Fatalf("PutRoleLayout = %+v, %v", put, err)
			}
			got, err := b.RoleLayout(ctx, identity.User)
			if diff := cmp.Diff(put, got); err != nil || diff != "" || string(got.WidgetsConfig) != string(layout) {
				t.Errorf("RoleLayout: %v (-put +got):\n%s", err, diff)
			}
		}
		if got, err := b.RoleLayout(ctx, identity.Editor); err != nil || got.UpdatedAt != nil {
			t.Errorf("RoleLayout of another role = %+v, %v, want what comes with bdash", got, err)
		}
	})
}

func TestFirstLayoutFromBuiltIn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, admin := t.Context(), b.user(t, "admin", identity.Admin)
		v, err := b.Layout(ctx, admin)
		if err != nil || !v.IsActive || !v.IsDefault || v.Name == "" {
			t.Fatalf("Layout = %+v, %v, want an active default view", v, err)
		}
		got := items(t, v.WidgetsConfig)
		// Of the built-in layout these three are known; the settings of
		// revenue-chart do not fit that widget's schema.
		if len(got) != 3 || got[0].WidgetKey != "total-revenue" || got[1].WidgetKey != "revenue-chart" || got[2].WidgetKey != "recent-orders" {
			t.Fatalf("layout %s, want the three known widgets", v.WidgetsConfig)
		}
		if len(got[0].Config) == 0 || len(got[1].Config) != 0 || len(got[2].Config) == 0 {
			t.Errorf("layout %s, want settings where they fit", v.WidgetsConfig)
		}
		if other, err := b.Layout(ctx, b.user(t, "admin2", identity.Admin)); err != nil || items(t, other.WidgetsConfig)[0].InstanceID == got[0].InstanceID {
			t.Errorf("two users share an instance_id, or %v", err)
		}
		if again, err := b.Layout(ctx, admin); err != nil || !cmp.Equal(v, again) {
			t.Errorf("second Layout = %+v, %v, want %+v", again, err, v)
		}
		if _, err := b.Update(ctx, admin, v.ID, dashboard.Draft{WidgetsConfig: v.WidgetsConfig}); err != nil {
			t.Errorf("the first layout cannot be written back: %v", err)
		}
	})
}

func TestFirstLayoutFromStored(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, admin, alice := t.Context(), b.user(t, "admin", identity.Admin), b.user(t, "alice", identity.User)
		const kept = `{"widget_key":"recent-orders","instance_id":"b","position":{"x":0,"y":0,"width":3,"height":2},"title":"<b>&"}`
		stored := raw(`[{"widget_key":"secret","instance_id":"a","position":{"x":0,"y":0,"width":3,"height":2}},"text",` + kept + `]`)
		if _, err := b.PutRoleLayout(ctx, admin, identity.User, stored); err != nil {
			t.Fatal(err)
		}
		v, err := b.Layout(ctx, alice)
		if want := `["text",` + kept + `]`; err != nil || string(v.WidgetsConfig) != want {
			t.Errorf("Layout = %s, %v, want %s", v.WidgetsConfig, err, want)
		}
	})
}

func TestLayoutPromotes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		marked := b.create(t, alice, "marked", dashboard.Draft{IsDefault: ptr(true)})
		newest := b.create(t, alice, "newest", dashboard.Draft{})
		v, err := b.Layout(ctx, alice)
		if err != nil || v.ID != marked.ID || !v.IsActive || !v.UpdatedAt.Equal(marked.UpdatedAt) {
			t.Errorf("Layout = %+v, %v, want the default view, active", v, err)
		}
		b.wantOneActive(t, alice)
		if err := b.Delete(ctx, alice, marked.ID, nil); err != nil {
			t.Fatal(err)
		}
		if v, err = b.Layout(ctx, alice); err != nil || v.ID != newest.ID || !v.IsActive {
			t.Errorf("Layout = %+v, %v, want the newest view, active", v, err)
		}
		b.wantOneActive(t, alice)
	})
}

func TestPutLayout(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		v, err := b.PutLayout(ctx, alice, dashboard.Draft{WidgetsConfig: raw(`[1]`), IsActive: ptr(false)})
		if err != nil || string(v.WidgetsConfig) != "[1]" || !v.IsActive {
			t.Fatalf("PutLayout without a view = %+v, %v, want an active view", v, err)
		}
		other := b.create(t, alice, "other", dashboard.Draft{IsActive: ptr(true)})
		v, err = b.PutLayout(ctx, alice, dashboard.Draft{WidgetsConfig: raw(`{}`), Name: ptr("new"), Description: ptr("d")})
		if err != nil || v.ID != other.ID || v.Name != "new" || v.Description != "d" || string(v.WidgetsConfig) != "{}" || !v.UpdatedAt.After(other.UpdatedAt) {
			t.Errorf("PutLayout = %+v, %v, want view %d changed", v, err, other.ID)
		}
		if _, err = b.PutLayout(ctx, alice, dashboard.Draft{Name: ptr("My dashboard")}); !errors.Is(err, dashboard.ErrNameTaken) {
			t.Errorf("PutLayout with a taken name = %v, want ErrNameTaken", err)
		}
		_, err = b.PutLayout(ctx, alice, dashboard.Draft{WidgetsConfig: raw(`[{"widget_id":99}]`)})
		layoutMessages(t, err)
		b.wantOneActive(t, alice)
	})
}

func TestConcurrentFirstLayout(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice", identity.User)
		var wg sync.WaitGroup
		ids := make([]int64, 50)
		for i := range ids {
			wg.Go(func() {
				v, err := b.Layout(t.Context(), alice)
				if err != nil {
					t.Errorf("Layout %d: %v", i, err)
				}
				ids[i] = v.ID
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("requests got different views: %v", ids)
			}
		}
		if n := b.count(t, "SELECT count(*) FROM dashboard_views WHERE user_id = $1", alice.UserID); n != 1 {
			t.Errorf("%d views, want 1", n)
		}
		b.wantOneActive(t, alice)
	})
}
