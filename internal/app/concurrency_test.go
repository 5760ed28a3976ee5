package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/identity"
)

// together calls do for 0 to n-1 at the same time and gives the answers.
func together(n int, do func(i int) apptest.Answer) []apptest.Answer {
	answers := make([]apptest.Answer, n)
	start := make(chan struct{})
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			<-start
			answers[i] = do(i)
		})
	}
	close(start)
	wait.Wait()
	return answers
}

// eachCluster runs test with two instances where several may write: on SQLite
// both are the same.
func eachCluster(t *testing.T, opts apptest.Options, test func(t *testing.T, a, b *apptest.Server)) {
	t.Helper()
	apptest.Each(t, opts, func(t *testing.T, s *apptest.Server) {
		if s.App.Config.Database.Engine == config.SQLite {
			test(t, s, s)
			return
		}
		test(t, s, s.Beside(t))
	})
}

// wantAll tells of the first answer with another status, and how many there are.
func wantAll(t *testing.T, answers []apptest.Answer, status int) {
	t.Helper()
	var other []apptest.Answer
	for _, a := range answers {
		if a.Status != status {
			other = append(other, a)
		}
	}
	if len(other) > 0 {
		t.Errorf("%d of %d answers are not %d; the first is %d %s", len(other), len(answers), status, other[0].Status, other[0].Body)
	}
}

// Whatever runs at the same time, on one instance or two: exactly one row is
// active afterwards, and nobody is told of the others.
func TestConcurrentActivation(t *testing.T) {
	t.Parallel()
	for _, resource := range []struct{ kind, path string }{{"theme", "/api/themes/"}, {"view", "/api/dashboard/views/"}} {
		t.Run(resource.kind, func(t *testing.T) {
			t.Parallel()
			eachCluster(t, apptest.Options{}, func(t *testing.T, a, b *apptest.Server) {
				p := a.Person(t, identity.User)
				ids := addNamed(t, a, p, resource.path, 5)
				answers := together(200, func(i int) apptest.Answer {
					s := []*apptest.Server{a, b}[i%2]
					return s.Do(t, p.Access, "POST", resource.path+ids[i%len(ids)]+"/set_active/", "")
				})
				wantAll(t, answers, http.StatusOK)
				for _, s := range []*apptest.Server{a, b} {
					page := s.Expect(t, http.StatusOK, p.Access, "GET", resource.path+"?is_active=true", "").JSON(t)
					if page["count"] != 1.0 {
						t.Errorf("active rows = %v, want 1", page["count"])
					}
				}
			})
		})
	}
}

// addNamed makes n rows, each called active at birth, and gives their ids.
func addNamed(t *testing.T, s *apptest.Server, p apptest.Person, path string, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		body := fmt.Sprintf(`{"name":"row %d","color_mode":"dark","is_active":true}`, i)
		made := s.Expect(t, http.StatusCreated, p.Access, "POST", path, body).JSON(t)
		ids[i] = strconv.FormatFloat(made["id"].(float64), 'f', 0, 64)
	}
	return ids
}

// Many tabs refresh at once: all get the same successor. Later the same token
// is taken for a stolen one.
func TestConcurrentRefresh(t *testing.T) {
	t.Parallel()
	eachCluster(t, apptest.Options{Frozen: true}, func(t *testing.T, a, b *apptest.Server) {
		p := a.Person(t, identity.User)
		body := `{"refresh":"` + p.Refresh + `"}`
		answers := together(200, func(i int) apptest.Answer {
			return []*apptest.Server{a, b}[i%2].Do(t, "", "POST", "/api/auth/refresh/", body)
		})
		wantAll(t, answers, http.StatusOK)
		var first apptest.Tokens
		for i, answer := range answers {
			var got apptest.Tokens
			if err := json.Unmarshal(answer.Body, &got); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = got
			}
			if got.Refresh != first.Refresh || got.Refresh == p.Refresh {
				t.Fatalf("refresh token %d is another one than the first, or the old one", i)
			}
		}
		a.Expect(t, http.StatusOK, p.Access, "GET", me, "")
		b.Expect(t, http.StatusOK, first.Access, "GET", me, "")
	})
}

// The grace is over after ten seconds: then the token that was rotated away
// ends the session, with everything that came from it.
func TestReuseEndsTheSession(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		wait    time.Duration
		further bool // the successor was rotated itself
		want    int
	}{
		{"within the grace", 10 * time.Second, false, http.StatusOK},
		{"after it", 11 * time.Second, false, http.StatusUnauthorized},
		{"successor used", 0, true, http.StatusUnauthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			apptest.Each(t, apptest.Options{Frozen: true}, func(t *testing.T, s *apptest.Server) {
				p := s.Person(t, identity.User)
				next := refresh(t, s, p.Refresh)
				if test.further {
					next = refresh(t, s, next.Refresh)
				}
				s.Clock.Advance(test.wait)
				s.Expect(t, test.want, "", "POST", "/api/auth/refresh/", `{"refresh":"`+p.Refresh+`"}`)
				s.Expect(t, test.want, p.Access, "GET", me, "")
				s.Expect(t, test.want, next.Access, "GET", me, "")
				s.Expect(t, test.want, "", "POST", "/api/auth/refresh/", `{"refresh":"`+next.Refresh+`"}`)
			})
		})
	}
}

