//go:build bench && linux

package bench_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// The bars of TestStart, on a migrated SQLite file.
const (
	startBar = 50 * time.Millisecond // to the first answer to a signed-in user
	idleBar  = 40 << 10              // KiB resident
)

const (
	starts = 15
	settle = 5 * time.Second // in which nobody asks for anything
)

// TestStart measures how long it takes from the start of the process to the
// first answer, and what the process holds when it idles.
func TestStart(t *testing.T) {
	binary := build(t)
	dir := t.TempDir()
	w := makeWorld(t, setup{name: "start", database: sqltest.URL(t)}, dir, binary)
	request := rawRequest(http.MethodGet, mePath, w.token, "")
	took := make([]float64, starts)
	for i := range took {
		began := time.Now()
		p := launch(t, fmt.Sprint("bdash", i), dir, w.env, binary, "serve")
		p.await(t, request)
		took[i] = float64(time.Since(began))
		p.stop(t)
	}
	p := launch(t, "idle", dir, w.env, binary, "serve")
	for _, sc := range scenarios {
		p.await(t, rawRequest(sc.method, sc.path, w.token, sc.body))
	}
	idle := time.NewTimer(settle)
	<-idle.C
	resident, anonymous := p.memory(t)
	p.connect(t)
	for _, sc := range scenarios {
		if _, _, err := p.client.drive(rawRequest(sc.method, sc.path, w.token, sc.body), time.Second); err != nil {
			t.Fatal(err)
		}
	}
	loaded, _ := p.memory(t)

	low, high := quartiles(took)
	start := time.Duration(median(took))
	fmt.Fprintf(os.Stdout, "\n%s\nstart to first answer %.1f ms (quartiles %.1f to %.1f), bar %v\nidle %.1f MiB (%.1f without pages of files), bar %d MiB; after %d connections asked for %d s %.1f MiB\n",
		t.Name(), start.Seconds()*1e3, low/1e6, high/1e6, startBar, float64(resident)/1024, float64(anonymous)/1024, idleBar>>10,
		connections, len(scenarios), float64(loaded)/1024)
	if start > startBar {
		t.Errorf("start to first answer takes %v, want at most %v", start, startBar)
	}
	if resident > idleBar {
		t.Errorf("idle memory is %d KiB, want at most %d", resident, idleBar)
	}
}
