package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

type dashboardBundle struct {
	*testing.T
	s     *apptest.Server
	token string
}

func eachDashboard(t *testing.T, role identity.Role, test func(b dashboardBundle)) {
	t.Helper()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		u := s.AddUser(t, "alice@example.com", role)
		test(dashboardBundle{t, s, s.Login(t, u.Email).Access})
	})
}

func (b dashboardBundle) do(method, path, body string, status int) apptest.Answer {
	b.Helper()
	a := b.s.Do(b.T, b.token, method, "/api/dashboard/"+path, body)
	if a.Status != status {
		b.Fatalf("%s %s %s = %d %s, want %d", method, path, body, a.Status, a.Body, status)
	}
	return a
}

func TestViews(t *testing.T) {
	t.Parallel()
	eachDashboard(t, identity.User, func(b dashboardBundle) {
		created := b.do(http.MethodPost, "views/", `{"name":"Main","widgets_config":[{"z":1,"a":2}]}`, http.StatusCreated)
		if got := keysOf(b.T, created); got != "id name description widgets_config is_default is_active created_at updated_at" {
			b.Errorf("members %q", got)
		}
		if !strings.Contains(string(created.Body), `"widgets_config":[{"z":1,"a":2}]`) {
			b.Errorf("created %s, want the layout as sent", created.Body)
		}
		one := fmt.Sprintf("views/%v/", created.JSON(b.T)["id"])
		if a := b.do(http.MethodPost, "views/", `{"name":"Main"}`, http.StatusBadRequest); string(a.Body) != `{"name":["dashboard view with this name already exists."]}` {
			b.Errorf("second view of the name: %s", a.Body)
		}
		a := b.do(http.MethodPatch, one, `{"widgets_config":[1,{"widget_key":"x","instance_id":"a","position":{"x":0,"y":0,"width":1,"height":1}}]}`, http.StatusBadRequest)
		if string(a.Body) != `{"widgets_config":["Item 2: unknown widget \"x\"."]}` {
			b.Errorf("unknown widget: %s", a.Body)
		}
		b.do(http.MethodPatch, "views/987654/", `{`, http.StatusNotFound)
		b.do(http.MethodPatch, "views/x/", `{}`, http.StatusNotFound)
		b.do(http.MethodPut, one, `{}`, http.StatusBadRequest)

		copied := b.do(http.MethodPost, one+"duplicate/", "", http.StatusCreated).JSON(b.T)
		if copied["name"] != "Main (copy)" || copied["is_active"] != false {
			b.Errorf("copy %v", copied)
		}
		if active := b.do(http.MethodPost, one+"set_active/", "", http.StatusOK).JSON(b.T); active["is_active"] != true {
			b.Errorf("activated %v", active)
		}
		for query, want := range map[string]float64{"?is_active=true": 1, "?is_default=1": 0, "?search=COPY": 1, "?search=nothing": 0, "": 2} {
			if n := b.do(http.MethodGet, "views/"+query, "", http.StatusOK).JSON(b.T)["count"]; n != want {
				b.Errorf("views/%s has %v, want %v", query, n, want)
			}
		}
		if a := b.do(http.MethodOptions, one, "", http.StatusOK); !strings.Contains(string(a.Body), `"actions":{"PUT":`) {
			b.Errorf("OPTIONS of an own view: %s", a.Body)
		}
		if a := b.do(http.MethodOptions, "views/987654/", "", http.StatusOK); strings.Contains(string(a.Body), "actions") {
			b.Errorf("OPTIONS of a missing view: %s", a.Body)
		}
		b.do(http.MethodDelete, one, "", http.StatusNoContent)
		b.do(http.MethodDelete, one, "", http.StatusNotFound)
	})
}

func TestLayout(t *testing.T) {
	t.Parallel()
	eachDashboard(t, identity.User, func(b dashboardBundle) {
		if n := b.do(http.MethodGet, "views/", "", http.StatusOK).JSON(b.T)["count"]; n != 0.0 {
			b.Errorf("a new user has %v views, want none", n)
		}
		var wg sync.WaitGroup
		ids := make([]any, 20)
		for i := range ids {
			wg.Go(func() {
				ids[i] = b.s.Do(b.T, b.token, http.MethodGet, "/api/dashboard/layout/", "").JSON(b.T)["id"]
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id == nil || id != ids[0] {
				b.Fatalf("first requests got the views %v, want one", ids)
			}
		}
		put := b.do(http.MethodPut, "layout/", `{"widgets_config":{"any":"JSON"},"name":"Home"}`, http.StatusOK)
		if v := put.JSON(b.T); v["id"] != ids[0] || v["name"] != "Home" || v["is_active"] != true {
			b.Errorf("PUT layout = %v", v)
		}
		if got := b.do(http.MethodGet, "layout/", "", http.StatusOK); string(got.Body) != string(put.Body) {
			b.Errorf("GET layout = %s, want %s", got.Body, put.Body)
		}
		b.do(http.MethodPut, "layout/", `{"name":"x"}`, http.StatusBadRequest)
		b.do(http.MethodPut, "layout/", `{"widgets_config":null}`, http.StatusBadRequest)
		b.do(http.MethodPut, "layout/", `{"widgets_config":[{"widget_id":1}]}`, http.StatusBadRequest)
	})
}

func TestRoleLayouts(t *testing.T) {
	t.Parallel()
	eachDashboard(t, identity.Admin, func(b dashboardBundle) {
		built := b.do(http.MethodGet, "defaults/user/", "", http.StatusOK)
		if got := keysOf(b.T, built); got != "role widgets_config updated_at" || !strings.HasSuffix(string(built.Body), `"updated_at":null}`) {
			b.Errorf("GET defaults/user/ = %s", built.Body)
		}
		put := b.do(http.MethodPut, "defaults/user/", `{"widgets_config":["text"]}`, http.StatusOK)
		if got := b.do(http.MethodGet, "defaults/user/", "", http.StatusOK); string(got.Body) != string(put.Body) || strings.Contains(string(got.Body), "null") {
			b.Errorf("GET after PUT = %s, want %s", got.Body, put.Body)
		}
		b.do(http.MethodPut, "defaults/user/", `{}`, http.StatusBadRequest)
		b.do(http.MethodPut, "defaults/owner/", `{`, http.StatusNotFound)
		b.do(http.MethodGet, "defaults/owner/", "", http.StatusNotFound)

		bob := b.s.AddUser(b.T, "bob@example.com", identity.User)
		b.token = b.s.Login(b.T, bob.Email).Access
		b.do(http.MethodPut, "defaults/user/", `{"widgets_config":[]}`, http.StatusForbidden)
		if v := b.do(http.MethodGet, "layout/", "", http.StatusOK); !strings.Contains(string(v.Body), `"widgets_config":["text"]`) {
			b.Errorf("the first layout of a user = %s, want the role's", v.Body)
		}
	})
}
