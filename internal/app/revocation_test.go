package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/identity"
)

// revocation is a way to lose access.
type revocation struct {
	name string
	end  func(t *testing.T, s *apptest.Server, p apptest.Person, admin string)
	// others: the user's other sessions end too. keys: API keys stop too.
	others, keys bool
}

var revocations = []revocation{
	{name: "logout", end: func(t *testing.T, s *apptest.Server, p apptest.Person, _ string) {
		s.Expect(t, http.StatusOK, p.Access, "POST", "/api/auth/logout/", "")
	}},
	{name: "logout all", others: true, end: func(t *testing.T, s *apptest.Server, p apptest.Person, _ string) {
		s.Expect(t, http.StatusOK, p.Access, "POST", "/api/auth/logout/", `{"all":true}`)
	}},
	{name: "session ended from another one", end: func(t *testing.T, s *apptest.Server, p apptest.Person, _ string) {
		_, other := s.SignIn(t, p.User)
		s.Expect(t, http.StatusNoContent, other.Access, "DELETE", "/api/auth/sessions/"+p.SessionID+"/", "")
	}},
	{name: "password change", others: true, end: func(t *testing.T, s *apptest.Server, p apptest.Person, _ string) {
		body := fmt.Sprintf(`{"old_password":%q,"new_password":"quite-another-one"}`, apptest.Password)
		s.Expect(t, http.StatusOK, p.Access, "POST", "/api/auth/change-password/", body)
	}},
	{name: "password reset", others: true, end: func(t *testing.T, s *apptest.Server, p apptest.Person, _ string) {
		c := &cast{s: s, person: p}
		proof := c.link(t, "{verify}", "{verify}", account.VerifyEmail, p.User)
		s.Expect(t, http.StatusOK, "", "POST", "/api/auth/verify-email/", `{"token":"`+proof+`"}`)
		resetPassword(t, s, p, "")
	}},
	// Whoever made the keys has not shown to read the mail.
	{name: "password reset of an address that was not proven", others: true, keys: true, end: resetPassword},
	{name: "password set by an admin", others: true, end: patchUser(`{"password":"quite-another-one"}`)},
	{name: "status inactive", others: true, keys: true, end: patchUser(`{"status":"inactive"}`)},
	{name: "is_active false", others: true, keys: true, end: patchUser(`{"is_active":false}`)},
	{name: "deletion", others: true, keys: true, end: func(t *testing.T, s *apptest.Server, p apptest.Person, admin string) {
		s.Expect(t, http.StatusNoContent, admin, "DELETE", fmt.Sprintf("/api/users/%d/", p.ID), "")
	}},
}

func resetPassword(t *testing.T, s *apptest.Server, p apptest.Person, _ string) {
	t.Helper()
	c := &cast{s: s, person: p}
	token := c.link(t, "{reset}", "{reset}", account.ResetPassword, p.User)
	s.Expect(t, http.StatusOK, "", "POST", "/api/auth/password-reset/confirm/", `{"token":"`+token+`","new_password":"quite-another-one"}`)
}

func patchUser(body string) func(*testing.T, *apptest.Server, apptest.Person, string) {
	return func(t *testing.T, s *apptest.Server, p apptest.Person, admin string) {
		t.Helper()
		s.Expect(t, http.StatusOK, admin, "PATCH", fmt.Sprintf("/api/users/%d/", p.ID), body)
	}
}

// eachPair runs test with two instances on one database.
func eachPair(t *testing.T, opts apptest.Options, test func(t *testing.T, a, b *apptest.Server)) {
	t.Helper()
	apptest.Each(t, opts, func(t *testing.T, s *apptest.Server) { test(t, s, s.Beside(t)) })
}

const me = "/api/auth/me/"

// What is revoked on one instance is refused by the next request on each.
func TestRevocation(t *testing.T) {
	t.Parallel()
	eachPair(t, apptest.Options{}, func(t *testing.T, a, b *apptest.Server) {
		admin := a.Person(t, identity.Admin).Access
		for _, r := range revocations {
			t.Run(strings.ReplaceAll(r.name, " ", "_"), func(t *testing.T) {
				p := a.Person(t, identity.User)
				_, other := a.SignIn(t, p.User)
				_, key := a.AddKey(t, p.User, "read")
				both := func(when, token string, want int) {
					t.Helper()
					for i, s := range []*apptest.Server{a, b} {
						if got := s.Do(t, token, "GET", me, ""); got.Status != want {
							t.Errorf("%s, instance %d: GET %s = %d %s, want %d", when, i+1, me, got.Status, got.Body, want)
						}
					}
				}
				for _, token := range []string{p.Access, other.Access, key} {
					both("before", token, http.StatusOK) // fills whatever is kept in memory
				}
				r.end(t, a, p, admin)
				both("the token", p.Access, http.StatusUnauthorized)
				both("another session", other.Access, statusIf(r.others))
				both("an API key", key, statusIf(r.keys))
				refused(t, a, p.Tokens)
				refused(t, b, p.Tokens)
			})
		}
	})
}

