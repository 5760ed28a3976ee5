package app_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/audit"
	"github.com/bdash/bdash/internal/identity"
)

type auditEntry struct {
	Action, Outcome, Via, IP string
	Actor                    *int64
	ActorName                string `json:"actor_name"`
	TargetKind               string `json:"target_kind"`
	TargetID                 string `json:"target_id"`
	RequestID                string `json:"request_id"`
	Detail                   map[string]any
}

func record(t *testing.T, s *apptest.Server, token, query string) []auditEntry {
	t.Helper()
	var list struct{ Results []auditEntry }
	got := s.Expect(t, http.StatusOK, token, http.MethodGet, "/api/audit/?page_size=100&"+query, "")
	if err := json.Unmarshal(got.Body, &list); err != nil {
		t.Fatal(err)
	}
	return list.Results
}

func TestAuditRecord(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		admin, user := s.Person(t, identity.Admin), s.Person(t, identity.User)
		path := fmt.Sprintf("/api/users/%d/", user.User.ID)
		do := func(want int, token, method, path, body string) {
			t.Helper()
			s.Expect(t, want, token, method, path, body)
		}
		do(400, "", http.MethodPost, "/api/auth/login/", fmt.Sprintf(`{"email":%q,"password":"wrong-password"}`, user.User.Email))
		do(200, "", http.MethodPost, "/api/auth/login/", fmt.Sprintf(`{"email":%q,"password":%q}`, user.User.Email, apptest.Password))
		do(401, "", http.MethodPost, "/api/auth/token/", `{"username":"nobody","password":"wrong-password"}`)
		do(201, user.Access, http.MethodPost, "/api/auth/api-keys/", `{"name":"k","scopes":["read"]}`)
		do(201, user.Access, http.MethodPost, "/api/widgets/", `{"name":"w","widget_type":"stats"}`)
		widget := fmt.Sprint(s.Expect(t, 200, user.Access, http.MethodGet, "/api/widgets/", "").JSON(t)["results"].([]any)[0].(map[string]any)["id"])
		do(200, user.Access, http.MethodPatch, "/api/widgets/"+widget+"/", `{"name":"own"}`)
		do(200, admin.Access, http.MethodPatch, "/api/widgets/"+widget+"/", `{"name":"theirs"}`)
		do(200, admin.Access, http.MethodPatch, path, `{"role":"editor","first_name":"X"}`)
		do(403, user.Access, http.MethodPatch, path, `{"role":"admin"}`)
		do(200, user.Access, http.MethodPost, "/api/auth/logout/", "")
		do(204, admin.Access, http.MethodDelete, path, "")

		entries := record(t, s, admin.Access, "ordering=id")
		var got []string
		for _, e := range entries {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.Action, e.Outcome, e.Via, e.TargetKind)))
			if e.IP != "127.0.0.1" || e.RequestID == "" {
				t.Errorf("%s comes from %q in request %q, want both", e.Action, e.IP, e.RequestID)
			}
		}
		want := []string{"auth.login failed", "auth.login ok session", "auth.login failed", "auth.api_key_create ok session",
			"widget.update ok session widget", "user.update ok session user", "auth.logout ok session", "user.delete ok session user"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("entries (-want +got):\n%s", diff)
		}
		if e := entries[0]; e.Actor != nil || e.ActorName != user.User.Email {
			t.Errorf("the failed sign-in is by %v, %q, want the name that was tried", e.Actor, e.ActorName)
		}
		if e := entries[4]; e.TargetID != widget || e.Detail["owner"] != float64(user.User.ID) {
			t.Errorf("the change of a foreign widget = %+v, want its id and owner", e)
		}
		if e := entries[5]; *e.Actor != admin.User.ID || !cmp.Equal(e.Detail, map[string]any{"role": []any{"user", "editor"}}) {
			t.Errorf("the change of the role = %+v, want who and from what to what", e)
		}
		if all := string(s.Do(t, admin.Access, http.MethodGet, "/api/audit/?page_size=100", "").Body); strings.Contains(all, apptest.Password) || strings.Contains(all, "wrong-password") {
			t.Error("the record holds a password")
		}
		auditFilters(t, s, admin, len(entries))
	})
}

