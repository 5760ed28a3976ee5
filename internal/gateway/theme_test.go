package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/identity"
)

// colorNames are those of the frontend's documents.
var colorNames = strings.Fields(`background foreground card cardForeground popover popoverForeground primary primaryForeground secondary
	secondaryForeground muted mutedForeground accent accentForeground destructive border input ring chart1 chart2 chart3 chart4 chart5
	sidebar sidebarForeground sidebarPrimary sidebarPrimaryForeground sidebarAccent sidebarAccentForeground sidebarBorder sidebarRing`)

// browserTheme is a theme as the frontend holds it; change may alter it.
func browserTheme(id, name string, change func(map[string]any)) string {
	palette := func(value string) map[string]any {
		p := map[string]any{}
		for _, n := range colorNames {
			p[n] = value
		}
		p["border"] = "oklch(1 0 0 / 10%)"
		return p
	}
	d := map[string]any{
		"name": name, "version": "1.0.0", "isDefault": false,
		"colors": map[string]any{"light": palette("oklch(0.5 0.1 200)"), "dark": palette("#ABC")},
		"radius": map[string]any{"base": "0.625rem"},
		"metadata": map[string]any{
			"author": "Ann", "description": "Blue <b>", "createdAt": "2026-01-14T10:00:00.000Z", "updatedAt": "2026-01-14T10:00:00.000Z", "more": []any{1.0},
		},
		"extra": map[string]any{"kept": true},
	}
	if id != "" {
		d["id"] = id
	}
	if change != nil {
		change(d)
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// checkTheme: what the browser's import check accepts.
func checkTheme(t *testing.T, v any) map[string]any {
	t.Helper()
	d, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("%v is no theme", v)
	}
	for _, name := range []string{"id", "name", "version"} {
		if text, ok := d[name].(string); !ok || text == "" {
			t.Errorf("%s of %v is no text", name, d)
		}
	}
	if name, _ := d["name"].(string); len([]rune(name)) > 50 {
		t.Errorf("the name %q is too long for the browser", name)
	}
	colors, _ := d["colors"].(map[string]any)
	for _, mode := range []string{"light", "dark"} {
		p, _ := colors[mode].(map[string]any)
		for _, name := range colorNames {
			if text, ok := p[name].(string); !ok || text == "" {
				t.Errorf("%s.%s of %v is no text", mode, name, d["id"])
			}
		}
		if len(p) != len(colorNames) {
			t.Errorf("%s of %v has %d colors, want %d", mode, d["id"], len(p), len(colorNames))
		}
	}
	radius, _ := d["radius"].(map[string]any)
	if base, _ := radius["base"].(string); !strings.HasSuffix(base, "rem") {
		t.Errorf("radius of %v", d)
	}
	return d
}

func (a answer) themes(t *testing.T) map[string]map[string]any {
	t.Helper()
	list, ok := a.body["themes"].([]any)
	if !ok {
		t.Fatalf("themes of %.200s is no array", a.raw)
	}
	out := map[string]map[string]any{}
	for _, v := range list {
		d := checkTheme(t, v)
		out[fmt.Sprint(d["id"])] = d
	}
	if len(out) != len(list) {
		t.Errorf("an id is there twice: %.300s", a.raw)
	}
	return out
}

// rest calls the guide's dialect of the same server.
func (g *gate) rest(t *testing.T, method, path, body string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.token)
	r.Header.Set("Content-Type", "application/json")
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	if res.StatusCode >= 300 {
		t.Fatalf("%s %s = %d %s", method, path, res.StatusCode, raw)
	}
	if len(raw) == 0 {
		return nil
	}
	return object(t, string(raw))
}

