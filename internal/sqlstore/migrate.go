package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// Every change of the schema is two files, one per engine, of the same number
// and name. They are only ever added.
//
//go:embed migrations/sqlite/*.sql migrations/postgres/*.sql
var migrations embed.FS

// ErrSchemaNewer says that the database was migrated by a newer program. This
// one must not touch it.
var ErrSchemaNewer = errors.New("the database schema is newer than this program")

// ErrForeign says that the database belongs to another program, such as the
// Django backend: bdash neither reads nor changes it.
var ErrForeign = errors.New("the database holds the tables of another program")

const (
	versionTable = "goose_db_version"
	// migrationLock is the key of PostgreSQL's advisory lock: "bdash" in ASCII.
	migrationLock = 0x6264617368
)

// Migrate brings the schema up to date, each migration in a transaction of its
// own, and returns how many it applied. Several processes may call it at the
// same time: each migration is applied once, and every call returns when all
// are. It fails as CheckSchema does, changing nothing.
func (d *DB) Migrate(ctx context.Context) (applied int, err error) {
	if err := d.CheckSchema(ctx); err != nil {
		return 0, err
	}
	if d.pool != nil {
		applied, err = d.migratePostgres(ctx)
	} else {
		applied, err = d.migrateSQLite(ctx)
	}
	if err != nil {
		return applied, fmt.Errorf("migrate the database: %w", err)
	}
	// A newer program may have come first and left nothing to do.
	return applied, d.CheckSchema(ctx)
}

// SchemaVersion is the number of the last migration that the database has seen,
// 0 for an empty one. It changes nothing.
func (d *DB) SchemaVersion(ctx context.Context) (int64, error) {
	var version int64
	exists, err := d.hasTable(ctx, versionTable)
	if err == nil && exists {
		err = d.readTx.QueryRow(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM `+versionTable).Scan(&version)
	}
	if err != nil {
		return 0, fmt.Errorf("read the schema version: %w", err)
	}
	return version, nil
}

func (d *DB) hasTable(ctx context.Context, name string) (bool, error) {
	query := `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1`
	if d.pool != nil {
		query = `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1`
	}
	var n int64
	if err := d.readTx.QueryRow(ctx, query, name).Scan(&n); err != nil {
		return false, fmt.Errorf("look for the table %s: %w", name, err)
	}
	return n > 0, nil
}

// LatestSchema is the number of the last migration that this program knows.
func LatestSchema() int64 {
	var latest int64
	names, err := fs.Glob(migrations, "migrations/sqlite/*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, name := range names {
		if v, err := goose.NumericComponent(name); err == nil {
			latest = max(latest, v)
		}
	}
	return latest
}

// Migrations are the migration files, in the directories sqlite and postgres.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

// CheckSchema tells whether this program may work on the database as it is, or
// after Migrate: ErrForeign if it belongs to another program, ErrSchemaNewer if
// it is ahead. It changes nothing.
func (d *DB) CheckSchema(ctx context.Context) error {
	// In this order: whoever migrates at this moment makes the tables and notes
	// the version in one transaction, so that tables seen now have a version then.
	taken, err := d.hasTable(ctx, "users")
	if err != nil {
		return err
	}
	have, err := d.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if taken && have == 0 {
		return ErrForeign
	}
	if want := LatestSchema(); have > want {
		return fmt.Errorf("%w: the database is at version %d, the program knows %d", ErrSchemaNewer, have, want)
	}
	return nil
}

func (d *DB) migratePostgres(ctx context.Context) (int, error) {
	files, err := fs.Sub(migrations, "migrations/postgres")
	if err != nil {
		return 0, err
	}
	conns := stdlib.OpenDBFromPool(d.pool)
	defer func() { _ = conns.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, conns, files,
		goose.WithSessionLocker(advisoryLock{}), goose.WithTableName(versionTable))
	if err != nil {
		return 0, err
	}
	results, err := p.Up(ctx)
	return countApplied(results, err), err
}

// advisoryLock waits in the server, without polling: whoever comes second goes
// on the moment the first is done. The server drops the lock with the session.
type advisoryLock struct{}

func (advisoryLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock))
	return err
}

func (advisoryLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(migrationLock))
	return err
}

// migrateSQLite has no lock that spans several transactions. Instead a
// migration takes the write lock, and finds out at its end, within the same
// transaction, that another process was first: then it is rolled back, and the
// next round skips it.
func (d *DB) migrateSQLite(ctx context.Context) (int, error) {
	files, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return 0, err
	}
	base, err := database.NewStore(database.DialectSQLite3, versionTable)
	if err != nil {
		return 0, err
	}
	store := onceStore{base}
	p, err := goose.NewProvider(goose.DialectCustom, d.sqlite.writer, files, goose.WithStore(store))
	if err != nil {
		return 0, err
	}
	applied := 0
	for {
		results, err := p.Up(ctx)
		applied += countApplied(results, err)
		var partial *goose.PartialError
		if !errors.As(err, &partial) {
			return applied, err
		}
		done, checkErr := store.has(ctx, d.sqlite.writer, partial.Failed.Source.Version)
		if checkErr != nil || !done {
			return applied, err
		}
	}
}

// onceStore is goose's version table with the guards that make migrateSQLite
// safe.
type onceStore struct{ database.Store }

func (s onceStore) CreateVersionTable(ctx context.Context, db database.DBTxConn) error {
	var n int
	err := db.QueryRowContext(ctx,
		"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1", versionTable).Scan(&n)
	if err != nil || n > 0 {
		return err
	}
	return s.Store.CreateVersionTable(ctx, db)
}

func (s onceStore) Insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) error {
	done, err := s.has(ctx, db, req.Version)
	switch {
	case err != nil:
		return err
	case !done:
		return s.Store.Insert(ctx, db, req)
	case req.Version == 0:
		return nil // the row that goose adds with the table
	}
	return fmt.Errorf("migration %d was applied by another process meanwhile", req.Version)
}

// has tells whether the migration has been applied.
func (s onceStore) has(ctx context.Context, db database.DBTxConn, version int64) (bool, error) {
	var n int
	err := db.QueryRowContext(ctx, "SELECT count(*) FROM "+versionTable+" WHERE version_id = $1", version).Scan(&n)
	return n > 0, err
}

// countApplied counts the migrations that were applied, also those before one
// that failed.
func countApplied(results []*goose.MigrationResult, err error) int {
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		return len(partial.Applied)
	}
	return len(results)
}
