package dashboard_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

const okPosition = `"position":{"x":0,"y":0,"width":3,"height":2}`

// Whatever is no item of ours is kept as it was sent, and so are the extra
// members of those that are.
func TestLayoutsThatAreStored(t *testing.T) {
	t.Parallel()
	b := newBundle(sqltest.Open(t))
	alice := b.user(t, "alice", identity.User)
	id := b.create(t, alice, "Main", dashboard.Draft{}).ID
	for _, layout := range []string{
		`[]`, `{}`, `"x"`, `0`, `false`, `{"widget_id":999,"position":"none"}`,
		`[1,"two",null,[],{}]`,
		`[{"id":"w1","x":0,"y":0,"w":40,"h":2},{"instanceId":"a","widgetId":"none"}]`,
		`[{"widget_id":1,"instance_id":"a",` + okPosition + `}]`,
		`[{"z":{"<&>":1},"widget_key":"total-revenue","instance_id":"a",` + okPosition + `,"visible":false,"config":{"anything":[1]}},{"instance_id":"a"}]`,
		`[{"widget_id":1,"widget_key":"total-revenue","instance_id":"a","position":{"x":11,"y":10000,"width":1,"height":10000,"z":null}}]`,
		`[{"widget_id":null,"widget_key":"total-revenue","instance_id":"a",` + okPosition + `}]`,
		`[{"widget_key":"recent-orders","instance_id":"a",` + okPosition + `,"config":{"limit":100}},{"widget_key":"recent-orders","instance_id":"b",` + okPosition + `}]`,
		`[{"widget_id":4,"instance_id":"a",` + okPosition + `,"config":{"the schema":"is none"}}]`,
		`[` + strings.Repeat(`{"n":1},`, 500) + `1]`,
	} {
		v, err := b.Update(t.Context(), alice, id, dashboard.Draft{WidgetsConfig: raw(layout)})
		if err != nil || string(v.WidgetsConfig) != layout {
			t.Errorf("Update(%.120s) = %s, %v, want it kept", layout, v.WidgetsConfig, err)
		}
	}
}

func TestLayoutsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(sqltest.Open(t))
	alice := b.user(t, "alice", identity.User)
	id := b.create(t, alice, "Main", dashboard.Draft{WidgetsConfig: raw(`["before"]`)}).ID
	item := func(position string) string {
		return `[{"widget_id":1,"instance_id":"a","position":` + position + `}]`
	}
	const good = `"instance_id":"a",` + okPosition
	tests := []struct {
		name, layout string
		want         []string
	}{
		{"null", `null`, []string{"This field may not be null."}},
		{"unknown key", `["x",{"widget_key":"nope",` + good + `}]`, []string{`Item 2: unknown widget "nope".`}},
		{"unknown id", `[{"widget_id":99,` + good + `}]`, []string{`Item 1: unknown widget 99.`}},
		{"hidden widget", `[{"widget_key":"secret",` + good + `}]`, []string{`Item 1: unknown widget "secret".`}},
		{"id of no kind", `[{"widget_id":"1",` + good + `}]`, []string{`Item 1: widget_id must be a positive whole number.`}},
		{"negative id", `[{"widget_id":-1,` + good + `}]`, []string{`Item 1: widget_id must be a positive whole number.`}},
		{"huge id", `[{"widget_id":1e30,` + good + `}]`, []string{`Item 1: widget_id must be a positive whole number.`}},
		{"key of no kind", `[{"widget_key":1,` + good + `}]`, []string{`Item 1: widget_key must be a non-empty string.`}},
		{"empty key", `[{"widget_key":"",` + good + `}]`, []string{`Item 1: widget_key must be a non-empty string.`}},
		{"null id", `[{"widget_id":null,` + good + `}]`, []string{`Item 1: widget_id or widget_key must name a widget.`}},
		{"two widgets", `[{"widget_id":1,"widget_key":"recent-orders",` + good + `}]`, []string{`Item 1: widget_id and widget_key name different widgets.`}},
		{"nothing else", `[{"widget_id":1}]`, []string{
			"Item 1: instance_id must be a non-empty string.", "Item 1: position must be an object of x, y, width and height."}},
		{"instance id of no kind", `[{"widget_id":1,"instance_id":7,` + okPosition + `}]`, []string{"Item 1: instance_id must be a non-empty string."}},
		{"blank instance id", `[{"widget_id":1,"instance_id":" ",` + okPosition + `}]`, []string{"Item 1: instance_id must be a non-empty string."}},
		{"long instance id", `[{"widget_id":1,"instance_id":"` + strings.Repeat("x", 101) + `",` + okPosition + `}]`,
			[]string{"Item 1: instance_id must have no more than 100 characters."}},
		{"instance id twice", `[{"widget_id":1,` + good + `},7,{"widget_id":1,` + good + `}]`, []string{`Item 3: instance_id "a" is used twice.`}},
		{"x too large", item(`{"x":12,"y":0,"width":1,"height":1}`), []string{"Item 1: position.x must be a whole number from 0 to 11."}},
		{"beyond the edge", item(`{"x":8,"y":0,"width":5,"height":1}`), []string{"Item 1: position.x and position.width together must not exceed 12."}},
		{"all wrong", item(`{"x":-1,"y":0.5,"width":"3","height":0}`), []string{
			"Item 1: position.x must be a whole number from 0 to 11.", "Item 1: position.y must be a whole number from 0 to 10000.",
			"Item 1: position.width must be a whole number from 1 to 12.", "Item 1: position.height must be a whole number from 1 to 10000."}},
		{"absurd", item(`{"x":0,"y":99999999999999999999,"width":1,"height":10001}`), []string{
			"Item 1: position.y must be a whole number from 0 to 10000.", "Item 1: position.height must be a whole number from 1 to 10000."}},
		{"position is a list", item(`[0,0,1,1]`), []string{"Item 1: position must be an object of x, y, width and height."}},
		{"visible", `[{"widget_id":1,` + good + `,"visible":"yes"}]`, []string{"Item 1: visible must be true or false."}},
		{"visible null", `[{"widget_id":1,` + good + `,"visible":null}]`, []string{"Item 1: visible must be true or false."}},
		{"config", `[{"widget_id":1,` + good + `,"config":[]}]`, []string{"Item 1: config must be an object."}},
		{"config against the schema", `[{"widget_id":3,` + good + `,"config":{"limit":101,"sortOrder":"up"}}]`, []string{
			"Item 1: config/limit: maximum: got 101, want 100.", "Item 1: config/sortOrder: value must be one of 'asc', 'desc'."}},
	}
	for _, tt := range tests {
		_, err := b.Update(t.Context(), alice, id, dashboard.Draft{WidgetsConfig: raw(tt.layout)})
		if diff := cmp.Diff(tt.want, layoutMessages(t, err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if v, err := b.ByID(t.Context(), alice, id); err != nil || string(v.WidgetsConfig) != `["before"]` {
		t.Errorf("the view now holds %s, %v, want it untouched", v.WidgetsConfig, err)
	}
}

func TestLayoutIsBounded(t *testing.T) {
	t.Parallel()
	b := newBundle(sqltest.Open(t))
	alice := b.user(t, "alice", identity.User)
	layout := func(n int, element string) dashboard.Draft {
		items := make([]string, n)
		for i := range items {
			items[i] = fmt.Sprintf(element, i)
		}
		return dashboard.Draft{Name: ptr(fmt.Sprint(n, element[:12])), WidgetsConfig: raw("[" + strings.Join(items, ",") + "]")}
	}
	good := `{"widget_id":1,"instance_id":"%d",` + okPosition + `}`
	if _, err := b.Create(t.Context(), alice, layout(200, good)); err != nil {
		t.Errorf("Create with 200 widgets: %v", err)
	}
	_, err := b.Create(t.Context(), alice, layout(201, good))
	if diff := cmp.Diff([]string{"A layout may hold at most 200 widgets."}, layoutMessages(t, err)); diff != "" {
		t.Errorf("201 widgets (-want +got):\n%s", diff)
	}
	_, err = b.Create(t.Context(), alice, layout(200, `{"widget_id":%d}`))
	if n := len(layoutMessages(t, err)); n != 20 {
		t.Errorf("%d faults told, want 20", n)
	}
}

func TestLookupFails(t *testing.T) {
	t.Parallel()
	b := newBundle(sqltest.Open(t))
	alice := b.user(t, "alice", identity.User)
	b.widgets.err = errors.New("the database is away")
	_, err := b.Create(t.Context(), alice, dashboard.Draft{Name: ptr("x"), WidgetsConfig: raw(`[{"widget_id":1}]`)})
	if !errors.Is(err, b.widgets.err) || errors.Is(err, dashboard.ErrLayout) {
		t.Errorf("Create = %v, want the error of the lookup", err)
	}
	if _, err := b.Create(t.Context(), alice, dashboard.Draft{Name: ptr("y"), WidgetsConfig: raw(`[1]`)}); err != nil {
		t.Errorf("Create without widgets = %v, want no lookup", err)
	}
}

// Any user can make a widget whose schema is dear to check, and use it in every
// item.
func TestLayoutCostsWhatOneConfigMay(t *testing.T) {
	t.Parallel()
	b := newBundle(sqltest.Open(t))
	alice := b.user(t, "alice", identity.User)
	var schema strings.Builder
	const levels = 15 // two references at each: 32,768 steps
	schema.WriteString(`{"$ref":"#/$defs/0","$defs":{`)
	for i := range levels {
		fmt.Fprintf(&schema, `"%d":{"allOf":[{"$ref":"#/$defs/%d"},{"$ref":"#/$defs/%d"}]},`, i, i+1, i+1)
	}
	fmt.Fprintf(&schema, `"%d":{"type":"object"}}}`, levels)
	b.widgets.all = append(b.widgets.all, dashboard.Widget{ID: 9, ConfigSchema: raw(schema.String())})
	layout := func(n int) dashboard.Draft {
		items := make([]string, n)
		for i := range items {
			items[i] = fmt.Sprintf(`{"widget_id":9,"instance_id":"%d",`+okPosition+`,"config":{}}`, i)
		}
		return dashboard.Draft{Name: ptr(fmt.Sprint(n)), WidgetsConfig: raw("[" + strings.Join(items, ",") + "]")}
	}
	if _, err := b.Create(t.Context(), alice, layout(1)); err != nil {
		t.Fatalf("one item: %v", err)
	}
	_, err := b.Create(t.Context(), alice, layout(30))
	for _, m := range layoutMessages(t, err) {
		if !strings.HasSuffix(m, ": config: the schema is too intricate to check this value.") {
			t.Errorf("30 items: %q, want only those refused that cost too much", m)
		}
	}
}
