package telemetry_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"

	"github.com/bdash/bdash/internal/telemetry"
)

// full is metrics with everything that they can read.
func full() *telemetry.Metrics {
	return telemetry.NewMetrics(telemetry.MetricsConfig{
		Version: "1.2.3",
		Pools: func() []telemetry.PoolStats {
			return []telemetry.PoolStats{
				{Name: "reader", Max: 5, Open: 3, InUse: 1, Waits: 7, Waited: 1500 * time.Millisecond},
				{Name: "writer", Max: 1, Open: 1, InUse: 1},
			}
		},
		Cache: func() telemetry.CacheStats {
			return telemetry.CacheStats{Hits: 11, Misses: 4, Failures: 2, Bytes: 4096}
		},
		PasswordsWaiting: func() int { return 3 },
		Throttles:        []string{"anon", "login"},
	})
}

// text is what a scrape reads.
func text(t testing.TB, m *telemetry.Metrics) string {
	t.Helper()
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	enc := expfmt.NewEncoder(&out, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// wantLines fails for each line that the scrape lacks.
func wantLines(t *testing.T, scrape string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+scrape, "\n"+line+"\n") {
			t.Errorf("the scrape lacks %s", line)
		}
	}
}

// lines are those of the scrape that begin with prefix.
func lines(scrape, prefix string) []string {
	var out []string
	for line := range strings.Lines(scrape) {
		if strings.HasPrefix(line, prefix) {
			out = append(out, strings.TrimSuffix(line, "\n"))
		}
	}
	return out
}

func TestMetricsTellWhatTheyRead(t *testing.T) {
	t.Parallel()
	m := full()
	m.Refused("login")
	m.Refused("login")
	m.Refused("somebody's invention")
	m.Began()
	m.Began()
	m.Ended()
	wantLines(t, text(t, m),
		`bdash_build_info{go_version="`+runtime.Version()+`",version="1.2.3"} 1`,
		`bdash_http_requests_in_flight 1`,
		`bdash_throttle_refusals_total{throttle="anon"} 0`,
		`bdash_throttle_refusals_total{throttle="login"} 2`,
		`bdash_throttle_refusals_total{throttle="other"} 1`,
		`bdash_database_connections{pool="reader",state="in_use"} 1`,
		`bdash_database_connections{pool="reader",state="idle"} 2`,
		`bdash_database_connections{pool="writer",state="idle"} 0`,
		`bdash_database_connections_max{pool="reader"} 5`,
		`bdash_database_waits_total{pool="reader"} 7`,
		`bdash_database_wait_seconds_total{pool="reader"} 1.5`,
		`bdash_cache_lookups_total{result="hit"} 11`,
		`bdash_cache_lookups_total{result="miss"} 4`,
		`bdash_cache_failures_total 2`,
		`bdash_cache_size_bytes 4096`,
		`bdash_password_computations_waiting 3`,
	)
	for _, name := range []string{"go_goroutines ", "process_start_time_seconds "} {
		if runtime.GOOS == "linux" && len(lines(text(t, m), name)) == 0 {
			t.Errorf("the scrape lacks %s", name)
		}
	}
}

// A nil function leaves its metrics out, and nothing else.
func TestMetricsWithoutSources(t *testing.T) {
	t.Parallel()
	scrape := text(t, telemetry.NewMetrics(telemetry.MetricsConfig{}))
	for _, prefix := range []string{"bdash_database", "bdash_cache", "bdash_password"} {
		if got := lines(scrape, prefix); len(got) != 0 {
			t.Errorf("%s: got %q, want nothing", prefix, got)
		}
	}
	wantLines(t, scrape, `bdash_http_requests_in_flight 0`, `bdash_throttle_refusals_total{throttle="other"} 0`)
}

// Two registries know nothing of each other, nor of the global one.
func TestMetricsAreSeparate(t *testing.T) {
	t.Parallel()
	a, b := full(), full()
	a.Route("themes/").Observe("GET", 200, time.Millisecond)
	wantLines(t, text(t, a), `bdash_http_requests_total{method="GET",status="200",view="themes/"} 1`)
	if got := lines(text(t, b), "bdash_http_requests_total"); len(got) != 0 {
		t.Errorf("the other registry holds %q, want nothing", got)
	}
}

func TestRouteCounts(t *testing.T) {
	t.Parallel()
	m := full()
	themes := m.Route("themes/{id}/")
	themes.Observe("GET", 200, 700*time.Microsecond)
	themes.Observe("GET", 200, 700*time.Microsecond)
	themes.Observe("GET", 404, 40*time.Second)
	themes.Observe("DELETE", 204, 0)
	m.Route("themes/{id}/").Observe("GET", 200, 2*time.Second) // the same route
	m.Route("").Observe("GET", 200, 0)
	wantLines(t, text(t, m),
		`bdash_http_requests_total{method="GET",status="200",view="themes/{id}/"} 3`,
		`bdash_http_requests_total{method="GET",status="404",view="themes/{id}/"} 1`,
		`bdash_http_requests_total{method="DELETE",status="204",view="themes/{id}/"} 1`,
		`bdash_http_requests_total{method="GET",status="200",view="/"} 1`,
		`bdash_http_request_duration_seconds_bucket{method="GET",view="themes/{id}/",le="0.0005"} 0`,
		`bdash_http_request_duration_seconds_bucket{method="GET",view="themes/{id}/",le="0.001"} 2`,
		`bdash_http_request_duration_seconds_bucket{method="GET",view="themes/{id}/",le="2.5"} 3`,
		`bdash_http_request_duration_seconds_bucket{method="GET",view="themes/{id}/",le="30"} 3`,
		`bdash_http_request_duration_seconds_bucket{method="GET",view="themes/{id}/",le="+Inf"} 4`,
		`bdash_http_request_duration_seconds_count{method="GET",view="themes/{id}/"} 4`,
	)
}

