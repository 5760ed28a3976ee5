package djangoimport_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/djangoimport"
	"github.com/bdash/bdash/internal/oracle"
	"github.com/bdash/bdash/internal/sqlstore"
)

// targets are the tables that an import writes, with the columns that order
// their rows.
var targets = map[string]string{
	"users": "id", "themes": "id", "dashboard_views": "id", "user_preferences": "id", "widgets": "id",
	"widget_data": "id", "ai_agents": "id", "agent_conversations": "id",
	"agent_messages": "conversation_id, position", "denied_tokens": "jti", "imported_rows": "table_name, row_id",
}

// file writes a database of the recording to a file.
func file(t *testing.T, load func() ([]byte, error)) string {
	t.Helper()
	data, err := load()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "db.sqlite3")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// dumpedPostgres loads the recorded dump into a database of its own on the
// server that TEST_DATABASE_URL names, and gives its URL.
func dumpedPostgres(t *testing.T) string {
	t.Helper()
	dump, err := oracle.DjangoDump()
	if err != nil {
		t.Fatal(err)
	}
	server := os.Getenv("TEST_DATABASE_URL")
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("bdash_test_django_%d_%d", os.Getpid(), time.Now().UnixNano())
	onServer := func(statement string) {
		c, err := pgx.Connect(context.Background(), server)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		if _, err := c.Exec(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	onServer("CREATE DATABASE " + name + " TEMPLATE template0")
	t.Cleanup(func() { onServer("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)") })
	u.Path = "/" + name
	c, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	// The simple protocol takes a whole script.
	if _, err := c.PgConn().Exec(t.Context(), string(dump)).ReadAll(); err != nil {
		t.Fatal(err)
	}
	return u.String()
}

// mustRun imports and checks what every report must obey.
func mustRun(t *testing.T, opts djangoimport.Options) djangoimport.Report {
	t.Helper()
	report, err := djangoimport.Run(t.Context(), opts)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if !report.Complete {
		t.Error("the report is not complete")
	}
	for _, c := range report.Tables {
		sum := c.Taken + c.Updated + c.Unchanged + c.ChangedInBdash + c.DeletedInBdash + c.Skipped
		if sum != c.Source {
			t.Errorf("%s: the counts add up to %d, want %d: %+v", c.Name, sum, c.Source, c)
		}
	}
	return report
}

// row is a row as text, by column.
type row map[string]string

// read gives the rows of a table of bdash, without the columns named.
func read(t *testing.T, db *sqlstore.DB, table string, without ...string) []row {
	t.Helper()
	rows, err := db.ReadDBTX().Query(t.Context(), "SELECT * FROM "+table+" ORDER BY "+targets[table])
	if err != nil {
		t.Fatalf("read %s: %v", table, err)
	}
	defer rows.Close()
	var out []row
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		r := row{}
		for i, f := range rows.FieldDescriptions() {
			if !slices.Contains(without, f.Name) {
				r[f.Name] = printed(values[i])
			}
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func printed(v any) string {
	if at, ok := v.(time.Time); ok {
		return at.UTC().Format("2006-01-02 15:04:05.000000")
	}
	return fmt.Sprint(v)
}

// dump reads every table that an import writes. The ids of messages and the
// times of imports differ from run to run.
func dump(t *testing.T, db *sqlstore.DB) map[string][]row {
	t.Helper()
	all := map[string][]row{}
	for table := range targets {
		var without []string
		switch table {
		case "agent_messages":
			without = []string{"id"}
		case "imported_rows":
			without = []string{"imported_at", "source"}
		case "users":
			without = []string{"themes_version"}
		case "user_preferences":
			without = []string{"version"}
		}
		all[table] = read(t, db, table, without...)
	}
	return all
}

func sameDump(t *testing.T, what string, got, want map[string][]row) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// byID picks the row with the id.
func byID(t *testing.T, rows []row, id int64) row {
	t.Helper()
	for _, r := range rows {
		if r["id"] == fmt.Sprint(id) {
			return r
		}
	}
	t.Fatalf("no row with id %d", id)
	return nil
}

// exec changes the target behind the importer's back.
func exec(t *testing.T, db *sqlstore.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.WriteDBTX().Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// edit changes a source file.
func edit(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// djangoTables are the guide's tables without the constraints that Django's
// migrations give them: a database can be older, edited, or damaged.
var djangoTables = []string{
	`CREATE TABLE users (id integer, password text, last_login datetime, is_superuser bool, username text,
		first_name text, last_name text, is_staff bool, is_active bool, date_joined datetime, email text, role text,
		status text, avatar text, bio text, preferred_locale text, theme_mode text, sidebar_collapsed bool,
		created_at datetime, updated_at datetime)`,
	`CREATE TABLE themes (id integer, name text, description text, color_mode text, colors text, border_radius text,
		is_active bool, is_default bool, is_system bool, created_at datetime, updated_at datetime, user_id bigint)`,
	`CREATE TABLE dashboard_views (id integer, name text, description text, is_default bool, is_active bool,
		widgets_config text, created_at datetime, updated_at datetime, user_id bigint)`,
	`CREATE TABLE user_preferences (id integer, locale text, theme_mode text, active_theme_id text,
		sidebar_collapsed bool, active_dashboard_view text, created_at datetime, updated_at datetime, user_id bigint)`,
	`CREATE TABLE widgets (id integer, name text, widget_type text, description text, config_schema text,
		is_public bool, created_at datetime, updated_at datetime, created_by_id bigint)`,
	`CREATE TABLE widget_data (id integer, data text, cached_at datetime, cache_ttl integer, user_id bigint,
		widget_id bigint)`,
	`CREATE TABLE ai_agents (id integer, name text, description text, agent_type text, system_prompt text, model text,
		temperature real, max_tokens integer, available_tools text, status text, total_interactions integer,
		last_used datetime, created_at datetime, updated_at datetime, user_id bigint)`,
	`CREATE TABLE agent_conversations (id integer, title text, messages text, total_tokens_used integer,
		total_cost decimal, created_at datetime, updated_at datetime, agent_id bigint, user_id bigint)`,
}

// defaults are sound values for every column.
var defaults = map[string]map[string]any{
	"users": {
		"password": "pbkdf2_sha256$1$salt$hash", "last_login": nil, "is_superuser": 0, "first_name": "", "last_name": "",
		"is_staff": 0, "is_active": 1, "date_joined": "2024-01-01 00:00:00", "role": "user", "status": "active",
		"avatar": nil, "bio": "", "preferred_locale": "en", "theme_mode": "system", "sidebar_collapsed": 0,
		"created_at": "2024-01-01 00:00:00", "updated_at": "2024-01-01 00:00:00",
	},
	"themes": {
		"description": "", "color_mode": "dark", "colors": "{}", "border_radius": "1rem", "is_active": 0,
		"is_default": 0, "is_system": 0, "created_at": "2024-01-01 00:00:00", "updated_at": "2024-01-01 00:00:00",
	},
	"dashboard_views": {
		"description": "", "is_default": 0, "is_active": 0, "widgets_config": "[]",
		"created_at": "2024-01-01 00:00:00", "updated_at": "2024-01-01 00:00:00",
	},
	"user_preferences": {
		"locale": "en", "theme_mode": "system", "active_theme_id": nil, "sidebar_collapsed": 0,
		"active_dashboard_view": "", "created_at": "2024-01-01 00:00:00", "updated_at": "2024-01-01 00:00:00",
	},
	"widgets": {
		"widget_type": "chart", "description": "", "config_schema": "{}", "is_public": 1,
		"created_at": "2024-01-01 00:00:00", "updated_at": "2024-01-01 00:00:00",
	},
	"widget_data": {"data": "{}", "cached_at": "2024-01-01 00:00:00", "cache_ttl": 300},
	"ai_agents": {
		"description": "", "agent_type": "assistant", "system_prompt": "p", "model": "gpt-4", "temperature": 0.7,
		"max_tokens": 2000, "available_tools": "[]", "status": "active", "total_interactions": 0, "last_used": nil,
		"created_at": "2024-01-01 00:00:00", "updated_at": "2024-01-01 00:00:00",
	},
	"agent_conversations": {
		"title": "t", "messages": "[]", "total_tokens_used": 0, "total_cost": 0,
		"created_at": "2024-01-01 00:00:00", "updated_at": "2024-01-01 00:00:00",
	},
}

// made is a source file that a test fills itself.
type made struct {
	t    *testing.T
	path string
	db   *sql.DB
}

// newMade makes an empty source with the given tables, all if none is given.
func newMade(t *testing.T, tables ...string) *made {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.sqlite3")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	m := &made{t, path, db}
	if len(tables) == 0 {
		tables = djangoTables
	}
	for _, statement := range tables {
		m.exec(statement)
	}
	return m
}

func (m *made) exec(statement string, args ...any) {
	m.t.Helper()
	if _, err := m.db.ExecContext(m.t.Context(), statement, args...); err != nil {
		m.t.Fatalf("%s: %v", statement, err)
	}
}

// add inserts a row: the defaults of the table with these values on top.
func (m *made) add(table string, id any, values map[string]any) {
	m.t.Helper()
	all := map[string]any{"id": id}
	for k, v := range defaults[table] {
		all[k] = v
	}
	for k, v := range values {
		all[k] = v
	}
	var names, marks []string
	var args []any
	for k, v := range all {
		names, marks, args = append(names, k), append(marks, "?"), append(args, v)
	}
	m.exec("INSERT INTO "+table+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", args...)
}

// user adds a user named after the id.
func (m *made) user(id int64, values map[string]any) {
	m.t.Helper()
	all := map[string]any{"username": fmt.Sprintf("u%d", id), "email": fmt.Sprintf("u%d@example.com", id)}
	for k, v := range values {
		all[k] = v
	}
	m.add("users", id, all)
}

// fuse is a context that ends itself after it was consulted so many times: a
// kill at any point of the work, the same in every run.
type fuse struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func newFuse(parent context.Context, n int64) *fuse {
	ctx, cancel := context.WithCancel(parent)
	f := &fuse{Context: ctx, cancel: cancel}
	f.left.Store(n)
	return f
}

func (f *fuse) Done() <-chan struct{} {
	if f.left.Add(-1) == 0 {
		f.cancel()
	}
	return f.Context.Done()
}
