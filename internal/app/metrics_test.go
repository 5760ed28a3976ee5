package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/bdash/bdash/internal/app"
	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

// metricsToken opens /metrics on the API's address in these tests.
const metricsToken = "a-token-for-prometheus-alone"

// freePort lets the metrics have a listener of their own.
const freePort = "METRICS_ADDR=127.0.0.1:0"

func getRequest(t *testing.T, method, url string, headers ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	return req
}

// scrape reads the metrics' own listener.
func scrape(t *testing.T, s *apptest.Server) string {
	t.Helper()
	answer := apptest.Send(t, getRequest(t, http.MethodGet, s.MetricsURL))
	if answer.Status != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("scrape = %d %s, want 200 text/plain", answer.Status, answer.Header.Get("Content-Type"))
	}
	return string(answer.Body)
}

// scrapeUntil scrapes until the lines are there: an answer is counted when its
// handler ends, which may be after the client has read it.
func scrapeUntil(t *testing.T, s *apptest.Server, lines ...string) string {
	t.Helper()
	text := ""
	apptest.Eventually(t, "a scrape with\n"+strings.Join(lines, "\n"), func() bool {
		text = scrape(t, s)
		return !slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(text, "\n"+line+"\n") })
	})
	return text
}

// series are the lines of one metric.
func series(text, name string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name+"{") || strings.HasPrefix(line, name+" ") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func requests(view, method string, status, count int) string {
	return fmt.Sprintf(`bdash_http_requests_total{method=%q,status="%d",view=%q} %d`, method, status, view, count)
}

func TestMetricsCountRequests(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{Env: []string{freePort}}, func(t *testing.T, s *apptest.Server) {
		u := s.AddUser(t, "m@example.org", identity.User)
		token := s.Login(t, u.Email).Access
		for range 3 {
			s.Do(t, token, http.MethodGet, "/api/themes/", "")
		}
		s.Do(t, token, http.MethodGet, "/api/v1/themes/", "") // the same view by its other name
		s.Do(t, token, http.MethodGet, "/api/themes/?page=999", "")
		s.Do(t, "", http.MethodGet, "/api/themes/", "")
		s.Do(t, token, http.MethodGet, "/api/themes/4711/", "")
		s.Do(t, token, http.MethodGet, "/api/themes/4712/", "")
		s.Do(t, token, http.MethodPost, "/api/themes/", `{}`)
		s.Do(t, token, http.MethodPatch, "/api/auth/me/", `{"bio":"x"}`)
		s.Do(t, token, http.MethodDelete, "/api/auth/me/", "")
		s.Do(t, token, http.MethodGet, "/api/", "")
		s.Do(t, token, http.MethodHead, "/api/themes/", "")
		s.Do(t, token, http.MethodOptions, "/api/themes/", "")
		s.Do(t, "", http.MethodGet, "/healthz", "")
		s.Do(t, "", http.MethodGet, "/api/themes", "")
		s.Do(t, "", http.MethodGet, "/nothing/", "")
		s.Do(t, "", http.MethodGet, "//api/", "")
		apptest.Send(t, getRequest(t, http.MethodOptions, s.URL+"/api/themes/", "Origin: http://localhost:3000", "Access-Control-Request-Method: GET"))
		text := scrapeUntil(t, s,
			requests("auth/login/", "POST", 200, 1),
			requests("themes/", "GET", 200, 4),
			requests("themes/", "GET", 404, 1),
			requests("themes/", "GET", 401, 1),
			requests("themes/", "POST", 400, 1),
			requests("themes/", "HEAD", 200, 1),
			requests("themes/", "OPTIONS", 200, 1),
			requests("themes/{id}/", "GET", 404, 2),
			requests("auth/me/", "PATCH", 200, 1),
			requests("auth/me/", "DELETE", 405, 1),
			requests("/", "GET", 200, 1),
			requests("other", "GET", 200, 1),
			requests("other", "GET", 301, 1),
			requests("other", "GET", 404, 2),
			requests("other", "OPTIONS", 200, 1),
			`bdash_http_request_duration_seconds_count{method="GET",view="themes/"} 6`,
			`bdash_http_requests_in_flight 0`,
		)
		if got := len(series(text, "bdash_http_requests_total")); got != 15 {
			t.Errorf("%d series, want 15:\n%s", got, strings.Join(series(text, "bdash_http_requests_total"), "\n"))
		}
		wantProcess(t, text)
	})
}

