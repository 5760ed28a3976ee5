//go:build bench && linux

package bench_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/app"
	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
	"github.com/bdash/bdash/internal/telemetry"
)

// themesActiveAllocs is the bar of themes/active.
const themesActiveAllocs = 25

// TestAllocations counts what a request allocates in bdash's own handler, and
// in the process as a whole, with net/http's work on the connection.
func TestAllocations(t *testing.T) {
	sqltest.EachURL(t, func(t *testing.T, database string) {
		one.Lock()
		defer one.Unlock()
		handler := inProcess(t, database)
		server := httptest.NewServer(handler)
		defer server.Close()
		token := populate(t, &caller{base: server.URL}, "allocs@example.com")
		fmt.Fprintf(os.Stdout, "\n%s\n%-18s %10s  %10s  %10s\n", t.Name(), "per request", "handler", "process", "bytes")
		for _, sc := range scenarios {
			own := handlerAllocs(t, handler, sc, token)
			all, bytes := processAllocs(t, server.Listener.Addr(), sc, token)
			fmt.Fprintf(os.Stdout, "%-18s %10.1f  %10.1f  %10.0f\n", sc.name, own, all, bytes)
			if sc.name == "themes_active" && own > themesActiveAllocs && strings.HasPrefix(database, "sqlite") {
				t.Errorf("%s: %.0f allocations, want at most %d", sc.name, own, themesActiveAllocs)
			}
		}
	})
}

// inProcess puts bdash together as `bdash serve` does, without serving.
func inProcess(t testing.TB, database string) http.Handler {
	t.Helper()
	s := setup{database: database}
	cfg, _, err := config.Load(s.settings(t.TempDir()), "")
	if err != nil {
		t.Fatal(err)
	}
	out := telemetry.NewBatch(io.Discard)
	a, err := app.New(t.Context(), cfg, telemetry.NewLogger(out, cfg.Debug, cfg.Level()), app.Options{Mail: io.Discard, NoJobs: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a.API.Handler()
}

// handlerAllocs asks the handler without a connection.
func handlerAllocs(t *testing.T, handler http.Handler, sc scenario, token string) float64 {
	t.Helper()
	ask := asker(handler, sc, token)
	if status := ask(); status != http.StatusOK {
		t.Fatalf("%s = %d, want 200", sc.name, status)
	}
	// As testing.AllocsPerRun, which parallel tests may not call.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const runs = 500
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		ask()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / runs
}

// processAllocs asks over connections, whose other end allocates next to
// nothing.
func processAllocs(t *testing.T, address net.Addr, sc scenario, token string) (allocs, bytes float64) {
	t.Helper()
	c, err := dial(address.String(), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	request := rawRequest(sc.method, sc.path, token, sc.body)
	var before, after runtime.MemStats
	var n int
	for range 2 { // the first time warms up
		runtime.ReadMemStats(&before)
		if n, _, err = c.drive(request, warmUp); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
	}
	return float64(after.Mallocs-before.Mallocs) / float64(n), float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
}
