package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

const oceanColors = `{"background":"#fff","foreground":"#000","primary":"#00f","secondary":"#eee","muted":"#eee","accent":"#ddd","destructive":"#f00"}`

// exported makes a view of two widgets, an unknown text and a theme, and gives
// its bundle.
func exported(b dashboardBundle) apptest.Answer {
	b.Helper()
	widget := func(body string) any {
		b.Helper()
		return b.s.Expect(b.T, http.StatusCreated, b.token, http.MethodPost, "/api/widgets/", body).JSON(b.T)["id"]
	}
	plain := widget(`{"name":"Plain","widget_type":"stats","config_schema":{"type":"object","properties":{"limit":{"type":"integer"}}}}`)
	keyed := widget(`{"name":"Keyed","widget_type":"chart","key":"keyed","is_public":true}`)
	b.s.Expect(b.T, http.StatusCreated, b.token, http.MethodPost, "/api/themes/", `{"name":"Ocean","color_mode":"light","is_active":true,"colors":`+oceanColors+`}`)
	at := `"position":{"x":0,"y":0,"width":3,"height":2}`
	layout := fmt.Sprintf(`[{"instance_id":"a","widget_id":%v,%s,"config":{"limit":3},"extra":1},"text",{"instance_id":"b","widget_key":"keyed",%s},{"instance_id":"c","widget_id":%v,%s}]`, plain, at, at, keyed, at)
	id := b.do(http.MethodPost, "views/", `{"name":"Sales","description":"d","widgets_config":`+layout+`}`, http.StatusCreated).JSON(b.T)["id"]
	return b.do(http.MethodGet, fmt.Sprintf("views/%v/export/", id), "", http.StatusOK)
}

// imported posts a bundle as somebody.
func imported(b dashboardBundle, token, bundle string, status int) apptest.Answer {
	b.Helper()
	return b.s.Expect(b.T, status, token, http.MethodPost, "/api/dashboard/views/import/", bundle)
}

type plan struct {
	DryRun bool `json:"dry_run"`
	View   struct {
		ID     *int64
		Name   string
		Config json.RawMessage `json:"widgets_config"`
	}
	Widgets []struct {
		BundleID     int64 `json:"bundle_id"`
		Key          *string
		Name, Action string
		ID           *int64
		Disconnected bool
	}
	Unknown []struct {
		Index    int
		Instance string `json:"instance_id"`
		Message  string
	}
	Theme *struct {
		Name, Action string
		ID           *int64
	}
}

func planOf(t *testing.T, a apptest.Answer) (p plan) {
	t.Helper()
	if err := json.Unmarshal(a.Body, &p); err != nil {
		t.Fatalf("%s: %v", a.Body, err)
	}
	return p
}

