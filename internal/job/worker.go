package job

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
)

const (
	defaultTimeout     = time.Minute
	defaultMaxAttempts = 5

	// timeoutGrace is how much longer than its own time-out a job may take to
	// return before it counts as stuck. Without it the rescuer could take over
	// a job in the moment it is ending by itself.
	timeoutGrace = 15 * time.Second
)

// KindOpts are the choices made per kind of job.
type KindOpts struct {
	// Timeout ends the worker's context; 0 is one minute.
	Timeout time.Duration
	// MaxAttempts counts the first try; 0 is five.
	MaxAttempts int
	// RetryAfter says how long to wait after the given attempt (1 is the
	// first) failed. nil waits attempt⁴ seconds, with a little jitter.
	RetryAfter func(attempt int) time.Duration
	// Forget is for jobs whose Args carry a secret: the row is deleted as soon
	// as the job succeeds, and its Args are emptied when it fails for good or is
	// cancelled. Task does not find such a job after its success.
	Forget bool
}

// Workers says which function does which kind of job. It is filled before New
// and not changed afterwards; it is not safe for concurrent use.
type Workers struct {
	river *river.Workers
	kinds map[string]KindOpts
	err   error
}

// NewWorkers makes an empty registry.
func NewWorkers() *Workers {
	return &Workers{river: river.NewWorkers(), kinds: map[string]KindOpts{}}
}

// Register names the function that does the jobs of T's kind. A kind that is
// registered twice, or with impossible options, is reported by New.
//
// work returns nil when the job is done. An error means another attempt after
// a while, up to the kind's MaxAttempts; Cancel and Snooze say otherwise. A
// fault.Error in the chain gives the text that the task's owner may read. A
// panic counts as an error. work must return soon after its context ends.
func Register[T Args](w *Workers, work func(context.Context, Job[T]) error, opts KindOpts) {
	var zero T
	kind := zero.Kind()
	if opts.Timeout == 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.MaxAttempts == 0 {
		opts.MaxAttempts = defaultMaxAttempts
	}
	if opts.Timeout < 0 || opts.MaxAttempts < 0 {
		w.err = errors.Join(w.err, fmt.Errorf("job kind %q: time-out and attempts must not be negative", kind))
		return
	}
	if err := river.AddWorkerSafely(w.river, &worker[T]{work: work, opts: opts}); err != nil {
		w.err = errors.Join(w.err, fmt.Errorf("job kind %q: %w", kind, err))
		return
	}
	w.kinds[kind] = opts
}

// Cancel wraps the reason why trying again is no use. Returned from a worker it
// ends the job as Failed.
func Cancel(err error) error {
	if err == nil {
		err = errors.New("cancelled by its worker")
	}
	return river.JobCancel(err)
}

// Snooze makes an error that, returned from a worker, runs the job again after wait. It does not
// count as an attempt.
func Snooze(wait time.Duration) error {
	return river.JobSnooze(max(wait, 0))
}

// worker adapts one registered function to River.
type worker[T Args] struct {
	river.WorkerDefaults[T]

	work func(context.Context, Job[T]) error
	opts KindOpts
}

// Timeout is what River (and its rescuer) reckon with; Work itself ends the
// context earlier.
func (w *worker[T]) Timeout(*river.Job[T]) time.Duration {
	return w.opts.Timeout + timeoutGrace
}

func (w *worker[T]) NextRetry(j *river.Job[T]) time.Time {
	if w.opts.RetryAfter == nil {
		return time.Time{}
	}
	return time.Now().Add(w.opts.RetryAfter(j.Attempt))
}

func (w *worker[T]) Work(ctx context.Context, j *river.Job[T]) (err error) {
	// River recovers panics by itself, but then stores the panic's text and
	// skips the hook that finds words for the owner.
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, w.opts.Timeout)
	defer cancel()
	return w.work(ctx, Job[T]{
		ID: j.ID, Args: j.Args, Attempt: j.Attempt, MaxAttempts: j.MaxAttempts,
		OwnerID: readMeta(j.Metadata).OwnerID, CreatedAt: j.CreatedAt, ScheduledAt: j.ScheduledAt,
	})
}

// panicError is a worker's panic as an error. The stack is for the log only.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("worker panicked: %v", e.value) }
