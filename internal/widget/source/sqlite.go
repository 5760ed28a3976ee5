package source

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/widget"
)

// sqlitePath finds the file: below Dir, whatever links lead through, and not
// bdash's own.
func (r *Registry) sqlitePath(name string) (string, error) {
	if r.Dir == "" {
		return "", badSettings("no SQLite files can be read: DATASOURCE_DIR is not set")
	}
	root, err := os.OpenRoot(r.Dir)
	if err != nil {
		return "", badSettings("DATASOURCE_DIR cannot be opened")
	}
	defer func() { _ = root.Close() }()
	info, err := root.Stat(filepath.FromSlash(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", badSettings("there is no file %s below DATASOURCE_DIR", name)
	case err != nil: // leads outside, or may not be read
		return "", badSettings("%s cannot be opened below DATASOURCE_DIR", name)
	case !info.Mode().IsRegular():
		return "", badSettings("%s is not a file", name)
	}
	if r.Own != "" {
		if own, err := os.Stat(r.Own); err == nil && os.SameFile(own, info) {
			return "", badSettings("%s is bdash's own database", name)
		}
	}
	real, err := filepath.EvalSymlinks(filepath.Join(r.Dir, filepath.FromSlash(name)))
	if err != nil {
		return "", badSettings("%s cannot be opened below DATASOURCE_DIR", name)
	}
	// The same file, should a link have changed since.
	if now, err := os.Stat(real); err != nil || !os.SameFile(now, info) {
		return "", badSettings("%s cannot be opened below DATASOURCE_DIR", name)
	}
	return filepath.Abs(real)
}

// openSQLite opens the file for reading: by the mode of the file, and by
// query_only. No other file can be attached, no value grows past the limit,
// and views cannot call functions with side effects.
func (r *Registry) openSQLite(ctx context.Context, c datasource.Connection, limit int64) (*sql.DB, *sql.Conn, error) {
	path, err := r.sqlitePath(c.Settings.Path)
	if err != nil {
		return nil, nil, err
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"mode": {"ro"}, "_pragma": {"busy_timeout(2000)", "query_only(1)", "trusted_schema(0)", "cell_size_check(1)"},
	}.Encode()}
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, nil, err
	}
	pool.SetMaxOpenConns(1)
	conn, err := pool.Conn(ctx)
	if err != nil {
		_ = pool.Close()
		return nil, nil, err
	}
	for id, most := range map[int]int64{
		sqlite3.SQLITE_LIMIT_ATTACHED: 0, sqlite3.SQLITE_LIMIT_LENGTH: limit,
		sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0, sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
	} {
		if _, err := sqlite.Limit(conn, id, int(min(most, math.MaxInt32))); err != nil {
			_, _ = conn.Close(), pool.Close()
			return nil, nil, err
		}
	}
	return pool, conn, nil
}

func fetchSQLite(ctx context.Context, r *Registry, c datasource.Connection, q *sqlAsk) (widget.Frame, error) {
	pool, conn, err := r.openSQLite(ctx, c, q.limits.Bytes)
	if err != nil {
		return widget.Frame{}, err
	}
	defer func() { _, _ = conn.Close(), pool.Close() }()
	args := make([]any, len(q.values))
	for i, v := range q.values {
		args[i] = v
		if t, ok := v.(time.Time); ok {
			args[i] = sqliteTime(t)
		}
	}
	rows, err := conn.QueryContext(ctx, q.text, args...)
	if err != nil {
		return widget.Frame{}, err
	}
	defer func() { _ = rows.Close() }()
	return readRows(rows, q, true, sqliteValue)
}

// sqliteTime is a time as SQLite's own date functions write it. They are
// compared as texts: midnight is the date alone, which is in order both with
// dates and with dates that a time follows.
func sqliteTime(t time.Time) string {
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02 15:04:05.999999")
}

func sqliteValue(v any, typ string) any {
	switch x := v.(type) {
	case []byte:
		return string(x)
	case string:
		if strings.EqualFold(typ, "JSON") {
			return jsonOrText(x)
		}
	case int64:
		if strings.HasPrefix(strings.ToUpper(typ), "BOOL") && (x == 0 || x == 1) {
			return x == 1
		}
	}
	return v
}

func probeSQLite(ctx context.Context, r *Registry, c datasource.Connection) (datasource.Report, error) {
	pool, conn, err := r.openSQLite(ctx, c, probeWire)
	if err != nil {
		return datasource.Report{}, err
	}
	defer func() { _, _ = conn.Close(), pool.Close() }()
	var version string
	var tables int
	err = conn.QueryRowContext(ctx, "SELECT sqlite_version(), (SELECT count(*) FROM sqlite_schema)").Scan(&version, &tables)
	return datasource.Report{Server: "SQLite " + version}, err
}
