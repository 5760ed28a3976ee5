package app_test

import (
	"net/http"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

// Django takes a method in any case: fetch() sends "patch" as it is written.
func TestMethodCase(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	p := s.Person(t, identity.User)
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string // the member "locale" or "detail"
	}{
		{"patch", "/api/user/preferences/", `{"locale":"fr"}`, 200, "fr"},
		{"Put", "/api/user/preferences/", `{"locale":"de"}`, 200, "de"},
		{"get", "/api/user/preferences/", "", 200, "de"},
		{"delete", "/api/user/preferences/", "", 405, `Method "DELETE" not allowed.`},
		{"foo", "/api/user/preferences/", "", 405, `Method "FOO" not allowed.`},
	} {
		got := send(t, s, test.method, test.path, test.body, "Authorization: Bearer "+p.Access, "Content-Type: application/json")
		body := got.JSON(t)
		value := body["locale"]
		if value == nil {
			value = body["detail"]
		}
		if got.Status != test.status || value != test.want {
			t.Errorf("%s %s = %d %s, want %d with %q", test.method, test.path, got.Status, got.Body, test.status, test.want)
		}
	}
	if got := send(t, s, "delete", "/api/user/preferences", ""); got.Status != http.StatusMovedPermanently {
		t.Errorf("delete without slash = %d, want 301", got.Status)
	}
}

// Several Authorization headers are one with commas, which is none that the
// server could choose from.
func TestRepeatedAuthorization(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	p := s.Person(t, identity.User)
	bearer := "Authorization: Bearer " + p.Access
	for name, headers := range map[string][]string{
		"twice":             {bearer, bearer},
		"bearer then basic": {bearer, "Authorization: Basic eDp5"},
		"basic then bearer": {"Authorization: Basic eDp5", bearer},
	} {
		if got := send(t, s, "GET", "/api/auth/me/", "", headers...); got.Status != http.StatusUnauthorized {
			t.Errorf("%s = %d %s, want 401", name, got.Status, got.Body)
		}
	}
}

// The root's links keep the format that was asked for, as DRF's reverse does.
func TestRootKeepsFormat(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	p := s.Person(t, identity.User)
	for query, want := range map[string]string{"": "", "?format=json": "?format=json", "?format=": "?format=", "?page=2": "", "?x=1&format=json": "?format=json"} {
		got := s.Do(t, p.Access, "GET", "/api/"+query, "")
		if links := got.JSON(t); links["themes"] != s.URL+"/api/themes/"+want || links["ai/agents"] != s.URL+"/api/ai/agents/"+want {
			t.Errorf("GET /api/%s = %s, want links that end in %q", query, got.Body, want)
		}
	}
}
