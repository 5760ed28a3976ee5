package djangoimport

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrNotGuide is wrapped by Run's error when the source is a database, but
// not one of the guide's backend.
var ErrNotGuide = errors.New("not a database of the guide's Django backend")

// unreadable stands for the number of rows of a table that may not be read.
const unreadable int64 = -1

// source is a Django database, read in one snapshot that never changes it.
// Every value comes as text, the way the database prints it; nil is NULL. Not
// safe for concurrent use.
type source interface {
	// name tells people where the rows come from; it holds no credentials.
	name() string
	// tables lists the columns of every table.
	tables(ctx context.Context) (map[string][]string, error)
	// count gives the number of rows, or unreadable.
	count(ctx context.Context, table string) (int64, error)
	// each calls fn for every row in the order of the column by, until fn
	// returns an error. The slice is fn's to keep.
	each(ctx context.Context, table string, columns []string, by string, fn func([]*string) error) error
	// lastID is the highest id that the table ever gave out as far as the
	// database remembers; 0 if it does not.
	lastID(ctx context.Context, table string) (int64, error)
	close() error
}

// openSource opens the SQLite file or PostgreSQL database that from names: a
// path, sqlite://PATH, or a postgres:// URL.
func openSource(ctx context.Context, from string) (source, error) {
	scheme, rest, found := strings.Cut(from, "://")
	if !found {
		return openSQLiteSource(ctx, strings.TrimPrefix(from, "sqlite:"))
	}
	switch scheme {
	case "sqlite", "sqlite3":
		return openSQLiteSource(ctx, rest)
	case "postgres", "postgresql":
		return openPostgresSource(ctx, from)
	}
	return nil, fmt.Errorf("cannot import from %s://: name an SQLite file or a postgres:// URL", scheme)
}

// quote makes an identifier that both engines take literally.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