func refresh(t *testing.T, s *apptest.Server, token string) apptest.Tokens {
	t.Helper()
	var out apptest.Tokens
	answer := s.Expect(t, http.StatusOK, "", "POST", "/api/auth/refresh/", `{"refresh":"`+token+`"}`)
	if err := json.Unmarshal(answer.Body, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// What is made at first sight is made once.
func TestConcurrentFirstSight(t *testing.T) {
	t.Parallel()
	eachCluster(t, apptest.Options{}, func(t *testing.T, a, b *apptest.Server) {
		for _, path := range []string{"/api/user/preferences/", "/api/dashboard/preferences/", "/api/dashboard/layout/"} {
			p := a.Person(t, identity.User)
			answers := together(100, func(i int) apptest.Answer {
				return []*apptest.Server{a, b}[i%2].Do(t, p.Access, "GET", path, "")
			})
			wantAll(t, answers, http.StatusOK)
			for _, answer := range answers[1:] {
				if diff := cmp.Diff(string(answers[0].Body), string(answer.Body)); diff != "" {
					t.Fatalf("two first answers of %s differ (-first +other):\n%s", path, diff)
				}
			}
		}
	})
}

// The same built-in theme, chosen many times at once, is copied once.
func TestConcurrentCopyOfBuiltIn(t *testing.T) {
	t.Parallel()
	eachCluster(t, apptest.Options{}, func(t *testing.T, a, b *apptest.Server) {
		p := a.Person(t, identity.User)
		answers := together(50, func(i int) apptest.Answer {
			return []*apptest.Server{a, b}[i%2].Do(t, p.Access, "PUT", "/api/themes/active/", `{"theme_id":-1}`)
		})
		wantAll(t, answers, http.StatusOK)
		if page := a.Expect(t, http.StatusOK, p.Access, "GET", "/api/themes/", "").JSON(t); page["count"] != 1.0 {
			t.Errorf("themes = %v, want 1", page["count"])
		}
	})
}

// Registrations of one address at the same time: one account.
func TestConcurrentRegistration(t *testing.T) {
	t.Parallel()
	eachCluster(t, apptest.Options{}, func(t *testing.T, a, b *apptest.Server) {
		body := `{"email":"carol@example.com","password":"` + apptest.Password + `","password_confirm":"` + apptest.Password + `"}`
		made := 0
		for _, answer := range together(20, func(i int) apptest.Answer {
			return []*apptest.Server{a, b}[i%2].Do(t, "", "POST", "/api/auth/register/", body)
		}) {
			switch answer.Status {
			case http.StatusCreated:
				made++
			case http.StatusBadRequest:
			default:
				t.Errorf("register = %d %s, want 201 or 400", answer.Status, answer.Body)
			}
		}
		if made != 1 {
			t.Errorf("%d registrations of one address succeeded, want 1", made)
		}
	})
}

// What was written on one instance is read on the other by the next request,
// though both keep bodies in memory and in Redis.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	eachPair(t, apptest.Options{}, func(t *testing.T, a, b *apptest.Server) {
		p := a.Person(t, identity.User)
		ids := addNamed(t, a, p, "/api/themes/", 2)
		servers := []*apptest.Server{a, b}
		for i := range 100 {
			writer, reader := servers[i%2], servers[(i+1)%2]
			view := fmt.Sprintf("view-%d", i)
			writer.Expect(t, http.StatusOK, p.Access, "PATCH", "/api/user/preferences/", `{"active_dashboard_view":"`+view+`"}`)
			if got := reader.Do(t, p.Access, "GET", "/api/user/preferences/", "").JSON(t)["active_dashboard_view"]; got != view {
				t.Fatalf("round %d: preferences on the other instance = %v, want %s", i, got, view)
			}
			id := ids[i%2]
			writer.Expect(t, http.StatusOK, p.Access, "POST", "/api/themes/"+id+"/set_active/", "")
			if got := fmt.Sprint(reader.Do(t, p.Access, "GET", "/api/themes/active/", "").JSON(t)["id"]); got != id {
				t.Fatalf("round %d: active theme on the other instance = %v, want %s", i, got, id)
			}
			writer.Expect(t, http.StatusOK, p.Access, "PATCH", me, `{"bio":"`+view+`"}`)
			if got := reader.Do(t, p.Access, "GET", me, "").JSON(t)["bio"]; got != view {
				t.Fatalf("round %d: bio on the other instance = %v, want %s", i, got, view)
			}
		}
	})
}

// A logout is final also while the token is in full use: no request that was
// under way puts it back into memory.
func TestLogoutUnderLoad(t *testing.T) {
	t.Parallel()
	eachPair(t, apptest.Options{}, func(t *testing.T, a, b *apptest.Server) {
		servers := []*apptest.Server{a, b}
		for range 4 {
			p := a.Person(t, identity.User)
			ctx, stop := context.WithCancel(t.Context())
			var wait sync.WaitGroup
			var answered atomic.Int64
			for i := range 16 {
				wait.Go(func() {
					for ctx.Err() == nil {
						servers[i%2].Do(t, p.Access, "GET", me, "")
						answered.Add(1)
					}
				})
			}
			apptest.Eventually(t, "the load", func() bool { return answered.Load() > 100 })
			a.Expect(t, http.StatusOK, p.Access, "POST", "/api/auth/logout/", "")
			wantAll(t, together(32, func(i int) apptest.Answer { return servers[i%2].Do(t, p.Access, "GET", me, "") }), http.StatusUnauthorized)
			stop()
			wait.Wait()
		}
	})
}
