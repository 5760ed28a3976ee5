package dashboard_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
)

func baseOf(v dashboard.View) *dashboard.Base {
	return &dashboard.Base{ViewID: v.ID, Version: v.Version, IsActive: v.IsActive}
}

// it is an item of the widget 1 with more members.
func it(id, more string) string {
	return fmt.Sprintf(`{"instance_id":%q,"widget_id":1,%s%s}`, id, okPosition, more)
}

func list(elements ...string) string { return "[" + strings.Join(elements, ",") + "]" }

func TestLayoutsThatMerge(t *testing.T) {
	t.Parallel()
	moved := strings.Replace(it("a", ""), `"x":0`, `"x":5`, 1)
	tests := []struct{ name, ancestor, yours, current, want string }{
		{"different items", list(it("a", ""), it("b", "")), list(it("a", `,"visible":false`), it("b", "")), list(it("a", ""), it("b", `,"config":{"n":1}`)),
			list(it("a", `,"visible":false`), it("b", `,"config":{"n":1}`))},
		{"different members of an item", list(it("a", "")), list(moved), list(it("a", `,"config":{"n":1}`)),
			list(strings.TrimSuffix(moved, "}") + `,"config":{"n":1}}`)},
		{"a member that one side takes away", list(it("a", `,"config":{}`)), list(it("a", "")), list(it("a", `,"config":{},"title":"t"`)), list(it("a", `,"title":"t"`))},
		{"the same change", list(it("a", "")), list(moved), list(moved), list(moved)},
		{"the same change, spelled otherwise", list(it("a", `,"n":1`)), list(it("a", `,"n": 2.0`)), list(it("a", `,"n":2`)), list(it("a", `,"n":2`))},
		{"both add", list(it("a", "")), list(it("a", ""), it("b", "")), list(it("c", ""), it("a", "")), list(it("c", ""), it("a", ""), it("b", ""))},
		{"both add at the beginning", list(it("a", "")), list(it("b", ""), it("a", "")), list(it("c", ""), it("a", "")), list(it("b", ""), it("c", ""), it("a", ""))},
		{"both remove", list(it("a", ""), it("b", ""), it("c", "")), list(it("b", ""), it("c", "")), list(it("a", ""), it("c", "")), list(it("c", ""))},
		{"both remove the same", list(it("a", ""), it("b", "")), list(it("b", "")), list(it("b", ""), it("c", "")), list(it("b", ""), it("c", ""))},
		{"yours orders", list(it("a", ""), it("b", "")), list(it("b", ""), it("a", "")), list(it("a", `,"n":1`), it("b", ""), it("c", "")),
			list(it("b", ""), it("c", ""), it("a", `,"n":1`))},
		{"current orders", list(it("a", ""), it("b", "")), list(it("a", `,"n":1`), it("b", "")), list(it("b", ""), it("a", "")), list(it("b", ""), it("a", `,"n":1`))},
		{"what is no item, yours", list("1", it("a", "")), list("2", it("a", ""), `"x"`), list("1", it("a", `,"n":1`)), list("2", it("a", `,"n":1`), `"x"`)},
		{"what is no item, current", list("1", it("a", "")), list("1", it("a", `,"n":1`)), list(it("a", ""), "2"), list(it("a", `,"n":1`), "2")},
		{"no list, one side", `{"k":1}`, `{"k":2}`, `{"k":1}`, `{"k":2}`},
		{"back to the ancestor", list(it("a", "")), list(it("a", "")), `[]`, `[]`},
		{"members in another order", list(`{"widget_id":1,"instance_id":"a",` + okPosition + `}`), list(it("a", `,"n":1`)),
			list(it("a", "")), list(it("a", `,"n":1`))},
	}
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice", identity.User)
		for _, tt := range tests {
			v := b.create(t, alice, tt.name, dashboard.Draft{WidgetsConfig: raw(tt.ancestor)})
			if _, err := b.Update(t.Context(), alice, v.ID, dashboard.Draft{WidgetsConfig: raw(tt.current)}); err != nil {
				t.Fatal(err)
			}
			got, err := b.Update(t.Context(), alice, v.ID, dashboard.Draft{WidgetsConfig: raw(tt.yours), Base: baseOf(v)})
			if err != nil || string(got.WidgetsConfig) != tt.want {
				t.Errorf("%s:\n got %s, %v\nwant %s", tt.name, got.WidgetsConfig, err, tt.want)
			}
		}
	})
}

