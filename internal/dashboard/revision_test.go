package dashboard_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

func (b *bundle) revisions(t *testing.T, who identity.Actor, id int64) []dashboard.Revision {
	t.Helper()
	res, err := b.Revisions(t.Context(), who, id, page.Request{Number: 1, Size: 100})
	if err != nil {
		t.Fatal(err)
	}
	return res.Items
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		v := b.create(t, alice, "Main", dashboard.Draft{WidgetsConfig: raw(list(it("a", ""), it("b", ""))), Reason: "a start"})
		change := func(d dashboard.Draft) {
			t.Helper()
			if _, err := b.Update(ctx, alice, v.ID, d); err != nil {
				t.Fatal(err)
			}
		}
		change(dashboard.Draft{Name: ptr("Main")})   // nothing
		change(dashboard.Draft{IsActive: ptr(true)}) // no part of a state
		change(dashboard.Draft{WidgetsConfig: raw(list(it("b", `,"n":1`), it("c", ""))), Reason: "swap"})
		keyed := alice
		keyed.KeyID = 7
		if _, err := b.Update(ctx, keyed, v.ID, dashboard.Draft{Name: ptr("Second"), Description: ptr("d"), IsDefault: ptr(true)}); err != nil {
			t.Fatal(err)
		}
		restored, err := b.Restore(ctx, alice, v.ID, 1, "as it was")
		if err != nil || restored.Name != "Main" || restored.IsDefault || string(restored.WidgetsConfig) != list(it("a", ""), it("b", "")) || !restored.IsActive || restored.Version != 4 {
			t.Errorf("Restore = %+v, %v", restored, err)
		}
		type seen struct {
			Number   int64
			Reason   string
			Summary  string
			Key      int64
			Restored int64
		}
		var got []seen
		for _, r := range b.revisions(t, alice, v.ID) {
			s := seen{Number: r.Number, Reason: r.Reason, Summary: string(r.Summary)}
			if r.KeyID != nil {
				s.Key = *r.KeyID
			}
			if r.Restored != nil {
				s.Restored = *r.Restored
			}
			if r.ChangedBy == nil || *r.ChangedBy != alice.UserID || r.CreatedAt.IsZero() || r.WidgetsConfig != nil {
				t.Errorf("revision %+v", r)
			}
			got = append(got, s)
		}
		want := []seen{
			{4, "as it was", `{"fields":["name","description","is_default"],"added":["a"],"removed":["c"],"changed":{"b":["n"]}}`, 0, 1},
			{3, "", `{"fields":["name","description","is_default"]}`, 7, 0},
			{2, "swap", `{"added":["c"],"removed":["a"],"changed":{"b":["n"]}}`, 0, 0},
			{1, "a start", `{"created":true}`, 0, 0},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("revisions (-want +got):\n%s", diff)
		}
		r, err := b.Revision(ctx, alice, v.ID, 2)
		if err != nil || string(r.WidgetsConfig) != list(it("b", `,"n":1`), it("c", "")) || r.Name != "Main" {
			t.Errorf("Revision(2) = %+v, %v", r, err)
		}
		d, err := b.Diff(ctx, alice, v.ID, 2, 0)
		wantDiff := dashboard.Diff{
			From: 2, To: 4,
			Added:   []dashboard.ItemChange{{InstanceID: "a", Item: raw(it("a", ""))}},
			Removed: []dashboard.ItemChange{{InstanceID: "c", Item: raw(it("c", ""))}},
			Changed: []dashboard.ItemChange{{InstanceID: "b", Members: []dashboard.ValueChange{{Name: "n", From: raw("1")}}}},
		}
		if diff := cmp.Diff(wantDiff, d); err != nil || diff != "" {
			t.Errorf("Diff: %v (-want +got):\n%s", err, diff)
		}
		// Restoring what is there makes no revision.
		if again, err := b.Restore(ctx, alice, v.ID, 4, ""); err != nil || again.Version != 4 {
			t.Errorf("Restore of the present state = %+v, %v", again, err)
		}
		bob := b.user(t, "bob", identity.Admin)
		for _, number := range []int64{0, -1, 5, 1 << 60} {
			_, one := b.Revision(ctx, alice, v.ID, number)
			_, diff := b.Diff(ctx, alice, v.ID, 1, max(number, -1))
			_, back := b.Restore(ctx, alice, v.ID, number, "")
			if !errors.Is(one, dashboard.ErrNotFound) || number != 0 && !errors.Is(diff, dashboard.ErrNotFound) || !errors.Is(back, dashboard.ErrNotFound) {
				t.Errorf("revision %d: %v, %v, %v, want ErrNotFound", number, one, diff, back)
			}
		}
		_, listed := b.Revisions(ctx, bob, v.ID, page.Request{Number: 1, Size: 20})
		_, one := b.Revision(ctx, bob, v.ID, 1)
		_, diff := b.Diff(ctx, bob, v.ID, 1, 2)
		_, back := b.Restore(ctx, bob, v.ID, 1, "")
		for _, err := range []error{listed, one, diff, back} {
			if !errors.Is(err, dashboard.ErrNotFound) {
				t.Errorf("somebody else's view: %v, want ErrNotFound", err)
			}
		}
	})
}

