package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

func TestViewRevisions(t *testing.T) {
	t.Parallel()
	eachDashboard(t, identity.User, func(b dashboardBundle) {
		one := fmt.Sprintf("views/%v/", b.do(http.MethodPost, "views/", `{"name":"Main","reason":"start"}`, http.StatusCreated).JSON(b.T)["id"])
		path := "dashboard/" + one
		b.want(b.with(http.MethodPatch, path, `{"widgets_config":[1]}`, "X-Change-Reason: größer"), http.StatusOK, "[1]")
		b.want(b.with(http.MethodPatch, path, `{"name":"Main"}`), http.StatusOK, "Main")
		b.want(b.with(http.MethodPatch, path, `{"name":"New"}`, "X-Change-Reason: "+strings.Repeat("x", 201)), http.StatusBadRequest, "200 characters")
		b.want(b.with(http.MethodPatch, path, `{"name":"New"}`, "X-Change-Reason: \xff"), http.StatusBadRequest, "UTF-8")
		b.do(http.MethodPatch, one, `{"reason":"`+strings.Repeat("x", 201)+`"}`, http.StatusBadRequest)
		list := b.do(http.MethodGet, one+"revisions/", "", http.StatusOK)
		if n := list.JSON(b.T)["count"]; n != 2.0 {
			b.Errorf("%v revisions, want 2", n)
		}
		b.want(list, http.StatusOK, `"reason":"größer","summary":{"others":true},"restored":null`)
		b.want(list, http.StatusOK, `"reason":"start","summary":{"created":true}`)
		if strings.Contains(string(list.Body), "widgets_config") {
			b.Errorf("the list %s carries layouts", list.Body)
		}
		b.want(b.do(http.MethodGet, one+"revisions/?page_size=1&page=2", "", http.StatusOK), http.StatusOK, `"number":1`)
		b.want(b.do(http.MethodGet, one+"revisions/1/", "", http.StatusOK), http.StatusOK, `"widgets_config":[]`)
		diff := `{"from":1,"to":2,"fields":[],"added":[],"removed":[],"changed":[],"reordered":false,"others":{"name":"widgets_config","from":[],"to":[1]}}`
		for _, query := range []string{"", "?to=2", "?to="} {
			if a := b.do(http.MethodGet, one+"revisions/1/diff/"+query, "", http.StatusOK); string(a.Body) != diff {
				b.Errorf("diff%s = %s, want %s", query, a.Body, diff)
			}
		}
		b.do(http.MethodGet, one+"revisions/1/diff/?to=x", "", http.StatusBadRequest)
		b.do(http.MethodGet, one+"revisions/1/diff/?to=99", "", http.StatusNotFound)
		b.do(http.MethodGet, one+"revisions/99/", "", http.StatusNotFound)
		b.do(http.MethodGet, one+"revisions/x/", "", http.StatusNotFound)
		restored := b.with(http.MethodPost, path+"revisions/1/restore/", `{"reason":"back"}`)
		b.want(restored, http.StatusOK, `"widgets_config":[]`)
		if restored.Header.Get("ETag") == "" {
			b.Error("a restored view has no ETag")
		}
		b.want(b.do(http.MethodGet, one+"revisions/", "", http.StatusOK), http.StatusOK, `"number":3,"name":"Main","description":"","is_default":false`)
		b.want(b.do(http.MethodGet, one+"revisions/3/", "", http.StatusOK), http.StatusOK, `"reason":"back","summary":{"others":true},"restored":1`)
		b.do(http.MethodPost, one+"revisions/9/restore/", "", http.StatusNotFound)
	})
}