func TestThemesKeepWhatTheBrowserSent(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		ann, _ := g.as(t, identity.User)
		other, _ := g.as(t, identity.User)
		if got := ann.want(t, 200, "GET", "/api/themes", "").themes(t); len(got) != 0 {
			t.Errorf("themes of a new user: %v", got)
		}
		sent := browserTheme("custom-1", "Ocean", nil)
		a := ann.want(t, 200, "POST", "/api/themes", sent)
		if diff := cmp.Diff(object(t, sent), checkTheme(t, a.body["theme"])); diff != "" || a.body["success"] != true {
			t.Errorf("POST (-sent +answer):\n%s", diff)
		}
		// The same name, and the same id for another user.
		second := ann.want(t, 200, "POST", "/api/themes", browserTheme("", "Ocean", nil))
		id := fmt.Sprint(checkTheme(t, second.body["theme"])["id"])
		if second.at("theme.name") != "Ocean" || id == "" || id == "custom-1" {
			t.Errorf("a second theme of the name: %s", second.raw)
		}
		other.want(t, 200, "POST", "/api/themes", sent)
		ann.want(t, 409, "POST", "/api/themes", sent)
		if diff := cmp.Diff(object(t, sent), ann.want(t, 200, "GET", "/api/themes/custom-1", "").at("theme")); diff != "" {
			t.Errorf("GET (-sent +answer):\n%s", diff)
		}
		// PATCH and PUT change parts, and the id stays.
		for i, method := range []string{"PATCH", "PUT"} {
			name := fmt.Sprintf("Deep sea %d", i)
			a := ann.want(t, 200, method, "/api/themes/custom-1", `{"name":"`+name+`","id":"other","metadata":{"author":"Bob"}}`)
			want := object(t, sent)
			want["name"], want["metadata"] = name, map[string]any{"author": "Bob"}
			if diff := cmp.Diff(want, a.body["theme"]); diff != "" {
				t.Errorf("%s (-want +answer):\n%s", method, diff)
			}
		}
		ann.want(t, 200, "DELETE", "/api/themes/custom-1", "")
		ann.want(t, 404, "GET", "/api/themes/custom-1", "")
		ann.want(t, 404, "DELETE", "/api/themes/custom-1", "")
		ann.want(t, 404, "PATCH", "/api/themes/custom-1", `{"name":"x"}`)
		other.want(t, 200, "GET", "/api/themes/custom-1", "")
		other.want(t, 404, "GET", "/api/themes/"+id, "")
		// An id is anything.
		odd := ann.want(t, 200, "POST", "/api/themes", browserTheme("a/b ü%?", "Odd", nil))
		checkTheme(t, odd.body["theme"])
		ann.want(t, 200, "GET", "/api/themes/a%2Fb%20%C3%BC%25%3F", "")
	})
}

func TestThemesThatAreRefused(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		ann, _ := g.as(t, identity.User)
		drop := func(name string) func(map[string]any) {
			return func(d map[string]any) { delete(d, name) }
		}
		put := func(name string, v any) func(map[string]any) { return func(d map[string]any) { d[name] = v } }
		color := func(name string, v any) func(map[string]any) {
			return func(d map[string]any) { d["colors"].(map[string]any)["dark"].(map[string]any)[name] = v }
		}
		for what, change := range map[string]func(map[string]any){
			"no name": drop("name"), "null name": put("name", nil), "long name": put("name", strings.Repeat("é", 51)), "blank name": put("name", "  "), "NUL": put("name", "a\x00"),
			"no version": drop("version"), "version": put("version", "1.0"), "no colors": drop("colors"), "colors": put("colors", []any{}), "no radius": drop("radius"),
			"radius": put("radius", map[string]any{"base": "10px"}), "isDefault": put("isDefault", "yes"), "metadata": put("metadata", 7), "author": put("metadata", map[string]any{"author": 7}),
			"one palette": put("colors", map[string]any{"light": map[string]any{}}), "not a color": color("ring", "url(x)"), "nonsense": color("primary", "nonsense"),
			"no text": color("chart1", 7), "another color": color("destructiveForeground", "red"), "reserved id": put("id", "default"), "active": put("id", "active"), "sync": put("id", "sync"),
			"dots": put("id", ".."), "empty id": put("id", ""), "id": put("id", 7), "later id": put("id", "bdash-999999999"), "control": put("id", "a\nb"), "long id": put("id", strings.Repeat("x", 101)),
		} {
			t.Log(what)
			ann.want(t, 400, "POST", "/api/themes", browserTheme("custom-2", "X", change))
		}
		for _, body := range []string{``, `null`, `[]`, `"x"`, `{`, `{}`} {
			ann.want(t, 400, "POST", "/api/themes", body)
		}
		if got := ann.want(t, 200, "GET", "/api/themes", "").themes(t); len(got) != 0 {
			t.Errorf("refused themes are there: %v", got)
		}
		ann.want(t, 200, "POST", "/api/themes", browserTheme("custom-3", "Kept", nil))
		for _, body := range []string{`{"name":null}`, `{"colors":{"light":{}}}`, `[]`, `{`} {
			ann.want(t, 400, "PATCH", "/api/themes/custom-3", body)
		}
		ann.want(t, 413, "POST", "/api/themes", browserTheme("big", "X", put("extra", strings.Repeat("x", 2<<20))))
	})
}

