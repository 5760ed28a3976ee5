package agent

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// live is a run that this process works on: its log as far as it is committed,
// and what waits to be.
type live struct {
	run    Run
	cancel context.CancelCauseFunc

	mu sync.Mutex
	// events are in the database; nobody is shown anything else.
	events  []Event
	pending []Event
	busy    bool // pending was taken and is being committed
	err     error
	ended   bool // no event will come any more: the run has ended or waits
	status  Status
	changed chan struct{} // closed when any of this changes
}

func newLive(run Run, cancel context.CancelCauseFunc, events []Event) *live {
	return &live{run: run, cancel: cancel, events: events, changed: make(chan struct{})}
}

// tell wakes everybody who waits. mu is held.
func (l *live) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// preload shows what was committed before this process had the run.
func (l *live) preload(events []Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = events
	l.tell()
}

// since gives the committed events after the first n; changed is closed when
// there may be more.
func (l *live) since(n int) (events []Event, ended bool, status Status, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < len(l.events) {
		events = l.events[n:len(l.events):len(l.events)]
	}
	return events, l.ended, l.status, l.changed
}

// end shows the last events and lets the readers go.
func (l *live) end(status Status, events ...Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, events...)
	l.ended, l.status = true, status
	l.tell()
}

// journal commits the events of all runs of a process together: the first ones
// of a run at once, further ones at most once per interval. An event is shown
// only after its commit.
type journal struct {
	store    RunStore
	owner    string
	interval time.Duration
	fail     func(err error)

	mu     sync.Mutex
	dirty  map[*live]bool
	urgent chan struct{}
	wake   chan struct{}
}

const (
	commitEvery = 50 * time.Millisecond
	// maxPending stops a run that writes faster than the database.
	maxPending = 4096
	// A database that is away may come back within this time.
	commitTries = 40
	commitWait  = 250 * time.Millisecond
	// commitLimit bounds one try.
	commitLimit = 10 * time.Second
)

func newJournal(store RunStore, owner string, fail func(error)) *journal {
	return &journal{
		store: store, owner: owner, interval: commitEvery, fail: fail, dirty: map[*live]bool{},
		urgent: make(chan struct{}, 1), wake: make(chan struct{}, 1),
	}
}

// add takes events of a run, and waits while too many are pending. The error
// is why the run cannot go on.
func (j *journal) add(ctx context.Context, l *live, events ...Event) error {
	l.mu.Lock()
	for len(l.pending) >= maxPending && l.err == nil {
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		l.mu.Lock()
	}
	if l.err != nil {
		l.mu.Unlock()
		return l.err
	}
	first := speaks(events) && !speaks(l.events) && !speaks(l.pending)
	l.pending = append(l.pending, events...)
	l.mu.Unlock()
	j.mu.Lock()
	j.dirty[l] = true
	j.mu.Unlock()
	if first {
		poke(j.urgent)
	} else {
		poke(j.wake)
	}
	return nil
}

// speaks reports whether there is something to show among the events.
func speaks(events []Event) bool {
	// What comes before the first part is a step's beginning or two.
	for i := range events {
		if events[i].Kind != StepBegin {
			return true
		}
	}
	return false
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run commits until stop is closed; nothing may be added after that.
func (j *journal) run(stop <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-j.urgent:
		case <-stop:
			return
		case <-j.wake:
			timer.Reset(j.interval)
			select {
			case <-timer.C:
			case <-j.urgent:
			case <-stop:
				return
			}
		}
		j.commit(stop)
	}
}

// commit writes what is pending, and tries for a while if it must.
func (j *journal) commit(stop <-chan struct{}) {
	runs, batches := j.take()
	if len(batches) == 0 {
		return
	}
	var lost []int64
	var err error
	for try := range commitTries {
		ctx, cancel := context.WithTimeout(context.Background(), commitLimit)
		lost, err = j.store.Append(ctx, j.owner, batches)
		cancel()
		if err == nil || try == commitTries-1 {
			break
		}
		if try == 0 {
			j.fail(err)
		}
		timer := time.NewTimer(commitWait)
		select {
		case <-timer.C:
		case <-stop:
			timer.Stop()
		}
	}
	gone := map[int64]bool{}
	for _, id := range lost {
		gone[id] = true
	}
	for i, l := range runs {
		why := err
		if why == nil && gone[l.run.ID] {
			why = ErrLost
		}
		l.committed(batches[i].Events, why)
	}
}

