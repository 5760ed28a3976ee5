package sqlstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// childEnv makes the test binary, run again as another process, write to the
// database at that URL; see TestChildWriter.
const childEnv = "SQLSTORE_TEST_CHILD_URL"

// TestChildWriter is no test by itself: it is the other process. It inserts a
// sample for every number on its standard input and answers when each is
// committed.
func TestChildWriter(t *testing.T) {
	url := os.Getenv(childEnv)
	if url == "" {
		return
	}
	d, err := sqlstore.Open(t.Context(), url, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	in := bufio.NewScanner(os.Stdin)
	fmt.Fprintln(os.Stdout, "ready")
	for in.Scan() {
		var n int64
		if _, err := fmt.Sscan(in.Text(), &n); err != nil {
			t.Fatal(err)
		}
		mustInsert(t, d.WriteDBTX(), n, n, "child")
		fmt.Fprintln(os.Stdout, "wrote", n)
	}
}

// child is a second process with the same database.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  *os.File
	out *bufio.Scanner
}

func startChild(t *testing.T, url string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildWriter$")
	cmd.Env = append(os.Environ(), childEnv+"="+url)
	cmd.Stderr = os.Stderr
	stdin, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = stdin
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = stdin.Close()
	c := &child{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	c.expect("ready")
	return c
}

func (c *child) expect(line string) {
	c.t.Helper()
	for c.out.Scan() {
		if c.out.Text() == line {
			return
		}
	}
	c.t.Fatalf("the other process ended before it said %q", line)
}

// write returns once the other process has committed.
func (c *child) write(n int) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, n); err != nil {
		c.t.Fatal(err)
	}
	c.expect(fmt.Sprint("wrote ", n))
}

func openSamples(t *testing.T, url string) *sqlstore.DB {
	t.Helper()
	d := reopen(t, url)
	mustExec(t, d.WriteDBTX(), ddl(d.Engine(), samplesDDL))
	return d
}

