package sqlstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"modernc.org/sqlite"
)

// TableSum says what a table holds, to compare a copy with the original.
type TableSum struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
	// Sum is the sum of the SHA-256 of all rows, modulo 2^256, in hexadecimal:
	// the order of the rows does not matter. It can be compared within one
	// engine only.
	Sum string `json:"sum"`
}

// rowSum adds up hashes of rows.
type rowSum [4]uint64

func (s *rowSum) add(row []byte) {
	h := sha256.Sum256(row)
	var carry uint64
	for i := 3; i >= 0; i-- {
		s[i], carry = bits.Add64(s[i], binary.BigEndian.Uint64(h[i*8:]), carry)
	}
}

func (s *rowSum) String() string {
	var out [32]byte
	for i, word := range s {
		binary.BigEndian.PutUint64(out[i*8:], word)
	}
	return hex.EncodeToString(out[:])
}

// Snapshot calls, on PostgreSQL, use with the id of a snapshot that other
// connections can read from while it runs, and with what the tables hold in it
// (https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION).
func (d *DB) Snapshot(ctx context.Context, use func(ctx context.Context, id string, sums []TableSum) error) error {
	tx, err := d.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	var id string
	if err := tx.QueryRow(ctx, `SELECT pg_export_snapshot()`).Scan(&id); err != nil {
		return fmt.Errorf("export a snapshot: %w", err)
	}
	sums, err := postgresSums(ctx, tx)
	if err != nil {
		return err
	}
	return use(ctx, id, sums)
}

// Sums tells what every table holds, by name.
func (d *DB) Sums(ctx context.Context) ([]TableSum, error) {
	if d.pool == nil {
		return sqliteSums(ctx, d.sqlite.reader)
	}
	tx, err := d.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	return postgresSums(ctx, tx)
}

func postgresSums(ctx context.Context, tx pgx.Tx) ([]TableSum, error) {
	tables, err := postgresTables(ctx, tx)
	if err != nil {
		return nil, err
	}
	// The text of a row follows these settings.
	for _, set := range []string{"SET LOCAL TimeZone = 'UTC'", "SET LOCAL DateStyle = 'ISO'", "SET LOCAL IntervalStyle = 'postgres'",
		"SET LOCAL extra_float_digits = 1", "SET LOCAL bytea_output = 'hex'"} {
		if _, err := tx.Exec(ctx, set); err != nil {
			return nil, err
		}
	}
	sums := make([]TableSum, 0, len(tables))
	for _, table := range tables {
		name := pgx.Identifier{table}.Sanitize()
		rows, err := tx.Query(ctx, `SELECT t::text FROM `+name+` t`)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", table, err)
		}
		var sum rowSum
		var n int64
		for rows.Next() {
			// The bytes of the wire are valid until the next row.
			sum.add(rows.RawValues()[0])
			n++
		}
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("read %s: %w", table, err)
		}
		sums = append(sums, TableSum{Table: table, Rows: n, Sum: sum.String()})
	}
	return sums, nil
}

