package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

// with sends a request with more headers, given as "Name: value".
func (b dashboardBundle) with(method, path, body string, headers ...string) apptest.Answer {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.s.URL+"/api/"+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	return apptest.Send(b.T, req)
}

func (b dashboardBundle) want(a apptest.Answer, status int, body string) {
	b.Helper()
	if a.Status != status || !strings.Contains(string(a.Body), body) {
		b.Errorf("answer %d %s, want %d with %s", a.Status, a.Body, status, body)
	}
}

func layoutOf(members ...string) string {
	items := make([]string, len(members))
	for i, m := range members {
		items[i] = fmt.Sprintf(`{"instance_id":"w%d","widget_id":1,"position":{"x":0,"y":%d,"width":3,"height":2}%s}`, i, i, m)
	}
	return `{"widgets_config":[` + strings.Join(items, ",") + `]}`
}

func TestViewETags(t *testing.T) {
	t.Parallel()
	eachDashboard(t, identity.Editor, func(b dashboardBundle) {
		b.s.Expect(b.T, http.StatusCreated, b.token, http.MethodPost, "/api/widgets/", `{"name":"w","widget_type":"stats"}`)
		created := b.with(http.MethodPost, "dashboard/views/", `{"name":"Main","is_active":true}`)
		path := fmt.Sprintf("dashboard/views/%v/", created.JSON(b.T)["id"])
		for _, path := range []string{path, "dashboard/layout/"} {
			got := b.with(http.MethodGet, path, "")
			tag := got.Header.Get("ETag")
			if got.Status != http.StatusOK || !strings.HasPrefix(tag, `"`) || path != "dashboard/layout/" && tag != created.Header.Get("ETag") {
				b.Fatalf("GET %s = %d with ETag %q, created with %q", path, got.Status, tag, created.Header.Get("ETag"))
			}
			for _, sent := range []string{tag, `"other", ` + tag, "W/" + tag, "*"} {
				a := b.with(http.MethodGet, path, "", "If-None-Match: "+sent)
				if a.Status != http.StatusNotModified || len(a.Body) > 0 || a.Header.Get("ETag") != tag {
					b.Errorf("If-None-Match %s = %d %q, ETag %q", sent, a.Status, a.Body, a.Header.Get("ETag"))
				}
			}
			for _, sent := range []string{`"other"`, tag[:len(tag)-1], strings.Trim(tag, `"`), `W/`, `,,"`} {
				b.want(b.with(http.MethodGet, path, "", "If-None-Match: "+sent), http.StatusOK, `"name":"Main"`)
			}
			plain := b.with(http.MethodPut, "dashboard/layout/", layoutOf("", ""))
			first := plain.Header.Get("ETag")
			if plain.Status != http.StatusOK || first == tag {
				b.Fatalf("PUT = %d %s, ETag %q after %q", plain.Status, plain.Body, first, tag)
			}
			b.want(b.with(http.MethodGet, path, "", "If-None-Match: "+tag), http.StatusOK, "w1")
			method := http.MethodPatch
			if path == "dashboard/layout/" {
				method = http.MethodPut
			}
			b.want(b.with(method, path, layoutOf(`,"n":1`, ""), "If-Match: "+first), http.StatusOK, `"n":1`)
			b.want(b.with(method, path, layoutOf("", `,"m":2`), "If-Match: "+first), http.StatusOK, `"n":1}`)
			conflict := b.with(method, path, layoutOf(`,"n":3`, ""), "If-Match: "+first)
			b.want(conflict, http.StatusConflict, `"conflicts":[{"field":"widgets_config","instance_id":"w0","member":"n","yours":3,"current":1}]`)
			body := conflict.JSON(b.T)
			if body["code"] != "view.conflict" || body["etag"] != conflict.Header.Get("ETag") || body["detail"] == "" || body["ancestor_revision"] == nil {
				b.Errorf("conflict %s with ETag %s", conflict.Body, conflict.Header.Get("ETag"))
			}
			// Told what is there, the client can decide.
			b.want(b.with(method, path, layoutOf(`,"n":3`, `,"m":2`), "If-Match: "+conflict.Header.Get("ETag")), http.StatusOK, `"n":3`)
			b.want(b.with(method, path, layoutOf("", ""), "If-Match: *"), http.StatusOK, "w1")
			b.want(b.with(method, path, layoutOf("")), http.StatusOK, "w0")
			for _, bad := range []string{`"x"`, "x", `""`, `"1-2"`, `"-1-2-3"`, `"99999999999999999999-1-x"`, `"987654-1-x"`, "", `"` + strings.Repeat("1-", 1000) + `"`} {
				b.want(b.with(method, path, layoutOf(""), "If-Match: "+bad), http.StatusPreconditionFailed, "If-Match names no state of this view")
			}
			if path != "dashboard/layout/" {
				b.want(b.with(http.MethodDelete, path, "", "If-Match: "+first), http.StatusPreconditionFailed, "has changed")
			}
		}
		// Which view is active is part of what is shown.
		before := b.with(http.MethodGet, path, "").Header.Get("ETag")
		b.do(http.MethodPost, "views/", `{"name":"Other","is_active":true}`, http.StatusCreated)
		b.want(b.with(http.MethodGet, path, "", "If-None-Match: "+before), http.StatusOK, `"is_active":false`)
		b.want(b.with(http.MethodPut, "dashboard/layout/", layoutOf(""), "If-Match: "+before), http.StatusPreconditionFailed, "names no state")
		now := b.with(http.MethodGet, path, "").Header.Get("ETag")
		if a := b.with(http.MethodDelete, path, "", "If-Match: "+now); a.Status != http.StatusNoContent {
			b.Errorf("DELETE with the present ETag = %d %s", a.Status, a.Body)
		}
	})
}

