package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// insertUser adds a row to the product's own table, to break its constraints.
func insertUser(ctx context.Context, q db.DBTX, id int64, username, role string) error {
	_, err := q.Exec(ctx, `INSERT INTO users (id, username, email, email_key, email_claim, password, first_name, last_name,
		role, status, is_active, bio, preferred_locale, theme_mode, sidebar_collapsed, date_joined, themes_version,
		search_text, created_at, updated_at)
		VALUES ($1, $2, $2, $2, NULL, '', '', '', $3, 'active', $4, '', 'en', 'light', $4, $5, 0, $2, $5, $5)`,
		id, username, role, true, sampleTime)
	return err
}

func insertTheme(ctx context.Context, q db.DBTX, id, user int64, name any, active bool) error {
	_, err := q.Exec(ctx, `INSERT INTO themes (id, user_id, name, description, color_mode, colors, border_radius,
		is_active, is_default, search_text, created_at, updated_at)
		VALUES ($1, $2, $3, '', 'light', '{}', '0', $4, $5, '', $6, $6)`,
		id, user, name, active, false, sampleTime)
	return err
}

func TestViolations(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
		ctx, q := t.Context(), d.WriteDBTX()
		if err := errors.Join(insertUser(ctx, q, 1, "a", "user"), insertTheme(ctx, q, 1, 1, "Dark", true)); err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			name       string
			do         func() error
			kind       sqlstore.ConstraintKind
			constraint string
			column     string
		}{
			{"unique column", func() error { return insertUser(ctx, q, 2, "a", "user") }, sqlstore.UniqueViolation, "users_username_key", ""},
			{"primary key", func() error { return insertUser(ctx, q, 1, "b", "user") }, sqlstore.UniqueViolation, "users_pkey", ""},
			{"unique pair", func() error { return insertTheme(ctx, q, 2, 1, "Dark", false) }, sqlstore.UniqueViolation, "themes_user_name_key", ""},
			{"partial index", func() error { return insertTheme(ctx, q, 2, 1, "Light", true) }, sqlstore.UniqueViolation, "themes_one_active", ""},
			{"check", func() error { return insertUser(ctx, q, 2, "b", "king") }, sqlstore.CheckViolation, "users_role_check", ""},
			{"not null", func() error { return insertTheme(ctx, q, 2, 1, nil, false) }, sqlstore.NotNullViolation, "", "themes.name"},
			{"missing parent", func() error { return insertTheme(ctx, q, 2, 77, "x", false) }, sqlstore.ForeignKeyViolation, "", ""},
		}
		for _, tt := range tests {
			err := fmt.Errorf("wrapped: %w", tt.do())
			v, ok := sqlstore.AsViolation(err)
			if !ok || v.Kind != tt.kind || v.Column != tt.column ||
				tt.constraint != "" && (v.Constraint != tt.constraint || !sqlstore.Violates(err, tt.constraint)) {
				t.Errorf("%s: %+v (%v), want kind %d of %q%q", tt.name, v, err, tt.kind, tt.constraint, tt.column)
			}
			if sqlstore.Violates(err, "themes_one_copy") || sqlstore.IsUnavailable(err) || sqlstore.IsNoRows(err) {
				t.Errorf("%s: taken for something else", tt.name)
			}
			kinds := []bool{sqlstore.IsUnique(err), sqlstore.IsForeignKey(err), sqlstore.IsCheck(err), sqlstore.IsNotNull(err)}
			for i, is := range kinds {
				if want := []sqlstore.ConstraintKind{
					sqlstore.UniqueViolation, sqlstore.ForeignKeyViolation, sqlstore.CheckViolation, sqlstore.NotNullViolation,
				}[i] == tt.kind; is != want {
					t.Errorf("%s: kinds %v", tt.name, kinds)
				}
			}
		}
		if _, ok := sqlstore.AsViolation(errors.New("UNIQUE constraint failed: users.username")); ok {
			t.Error("a mere text was taken for a violation")
		}
		if _, err := q.Exec(ctx, "SELECT * FROM nowhere"); sqlstore.IsUnavailable(err) || sqlstore.Violates(err, "") {
			t.Errorf("a missing table was taken for something else: %v", err)
		}
	})
}