func (j *journal) take() (runs []*live, batches []Batch) {
	j.mu.Lock()
	dirty := j.dirty
	j.dirty = make(map[*live]bool, len(dirty))
	j.mu.Unlock()
	for l := range dirty {
		l.mu.Lock()
		if len(l.pending) > 0 && l.err == nil {
			runs = append(runs, l)
			batches = append(batches, Batch{RunID: l.run.ID, Seq: int64(len(l.events)) + 1, Events: l.pending})
			l.pending, l.busy = nil, true
		}
		l.mu.Unlock()
	}
	return runs, batches
}

// committed shows events, or stops the run when they could not be kept.
func (l *live) committed(events []Event, err error) {
	l.mu.Lock()
	l.busy = false
	if err != nil {
		l.err = err
		l.pending = nil
	} else {
		l.events = append(l.events, events...)
	}
	l.tell()
	l.mu.Unlock()
	if err != nil {
		l.cancel(err)
	}
}

// drain waits until everything of a run is committed.
func (j *journal) drain(ctx context.Context, l *live) error {
	for {
		l.mu.Lock()
		clean, err, changed := len(l.pending) == 0 && !l.busy, l.err, l.changed
		l.mu.Unlock()
		if err != nil || clean {
			return err
		}
		poke(j.urgent)
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Tail reads a run's log from its beginning and follows it. Not safe for
// concurrent use.
type Tail struct {
	r    *Runner
	run  Run
	live *live // nil: the run is over, or another process has it
	read int
}

// followEvery is how often the log of another process's run is looked at.
const followEvery = 200 * time.Millisecond

var (
	// ErrPaused: the run waits for approval; the log goes on when it is given.
	ErrPaused = errors.New("the run waits for approval")
	// ErrShutdown: the server stops; the log can be read elsewhere.
	ErrShutdown = errors.New("the server stops")
)

// Run is the run as it was when the tail was opened.
func (t *Tail) Run() Run { return t.run }

// Next waits for further events. io.EOF when the run has ended, ErrPaused,
// ErrShutdown, or the error of ctx.
func (t *Tail) Next(ctx context.Context) ([]Event, error) {
	if t.live == nil {
		return t.stored(ctx)
	}
	for {
		events, ended, status, changed := t.live.since(t.read)
		switch {
		case len(events) > 0:
			t.read += len(events)
			return events, nil
		case ended && status == Waiting:
			return nil, ErrPaused
		case ended && status == "": // the run was lost: look where it is now
			t.live = nil
			return t.stored(ctx)
		case ended:
			return nil, io.EOF
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.r.closing:
			// A run of this process ends before the process does.
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-t.r.closed:
				return nil, ErrShutdown
			}
		}
	}
}

// stored reads the log from the database, and looks again and again while the
// run goes on somewhere.
func (t *Tail) stored(ctx context.Context) ([]Event, error) {
	for {
		// The status first: what was written before it changed is then read.
		status, err := t.r.Store.Status(ctx, t.run.UserID, t.run.ID)
		if err != nil {
			return nil, err
		}
		events, err := t.r.Store.Events(ctx, t.run.ID, int64(t.read)+1)
		switch {
		case err != nil:
			return nil, err
		case len(events) > 0:
			t.read += len(events)
			return events, nil
		case status.Final():
			return nil, io.EOF
		case status == Waiting:
			return nil, ErrPaused
		}
		timer := time.NewTimer(followEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-t.r.closing:
			timer.Stop()
			return nil, ErrShutdown
		}
	}
}
