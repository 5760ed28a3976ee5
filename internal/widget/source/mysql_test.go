package source_test

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/widget"
	"github.com/bdash/bdash/internal/widget/source"
)

// TestMySQL runs on the server of TEST_MYSQL_URL, such as
// root@tcp(127.0.0.1:3306)/test: its user may make databases and users.
func TestMySQL(t *testing.T) {
	t.Parallel()
	dsn := env("TEST_MYSQL_URL")
	if dsn == "" {
		return // make test-postgres and CI name one
	}
	p, admin := mysqlPlace(t, dsn)
	t.Run("values", func(t *testing.T) { mysqlValues(t, p) })
	t.Run("writes", func(t *testing.T) { mysqlWrites(t, p, admin) })
	t.Run("limits", func(t *testing.T) { mysqlLimits(t, p) })
	t.Run("failures", func(t *testing.T) { mysqlFailures(t, p) })
	t.Run("privileges", func(t *testing.T) { mysqlPrivileges(t, p, admin) })
}

// mysqlAdmin is the user of the server that makes what tests need.
type mysqlAdmin struct {
	*sql.DB
	user, password string
}

func (a *mysqlAdmin) do(t testing.TB, statement string) {
	t.Helper()
	if _, err := a.ExecContext(background(t), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func mysqlPlace(t *testing.T, dsn string) (*place, *mysqlAdmin) {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	admin := &mysqlAdmin{db, cfg.User, cfg.Passwd}
	schema, user := name("src_"), name("r_")
	t.Cleanup(func() {
		_, _ = db.Exec("DROP DATABASE IF EXISTS " + schema)
		_, _ = db.Exec("DROP USER IF EXISTS " + user)
		_ = db.Close()
	})
	for _, s := range []string{
		"CREATE DATABASE " + schema + " CHARACTER SET utf8mb4", "CREATE USER " + user + " IDENTIFIED BY 'top-secret'",
		"CREATE TABLE " + schema + ".orders (id BIGINT, name VARCHAR(50), total DECIMAL(10,2), ratio DOUBLE, at TIMESTAMP NULL, day DATE, big BIGINT UNSIGNED)",
		"SET time_zone = '+00:00'",
		"INSERT INTO " + schema + ".orders VALUES (1, 'O''Brien; --', 12.50, 0.5, FROM_UNIXTIME(1772404200), '2026-03-01', 18446744073709551615), (2, 'Zoë', NULL, NULL, NULL, NULL, 1)",
		"GRANT SELECT ON " + schema + ".* TO " + user,
	} {
		admin.do(t, s)
	}
	host, port, _ := strings.Cut(cfg.Addr, ":")
	number, err := strconv.ParseInt(port, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return &place{&source.Registry{Dialer: local()}, datasource.Connection{
		Kind:     widget.SourceMySQL,
		Settings: datasource.Settings{Host: host, Port: number, Database: schema, Username: user, TLS: datasource.TLSOff},
		Secrets:  datasource.Secrets{Password: "top-secret"},
	}}, admin
}

func mysqlValues(t *testing.T, p *place) {
	wantRows(t, p.fetch(t, sqlText("SELECT id, name, total, ratio, at, day, big FROM orders ORDER BY id # all")),
		"id:integer name:text total:number ratio:number at:time day:time big:number",
		`1 "O'Brien; --" 12.5 0.5 2026-03-01T22:30:00Z 2026-03-01T00:00:00Z 18446744073709552000`,
		`2 "Zoë" NULL NULL NULL NULL 1`)
	wantRows(t, p.fetch(t, sqlText("SELECT id FROM orders WHERE name = :setting.name AND at >= :period_from AND at < :period_to AND :user_id = 7 AND :user_id = 7")),
		"id:integer", "1")
	wantRows(t, p.fetch(t, sqlText("SELECT ':user_id' AS s, \"a\\\":b\" AS q, 5--3 AS n, `id` FROM orders WHERE id = 1")),
		"s:text q:text n:integer id:integer", `":user_id" "a\":b" 8 1`)
	wantRows(t, p.fetch(t, sqlText("SELECT id, at FROM orders WHERE 1 = 0")), "id:integer at:time")
}

func mysqlWrites(t *testing.T, p *place, admin *mysqlAdmin) {
	owner := *p
	owner.conn.Settings.Username, owner.conn.Secrets.Password = admin.user, admin.password
	cases := []struct {
		sql   string
		code  widget.SourceCode
		words string
	}{
		{"WITH x AS (SELECT 1) DELETE FROM orders", widget.CodeQuery, ""},
		{"SELECT * FROM orders FOR UPDATE; DROP TABLE orders", widget.CodeQuery, "more than one statement"},
		{"INSERT INTO orders (id) VALUES (9) RETURNING id", widget.CodeQuery, "returns no rows"},
		{"SET PASSWORD = ''", widget.CodeQuery, "returns no rows"},
		{"SELECT 1 /*! INTO OUTFILE '/tmp/x' */", widget.CodeQuery, "comments that are run"},
		{"SELECT NEXTVAL(seq)", widget.CodePermission, "READ ONLY"},
		{"SELECT SLEEP(60)", widget.CodeTimeout, ""},
	}
	admin.do(t, "CREATE SEQUENCE "+p.conn.Settings.Database+".seq")
	for _, c := range cases { // as root: only the transaction is in the way
		ask := asked(sqlText(c.sql))
		ask.Limits.Timeout = 2 * time.Second
		_, err := owner.Fetch(t.Context(), owner.conn, ask)
		wantCode(t, c.sql, err, c.code, c.words)
	}
	// Without FILE there is nothing to read.
	wantRows(t, p.fetch(t, sqlText("SELECT LOAD_FILE('/etc/passwd') AS f")), "f:text", "NULL")
	_, err := p.ask(t, sqlText("SELECT 1 INTO OUTFILE '/tmp/bdash-out'"))
	wantCode(t, "write a file", err, widget.CodePermission, "FILE")
	var n int
	if err := admin.QueryRow("SELECT count(*) FROM " + p.conn.Settings.Database + ".orders").Scan(&n); err != nil || n != 2 {
		t.Errorf("%d orders are left, %v", n, err)
	}
}

func mysqlLimits(t *testing.T, p *place) {
	before := heap()
	f := p.fetch(t, sqlText("WITH RECURSIVE d AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM d WHERE n < 215) SELECT a.n AS n, REPEAT('x', 20) AS x FROM d a, d b, d c"))
	if f.Rows() != widget.DefaultLimits.Rows || !f.Truncated {
		t.Errorf("%d rows, truncated %t", f.Rows(), f.Truncated)
	}
	_, err := p.ask(t, sqlText("WITH RECURSIVE d AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM d WHERE n < 99) SELECT REPEAT('x', 10000000) AS x FROM d a, d b"))
	if err != nil {
		wantCode(t, "rows of 10 MB", err, widget.CodeTooLarge, "")
	}
	if grown := heap() - before; grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

func mysqlFailures(t *testing.T, p *place) {
	try := func(what string, code widget.SourceCode, words string, change func(*datasource.Connection)) {
		t.Helper()
		c := p.conn
		change(&c)
		_, err := p.Probe(t.Context(), c)
		wantCode(t, what, err, code, words)
	}
	closed := closedPort(t)
	try("wrong password", widget.CodeAuth, "Access denied", func(c *datasource.Connection) { c.Secrets.Password = "other" })
	try("wrong database", widget.CodeDatabase, "", func(c *datasource.Connection) { c.Settings.Database = "no_such" })
	try("nothing there", widget.CodeRefused, "refused", func(c *datasource.Connection) { c.Settings.Port = closed })
	try("TLS", widget.CodeTLS, "", func(c *datasource.Connection) { c.Settings.TLS = datasource.TLSVerify })
	try("private", widget.CodeBlocked, "10.0.0.1", func(c *datasource.Connection) { c.Settings.Host = "10.0.0.1" })
	_, err := p.ask(t, sqlText("SELECT * FROM missing"))
	wantCode(t, "no such table", err, widget.CodeQuery, "doesn't exist")
	_, err = p.ask(t, sqlText("SELECT * FROM mysql.user"))
	wantCode(t, "another database", err, widget.CodePermission, "denied")
	short, stop := context.WithTimeout(t.Context(), 0)
	defer stop()
	_, err = p.Fetch(short, p.conn, asked(sqlText("SELECT 1")))
	wantCode(t, "no time", err, widget.CodeTimeout, "")
}

func mysqlPrivileges(t *testing.T, p *place, admin *mysqlAdmin) {
	user, db := p.conn.Settings.Username, p.conn.Settings.Database
	check := func(want string) {
		t.Helper()
		report, err := p.Probe(t.Context(), p.conn)
		if err != nil || strings.Join(report.Privileges, ", ") != want || report.Server == "" {
			t.Errorf("Probe = %+v, %v; want %q", report, err, want)
		}
	}
	check("")
	admin.do(t, "GRANT UPDATE (name) ON "+db+".orders TO "+user)
	check("write")
	admin.do(t, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM "+user)
	admin.do(t, "GRANT SELECT ON "+db+".* TO "+user)
	admin.do(t, "GRANT FILE ON *.* TO "+user)
	check("files")
	admin.do(t, "REVOKE FILE ON *.* FROM "+user)
	admin.do(t, "GRANT CREATE USER ON *.* TO "+user)
	check("superuser, files, write")
	admin.do(t, "REVOKE CREATE USER ON *.* FROM "+user)
	role := name("role_")
	admin.do(t, "CREATE ROLE "+role)
	t.Cleanup(func() { _, _ = admin.Exec("DROP ROLE " + role) })
	admin.do(t, "GRANT INSERT ON "+db+".* TO "+role)
	admin.do(t, "GRANT "+role+" TO "+user)
	check("") // nobody activates it
	admin.do(t, "SET DEFAULT ROLE "+role+" FOR "+user)
	check("write")
}
