package job_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/bdash/bdash/internal/job"
)

// patience bounds every wait; it is reached only when something is broken.
const patience = 30 * time.Second

// pgDSN names the database of this test run; empty without TEST_DATABASE_URL.
var pgDSN string

func TestMain(m *testing.M) {
	drop, err := createDatabase()
	if err != nil {
		fmt.Fprintln(os.Stderr, "create test database:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := drop(); err != nil {
		fmt.Fprintln(os.Stderr, "drop test database:", err)
		code = max(code, 1)
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func createDatabase() (drop func() error, err error) {
	admin := os.Getenv("TEST_DATABASE_URL")
	if admin == "" {
		return func() error { return nil }, nil
	}
	name := fmt.Sprintf("bdash_job_test_%d", os.Getpid())
	do := func(query string) error {
		ctx := context.Background()
		conn, err := pgx.Connect(ctx, admin)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, query)
		return err
	}
	u, err := url.Parse(admin)
	if err != nil {
		return nil, err
	}
	u.Path = "/" + name
	pgDSN = u.String()
	return func() error { return do("DROP DATABASE " + name + " WITH (FORCE)") }, do("CREATE DATABASE " + name)
}

// engine is one empty database of either sort.
type engine struct {
	name string
	pool *pgxpool.Pool
	lite *sql.DB
}

// onEngines runs a behaviour on SQLite, and on PostgreSQL if there is one.
func onEngines(t *testing.T, behave func(t *testing.T, e *engine)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		behave(t, openSQLite(t, filepath.Join(t.TempDir(), "app.db")))
	})
	if pgDSN == "" {
		t.Log("TEST_DATABASE_URL is not set: SQLite only")
		return
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		behave(t, openPG(t))
	})
}

func openSQLite(t *testing.T, path string) *engine {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)"+
		"&_pragma=foreign_keys(1)&_txlock=immediate&_time_format=sqlite")
	if err != nil {
		t.Fatalf("open SQLite: %v", err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return &engine{name: "sqlite", lite: db}
}

var schemas atomic.Int64

// openPG gives the test a schema of its own.
func openPG(t *testing.T) *engine {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(pgDSN)
	if err != nil {
		t.Fatalf("parse DSN: %v", err)
	}
	schema := fmt.Sprintf("t%d", schemas.Add(1))
	cfg.ConnConfig.RuntimeParams["search_path"] = schema
	cfg.MaxConns = 6
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open PostgreSQL: %v", err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatalf("create schema: %v", err)
	}
	return &engine{name: "postgres", pool: pool}
}

// client makes a client on a migrated database. set may change the config.
func (e *engine) client(t *testing.T, w *job.Workers, set func(*job.Config)) *job.Client {
	t.Helper()
	cfg := job.Config{
		Pool: e.pool, SQLite: e.lite, Workers: w,
		Queues: map[string]int{job.DefaultQueue: 4}, PollInterval: 50 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	}
	if set != nil {
		set(&cfg)
	}
	c, err := job.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	if err := c.Migrate(t.Context()); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	return c
}

// start starts c and stops it when the test ends.
func start(t *testing.T, c *job.Client) {
	t.Helper()
	if err := c.Start(t.Context()); err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() { stop(t, c) })
}

func stop(t *testing.T, c *job.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// inTx inserts in a transaction of the engine and ends it as told.
func (e *engine) inTx(t *testing.T, c *job.Client, in job.Insert, commit bool) int64 {
	t.Helper()
	var (
		id  int64
		end func() error
		err error
	)
	if e.pool != nil {
		tx, errBegin := e.pool.Begin(t.Context())
		if errBegin != nil {
			t.Fatalf("begin: %v", errBegin)
		}
		id, err = c.InsertTxPG(t.Context(), tx, in)
		end = func() error { return tx.Rollback(t.Context()) }
		if commit {
			end = func() error { return tx.Commit(t.Context()) }
		}
	} else {
		tx, errBegin := e.lite.BeginTx(t.Context(), nil)
		if errBegin != nil {
			t.Fatalf("begin: %v", errBegin)
		}
		id, err = c.InsertTxSQLite(t.Context(), tx, in)
		end = tx.Rollback
		if commit {
			end = tx.Commit
		}
	}
	if err != nil {
		t.Fatalf("insert: %v", err)
	}
	if err := end(); err != nil {
		t.Fatalf("end transaction: %v", err)
	}
	return id
}

// exec runs a statement that both engines understand.
func (e *engine) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	var err error
	if e.pool != nil {
		_, err = e.pool.Exec(t.Context(), query, args...)
	} else {
		_, err = e.lite.ExecContext(t.Context(), query, args...)
	}
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// number runs a query that answers with one number.
func (e *engine) number(t *testing.T, query string, args ...any) (n int64) {
	t.Helper()
	var err error
	if e.pool != nil {
		err = e.pool.QueryRow(t.Context(), query, args...).Scan(&n)
	} else {
		err = e.lite.QueryRowContext(t.Context(), query, args...).Scan(&n)
	}
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func insert(t *testing.T, c *job.Client, in job.Insert) int64 {
	t.Helper()
	id, err := c.Insert(t.Context(), in)
	if err != nil {
		t.Fatalf("Insert(%+v): %v", in, err)
	}
	return id
}

// receive waits for a value that a worker sends.
func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing happened")
		panic("unreachable")
	}
}

// until asks again and again, for what gives no signal.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// reaches waits until the task is in the state, and returns it.
func reaches(t *testing.T, c *job.Client, id int64, want job.State) job.Task {
	t.Helper()
	var task job.Task
	until(t, fmt.Sprintf("job %d %s", id, want), func() bool {
		var err error
		if task, err = c.Task(t.Context(), id); err != nil {
			t.Fatalf("Task(%d): %v", id, err)
		}
		return task.State == want
	})
	return task
}

// note is the job of these tests.
type note struct {
	Text string `json:"text"`
}

func (note) Kind() string { return "test.note" }

// quickly is the retry policy of these tests.
func quickly(int) time.Duration { return time.Millisecond }

// doing registers one worker for note.
func doing(work func(context.Context, job.Job[note]) error, opts job.KindOpts) *job.Workers {
	w := job.NewWorkers()
	if opts.RetryAfter == nil {
		opts.RetryAfter = quickly
	}
	job.Register(w, work, opts)
	return w
}

// collect sends each job to a channel and succeeds.
func collect() (*job.Workers, <-chan job.Job[note]) {
	ran := make(chan job.Job[note], 1000)
	return doing(func(_ context.Context, j job.Job[note]) error {
		ran <- j
		return nil
	}, job.KindOpts{}), ran
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) has(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.buf.String(), text)
}
