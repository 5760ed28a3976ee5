package source_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/widget"
	"github.com/bdash/bdash/internal/widget/source"
)

// sqlitePlace makes a folder with shop.db and, outside it, other.db.
func sqlitePlace(t testing.TB) (*place, string) {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "sources")
	if err := os.MkdirAll(filepath.Join(dir, "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	fill := func(path string) {
		t.Helper()
		db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		_, err = db.Exec(`CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT, paid BOOLEAN, total REAL, at TEXT, made TIMESTAMP, extra JSON, blob BLOB);
			INSERT INTO orders VALUES (1, 'O''Brien; --', 1, 12.5, '2026-03-01 22:30:00', '2026-03-01 22:30:00', '{"a":1}', x'ff'),
				(2, 'Zoë', 0, 3, '2026-03-09', NULL, NULL, NULL)`)
		if err != nil {
			t.Fatal(err)
		}
	}
	fill(filepath.Join(dir, "shop.db"))
	fill(filepath.Join(root, "other.db"))
	return &place{&source.Registry{Dialer: local(), Dir: dir, Own: filepath.Join(root, "other.db")},
		datasource.Connection{Kind: widget.SourceSQLite, Settings: datasource.Settings{Path: "shop.db"}}}, root
}

func TestSQLiteValues(t *testing.T) {
	t.Parallel()
	p, _ := sqlitePlace(t)
	wantRows(t, p.fetch(t, sqlText("SELECT id, name, paid, total, at, made, extra, blob FROM orders ORDER BY id")),
		"id:integer name:text paid:bool total:number at:time made:time extra:json blob:text",
		`1 "O'Brien; --" true 12.5 2026-03-01T22:30:00Z 2026-03-01T22:30:00Z {"a":1} "`+"\uFFFD"+`"`,
		`2 "Zoë" false 3 2026-03-09T00:00:00Z NULL NULL NULL`)
	wantRows(t, p.fetch(t, sqlText(`SELECT id FROM orders WHERE at >= :period_from AND at < :period_to AND name = :setting.name AND :user_id = 7 AND :user_role = 'editor'`)),
		"id:integer", "1")
	wantRows(t, p.fetch(t, sqlText(`SELECT ':user_id' AS s, "id" AS q, [id] AS b, date(at) AS day, id / 2.0 AS h FROM orders -- ; :no`)),
		"s:text q:integer b:integer day:time h:number",
		`":user_id" 1 1 2026-03-01T00:00:00Z 0.5`, `":user_id" 2 2 2026-03-09T00:00:00Z 1`)
	wantRows(t, p.fetch(t, sqlText("SELECT 1 AS v UNION ALL SELECT 2.5 UNION ALL SELECT NULL")), "v:number", "1", "2.5", "NULL")
	wantRows(t, p.fetch(t, sqlText("SELECT 1 AS v UNION ALL SELECT 'x'")), "v:text", `"1"`, `"x"`)
	report, err := p.Probe(t.Context(), p.conn)
	if err != nil || !strings.HasPrefix(report.Server, "SQLite 3.") || len(report.Privileges) != 0 {
		t.Errorf("Probe = %+v, %v", report, err)
	}
}

func TestSQLiteOnlyReads(t *testing.T) {
	t.Parallel()
	p, root := sqlitePlace(t)
	other, leak := filepath.Join(root, "other.db"), filepath.Join(root, "leak.db")
	for statement, want := range map[string]widget.SourceCode{
		"INSERT INTO orders (id) VALUES (9) RETURNING id":  widget.CodePermission,
		"DELETE FROM orders":                               widget.CodePermission,
		"CREATE TABLE x (id INTEGER)":                      widget.CodePermission,
		"ATTACH '" + other + "' AS o":                      widget.CodeQuery,
		"ATTACH ':memory:' AS o":                           widget.CodeQuery,
		"VACUUM INTO '" + leak + "'":                       widget.CodeQuery,
		"SELECT load_extension('x')":                       widget.CodeQuery,
		"SELECT 1; SELECT 2":                               widget.CodeQuery,
		"SELECT zeroblob(1000000000)":                      widget.CodeTooLarge,
		"SELECT printf('%.*c', 1000000000, 'x')":           widget.CodeTooLarge,
		"SELECT readfile('/etc/passwd')":                   widget.CodeQuery,
		"SELECT ?1":                                        widget.CodeQuery,
		"PRAGMA journal_mode = DELETE; DELETE FROM orders": widget.CodeQuery,
	} {
		_, err := p.ask(t, sqlText(statement))
		wantCode(t, statement, err, want, "")
	}
	// What a session allows itself ends with it.
	_, _ = p.ask(t, sqlText("PRAGMA query_only = 0"))
	_, err := p.ask(t, sqlText("DELETE FROM orders RETURNING id"))
	wantCode(t, "after query_only = 0", err, widget.CodePermission, "")
	wantRows(t, p.fetch(t, sqlText("SELECT count(*) AS n FROM orders")), "n:integer", "2")
	if _, err := os.Stat(leak); err == nil {
		t.Error("VACUUM INTO wrote a file")
	}
}

func TestSQLiteIsStopped(t *testing.T) {
	t.Parallel()
	p, _ := sqlitePlace(t)
	endless := sqlText("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := p.Fetch(ctx, p.conn, asked(endless))
	wantCode(t, "endless", err, widget.CodeTimeout, "")
	before := heap()
	f := p.fetch(t, sqlText("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000) SELECT i, 'xxxxxxxxxx' AS x FROM n"))
	if f.Rows() != widget.DefaultLimits.Rows || !f.Truncated {
		t.Errorf("%d rows, truncated %t", f.Rows(), f.Truncated)
	}
	if grown := heap() - before; grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

func TestSQLiteFiles(t *testing.T) {
	t.Parallel()
	p, root := sqlitePlace(t)
	link := func(target, at string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(root, "sources", at)); err != nil {
			t.Fatal(err)
		}
	}
	link("shop.db", "inside.db")
	link(filepath.Join(root, "other.db"), "outside.db")
	link("../other.db", "deep/up.db")
	link(root, "dir")
	if err := os.Link(filepath.Join(root, "other.db"), filepath.Join(root, "sources", "hard.db")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "sources", "text.db"), []byte(strings.Repeat("no database ", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]widget.SourceCode{
		"shop.db": "", "inside.db": "", "outside.db": widget.CodeSettings, "deep/up.db": widget.CodeSettings, "dir/other.db": widget.CodeSettings,
		"../other.db": widget.CodeSettings, "hard.db": widget.CodeSettings, "deep": widget.CodeSettings, "missing.db": widget.CodeSettings,
		filepath.Join(root, "other.db"): widget.CodeSettings, "text.db": widget.CodeDatabase, "shop.db?mode=rwc": widget.CodeSettings,
	} {
		c := p.conn
		c.Settings.Path = path
		_, err := p.Probe(t.Context(), c)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		wantCode(t, path, err, want, "")
	}
	none := *p.Registry
	none.Dir = ""
	_, err := none.Probe(t.Context(), p.conn)
	wantCode(t, "no folder", err, widget.CodeSettings, "DATASOURCE_DIR")
}
