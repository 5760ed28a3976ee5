package sqlstore_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

var errRefused = errors.New("refused")

func TestInTxCommitsOrRollsBack(t *testing.T) {
	t.Parallel()
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		ctx := t.Context()
		var order []string
		err := d.InTx(ctx, func(tx *sqlstore.Tx) error {
			tx.AfterCommit(func() { order = append(order, "first", strconv.Itoa(countSamples(t, d))) })
			tx.AfterCommit(func() { mustInsert(t, d.WriteDBTX(), 2, 2, "after") })
			if (tx.PG() == nil) == (tx.SQLite() == nil) {
				t.Error("want exactly one of PG and SQLite")
			}
			return insertSample(ctx, tx.DBTX(), 1, 1, "x")
		})
		if err != nil || len(order) != 2 || order[1] != "1" || countSamples(t, d) != 2 {
			t.Fatalf("commit: %v, %v, %d rows", err, order, countSamples(t, d))
		}
		err = d.InTx(ctx, func(tx *sqlstore.Tx) error {
			tx.AfterCommit(func() { t.Error("AfterCommit ran after a roll-back") })
			if err := insertSample(ctx, tx.DBTX(), 3, 3, "x"); err != nil {
				return err
			}
			return errRefused
		})
		if !errors.Is(err, errRefused) || countSamples(t, d) != 2 {
			t.Errorf("roll-back: %v, %d rows", err, countSamples(t, d))
		}
		func() {
			defer func() {
				if recover() != "boom" {
					t.Error("the panic was swallowed")
				}
			}()
			_ = d.InTx(ctx, func(tx *sqlstore.Tx) error {
				mustInsert(t, tx.DBTX(), 4, 4, "x")
				panic("boom")
			})
		}()
		if n := countSamples(t, d); n != 2 {
			t.Errorf("%d rows after a panic, want 2", n)
		}
		mustInsert(t, d.WriteDBTX(), 5, 5, "the writer is free again")
	})
}

// A failed statement spoils the transaction, also if the function carries on
// and says that all is well.
func TestInTxSpoiled(t *testing.T) {
	t.Parallel()
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		ctx := t.Context()
		mustInsert(t, d.WriteDBTX(), 1, 1, "x")
		err := d.InTx(ctx, func(tx *sqlstore.Tx) error {
			mustInsert(t, tx.DBTX(), 2, 2, "x")
			if err := insertSample(ctx, tx.DBTX(), 3, 1, "same number"); !sqlstore.IsUnique(err) {
				t.Errorf("duplicate: %v", err)
			}
			if err := insertSample(ctx, tx.DBTX(), 4, 4, "x"); err == nil || sqlstore.IsUnique(err) {
				t.Errorf("statement in a spoiled transaction: %v, want another error", err)
			}
			var n int
			if err := tx.DBTX().QueryRow(ctx, "SELECT 1").Scan(&n); err == nil {
				t.Error("a read in a spoiled transaction succeeded")
			}
			if rows, err := tx.DBTX().Query(ctx, "SELECT 1"); err == nil {
				rows.Close()
				if rows.Err() == nil {
					t.Error("a query in a spoiled transaction succeeded")
				}
			}
			return nil
		})
		if err == nil || countSamples(t, d) != 1 {
			t.Errorf("InTx = %v with %d rows, want an error and 1", err, countSamples(t, d))
		}
		// Finding no row is no failure.
		err = d.InTx(ctx, func(tx *sqlstore.Tx) error {
			var n int
			if err := tx.DBTX().QueryRow(ctx, "SELECT id FROM samples WHERE id = 9").Scan(&n); !sqlstore.IsNoRows(err) {
				t.Errorf("no row: %v", err)
			}
			return insertSample(ctx, tx.DBTX(), 9, 9, "x")
		})
		if err != nil || countSamples(t, d) != 2 {
			t.Errorf("after an empty result: %v, %d rows", err, countSamples(t, d))
		}
	})
}

// Concurrent increments lose nothing: writers take turns.
func TestInTxConcurrent(t *testing.T) {
	t.Parallel()
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		mustInsert(t, d.WriteDBTX(), 1, 0, "x")
		const workers, rounds = 8, 10
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range rounds {
					if err := d.InTx(t.Context(), func(tx *sqlstore.Tx) error { return increment(t.Context(), tx) }); err != nil {
						t.Error(err)
					}
					if err := d.Ping(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		var num int
		err := d.ReadDBTX().QueryRow(t.Context(), "SELECT num FROM samples WHERE id = 1").Scan(&num)
		if err != nil || num != workers*rounds {
			t.Errorf("counted %d, %v; want %d", num, err, workers*rounds)
		}
	})
}