// An index over expressions is reported by its name on both engines.
func TestViolationOfExpressionIndex(t *testing.T) {
	t.Parallel()
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		mustExec(t, d.WriteDBTX(), "CREATE UNIQUE INDEX samples_half ON samples ((num / 2))")
		mustInsert(t, d.WriteDBTX(), 1, 10, "x")
		if err := insertSample(t.Context(), d.WriteDBTX(), 2, 11, "x"); !sqlstore.Violates(err, "samples_half") {
			t.Errorf("got %v, want samples_half", err)
		}
	})
}

func TestIsUnavailable(t *testing.T) {
	t.Parallel()
	closed := reopen(t, sqltest.URL(t))
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	_, refused := sqlstore.Open(t.Context(), "postgres://nobody@127.0.0.1:1/none", sqlstore.Options{})
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"nothing":           {nil, false},
		"closed database":   {closed.Ping(t.Context()), true},
		"refused":           {refused, true},
		"deadline":          {fmt.Errorf("x: %w", context.DeadlineExceeded), true},
		"cancelled":         {fmt.Errorf("x: %w", context.Canceled), false},
		"cut connection":    {io.ErrUnexpectedEOF, true},
		"network":           {&net.OpError{Op: "read", Err: errors.New("reset")}, true},
		"connection gone":   {sql.ErrConnDone, true},
		"admin shutdown":    {&pgconn.PgError{Code: "57P01"}, true},
		"starting up":       {&pgconn.PgError{Code: "57P03"}, true},
		"too many clients":  {&pgconn.PgError{Code: "53300"}, true},
		"server disk full":  {&pgconn.PgError{Code: "53100"}, true},
		"read only":         {&pgconn.PgError{Code: "25006"}, true},
		"wrong password":    {&pgconn.PgError{Code: "28P01"}, false},
		"statement timeout": {&pgconn.PgError{Code: "57014"}, false},
		"syntax error":      {&pgconn.PgError{Code: "42601"}, false},
		"no rows":           {pgx.ErrNoRows, false},
		"something else":    {errors.New("database is locked"), false},
	} {
		if got := sqlstore.IsUnavailable(tt.err); got != tt.want {
			t.Errorf("%s: IsUnavailable(%v) = %t, want %t", name, tt.err, got, tt.want)
		}
	}
}

// A PostgreSQL whose connections are taken, or that ends them, is away; it is
// used again as soon as it is back.
func TestPostgresGoesAway(t *testing.T) {
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, dsn string) {
		if strings.HasPrefix(dsn, "sqlite") {
			return
		}
		d, err := sqlstore.Open(t.Context(), dsn, sqlstore.Options{MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		err = d.InTx(t.Context(), func(tx *sqlstore.Tx) error {
			short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer stop()
			if err := d.Ping(short); !sqlstore.IsUnavailable(err) {
				t.Errorf("no connection left: %v, want unavailable", err)
			}
			_, err := tx.DBTX().Exec(t.Context(), "SELECT pg_terminate_backend(pg_backend_pid())")
			return err
		})
		if !sqlstore.IsUnavailable(err) {
			t.Errorf("ended by the server: %v, want unavailable", err)
		}
		if err := d.Ping(t.Context()); err != nil {
			t.Errorf("not used again: %v", err)
		}
		var zone, name string
		err = d.ReadDBTX().QueryRow(t.Context(), "SELECT current_setting('TimeZone'), current_setting('application_name')").Scan(&zone, &name)
		if err != nil || zone != "UTC" || name != "bdash" {
			t.Errorf("session in %q as %q, %v", zone, name, err)
		}
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		u.Path = "/there_is_no_such_database"
		if _, err := sqlstore.Open(t.Context(), u.String(), sqlstore.Options{}); err == nil || sqlstore.IsUnavailable(err) {
			t.Errorf("missing database: %v, want an error that does not pass", err)
		}
	})
}

// A file that another process keeps locked, or that cannot be opened, is away.
func TestSQLiteGoesAway(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	d, other := reopen(t, url), reopen(t, url)
	err := other.InTx(t.Context(), func(*sqlstore.Tx) error {
		short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer stop()
		return d.InTx(short, func(*sqlstore.Tx) error { return nil })
	})
	if !sqlstore.IsUnavailable(err) {
		t.Errorf("locked: %v, want unavailable", err)
	}
	if os.Getuid() == 0 {
		return // root may open anything
	}
	shut := filepath.Join(t.TempDir(), "shut.db")
	if err := os.WriteFile(shut, nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlstore.Open(t.Context(), "sqlite://"+shut, sqlstore.Options{}); !sqlstore.IsUnavailable(err) {
		t.Errorf("unreadable: %v, want unavailable", err)
	}
}