// TestOneThemeStore: what is made on one side is on the other, and changes go
// both ways with nothing lost.
func TestOneThemeStore(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		ann, _ := g.as(t, identity.User)
		// From the guide's dialect, with one palette in its spelling.
		made := ann.rest(t, "POST", "/api/themes/", `{"name":"Guide `+strings.Repeat("x", 80)+`","color_mode":"dark","border_radius":"1rem","description":"D",
			"colors":{"background":"#000","foreground":"#fff","primary":"#111","secondary":"#222","muted":"#333","accent":"#444","destructive":"#555",
			"card-foreground":"#666","destructive-foreground":"#777"}}`)
		path := fmt.Sprintf("/api/themes/%.0f/", made["id"])
		clientID := fmt.Sprintf("bdash-%.0f", made["id"])
		d := checkTheme(t, ann.want(t, 200, "GET", "/api/themes/"+clientID, "").at("theme"))
		dark := d["colors"].(map[string]any)["dark"].(map[string]any)
		if dark["background"] != "#000" || dark["cardForeground"] != "#666" || d["metadata"].(map[string]any)["description"] != "D" {
			t.Errorf("as a document: %v", d)
		}
		// A change in the browser keeps what a document has no place for.
		dark["background"] = "#010101"
		colors, _ := json.Marshal(d["colors"])
		ann.want(t, 200, "PATCH", "/api/themes/"+clientID, `{"colors":`+string(colors)+`}`)
		row := ann.rest(t, "GET", path, "")
		kept := row["colors"].(map[string]any)
		if row["name"] != made["name"] || row["border_radius"] != "1rem" || kept["background"] != "#010101" || kept["card-foreground"] != "#666" ||
			kept["destructive-foreground"] != "#777" || kept["cardForeground"] != nil {
			t.Errorf("the row after a change in the browser: %v", row)
		}
		// From the browser, with a name that is taken.
		sent := browserTheme("custom-9", fmt.Sprint(d["name"]), nil)
		ann.want(t, 200, "POST", "/api/themes", browserTheme("custom-8", "Twin", nil))
		ann.want(t, 200, "POST", "/api/themes", sent)
		ann.want(t, 200, "PATCH", "/api/themes/custom-9", `{"name":"Twin"}`)
		list := ann.rest(t, "GET", "/api/themes/?search=Twin&ordering=id", "")["results"].([]any)
		if len(list) != 2 || list[0].(map[string]any)["name"] != "Twin" || list[1].(map[string]any)["name"] != "Twin 2" {
			t.Errorf("themes of one name: %v", list)
		}
		twin := list[1].(map[string]any)
		if twin["border_radius"] != "0.625rem" || twin["description"] != "Blue <b>" || twin["colors"].(map[string]any)["primary"] != "oklch(0.5 0.1 200)" {
			t.Errorf("the row of a browser's theme: %v", twin)
		}
		// A change in the guide's dialect is in the document, and nothing else of it moves.
		ann.rest(t, "PATCH", fmt.Sprintf("/api/themes/%.0f/", twin["id"]), `{"color_mode":"dark"}`)
		ann.rest(t, "PATCH", fmt.Sprintf("/api/themes/%.0f/", twin["id"]), `{"name":"Renamed","border_radius":"2rem","description":"New"}`)
		want := object(t, sent)
		want["name"], want["radius"] = "Renamed", map[string]any{"base": "2rem"}
		want["metadata"].(map[string]any)["description"] = "New"
		if diff := cmp.Diff(want, ann.want(t, 200, "GET", "/api/themes/custom-9", "").at("theme")); diff != "" {
			t.Errorf("the document after a change by the guide's dialect (-want +got):\n%s", diff)
		}
		// Built-in themes of the guide's dialect become the user's own.
		ann.rest(t, "POST", "/api/themes/-2/set_active/", "")
		active := fmt.Sprint(ann.want(t, 200, "GET", "/api/themes/active", "").body["themeId"])
		checkTheme(t, ann.want(t, 200, "GET", "/api/themes/"+active, "").at("theme"))
	})
}