// wantProcess looks for what does not come from requests.
func wantProcess(t *testing.T, text string) {
	t.Helper()
	for _, pattern := range []string{
		`(?m)^bdash_build_info\{go_version="go1\.[^"]+",version="test"\} 1$`,
		`(?m)^bdash_database_connections\{pool="(reader|postgres)",state="idle"\} [1-9]`,
		`(?m)^bdash_database_connections_max\{pool="(writer|postgres)"\} [1-9]`,
		`(?m)^bdash_cache_lookups_total\{result="hit"\} \d+$`,
		`(?m)^bdash_cache_lookups_total\{result="miss"\} \d+$`,
		`(?m)^bdash_password_computations_waiting 0$`,
		`(?m)^bdash_throttle_refusals_total\{throttle="docs"\} 0$`,
		`(?m)^go_goroutines [1-9]`,
		`(?m)^process_start_time_seconds `,
	} {
		if !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("the scrape lacks %s", pattern)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Clients can invent methods, paths and hosts without end; the metrics stay as
// few as the views.
func TestMetricsStayBounded(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Env: []string{freePort}})
	const rounds = 150
	for i := range rounds {
		evil := fmt.Sprintf("%%22%%0a%%ff-%d", i)
		for _, path := range []string{"/" + evil, "/api/" + evil + "/", "/api/themes/" + evil + "/", "/api/docs/" + evil, "//" + evil} {
			apptest.Send(t, getRequest(t, fmt.Sprintf("EVIL%d", i), s.URL+path, fmt.Sprintf("X-Request-ID: id-%d", i)))
		}
	}
	text := scrapeUntil(t, s,
		fmt.Sprintf(`bdash_http_request_duration_seconds_count{method="other",view="themes/{id}/"} %d`, rounds),
		fmt.Sprintf(`bdash_http_request_duration_seconds_count{method="other",view="other"} %d`, 4*rounds),
	)
	if strings.Contains(text, "EVIL") || strings.Contains(text, "id-") {
		t.Error("a client's own words stand in the metrics")
	}
	if got := series(text, "bdash_http_requests_total"); len(got) > 3 {
		t.Errorf("%d series, want 3 at most:\n%s", len(got), strings.Join(got, "\n"))
	}
}

func TestMetricsCountRefusals(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Env: []string{freePort, "THROTTLE_ANON=2/hour", "THROTTLE_DOCS=1/hour"}})
	for range 5 {
		s.Do(t, "", http.MethodGet, "/api/themes/", "")
		s.Do(t, "", http.MethodGet, "/api/schema/", "")
	}
	scrapeUntil(t, s,
		`bdash_throttle_refusals_total{throttle="docs"} 4`,
		`bdash_throttle_refusals_total{throttle="login"} 0`,
		requests("other", "GET", 429, 4),
	)
}

func TestMetricsInFlight(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Env: []string{freePort}})
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The view waits for a body that does not come.
	if _, err := io.WriteString(conn, "POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	scrapeUntil(t, s, `bdash_http_requests_in_flight 1`)
	conn.Close()
	scrapeUntil(t, s, `bdash_http_requests_in_flight 0`, requests("auth/login/", "POST", 400, 1))
}

// On the API's own address /metrics wants the token.
func TestMetricsToken(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Env: []string{"METRICS_TOKEN=" + metricsToken}})
	u := s.AddUser(t, "m@example.org", identity.Admin)
	admin := s.Login(t, u.Email).Access
	for _, c := range []struct {
		method string
		auth   []string
		want   int
	}{
		{http.MethodGet, nil, 401},
		{http.MethodGet, []string{"Authorization: "}, 401},
		{http.MethodGet, []string{"Authorization: Bearer"}, 401},
		{http.MethodGet, []string{"Authorization: Bearer "}, 401},
		{http.MethodGet, []string{"Authorization: " + metricsToken}, 401},
		{http.MethodGet, []string{"Authorization: Basic " + metricsToken}, 401},
		{http.MethodGet, []string{"Authorization: Bearer " + metricsToken + "x"}, 401},
		{http.MethodGet, []string{"Authorization: Bearer " + metricsToken[1:]}, 401},
		{http.MethodGet, []string{"Authorization: Bearer " + strings.ToUpper(metricsToken)}, 401},
		{http.MethodGet, []string{"Authorization: Bearer " + admin}, 401},
		{http.MethodGet, []string{"Authorization: Bearer wrong", "Authorization: Bearer " + metricsToken}, 401},
		{http.MethodPost, nil, 401},
		{http.MethodPost, []string{"Authorization: Bearer " + metricsToken}, 405},
		{http.MethodGet, []string{"Authorization: Bearer " + metricsToken}, 200},
		{http.MethodGet, []string{"Authorization: bearer  " + metricsToken}, 200},
		{http.MethodHead, []string{"Authorization: Bearer " + metricsToken}, 200},
	} {
		answer := apptest.Send(t, getRequest(t, c.method, s.URL+"/metrics", c.auth...))
		if answer.Status != c.want {
			t.Errorf("%s %q = %d, want %d", c.method, c.auth, answer.Status, c.want)
		}
		if scraped := bytes.Contains(answer.Body, []byte("bdash_build_info{")); scraped != (c.want == 200 && c.method == http.MethodGet) {
			t.Errorf("%s %q: metrics were told: %t", c.method, c.auth, scraped)
		}
		if c.want == 401 {
			if got := answer.Header.Get("Www-Authenticate"); got != `Bearer realm="metrics"` {
				t.Errorf("%s %q: WWW-Authenticate %q", c.method, c.auth, got)
			}
			answer.JSON(t)
		}
	}
	if got := s.Do(t, metricsToken, http.MethodGet, "/api/auth/me/", ""); got.Status != http.StatusUnauthorized {
		t.Errorf("the token of the metrics opens the API: %d", got.Status)
	}
	if s.MetricsURL != "" {
		t.Errorf("metrics listen on %s, want nowhere", s.MetricsURL)
	}
}