func increment(ctx context.Context, tx *sqlstore.Tx) error {
	var num int64
	lock := "SELECT num FROM samples WHERE id = 1"
	if tx.PG() != nil {
		lock += " FOR UPDATE"
	}
	if err := tx.DBTX().QueryRow(ctx, lock).Scan(&num); err != nil {
		return err
	}
	_, err := tx.DBTX().Exec(ctx, "UPDATE samples SET num = $1 WHERE id = 1", num+1)
	return err
}

// A transaction that lost is run again, three times at most; AfterCommit of the
// lost runs is forgotten.
func TestInTxRetries(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
		lost := &pgconn.PgError{Code: "40001", Message: "could not serialize access"}
		runs, after := 0, 0
		err := d.InTx(t.Context(), func(tx *sqlstore.Tx) error {
			runs++
			tx.AfterCommit(func() { after++ })
			if runs < 3 {
				return lost
			}
			return nil
		})
		if err != nil || runs != 3 || after != 1 {
			t.Errorf("%v after %d runs with %d callbacks; want nil, 3, 1", err, runs, after)
		}
		runs = 0
		err = d.InTx(t.Context(), func(*sqlstore.Tx) error { runs++; return lost })
		if !errors.Is(err, lost) || runs != 4 {
			t.Errorf("%v after %d runs; want the error after 4", err, runs)
		}
		ctx, cancel := context.WithCancel(t.Context())
		runs = 0
		err = d.InTx(ctx, func(*sqlstore.Tx) error { runs++; cancel(); return lost })
		if err == nil || runs != 1 {
			t.Errorf("%v after %d runs; want an error after 1, for the context is done", err, runs)
		}
	})
}

// Two transactions that lock two rows crosswise both get through on PostgreSQL:
// the victim of the deadlock is run again. On SQLite they take turns.
func TestInTxDeadlock(t *testing.T) {
	t.Parallel()
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		mustInsert(t, d.WriteDBTX(), 1, 1, "")
		mustInsert(t, d.WriteDBTX(), 2, 2, "")
		var runs atomic.Int32
		bothHold := make(chan struct{})
		var holding atomic.Int32
		cross := func(first, second int64) error {
			return d.InTx(t.Context(), func(tx *sqlstore.Tx) error {
				runs.Add(1)
				if _, err := tx.DBTX().Exec(t.Context(), "UPDATE samples SET txt = txt || 'x' WHERE id = $1", first); err != nil {
					return err
				}
				if tx.PG() != nil {
					if holding.Add(1) == 2 {
						close(bothHold)
					}
					<-bothHold
				}
				_, err := tx.DBTX().Exec(t.Context(), "UPDATE samples SET txt = txt || 'x' WHERE id = $1", second)
				return err
			})
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := cross(1, 2); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := cross(2, 1); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		var whole int
		if err := d.ReadDBTX().QueryRow(t.Context(), "SELECT count(*) FROM samples WHERE txt = 'xx'").Scan(&whole); err != nil || whole != 2 {
			t.Errorf("%d rows written twice, %v; want 2", whole, err)
		}
		if want := map[sqlstore.Engine]int32{sqlstore.SQLite: 2, sqlstore.Postgres: 3}[d.Engine()]; runs.Load() != want {
			t.Errorf("%d runs, want %d", runs.Load(), want)
		}
	})
}

// A context that ends rolls back and frees the writer; the wait for the writer
// ends with it too.
func TestInTxContext(t *testing.T) {
	t.Parallel()
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		err := d.InTx(ctx, func(tx *sqlstore.Tx) error {
			if err := insertSample(ctx, tx.DBTX(), 1, 1, "x"); err != nil {
				return err
			}
			if tx.SQLite() != nil { // its only writer is taken
				short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer stop()
				if err := insertSample(short, d.WriteDBTX(), 2, 2, "x"); !sqlstore.IsUnavailable(err) {
					t.Errorf("waiting for the writer: %v, want unavailable", err)
				}
			}
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) || sqlstore.IsUnavailable(err) {
			t.Errorf("InTx = %v, want cancelled", err)
		}
		if n := countSamples(t, d); n != 0 {
			t.Errorf("%d rows, want none", n)
		}
		mustInsert(t, d.WriteDBTX(), 3, 3, "the writer is free again")
	})
}

// R refuses to write on SQLite; that keeps reads off the writer.
func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	d := sqltest.Open(t)
	if _, err := d.ReadDBTX().Exec(t.Context(), "DELETE FROM users"); err == nil {
		t.Error("a reader wrote")
	}
}
