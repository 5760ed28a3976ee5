package gateway_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/widget"
)

// users checks the shape of a list and gives the e-mail addresses in it.
func (a answer) users(t *testing.T) []string {
	t.Helper()
	list, ok := a.body["data"].([]any)
	if !ok {
		t.Fatalf("data of %.200s is no array", a.raw)
	}
	mails := []string{}
	for _, u := range list {
		checkUser(t, u)
		mail, _ := u.(map[string]any)["email"].(string)
		mails = append(mails, mail)
	}
	for _, name := range []string{"total", "page", "pageSize", "totalPages"} {
		if _, ok := a.at("meta." + name).(float64); !ok {
			t.Errorf("meta.%s of %s is no number", name, a.raw)
		}
	}
	return mails
}

func TestUsers(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		admin, _ := g.as(t, identity.Admin)
		for i := range 23 {
			g.AddUser(t, fmt.Sprintf("u%02d@example.com", i), identity.User)
		}
		editor := g.AddUser(t, "Ed.Itor@example.com", identity.Editor)
		for _, tt := range []struct {
			query string
			n     int
		}{
			{"", 10}, {"?pageSize=20", 20}, {"?pageSize=20&page=2", 5}, {"?pageSize=20&page=3", 0}, {"?page=999999999999999999999", 10},
			{"?search=u0&pageSize=20", 10}, {"?search=&pageSize=20", 20}, {"?search=ITOR", 1}, {"?search=U07@EXAMPLE", 1}, {"?search=%00", 10}, {"?search=%ff", 0},
			{"?role=editor", 1}, {"?role=&status=", 10}, {"?role=owner", 0}, {"?status=pending", 0}, {"?role=user&status=active&pageSize=100", 23}, {"?pageSize=100000", 25},
			{"?pageSize=-1&page=-5", 10}, {"?pageSize=x&page=y", 10}, {"?search=%27%20OR%201=1%20--", 0}, {"?search=%25", 0}, {"?search=_", 0},
		} {
			if got := admin.want(t, 200, "GET", "/api/users"+tt.query, "").users(t); len(got) != tt.n {
				t.Errorf("%s: %d users %v, want %d", tt.query, len(got), got, tt.n)
			}
		}
		if a := admin.want(t, 200, "GET", "/api/users?pageSize=20&page=7", ""); a.at("meta.total") != 25.0 || a.at("meta.totalPages") != 2.0 || a.at("meta.page") != 7.0 {
			t.Errorf("past the end: %s", a.raw)
		}
		path := "/api/users/" + strconv.FormatInt(editor.ID, 10)
		a := admin.want(t, 200, "PATCH", path, `{"name":"Ed van Itor","role":"user","status":"inactive","avatar":"https://example.com/e.png","email":"ed@example.com"}`)
		checkUser(t, a.at("data"))
		if a.at("data.name") != "Ed van Itor" || a.at("data.role") != "user" || a.at("data.status") != "inactive" || a.at("data.avatar") != "https://example.com/e.png" || a.at("data.email") != "ed@example.com" {
			t.Errorf("PATCH = %s", a.raw)
		}
		checkUser(t, admin.want(t, 200, "GET", path, "").at("data"))
		for _, body := range []string{
			`{"name":null}`, `{"name":{}}`, `{"name":"   "}`, `{"role":{"name":"admin"}}`, `{"role":"owner"}`, `{"role":null}`, `{"status":7}`, `{"status":"gone"}`,
			`{"email":"nonsense"}`, `{"email":null}`, `{"avatar":{}}`, `{"avatar":"javascript:alert(1)"}`, `{"email":"u01@example.com"}`, `[]`, `{"name":"` + strings.Repeat("x", 301) + `"}`,
		} {
			admin.want(t, 400, "PATCH", path, body)
		}
		if a := admin.want(t, 200, "PATCH", path, `{"avatar":null}`); a.at("data.avatar") != nil {
			t.Errorf("avatar = %v", a.at("data.avatar"))
		}
		admin.want(t, 204, "DELETE", path, "")
		for _, gone := range []string{path, "/api/users/0", "/api/users/x", "/api/users/-1", "/api/users/99999999999999999999", "/api/users/1%2F2"} {
			admin.want(t, 404, "GET", gone, "")
		}
		admin.want(t, 404, "PATCH", path, `{"name":"x"}`)
		admin.want(t, 404, "DELETE", path, "")
	})
}

