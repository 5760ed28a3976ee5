package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// sqliteFile is an open SQLite database: one writer, several readers.
type sqliteFile struct {
	path   string
	writer *sql.DB
	reader *sql.DB
	// anchor is a connection that does nothing but stay. SQLite deletes the
	// -wal and -shm files with the last connection, and database/sql replaces
	// connections now and then (after a cancelled statement, for one): without
	// the anchor the -shm file under watch could be swapped for another.
	anchor *sql.Conn
	watch  *foreignWatch
	closed sync.Once
}

// Pragmas are set in the DSN because one executed on a pool reaches one
// connection only. The driver applies busy_timeout before all others.
//
// synchronous is FULL, not the usual NORMAL: in WAL mode NORMAL leaves the log
// unsynced until the next checkpoint, so that a power loss takes back commits
// that were already answered with 201. FULL syncs the log at each commit
// (https://www.sqlite.org/pragma.html#pragma_synchronous).
//
// Times: this package binds and parses them itself (sqlite_time.go).
// _time_format and _timezone are for packages that use Writer on their own.
var (
	writerParams = url.Values{
		"_txlock":      {"immediate"},
		"_time_format": {"sqlite"},
		"_timezone":    {"UTC"},
		"_pragma": {
			"busy_timeout(10000)",
			"journal_mode(WAL)",
			"synchronous(FULL)",
			"foreign_keys(1)",
			"temp_store(2)",
			// 64 MiB: what a rush of writes made the log grow to is given back.
			"journal_size_limit(67108864)",
		},
	}
	readerParams = url.Values{
		"_time_format": {"sqlite"},
		"_timezone":    {"UTC"},
		"_pragma": {
			"busy_timeout(10000)",
			"query_only(1)",
			"foreign_keys(1)",
			"temp_store(2)",
		},
	}
)

// creating serialises the making of database files within the process: closing
// any descriptor of a file drops all POSIX locks that the process holds on it,
// those of an SQLite connection included.
var creating sync.Mutex

// openSQLite opens, and if need be makes, the file at path.
func (d *DB) openSQLite(ctx context.Context, path string, opts Options) error {
	abs, err := sqlitePath(path)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if err := createPrivate(abs); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	readers := opts.MaxConns
	if readers <= 0 {
		readers = max(4, runtime.NumCPU())
	}
	f := &sqliteFile{path: abs, watch: &foreignWatch{}}
	write, err := newSQLiteConnector(sqliteDSN(abs, writerParams), f.watch)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	read, err := newSQLiteConnector(sqliteDSN(abs, readerParams), nil)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	f.writer = sql.OpenDB(write)
	f.writer.SetMaxOpenConns(1)
	f.reader = sql.OpenDB(read)
	f.reader.SetMaxOpenConns(readers + 1) // one of them is the anchor
	f.reader.SetMaxIdleConns(readers + 1)
	if err := f.start(ctx); err != nil {
		_ = f.close()
		return fmt.Errorf("open database %s: %w", abs, err)
	}
	if !f.watch.ok() {
		d.log.Warn("cannot see writes of other processes to the database file; nothing will be cached",
			"path", abs)
	}
	d.engine, d.sqlite = SQLite, f
	d.readTx, d.writeTx = &sqliteDBTX{q: f.reader, reads: true}, &sqliteDBTX{q: f.writer}
	return nil
}

// start makes the first connections, the writer first: it turns the file into
// a WAL database.
func (f *sqliteFile) start(ctx context.Context) error {
	var mode string
	// Ten processes that start together may find the file locked even by the
	// busy handler's measure: the change to WAL needs an exclusive lock.
	err := retry(ctx, func() error {
		return f.writer.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
	})
	if err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system does not support SQLite's WAL mode (journal_mode is %q); "+
			"use a local disk, or PostgreSQL", mode)
	}
	if err := retry(ctx, func() error { return f.tryWriting(ctx) }); err != nil {
		return err
	}
	if f.anchor, err = f.reader.Conn(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	// The first read makes the connection open the log and map the index.
	var n int
	if err := f.anchor.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&n); err != nil {
		return err
	}
	f.watch.open(f.path + "-shm")
	return nil
}

// tryWriting finds out now, not at the first request, that the file may only be
// read. BEGIN IMMEDIATE does not: on such a file it begins to read. What is
// written is taken back.
func (f *sqliteFile) tryWriting(ctx context.Context) error {
	tx, err := f.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "PRAGMA user_version = 0")
	return errors.Join(err, tx.Rollback())
}

// close closes the readers, then the writer, which checkpoints the log.
func (f *sqliteFile) close() (err error) {
	f.closed.Do(func() {
		var errs []error
		if f.anchor != nil {
			errs = append(errs, f.anchor.Close())
		}
		errs = append(errs, f.reader.Close(), f.writer.Close())
		f.watch.close() // after SQLite has let go of its locks
		err = errors.Join(errs...)
	})
	return err
}

// sqlitePath turns the part of the URL after the scheme into an absolute path.
func sqlitePath(path string) (string, error) {
	switch {
	case path == "":
		return "", errors.New("the URL sqlite:// names no file")
	case strings.HasPrefix(path, ":memory:"), strings.HasPrefix(path, "file:"):
		return "", fmt.Errorf("%q is not a file path; a database in memory is not supported", path)
	case strings.ContainsAny(path, "?\x00"):
		return "", fmt.Errorf("the path %q contains a question mark or a NUL; parameters are not supported", path)
	}
	return filepath.Abs(path)
}

// createPrivate makes the file and its directory unless they exist. SQLite
// gives the -wal and -shm files the same permissions.
func createPrivate(path string) error {
	creating.Lock()
	defer creating.Unlock()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// Never open a file that exists: see creating.
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a directory", path)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was quicker
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// sqliteDSN is the driver's name for the file with the parameters.
func sqliteDSN(path string, params url.Values) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/… is file:///C:/…
	}
	u := url.URL{Scheme: "file", Path: slashed, RawQuery: params.Encode()}
	return u.String()
}
