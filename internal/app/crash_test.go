package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/app"
	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/oracle"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// serveEnv makes a process of this test binary the server: a process that can
// be killed.
const serveEnv = "APP_TEST_SERVE"

func TestMain(m *testing.M) {
	if os.Getenv(serveEnv) != "" {
		os.Exit(app.Main(context.Background(), app.Process{
			Args: []string{"serve"}, Environ: os.Environ(), Stdout: os.Stderr, Stderr: os.Stderr, Version: "test", Dotenv: "-",
		}))
	}
	os.Exit(m.Run())
}

const (
	crashKills  = 20
	crashWrites = 10_000
)

// A server that is killed in the middle of its writes has lost none that it
// answered, leaves a sound database, and starts by itself.
func TestKilledServerLosesNothing(t *testing.T) {
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		v := newVictim(t, url)
		acknowledged := map[int64]string{}
		for kill := 1; kill <= crashKills; kill++ {
			v.start(t)
			// The last life goes on until there were enough writes.
			least := len(acknowledged) + crashWrites/crashKills
			if kill == crashKills {
				least = crashWrites
			}
			maps.Copy(acknowledged, v.writeUntilKilled(t, kill, least-len(acknowledged)))
			v.sound(t)
		}
		v.start(t)
		v.holds(t, acknowledged)
		v.kill(t)
		t.Logf("%d writes were answered in %d lives", len(acknowledged), crashKills)
	})
}

type victim struct {
	url, addr, token string
	env              []string
	cmd              *exec.Cmd
	log              *apptest.Buffer
	client           *http.Client
}

func newVictim(t *testing.T, url string) *victim {
	t.Helper()
	s := apptest.Start(t, apptest.Options{Database: url})
	_, tokens := s.SignIn(t, s.AddUser(t, "crash@example.com", identity.User))
	s.Stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	v := &victim{url: url, addr: addr, token: tokens.Access, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	v.env = append(os.Environ(), serveEnv+"=1", "DATABASE_URL="+url, "ADDR="+addr, "DATA_DIR="+t.TempDir(),
		"SECRET_KEY="+oracle.SecretKey, "THROTTLE_USER=", "THROTTLE_ANON=", "METRICS_ADDR=", "LOG_LEVEL=error", "REDIS_URL=")
	t.Cleanup(func() {
		if v.cmd != nil {
			_ = v.cmd.Process.Kill()
			_ = v.cmd.Wait()
		}
	})
	return v
}

// start runs the server until it answers.
func (v *victim) start(t *testing.T) {
	t.Helper()
	v.log = &apptest.Buffer{}
	v.cmd = exec.Command(os.Args[0])
	v.cmd.Env, v.cmd.Stdout, v.cmd.Stderr = v.env, v.log, v.log
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if status, _ := v.do(ctx, http.MethodGet, "/readyz", nil); status == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the server did not start again:\n%s", v.log)
		}
	}
}

func (v *victim) kill(t *testing.T) {
	t.Helper()
	if err := v.cmd.Process.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	_ = v.cmd.Wait() // always an error: it was killed
	v.cmd = nil
}

func (v *victim) do(ctx context.Context, method, path string, body []byte) (int, []byte) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+v.addr+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil
	}
	req.Header.Set("Authorization", "Bearer "+v.token)
	req.Header.Set("Content-Type", "application/json")
	answer, err := v.client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, nil
	}
	return answer.StatusCode, text
}

// writeUntilKilled makes views from several connections, kills the server after
// least writes and some more, and gives what was answered with 201.
func (v *victim) writeUntilKilled(t *testing.T, life, least int) map[int64]string {
	t.Helper()
	const writers = 8
	var mu sync.Mutex
	done := map[int64]string{}
	enough := make(chan struct{})
	aim := max(least, 1) + rand.IntN(50)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				name := fmt.Sprintf("%d-%d-%d", life, w, n)
				body := fmt.Appendf(nil, `{"name":%q,"description":%q}`, name, strings.Repeat(name, 20))
				status, text := v.do(ctx, http.MethodPost, "/api/dashboard/views/", body)
				if status == 0 {
					return // killed
				}
				var view struct{ ID int64 }
				if err := json.Unmarshal(text, &view); status != http.StatusCreated || err != nil {
					t.Errorf("POST = %d %s, want 201", status, text)
					return
				}
				mu.Lock()
				done[view.ID] = name
				if len(done) == aim {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(2 * time.Minute):
		t.Errorf("only some of %d writes were answered in time:\n%s", aim, v.log)
	}
	v.kill(t)
	cancel()
	wait.Wait()
	return done
}

// sound asks the engine whether the file is in order. A PostgreSQL server goes
// on when its client is killed.
func (v *victim) sound(t *testing.T) {
	t.Helper()
	path, lite := strings.CutPrefix(v.url, "sqlite://")
	if !lite {
		return
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, check := range []string{"PRAGMA integrity_check", "SELECT coalesce(group_concat(\"table\"), 'ok') FROM pragma_foreign_key_check"} {
		var verdict string
		if err := db.QueryRowContext(t.Context(), check).Scan(&verdict); err != nil || verdict != "ok" {
			t.Errorf("%s = %q, %v, want ok", check, verdict, err)
		}
	}
}

// holds looks for every write that was answered, whole.
func (v *victim) holds(t *testing.T, want map[int64]string) {
	t.Helper()
	found := 0
	for page := 1; ; page++ {
		status, text := v.do(t.Context(), http.MethodGet, fmt.Sprintf("/api/dashboard/views/?ordering=id&page_size=100&page=%d", page), nil)
		var list struct {
			Next    *string
			Results []struct {
				ID                int64
				Name, Description string
			}
		}
		if err := json.Unmarshal(text, &list); status != http.StatusOK || err != nil {
			t.Fatalf("list = %d %s, want 200", status, text)
		}
		for _, view := range list.Results {
			if view.Description != strings.Repeat(view.Name, 20) {
				t.Errorf("view %d is half written: %q, %q", view.ID, view.Name, view.Description)
			}
			if name, answered := want[view.ID]; answered {
				found++
				if name != view.Name {
					t.Errorf("view %d is %q, want %q", view.ID, view.Name, name)
				}
			}
		}
		if list.Next == nil {
			break
		}
	}
	if found != len(want) {
		t.Errorf("%d of %d answered writes are there", found, len(want))
	}
}