func TestUsersAreForAdministrators(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		ann, p := g.as(t, identity.Editor)
		other := g.Person(t, identity.User)
		ann.want(t, 403, "GET", "/api/users?pageSize=20", "")
		ann.want(t, 403, "GET", fmt.Sprintf("/api/users/%d", other.ID), "")
		ann.want(t, 403, "PATCH", fmt.Sprintf("/api/users/%d", other.ID), `{"name":"x"}`)
		ann.want(t, 403, "DELETE", fmt.Sprintf("/api/users/%d", other.ID), "")
		own := fmt.Sprintf("/api/users/%d", p.ID)
		ann.want(t, 200, "GET", own, "")
		if a := ann.want(t, 200, "PATCH", own, `{"name":"Ann"}`); a.at("data.name") != "Ann" {
			t.Errorf("own name: %s", a.raw)
		}
		for _, body := range []string{`{"role":"admin"}`, `{"status":"active"}`, `{"email":"x@example.com"}`, `{"name":"A","role":"admin"}`} {
			ann.want(t, 403, "PATCH", own, body)
		}
		ann.want(t, 403, "DELETE", own, "")
		// A cookie says nothing here.
		(&gate{Server: g.Server, cookie: "bdash=" + p.Access}).want(t, 401, "GET", own, "")
	})
}

// TestNamelessUsers: rows as an import may leave them are shown all the same.
func TestNamelessUsers(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		admin, _ := g.as(t, identity.Admin)
		empty, blank, odd := "", " ", identity.Role("superhero")
		u := g.AddUser(t, "x@example.com", identity.User)
		if _, err := g.App.API.Accounts.Store.Update(t.Context(), u.ID, account.Update{FirstName: &blank, LastName: &empty, Username: &blank, Role: &odd}, u.CreatedAt); err != nil {
			t.Logf("the store refuses such rows by itself: %v", err)
		}
		if got := admin.want(t, 200, "GET", "/api/users?search=x@example", "").users(t); len(got) != 1 {
			t.Errorf("found %v", got)
		}
	})
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		ann, _ := g.as(t, identity.User)
		a := ann.want(t, 200, "GET", "/api/user/preferences", "")
		if a.at("data.locale") != "en" || a.at("data.themeMode") != "system" || a.at("data.activeThemeId") != nil || a.at("data.sidebarCollapsed") != false {
			t.Errorf("GET = %s", a.raw)
		}
		for _, method := range []string{"PUT", "PATCH", "patch"} {
			a := ann.want(t, 200, method, "/api/user/preferences", `{"themeMode":"dark","activeThemeId":"ocean","unknown":1}`)
			if a.at("data.themeMode") != "dark" || a.at("data.activeThemeId") != "ocean" || a.at("data.locale") != "en" {
				t.Errorf("%s = %s", method, a.raw)
			}
		}
		ann.want(t, 200, "PATCH", "/api/user/preferences", `{"sidebarCollapsed":true,"locale":"ar","activeThemeId":null,"timeZone":"Africa/Cairo"}`)
		a = ann.want(t, 200, "GET", "/api/user/preferences/", "")
		if a.at("data.themeMode") != "dark" || a.at("data.locale") != "ar" || a.at("data.activeThemeId") != nil || a.at("data.timeZone") != "Africa/Cairo" {
			t.Errorf("GET = %s", a.raw)
		}
		for _, body := range []string{`{"themeMode":"blue"}`, `{"themeMode":null}`, `{"sidebarCollapsed":"perhaps"}`, `{"locale":{}}`, `{"timeZone":"Nowhere"}`, `[]`} {
			ann.want(t, 400, "PUT", "/api/user/preferences", body)
		}
	})
}