func TestSharedViews(t *testing.T) {
	t.Parallel()
	eachDashboard(t, identity.Editor, func(b dashboardBundle) {
		w := b.s.Expect(b.T, http.StatusCreated, b.token, http.MethodPost, "/api/widgets/", `{"name":"Private","widget_type":"stats"}`).JSON(b.T)["id"]
		b.s.Expect(b.T, http.StatusOK, b.token, http.MethodPut, fmt.Sprintf("/api/widgets/%v/data/", w), `{"data":{"value":42}}`)
		layout := strings.ReplaceAll(layoutOf("", ""), `"widget_id":1`, fmt.Sprintf(`"widget_id":%v`, w))
		one := fmt.Sprintf("views/%v/", b.do(http.MethodPost, "views/", `{"name":"Main",`+layout[1:], http.StatusCreated).JSON(b.T)["id"])
		made := b.do(http.MethodPost, one+"share/", `{"expires_in":3600}`, http.StatusCreated)
		share := made.JSON(b.T)
		path := fmt.Sprintf("/api/share/%s/", share["token"])
		if !strings.HasSuffix(share["url"].(string), path) || made.Header.Get("Cache-Control") != "no-store" {
			b.Errorf("link %s", made.Body)
		}
		for _, body := range []string{`{"expires_in":59}`, `{"expires_in":31536001}`, `{"expires_in":"x"}`, `{"expires_in":null}`} {
			b.do(http.MethodPost, one+"share/", body, http.StatusBadRequest)
		}
		for _, token := range []string{"", "no token at all"} {
			got := b.s.Expect(b.T, http.StatusOK, token, http.MethodGet, path, "")
			b.want(got, http.StatusOK, `"widgets":[{"instance_id":"w0","id":`+fmt.Sprint(w)+`,"key":null,"name":"Private","widget_type":"stats","description":"","data":{"value":42},`)
			for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"} {
				if got.Header.Get(name) != want {
					b.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
				}
			}
		}
		if a := b.s.Expect(b.T, http.StatusNotFound, "", http.MethodGet, "/api/share/"+strings.Repeat("x", 43)+"/", ""); a.Header.Get("Cache-Control") != "no-store" {
			b.Errorf("a bad link may be kept: %v", a.Header)
		}
		b.s.Expect(b.T, http.StatusOK, "", http.MethodHead, path, "")
		listed := b.do(http.MethodGet, one+"share/", "", http.StatusOK)
		b.want(listed, http.StatusOK, `"visits":2,"last_visit_at":"`)
		if strings.Contains(string(listed.Body), share["token"].(string)) {
			b.Errorf("the list %s shows the token", listed.Body)
		}
		b.do(http.MethodDelete, fmt.Sprintf("%sshare/%v/", one, share["id"]), "", http.StatusNoContent)
		b.do(http.MethodDelete, fmt.Sprintf("%sshare/%v/", one, share["id"]), "", http.StatusNotFound)
		b.s.Expect(b.T, http.StatusNotFound, "", http.MethodGet, path, "")
	})
}

func TestSharedViewsAreThrottled(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Env: []string{"THROTTLE_SHARE=2/hour", "PUBLIC_URL=https://api.example.org/dash"}})
	p := s.Person(t, identity.User)
	do := func(method, path, token string) apptest.Answer { return s.Do(t, token, method, path, "") }
	v := s.Expect(t, http.StatusCreated, p.Access, http.MethodPost, "/api/dashboard/views/", `{"name":"Main"}`).JSON(t)
	made := do(http.MethodPost, fmt.Sprintf("/api/dashboard/views/%v/share/", v["id"]), p.Access).JSON(t)
	if made["url"] != fmt.Sprintf("https://api.example.org/dash/api/share/%s/", made["token"]) {
		t.Errorf("link %v", made["url"])
	}
	for i, want := range []int{200, 200, 429, 429} {
		if a := do(http.MethodGet, fmt.Sprintf("/api/share/%s/", made["token"]), ""); a.Status != want {
			t.Errorf("visit %d = %d, want %d", i, a.Status, want)
		}
	}
	if a := do(http.MethodGet, "/api/auth/me/", p.Access); a.Status != http.StatusOK {
		t.Errorf("other views are throttled, too: %d", a.Status)
	}
}
