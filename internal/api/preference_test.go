package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

// keysOf are the member names of an answer's object, in their order.
func keysOf(t *testing.T, a apptest.Answer) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(a.Body))
	if _, err := dec.Token(); err != nil {
		t.Fatalf("body %q: %v", a.Body, err)
	}
	var keys []string
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatalf("body %q: %v", a.Body, err)
		}
		keys = append(keys, fmt.Sprint(key))
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Fatalf("body %q: %v", a.Body, err)
		}
	}
	return strings.Join(keys, " ")
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		s.AddUser(t, "alice@example.com", identity.User)
		token := s.Login(t, "alice@example.com").Access
		const path = "/api/user/preferences/"
		first := s.Do(t, token, http.MethodGet, path, "")
		if got, want := keysOf(t, first), "locale theme_mode active_theme_id sidebar_collapsed active_dashboard_view created_at updated_at time_zone"; got != want {
			t.Errorf("members %q, want %q", got, want)
		}
		// Each change must show at once in what is read, on both paths, cached or not.
		for i, step := range []struct{ method, body, want string }{
			{http.MethodPatch, `{"locale":"fr"}`, `{"locale":"fr","theme_mode":"system","active_theme_id":null,"sidebar_collapsed":false,"active_dashboard_view":"",`},
			{http.MethodPut, `{"theme_mode":"dark"}`, `{"locale":"fr","theme_mode":"dark","active_theme_id":null,"sidebar_collapsed":false,"active_dashboard_view":"",`},
			{http.MethodPatch, `{"active_theme_id":5}`, `{"locale":"fr","theme_mode":"dark","active_theme_id":"5",`},
			{http.MethodPatch, `{"active_theme_id":null,"sidebar_collapsed":"yes"}`, `{"locale":"fr","theme_mode":"dark","active_theme_id":null,"sidebar_collapsed":true,`},
			{http.MethodPut, ``, `{"locale":"fr","theme_mode":"dark","active_theme_id":null,"sidebar_collapsed":true,`},
		} {
			written := s.Do(t, token, step.method, path, step.body)
			if written.Status != http.StatusOK || !strings.HasPrefix(string(written.Body), step.want) {
				t.Fatalf("step %d: %s %s = %d %s, want 200 %s…", i, step.method, step.body, written.Status, written.Body, step.want)
			}
			for _, p := range []string{path, "/api/v1/user/preferences/", "/api/dashboard/preferences/", path} {
				if read := s.Do(t, token, http.MethodGet, p, ""); string(read.Body) != string(written.Body) {
					t.Fatalf("step %d: GET %s = %s, want %s", i, p, read.Body, written.Body)
				}
			}
		}
		if bad := s.Do(t, token, http.MethodPatch, path, `{"time_zone":"Mars/Olympus"}`); bad.Status != http.StatusBadRequest ||
			string(bad.Body) != `{"time_zone":["\"Mars/Olympus\" is not a known time zone."]}` {
			t.Errorf("PATCH of a bad time zone = %d %s", bad.Status, bad.Body)
		}
		if head := s.Do(t, token, http.MethodHead, path, ""); head.Status != http.StatusOK || len(head.Body) != 0 {
			t.Errorf("HEAD = %d %q, want 200 without a body", head.Status, head.Body)
		}
	})
}

func TestPreferencesAreNotMixedUp(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		const path = "/api/user/preferences/"
		var wg sync.WaitGroup
		for i := range 4 {
			email := fmt.Sprintf("user%d@example.com", i)
			s.AddUser(t, email, identity.User)
			token := s.Login(t, email).Access
			wg.Go(func() {
				for n := range 10 {
					view := fmt.Sprintf("%d-%d", i, n)
					s.Do(t, token, http.MethodPatch, path, `{"active_dashboard_view":"`+view+`"}`)
					if got := s.Do(t, token, http.MethodGet, path, "").JSON(t)["active_dashboard_view"]; got != view {
						t.Errorf("user %d reads %v after writing %q", i, got, view)
					}
				}
			})
		}
		wg.Wait()
	})
}