func TestWidgetData(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		editor, p := g.as(t, identity.Admin)
		viewer, _ := g.as(t, identity.User)
		create := func(key, shown string, public bool) {
			t.Helper()
			actor := p.Actor()
			w, err := g.App.API.Widgets.Create(t.Context(), actor, widget.Draft{Key: ptr(&key), Name: ptr(key), WidgetType: ptr("stats"), IsPublic: ptr(public)})
			if err != nil {
				t.Fatal(err)
			}
			if shown == "" {
				return
			}
			if _, err := g.App.API.Widgets.PutData(t.Context(), actor, w.ID, widget.Push{Data: []byte(shown)}); err != nil {
				t.Fatal(err)
			}
		}
		create("total-users", `{"value":48,"trend":"+2"}`, true)
		create("recent-orders", `[{"id":1}]`, true)
		create("hidden", `{"value":1}`, false)
		create("empty", "", true)
		a := viewer.want(t, 200, "GET", "/api/widgets/total-users?period=30d&filters=%7B%7D&config=%7B%7D", "")
		fetched, _ := a.at("meta.fetchedAt").(string)
		until, _ := a.at("meta.cacheUntil").(string)
		if a.at("data.value") != 48.0 || !strings.HasSuffix(fetched, "Z") || !strings.HasSuffix(until, "Z") || until <= fetched {
			t.Errorf("GET = %s", a.raw)
		}
		a = viewer.want(t, 200, "GET", "/api/widgets/recent-orders", "")
		if _, ok := a.at("data").(map[string]any); !ok {
			t.Errorf("data that is a list: %s", a.raw)
		}
		viewer.want(t, 404, "GET", "/api/widgets/hidden", "")
		editor.want(t, 200, "GET", "/api/widgets/hidden", "")
		viewer.want(t, 404, "GET", "/api/widgets/empty", "")
		viewer.want(t, 404, "GET", "/api/widgets/unknown?period=1d", "")
		viewer.want(t, 404, "GET", "/api/widgets/%00", "")
		viewer.want(t, 400, "GET", "/api/widgets/total-users?period=2w", "")
		viewer.want(t, 400, "GET", "/api/widgets/total-users?config=%5B%5D", "")
	})
}

func ptr[T any](v T) *T { return &v }

// TestEveryPathAsksWhoIsThere: no path of a user answers nobody, and each
// answers a wrong method in JSON.
func TestEveryPathAsksWhoIsThere(t *testing.T) {
	t.Parallel()
	public := map[string]bool{
		"/api/auth/login": true, "/api/auth/logout": true, "/api/auth/refresh": true, "/api/auth/register": true,
		"/api/auth/forgot-password": true, "/api/auth/reset-password": true,
	}
	each(t, nil, func(t *testing.T, g *gate) {
		for path, methods := range g.App.Gateway.Paths() {
			concrete := strings.NewReplacer("{id}", "1", "{type}", "x", "{role}", "user").Replace(path)
			for _, method := range methods {
				if public[path] {
					continue
				}
				g.want(t, 401, method, concrete, "")
				(&gate{Server: g.Server, token: "nonsense"}).want(t, 401, method, concrete, "")
				(&gate{Server: g.Server, cookie: "bdash=nonsense; __Host-bdash=nonsense"}).want(t, 401, method, concrete, "")
			}
			if a := g.want(t, 405, "TRACE", concrete, ""); a.header.Get("Allow") == "" {
				t.Errorf("%s: no Allow", path)
			}
			g.want(t, 204, "OPTIONS", concrete, "")
		}
		for _, path := range []string{"/api", "/api/", "/api/unknown", "/api/users/1/2", "/api/v1/users", "/api/themes/a/b/c", "/api/auth", "/api/i18n-intelligence/hardcoded-strings"} {
			g.want(t, 404, "GET", path, "")
			g.want(t, 404, "POST", path, "{}")
		}
		if seen := g.next.requests(); len(seen) > 0 {
			t.Errorf("%q reached the frontend's server", seen[0].RequestURI)
		}
	})
}
