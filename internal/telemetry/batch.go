package telemetry

import (
	"io"
	"sync"
	"time"
)

// How long lines may wait for others to be written with, and how many bytes of
// them.
const (
	batchWait = 100 * time.Millisecond
	batchSize = 16 << 10
)

// Batch writes to another writer, and lets the lines of busy times share a
// write: a system call for each line costs more than making it. Only the short
// lines that tell of requests ever wait, for 100 ms at most, and only if
// another was written less than 100 ms before; whatever else is logged goes out
// at once, after what waits. What a process that is killed had not written yet
// is lost.
//
// Close it at the end. It is safe for concurrent use.
type Batch struct {
	w io.Writer

	mu      sync.Mutex
	waiting []byte
	last    time.Time // of the last write
	armed   bool      // flush will be called
	closed  bool
}

// NewBatch makes a Batch on w.
func NewBatch(w io.Writer) *Batch {
	return &Batch{w: w, waiting: make([]byte, 0, batchSize)}
}

// Write implements io.Writer: it writes what waits, and p.
func (b *Batch) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.flush()
	n, writeErr := b.w.Write(p)
	if writeErr != nil {
		err = writeErr
	}
	return n, err
}

// writeLater takes a line that may wait; now is the time. A log that cannot be
// written has nobody to tell.
func (b *Batch) writeLater(line []byte, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	full := len(b.waiting)+len(line) > batchSize
	if b.closed || full || len(b.waiting) == 0 && now.Sub(b.last) >= batchWait {
		b.last = now
		_ = b.flush()
		_, _ = b.w.Write(line)
		return
	}
	b.waiting = append(b.waiting, line...)
	if !b.armed {
		b.armed = true
		time.AfterFunc(batchWait, b.late)
	}
}

// late is the end of the waiting.
func (b *Batch) late() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed = false
	_ = b.flush()
	b.last = time.Now()
}

// flush writes what waits; mu is held.
func (b *Batch) flush() error {
	if len(b.waiting) == 0 {
		return nil
	}
	_, err := b.w.Write(b.waiting)
	b.waiting = b.waiting[:0]
	return err
}

// Close writes what waits. Lines that come later are written at once. It does
// not close the writer below.
func (b *Batch) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.flush()
}
