package dashboard_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

func TestCreateAndUpdate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		v := b.create(t, alice, "Main", dashboard.Draft{})
		want := dashboard.View{ID: v.ID, UserID: alice.UserID, Name: "Main", WidgetsConfig: raw("[]"), Version: 1, CreatedAt: v.CreatedAt, UpdatedAt: v.CreatedAt}
		if diff := cmp.Diff(want, v); diff != "" {
			t.Errorf("Create (-want +got):\n%s", diff)
		}
		config := raw(`[{"b":1,"a":2},"two",null]`)
		v, err := b.Update(ctx, alice, v.ID, dashboard.Draft{WidgetsConfig: config, Description: ptr("d"), IsDefault: ptr(true)})
		want.WidgetsConfig, want.Description, want.IsDefault, want.Version, want.UpdatedAt = config, "d", true, 2, v.UpdatedAt
		if diff := cmp.Diff(want, v); err != nil || diff != "" {
			t.Errorf("Update: %v (-want +got):\n%s", err, diff)
		}
		if !v.UpdatedAt.After(v.CreatedAt) {
			t.Errorf("Update left updated_at at %v", v.UpdatedAt)
		}
		if got, err := b.ByID(ctx, alice, v.ID); err != nil || !cmp.Equal(v, got) {
			t.Errorf("ByID = %+v, %v, want %+v", got, err, v)
		}
	})
}

func TestNamesAreUniquePerUser(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice, bob := t.Context(), b.user(t, "alice", identity.User), b.user(t, "bob", identity.User)
		b.create(t, alice, "Main", dashboard.Draft{})
		b.create(t, bob, "Main", dashboard.Draft{})
		other := b.create(t, alice, "Other", dashboard.Draft{})
		_, created := b.Create(ctx, alice, dashboard.Draft{Name: ptr("Main")})
		_, renamed := b.Update(ctx, alice, other.ID, dashboard.Draft{Name: ptr("Main")})
		for what, err := range map[string]error{"Create": created, "Update": renamed} {
			f, ok := fault.As(err)
			if !errors.Is(err, dashboard.ErrNameTaken) || !ok || len(f.Fields) != 1 || f.Fields[0].Name != "name" ||
				f.Fields[0].Message != "dashboard view with this name already exists." {
				t.Errorf("%s of a taken name = %v, want ErrNameTaken of the field name", what, err)
			}
		}
	})
}

func TestOtherUsersViews(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice, bob := t.Context(), b.user(t, "alice", identity.User), b.user(t, "bob", identity.Admin)
		id := b.create(t, alice, "Main", dashboard.Draft{}).ID
		for _, id := range []int64{id, 987654, 0, -1} {
			_, read := b.ByID(ctx, bob, id)
			_, written := b.Update(ctx, bob, id, dashboard.Draft{Name: ptr("x")})
			_, activated := b.Activate(ctx, bob, id)
			_, copied := b.Duplicate(ctx, bob, id)
			deleted := b.Delete(ctx, bob, id, nil)
			for what, err := range map[string]error{"ByID": read, "Update": written, "Activate": activated, "Duplicate": copied, "Delete": deleted} {
				if !errors.Is(err, dashboard.ErrNotFound) {
					t.Errorf("%s(%d) = %v, want ErrNotFound", what, id, err)
				}
			}
		}
		if v, err := b.ByID(ctx, alice, id); err != nil || v.Name != "Main" {
			t.Errorf("ByID of the owner = %+v, %v, want it untouched", v, err)
		}
	})
}

func TestOneActiveView(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		first := b.create(t, alice, "first", dashboard.Draft{IsActive: ptr(true)})
		second := b.create(t, alice, "second", dashboard.Draft{IsActive: ptr(true)})
		b.wantOneActive(t, alice)
		got, err := b.Activate(ctx, alice, first.ID)
		if err != nil || !got.IsActive || !got.UpdatedAt.After(first.UpdatedAt) {
			t.Errorf("Activate = %+v, %v, want it active, with updated_at moved", got, err)
		}
		b.wantOneActive(t, alice)
		if got, err = b.ByID(ctx, alice, second.ID); err != nil || got.IsActive || !got.UpdatedAt.Equal(second.UpdatedAt) {
			t.Errorf("the other view = %+v, %v, want it off and otherwise untouched", got, err)
		}
	})
}

func TestConcurrentActivations(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice", identity.User)
		var ids []int64
		for i := range 10 {
			ids = append(ids, b.create(t, alice, fmt.Sprint(i), dashboard.Draft{}).ID)
		}
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				v, err := b.Activate(t.Context(), alice, ids[i%len(ids)])
				if err != nil || !v.IsActive {
					t.Errorf("Activate %d = %+v, %v, want it active", i, v, err)
				}
			})
		}
		wg.Wait()
		b.wantOneActive(t, alice)
	})
}

