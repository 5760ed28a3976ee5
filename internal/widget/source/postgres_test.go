package source_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/widget"
	"github.com/bdash/bdash/internal/widget/source"
)

// TestPostgreSQL runs on the server of TEST_DATABASE_URL.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	url := env("TEST_DATABASE_URL")
	if url == "" {
		return // make test-postgres and CI name one
	}
	p, admin := postgresPlace(t, url)
	t.Run("values", func(t *testing.T) { postgresValues(t, p) })
	t.Run("parameters", func(t *testing.T) { postgresParameters(t, p) })
	t.Run("writes", func(t *testing.T) { postgresWrites(t, p, admin) })
	t.Run("limits", func(t *testing.T) { postgresLimits(t, p) })
	t.Run("failures", func(t *testing.T) { postgresFailures(t, p) })
	t.Run("privileges", func(t *testing.T) { postgresPrivileges(t, p, admin) })
}

// postgresPlace makes a database with a table and a role that can only read.
func postgresPlace(t *testing.T, url string) (*place, *pgx.Conn) {
	t.Helper()
	ctx := background(t)
	server, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	db, role := name("src_"), name("reader_")
	must := func(c *pgx.Conn, sql string) {
		t.Helper()
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	must(server, "CREATE DATABASE "+db)
	must(server, "CREATE ROLE "+role+" LOGIN PASSWORD 'top-secret'")
	cfg := server.Config().Copy()
	cfg.Database = db
	admin, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = admin.Exec(ctx, "DROP OWNED BY "+role)
		_ = admin.Close(ctx)
		_, _ = server.Exec(ctx, "DROP DATABASE "+db+" WITH (FORCE)")
		_, _ = server.Exec(ctx, "DROP ROLE "+role)
		_ = server.Close(ctx)
	})
	must(admin, "CREATE TABLE orders (id bigint, name text, paid bool, total numeric, at timestamptz, day date, extra jsonb)")
	must(admin, `INSERT INTO orders VALUES (1, 'O''Brien; --', true, 12.50, '2026-03-01T23:30:00+01', '2026-03-01', '{"a":1}'),
		(2, 'Zoë', false, 'NaN', '2026-03-09Z', 'infinity', '3'), (3, NULL, NULL, NULL, NULL, NULL, NULL)`)
	must(admin, "GRANT SELECT ON orders TO "+role)
	return &place{&source.Registry{Dialer: local()}, datasource.Connection{
		Kind: widget.SourcePostgreSQL,
		Settings: datasource.Settings{Host: cfg.Host, Port: int64(cfg.Port), Database: db, Username: role,
			TLS: datasource.TLSOff},
		Secrets: datasource.Secrets{Password: "top-secret"},
	}}, admin
}

func postgresValues(t *testing.T, p *place) {
	wantRows(t, p.fetch(t, sqlText("SELECT id, name, paid, total, at, day, extra FROM orders ORDER BY id -- all of them")),
		"id:integer name:text paid:bool total:number at:time day:time extra:text",
		`1 "O'Brien; --" true 12.5 2026-03-01T22:30:00Z 2026-03-01T00:00:00Z "{\"a\": 1}"`,
		`2 "Zoë" false NULL 2026-03-09T00:00:00Z NULL "3"`, "3 NULL NULL NULL NULL NULL NULL")
	wantRows(t, p.fetch(t, sqlText("SELECT extra, id, id FROM orders WHERE id = 1")), "extra:json id:integer id_2:integer", `{"a": 1} 1 1`)
	wantRows(t, p.fetch(t, sqlText("SELECT at, total, paid FROM orders WHERE false")), "at:time total:number paid:bool")
	wantRows(t, p.fetch(t, `{"sql":"SELECT '2026-03-01' AS d, '7' AS n","types":{"d":"time","n":"integer"}}`),
		"d:time n:integer", "2026-03-01T00:00:00Z 7")
}

