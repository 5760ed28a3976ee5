package sqlstore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

func databasePath(t *testing.T, d *sqlstore.DB) string {
	t.Helper()
	var path string
	err := d.ReadDBTX().QueryRow(t.Context(), "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A write that was acknowledged is there after the process was killed.
func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		d := openSamples(t, url)
		other := startChild(t, url)
		for n := range 20 {
			other.write(n)
		}
		if err := other.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = other.cmd.Wait()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		again := reopen(t, url)
		if n := countSamples(t, again); n != 20 {
			t.Errorf("%d of 20 acknowledged rows are left", n)
		}
		if again.Engine() == sqlstore.SQLite {
			checkIntegrity(t, again)
		}
	})
}

func checkIntegrity(t *testing.T, d *sqlstore.DB) {
	t.Helper()
	var verdict string
	if err := d.ReadDBTX().QueryRow(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check = %q, %v", verdict, err)
	}
}

func TestOpenSQLiteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	odd := filepath.Join(dir, "new", "dir with space", "ä%41#x.db")
	d := reopen(t, "sqlite://"+odd)
	if got := databasePath(t, d); got != odd {
		t.Errorf("opened %q, want %q", got, odd)
	}
	for path, want := range map[string]os.FileMode{odd: 0o600, odd + "-wal": 0o600, odd + "-shm": 0o600, filepath.Dir(odd): 0o700 | os.ModeDir} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("mode of %s = %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	if d.Engine() != sqlstore.SQLite || d.Pool() != nil || d.Writer() == nil {
		t.Error("not an SQLite database through and through")
	}
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000",
	} {
		var got string
		if err := d.WriteDBTX().QueryRow(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("PRAGMA %s = %s, %v; want %s", pragma, got, err, want)
		}
	}
	for _, url := range []string{
		"", "sqlite", "sqlite:", "sqlite://", "sqlite::memory:", "sqlite://x?mode=ro", "sqlite://" + dir,
		"mysql://localhost/x", "sqlite:///dev/null/x.db",
	} {
		if d, err := sqlstore.Open(t.Context(), url, sqlstore.Options{}); err == nil {
			_ = d.Close()
			t.Errorf("Open(%q) succeeded", url)
		}
	}
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlstore.Open(t.Context(), "sqlite:"+text, sqlstore.Options{}); err == nil || sqlstore.IsUnavailable(err) {
		t.Errorf("opened a text file: %v", err)
	}
}

// A relative path is taken from the working directory.
func TestOpenRelative(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, url := range []string{"sqlite://data/a.db", "sqlite:data/a.db"} {
		d := reopen(t, url)
		want, err := filepath.EvalSymlinks(filepath.Join(dir, "data", "a.db"))
		if got := databasePath(t, d); err != nil || got != want {
			t.Errorf("%s opened %q, want %q", url, got, want)
		}
	}
}
