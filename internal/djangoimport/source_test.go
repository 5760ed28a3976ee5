package djangoimport_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/djangoimport"
	"github.com/bdash/bdash/internal/oracle"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

func TestOlderAndOtherDatabases(t *testing.T) {
	t.Parallel()
	t.Run("the guide's own users, no agents, a plugin", func(t *testing.T) {
		t.Parallel()
		m := newMade(t, `CREATE TABLE users (email text, id integer, username text, password text, date_joined text, points integer)`,
			"CREATE TABLE shop_order (id integer)", "INSERT INTO shop_order VALUES (1)")
		m.exec("INSERT INTO users VALUES ('a@example.com', 1, 'a', '!', '2024-01-01 00:00:00.123456', 7)")
		db := sqltest.Open(t)
		report := mustRun(t, djangoimport.Options{From: m.path, Target: db})
		u := read(t, db, "users")[0]
		for column, want := range map[string]string{
			"created_at": "2024-01-01 00:00:00.123456", "updated_at": "2024-01-01 00:00:00.123456", "is_active": "true",
			"role": "user", "status": "active", "preferred_locale": "en", "theme_mode": "system", "avatar": "<nil>",
		} {
			if u[column] != want {
				t.Errorf("%s = %s, want %s", column, u[column], want)
			}
		}
		for _, want := range []struct {
			table, reason string
			kind          djangoimport.Kind
			count         int64
		}{
			{"users", "the source has no column created_at: date_joined stands in", djangoimport.Notable, 1},
			{"users", "the source has no column bio: rows get its default", djangoimport.Notable, 1},
			{"users", "the column points is unknown to bdash and stays behind", djangoimport.NotTaken, 1},
			{"ai_agents", "the source has no such table: nothing to take", djangoimport.TableNotTaken, 0},
			{"shop_order", "belongs to another app, which bdash does not know", djangoimport.TableNotTaken, 1},
		} {
			n := report.Find(want.table, want.reason)
			if n == nil || n.Kind != want.kind || n.Count != want.count {
				t.Errorf("Find(%q, %q) = %+v, want %s, %d rows", want.table, want.reason, n, want.kind, want.count)
			}
		}
		if c := mustRun(t, djangoimport.Options{From: m.path, Target: db}).Table("users"); c.Unchanged != 1 {
			t.Errorf("second run: %+v", c)
		}
	})
	for name, c := range map[string]struct {
		tables []string
		want   string
	}{
		"Django's own user model": {[]string{"CREATE TABLE auth_user (id integer)"}, "keeps its users in auth_user"},
		"another application":     {[]string{"CREATE TABLE orders (id integer)"}, "has no table users"},
		"empty":                   {[]string{"CREATE TABLE x (id integer)", "DROP TABLE x"}, "holds no tables"},
		"users without passwords": {[]string{"CREATE TABLE users (id integer, username text, email text)"}, "has no column password"},
		"themes without owners": {[]string{djangoTables[0], "CREATE TABLE themes (id integer, name text)"},
			"the table themes of"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMade(t, c.tables...)
			_, err := djangoimport.Run(t.Context(), djangoimport.Options{From: m.path, Target: sqltest.Open(t)})
			if !errors.Is(err, djangoimport.ErrNotGuide) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Run = %v, want ErrNotGuide and %q", err, c.want)
			}
		})
	}
	t.Run("bdash itself", func(t *testing.T) {
		t.Parallel()
		_, err := djangoimport.Run(t.Context(), djangoimport.Options{From: sqltest.URL(t), Target: sqltest.Open(t)})
		if !errors.Is(err, djangoimport.ErrNotGuide) || !strings.Contains(err.Error(), "a database of bdash itself") {
			t.Errorf("Run = %v, want it to name bdash", err)
		}
	})
}

func TestSourcesThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no database\n"), 200), 0o600); err != nil {
		t.Fatal(err)
	}
	db := sqltest.Open(t)
	for from, want := range map[string]string{
		filepath.Join(dir, "missing.sqlite3"): "no such file",
		dir:                                   "is a directory",
		text:                                  "not a database",
		"mysql://root:hunter2@localhost/db":   "cannot import from mysql://",
		"postgres://u:hunter2@127.0.0.1:1/db?connect_timeout=2": "open the Django database",
	} {
		report, err := djangoimport.Run(t.Context(), djangoimport.Options{From: from, Target: db})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run(%q) = %v, want %q", from, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") || report.Complete {
			t.Errorf("Run(%q): the error tells the password, or the report is complete: %v", from, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "missing.sqlite3")); !os.IsNotExist(err) {
		t.Errorf("the missing file was made: %v", err)
	}
}

// The source is only read: byte for byte the same, with a name that needs
// escaping, and while somebody is writing to it.
func TestSourceStaysAsItIs(t *testing.T) {
	t.Parallel()
	data, err := oracle.RecordSeed()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "50% of a #1 database?.sqlite3")
	if err := os.WriteFile(path, data, 0o400); err != nil {
		t.Fatal(err)
	}
	mustRun(t, djangoimport.Options{From: path, Target: sqltest.Open(t)})
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(after) != sha256.Sum256(data) {
		t.Error("the import changed its source")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the import left files beside its source: %v %v", entries, err)
	}
}

func TestSourceInUse(t *testing.T) {
	t.Parallel()
	path := file(t, oracle.RecordSeed)
	live, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	live.SetMaxOpenConns(1)
	for _, s := range []string{"PRAGMA journal_mode = WAL", "BEGIN IMMEDIATE", "UPDATE users SET bio = 'half done'"} {
		if _, err := live.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	db := sqltest.Open(t)
	mustRun(t, djangoimport.Options{From: path, Target: db})
	if bio := read(t, db, "users")[0]["bio"]; bio != "" {
		t.Errorf("bio = %q, want what was committed", bio)
	}
	if _, err := live.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Errorf("the writer could not commit: %v", err)
	}
}
