package api_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/notify"
)

func TestNotifications(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		alice, bob := s.AddUser(t, "alice@example.com", identity.User), s.AddUser(t, "bob@example.com", identity.User)
		token, other := s.Login(t, alice.Email).Access, s.Login(t, bob.Email).Access
		var ids []int64
		for i := range 3 {
			n, err := s.App.API.Notify.Add(t.Context(), alice.ID, notify.Message{Kind: "test", Title: fmt.Sprint("n", i), Link: "/x"})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, n.ID)
		}
		one := fmt.Sprintf("/api/notifications/%d/", ids[0])
		do := func(token, method, path, body string, status int) apptest.Answer {
			t.Helper()
			a := s.Do(t, token, method, path, body)
			if a.Status != status {
				t.Errorf("%s %s %s = %d %s, want %d", method, path, body, a.Status, a.Body, status)
			}
			return a
		}
		want := func(a apptest.Answer, body string) {
			t.Helper()
			if string(a.Body) != body {
				t.Errorf("answer %s, want %s", a.Body, body)
			}
		}
		want(do(token, http.MethodGet, "/api/notifications/unread_count/", "", http.StatusOK), `{"unread":3}`)
		got := do(token, http.MethodGet, one, "", http.StatusOK)
		if keys := keysOf(t, got); keys != "id kind title body link is_read read_at created_at" {
			t.Errorf("members %q", keys)
		}
		if a := do(token, http.MethodPatch, one, `{"is_read":true,"title":"forged"}`, http.StatusOK).JSON(t); a["is_read"] != true || a["read_at"] == nil || a["title"] != "n0" {
			t.Errorf("PATCH is_read = %v, want it read and otherwise untouched", a)
		}
		do(token, http.MethodPatch, one, `{}`, http.StatusOK)
		want(do(token, http.MethodPatch, one, `{"is_read":"maybe"}`, http.StatusBadRequest), `{"is_read":["Must be a valid boolean."]}`)
		if n := do(token, http.MethodGet, "/api/notifications/?is_read=false", "", http.StatusOK).JSON(t)["count"]; n != 2.0 {
			t.Errorf("%v unread in the list, want 2", n)
		}
		if n := do(token, http.MethodGet, "/api/notifications/?kind=other", "", http.StatusOK).JSON(t)["count"]; n != 0.0 {
			t.Errorf("%v of another kind, want 0", n)
		}
		want(do(token, http.MethodPost, "/api/notifications/mark_all_read/", "", http.StatusOK), `{"marked":2}`)
		want(do(token, http.MethodPost, "/api/notifications/mark_all_read/", "", http.StatusOK), `{"marked":0}`)
		for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodDelete} {
			want(do(other, method, one, "", http.StatusNotFound), `{"detail":"Not found."}`)
		}
		do(token, http.MethodDelete, one, "", http.StatusNoContent)
		do(token, http.MethodDelete, one, "", http.StatusNotFound)
		do(token, http.MethodPatch, "/api/notifications/x/", `{`, http.StatusNotFound)
		do("", http.MethodGet, "/api/notifications/", "", http.StatusUnauthorized)
	})
}