// A view from before revisions gets its first one when it is changed, or when
// they are looked at.
func TestOldViewsGetAFirstRevision(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		looked, changed := b.create(t, alice, "Looked at", dashboard.Draft{}), b.create(t, alice, "Changed", dashboard.Draft{WidgetsConfig: raw("[1]")})
		if _, err := b.db.WriteDBTX().Exec(ctx, "DELETE FROM view_revisions"); err != nil {
			t.Fatal(err)
		}
		if r, err := b.Revision(ctx, alice, looked.ID, 1); err != nil || r.Name != "Looked at" {
			t.Errorf("Revision = %+v, %v", r, err)
		}
		for range 2 {
			if got := b.revisions(t, alice, looked.ID); len(got) != 1 || got[0].Number != 1 || got[0].ChangedBy != nil || string(got[0].Summary) != "{}" {
				t.Errorf("revisions %+v, want the first one", got)
			}
		}
		if _, err := b.Update(ctx, alice, changed.ID, dashboard.Draft{WidgetsConfig: raw("[2]"), Base: baseOf(changed)}); err != nil {
			t.Fatal(err)
		}
		if got := b.revisions(t, alice, changed.ID); len(got) != 2 {
			t.Errorf("revisions %+v, want two", got)
		}
		if r, err := b.Revision(ctx, alice, changed.ID, 1); err != nil || string(r.WidgetsConfig) != "[1]" {
			t.Errorf("first revision %+v, %v, want the state before", r, err)
		}
	})
}

func TestOldRevisionsAreSwept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		v := b.create(t, alice, "Main", dashboard.Draft{})
		few := b.create(t, alice, "Few", dashboard.Draft{})
		old := baseOf(v)
		write := func(n int) {
			t.Helper()
			for range n {
				var err error
				if v, err = b.Update(ctx, alice, v.ID, dashboard.Draft{WidgetsConfig: raw(fmt.Sprint("[", v.Version, "]"))}); err != nil {
					t.Fatal(err)
				}
			}
		}
		write(60)
		sh, err := b.CreateShare(ctx, alice, v.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := b.Sweep(ctx, 100); n != 0 || err != nil {
			t.Errorf("Sweep of young revisions = %d, %v", n, err)
		}
		b.pass(89 * 24 * time.Hour)
		write(2)
		b.pass(2 * 24 * time.Hour)
		if n, err := b.Sweep(ctx, 5); n != 5 || err != nil {
			t.Errorf("Sweep of five = %d, %v", n, err)
		}
		if n, err := b.Sweep(ctx, 100); n != 8 || err != nil {
			t.Errorf("Sweep of the rest = %d, %v, want 8", n, err)
		}
		got := b.revisions(t, alice, v.ID)
		if len(got) != 50 || got[0].Number != 63 || got[49].Number != 14 {
			t.Errorf("%d revisions are left, %d to %d, want the newest 50", len(got), got[len(got)-1].Number, got[0].Number)
		}
		if got := b.revisions(t, alice, few.ID); len(got) != 1 {
			t.Errorf("the only revision of a view was swept")
		}
		if _, err := b.Update(ctx, alice, v.ID, dashboard.Draft{Name: ptr("x"), Base: old}); !errors.Is(err, dashboard.ErrStale) {
			t.Errorf("a swept ancestor: %v, want ErrStale", err)
		}
		if left, err := b.ListShares(ctx, alice, v.ID); err != nil || len(left) != 0 {
			t.Errorf("links %+v, %v, want %d swept", left, err, sh.ID)
		}
	})
}

func TestEventsOfViews(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		v := b.create(t, alice, "Main", dashboard.Draft{})
		event := func(version int64) []string { return []string{fmt.Sprint(alice.UserID, v.ID, version)} }
		step := func(name string, want []string, f func() error) {
			t.Helper()
			if err := f(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if diff := cmp.Diff(want, b.events.take()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		update := func(d dashboard.Draft) func() error {
			return func() error { _, err := b.Update(ctx, alice, v.ID, d); return err }
		}
		step("create", event(1), func() error { return nil })
		step("no change", nil, update(dashboard.Draft{Name: ptr("Main")}))
		step("change", event(2), update(dashboard.Draft{Name: ptr("X")}))
		step("activate", event(2), update(dashboard.Draft{IsActive: ptr(true)}))
		step("look", nil, func() error { _, err := b.Layout(ctx, alice); return err })
		step("merge", event(3), update(dashboard.Draft{WidgetsConfig: raw("[1]"), Base: baseOf(v)}))
		step("layout", event(4), func() error {
			_, err := b.PutLayout(ctx, alice, dashboard.Draft{WidgetsConfig: raw("[2]")})
			return err
		})
		step("delete", event(0), func() error { return b.Delete(ctx, alice, v.ID, nil) })
	})
}
