package job

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivershared/uniquestates"
	"github.com/riverqueue/river/rivertype"
)

// payload is how Args travel through River to InsertBegin.
type payload struct {
	Args
	uniqueKey string
}

func (p payload) MarshalJSON() ([]byte, error) { return json.Marshal(p.Args) }

// unfinished is the set of states in which a UniqueKey is taken.
var unfinished = uniquestates.UniqueStatesToBitmask([]rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
	rivertype.JobStateRetryable, rivertype.JobStateScheduled,
})

// hook is called by River around inserts and attempts.
type hook struct {
	river.HookDefaults

	log *slog.Logger
	// stopping is set while jobs are being called back by Client.Stop.
	stopping *atomic.Bool
	// begin is told of each attempt that begins.
	begin func(*rivertype.JobRow)
}

// InsertBegin sets the unique key. River by itself derives keys from the
// arguments, and counts completed jobs as being in the way.
func (h *hook) InsertBegin(_ context.Context, params *rivertype.JobInsertParams) error {
	p, ok := params.Args.(payload)
	if !ok || p.uniqueKey == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(p.Kind() + "\x00" + p.uniqueKey))
	params.UniqueKey, params.UniqueStates = sum[:], unfinished
	return nil
}

// WorkEnd logs a failed attempt once and notes the words for the owner.
func (h *hook) WorkEnd(ctx context.Context, row *rivertype.JobRow, err error) error {
	var snooze *river.JobSnoozeError
	cause := context.Cause(ctx)
	switch {
	case err == nil, errors.As(err, &snooze), errors.Is(cause, river.ErrJobCancelledRemotely):
		return err
	case h.stopping.Load() && ctx.Err() != nil && !errors.Is(cause, context.DeadlineExceeded):
		// River hands back a job that answers its cancellation with
		// context.Canceled, and counts any other error as a failed attempt. But
		// a worker often reports what the cancellation broke, say a closed
		// connection.
		return fmt.Errorf("%w: %w", context.Canceled, err)
	}
	h.logFailure(ctx, row, err)
	if e := river.MetadataSet(ctx, keyOwnerError, ownerError{Attempt: row.Attempt, Text: ownerText(err)}); e != nil {
		return errors.Join(err, e)
	}
	return err
}

func (h *hook) logFailure(ctx context.Context, row *rivertype.JobRow, err error) {
	attrs := []slog.Attr{
		slog.String("kind", row.Kind), slog.Int64("job", row.ID),
		slog.Int("attempt", row.Attempt), slog.Int("max_attempts", row.MaxAttempts),
		slog.Any("error", err),
	}
	var (
		p         *panicError
		permanent *river.JobCancelError
	)
	level, text := slog.LevelWarn, "job failed, will be tried again"
	if errors.As(err, &permanent) || row.Attempt >= row.MaxAttempts {
		level, text = slog.LevelError, "job failed for good"
	}
	if errors.As(err, &p) {
		level = slog.LevelError
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	h.log.LogAttrs(ctx, level, text, attrs...) //nolint:sloglint // one of three constants
}

// quiet passes River's own warnings and errors on, and drops its chatter:
// a log line of ours says what an operator needs about a failed job.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

// Handle drops what River says of its own contexts ending when it is stopped.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	stopped := false
	r.Attrs(func(a slog.Attr) bool {
		err, ok := a.Value.Any().(error)
		stopped = ok && errors.Is(err, context.Canceled) || a.Key == "error" && a.Value.String() == context.Canceled.Error()
		return !stopped
	})
	if stopped {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
