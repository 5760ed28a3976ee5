package tool_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/agent/tool"
	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/theme"
	"github.com/bdash/bdash/internal/widget"
)

func ptr[T any](v T) *T { return &v }

// shed is the tools over a server's rooms.
type shed struct {
	rooms tool.Rooms
	tools map[string]agent.Tool
}

func each(t *testing.T, test func(t *testing.T, s *apptest.Server, tools *shed)) {
	t.Helper()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		b := &shed{rooms: tool.Rooms{Views: s.App.API.Dashboards, Themes: s.App.API.Themes, Widgets: s.App.API.Widgets}, tools: map[string]agent.Tool{}}
		for _, one := range tool.All(b.rooms) {
			b.tools[one.Name] = one
		}
		test(t, s, b)
	})
}

func actorOf(p apptest.Person) identity.Actor { return p.Actor() }

// use calls a tool and gives what it answered.
func (b *shed) use(t *testing.T, who identity.Actor, name, args string) map[string]any {
	t.Helper()
	res, err := b.tools[name].Run(t.Context(), who, json.RawMessage(args))
	if err != nil {
		t.Fatalf("%s %s: %v", name, args, err)
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(res.Text), &out); err != nil {
		t.Fatalf("%s answered %q", name, res.Text)
	}
	return out
}

func (b *shed) refuse(t *testing.T, who identity.Actor, name, args string, want fault.Kind) {
	t.Helper()
	if res, err := b.tools[name].Run(t.Context(), who, json.RawMessage(args)); fault.KindOf(err) != want || err == nil {
		t.Errorf("%s %s = %q, %v; want a fault of kind %d", name, args, res.Text, err, want)
	}
}

func TestToolsAreSound(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *apptest.Server, b *shed) {
		box, err := agent.NewToolbox(tool.All(b.rooms)...)
		if err != nil {
			t.Fatal(err)
		}
		a := agent.Agent{AvailableTools: json.RawMessage(`["dashboard","theme_list"]`), ToolPermissions: json.RawMessage(`{"dashboard_activate_view":"deny"}`)}
		var names []string
		for _, one := range box.For(&a) {
			names = append(names, one.Name)
			if one.Writes != (a.Permission(&one) == agent.AskMe) {
				t.Errorf("%s: writes %v, permission %s", one.Name, one.Writes, a.Permission(&one))
			}
		}
		if got := strings.Join(names, " "); got != "dashboard_views dashboard_create_view dashboard_change theme_list" {
			t.Errorf("the agent's tools = %s", got)
		}
	})
}

func TestSearchFindsOwnThings(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *apptest.Server, b *shed) {
		bob, eve := actorOf(s.Person(t, identity.Editor)), actorOf(s.Person(t, identity.Editor))
		for _, who := range []identity.Actor{bob, eve} {
			if _, err := b.rooms.Views.Create(t.Context(), who, dashboard.Draft{Name: ptr(fmt.Sprint("Sales of ", who.UserID))}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.rooms.Themes.Create(t.Context(), who, theme.Draft{Name: ptr("Sales red"), ColorMode: ptr("dark")}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.rooms.Widgets.Create(t.Context(), who, widget.Draft{Name: ptr("Sales chart"), WidgetType: ptr("chart"), ConfigSchema: json.RawMessage("{}"), IsPublic: ptr(who.UserID == eve.UserID)}); err != nil {
				t.Fatal(err)
			}
		}
		got := b.use(t, bob, "search", `{"query":"SALES"}`)
		if got["total"] != 4.0 || len(got["results"].([]any)) != 4 { // own view, theme and widget, and the public one
			t.Errorf("search = %v", got)
		}
		res, err := b.tools["search"].Run(t.Context(), bob, json.RawMessage(`{"query":"chart"}`))
		if err != nil || !res.Outside {
			t.Errorf("what another wrote does not count as coming from outside: %+v, %v", res, err)
		}
		if res, err := b.tools["search"].Run(t.Context(), bob, json.RawMessage(`{"query":"red"}`)); err != nil || res.Outside {
			t.Errorf("what is one's own counts as coming from outside: %+v, %v", res, err)
		}
	})
}

