package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bdash/bdash/internal/sqlstore/db"
)

// sqlQuerier is what *sql.DB and *sql.Tx have in common.
type sqlQuerier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// sqliteDBTX runs generated pgx code on SQLite. The driver binds $1 … $n by
// their numbers, so the text is the same.
type sqliteDBTX struct {
	q sqlQuerier
	// reads: nothing is written through q.
	reads bool
}

var _ db.DBTX = (*sqliteDBTX)(nil)

func (d *sqliteDBTX) Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error) {
	bound, err := bindArgs(args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	res, err := d.q.ExecContext(ctx, query, bound...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	return rowsTag(n), nil
}

func (d *sqliteDBTX) Query(ctx context.Context, query string, args ...any) (pgx.Rows, error) {
	bound, err := bindArgs(args)
	if err != nil {
		return nil, err
	}
	rows, err := d.q.QueryContext(ctx, query, bound...) //nolint:rowserrcheck // the caller has the rows
	if err != nil {
		return nil, err
	}
	return &sqliteRows{rows: rows}, nil
}

func (d *sqliteDBTX) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	bound, err := bindArgs(args)
	if err != nil {
		return &sqliteRow{err: err}
	}
	rows, err := d.q.QueryContext(ctx, query, bound...) //nolint:rowserrcheck // Scan reads them
	return &sqliteRow{rows: sqliteRows{rows: rows}, reads: d.reads, err: err}
}

// rowsTag makes the tag that pgconn.CommandTag.RowsAffected reads. It says
// nothing of the verb.
func rowsTag(n int64) pgconn.CommandTag {
	switch n {
	case 0:
		return pgconn.NewCommandTag("ROWS 0")
	case 1:
		return pgconn.NewCommandTag("ROWS 1")
	}
	return pgconn.NewCommandTag("ROWS " + strconv.FormatInt(n, 10))
}

// sqliteRow is the only row of a result.
type sqliteRow struct {
	rows  sqliteRows
	reads bool
	err   error
}

// Scan reads the row and ends the statement; a write with a RETURNING clause is
// committed (outside a transaction) when Scan returns nil.
func (r *sqliteRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	rows := &r.rows
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	if !r.reads {
		// One step further: a deferred constraint or a full disk shows only
		// when the statement is done.
		rows.Next()
	}
	rows.Close()
	return rows.Err()
}

// sqliteRows is a result as pgx.Rows.
type sqliteRows struct {
	rows   *sql.Rows
	err    error
	closed bool
	read   int64
	cells  []cell
	dests  []any
}

var _ pgx.Rows = (*sqliteRows)(nil)

func (r *sqliteRows) Next() bool {
	if r.closed {
		return false
	}
	if r.rows.Next() {
		r.read++
		return true
	}
	r.Close()
	return false
}

func (r *sqliteRows) Close() {
	if r.closed {
		return
	}
	r.closed = true
	err := r.rows.Close()
	if r.err == nil {
		r.err = r.rows.Err()
	}
	if r.err == nil {
		r.err = err
	}
}

func (r *sqliteRows) Err() error { return r.err }

func (r *sqliteRows) Scan(dest ...any) error {
	if len(dest) == 1 {
		if s, ok := dest[0].(pgx.RowScanner); ok {
			return r.fail(s.ScanRow(r))
		}
	}
	if cap(r.cells) < len(dest) {
		r.cells, r.dests = make([]cell, len(dest)), make([]any, len(dest))
	}
	cells, dests := r.cells[:len(dest)], r.dests[:len(dest)]
	for i, d := range dest {
		if !wantsCell(d) {
			dests[i] = d
			continue
		}
		cells[i].dest = d
		dests[i] = &cells[i]
	}
	return r.fail(r.rows.Scan(dests...))
}

// fail closes the result on an error, as pgx does.
func (r *sqliteRows) fail(err error) error {
	if err == nil {
		return nil
	}
	if r.err == nil {
		r.err = err
	}
	r.Close()
	return err
}

func (r *sqliteRows) CommandTag() pgconn.CommandTag { return rowsTag(r.read) }

// FieldDescriptions names the columns and says nothing else of them.
func (r *sqliteRows) FieldDescriptions() []pgconn.FieldDescription {
	names, err := r.rows.Columns()
	if err != nil {
		return nil
	}
	fields := make([]pgconn.FieldDescription, len(names))
	for i, name := range names {
		fields[i].Name = name
	}
	return fields
}

// Values gives the current row with booleans and times as such where the column
// is declared so.
func (r *sqliteRows) Values() ([]any, error) {
	types, err := r.rows.ColumnTypes()
	if err != nil {
		return nil, r.fail(err)
	}
	values, dests := make([]any, len(types)), make([]any, len(types))
	for i := range values {
		dests[i] = &values[i]
	}
	if err := r.fail(r.rows.Scan(dests...)); err != nil {
		return nil, err
	}
	for i, t := range types {
		if values[i] == nil {
			continue
		}
		ok := true
		switch t.DatabaseTypeName() {
		case "BOOLEAN":
			values[i], ok = toBool(values[i])
		case "TIMESTAMP", "TIMESTAMPTZ", "DATETIME":
			values[i], ok = toTime(values[i])
		}
		if !ok {
			return nil, r.fail(fmt.Errorf("column %s holds no %s", t.Name(), t.DatabaseTypeName()))
		}
	}
	return values, nil
}

// RawValues is nil: SQLite has no wire format.
func (r *sqliteRows) RawValues() [][]byte { return nil }

// Conn is nil: there is no pgx connection.
func (r *sqliteRows) Conn() *pgx.Conn { return nil }

// TypeMap is nil, as there are no PostgreSQL types to decode.
func (r *sqliteRows) TypeMap() *pgtype.Map { return nil }

// errAborted is what PostgreSQL says as 25P02.
var errAborted = errors.New("the transaction was spoiled by an earlier error")

// sqliteTxDBTX runs statements inside a transaction. After a failed one it
// refuses to go on, as PostgreSQL does; SQLite by itself would carry on and
// commit the rest, and code tested on SQLite would break on PostgreSQL.
type sqliteTxDBTX struct {
	inner  sqliteDBTX
	failed error
}

var _ db.DBTX = (*sqliteTxDBTX)(nil)

func (t *sqliteTxDBTX) note(err error) error {
	if err != nil && t.failed == nil && !errors.Is(err, pgx.ErrNoRows) {
		t.failed = err
	}
	return err
}

func (t *sqliteTxDBTX) refuse() error {
	if t.failed == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", errAborted, t.failed.Error())
}

func (t *sqliteTxDBTX) Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error) {
	if err := t.refuse(); err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := t.inner.Exec(ctx, query, args...)
	return tag, t.note(err)
}