func postgresParameters(t *testing.T, p *place) {
	wantRows(t, p.fetch(t, sqlText(`SELECT id FROM orders WHERE at >= :period_from AND at < :period_to AND name = :setting.name`)), "id:integer", "1")
	wantRows(t, p.fetch(t, sqlText(`SELECT :user_id::bigint AS u, :user_email AS e, :user_role AS r, :time_zone AS z, :setting.on::bool AS o,
		:setting.none::int AS n, ':user_id' AS s, $x$:user_id$x$ AS d, (ARRAY[1,2,3])[2:3] AS a /* :no /* nested */ ' */`)),
		"u:integer e:text r:text z:text o:bool n:integer s:text d:text a:text",
		`7 "eve@example.com" "editor" "UTC" true NULL ":user_id" ":user_id" "{2,3}"`)
	wantRows(t, p.fetch(t, sqlText("SELECT id FROM orders ORDER BY id LIMIT :setting.limit")), "id:integer", "1", "2")
	// A text where a number belongs is refused by the database; it is not code.
	_, err := p.ask(t, sqlText("SELECT id FROM orders WHERE id = :setting.name"))
	wantCode(t, "a text for a number", err, widget.CodeQuery, "22P02")
}

// postgresWrites: the database stops what is no reading.
func postgresWrites(t *testing.T, p *place, admin *pgx.Conn) {
	owner := *p
	owner.conn.Settings.Username, owner.conn.Secrets.Password = admin.Config().User, admin.Config().Password
	cases := []struct {
		sql   string
		code  widget.SourceCode
		words string
	}{
		{"INSERT INTO orders (id) VALUES (9) RETURNING id", widget.CodePermission, "read-only transaction"},
		{"WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone", widget.CodePermission, "read-only transaction"},
		{"SELECT nextval('seq')", widget.CodePermission, "read-only transaction"},
		{"SELECT set_config('transaction_read_only', 'off', false)", widget.CodePermission, "25001"},
		{"UPDATE orders SET id = 1", widget.CodeQuery, "returns no rows"},
		{"COMMIT", widget.CodeQuery, "returns no rows"},
		{"DO $$ BEGIN DELETE FROM orders; END $$", widget.CodeQuery, "returns no rows"},
		{"COPY orders TO PROGRAM 'cat'", widget.CodeQuery, "returns no rows"},
		{"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", widget.CodeQuery, "returns no rows"},
		{"SELECT 1; DELETE FROM orders", widget.CodeQuery, "more than one statement"},
		{"SELECT pg_sleep(60)", widget.CodeTimeout, ""},
	}
	if _, err := admin.Exec(t.Context(), "CREATE SEQUENCE seq"); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases { // as the superuser: only the transaction is in the way
		ask := asked(sqlText(c.sql))
		ask.Limits.Timeout = 2 * time.Second
		_, err := owner.Fetch(t.Context(), owner.conn, ask)
		wantCode(t, c.sql, err, c.code, c.words)
	}
	_, err := p.ask(t, sqlText("SELECT pg_read_file('/etc/passwd')"))
	wantCode(t, "read a file", err, widget.CodePermission, "pg_read_file")
	var n int
	if err := admin.QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&n); err != nil || n != 3 {
		t.Errorf("%d orders are left, %v", n, err)
	}
	var running int
	err = admin.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()").Scan(&running)
	if err != nil || running != 0 {
		t.Errorf("%d are still asleep, %v", running, err)
	}
}

