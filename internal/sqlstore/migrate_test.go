package sqlstore_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

func TestMigrationsComeInPairs(t *testing.T) {
	t.Parallel()
	list := func(engine sqlstore.Engine) []string {
		names, err := fs.Glob(sqlstore.Migrations(), string(engine)+"/*.sql")
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range names {
			names[i] = filepath.Base(n)
		}
		return names
	}
	lite, pg := list(sqlstore.SQLite), list(sqlstore.Postgres)
	if diff := cmp.Diff(lite, pg); diff != "" || len(lite) == 0 {
		t.Errorf("migrations of SQLite and PostgreSQL differ:\n%s", diff)
	}
	if last := fmt.Sprintf("%04d_", sqlstore.LatestSchema()); !strings.HasPrefix(lite[len(lite)-1], last) {
		t.Errorf("the last migration is %s, and the schema's number %d", lite[len(lite)-1], sqlstore.LatestSchema())
	}
}

// Ten instances that start on an empty database migrate it once.
func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		emptied := reopen(t, url)
		if emptied.Engine() == sqlstore.Postgres {
			mustExec(t, emptied.WriteDBTX(), "DROP SCHEMA public CASCADE")
			mustExec(t, emptied.WriteDBTX(), "CREATE SCHEMA public")
		} else {
			url = "sqlite://" + filepath.Join(t.TempDir(), "empty.db")
		}
		var applied atomic.Int32
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				d, err := sqlstore.Open(t.Context(), url, sqlstore.Options{})
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = d.Close() }()
				n, err := d.Migrate(t.Context())
				applied.Add(int32(n))
				version, versionErr := d.SchemaVersion(t.Context())
				if err != nil || versionErr != nil || version != sqlstore.LatestSchema() {
					t.Errorf("Migrate = %v; SchemaVersion = %d, %v", err, version, versionErr)
				}
			})
		}
		wg.Wait()
		names, err := fs.Glob(sqlstore.Migrations(), "sqlite/*.sql")
		if err != nil || int(applied.Load()) != len(names) {
			t.Errorf("%d migrations were applied, want %d, %v", applied.Load(), len(names), err)
		}
		d := reopen(t, url)
		var rows int
		err = d.ReadDBTX().QueryRow(t.Context(), "SELECT count(*) FROM goose_db_version").Scan(&rows)
		if err != nil || rows != len(names)+1 { // and the row of version 0
			t.Errorf("%d rows in the version table, %v; want %d", rows, err, len(names)+1)
		}
		if n, err := d.Migrate(t.Context()); n != 0 || err != nil {
			t.Errorf("a second Migrate = %d, %v; want 0, nil", n, err)
		}
	})
}

func TestSchemaVersionOfEmptyDatabase(t *testing.T) {
	t.Parallel()
	d := reopen(t, "sqlite://"+filepath.Join(t.TempDir(), "empty.db"))
	if v, err := d.SchemaVersion(t.Context()); v != 0 || err != nil {
		t.Errorf("SchemaVersion = %d, %v; want 0, nil", v, err)
	}
}

// An old program refuses a newer schema and leaves it alone.
func TestMigrateRefusesNewerSchema(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
		flag := "TRUE"
		if d.Engine() == sqlstore.SQLite {
			flag = "1"
		}
		mustExec(t, d.WriteDBTX(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, "+flag+")")
		if n, err := d.Migrate(t.Context()); n != 0 || !errors.Is(err, sqlstore.ErrSchemaNewer) {
			t.Errorf("Migrate = %d, %v; want ErrSchemaNewer", n, err)
		}
	})
}

// The database of another program, such as Django's, is left as it is.
func TestMigrateRefusesForeign(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
		mustExec(t, d.WriteDBTX(), "DROP TABLE goose_db_version")
		if n, err := d.Migrate(t.Context()); n != 0 || !errors.Is(err, sqlstore.ErrForeign) {
			t.Errorf("Migrate = %d, %v; want ErrForeign", n, err)
		}
		mustExec(t, d.WriteDBTX(), "CREATE TABLE goose_db_version (id INTEGER)") // there is none
	})
}