func (t *sqliteTxDBTX) Query(ctx context.Context, query string, args ...any) (pgx.Rows, error) {
	if err := t.refuse(); err != nil {
		return nil, err
	}
	rows, err := t.inner.Query(ctx, query, args...) //nolint:sqlclosecheck // the caller has the rows
	if err != nil {
		return nil, t.note(err)
	}
	return &sqliteTxRows{sqliteRows: rows.(*sqliteRows), tx: t}, nil
}

func (t *sqliteTxDBTX) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	if err := t.refuse(); err != nil {
		return &sqliteRow{err: err}
	}
	return sqliteTxRow{row: t.inner.QueryRow(ctx, query, args...), tx: t}
}

type sqliteTxRow struct {
	row pgx.Row
	tx  *sqliteTxDBTX
}

func (r sqliteTxRow) Scan(dest ...any) error { return r.tx.note(r.row.Scan(dest...)) }

// sqliteTxRows tells the transaction of an error met while reading.
type sqliteTxRows struct {
	*sqliteRows
	tx *sqliteTxDBTX
}

func (r *sqliteTxRows) Next() bool {
	ok := r.sqliteRows.Next()
	if !ok {
		_ = r.tx.note(r.sqliteRows.Err())
	}
	return ok
}

func (r *sqliteTxRows) Close() {
	r.sqliteRows.Close()
	_ = r.tx.note(r.sqliteRows.Err())
}