func TestLayoutsInConflict(t *testing.T) {
	t.Parallel()
	type side = dashboard.FieldConflict
	at := func(id, member, ancestor, yours, current string) side {
		s := side{Field: "widgets_config", InstanceID: id, Member: member}
		for text, to := range map[string]*[]byte{ancestor: (*[]byte)(&s.Ancestor), yours: (*[]byte)(&s.Yours), current: (*[]byte)(&s.Current)} {
			if text != "" {
				*to = []byte(text)
			}
		}
		return s
	}
	tests := []struct {
		name, ancestor, yours, current string
		want                           []side
	}{
		{"one member", list(it("a", `,"n":1`)), list(it("a", `,"n":2`)), list(it("a", `,"n":3`)), []side{at("a", "n", "1", "2", "3")}},
		{"beside good changes", list(it("a", `,"n":1`), it("b", "")), list(it("a", `,"n":2,"m":1`), it("b", "")), list(it("a", `,"n":3`), it("b", `,"m":1`)),
			[]side{at("a", "n", "1", "2", "3")}},
		{"added twice", "[]", list(it("a", `,"n":2`)), list(it("a", `,"n":3`)), []side{at("a", "n", "", "2", "3")}},
		{"removed here", list(it("a", "")), "[]", list(it("a", `,"n":3`)), []side{at("a", "", it("a", ""), "", it("a", `,"n":3`))}},
		{"removed there", list(it("a", "")), list(it("a", `,"n":2`)), "[]", []side{at("a", "", it("a", ""), it("a", `,"n":2`), "")}},
		{"a member removed here", list(it("a", `,"n":1`)), list(it("a", "")), list(it("a", `,"n":3`)), []side{at("a", "n", "1", "", "3")}},
		{"what is no item", "[1]", "[2]", "[3]", []side{at("", "", "[1]", "[2]", "[3]")}},
		{"no list", `{"n":1}`, `{"n":2}`, `[]`, []side{at("", "", `{"n":1}`, `{"n":2}`, `[]`)}},
		{"two items", list(it("a", ""), it("b", "")), list(it("a", `,"n":1`), it("b", `,"n":1`)), list(it("a", `,"n":2`), it("b", `,"n":2`)),
			[]side{at("a", "n", "", "1", "2"), at("b", "n", "", "1", "2")}},
	}
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice", identity.User)
		for _, tt := range tests {
			v := b.create(t, alice, tt.name, dashboard.Draft{WidgetsConfig: raw(tt.ancestor)})
			stored, err := b.Update(t.Context(), alice, v.ID, dashboard.Draft{WidgetsConfig: raw(tt.current)})
			if err != nil {
				t.Fatal(err)
			}
			b.events.take()
			_, err = b.Update(t.Context(), alice, v.ID, dashboard.Draft{WidgetsConfig: raw(tt.yours), Description: ptr("half"), Base: baseOf(v)})
			var c *dashboard.Conflict
			if !errors.As(err, &c) || !errors.Is(err, dashboard.ErrConflict) {
				t.Fatalf("%s: %v, want a Conflict", tt.name, err)
			}
			if diff := cmp.Diff(tt.want, c.Conflicts); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
			if got, err := b.ByID(t.Context(), alice, v.ID); err != nil || !cmp.Equal(got, stored) || !cmp.Equal(c.View, stored) || c.Ancestor != 1 {
				t.Errorf("%s: the view is %+v, %v, want it untouched", tt.name, got, err)
			}
			if told := b.events.take(); told != nil {
				t.Errorf("%s: events %v of nothing", tt.name, told)
			}
		}
	})
}

// Fields other than the layout are merged one by one.
func TestFieldsMerge(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		v := b.create(t, alice, "Main", dashboard.Draft{Description: ptr("d"), IsActive: ptr(true)})
		other := b.create(t, alice, "Other", dashboard.Draft{})
		if _, err := b.Update(ctx, alice, v.ID, dashboard.Draft{Description: ptr("theirs"), IsDefault: ptr(true)}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Activate(ctx, alice, other.ID); err != nil {
			t.Fatal(err)
		}
		// A whole representation, of which only the name is new.
		whole := dashboard.Draft{Name: ptr("Mine"), Description: ptr("d"), WidgetsConfig: raw("[]"), IsDefault: ptr(false), IsActive: ptr(true), Base: baseOf(v)}
		got, err := b.Update(ctx, alice, v.ID, whole)
		if err != nil || got.Name != "Mine" || got.Description != "theirs" || !got.IsDefault || got.IsActive {
			t.Errorf("merged %+v, %v, want both sides' changes", got, err)
		}
		_, err = b.Update(ctx, alice, v.ID, dashboard.Draft{Name: ptr("Third"), Description: ptr("theirs"), Base: baseOf(v)})
		var c *dashboard.Conflict
		if !errors.As(err, &c) {
			t.Fatalf("name against name: %v, want a Conflict", err)
		}
		want := []dashboard.FieldConflict{{Field: "name", Ancestor: raw(`"Main"`), Yours: raw(`"Third"`), Current: raw(`"Mine"`)}}
		if diff := cmp.Diff(want, c.Conflicts); diff != "" {
			t.Errorf("conflicts (-want +got):\n%s", diff)
		}
		for name, base := range map[string]*dashboard.Base{
			"of the future": {ViewID: v.ID, Version: got.Version + 1}, "of another view": {ViewID: other.ID, Version: 1}, "of nothing": {},
		} {
			if _, err := b.Update(ctx, alice, v.ID, dashboard.Draft{Name: ptr("x"), Base: base}); !errors.Is(err, dashboard.ErrStale) {
				t.Errorf("base %s: %v, want ErrStale", name, err)
			}
			if _, err := b.PutLayout(ctx, alice, dashboard.Draft{Name: ptr("x"), Base: base}); name != "of another view" && !errors.Is(err, dashboard.ErrStale) {
				t.Errorf("layout, base %s: %v, want ErrStale", name, err)
			}
		}
		if got, err = b.Update(ctx, alice, v.ID, dashboard.Draft{Name: ptr("Any"), Base: &dashboard.Base{Any: true}}); err != nil || got.Name != "Any" {
			t.Errorf("any base: %+v, %v", got, err)
		}
		if err := b.Delete(ctx, alice, v.ID, baseOf(v)); !errors.Is(err, dashboard.ErrMoved) {
			t.Errorf("Delete of a stale view: %v, want ErrMoved", err)
		}
		if err := b.Delete(ctx, alice, v.ID, baseOf(got)); err != nil {
			t.Errorf("Delete: %v", err)
		}
	})
}

