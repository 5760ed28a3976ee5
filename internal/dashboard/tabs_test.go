package dashboard_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
)

// tab is a browser tab with a view open.
type tab struct {
	name  string
	view  dashboard.View
	items []map[string]any
	// wants is what the tab made of its own items, by instance id; nil for one
	// that it removed.
	wants map[string]map[string]any
	made  int
}

func (tb *tab) adopt(t *rapid.T, v dashboard.View) {
	tb.view, tb.items = v, nil
	if err := json.Unmarshal(v.WidgetsConfig, &tb.items); err != nil {
		t.Fatal(err)
	}
}

func (tb *tab) own() (at []int) {
	for i, item := range tb.items {
		if item["tab"] == tb.name {
			at = append(at, i)
		}
	}
	return at
}

// edit does something to the tab's own items, or to the order of all.
func (tb *tab) edit(t *rapid.T) {
	own := tb.own()
	action := rapid.SampledFrom([]string{"add", "move", "configure", "hide", "remove", "order"}).Draw(t, "action")
	if len(own) == 0 && action != "order" {
		action = "add"
	}
	if action == "order" {
		if len(tb.items) > 1 {
			tb.items = rapid.Permutation(tb.items).Draw(t, "items")
		}
		return
	}
	if action == "add" {
		tb.made++
		id := fmt.Sprintf("%s-%d", tb.name, tb.made)
		item := map[string]any{"instance_id": id, "widget_id": 1.0, "tab": tb.name, "position": position(t)}
		at := rapid.IntRange(0, len(tb.items)).Draw(t, "at")
		tb.items = append(tb.items[:at:at], append([]map[string]any{item}, tb.items[at:]...)...)
		tb.wants[id] = item
		return
	}
	at := rapid.SampledFrom(own).Draw(t, "item")
	item := tb.items[at]
	id := item["instance_id"].(string)
	switch action {
	case "move":
		item["position"] = position(t)
	case "configure":
		item["config"] = map[string]any{"n": float64(rapid.IntRange(0, 99).Draw(t, "n"))}
	case "hide":
		item["visible"] = rapid.Bool().Draw(t, "visible")
	case "remove":
		tb.items = append(tb.items[:at:at], tb.items[at+1:]...)
		item = nil
	}
	tb.wants[id] = item
}

func position(t *rapid.T) map[string]any {
	return map[string]any{"x": float64(rapid.IntRange(0, 8).Draw(t, "x")), "y": float64(rapid.IntRange(0, 50).Draw(t, "y")), "width": 4.0, "height": 2.0}
}

func (tb *tab) save(t *rapid.T, b *bundle, who identity.Actor) error {
	layout, err := json.Marshal(tb.items)
	if err != nil {
		t.Fatal(err)
	}
	v, err := b.Update(t.Context(), who, tb.view.ID, dashboard.Draft{WidgetsConfig: layout, Base: baseOf(tb.view)})
	if err == nil {
		tb.adopt(t, v)
	}
	return err
}

// Two tabs edit different widgets of one layout, at random, over a thousand
// times, and neither loses an edit.
func TestTwoTabsLoseNoEdit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice", identity.User)
		saved, round := 0, 0
		rapid.Check(t, func(t *rapid.T) {
			round++
			v, err := b.Create(t.Context(), alice, dashboard.Draft{Name: ptr(fmt.Sprint(round)), WidgetsConfig: raw("[]")})
			if err != nil {
				t.Fatal(err)
			}
			tabs := []*tab{{name: "left", wants: map[string]map[string]any{}}, {name: "right", wants: map[string]map[string]any{}}}
			for _, tb := range tabs {
				tb.adopt(t, v)
			}
			for range rapid.IntRange(10, 20).Draw(t, "steps") {
				tb := rapid.SampledFrom(tabs).Draw(t, "tab")
				for range rapid.IntRange(1, 3).Draw(t, "edits") {
					tb.edit(t)
				}
				if err := tb.save(t, b, alice); err != nil {
					t.Fatalf("%s saves: %v", tb.name, err)
				}
				saved++
			}
			final := &tab{}
			v, err = b.ByID(t.Context(), alice, v.ID)
			if err != nil {
				t.Fatal(err)
			}
			final.adopt(t, v)
			compareItems(t, final, tabs)
		})
		if saved < 1000 {
			t.Errorf("%d writes, want at least 1,000", saved)
		}
	})
}

// compareItems checks that the items are exactly those that the tabs want.
func compareItems(t *rapid.T, final *tab, tabs []*tab) {
	found := map[string]map[string]any{}
	for _, item := range final.items {
		id := item["instance_id"].(string)
		if found[id] != nil {
			t.Fatalf("the item %s is there twice", id)
		}
		found[id] = item
	}
	for _, tb := range tabs {
		for id, want := range tb.wants {
			got, want := fmt.Sprint(found[id]), fmt.Sprint(want)
			if got != want {
				t.Fatalf("%s made %s of %s, and the layout has %s", tb.name, want, id, got)
			}
			delete(found, id)
		}
	}
	if len(found) > 0 {
		t.Fatalf("items from nowhere: %v", found)
	}
}

// Two tabs change the same member of the same widget: the second is told of it,
// with nothing of its other changes written.
func TestTwoTabsSameWidget(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice, round := b.user(t, "alice", identity.User), 0
		rapid.Check(t, func(t *rapid.T) {
			round++
			left := &tab{name: "left", wants: map[string]map[string]any{}}
			v, err := b.Create(t.Context(), alice, dashboard.Draft{Name: ptr(fmt.Sprint(round)), WidgetsConfig: raw("[]")})
			if err != nil {
				t.Fatal(err)
			}
			left.adopt(t, v)
			for len(left.own()) == 0 || rapid.Bool().Draw(t, "more") {
				left.edit(t)
			}
			if err := left.save(t, b, alice); err != nil {
				t.Fatal(err)
			}
			right := &tab{name: "right", wants: map[string]map[string]any{}}
			right.adopt(t, left.view)
			at := rapid.SampledFrom(left.own()).Draw(t, "both")
			id := left.items[at]["instance_id"]
			left.items[at]["config"] = map[string]any{"by": "left"}
			right.items[at]["config"] = map[string]any{"by": "right"}
			if err := left.save(t, b, alice); err != nil {
				t.Fatal(err)
			}
			for range rapid.IntRange(0, 3).Draw(t, "others") {
				right.edit(t)
			}
			err = right.save(t, b, alice)
			var c *dashboard.Conflict
			if !errors.As(err, &c) || len(c.Conflicts) != 1 {
				t.Fatalf("the second save: %v, want one conflict", err)
			}
			if f := c.Conflicts[0]; f.InstanceID != id || f.Member != "config" || string(f.Yours) != `{"by":"right"}` || string(f.Current) != `{"by":"left"}` {
				t.Fatalf("conflict %+v", f)
			}
			if got, err := b.ByID(t.Context(), alice, v.ID); err != nil || string(got.WidgetsConfig) != string(left.view.WidgetsConfig) || got.Version != left.view.Version {
				t.Fatalf("the view is %s, %v, want %s", got.WidgetsConfig, err, left.view.WidgetsConfig)
			}
		})
	})
}