func TestActiveTheme(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		ann, _ := g.as(t, identity.User)
		active := func(want string) {
			t.Helper()
			if got := ann.want(t, 200, "GET", "/api/themes/active", "").body["themeId"]; got != want {
				t.Errorf("active = %v, want %s", got, want)
			}
		}
		active("default")
		for _, id := range []string{"ocean", "default", "ocean"} {
			ann.want(t, 200, "PUT", "/api/themes/active", `{"themeId":"`+id+`"}`)
			active(id)
		}
		ann.want(t, 200, "POST", "/api/themes", browserTheme("custom-1", "A", nil))
		active("ocean")
		ann.want(t, 200, "PUT", "/api/themes/active", `{"themeId":"custom-1"}`)
		active("custom-1")
		if row := ann.rest(t, "GET", "/api/themes/active/", ""); row["name"] != "A" {
			t.Errorf("active in the guide's dialect: %v", row)
		}
		for _, body := range []string{``, `{}`, `{"themeId":null}`, `{"themeId":7}`, `{"themeId":""}`, `[]`} {
			ann.want(t, 400, "PUT", "/api/themes/active", body)
		}
		ann.want(t, 404, "PUT", "/api/themes/active", `{"themeId":"unknown"}`)
		active("custom-1")
		ann.want(t, 200, "DELETE", "/api/themes/custom-1", "")
		active("default")
		// With a stored theme active, one of the browser's own puts it aside.
		ann.want(t, 200, "POST", "/api/themes", browserTheme("custom-2", "B", nil))
		ann.want(t, 200, "PUT", "/api/themes/active", `{"themeId":"custom-2"}`)
		ann.want(t, 200, "PUT", "/api/themes/active", `{"themeId":"ocean"}`)
		active("ocean")
		ann.want(t, 200, "DELETE", "/api/themes/custom-2", "")
		active("ocean")
	})
}

func TestSync(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		ann, _ := g.as(t, identity.User)
		one, two := browserTheme("custom-1", "One", nil), browserTheme("custom-2", "One", nil)
		bad := browserTheme("custom-3", "Bad", func(d map[string]any) { delete(d, "colors") })
		builtIn := browserTheme("default", "Default", nil) + "," + browserTheme("ocean", "Ocean", nil)
		ann.rest(t, "POST", "/api/themes/", `{"name":"Elsewhere","color_mode":"light"}`)
		body := `{"themes":[` + builtIn + "," + one + "," + two + "," + bad + "," + one + `,7,{"name":"x"}]}`
		a := ann.want(t, 200, "POST", "/api/themes/sync", body)
		got := a.themes(t)
		if a.body["uploaded"] != 2.0 || a.body["downloaded"] != 1.0 || len(got) != 1 {
			t.Errorf("sync = %.400s", a.raw)
		}
		refused, _ := a.body["refused"].([]any)
		if len(refused) != 3 || refused[0].(map[string]any)["id"] != "custom-3" || refused[0].(map[string]any)["error"] == "" {
			t.Errorf("refused = %v", refused)
		}
		// Again: nothing to do, until another browser comes.
		if a := ann.want(t, 200, "POST", "/api/themes/sync", body); a.body["uploaded"] != 0.0 || a.body["downloaded"] != 1.0 {
			t.Errorf("a second sync = %.200s", a.raw)
		}
		a = ann.want(t, 200, "POST", "/api/themes/sync", `{"themes":[`+builtIn+`]}`)
		if got := a.themes(t); len(got) != 3 || cmp.Diff(object(t, two), got["custom-2"]) != "" {
			t.Errorf("sync of another browser: %.300s", a.raw)
		}
		for _, body := range []string{``, `{}`, `{"themes":null}`, `{"themes":{}}`, `{"themes":"x"}`, `[]`} {
			ann.want(t, 400, "POST", "/api/themes/sync", body)
		}
		// Many browsers at once leave each theme once.
		var wait sync.WaitGroup
		for range 6 {
			wait.Go(func() {
				ann.want(t, 200, "POST", "/api/themes/sync", `{"themes":[`+browserTheme("custom-7", "Same", nil)+","+browserTheme("custom-8", "Same", nil)+`]}`)
			})
		}
		wait.Wait()
		if got := ann.want(t, 200, "GET", "/api/themes", "").themes(t); len(got) != 5 {
			t.Errorf("%d themes after many syncs, want 5", len(got))
		}
	})
}

