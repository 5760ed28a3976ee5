// Package sqltest gives tests a migrated database of their own: an SQLite file
// in a temporary directory always, and a PostgreSQL database when
// TEST_DATABASE_URL names a server on which databases may be created.
package sqltest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/bdash/bdash/internal/sqlstore"
)

// Each runs test on a fresh, migrated database of every engine at hand, in
// parallel subtests named after the engines.
func Each(t *testing.T, test func(t *testing.T, db *sqlstore.DB)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) { test(t, open(t, url)) })
}

// EachURL is Each for tests that open the database themselves, or twice.
func EachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run(string(sqlstore.SQLite), func(t *testing.T) {
		t.Parallel()
		test(t, URL(t))
	})
	if os.Getenv(serverEnv) == "" {
		return
	}
	t.Run(string(sqlstore.Postgres), func(t *testing.T) {
		t.Parallel()
		test(t, postgresURL(t))
	})
}

// Open opens a fresh, migrated SQLite database, and closes it after the test.
func Open(t testing.TB) *sqlstore.DB {
	t.Helper()
	return open(t, URL(t))
}

// URL makes a fresh, migrated SQLite database without opening it.
func URL(t testing.TB) string {
	t.Helper()
	template, err := sqliteTemplate()
	if err != nil {
		t.Fatalf("make the SQLite template: %v", err)
	}
	path := filepath.Join(t.TempDir(), "bdash.sqlite3")
	if err := os.WriteFile(path, template, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite://" + path
}

func open(t testing.TB, url string) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), url, sqlstore.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("Open(%q): %v", url, err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

// sqliteTemplate is the content of a migrated file. Copying it is quicker than
// migrating for every test.
var sqliteTemplate = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sqltest")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "template.sqlite3")
	if err := migrated(context.Background(), "sqlite://"+path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// migrated brings the database at url up to date and closes it.
func migrated(ctx context.Context, url string) error {
	db, err := sqlstore.Open(ctx, url, sqlstore.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err = db.Migrate(ctx); err != nil {
		_ = db.Close()
		return err
	}
	return db.Close()
}
