package sqlstore

import (
	"fmt"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
)

// ForeignWrites counts the commits to an SQLite file that did not come from
// this DB's own writer: by a command run beside the server, for one. Between
// two calls that return the same number nobody else has written, so what was
// read in between may be kept in memory. The number says no more than that: it
// moves by one for several writes, and also when in doubt.
//
// A commit that was finished before the call is seen by the call. A call takes
// well under a microsecond and runs no SQL. Where the file's shared memory
// cannot be read, and on PostgreSQL, every call returns another number.
func (d *DB) ForeignWrites() uint64 {
	if d.sqlite == nil {
		return d.neverCache.Add(1)
	}
	return d.sqlite.watch.count()
}

// foreignWatch compares the change counter in the -shm file with what it ought
// to be after our own commits.
//
// The first 48 bytes of that file are the WAL-index header
// (https://www.sqlite.org/walformat.html#the_wal_index_file_format); SQLite
// writes them at the end of every commit, before it releases the write lock,
// and every reader looks there first. At offset 8 stands iChange, which a
// commit raises by exactly one if it changed a page, and leaves alone if not.
//
// SQLite calls our commit hook while it holds the write lock, before it writes
// the header. So there the counter shows what others have done, and the next
// value is ours and nobody else's.
type foreignWatch struct {
	file *shmFile
	// n is the answer.
	n atomic.Uint64
	// expected is the counter as it should be: its value in the low 32 bits,
	// and flagPending above them.
	expected atomic.Uint64
	mu       sync.Mutex // held to change expected
	closed   bool
	// dirty: the transaction on the writer has changed a row. Used on the
	// writer connection only, which one goroutine has at a time.
	dirty bool
}

// flagPending says that our commit is on its way: the counter may still be one
// less than expected.
const flagPending = 1 << 32

// open begins the watch. The database must be open and in WAL mode.
func (w *foreignWatch) open(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, err := openShm(path)
	if err != nil {
		return
	}
	w.file = f
	if c, ok := w.read(); ok {
		w.expected.Store(uint64(c))
	}
}

func (w *foreignWatch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	// The pointer stays: a request that was cut off may still ask, and then
	// finds nothing mapped.
	if w.file != nil && !w.closed {
		w.file.release()
	}
	w.closed = true
}

// ok tells whether the header can be read.
func (w *foreignWatch) ok() bool {
	_, ok := w.read()
	return ok
}

// follow has the writer's connection report its commits.
func (w *foreignWatch) follow(conn any) error {
	h, ok := conn.(sqlite.HookRegisterer)
	if !ok {
		return fmt.Errorf("sqlite driver: %T has no hooks", conn)
	}
	w.dirty = false
	h.RegisterPreUpdateHook(func(sqlite.SQLitePreUpdateData) { w.dirty = true })
	h.RegisterCommitHook(w.committing)
	h.RegisterRollbackHook(w.rolledBack)
	return nil
}

// read gives the counter.
func (w *foreignWatch) read() (uint32, bool) {
	if w.file == nil {
		return 0, false
	}
	return w.file.counter()
}

// asExpected tells whether the counter c needs no other explanation than our
// own commits.
func asExpected(c uint32, expected uint64) bool {
	want := uint32(expected)
	return c == want || expected&flagPending != 0 && c == want-1
}

func (w *foreignWatch) count() uint64 {
	c, ok := w.read()
	if !ok {
		return w.n.Add(1)
	}
	if asExpected(c, w.expected.Load()) {
		return w.n.Load()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// A commit of our own may have come between the two looks.
	if c, ok = w.read(); !ok {
		return w.n.Add(1)
	}
	if !asExpected(c, w.expected.Load()) {
		w.foreign(c)
	}
	return w.n.Load()
}

// foreign takes note of a write by somebody else. The answer moves first, so
// that nobody who finds the counter as expected gets the old answer. mu is held.
func (w *foreignWatch) foreign(c uint32) {
	w.n.Add(1)
	w.expected.Store(uint64(c))
}

// committing is the commit hook.
func (w *foreignWatch) committing() int32 {
	dirty := w.dirty
	w.dirty = false
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.read()
	if !ok {
		w.n.Add(1)
		return 0
	}
	if c != uint32(w.expected.Load()) {
		w.foreign(c)
	}
	if dirty {
		w.expected.Store(uint64(c+1) | flagPending)
	}
	// A commit that changed pages but no rows (the schema) will look foreign.
	return 0
}

// rolledBack is the rollback hook. A commit that fails ends here too, without
// the write lock.
func (w *foreignWatch) rolledBack() {
	w.dirty = false
	if w.expected.Load()&flagPending == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.read(); ok && w.expected.Load()&flagPending != 0 {
		w.foreign(c)
	}
}

// settle is called when the writer has finished a statement.
func (w *foreignWatch) settle() {
	if w.expected.Load()&flagPending == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	expected := w.expected.Load()
	c, ok := w.read()
	switch {
	case !ok || expected&flagPending == 0:
	case c == uint32(expected):
		w.expected.Store(uint64(c))
	default:
		// Somebody else came after us, or our commit did not get through.
		w.foreign(c)
	}
}
