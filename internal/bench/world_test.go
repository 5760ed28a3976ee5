//go:build bench && linux

package bench_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	secretKey = "a-key-for-measurements-only-that-is-long-enough"
	password  = "correct-horse-battery-9"
	// themeCount is more than a page holds.
	themeCount = 30
)

// world is a database with one user as a real one has it, made through the API.
type world struct {
	database string
	env      []string
	token    string
	cached   map[string]answer // by path
	// widgetPath is one of the widgets that the view at viewPath shows.
	widgetPath, viewPath string
}

// setup says how bdash runs.
type setup struct {
	name     string
	database string
	env      []string
}

// settings are those of a user who sets what must be set; what differs from
// the defaults is the address of the metrics, for there may be another bdash
// on this machine, and the limit of the throttles, which count all the same.
func (s setup) settings(dir string) []string {
	return append([]string{
		"DATABASE_URL=" + s.database, "DATA_DIR=" + dir, "SECRET_KEY=" + secretKey, "METRICS_ADDR=127.0.0.1:0",
		"THROTTLE_USER=1000000000/hour", "THROTTLE_ANON=1000000/hour",
	}, s.env...)
}

// makeWorld fills the database through a server that is stopped afterwards.
func makeWorld(t testing.TB, s setup, dir, binary string) *world {
	t.Helper()
	w := &world{database: s.database, env: s.settings(dir), cached: map[string]answer{}}
	p := launch(t, "first", dir, w.env, binary, "serve")
	p.await(t, []byte("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"))
	c := &caller{base: "http://" + p.address}
	w.token = populate(t, c, s.name+"@example.com") // the setups of PostgreSQL share a database
	w.addWidgets(t, c, s, dir, binary)
	for _, path := range []string{mePath, preferencesPath, activePath, themesPath, w.widgetPath} {
		a, err := ask(p.address, rawRequest(http.MethodGet, path, w.token, ""))
		if err != nil {
			t.Fatal(err)
		}
		w.cached[path] = a
	}
	p.stop(t)
	return w
}

// populate makes a user with themes and preferences, signs in, and gives the
// access token, which the caller then has too.
func populate(t testing.TB, c *caller, email string) string {
	t.Helper()
	c.call(t, http.MethodPost, "/api/auth/register/", fmt.Sprintf(
		`{"email":%q,"first_name":"Bench","last_name":"User","password":%q,"password_confirm":%q}`, email, password, password))
	var login struct{ Tokens struct{ Access string } }
	if err := json.Unmarshal(c.call(t, http.MethodPost, "/api/auth/login/", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password)), &login); err != nil {
		t.Fatal(err)
	}
	c.token = login.Tokens.Access
	for i := range themeCount {
		c.call(t, http.MethodPost, themesPath, fmt.Sprintf(`{"name":"Theme %02d","description":"One of many","color_mode":"light","is_active":%t,"colors":{`+
			`"background":"#ffffff","foreground":"#0a0a0a","primary":"#1d4ed8","secondary":"#f1f5f9","muted":"#f1f5f9","accent":"#e0e7ff","destructive":"#b91c1c"}}`, i, i == 7))
	}
	c.call(t, http.MethodPatch, preferencesPath, patchBody)
	return c.token
}

// caller sends the requests that fill the database.
type caller struct{ base, token string }

func (c *caller) call(t testing.TB, method, path, body string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		t.Fatalf("%s %s = %d %s %v", method, path, res.StatusCode, data, err)
	}
	return data
}

// plan is what the twin is told. On SQLite it gets a copy of the file: two
// processes that write to one file would get in each other's way.
func (w *world) plan(t testing.TB, dir string) twinPlan {
	t.Helper()
	p := twinPlan{Database: w.database, SecretKey: secretKey, Headers: map[string][]string{}, Bodies: map[string]string{}}
	if path, ok := strings.CutPrefix(w.database, "sqlite://"); ok {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, "twin.sqlite3")
		if err := os.WriteFile(copied, data, 0o600); err != nil {
			t.Fatal(err)
		}
		p.Database = "sqlite://" + copied
	}
	for path, a := range w.cached {
		for _, line := range a.headers {
			if !strings.HasPrefix(line, "Date:") && !bytes.HasPrefix([]byte(line), contentLength) {
				p.Headers[path] = append(p.Headers[path], line)
			}
		}
		if path != themesPath {
			p.Bodies[path] = a.body
		}
	}
	return p
}
