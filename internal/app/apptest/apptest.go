// Package apptest starts the whole server for a test: on 127.0.0.1, on a
// database of its own, with everything in a temporary folder.
package apptest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/app"
	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/djangoimport"
	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/oracle"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
	"github.com/bdash/bdash/internal/widget"
)

// Server is a running bdash.
type Server struct {
	URL string
	// MetricsURL is where metrics are read if Env sets METRICS_ADDR, or "".
	MetricsURL string
	// GatewayURL is where the frontend is if Env sets FRONTEND_UPSTREAM, or "".
	GatewayURL string
	App        *app.App
	// Mails is what the console transport wrote.
	Mails *Buffer
	// Clock is nil unless Options.Frozen.
	Clock *Clock
	opts  Options
	stop  func()
}

// Options of Start.
type Options struct {
	// Database is a URL as sqltest.EachURL gives; "" is a new SQLite file.
	Database string
	// Env are further settings: "THROTTLE_ANON=5/hour".
	Env []string
	// Seed imports the database that the recording starts from.
	Seed bool
	// Now is the clock; nil is the real one.
	Now func() time.Time
	// Frozen gives each server a clock of its own that only the test moves:
	// Server.Clock. Instances on one database share it.
	Frozen bool
	// NoJobs leaves jobs to another server of the same database.
	NoJobs bool
	// Sources replaces what widgets are fed by.
	Sources widget.Sources
	// Models answers the agents; nil is Echo.
	Models llm.Model
}

// Each runs test against a server on SQLite, and on PostgreSQL (with Redis,
// where TEST_REDIS_URL is set) when TEST_DATABASE_URL is set.
func Each(t *testing.T, opts Options, test func(t *testing.T, s *Server)) {
	t.Helper()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		o := opts
		o.Database = url
		test(t, Start(t, o))
	})
}

// Start starts a server and stops it after the test. Throttles are off unless
// Env says otherwise.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	s := open(t, &opts)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if addr, err := s.App.ListenMetrics(t.Context()); err != nil {
		t.Fatal(err)
	} else if addr != nil {
		s.MetricsURL = "http://" + addr.String() + "/metrics"
	}
	if addr, err := s.App.ListenGateway(t.Context()); err != nil {
		t.Fatal(err)
	} else if addr != nil {
		s.GatewayURL = "http://" + addr.String()
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.App.Serve(ctx, listener) }()
	s.URL = "http://" + listener.Addr().String()
	s.stop = sync.OnceFunc(func() {
		// The server would wait five seconds for a first request on
		// connections that the client made in reserve.
		client.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		s.App.Close()
	})
	t.Cleanup(s.stop)
	return s
}

// Open puts a server together without starting it: for tests that call its
// handler in memory. Its URL is empty, and jobs do not run.
func Open(t testing.TB, opts Options) *Server {
	t.Helper()
	s := open(t, &opts)
	s.stop = sync.OnceFunc(s.App.Close)
	t.Cleanup(s.stop)
	return s
}

// Beside starts another instance on the same database, with the same settings.
// Jobs stay with the first one.
func (s *Server) Beside(t testing.TB) *Server {
	t.Helper()
	opts := s.opts
	opts.NoJobs, opts.Seed, opts.Frozen = true, false, false
	other := Start(t, opts)
	other.Clock = s.Clock
	return other
}

func open(t testing.TB, opts *Options) *Server {
	t.Helper()
	if opts.Database == "" {
		opts.Database = sqltest.URL(t)
	}
	var clock *Clock
	if opts.Frozen {
		clock = NewClock()
		opts.Now = clock.Now
	}
	env := []string{
		"DATABASE_URL=" + opts.Database, "DATA_DIR=" + t.TempDir(), "SECRET_KEY=" + oracle.SecretKey,
		"THROTTLE_ANON=", "THROTTLE_USER=", "THROTTLE_LOGIN=", "THROTTLE_DOCS=", "THROTTLE_SHARE=", "METRICS_ADDR=", "GATEWAY_ADDR=127.0.0.1:0", "LOG_LEVEL=warn",
	}
	if redis := os.Getenv("TEST_REDIS_URL"); redis != "" && !strings.HasPrefix(opts.Database, "sqlite") {
		env = append(env, "REDIS_URL="+redis)
	}
	cfg, _, err := config.Load(append(env, opts.Env...), "")
	if err != nil {
		t.Fatal(err)
	}
	mails := &Buffer{}
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: cfg.Level()}))
	if opts.Models == nil {
		opts.Models = Echo{}
	}
	a, err := app.New(t.Context(), cfg, log, app.Options{
		Now: opts.Now, Mail: mails, FailureFloor: -1, NoJobs: opts.NoJobs, Version: "test", Sources: opts.Sources, Models: opts.Models,
	})
	if err != nil {
		t.Fatal(err)
	}
	if opts.Seed {
		importSeed(t, a)
	}
	return &Server{App: a, Mails: mails, Clock: clock, opts: *opts}
}

// Database is the URL of the server's database.
func (s *Server) Database() string { return s.opts.Database }

// Stop stops the server before the end of the test.
func (s *Server) Stop() { s.stop() }

func importSeed(t testing.TB, a *app.App) {
	t.Helper()
	data, err := oracle.RecordSeed()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "seed.sqlite3")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := djangoimport.Run(t.Context(), djangoimport.Options{From: path, Target: a.DB}); err != nil {
		t.Fatal(err)
	}
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON decodes the body.
func (a Answer) JSON(t testing.TB) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(a.Body, &out); err != nil {
		t.Fatalf("body %q: %v", a.Body, err)
	}
	return out
}

// Do sends a request; body is JSON text, "" is none; token "" is nobody.
func (s *Server) Do(t testing.TB, token, method, path, body string) Answer {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return Send(t, req)
}

// Status is the status of an answer whose body is not waited for: a stream's.
func (s *Server) Status(t testing.TB, token, method, path string) int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// Expect is Do for an answer whose status is known.
func (s *Server) Expect(t testing.TB, want int, token, method, path, body string) Answer {
	t.Helper()
	got := s.Do(t, token, method, path, body)
	if got.Status != want {
		t.Fatalf("%s %s %s = %d %s, want %d", method, path, body, got.Status, got.Body, want)
	}
	return got
}

var client = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 256},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Send sends any request and reads the answer; redirects are not followed.
func Send(t testing.TB, req *http.Request) Answer {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{res.StatusCode, res.Header, data}
}

// Tokens are what Login gives.
type Tokens struct{ Access, Refresh string }

// Login signs in with Password.
func (s *Server) Login(t testing.TB, email string) Tokens {
	t.Helper()
	return s.LoginWith(t, email, Password)
}

// LoginWith signs in.
func (s *Server) LoginWith(t testing.TB, email, password string) Tokens {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"email": email, "password": password})
	answer := s.Do(t, "", http.MethodPost, "/api/auth/login/", string(body))
	if answer.Status != http.StatusOK {
		t.Fatalf("login of %s = %d %s, want 200", email, answer.Status, answer.Body)
	}
	var out struct{ Tokens Tokens }
	if err := json.Unmarshal(answer.Body, &out); err != nil {
		t.Fatal(err)
	}
	return out.Tokens
}

// Buffer is a bytes.Buffer for many goroutines.
type Buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String is all that was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// testWriter logs to the test.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// Raw sends text as it is, for what no client would send, and reads the answer
// to a GET.
func (s *Server) Raw(t testing.TB, text string) Answer {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A server that has seen enough may close before all is sent.
	_, _ = io.WriteString(conn, text)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{res.StatusCode, res.Header, data}
}