// Whatever a client calls its method, and whatever status somebody invents,
// the labels stay few.
func TestRouteBoundsLabels(t *testing.T) {
	t.Parallel()
	m := full()
	route := m.Route("themes/")
	for i := range 2000 {
		route.Observe(fmt.Sprintf("EVIL%d", i), 200, 0)
	}
	for _, method := range []string{"", "get", "GET ", "G\x00T", "TRACE", "CONNECT", "\xff\xfe", `"} 1`, strings.Repeat("A", 1<<16)} {
		route.Observe(method, 405, 0)
	}
	for _, status := range []int{-1 << 63, -1, 0, 99, 600, 999, 1 << 62} {
		route.Observe("GET", status, 0)
	}
	route.Observe("GET", 100, 0)
	route.Observe("GET", 418, 0)
	route.Observe("GET", 418, 0)
	route.Observe("GET", 599, 0)
	scrape := text(t, m)
	wantLines(t, scrape,
		`bdash_http_requests_total{method="other",status="200",view="themes/"} 2000`,
		`bdash_http_requests_total{method="other",status="405",view="themes/"} 9`,
		`bdash_http_requests_total{method="GET",status="other",view="themes/"} 7`,
		`bdash_http_requests_total{method="GET",status="100",view="themes/"} 1`,
		`bdash_http_requests_total{method="GET",status="418",view="themes/"} 2`,
		`bdash_http_requests_total{method="GET",status="599",view="themes/"} 1`,
	)
	if got := len(lines(scrape, "bdash_http_requests_total{")); got != 6 {
		t.Errorf("%d series, want 6", got)
	}
}

// Every method and status that has a cell of its own is counted under its own
// name.
func TestRouteCells(t *testing.T) {
	t.Parallel()
	m := full()
	route := m.Route("x/")
	var want []string
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		for status := 100; status < 600; status++ {
			route.Observe(method, status, 0)
			route.Observe(method, status, 0)
			want = append(want, fmt.Sprintf(`bdash_http_requests_total{method=%q,status="%d",view="x/"} 2`, method, status))
		}
	}
	scrape := text(t, m)
	wantLines(t, scrape, want...)
	if got := len(lines(scrape, "bdash_http_requests_total{")); got != len(want) {
		t.Errorf("%d series, want %d", got, len(want))
	}
}

func TestRouteLosesNothing(t *testing.T) {
	t.Parallel()
	const workers, each = 16, 500
	m := full()
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for range each {
				m.Began()
				m.Route("themes/").Observe("GET", 200, time.Millisecond)
				m.Ended()
			}
		})
	}
	wait.Go(func() {
		for range 20 {
			if _, err := m.Gatherer().Gather(); err != nil {
				t.Error(err)
			}
		}
	})
	wait.Wait()
	wantLines(t, text(t, m),
		fmt.Sprintf(`bdash_http_requests_total{method="GET",status="200",view="themes/"} %d`, workers*each),
		fmt.Sprintf(`bdash_http_request_duration_seconds_count{method="GET",view="themes/"} %d`, workers*each),
		`bdash_http_requests_in_flight 0`,
	)
}

// The names, units and help texts are as promtool check metrics wants them.
func TestMetricsLint(t *testing.T) {
	t.Parallel()
	m := full()
	m.Route("themes/").Observe("GET", 200, time.Millisecond)
	problems, err := promlint.New(strings.NewReader(text(t, m))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// It runs alone, because AllocsPerRun counts what others allocate as well.
func TestObserveAllocatesNothing(t *testing.T) {
	route := full().Route("themes/")
	route.Observe("GET", 200, time.Millisecond)
	if got := testing.AllocsPerRun(1000, func() { route.Observe("GET", 200, time.Millisecond) }); got != 0 {
		t.Errorf("Observe allocates %v times, want 0", got)
	}
}

func BenchmarkObserve(b *testing.B) {
	m := full()
	route := m.Route("themes/{id}/")
	b.ReportAllocs()
	for b.Loop() {
		m.Began()
		route.Observe("PATCH", 200, 750*time.Microsecond)
		m.Ended()
	}
}

func BenchmarkObserveParallel(b *testing.B) {
	m := full()
	route := m.Route("themes/{id}/")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Began()
			route.Observe("PATCH", 200, 750*time.Microsecond)
			m.Ended()
		}
	})
}