// A file that may only be read is refused at once, not at the first request.
func TestOpenRefusesReadOnly(t *testing.T) {
	t.Parallel()
	path := strings.TrimPrefix(sqltest.URL(t), "sqlite://")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// SQLite only reads files of a later write format (byte 18), whoever asks:
	// permissions would not stop a test that root runs.
	content[18] = 3
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := sqlstore.Open(t.Context(), "sqlite://"+path, sqlstore.Options{})
	if err == nil {
		_ = d.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("Open = %v, want a complaint about a read-only database", err)
	}
}

// column is what both engines must agree on.
type column struct {
	Table, Name string
	Nullable    bool
}

func TestSchemasAgree(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	columns := map[sqlstore.Engine][]column{}
	uniques := map[sqlstore.Engine][]string{}
	t.Run("engines", func(t *testing.T) {
		sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
			c, u := readColumns(t, d), readUniques(t, d)
			mu.Lock()
			defer mu.Unlock()
			columns[d.Engine()], uniques[d.Engine()] = c, u
			if d.Engine() == sqlstore.Postgres {
				checkCollations(t, d)
			}
		})
	})
	if len(columns[sqlstore.SQLite]) < 10 {
		t.Fatalf("only %d columns on SQLite", len(columns[sqlstore.SQLite]))
	}
	if columns[sqlstore.Postgres] == nil {
		return // no server at hand
	}
	if diff := cmp.Diff(columns[sqlstore.SQLite], columns[sqlstore.Postgres]); diff != "" {
		t.Errorf("columns (-sqlite +postgres):\n%s", diff)
	}
	if diff := cmp.Diff(uniques[sqlstore.SQLite], uniques[sqlstore.Postgres]); diff != "" {
		t.Errorf("unique keys (-sqlite +postgres):\n%s", diff)
	}
}

func readColumns(t *testing.T, d *sqlstore.DB) []column {
	t.Helper()
	// An INTEGER PRIMARY KEY is the row's number and never NULL.
	text := `SELECT m.name, c.name, c."notnull" = 0 AND NOT (c.pk = 1 AND c.type = 'INTEGER') FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'goose_%' ORDER BY m.name, c.name`
	if d.Engine() == sqlstore.Postgres {
		text = `SELECT table_name, column_name, is_nullable = 'YES' FROM information_schema.columns
			WHERE table_schema = 'public' AND table_name NOT LIKE 'goose_%'
			ORDER BY table_name COLLATE "C", column_name COLLATE "C"`
	}
	rows, err := d.ReadDBTX().Query(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []column
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.Table, &c.Name, &c.Nullable); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// readUniques lists the columns of every unique key, as SQLite would report a
// violation of it.
func readUniques(t *testing.T, d *sqlstore.DB) []string {
	t.Helper()
	// A single INTEGER PRIMARY KEY has no index of its own.
	text := `SELECT group_concat(m.name || '.' || c.name, ', ' ORDER BY c.seqno)
		FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c
		WHERE m.type = 'table' AND i."unique" = 1 AND m.name NOT LIKE 'goose_%' GROUP BY m.name, i.name
		UNION ALL
		SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND c.pk = 1 AND c.type = 'INTEGER' AND m.name NOT LIKE 'goose_%'`
	if d.Engine() == sqlstore.Postgres {
		text = `SELECT string_agg(t.relname || '.' || a.attname, ', ' ORDER BY k.place)
			FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
			CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, place)
			JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
			WHERE i.indisunique AND t.relnamespace = 'public'::regnamespace AND t.relname NOT LIKE 'goose_%'
			GROUP BY i.indexrelid`
	}
	all := readTexts(t, d, text)
	slices.Sort(all)
	return all
}

// checkCollations finds indexed text that PostgreSQL would sort by the rules of
// some language, where SQLite sorts by bytes.
func checkCollations(t *testing.T, d *sqlstore.DB) {
	t.Helper()
	for _, name := range readTexts(t, d, `SELECT DISTINCT t.relname || '.' || a.attname
		FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
		JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey)
		JOIN pg_collation c ON c.oid = a.attcollation
		WHERE t.relnamespace = 'public'::regnamespace AND c.collname <> 'C'`) {
		t.Errorf(`%s is indexed but not declared COLLATE "C"`, name)
	}
}

func readTexts(t *testing.T, d *sqlstore.DB, text string) []string {
	t.Helper()
	rows, err := d.ReadDBTX().Query(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := []string{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
