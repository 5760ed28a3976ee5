package widget_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/widget"
)

// The targets of the matrix: whose widget, and whether everybody sees it.
const (
	ownPrivate = iota
	ownPublic
	othersPrivate
	othersPublic
	missing
	targets
)

var targetNames = [targets]string{"own private", "own public", "somebody's private", "somebody's public", "missing"}

// deeds are what can be done with one widget; write marks those that need it to
// be the actor's.
var deeds = []struct {
	name  string
	write bool
	do    func(t *testing.T, b *bundle, a identity.Actor, id int64) error
}{
	{"retrieve", false, func(t *testing.T, b *bundle, a identity.Actor, id int64) error {
		_, err := b.Visible(t.Context(), a, id)
		return err
	}},
	{"data", false, func(t *testing.T, b *bundle, a identity.Actor, id int64) error {
		_, err := b.look(t, a, id)
		if errors.Is(err, widget.ErrNoData) {
			return nil // seen, and empty
		}
		return err
	}},
	{"refresh", false, func(t *testing.T, b *bundle, a identity.Actor, id int64) error {
		_, err := b.Refresh(t.Context(), a, id, "")
		return err
	}},
	{"settings", false, func(t *testing.T, b *bundle, a identity.Actor, id int64) error {
		_, err := b.Settings(t.Context(), a, id)
		return err
	}},
	{"put settings", false, func(t *testing.T, b *bundle, a identity.Actor, id int64) error {
		return b.PutSettings(t.Context(), a, id, json.RawMessage(`{"limit":1}`))
	}},
	{"put data", true, func(t *testing.T, b *bundle, a identity.Actor, id int64) error {
		_, err := b.PutData(t.Context(), a, id, widget.Push{Data: json.RawMessage(`1`)})
		return err
	}},
	{"may write", true, func(t *testing.T, b *bundle, a identity.Actor, id int64) error {
		return b.MayWrite(t.Context(), a, id)
	}},
	{"patch", true, func(t *testing.T, b *bundle, a identity.Actor, id int64) error {
		_, err := b.Update(t.Context(), a, id, widget.Draft{Name: ptr("Renamed")})
		return err
	}},
	{"delete", true, func(t *testing.T, b *bundle, a identity.Actor, id int64) error {
		return b.Delete(t.Context(), a, id)
	}},
}

// wanted is the matrix.
func wanted(role identity.Role, target int, write bool) error {
	switch target {
	case missing:
		return widget.ErrNotFound
	case ownPrivate, ownPublic:
		return nil
	}
	if write && role == identity.Admin {
		return nil
	}
	if target == othersPrivate {
		return widget.ErrNotFound
	}
	if write {
		return widget.ErrForbidden
	}
	return nil
}

func TestRightsByRole(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		other := b.user(t, "other", identity.Editor)
		for _, role := range identity.Roles {
			person := b.user(t, "the-"+string(role), role)
			key := person
			key.KeyID, key.Scopes = 1, []identity.Scope{identity.ScopeRead, identity.ScopeWrite}
			for who, actor := range map[string]identity.Actor{"person": person, "key": key} {
				for _, deed := range deeds {
					for target := range targets {
						id := b.target(t, target, actor, other)
						got, want := deed.do(t, b, actor, id), wanted(role, target, deed.write)
						if what := fmt.Sprintf("%s (%s): %s %s", role, who, deed.name, targetNames[target]); want == nil && got != nil {
							t.Errorf("%s: error = %v, want none", what, got)
						} else if want != nil {
							wantErr(t, what, got, want)
						}
					}
				}
			}
		}
	})
}

func (b *bundle) target(t *testing.T, target int, actor, other identity.Actor) int64 {
	t.Helper()
	w := widget.Widget{CreatedBy: actor.UserID, IsPublic: target == ownPublic || target == othersPublic}
	switch target {
	case missing:
		return 1 << 40
	case othersPrivate, othersPublic:
		w.CreatedBy = other.UserID
	}
	return b.add(t, w).ID
}

