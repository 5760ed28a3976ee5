package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Retries of a transaction that lost against another one: at most three, after
// a wait of about 5, 20 and 80 ms, spread by chance so that two losers do not
// meet again.
const (
	maxRetries = 3
	firstWait  = 5 * time.Millisecond
)

// Tx is a running transaction, good for one goroutine, until the function
// given to InTx returns.
//
// After a statement has failed the transaction is lost, on both engines: every
// further statement fails and nothing is committed, whatever the function
// returns. To survive an expected conflict use ON CONFLICT.
type Tx struct {
	*db.Queries
	dbtx   db.DBTX
	pg     pgx.Tx
	sqlite *sql.Tx
	after  []func()
}

// DBTX runs statements that are built at run time.
func (t *Tx) DBTX() db.DBTX { return t.dbtx }

// PG is the transaction for packages that bring their own statements; nil on
// SQLite. Neither commit it nor roll it back.
func (t *Tx) PG() pgx.Tx { return t.pg }

// SQLite is the transaction for packages that bring their own statements; nil
// on PostgreSQL. Neither commit it nor roll it back.
func (t *Tx) SQLite() *sql.Tx { return t.sqlite }

// AfterCommit has f called once the transaction is committed, in the order of
// the calls, before InTx returns; not if it is rolled back. The connection is
// free by then, so f may use the database.
func (t *Tx) AfterCommit(f func()) { t.after = append(t.after, f) }

// R runs statements that only read. On SQLite they run beside the writer and
// see what was committed when each of them started; a statement that writes
// fails.
func (d *DB) R() *db.Queries { return d.read }

// W runs single statements that write, each in a transaction of its own. Inside
// InTx use the Tx instead: on SQLite W would wait for the connection that the
// transaction holds.
func (d *DB) W() *db.Queries { return d.write }

// ReadDBTX is R for statements that are built at run time.
func (d *DB) ReadDBTX() db.DBTX { return d.readTx }

// WriteDBTX is W for statements that are built at run time.
func (d *DB) WriteDBTX() db.DBTX { return d.writeTx }

// InTx runs fn in a transaction (READ COMMITTED on PostgreSQL; on SQLite it
// holds the write lock from the start) and commits it if fn returns nil. It
// rolls back if fn returns an error, which InTx then returns, or panics, and if
// ctx ends first.
//
// When the database made the transaction lose against another one, fn is run
// again: it must not keep anything from an earlier run.
func (d *DB) InTx(ctx context.Context, fn func(*Tx) error) error {
	var after []func()
	err := retry(ctx, func() error {
		tx, err := d.runTx(ctx, fn)
		if err != nil {
			return err
		}
		after = tx.after
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range after {
		f()
	}
	return nil
}

func (d *DB) runTx(ctx context.Context, fn func(*Tx) error) (*Tx, error) {
	if d.pool != nil {
		return d.runPostgresTx(ctx, fn)
	}
	return d.runSQLiteTx(ctx, fn)
}

func (d *DB) runPostgresTx(ctx context.Context, fn func(*Tx) error) (*Tx, error) {
	inner, err := d.pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	committed := false
	defer func() {
		if !committed { // after an error, a panic or runtime.Goexit
			_ = inner.Rollback(context.WithoutCancel(ctx))
		}
	}()
	tx := &Tx{Queries: db.New(inner), dbtx: inner, pg: inner}
	if err := fn(tx); err != nil {
		return nil, err
	}
	if err := inner.Commit(ctx); err != nil {
		return nil, err
	}
	committed = true
	return tx, nil
}

func (d *DB) runSQLiteTx(ctx context.Context, fn func(*Tx) error) (*Tx, error) {
	inner, err := d.sqlite.writer.BeginTx(ctx, nil) // BEGIN IMMEDIATE, see writerParams
	if err != nil {
		return nil, err
	}
	committed := false
	defer func() {
		if !committed {
			_ = inner.Rollback()
		}
	}()
	dbtx := &sqliteTxDBTX{inner: sqliteDBTX{q: inner}}
	tx := &Tx{Queries: db.New(dbtx), dbtx: dbtx, sqlite: inner}
	if err := fn(tx); err != nil {
		return nil, whyDone(ctx, err)
	}
	if err := dbtx.refuse(); err != nil {
		return nil, whyDone(ctx, fmt.Errorf("%w: %w", pgx.ErrTxCommitRollback, err))
	}
	if err := inner.Commit(); err != nil {
		return nil, whyDone(ctx, err)
	}
	committed = true
	return tx, nil
}

// whyDone adds the context's error to sql.ErrTxDone, which is all that remains
// of it when database/sql was quick to roll back.
func whyDone(ctx context.Context, err error) error {
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// retry calls f until it succeeds, fails for good, has been called four times,
// or ctx ends; it returns f's last error.
func retry(ctx context.Context, f func() error) error {
	wait := firstWait
	for tries := 0; ; tries++ {
		err := f()
		if err == nil || tries == maxRetries || !isLostRace(err) {
			return err
		}
		timer := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		wait *= 4
	}
}