// What merging makes of an item is checked like what is sent.
func TestMergedItemsAreChecked(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		item := func(widget int, config string) string {
			return fmt.Sprintf(`[{"instance_id":"a","widget_id":%d,%s,"config":%s}]`, widget, okPosition, config)
		}
		v := b.create(t, alice, "Main", dashboard.Draft{WidgetsConfig: raw(item(1, `{}`))})
		// They choose a widget that takes a limit up to 100; we set a limit.
		if _, err := b.Update(ctx, alice, v.ID, dashboard.Draft{WidgetsConfig: raw(item(3, `{}`))}); err != nil {
			t.Fatal(err)
		}
		_, err := b.Update(ctx, alice, v.ID, dashboard.Draft{WidgetsConfig: raw(item(1, `{"limit":101}`)), Base: baseOf(v)})
		if got := layoutMessages(t, err); len(got) != 1 || got[0] != "Item 1: config/limit: maximum: got 101, want 100." {
			t.Errorf("refused with %q", got)
		}
		got, err := b.Update(ctx, alice, v.ID, dashboard.Draft{WidgetsConfig: raw(item(1, `{"limit":7}`)), Base: baseOf(v)})
		if err != nil || string(got.WidgetsConfig) != item(3, `{"limit":7}`) {
			t.Errorf("merged %s, %v", got.WidgetsConfig, err)
		}
		many := func(prefix string) string {
			items := make([]string, 150)
			for i := range items {
				items[i] = it(fmt.Sprint(prefix, i), "")
			}
			return list(items...)
		}
		v = b.create(t, alice, "Many", dashboard.Draft{})
		if _, err := b.Update(ctx, alice, v.ID, dashboard.Draft{WidgetsConfig: raw(many("x"))}); err != nil {
			t.Fatal(err)
		}
		_, err = b.Update(ctx, alice, v.ID, dashboard.Draft{WidgetsConfig: raw(many("y")), Base: baseOf(v)})
		if got := layoutMessages(t, err); len(got) != 1 || got[0] != "A layout may hold at most 200 widgets." {
			t.Errorf("300 items: %q", got)
		}
	})
}

// Two hundred writers who all started from one state, each with a widget of his
// own: none is lost, and each is a revision.
func TestManyWritersMerge(t *testing.T) {
	t.Parallel()
	const writers = 200
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		items := make([]string, writers)
		for i := range items {
			items[i] = it(fmt.Sprint("w", i), `,"n":0`)
		}
		v := b.create(t, alice, "Main", dashboard.Draft{WidgetsConfig: raw(list(items...))})
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				mine := append([]string(nil), items...)
				mine[i] = it(fmt.Sprint("w", i), fmt.Sprintf(`,"n":%d`, i+1))
				if _, err := b.Update(ctx, alice, v.ID, dashboard.Draft{WidgetsConfig: raw(list(mine...)), Base: baseOf(v)}); err != nil {
					t.Errorf("writer %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		for i := range items {
			items[i] = it(fmt.Sprint("w", i), fmt.Sprintf(`,"n":%d`, i+1))
		}
		got, err := b.ByID(ctx, alice, v.ID)
		if err != nil || string(got.WidgetsConfig) != list(items...) || got.Version != writers+1 {
			t.Errorf("after all: revision %d %s, %v, want every edit", got.Version, got.WidgetsConfig, err)
		}
		if n := b.count(t, "SELECT count(*) FROM view_revisions WHERE view_id = $1", v.ID); n != writers+1 {
			t.Errorf("%d revisions, want %d", n, writers+1)
		}
	})
}
