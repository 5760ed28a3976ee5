//go:build bench && linux

package bench_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// A process of this test binary plays a part when roleEnv says so.
const (
	roleEnv = "BENCH_ROLE"
	planEnv = "BENCH_PLAN"
	// profileEnv names a folder: bdash then runs inside this binary and leaves
	// a processor profile of each setup there. The figures of such a run are
	// not comparable with others.
	profileEnv = "BENCH_PROFILE"
	// twinGCEnv is GOGC for the twin, which has Go's default otherwise.
	twinGCEnv = "BENCH_TWIN_GOGC"
	// roundsEnv replaces the number of rounds.
	roundsEnv = "BENCH_ROUNDS"
)

// The order of a round alternates, so that neither side is always the first.
const (
	defaultRounds = 120
	warmUp        = 500 * time.Millisecond
	turn          = 50 * time.Millisecond
)

// patchBody changes nothing after the first time, and is written all the same.
const patchBody = `{"theme_mode":"dark","sidebar_collapsed":true}`

// scenario is one kind of request, with the least that bdash must reach of its
// twin's work per processor second.
type scenario struct {
	name, method, path, body string
	bar                      float64
}

var scenarios = []scenario{
	{"auth_me", http.MethodGet, mePath, "", 0.85},
	{"preferences", http.MethodGet, preferencesPath, "", 0.85},
	{"themes_active", http.MethodGet, activePath, "", 0.85},
	{"themes_page", http.MethodGet, themesPath + "?page=1", "", 0.80},
	{"preferences_patch", http.MethodPatch, preferencesPath, patchBody, 0.75},
}

// one keeps the setups, which sqltest runs in parallel, from disturbing each other.
var one sync.Mutex

func TestBars(t *testing.T) {
	binary := build(t)
	sqltest.EachURL(t, func(t *testing.T, database string) {
		one.Lock()
		defer one.Unlock()
		for _, s := range setups(database) {
			t.Run(s.name, func(t *testing.T) { measure(t, s, binary) })
		}
	})
}

// setups are the ways in which bdash runs on the database.
func setups(database string) []setup {
	if strings.HasPrefix(database, "sqlite") {
		return []setup{{name: "alone", database: database}}
	}
	out := []setup{{name: "alone", database: database}}
	if redis := os.Getenv("TEST_REDIS_URL"); redis != "" {
		out = append(out,
			setup{name: "redis", database: database, env: []string{"REDIS_URL=" + redis}},
			setup{name: "redis_unthrottled", database: database, env: []string{"REDIS_URL=" + redis, "THROTTLE_USER="}})
	}
	return out
}

func measure(t *testing.T, s setup, binary string) {
	dir := t.TempDir()
	s.database = ownCopy(t, s.database, dir)
	w := makeWorld(t, s, dir, binary)
	bdash := w.start(t, dir, binary)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := json.Marshal(w.plan(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	twinEnv := []string{roleEnv + "=twin", planEnv + "=" + string(plan)}
	if gc := os.Getenv(twinGCEnv); gc != "" {
		twinEnv = append(twinEnv, "GOGC="+gc)
	}
	bare := launch(t, "twin", dir, twinEnv, self)
	for _, p := range []*process{bdash, bare} {
		p.await(t, rawRequest(http.MethodGet, mePath, w.token, ""))
		p.connect(t)
	}
	title(t.Name())
	for _, sc := range append(scenarios[:len(scenarios):len(scenarios)], scenario{"widget_data", http.MethodGet, w.widgetPath, "", 0.85}) {
		t.Run(sc.name, func(t *testing.T) {
			request := rawRequest(sc.method, sc.path, w.token, sc.body)
			sameAnswer(t, bdash, bare, request)
			c := compare(t, bdash, bare, request)
			c.print(sc)
			if got := c.work(); got < sc.bar {
				t.Errorf("%s: %.2f of the twin's requests per processor second, want at least %.2f", sc.name, got, sc.bar)
			}
		})
	}
	t.Run("view_of_12", func(t *testing.T) { w.compareView(t, bdash) })
}

// ownCopy gives each setup the SQLite file as it was; PostgreSQL's is shared.
func ownCopy(t *testing.T, database, dir string) string {
	t.Helper()
	path, ok := strings.CutPrefix(database, "sqlite://")
	if !ok {
		return database
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "bdash.sqlite3")
	if err := os.WriteFile(own, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite://" + own
}

// start starts the bdash that is measured.
func (w *world) start(t *testing.T, dir, binary string) *process {
	t.Helper()
	folder := os.Getenv(profileEnv)
	if folder == "" {
		return launch(t, "bdash", dir, w.env, binary, "serve")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, strings.ReplaceAll(t.Name(), "/", "-")+".prof")
	return launch(t, "bdash", dir, append(w.env, roleEnv+"=bdash", profileEnv+"="+file), self)
}

// changing are the parts of an answer that differ from one to the next.
var changing = regexp.MustCompile(`"updated_at":"[^"]*"|http://127\.0\.0\.1(:\d+)?/`)

// sameAnswer makes sure that the two do the same work.
func sameAnswer(t *testing.T, a, b *process, request []byte) {
	t.Helper()
	x, err := ask(a.address, request)
	if err != nil {
		t.Fatal(err)
	}
	y, err := ask(b.address, request)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := changing.ReplaceAllString(y.body, ""), changing.ReplaceAllString(x.body, ""); got != want {
		t.Fatalf("the twin answers %s, want bdash's %s", got, want)
	}
	if len(x.headers) != len(y.headers) {
		t.Fatalf("the twin sends the headers %q, want bdash's %q", y.headers, x.headers)
	}
}

func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv(roundsEnv)
	if text == "" {
		return defaultRounds
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s = %q, want a number above 0", roundsEnv, text)
	}
	return n
}

// compare drives the two in turns.
func compare(t *testing.T, bdash, bare *process, request []byte) *comparison {
	t.Helper()
	for _, p := range []*process{bdash, bare} {
		if _, _, err := p.client.drive(request, warmUp); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
	}
	c := &comparison{}
	for round := range rounds(t) {
		var s [2]sample
		order := [2]*process{bdash, bare}
		for i := range order {
			who := (round + i) % 2
			s[who] = take(t, order[who], request)
		}
		c.add(s[0], s[1])
	}
	return c
}

// take drives one process for a turn.
func take(t *testing.T, p *process, request []byte) sample {
	t.Helper()
	before := p.cpu(t)
	n, took, err := p.client.drive(request, turn)
	if err != nil {
		t.Fatalf("%s: %v; its log is %s", p.name, err, p.log())
	}
	return sample{requests: n, took: took, cpu: p.cpu(t) - before}
}

func title(name string) {
	fmt.Fprintf(os.Stdout, "\n%s\n%-18s %5s  %-7s %-6s  %s\n", name, "", "bar", "work", "req/s", "CPU per request; requests per second")
}
