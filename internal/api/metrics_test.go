package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/api"
	"github.com/bdash/bdash/internal/drf"
)

// told is what Observe's observers are told: "view method status".
type told struct {
	mu    sync.Mutex
	lines []string
}

func (o *told) observe(view string) drf.Observer {
	return func(method string, status int, took time.Duration) {
		o.mu.Lock()
		defer o.mu.Unlock()
		line := fmt.Sprintf("%s %s %d", view, method, status)
		if took < 0 || took > time.Minute {
			line += " " + took.String()
		}
		o.lines = append(o.lines, line)
	}
}

func (o *told) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := o.lines
	o.lines = nil
	return lines
}

// Every answer is told of once, whoever gives it.
func TestObserveEveryAnswer(t *testing.T) {
	t.Parallel()
	o := &told{}
	ready := func(context.Context) error { return nil }
	s := &api.Server{
		Log: slog.New(slog.DiscardHandler), Observe: o.observe,
		Ready:   func(ctx context.Context) error { return ready(ctx) },
		Options: api.Options{AllowedOrigins: []string{"https://app.example.org"}, MetricsToken: "token"},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("metrics")) }),
	}
	h := s.Handler()
	for _, c := range []struct {
		method, path, header string
		status               int
		want                 string
	}{
		{http.MethodGet, "/api/themes/", "", 401, "themes/ GET 401"},
		{http.MethodGet, "/api/v1/themes/7/", "", 401, "themes/{id}/ GET 401"},
		{"BREW", "/api/auth/verify/", "", 405, "auth/verify/ BREW 405"},
		{http.MethodGet, "/api/themes", "", 301, "other GET 301"},
		{http.MethodGet, "/api/none/", "", 404, "other GET 404"},
		{http.MethodPut, "/none", "", 404, "other PUT 404"},
		{http.MethodGet, "/a/../b", "", 404, "other GET 404"},
		{http.MethodGet, "/api/schema/", "", 200, "other GET 200"},
		{http.MethodGet, "/healthz", "", 200, "other GET 200"},
		{http.MethodGet, "/readyz", "", 200, "other GET 200"},
		{http.MethodGet, "/metrics", "", 401, "other GET 401"},
		{http.MethodGet, "/metrics", "Bearer token", 200, "other GET 200"},
		{http.MethodDelete, "/metrics", "Bearer token", 405, "other DELETE 405"},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		r.URL.Path = c.path
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s %s = %d, want %d", c.method, c.path, w.Code, c.status)
		}
		if diff := cmp.Diff([]string{c.want}, o.take()); diff != "" {
			t.Errorf("%s %s: observed (-want +got):\n%s", c.method, c.path, diff)
		}
	}
	preflight := httptest.NewRequest(http.MethodOptions, "/api/themes/", nil)
	preflight.Header.Set("Origin", "https://app.example.org")
	preflight.Header.Set("Access-Control-Request-Method", "PUT")
	h.ServeHTTP(httptest.NewRecorder(), preflight)
	if diff := cmp.Diff([]string{"other OPTIONS 200"}, o.take()); diff != "" {
		t.Errorf("preflight: observed (-want +got):\n%s", diff)
	}
	ready = func(context.Context) error { panic("boom") }
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("a panic = %d, want 500", w.Code)
	}
	if diff := cmp.Diff([]string{"other GET 500"}, o.take()); diff != "" {
		t.Errorf("a panic: observed (-want +got):\n%s", diff)
	}
}

// /metrics is there only with a token and with something to show.
func TestMetricsPathNeedsToken(t *testing.T) {
	t.Parallel()
	show := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("metrics")) })
	for _, c := range []struct {
		name    string
		metrics http.Handler
		token   string
		want    int
	}{
		{"neither", nil, "", 404},
		{"no token", show, "", 404},
		{"nothing to show", nil, "token", 404},
		{"both", show, "token", 200},
	} {
		s := &api.Server{Log: slog.New(slog.DiscardHandler), Metrics: c.metrics, Options: api.Options{MetricsToken: c.token}}
		for _, header := range []string{"Bearer " + c.token, "Bearer ", ""} {
			want := c.want
			if want == 200 && header != "Bearer token" {
				want = 401
			}
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.Header.Set("Authorization", header)
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s, %q: /metrics = %d, want %d", c.name, header, w.Code, want)
			}
		}
	}
}
