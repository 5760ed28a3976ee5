// Package sqlstore keeps everything that lives in a database, on SQLite or on
// PostgreSQL.
//
// There is one text per statement. sqlc compiles it to pgx code in the package
// db; PostgreSQL runs that code as it is, and SQLite runs the same code through
// an adapter that speaks pgx's three methods over database/sql. What the
// adapter promises is that a store cannot tell the engines apart: times come
// back in UTC cut to microseconds, NULL is a nil pointer, a missing row is
// [pgx.ErrNoRows], a failed statement spoils its transaction, and a broken
// constraint has the same name (see [Violates]).
//
// An acknowledged write survives the death of the process and the loss of
// power on both engines. SQLite has one writer connection and several readers;
// PostgreSQL has one pool.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Engine names the database system behind a DB.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Options tune Open. The zero value is ready to use.
type Options struct {
	// MaxConns is the number of connections that run statements at the same
	// time: the pool on PostgreSQL, the readers on SQLite (its one writer comes
	// on top). 0 means 4, or the number of CPUs where that is more.
	MaxConns int
	// Logger hears of what is odd but not an error. nil means slog.Default.
	Logger *slog.Logger
	// Clock is what Now reads. nil means time.Now.
	Clock func() time.Time
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	engine Engine
	log    *slog.Logger
	clock  func() time.Time

	pool   *pgxpool.Pool // PostgreSQL only
	sqlite *sqliteFile   // SQLite only
	// neverCache is what ForeignWrites answers where it cannot know.
	neverCache atomic.Uint64

	readTx, writeTx db.DBTX
	read, write     *db.Queries

	// access is nil where the database must be asked on every request.
	access *accessCache
}

// Open opens the database at url: sqlite://PATH or sqlite:PATH, where PATH is
// relative or absolute and taken as it stands, or a postgres:// or
// postgresql:// URL. A missing SQLite file is made, readable by its owner only,
// with its directory. The database has been reached when Open returns without
// error; IsUnavailable tells an absent PostgreSQL from a wrong url.
//
// Open does not migrate.
func Open(ctx context.Context, url string, opts Options) (*DB, error) {
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	scheme, rest, ok := strings.Cut(url, ":")
	if !ok {
		return nil, errors.New("open database: the URL must start with sqlite:// or postgres://")
	}
	d := &DB{log: opts.Logger, clock: opts.Clock}
	var err error
	switch scheme {
	case "sqlite":
		err = d.openSQLite(ctx, strings.TrimPrefix(rest, "//"), opts)
	case "postgres", "postgresql":
		err = d.openPostgres(ctx, url, opts)
	default:
		err = fmt.Errorf("open database: unknown scheme %q; use sqlite:// or postgres://", scheme)
	}
	if err != nil {
		return nil, err
	}
	d.read, d.write = db.New(d.readTx), db.New(d.writeTx)
	if d.engine == SQLite {
		d.access = &accessCache{foreign: d.ForeignWrites}
	}
	return d, nil
}

// Engine says which database system this is.
func (d *DB) Engine() Engine { return d.engine }

// Now is the time to write into rows: UTC, cut to the microseconds that both
// engines keep.
func (d *DB) Now() time.Time { return d.clock().UTC().Truncate(time.Microsecond) }

// Close waits for running statements and closes every connection. Nothing may
// be used after it, but it may be called again.
func (d *DB) Close() error {
	if d.pool != nil {
		d.pool.Close()
		return nil
	}
	return d.sqlite.close()
}

// Ping asks the database for a sign of life.
func (d *DB) Ping(ctx context.Context) error {
	if d.pool != nil {
		return d.pool.Ping(ctx)
	}
	// Both matter, and the writer may be held by a long transaction: a reader
	// that answers is alive.
	return d.sqlite.reader.PingContext(ctx)
}

// Pool is PostgreSQL's connection pool, for packages that bring their own
// statements (jobs). nil on SQLite.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// Writer is SQLite's only writing connection, for packages that bring their own
// statements (jobs). nil on PostgreSQL. Whoever holds a transaction on it keeps
// every other writer of the process waiting; asking it for a second connection
// meanwhile waits for ever.
func (d *DB) Writer() *sql.DB {
	if d.sqlite == nil {
		return nil
	}
	return d.sqlite.writer
}