func TestWhoMayMakeAndPublish(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		for _, role := range identity.Roles {
			actor := b.user(t, "the-"+string(role), role)
			may := role != identity.User
			d := draft("A " + string(role) + "'s")
			private, err := b.Create(t.Context(), actor, d)
			if err != nil {
				t.Fatalf("Create by %s: %v", role, err)
			}
			want := widget.Widget{
				ID: private.ID, Name: *d.Name, WidgetType: "stats", ConfigSchema: json.RawMessage(`{}`), CreatedBy: actor.UserID,
				CreatedAt: b.stamp(), UpdatedAt: b.stamp(), Source: widget.SourcePush,
			}
			if diff := cmp.Diff(want, private); diff != "" {
				t.Errorf("Create by %s (-want +got):\n%s", role, diff)
			}
			d.IsPublic = ptr(true)
			_, err = b.Create(t.Context(), actor, d)
			b.checkPublished(t, "Create", role, may, err)
			_, err = b.Update(t.Context(), actor, private.ID, widget.Draft{IsPublic: ptr(true)})
			b.checkPublished(t, "Update", role, may, err)

			actor.Status = identity.Pending
			_, err = b.Create(t.Context(), actor, draft("Pending"))
			wantErr(t, "Create by a pending "+string(role), err, widget.ErrInactive)
		}
	})
}

func (b *bundle) checkPublished(t *testing.T, what string, role identity.Role, may bool, err error) {
	t.Helper()
	if may {
		if err != nil {
			t.Errorf("%s public by %s: %v", what, role, err)
		}
		return
	}
	want := map[string][]string{"is_public": {"Only editors and administrators can publish widgets."}}
	if diff := cmp.Diff(want, fieldsOf(t, err)); diff != "" {
		t.Errorf("%s public by %s (-want +got):\n%s", what, role, diff)
	}
}

// An editor who becomes a user keeps the widgets that are public already, can
// change them and take them back, but not publish them again.
func TestADemotedEditor(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		owner := b.user(t, "demoted", identity.User)
		id := b.add(t, widget.Widget{CreatedBy: owner.UserID, IsPublic: true}).ID
		steps := []struct {
			change widget.Draft
			public bool
			fails  bool
		}{
			{change: widget.Draft{Name: ptr("Renamed"), IsPublic: ptr(true)}, public: true},
			{change: widget.Draft{IsPublic: ptr(false)}},
			{change: widget.Draft{IsPublic: ptr(true)}, fails: true},
		}
		for i, step := range steps {
			_, err := b.Update(t.Context(), owner, id, step.change)
			if (err != nil) != step.fails {
				t.Errorf("step %d: error = %v, want failure %v", i, err, step.fails)
			}
			if w, err := b.Visible(t.Context(), owner, id); err != nil || w.IsPublic != step.public {
				t.Errorf("step %d: public = %v, %v; want %v", i, w.IsPublic, err, step.public)
			}
		}
	})
}

func TestListShowsPublicAndOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin, bob := b.user(t, "admin", identity.Admin), b.user(t, "bob", identity.User)
		add := func(owner identity.Actor, name, typ string, public bool) {
			b.add(t, widget.Widget{Name: name, WidgetType: typ, Description: "about " + name, IsPublic: public, CreatedBy: owner.UserID})
		}
		add(admin, "Revenue", "stats", true)
		add(admin, "Secret", "stats", false)
		add(bob, "Bob's", "chart", false)
		add(bob, "Ärger", "chart", true)

		tests := []struct {
			name  string
			actor identity.Actor
			req   page.Request
			want  []string
		}{
			{"bob", bob, page.Request{}, []string{"Revenue", "Bob's", "Ärger"}},
			{"an administrator sees no more", admin, page.Request{}, []string{"Revenue", "Secret", "Ärger"}},
			{"ordering", bob, page.Request{Ordering: []page.Order{{Field: "name", Desc: true}}}, []string{"Ärger", "Revenue", "Bob's"}},
			{"unknown ordering", bob, page.Request{Ordering: []page.Order{{Field: "search_text"}}}, []string{"Revenue", "Bob's", "Ärger"}},
			{"type", bob, page.Request{Filters: map[string]string{"widget_type": "chart"}}, []string{"Bob's", "Ärger"}},
			{"private", bob, page.Request{Filters: map[string]string{"is_public": "false"}}, []string{"Bob's"}},
			{"search in names", bob, page.Request{Search: "ÄRG"}, []string{"Ärger"}},
			{"search in descriptions", bob, page.Request{Search: "about rev"}, []string{"Revenue"}},
			{"search finds nothing hidden", bob, page.Request{Search: "secret"}, []string{}},
		}
		for _, test := range tests {
			test.req.Number, test.req.Size = 1, 20
			res, err := b.List(t.Context(), test.actor, test.req)
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
				continue
			}
			names := []string{}
			for _, w := range res.Items {
				names = append(names, w.Name)
			}
			if diff := cmp.Diff(test.want, names); diff != "" || res.Count != len(test.want) {
				t.Errorf("%s: count %d (-want +got):\n%s", test.name, res.Count, diff)
			}
		}
	})
}

func TestEveryFieldOrdersTheList(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		first := b.add(t, widget.Widget{Name: "a", WidgetType: "chart", Description: "a", ConfigSchema: json.RawMessage(`false`),
			CreatedBy: bob.UserID, Key: ptr("a")})
		b.pass(1e9)
		last := b.add(t, widget.Widget{Name: "b", WidgetType: "stats", Description: "b", ConfigSchema: json.RawMessage(`true`),
			CreatedBy: bob.UserID, IsPublic: true})
		for _, field := range []string{"id", "key", "name", "widget_type", "description", "config_schema", "is_public", "created_at", "updated_at"} {
			for _, desc := range []bool{false, true} {
				want := []int64{first.ID, last.ID}
				if desc {
					want = []int64{last.ID, first.ID}
				}
				res, err := b.List(t.Context(), bob, page.Request{Number: 1, Size: 5, Ordering: []page.Order{{Field: field, Desc: desc}}})
				if err != nil || len(res.Items) != 2 {
					t.Fatalf("List by %s: %v, %v", field, res, err)
				}
				if diff := cmp.Diff(want, []int64{res.Items[0].ID, res.Items[1].ID}); diff != "" {
					t.Errorf("List by %s, descending %v (-want +got):\n%s", field, desc, diff)
				}
			}
		}
	})
}

// Ordering by the owner follows the list of users, newest first, as Django's
// Meta.ordering of a relation does.
func TestOrderByOwner(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		early := b.user(t, "early", identity.User)
		b.pass(1e9)
		late := b.user(t, "late", identity.User)
		first := b.add(t, widget.Widget{Name: "a", WidgetType: "stats", ConfigSchema: json.RawMessage(`true`), CreatedBy: early.UserID, IsPublic: true})
		second := b.add(t, widget.Widget{Name: "b", WidgetType: "stats", ConfigSchema: json.RawMessage(`true`), CreatedBy: late.UserID, IsPublic: true})
		for desc, want := range map[bool][]int64{false: {second.ID, first.ID}, true: {first.ID, second.ID}} {
			res, err := b.List(t.Context(), early, page.Request{Number: 1, Size: 5, Ordering: []page.Order{{Field: "created_by", Desc: desc}}})
			if err != nil || len(res.Items) != 2 {
				t.Fatalf("List = %v, %v", res, err)
			}
			if diff := cmp.Diff(want, []int64{res.Items[0].ID, res.Items[1].ID}); diff != "" {
				t.Errorf("by owner, descending %v (-want +got):\n%s", desc, diff)
			}
		}
	})
}