func postgresLimits(t *testing.T, p *place) {
	before := heap()
	f := p.fetch(t, sqlText("SELECT generate_series(1, 10000000) AS n, repeat('x', 20) AS x"))
	if f.Rows() != widget.DefaultLimits.Rows || !f.Truncated {
		t.Errorf("%d rows, truncated %t", f.Rows(), f.Truncated)
	}
	f = p.fetch(t, sqlText("SELECT repeat('x', 1000000) AS x, generate_series(1, 10000000) AS n"))
	if f.Rows() != 8 || !f.Truncated {
		t.Errorf("%d rows of a megabyte, truncated %t; want 8", f.Rows(), f.Truncated)
	}
	_, err := p.ask(t, sqlText("SELECT repeat('x', 1000000000) AS x"))
	wantCode(t, "a value of 1 GB", err, widget.CodeTooLarge, "more than the limit")
	if grown := heap() - before; grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

// heap is what is reachable, after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func postgresFailures(t *testing.T, p *place) {
	try := func(what string, code widget.SourceCode, words string, change func(*datasource.Connection)) {
		t.Helper()
		c := p.conn
		change(&c)
		_, err := p.Probe(t.Context(), c)
		wantCode(t, what, err, code, words)
	}
	closed := closedPort(t)
	try("wrong database", widget.CodeDatabase, "does not exist", func(c *datasource.Connection) { c.Settings.Database = "no_such" })
	try("nothing there", widget.CodeRefused, "refused", func(c *datasource.Connection) { c.Settings.Port = closed })
	try("no such name", widget.CodeName, "", func(c *datasource.Connection) { c.Settings.Host = "no-such-host.invalid" })
	try("TLS", widget.CodeTLS, "", func(c *datasource.Connection) { c.Settings.TLS = datasource.TLSVerify })
	try("metadata", widget.CodeBlocked, "169.254.169.254", func(c *datasource.Connection) { c.Settings.Host = "169.254.169.254" })
	_, err := p.ask(t, sqlText("SELECT * FROM missing"))
	wantCode(t, "no such table", err, widget.CodeQuery, `"missing" does not exist`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Fetch(ctx, p.conn, asked(sqlText("SELECT 1"))); err == nil || strings.Contains(fmt.Sprint(err), "source:") {
		t.Errorf("nobody waits any more: %v", err)
	}
	// A silent server: the time-out is ours.
	silent := listen(t, func(net.Conn) {})
	c := p.conn
	c.Settings.Host, c.Settings.Port = "127.0.0.1", silent
	short, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	_, err = p.Fetch(short, c, asked(sqlText("SELECT 1")))
	wantCode(t, "silence", err, widget.CodeTimeout, "")
}

// listen accepts connections and leaves them to serve, until the test ends.
func listen(t testing.TB, serve func(net.Conn)) (port int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			go serve(c)
		}
	}()
	return int64(l.Addr().(*net.TCPAddr).Port)
}

func closedPort(t testing.TB) int64 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return int64(l.Addr().(*net.TCPAddr).Port)
}

func postgresPrivileges(t *testing.T, p *place, admin *pgx.Conn) {
	role := p.conn.Settings.Username
	check := func(want string) {
		t.Helper()
		report, err := p.Probe(t.Context(), p.conn)
		if err != nil || strings.Join(report.Privileges, ", ") != want || !strings.HasPrefix(report.Server, "PostgreSQL ") {
			t.Errorf("Probe = %+v, %v; want %q", report, err, want)
		}
	}
	do := func(sql string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	check("")
	do("GRANT UPDATE (name) ON orders TO " + role)
	check("write")
	do("REVOKE UPDATE (name) ON orders FROM " + role)
	do("GRANT pg_read_server_files TO " + role)
	check("files")
	do("REVOKE pg_read_server_files FROM " + role)
	do("GRANT CREATE ON DATABASE " + p.conn.Settings.Database + " TO " + role)
	check("write")
	do("REVOKE CREATE ON DATABASE " + p.conn.Settings.Database + " FROM " + role)
	do("ALTER ROLE " + role + " SUPERUSER")
	check("superuser, files, write")
	do("ALTER ROLE " + role + " NOSUPERUSER CREATEROLE")
	check("superuser, files, write")
	do("ALTER ROLE " + role + " NOCREATEROLE")
	check("")
}