func TestPreferenceETags(t *testing.T) {
	t.Parallel()
	eachDashboard(t, identity.User, func(b dashboardBundle) {
		for _, path := range []string{"user/preferences/", "dashboard/preferences/"} {
			b.with(http.MethodPatch, path, `{"locale":"en","theme_mode":"light","time_zone":"UTC"}`)
			first := b.with(http.MethodGet, path, "")
			tag := first.Header.Get("ETag")
			for range 2 { // built, and kept
				if a := b.with(http.MethodGet, path, ""); a.Header.Get("ETag") != tag || string(a.Body) != string(first.Body) {
					b.Errorf("GET = %s with ETag %q, want %q", a.Body, a.Header.Get("ETag"), tag)
				}
			}
			if a := b.with(http.MethodGet, path, "", "If-None-Match: "+tag); a.Status != http.StatusNotModified || len(a.Body) > 0 {
				b.Errorf("If-None-Match = %d %s", a.Status, a.Body)
			}
			b.want(b.with(http.MethodPatch, path, `{"locale":"fr"}`, "If-Match: "+tag), http.StatusOK, `"locale":"fr"`)
			b.want(b.with(http.MethodPut, path, `{"locale":"en","theme_mode":"dark"}`, "If-Match: "+tag), http.StatusOK, `"locale":"fr","theme_mode":"dark"`)
			conflict := b.with(http.MethodPatch, path, `{"locale":"de","time_zone":"Europe/Paris"}`, "If-Match: "+tag)
			b.want(conflict, http.StatusConflict, `"conflicts":[{"field":"locale","ancestor":"en","yours":"de","current":"fr"}]`)
			if conflict.JSON(b.T)["code"] != "preference.conflict" {
				b.Errorf("conflict %s", conflict.Body)
			}
			after := b.with(http.MethodGet, path, "")
			b.want(after, http.StatusOK, `"time_zone":"UTC"`)
			if conflict.Header.Get("ETag") != after.Header.Get("ETag") || conflict.JSON(b.T)["etag"] != after.Header.Get("ETag") {
				b.Errorf("the conflict names the ETag %s, want %s", conflict.Header.Get("ETag"), after.Header.Get("ETag"))
			}
			b.want(b.with(http.MethodPatch, path, `{"locale":"de"}`, "If-Match: *"), http.StatusOK, `"locale":"de"`)
			for _, bad := range []string{`"x"`, `"1.!!"`, `"99999.e30"`, `"0.e30"`, `"1.W10"`, "", `"1"`} {
				b.want(b.with(http.MethodPatch, path, `{"locale":"en"}`, "If-Match: "+bad), http.StatusPreconditionFailed, "If-Match names no state")
			}
		}
	})
}
