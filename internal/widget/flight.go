package widget

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxFetches is how many sources one process asks at a time.
const maxFetches = 16

// errStopped: the service was closed.
var errStopped = errors.New("widget: closed")

// flights lets at most one fetch of a slot run in this process; between
// processes the lease does. The zero value is ready.
type flights struct {
	mu      sync.Mutex
	running map[string]*flight
	slots   chan struct{} // counts fetches
	ctx     context.Context
	cancel  context.CancelFunc
	closed  bool
	wait    sync.WaitGroup
}

// flight is a fetch under way. Result and err are set when done is closed.
type flight struct {
	done   chan struct{}
	result Result
	err    error
}

// join gives the fetch of the name that is under way, or begins one. It belongs
// to the process, not to who asked first: that one may go away.
func (f *flights) join(name string, fetch func(context.Context) (Result, error)) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ctx == nil {
		f.running, f.slots = map[string]*flight{}, make(chan struct{}, maxFetches)
		f.ctx, f.cancel = context.WithCancel(context.Background())
	}
	if under, ok := f.running[name]; ok {
		return under
	}
	one := &flight{done: make(chan struct{}), err: errStopped}
	if f.closed {
		close(one.done)
		return one
	}
	f.running[name] = one
	ctx := f.ctx
	f.wait.Go(func() {
		defer func() { // also after a panic, or everybody would wait for ever
			f.mu.Lock()
			delete(f.running, name)
			f.mu.Unlock()
			close(one.done)
		}()
		select {
		case f.slots <- struct{}{}:
			defer func() { <-f.slots }()
		case <-ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(ctx, fetchTime)
		defer cancel()
		one.result, one.err = fetch(ctx)
	})
	return one
}

func (f *flights) stopped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// close ends what is under way and waits for it.
func (f *flights) close() {
	f.mu.Lock()
	f.closed = true
	if f.cancel != nil {
		f.cancel()
	}
	f.mu.Unlock()
	f.wait.Wait()
}

// await waits for the fetch, and for no longer than limit.
func (one *flight) await(ctx context.Context, limit time.Duration) (r Result, done bool, err error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-one.done:
		return one.result, true, one.err
	case <-timer.C:
		return Result{}, false, nil
	case <-ctx.Done():
		return Result{}, false, ctx.Err()
	}
}

// Close ends the fetches of this process and waits until they are written down
// or handed back. The service answers from what is stored from then on.
func (s *Service) Close() { s.flights.close() }