func postgresTables(ctx context.Context, tx pgx.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind = 'r' ORDER BY c.relname COLLATE "C"`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func sqliteSums(ctx context.Context, db *sql.DB) ([]TableSum, error) {
	// One transaction, so that all tables are read from one state.
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }()
	tables, err := sqliteTables(ctx, tx)
	if err != nil {
		return nil, err
	}
	sums := make([]TableSum, 0, len(tables))
	for _, table := range tables {
		sum, err := sqliteSum(ctx, tx, table)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", table, err)
		}
		sums = append(sums, sum)
	}
	return sums, nil
}

func sqliteTables(ctx context.Context, tx *sql.Tx) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		tables = append(tables, name)
	}
	slices.Sort(tables)
	return tables, rows.Err()
}

func sqliteSum(ctx context.Context, tx *sql.Tx, table string) (TableSum, error) {
	rows, err := tx.QueryContext(ctx, `SELECT * FROM `+pgx.Identifier{table}.Sanitize()) // SQLite quotes names in the same way
	if err != nil {
		return TableSum{}, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return TableSum{}, err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	var sum rowSum
	var n int64
	var text []byte
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return TableSum{}, err
		}
		text = text[:0]
		for _, v := range values {
			text = fmt.Appendf(text, "%T:%v\x00", v, v)
		}
		sum.add(text)
		n++
	}
	return TableSum{Table: table, Rows: n, Sum: sum.String()}, rows.Err()
}

// CopySQLite copies the database file at from to the new file to, by SQLite's
// online backup: what is committed at one moment, also while others write. It
// changes nothing of the original. fs.ErrNotExist if there is none.
func CopySQLite(ctx context.Context, from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return err
	}
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s exists: %w", to, fs.ErrExist)
	}
	db, err := openReadOnly(from)
	if err != nil {
		return err
	}
	defer db.Close()
	target, err := sqlitePath(to)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(raw any) error {
		source, ok := raw.(interface {
			NewBackup(to string) (*sqlite.Backup, error)
		})
		if !ok {
			return fmt.Errorf("sqlite driver: %T has no backup", raw)
		}
		b, err := source.NewBackup(sqliteDSN(target, nil))
		if err != nil {
			return err
		}
		// All pages in one step: between two steps another process could write,
		// and the copy would begin again, perhaps for ever.
		_, err = b.Step(-1)
		return errors.Join(err, b.Finish())
	})
}

func openReadOnly(path string) (*sql.DB, error) {
	abs, err := sqlitePath(path)
	if err != nil {
		return nil, err
	}
	return sql.Open("sqlite", sqliteDSN(abs, url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)"}}))
}

// ReadCopy looks at a file that CopySQLite made: whether it is in order, the
// number of the last migration that it has seen, and what its tables hold.
func ReadCopy(ctx context.Context, path string) (schema int64, sums []TableSum, err error) {
	db, err := openReadOnly(path)
	if err != nil {
		return 0, nil, err
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&verdict); err != nil {
		return 0, nil, err
	}
	if verdict != "ok" {
		return 0, nil, fmt.Errorf("the database file is damaged: %s", verdict)
	}
	if err := db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+versionTable).Scan(&schema); err != nil {
		return 0, nil, fmt.Errorf("read the schema version: %w", err)
	}
	sums, err = sqliteSums(ctx, db)
	return schema, sums, err
}

// Empty tells whether there is no table yet.
func (d *DB) Empty(ctx context.Context) (bool, error) {
	query := `SELECT count(*) FROM sqlite_schema`
	if d.pool != nil {
		query = `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()`
	}
	var n int64
	err := d.readTx.QueryRow(ctx, query).Scan(&n)
	return n == 0, err
}

// DropSecrets forgets everything that is sealed with a key, and tells how many
// rows that were: after a restore under another key they could not be opened.
func (d *DB) DropSecrets(ctx context.Context) (int64, error) {
	tag, err := d.writeTx.Exec(ctx, `UPDATE datasources SET secrets = '', secrets_key = '' WHERE secrets <> ''`)
	if err != nil {
		return 0, fmt.Errorf("drop sealed secrets: %w", err)
	}
	return tag.RowsAffected(), nil
}

// TemporaryDatabase makes an empty database on the PostgreSQL server of url, and
// gives its URL and what removes it again.
func TemporaryDatabase(ctx context.Context, url string) (temporary string, drop func(), err error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return "", nil, errors.New("the database's address cannot be read") // the error would quote the password
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return "", nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	name := "bdash_trial_" + strings.ToLower(rand.Text())
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE template0"); err != nil {
		return "", nil, err
	}
	temporary, err = withDatabase(url, name)
	return temporary, func() {
		// The context may have ended by now, and the database must go anyway.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
		defer cancel()
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			return
		}
		defer conn.Close(ctx)
		_, _ = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
	}, err
}

const dropTimeout = 30 * time.Second

// withDatabase names another database of the same server.
func withDatabase(raw, name string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("the database's address cannot be read")
	}
	u.Path = "/" + name
	query := u.Query()
	query.Del("dbname")
	u.RawQuery = query.Encode()
	return u.String(), nil
}