// TestKeysAreBearers: an API key does what its scopes say.
func TestKeysAreBearers(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		ann, _ := g.as(t, identity.User)
		secret := func(scopes string) string {
			return fmt.Sprint(ann.rest(t, "POST", "/api/auth/api-keys/", `{"name":"x","scopes":`+scopes+`}`)["key"])
		}
		reader, writer := &gate{Server: g.Server, token: secret(`["read"]`)}, &gate{Server: g.Server, token: secret(`["read","write"]`)}
		writer.want(t, 200, "POST", "/api/themes", browserTheme("custom-1", "A", nil))
		reader.want(t, 200, "GET", "/api/themes/custom-1", "")
		reader.want(t, 403, "PATCH", "/api/themes/custom-1", `{"name":"B"}`)
		reader.want(t, 403, "DELETE", "/api/themes/custom-1", "")
		reader.want(t, 200, "GET", "/api/auth/me", "")
		writer.want(t, 401, "POST", "/api/auth/refresh", "") // a key is no session
		// Neither is it a cookie.
		(&gate{Server: g.Server, cookie: "bdash=" + writer.token}).want(t, 401, "GET", "/api/themes", "")
	})
}

// TestTheCookieForThemes: the one caller without a token has a cookie, which
// counts nowhere else and is of no use to other sites.
func TestTheCookieForThemes(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		u := g.AddUser(t, "ann@example.com", identity.User)
		b := g.browser(t, u.Email)
		cookie := &gate{Server: g.Server, cookie: b.cookie}
		cookie.want(t, 200, "GET", "/api/themes", "")
		cookie.want(t, 200, "POST", "/api/themes", browserTheme("custom-1", "A", nil))
		for _, path := range []string{"/api/auth/me", "/api/users", "/api/user/preferences", "/api/widgets/x"} {
			cookie.want(t, 401, "GET", path, "")
		}
		write := func(status int, header map[string]string) {
			t.Helper()
			cookie.header = header
			cookie.want(t, status, "PATCH", "/api/themes/custom-1", `{"name":"B"}`)
			cookie.header = nil
		}
		write(200, map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": g.GatewayURL})
		write(200, map[string]string{"Origin": g.GatewayURL})
		write(403, map[string]string{"Sec-Fetch-Site": "cross-site"})
		write(403, map[string]string{"Sec-Fetch-Site": "same-site"})
		write(403, map[string]string{"Origin": "https://evil.example"})
		write(403, map[string]string{"Origin": "null"})
		write(415, map[string]string{"Content-Type": "text/plain"})
		write(415, map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
		// A bearer always wins, also over a better cookie.
		other, _ := g.as(t, identity.User)
		other.cookie = b.cookie
		other.want(t, 404, "GET", "/api/themes/custom-1", "")
		(&gate{Server: g.Server, token: "nonsense", cookie: b.cookie}).want(t, 401, "GET", "/api/themes", "")
		// The name of the other scheme does not count, nor does a session that ended.
		(&gate{Server: g.Server, cookie: "__Host-" + b.cookie}).want(t, 401, "GET", "/api/themes", "")
		b.want(t, 200, "POST", "/api/auth/logout", "")
		if a := cookie.want(t, 401, "GET", "/api/themes", ""); !strings.HasPrefix(a.header.Get("Set-Cookie"), "bdash=;") {
			t.Errorf("a cookie that no longer counts stays: %v", a.header)
		}
	})
}
