package djangoimport

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// sqliteSource reads an SQLite file of Django.
type sqliteSource struct {
	path string
	db   *sql.DB
	tx   *sql.Tx
}

// openSQLiteSource opens the file for reading only. immutable is not set: the
// server may still be writing, and its locks are to be respected.
func openSQLiteSource(ctx context.Context, path string) (source, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, fmt.Errorf("open the Django database: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("open the Django database: %s is a directory", abs)
	}
	slashed := filepath.ToSlash(abs)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/… is file:///C:/…
	}
	dsn := url.URL{Scheme: "file", Path: slashed, RawQuery: url.Values{
		"mode":    {"ro"},
		"_pragma": {"busy_timeout(10000)", "query_only(1)"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open the Django database: %w", err)
	}
	db.SetMaxOpenConns(1)
	s := &sqliteSource{path: abs, db: db}
	s.tx, err = db.BeginTx(ctx, nil)
	if err == nil {
		// A deferred transaction takes its snapshot with the first read.
		err = s.tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(new(int))
	}
	if err != nil {
		_ = s.close()
		return nil, fmt.Errorf("read the Django database %s: %w", abs, err)
	}
	return s, nil
}

func (s *sqliteSource) name() string { return "sqlite://" + s.path }

func (s *sqliteSource) close() error {
	if s.tx != nil {
		_ = s.tx.Rollback() // nothing was written
	}
	return s.db.Close()
}

func (s *sqliteSource) tables(ctx context.Context) (map[string][]string, error) {
	rows, err := s.tx.QueryContext(ctx, `SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_' ORDER BY m.name, c.cid`)
	if err != nil {
		return nil, fmt.Errorf("list the tables of the Django database: %w", err)
	}
	defer rows.Close()
	out := map[string][]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return nil, err
		}
		out[table] = append(out[table], column)
	}
	return out, rows.Err()
}

func (s *sqliteSource) count(ctx context.Context, table string) (int64, error) {
	var n int64
	err := s.tx.QueryRowContext(ctx, "SELECT count(*) FROM "+quote(table)).Scan(&n)
	return n, err
}

func (s *sqliteSource) lastID(ctx context.Context, table string) (int64, error) {
	var n int64
	err := s.tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'").Scan(&n)
	if err != nil || n == 0 {
		return 0, err
	}
	var last sql.NullInt64
	err = s.tx.QueryRowContext(ctx, "SELECT max(CAST(seq AS INTEGER)) FROM sqlite_sequence WHERE name = $1", table).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return last.Int64, err
}

func (s *sqliteSource) each(ctx context.Context, table string, columns []string, by string, fn func([]*string) error) error {
	list := make([]string, len(columns))
	for i, c := range columns {
		// The plus changes no value, but an expression has no declared type:
		// the driver would turn datetime and bool columns into its own idea of
		// them, and what it cannot parse would be lost.
		list[i] = "+t." + quote(c)
	}
	query := fmt.Sprintf("SELECT %s FROM %s t ORDER BY t.%s", strings.Join(list, ", "), quote(table), quote(by))
	rows, err := s.tx.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	defer rows.Close()
	raw := make([]any, len(columns))
	dest := make([]any, len(columns))
	for i := range raw {
		dest[i] = &raw[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
		values := make([]*string, len(raw))
		for i, v := range raw {
			values[i] = sqliteText(v)
		}
		if err := fn(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	return nil
}

// sqliteText prints a value of the driver. Casting to TEXT in SQL instead
// would cut floating-point numbers to 15 digits.
func sqliteText(v any) *string {
	var s string
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		s = v
	case []byte:
		s = string(v)
	case int64:
		s = strconv.FormatInt(v, 10)
	case float64:
		s = strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		s = strconv.FormatBool(v)
	case time.Time:
		s = v.UTC().Format("2006-01-02 15:04:05.999999")
	default:
		s = fmt.Sprint(v)
	}
	return &s
}