func reopen(t *testing.T, url string) *sqlstore.DB {
	t.Helper()
	d, err := sqlstore.Open(t.Context(), url, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Our own writes, of every kind, leave the number alone.
func TestForeignWritesIgnoresOwn(t *testing.T) {
	t.Parallel()
	d := openSamples(t, sqltest.URL(t))
	ctx := t.Context()
	known := d.ForeignWrites()
	steps := []struct {
		name string
		do   func() error
	}{
		{"nothing", func() error { return nil }},
		{"single statement", func() error { return insertSample(ctx, d.WriteDBTX(), 1, 1, "x") }},
		{"no row touched", func() error {
			_, err := d.WriteDBTX().Exec(ctx, "UPDATE samples SET txt = 'y' WHERE id = 99")
			return err
		}},
		{"RETURNING", func() error {
			var id int64
			return d.WriteDBTX().QueryRow(ctx, "UPDATE samples SET txt = 'y' RETURNING id").Scan(&id)
		}},
		{"transaction", func() error {
			return d.InTx(ctx, func(tx *sqlstore.Tx) error {
				return errors.Join(insertSample(ctx, tx.DBTX(), 2, 2, "x"), insertSample(ctx, tx.DBTX(), 3, 3, "x"))
			})
		}},
		{"empty transaction", func() error { return d.InTx(ctx, func(*sqlstore.Tx) error { return nil }) }},
		{"roll-back", func() error {
			err := d.InTx(ctx, func(tx *sqlstore.Tx) error {
				return errors.Join(insertSample(ctx, tx.DBTX(), 4, 4, "x"), errRefused)
			})
			if errors.Is(err, errRefused) {
				return nil
			}
			return err
		}},
		{"refused statement", func() error {
			if err := insertSample(ctx, d.WriteDBTX(), 9, 1, "x"); !sqlstore.IsUnique(err) {
				return fmt.Errorf("duplicate: %w", err)
			}
			return nil
		}},
		{"no row touched, again", func() error {
			_, err := d.WriteDBTX().Exec(ctx, "DELETE FROM samples WHERE id = 99")
			return err
		}},
		{"another package's transaction", func() error {
			tx, err := d.Writer().BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, "DELETE FROM samples WHERE id = 3")
			return errors.Join(err, tx.Commit())
		}},
		{"another package's statement", func() error {
			_, err := d.Writer().ExecContext(ctx, "DELETE FROM samples")
			return err
		}},
		{"checkpoint", func() error {
			_, err := d.Writer().ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
			return err
		}},
		{"first write to a fresh log", func() error { return insertSample(ctx, d.WriteDBTX(), 5, 5, "x") }},
		{"more pages than the cache holds", func() error {
			_, err := d.WriteDBTX().Exec(ctx, `WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
				INSERT INTO samples (id, txt, num, flag, ratio, at, doc) SELECT i, hex(randomblob(200)), i, 1, 1, '', '' FROM n`)
			return err
		}},
		{"writer replaced", func() error {
			short, cancel := context.WithCancel(ctx)
			err := d.InTx(short, func(tx *sqlstore.Tx) error {
				cancel()
				return insertSample(short, tx.DBTX(), 6, 6, "x")
			})
			if err == nil {
				return errors.New("a cancelled transaction was committed")
			}
			return insertSample(ctx, d.WriteDBTX(), 7, 7, "x")
		}},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if got := d.ForeignWrites(); got != known {
			t.Errorf("%s moved the number from %d to %d", s.name, known, got)
			known = got
		}
	}
	// In doubt it moves: a change of the schema touches no row.
	mustExec(t, d.WriteDBTX(), "CREATE TABLE more (x TEXT)")
	if got := d.ForeignWrites(); got == known {
		t.Error("a change of the schema did not move the number")
	}
}

// Every write of another process is seen by the next call, between writes of
// our own and right after them.
func TestForeignWritesOfAnotherProcess(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	d := openSamples(t, url)
	other := startChild(t, url)
	known := d.ForeignWrites()
	next := 0
	for round := range 20 {
		for range round % 3 {
			next++
			mustInsert(t, d.WriteDBTX(), int64(next), int64(next), "own")
		}
		if round%4 == 0 { // locked, but nothing written
			mustExec(t, d.WriteDBTX(), "UPDATE samples SET txt = '' WHERE id = -1")
		}
		if round%2 == 0 {
			if got := d.ForeignWrites(); got != known {
				t.Fatalf("round %d: own writes moved the number", round)
			}
		}
		next++
		other.write(next)
		if round%5 == 0 { // our own write comes before anybody asks
			next++
			mustInsert(t, d.WriteDBTX(), int64(next), int64(next), "own")
		}
		got := d.ForeignWrites()
		if got == known {
			t.Fatalf("round %d: the write of the other process went unseen", round)
		}
		known = got
	}
}

// The same for a second handle in this process: each takes the other for
// somebody else, and closing one leaves the other's locks and watch alone.
func TestForeignWritesOfAnotherHandle(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	a := openSamples(t, url)
	b, err := sqlstore.Open(t.Context(), url, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	beforeA, beforeB := a.ForeignWrites(), b.ForeignWrites()
	mustInsert(t, b.WriteDBTX(), 1, 1, "b")
	if a.ForeignWrites() == beforeA {
		t.Error("b's write went unseen by a")
	}
	if b.ForeignWrites() != beforeB {
		t.Error("b takes its own write for a foreign one")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	known := a.ForeignWrites()
	mustInsert(t, a.WriteDBTX(), 2, 2, "a")
	if a.ForeignWrites() != known {
		t.Error("a takes its own write for a foreign one after b is closed")
	}
	other := startChild(t, url)
	// What another process does still waits for our lock: it was not lost when
	// b closed its descriptors.
	err = a.InTx(t.Context(), func(tx *sqlstore.Tx) error {
		if _, err := fmt.Fprintln(other.in, 3); err != nil {
			return err
		}
		mustInsert(t, tx.DBTX(), 4, 4, "a")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	other.expect("wrote 3")
	if a.ForeignWrites() == known {
		t.Error("the other process's write went unseen")
	}
	if n := countSamples(t, a); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
}

// Never miss, under fire: whoever sees a number, then a foreign row, must see
// another number afterwards.
func TestForeignWritesConcurrently(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	d := openSamples(t, url)
	other := reopen(t, url)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { // own writes all the time, with room for others: SQLite's lock is not fair
		pause := time.NewTicker(time.Millisecond)
		defer pause.Stop()
		for n := int64(1_000_000); ctx.Err() == nil; n++ {
			<-pause.C
			if err := insertSample(t.Context(), d.WriteDBTX(), n, n, "own"); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 2 { // and questions
		wg.Go(func() {
			for ctx.Err() == nil {
				d.ForeignWrites()
			}
		})
	}
	var missed atomic.Int32
	for n := range int64(60) {
		before := d.ForeignWrites()
		mustInsert(t, other.WriteDBTX(), n, n, "other")
		if d.ForeignWrites() == before {
			missed.Add(1)
		}
	}
	stop()
	wg.Wait()
	if missed.Load() > 0 {
		t.Errorf("%d of 60 foreign writes were missed", missed.Load())
	}
	known := d.ForeignWrites()
	mustInsert(t, d.WriteDBTX(), 5_000_000, 5_000_000, "own")
	if d.ForeignWrites() != known {
		t.Error("an own write moved the number once all was quiet")
	}
}

// Where nothing can be known, every answer is another one.
func TestForeignWritesUnknown(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
		if d.Engine() == sqlstore.Postgres {
			if a, b := d.ForeignWrites(), d.ForeignWrites(); a == b {
				t.Errorf("two answers of %d", a)
			}
		}
	})
	d := sqltest.Open(t)
	path := databasePath(t, d)
	if err := os.Truncate(path+"-shm", 0); err != nil {
		t.Fatal(err)
	}
	if a, b := d.ForeignWrites(), d.ForeignWrites(); a == b {
		t.Errorf("two answers of %d without a header", a)
	}
	// SQLite maps the file: give it back what it maps before it is closed.
	if err := os.Truncate(path+"-shm", 32<<10); err != nil {
		t.Fatal(err)
	}
	if a, b := d.ForeignWrites(), d.ForeignWrites(); a == b {
		t.Errorf("two answers of %d with an empty header", a)
	}
}