func auditFilters(t *testing.T, s *apptest.Server, admin apptest.Person, total int) {
	t.Helper()
	for query, want := range map[string]int{
		"action=auth.login": 3, "outcome=failed": 2, fmt.Sprintf("actor=%d", admin.User.ID): 3, "target_kind=user": 2, "via=api_key": 0,
		"since=2100-01-01T00:00:00Z": 0, "until=2100-01-01T00:00:00Z": total, "since=2000-01-01T00:00:00Z&outcome=failed": 2, "actor=x": 0,
	} {
		if got := record(t, s, admin.Access, query); len(got) != want {
			t.Errorf("?%s gives %d entries, want %d", query, len(got), want)
		}
	}
	s.Expect(t, http.StatusBadRequest, admin.Access, http.MethodGet, "/api/audit/?since=yesterday", "")
	s.Expect(t, http.StatusBadRequest, admin.Access, http.MethodGet, "/api/audit/export/?as=xml", "")
	s.Expect(t, http.StatusBadRequest, admin.Access, http.MethodGet, "/api/audit/?outcome=maybe", "")
	lines := string(s.Expect(t, http.StatusOK, admin.Access, http.MethodGet, "/api/audit/export/", "").Body)
	if n := strings.Count(lines, "\n"); n != total {
		t.Errorf("the export has %d lines, want %d", n, total)
	}
	table := string(s.Expect(t, http.StatusOK, admin.Access, http.MethodGet, "/api/audit/export/?as=csv&outcome=failed", "").Body)
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][5] != "action" || rows[1][5] != "auth.login" {
		t.Errorf("the table = %v, %v, want a head and two rows", rows, err)
	}
}

var auditAll audit.Query

func auditOf(name string) audit.Entry {
	return audit.Entry{ActorName: name, Action: "auth.login", Outcome: audit.Failed}
}

// More entries than are read at a time, and formulas in what strangers typed.
func TestAuditExport(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{Frozen: true, Env: []string{"AUDIT_RETENTION_DAYS=30"}}, func(t *testing.T, s *apptest.Server) {
		admin := s.Person(t, identity.Admin)
		const n = 1203
		for i := range n {
			if err := s.App.API.Audit.Record(t.Context(), auditOf(fmt.Sprintf("=%d", i))); err != nil {
				t.Fatal(err)
			}
		}
		table := string(s.Expect(t, http.StatusOK, admin.Access, http.MethodGet, "/api/audit/export/?as=csv", "").Body)
		rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
		if err != nil || len(rows) != n+1 {
			t.Fatalf("the table has %d rows, %v, want %d", len(rows), err, n+1)
		}
		for i, row := range rows[1:] {
			if row[3] != fmt.Sprintf("'=%d", i) {
				t.Fatalf("row %d names %q, want them in order and none a formula", i, row[3])
			}
		}
		s.Clock.Advance(29 * 24 * time.Hour)
		if err := s.App.API.Audit.Sweep(t.Context(), 30*24*time.Hour); err != nil {
			t.Fatal(err)
		}
		if got, err := s.App.API.Audit.Store.After(t.Context(), auditAll, 0, 2000); err != nil || len(got) != n {
			t.Errorf("after 29 days %d entries, %v, want %d", len(got), err, n)
		}
		s.Clock.Advance(2 * 24 * time.Hour)
		if err := s.App.API.Audit.Sweep(t.Context(), 30*24*time.Hour); err != nil {
			t.Fatal(err)
		}
		if got, err := s.App.API.Audit.Store.After(t.Context(), auditAll, 0, 2000); err != nil || len(got) != 0 {
			t.Errorf("after 31 days %d entries, %v, want none", len(got), err)
		}
	})
}