func TestBundles(t *testing.T) {
	t.Parallel()
	eachDashboard(t, identity.Editor, func(b dashboardBundle) {
		bundle := string(exported(b).Body)
		for _, want := range []string{`{"format":"bdash.view","version":1,"exported_at":"`, `"view":{"name":"Sales","description":"d","widgets_config":[{`, `"key":"keyed"`, `"theme":{"name":"Ocean"`} {
			if !strings.Contains(bundle, want) {
				b.Fatalf("bundle %s, want %s", bundle, want)
			}
		}
		// The same user: all widgets and the theme are here.
		again := planOf(b.T, imported(b, b.token, bundle, http.StatusCreated))
		if again.View.Name != "Sales (copy)" || again.Widgets[0].Action != "use" || again.Widgets[1].Action != "use" || again.Theme.Action != "use" || len(again.Unknown) > 0 {
			b.Errorf("imported by its owner: %+v", again)
		}
		// Somebody else sees the public one only.
		bob := b.s.Person(b.T, identity.User)
		dry := imported(b, bob.Access, bundle[:len(bundle)-1]+`,"dry_run":true}`, http.StatusOK)
		p := planOf(b.T, dry)
		if !p.DryRun || p.View.ID != nil || p.Widgets[0].Action != "create" || p.Widgets[0].ID != nil || p.Widgets[1].Action != "use" || p.Widgets[1].ID == nil ||
			p.Theme.Action != "create" || p.Theme.ID != nil {
			b.Errorf("dry run: %s", dry.Body)
		}
		for _, path := range []string{"dashboard/views/", "themes/"} {
			if n := b.s.Expect(b.T, http.StatusOK, bob.Access, http.MethodGet, "/api/"+path, "").JSON(b.T)["count"]; n != 0.0 {
				b.Errorf("a dry run made %v of %s", n, path)
			}
		}
		made := imported(b, bob.Access, bundle, http.StatusCreated)
		p = planOf(b.T, made)
		at := `"position":{"x":0,"y":0,"width":3,"height":2}`
		want := fmt.Sprintf(`[{"instance_id":"a","widget_id":%d,%s,"config":{"limit":3},"extra":1},"text",{"instance_id":"b","widget_id":%d,%s},{"instance_id":"c","widget_id":%d,%s}]`,
			*p.Widgets[0].ID, at, *p.Widgets[1].ID, at, *p.Widgets[1].ID, at)
		if string(p.View.Config) != want || p.View.Name != "Sales" || made.Header.Get("ETag") == "" {
			b.Errorf("imported %s, want the layout %s", made.Body, want)
		}
		w := b.s.Expect(b.T, http.StatusOK, bob.Access, http.MethodGet, fmt.Sprintf("/api/widgets/%d/", *p.Widgets[0].ID), "").JSON(b.T)
		if w["name"] != "Plain" || w["is_public"] != false || w["created_by"] != float64(bob.ID) || w["key"] != nil {
			b.Errorf("the imported widget %v", w)
		}
		if n := b.s.Expect(b.T, http.StatusOK, bob.Access, http.MethodGet, "/api/themes/?is_active=true", "").JSON(b.T)["count"]; n != 0.0 {
			b.Errorf("the imported theme is active")
		}
	})
}

func TestBundlesThatAreRefused(t *testing.T) {
	t.Parallel()
	eachDashboard(t, identity.User, func(b dashboardBundle) {
		body := func(layout, widgets, theme string) string {
			return `{"format":"bdash.view","version":1,"view":{"name":"v","widgets_config":` + layout + `},"widgets":` + widgets + `,"theme":` + theme + `}`
		}
		item := func(more string) string {
			return `[{"instance_id":"a","widget_id":1,"position":{"x":0,"y":0,"width":1,"height":1}` + more + `}]`
		}
		widget := func(more string) string { return `[{"id":1,"name":"w","widget_type":"stats"` + more + `}]` }
		for bundle, want := range map[string]string{
			`{}`:                         `"format":["This field is required."]`,
			`{"format":"x","version":1}`: `\"x\" is not a valid choice.`,
			`{"format":"bdash.view","version":2,"view":{}}`:               `"version":[`,
			`{"format":"bdash.view","version":1}`:                         `"view":["`,
			`{"format":"bdash.view","version":1,"view":{"name":""}}`:      `"view":["name: This field may not be blank.; widgets_config: This field is required."]`,
			body("null", "[]", "null"):                                    `widgets_config: This field may not be null.`,
			body("[]", "{}", "null"):                                      `"widgets":["Expected a list."]`,
			body("[]", "[1]", "null"):                                     `"widgets":["Widget 1: `,
			body("[]", `[{"id":1,"name":"a","widget_type":"x"}]`, "null"): `Widget 1: widget_type:`,
			body("[]", `[{"id":1,"name":"a","widget_type":"stats"},{"id":1,"name":"b","widget_type":"stats"}]`, "null"):              `Two widgets have the id 1.`,
			body("[]", `[{"key":"k","name":"a","widget_type":"stats"},{"key":"k","name":"b","widget_type":"stats"}]`, "null"):        `Two widgets have the key`,
			body("[]", "["+strings.Repeat(`{"name":"a","widget_type":"stats"},`, 200)+`{"name":"a","widget_type":"stats"}]`, "null"): `A bundle may hold at most 200 widgets.`,
			body(item(""), widget(`,"config_schema":{"type":"nonsense"}`), "null"):                                                   `Widget 1: config_schema: `,
			body(item(`,"config":{"n":"x"}`), widget(`,"config_schema":{"properties":{"n":{"type":"integer"}}}`), "null"):            `Item 1: config/n: `,
			body(strings.Replace(item(""), `"x":0`, `"x":12`, 1), widget(""), "null"):                                                `Item 1: position.x`,
			body("[]", "[]", `{"name":"t"}`): `"theme":["color_mode: This field is required.; colors: This field is required."]`,
			body("[]", "[]", `{"name":"t","color_mode":"dark","colors":{"background":"nope"}}`): `"theme":["colors: `,
			body("[]", "[]", `[]`):                               `"theme":["`,
			body(item(""), widget(`,"source":"static"`), "null"): `"widgets":["Widget 1: `,
		} {
			a := imported(b, b.token, bundle, http.StatusBadRequest)
			if !strings.Contains(string(a.Body), want) {
				b.Errorf("%.200s = %s, want %s", bundle, a.Body, want)
			}
		}
		for _, path := range []string{"dashboard/views/", "themes/", "widgets/"} {
			if n := b.s.Expect(b.T, http.StatusOK, b.token, http.MethodGet, "/api/"+path, "").JSON(b.T)["count"]; n != 0.0 {
				b.Errorf("%v of %s were made", n, path)
			}
		}
		// What names no widget of the bundle or of this server is left out and told.
		a := imported(b, b.token, body(`[{"instance_id":"u","widget_id":99},{"instance_id":"v","widget_key":"none"},{"kept":1},{"widget_id":"x"}]`, "[]", "null"), http.StatusCreated)
		p := planOf(b.T, a)
		if len(p.Unknown) != 3 || p.Unknown[0].Instance != "u" || p.Unknown[0].Message != "unknown widget 99." || string(p.View.Config) != `[{"kept":1}]` || p.Theme != nil {
			b.Errorf("imported %s", a.Body)
		}
		// A data source does not come along, nor what it is asked.
		a = imported(b, b.token, body(item(""), widget(`,"source":"postgresql","query":{"sql":"SELECT 1"}`), "null"), http.StatusCreated)
		p = planOf(b.T, a)
		w := b.s.Expect(b.T, http.StatusOK, b.token, http.MethodGet, fmt.Sprintf("/api/widgets/%d/", *p.Widgets[0].ID), "").JSON(b.T)
		if !p.Widgets[0].Disconnected || w["source"] != "push" || w["query"] != nil {
			b.Errorf("imported %s as %v", a.Body, w)
		}
	})
}