func TestDashboardChanges(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *apptest.Server, b *shed) {
		bob, eve := actorOf(s.Person(t, identity.User)), actorOf(s.Person(t, identity.User))
		widgetOf := func(who identity.Actor) int64 {
			w, err := b.rooms.Widgets.Create(t.Context(), who, widget.Draft{Name: ptr("W"), WidgetType: ptr("stats"), ConfigSchema: json.RawMessage(`{"type":"object","properties":{"n":{"type":"integer"}}}`)})
			if err != nil {
				t.Fatal(err)
			}
			return w.ID
		}
		own, foreign := widgetOf(bob), widgetOf(eve)
		view := int64(b.use(t, bob, "dashboard_create_view", `{"name":"Sales","activate":true}`)["id"].(float64))
		args := func(rest string, values ...any) string {
			return fmt.Sprintf(`{"view_id":%d,`, view) + fmt.Sprintf(rest, values...) + `}`
		}
		added := b.use(t, bob, "dashboard_change", args(`"add":[{"widget_id":%d,"config":{"n":1}},{"widget_id":%d,"position":{"x":6,"y":0,"width":6,"height":2}}]`, own, own))
		items := added["layout"].([]any)
		if len(items) != 2 {
			t.Fatalf("layout = %v", items)
		}
		first, second := items[0].(map[string]any)["instance_id"], items[1].(map[string]any)["instance_id"]
		changed := b.use(t, bob, "dashboard_change", args(`"remove":[%q],"move":[{"instance_id":%q,"position":{"x":0,"y":0,"width":3,"height":2}}],"configure":[{"instance_id":%q,"config":{"n":5}}]`, second, first, first))
		want := fmt.Sprintf(`[map[config:map[n:5] instance_id:%v position:map[height:2 width:3 x:0 y:0] visible:true widget_id:%d]]`, first, own)
		if got := fmt.Sprint(changed["layout"]); got != want {
			t.Errorf("layout = %s, want %s", got, want)
		}
		for name, rest := range map[string]string{
			"a foreign widget": fmt.Sprintf(`"add":[{"widget_id":%d}]`, foreign),
			"a missing widget": `"add":[{"widget_id":987654}]`,
			"a bad config":     fmt.Sprintf(`"add":[{"widget_id":%d,"config":{"n":"x"}}]`, own),
			"off the grid":     fmt.Sprintf(`"add":[{"widget_id":%d,"position":{"x":9,"y":0,"width":6,"height":2}}]`, own),
		} {
			t.Log(name)
			b.refuse(t, bob, "dashboard_change", args("%s", rest), fault.Invalid)
		}
		b.refuse(t, bob, "dashboard_change", args(`"remove":["nothing"]`), fault.NotFound)
		b.refuse(t, eve, "dashboard_change", args(`"remove":[%q]`, first), fault.NotFound)
		b.refuse(t, eve, "dashboard_views", fmt.Sprintf(`{"view_id":%d}`, view), fault.NotFound)
		b.refuse(t, eve, "dashboard_activate_view", fmt.Sprintf(`{"view_id":%d}`, view), fault.NotFound)
		b.refuse(t, bob, "dashboard_create_view", `{"name":"Sales"}`, fault.Invalid)
		if got := fmt.Sprint(b.use(t, bob, "dashboard_views", fmt.Sprintf(`{"view_id":%d}`, view))["layout"]); got != want {
			t.Errorf("after refusals the layout = %s, want %s", got, want)
		}
		if got := b.use(t, bob, "dashboard_views", `{}`); got["total"] != 1.0 {
			t.Errorf("views = %v", got)
		}
	})
}

func TestThemes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *apptest.Server, b *shed) {
		bob, eve := actorOf(s.Person(t, identity.User)), actorOf(s.Person(t, identity.User))
		colors := `{"background":"#fff","foreground":"#111","primary":"navy","secondary":"#888","accent":"teal","muted":"#eee","destructive":"#c00"}`
		made := b.use(t, bob, "theme_create", `{"name":"Mine","color_mode":"light","colors":`+colors+`,"activate":true}`)
		if made["active"] != true {
			t.Errorf("theme = %v", made)
		}
		id := fmt.Sprint(made["id"])
		adjusted := b.use(t, bob, "theme_adjust", `{"theme_id":`+id+`,"colors":{"primary":"red"}}`)["colors"].(map[string]any)
		if adjusted["primary"] != "red" || adjusted["accent"] != "teal" {
			t.Errorf("colours = %v", adjusted)
		}
		if got := b.use(t, bob, "theme_activate", `{"theme_id":-1}`); got["active"] != true || got["id"].(float64) < 0 {
			t.Errorf("activated = %v", got)
		}
		b.refuse(t, bob, "theme_adjust", `{"theme_id":`+id+`,"colors":{"primary":"no colour"}}`, fault.Invalid)
		b.refuse(t, bob, "theme_adjust", `{"theme_id":-1,"name":"x"}`, fault.Forbidden)
		b.refuse(t, eve, "theme_adjust", `{"theme_id":`+id+`,"colors":{"primary":"red"}}`, fault.NotFound)
		b.refuse(t, eve, "theme_activate", `{"theme_id":`+id+`}`, fault.NotFound)
		b.refuse(t, bob, "theme_contrast", `{"foreground":"x","background":"red"}`, fault.Invalid)
		if got := b.use(t, bob, "theme_contrast", `{"foreground":"black","background":"white"}`); got["contrast"] != 21.0 || got["text"] != true {
			t.Errorf("contrast = %v", got)
		}
		if got := b.use(t, bob, "theme_list", `{}`); len(got["themes"].([]any)) < 4 {
			t.Errorf("themes = %v", got)
		}
	})
}