// Concurrent changes of different fields of one view are all kept.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice", identity.User)
		id := b.create(t, alice, "Main", dashboard.Draft{}).ID
		drafts := []dashboard.Draft{{Name: ptr("new")}, {Description: ptr("text")}, {WidgetsConfig: raw(`[1]`)}, {IsDefault: ptr(true)}, {IsActive: ptr(true)}}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if _, err := b.Update(t.Context(), alice, id, drafts[i%len(drafts)]); err != nil {
					t.Errorf("Update %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		v, err := b.ByID(t.Context(), alice, id)
		if err != nil || v.Name != "new" || v.Description != "text" || string(v.WidgetsConfig) != "[1]" || !v.IsDefault || !v.IsActive {
			t.Errorf("view after all = %+v, %v, want every change", v, err)
		}
	})
}

func TestDuplicate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		v := b.create(t, alice, "Main", dashboard.Draft{IsActive: ptr(true), IsDefault: ptr(true), Description: ptr("d"), WidgetsConfig: raw(`{"a":1}`)})
		for _, name := range []string{"Main (copy)", "Main (copy 2)", "Main (copy 3)"} {
			got, err := b.Duplicate(ctx, alice, v.ID)
			want := dashboard.View{ID: got.ID, UserID: alice.UserID, Name: name, Description: "d", WidgetsConfig: raw(`{"a":1}`),
				Version: 1, CreatedAt: got.CreatedAt, UpdatedAt: got.CreatedAt}
			if diff := cmp.Diff(want, got); err != nil || diff != "" || got.ID == v.ID {
				t.Errorf("Duplicate: %v (-want +got):\n%s", err, diff)
			}
		}
		b.wantOneActive(t, alice)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := b.Duplicate(ctx, alice, v.ID); err != nil {
					t.Errorf("concurrent Duplicate: %v", err)
				}
			})
		}
		wg.Wait()
	})
}

func TestCopyNameFits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 100)
	got := dashboard.CopyName(long, func(string) bool { return false })
	if utf8.RuneCountInString(got) != 100 || !strings.HasSuffix(got, "é (copy)") {
		t.Errorf("CopyName of 100 characters = %q", got)
	}
	first := got
	if got = dashboard.CopyName(long, func(name string) bool { return name == first }); utf8.RuneCountInString(got) != 100 || !strings.HasSuffix(got, "é (copy 2)") {
		t.Errorf("second CopyName = %q", got)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice", identity.User)
		b.create(t, b.user(t, "bob", identity.User), "of bob", dashboard.Draft{})
		b.create(t, alice, "Sales", dashboard.Draft{IsDefault: ptr(true), WidgetsConfig: raw(`"z"`)})
		b.create(t, alice, "Ops", dashboard.Draft{IsActive: ptr(true), Description: ptr("the ÜBERSICHT of sales")})
		b.create(t, alice, "Empty", dashboard.Draft{})
		tests := []struct {
			name string
			req  page.Request
			want string
		}{
			{"active first, then newest", page.Request{}, "Ops Empty Sales"},
			{"name", page.Request{Ordering: []page.Order{{Field: "name"}}}, "Empty Ops Sales"},
			{"default first", page.Request{Ordering: []page.Order{{Field: "is_default", Desc: true}, {Field: "id"}}}, "Sales Ops Empty"},
			{"unknown order", page.Request{Ordering: []page.Order{{Field: "user_id"}}}, "Ops Empty Sales"},
			{"active", page.Request{Filters: map[string]string{"is_active": "true"}}, "Ops"},
			{"not default", page.Request{Filters: map[string]string{"is_default": "false"}}, "Ops Empty"},
			{"search", page.Request{Search: "sales"}, "Ops Sales"},
			{"search without case", page.Request{Search: "übersicht"}, "Ops"},
		}
		for _, tt := range tests {
			tt.req.Number, tt.req.Size = 1, 20
			res, err := b.List(t.Context(), alice, tt.req)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			var names []string
			for _, v := range res.Items {
				names = append(names, v.Name)
			}
			if got := strings.Join(names, " "); got != tt.want || res.Count != len(names) {
				t.Errorf("%s: %q of %d, want %q", tt.name, got, res.Count, tt.want)
			}
		}
		for _, field := range []string{"id", "name", "description", "widgets_config", "is_default", "is_active", "created_at", "updated_at"} {
			up, err1 := b.List(t.Context(), alice, page.Request{Number: 1, Size: 20, Ordering: []page.Order{{Field: field}}})
			down, err2 := b.List(t.Context(), alice, page.Request{Number: 1, Size: 20, Ordering: []page.Order{{Field: field, Desc: true}}})
			if err1 != nil || err2 != nil || up.Items[0].ID != down.Items[2].ID {
				t.Errorf("order by %s: %v, %v; descending is not ascending backwards", field, err1, err2)
			}
		}
	})
}

func TestUserIsGone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		gone := identity.Actor{UserID: 987654, Role: identity.User}
		if _, err := b.Create(t.Context(), gone, dashboard.Draft{Name: ptr("x")}); !errors.Is(err, dashboard.ErrNotFound) {
			t.Errorf("Create = %v, want ErrNotFound", err)
		}
		if _, err := b.Layout(t.Context(), gone); !errors.Is(err, dashboard.ErrNotFound) {
			t.Errorf("Layout = %v, want ErrNotFound", err)
		}
	})
}