// Whatever a bundle holds, an import answers 201 or says what is wrong, and
// what it made can be exported and imported again.
func FuzzImport(f *testing.F) {
	s := apptest.Start(f, apptest.Options{})
	p := s.Person(f, identity.Editor)
	at := `"position":{"x":0,"y":0,"width":1,"height":1}`
	for _, layout := range []string{
		`[]`, `{}`, `"x"`, `[{"widget_id":1,"instance_id":"a",` + at + `}]`, `[{"widget_key":"k","widget_id":2,"instance_id":"a",` + at + `},1]`,
		`[{"widget_id":1,"widget_id":2,"instance_id":"\u0000",` + at + `}]`,
	} {
		for _, widgets := range []string{`[]`, `[{"id":1,"key":"k","name":"w","widget_type":"stats"}]`, `[{"id":2,"name":"w","widget_type":"chart","config_schema":true,"source":"static","query":{}}]`, `null`} {
			f.Add(layout, widgets, `null`)
		}
	}
	f.Add(`[]`, `[]`, `{"name":"t","color_mode":"dark","colors":`+oceanColors+`}`)
	f.Fuzz(func(t *testing.T, layout, widgets, theme string) {
		body := `{"format":"bdash.view","version":1,"view":{"name":"v","widgets_config":` + layout + `},"widgets":` + widgets + `,"theme":` + theme + `}`
		a := s.Do(t, p.Access, http.MethodPost, "/api/dashboard/views/import/", body)
		if a.Status == http.StatusBadRequest {
			return
		}
		if a.Status != http.StatusCreated {
			t.Fatalf("%s = %d %s", body, a.Status, a.Body)
		}
		id := *planOf(t, a).View.ID
		bundle := s.Expect(t, http.StatusOK, p.Access, http.MethodGet, fmt.Sprintf("/api/dashboard/views/%d/export/", id), "")
		s.Expect(t, http.StatusCreated, p.Access, http.MethodPost, "/api/dashboard/views/import/", string(bundle.Body))
	})
}
