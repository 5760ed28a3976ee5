package sqlstore

// The table of constraints is not exported, so this one test looks inside.

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Every unique key of the schema is in the table, under the name that
// PostgreSQL knows it by, and nothing else is.
func TestConstraintsMatchSchema(t *testing.T) {
	t.Parallel()
	if len(constraintOf) != len(constraints) {
		t.Error("two constraints cover the same columns")
	}
	for _, columns := range sqliteUniques(t) {
		if constraintOf[columns] == "" {
			t.Errorf("no constraint for the unique columns %s", columns)
		}
	}
	url := os.Getenv("TEST_DATABASE_URL")
	if url == "" {
		return
	}
	have := postgresConstraints(t, url)
	for name, columns := range have {
		if constraints[name] != columns {
			t.Errorf("constraints[%q] = %q, want %q", name, constraints[name], columns)
		}
	}
	for name := range constraints {
		if _, ok := have[name]; !ok {
			t.Errorf("constraints[%q] is not in the schema", name)
		}
	}
}

// sqliteUniques lists the columns of the unique indexes, as SQLite reports them.
func sqliteUniques(t *testing.T) []string {
	t.Helper()
	d, err := Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "constraints.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if _, err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := d.ReadDBTX().Query(t.Context(), `SELECT group_concat(m.name || '.' || c.name, ', ' ORDER BY c.seqno)
		FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c
		WHERE m.type = 'table' AND i."unique" = 1 GROUP BY m.name, i.name`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(all) == 0 {
		t.Fatalf("%d unique indexes, %v", len(all), err)
	}
	return all
}

// postgresConstraints reads the keys from a schema made in a transaction that
// is never committed.
func postgresConstraints(t *testing.T, url string) map[string]string {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "BEGIN; CREATE SCHEMA constraints_test; SET LOCAL search_path = constraints_test"); err != nil {
		t.Fatal(err)
	}
	files, err := migrations.ReadDir("migrations/postgres")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := migrations.ReadFile("migrations/postgres/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		if _, err := conn.Exec(ctx, up); err != nil {
			t.Fatalf("%s: %v", f.Name(), err)
		}
	}
	rows, err := conn.Query(ctx, `SELECT n.relname, array_agg(t.relname || '.' || a.attname ORDER BY k.place)
		FROM pg_index i JOIN pg_class n ON n.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
		CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, place)
		JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
		WHERE i.indisunique AND t.relnamespace = 'constraints_test'::regnamespace GROUP BY n.relname`)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	var name string
	var columns []string
	_, err = pgx.ForEachRow(rows, []any{&name, &columns}, func() error {
		have[name] = strings.Join(slices.Clone(columns), ", ")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return have
}