func TestMetricsOff(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	if s.MetricsURL != "" {
		t.Errorf("metrics listen on %s, want nowhere", s.MetricsURL)
	}
	unknown := s.Do(t, "", http.MethodGet, "/nothing", "")
	for _, token := range []string{"", "x"} {
		got := s.Do(t, token, http.MethodGet, "/metrics", "")
		if got.Status != http.StatusNotFound || !bytes.Equal(got.Body, unknown.Body) {
			t.Errorf("/metrics = %d %s, want 404 %s", got.Status, got.Body, unknown.Body)
		}
	}
}

// The metrics' own listener knows nothing but /metrics, and goes with the server.
func TestMetricsListener(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Env: []string{freePort}})
	root := strings.TrimSuffix(s.MetricsURL, "/metrics")
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/metrics", 200}, {http.MethodHead, "/metrics", 200}, {http.MethodPost, "/metrics", 405},
		{http.MethodGet, "/", 404}, {http.MethodGet, "/api/", 404}, {http.MethodGet, "/debug/pprof/", 404},
	} {
		if got := apptest.Send(t, getRequest(t, c.method, root+c.path)); got.Status != c.want {
			t.Errorf("%s %s = %d, want %d", c.method, c.path, got.Status, c.want)
		}
	}
	if got := s.Do(t, "", http.MethodGet, "/metrics", ""); got.Status != http.StatusNotFound {
		t.Errorf("/metrics of the API = %d, want 404", got.Status)
	}
	s.Stop()
	listener, err := net.Listen("tcp", strings.TrimPrefix(root, "http://"))
	if err != nil {
		t.Fatalf("the address is still taken: %v", err)
	}
	listener.Close()
}

// serve runs `bdash serve` until it says that it runs, then stops it.
func serve(t *testing.T, env ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, errs := &untilWriter{text: "is running", then: cancel}, &apptest.Buffer{}
	code = app.Main(ctx, app.Process{
		Args: []string{"serve"}, Stdout: out, Stderr: errs, Version: "test", Dotenv: "-",
		Environ: append([]string{"ADDR=127.0.0.1:0", "DATA_DIR=" + t.TempDir()}, env...),
	})
	return code, out.String(), errs.String()
}

// untilWriter calls then when text was written.
type untilWriter struct {
	apptest.Buffer
	text string
	then func()
}

func (w *untilWriter) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.text) {
		w.then()
	}
	return n, err
}

// A busy port stops the start if it was asked for.
func TestMetricsAddressIsBusy(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	code, stdout, stderr := serve(t, "METRICS_ADDR="+busy.Addr().String())
	if code != 1 || stdout != "" {
		t.Errorf("exit code %d, output %q, want 1 and nothing", code, stdout)
	}
	if want := "METRICS_ADDR to another one"; !strings.Contains(stderr, want) || !strings.Contains(stderr, busy.Addr().String()) {
		t.Errorf("errors %q, want the address and %q", stderr, want)
	}
}

// The default is also Prometheus' own port: the server does without.
func TestMetricsDefaultIsBusy(t *testing.T) {
	t.Parallel()
	// Whether this test holds the port or somebody else: it is busy.
	if busy, err := net.Listen("tcp", "127.0.0.1:9090"); err == nil {
		defer busy.Close()
	}
	code, stdout, stderr := serve(t)
	if code != 0 || !strings.Contains(stdout, "is running") || strings.Contains(stdout, "/metrics") {
		t.Errorf("exit code %d, output %q, want 0 and a running server without metrics", code, stdout)
	}
	if want := "metrics cannot be read"; strings.Count(stderr, want) != 1 {
		t.Errorf("errors %q, want %q once", stderr, want)
	}
}

func TestMetricsBanner(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := serve(t, freePort)
	if code != 0 || !regexp.MustCompile(`Metrics +http://localhost:\d+/metrics\n`).MatchString(stdout) {
		t.Errorf("exit code %d, output %q, errors %q; want 0 and the address of the metrics", code, stdout, stderr)
	}
}