func statusIf(refused bool) int {
	if refused {
		return http.StatusUnauthorized
	}
	return http.StatusOK
}

// refused checks the doors that take tokens in the body.
func refused(t *testing.T, s *apptest.Server, tokens apptest.Tokens) {
	t.Helper()
	s.Expect(t, http.StatusUnauthorized, "", "POST", "/api/auth/refresh/", `{"refresh":"`+tokens.Refresh+`"}`)
	s.Expect(t, http.StatusUnauthorized, "", "POST", "/api/auth/verify/", `{"token":"`+tokens.Refresh+`"}`)
	s.Expect(t, http.StatusUnauthorized, "", "POST", "/api/auth/verify/", `{"token":"`+tokens.Access+`"}`)
}

// Tokens that a Django deployment made have no session; they are refused one
// by one, or all that are older.
func TestRevocationOfTokensWithoutSession(t *testing.T) {
	t.Parallel()
	eachPair(t, apptest.Options{}, func(t *testing.T, a, b *apptest.Server) {
		admin := a.Person(t, identity.Admin).Access
		for _, r := range revocations {
			if strings.HasPrefix(r.name, "session") {
				continue // there is none
			}
			t.Run(strings.ReplaceAll(r.name, " ", "_"), func(t *testing.T) {
				p := a.Person(t, identity.User)
				p.Access = djangoToken(a, p.User, "one")
				other := djangoToken(a, p.User, "two")
				for _, s := range []*apptest.Server{a, b} {
					s.Expect(t, http.StatusOK, p.Access, "GET", me, "")
					s.Expect(t, http.StatusOK, other, "GET", me, "")
				}
				r.end(t, a, p, admin)
				for _, s := range []*apptest.Server{a, b} {
					s.Expect(t, http.StatusUnauthorized, p.Access, "GET", me, "")
					s.Expect(t, statusIf(r.others), other, "GET", me, "")
				}
			})
		}
	})
}

// djangoToken was issued a minute ago: the time is told in whole seconds.
func djangoToken(s *apptest.Server, u account.User, name string) string {
	service := s.App.API.Auth
	issued := service.Now().Add(-time.Minute)
	return service.Keys.Access(&auth.Session{UserID: u.ID}, &u, fmt.Sprintf("%s-%d", name, u.ID), issued.Unix(), issued.Add(time.Hour))
}

// A change of role counts for tokens that were made before it.
func TestRoleCountsAtOnce(t *testing.T) {
	t.Parallel()
	eachPair(t, apptest.Options{}, func(t *testing.T, a, b *apptest.Server) {
		admin := a.Person(t, identity.Admin).Access
		p := a.Person(t, identity.User)
		for _, step := range []struct {
			role string
			want int
		}{{"", http.StatusForbidden}, {"admin", http.StatusOK}, {"editor", http.StatusForbidden}, {"admin", http.StatusOK}, {"user", http.StatusForbidden}} {
			if step.role != "" {
				patchUser(`{"role":"`+step.role+`"}`)(t, a, p, admin)
			}
			a.Expect(t, step.want, p.Access, "GET", "/api/users/", "")
			b.Expect(t, step.want, p.Access, "GET", "/api/users/", "")
		}
	})
}

// A key that is deleted stops on every instance.
func TestKeyRevocation(t *testing.T) {
	t.Parallel()
	eachPair(t, apptest.Options{}, func(t *testing.T, a, b *apptest.Server) {
		p := a.Person(t, identity.User)
		id, key := a.AddKey(t, p.User, "read")
		a.Expect(t, http.StatusOK, key, "GET", me, "")
		b.Expect(t, http.StatusOK, key, "GET", me, "")
		a.Expect(t, http.StatusNoContent, p.Access, "DELETE", fmt.Sprintf("/api/auth/api-keys/%d/", id), "")
		a.Expect(t, http.StatusUnauthorized, key, "GET", me, "")
		b.Expect(t, http.StatusUnauthorized, key, "GET", me, "")
	})
}

// Time runs out for tokens and keys alike, also for those that are kept in
// memory as good ones.
func TestExpiry(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Frozen: true, Env: []string{"JWT_EXPIRATION_HOURS=1"}})
	p := s.Person(t, identity.User)
	expires := s.Clock.Now().Add(time.Minute).Format(time.RFC3339)
	made := s.Expect(t, http.StatusCreated, p.Access, "POST", "/api/auth/api-keys/", `{"name":"k","scopes":["read"],"expires_at":"`+expires+`"}`)
	key, _ := made.JSON(t)["key"].(string)
	s.Expect(t, http.StatusOK, key, "GET", me, "")
	s.Clock.Advance(time.Minute)
	s.Expect(t, http.StatusUnauthorized, key, "GET", me, "")
	s.Expect(t, http.StatusOK, p.Access, "GET", me, "")
	s.Clock.Advance(time.Hour)
	s.Expect(t, http.StatusUnauthorized, p.Access, "GET", me, "")
	s.Expect(t, http.StatusOK, "", "POST", "/api/auth/refresh/", `{"refresh":"`+p.Refresh+`"}`)
}
