package job_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/job"
)

func TestInsertFollowsItsTransaction(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		w, ran := collect()
		c := e.client(t, w, nil)
		start(t, c)

		gone := e.inTx(t, c, job.Insert{Args: note{Text: "rolled back"}}, false)
		kept := e.inTx(t, c, job.Insert{Args: note{Text: "committed"}}, true)
		if j := receive(t, ran); j.Args.Text != "committed" || j.ID != kept || j.Attempt != 1 {
			t.Fatalf("ran %+v, want job %d", j, kept)
		}
		reaches(t, c, kept, job.Succeeded)

		// The queue is ordered: had the first job been there, or run twice, it
		// would have come before the third.
		insert(t, c, job.Insert{Args: note{Text: "third"}})
		if j := receive(t, ran); j.Args.Text != "third" {
			t.Errorf("ran %+v again", j)
		}
		// PostgreSQL does not give a rolled back id to another row.
		if _, err := c.Task(t.Context(), gone); e.pool != nil && !errors.Is(err, job.ErrNotFound) {
			t.Errorf("Task(rolled back) = %v, want ErrNotFound", err)
		}
	})
}

func TestInsertWakesTheQueue(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		w, ran := collect()
		c := e.client(t, w, func(cfg *job.Config) { cfg.PollInterval = time.Hour })
		start(t, c)
		// The first may be found by the fetch that every start begins with, the
		// later ones only by being woken.
		for range 3 {
			id := e.inTx(t, c, job.Insert{Args: note{}}, true)
			receive(t, ran)
			reaches(t, c, id, job.Succeeded)
		}
	})
}

func TestFailedAttemptsAreRepeated(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		attempts := make(chan int, 10)
		c := e.client(t, doing(func(_ context.Context, j job.Job[note]) error {
			attempts <- j.Attempt
			if j.Attempt < 3 {
				return errors.New("not yet")
			}
			return nil
		}, job.KindOpts{}), nil)
		start(t, c)

		id := insert(t, c, job.Insert{Args: note{}, Opts: job.InsertOpts{OwnerID: 7}})
		for want := 1; want <= 3; want++ {
			if got := receive(t, attempts); got != want {
				t.Fatalf("attempt %d, want %d", got, want)
			}
		}
		got := reaches(t, c, id, job.Succeeded)
		want := job.Task{ID: id, Kind: "test.note", State: job.Succeeded, Attempt: 3, MaxAttempts: 5, OwnerID: 7}
		if d := cmp.Diff(want, got, cmpopts.IgnoreTypes(time.Time{})); d != "" {
			t.Errorf("Task (-want +got):\n%s", d)
		}
		if got.CreatedAt.IsZero() || got.FinishedAt.Before(got.CreatedAt) || got.FinishedAt.Location() != time.UTC {
			t.Errorf("created %v, finished %v", got.CreatedAt, got.FinishedAt)
		}
	})
}

func TestFinalFailures(t *testing.T) {
	away := fault.New(fault.Unavailable, "provider.away", "The provider does not answer.")
	cases := []struct {
		name     string
		opts     job.KindOpts
		work     func(ctx context.Context) error
		attempts int
		text     string
		log      string
	}{
		{"out of attempts", job.KindOpts{MaxAttempts: 2}, func(context.Context) error {
			return errors.New("dial tcp 10.0.0.1: secret detail")
		}, 2, "The task failed.", "secret detail"},
		{"fault", job.KindOpts{MaxAttempts: 1}, func(context.Context) error {
			return away.Because(errors.New("secret detail"))
		}, 1, "The provider does not answer.", "secret detail"},
		{"internal fault", job.KindOpts{MaxAttempts: 1}, func(context.Context) error {
			return fault.New(fault.Internal, "x", "secret detail")
		}, 1, "The task failed.", "level=ERROR"},
		{"not worth another attempt", job.KindOpts{}, func(context.Context) error {
			return job.Cancel(away)
		}, 1, "The provider does not answer.", "failed for good"},
		{"cancelled for no reason", job.KindOpts{}, func(context.Context) error {
			return job.Cancel(nil)
		}, 1, "The task failed.", "failed for good"},
		{"panic", job.KindOpts{MaxAttempts: 2}, func(context.Context) error {
			panic("secret detail")
		}, 2, "The task failed.", "worker panicked: secret detail"},
		{"time-out", job.KindOpts{MaxAttempts: 1, Timeout: 10 * time.Millisecond}, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, 1, "The task took too long.", "deadline exceeded"},
	}
	onEngines(t, func(t *testing.T, e *engine) {
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				e := e.fresh(t)
				var log logBuffer
				var ran atomic.Int64
				c := e.client(t, doing(func(ctx context.Context, _ job.Job[note]) error {
					ran.Add(1)
					return tc.work(ctx)
				}, tc.opts), func(cfg *job.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				start(t, c)
				id := insert(t, c, job.Insert{Args: note{}})
				task := reaches(t, c, id, job.Failed)
				if task.Error != tc.text || task.Attempt != tc.attempts || int(ran.Load()) != tc.attempts {
					t.Errorf("Task = %+v after %d runs, want error %q after %d", task, ran.Load(), tc.text, tc.attempts)
				}
				if !log.has(tc.log) || !log.has("test.note") {
					t.Errorf("the log lacks %q", tc.log)
				}
			})
		}
	})
}

func TestErrorOfAWaitingRetryIsShown(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		c := e.client(t, doing(func(context.Context, job.Job[note]) error {
			return fault.New(fault.Throttled, "x", "Too many requests.")
		}, job.KindOpts{RetryAfter: func(int) time.Duration { return time.Hour }}), nil)
		start(t, c)
		id := insert(t, c, job.Insert{Args: note{}})
		var task job.Task
		until(t, "first attempt", func() bool {
			task, _ = c.Task(t.Context(), id)
			return task.Error != ""
		})
		if task.State != job.Queued || task.Error != "Too many requests." || time.Until(task.ScheduledAt) < 50*time.Minute {
			t.Errorf("Task = %+v, want it queued for an hour", task)
		}
	})
}

func TestSnoozeIsNoAttempt(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		var runs atomic.Int64
		c := e.client(t, doing(func(_ context.Context, j job.Job[note]) error {
			if runs.Add(1) < 4 {
				return job.Snooze(-time.Second) // stands for "at once"
			}
			return nil
		}, job.KindOpts{MaxAttempts: 1}), nil)
		start(t, c)
		id := insert(t, c, job.Insert{Args: note{}})
		if task := reaches(t, c, id, job.Succeeded); task.Attempt != 1 || task.Error != "" || runs.Load() != 4 {
			t.Errorf("Task = %+v after %d runs", task, runs.Load())
		}
	})
}

func TestCancel(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		began, ended := make(chan int64, 2), make(chan error, 2)
		c := e.client(t, doing(func(ctx context.Context, j job.Job[note]) error {
			began <- j.ID
			<-ctx.Done()
			ended <- ctx.Err()
			return ctx.Err()
		}, job.KindOpts{}), nil)
		start(t, c)

		later := insert(t, c, job.Insert{Args: note{}, Opts: job.InsertOpts{ScheduledAt: time.Now().Add(time.Hour)}})
		if task := reaches(t, c, later, job.Queued); time.Until(task.ScheduledAt) < 50*time.Minute {
			t.Errorf("scheduled at %v", task.ScheduledAt)
		}
		running := insert(t, c, job.Insert{Args: note{}})
		if id := receive(t, began); id != running {
			t.Fatalf("job %d runs, want %d", id, running)
		}
		for _, id := range []int64{later, running} {
			if err := c.Cancel(t.Context(), id); err != nil {
				t.Fatalf("Cancel(%d): %v", id, err)
			}
		}
		if err := receive(t, ended); !errors.Is(err, context.Canceled) {
			t.Errorf("the running job ended with %v", err)
		}
		for _, id := range []int64{later, running} {
			if task := reaches(t, c, id, job.Cancelled); task.Error != "" || task.FinishedAt.IsZero() {
				t.Errorf("Task = %+v", task)
			}
			if err := c.Cancel(t.Context(), id); err != nil {
				t.Errorf("Cancel again: %v", err)
			}
		}
		if err := c.Cancel(t.Context(), 1<<40); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("Cancel(unknown) = %v, want ErrNotFound", err)
		}
		if _, err := c.Task(t.Context(), 1<<40); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("Task(unknown) = %v, want ErrNotFound", err)
		}
	})
}

func TestUniqueKey(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		release := make(chan struct{})
		began := make(chan int64, 10)
		c := e.client(t, doing(func(_ context.Context, j job.Job[note]) error {
			began <- j.ID
			<-release
			return nil
		}, job.KindOpts{}), nil)
		once := func(key string) job.Insert {
			return job.Insert{Args: note{Text: key}, Opts: job.InsertOpts{UniqueKey: key}}
		}
		first := insert(t, c, once("widget:1"))
		if again := insert(t, c, once("widget:1")); again != first {
			t.Errorf("second insert = %d while %d waits", again, first)
		}
		start(t, c)
		receive(t, began)
		if again := e.inTx(t, c, once("widget:1"), true); again != first {
			t.Errorf("insert = %d while %d runs", again, first)
		}
		other := insert(t, c, once("widget:2"))
		if other == first {
			t.Errorf("another key got the same job %d", first)
		}
		close(release)
		reaches(t, c, first, job.Succeeded)
		next := insert(t, c, once("widget:1"))
		if next == first {
			t.Errorf("insert = %d after it was done", next)
		}
		reaches(t, c, next, job.Succeeded)
	})
}

func TestInsertOnlyClient(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		w := doing(func(context.Context, job.Job[note]) error { return nil }, job.KindOpts{MaxAttempts: 9})
		api := e.client(t, w, func(cfg *job.Config) { cfg.Queues = nil })
		if err := api.Start(t.Context()); !errors.Is(err, job.ErrInsertOnly) {
			t.Errorf("Start = %v, want ErrInsertOnly", err)
		}
		id := e.inTx(t, api, job.Insert{Args: note{}, Opts: job.InsertOpts{OwnerID: 3, Queue: "slow"}}, true)
		task, err := api.Task(t.Context(), id)
		if err != nil || task.State != job.Queued || task.OwnerID != 3 || task.MaxAttempts != 9 {
			t.Fatalf("Task = %+v, %v", task, err)
		}
		if _, err := api.Insert(t.Context(), job.Insert{Args: stranger{}}); err == nil {
			t.Error("a kind without a worker was queued")
		}
		if err := api.Stop(t.Context()); err != nil {
			t.Errorf("Stop = %v", err)
		}
		start(t, e.client(t, w, func(cfg *job.Config) { cfg.Queues = map[string]int{"slow": 1} }))
		reaches(t, api, id, job.Succeeded)
	})
}

type stranger struct{}

func (stranger) Kind() string { return "test.stranger" }

func TestInsertRefuses(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		w, _ := collect()
		c := e.client(t, w, nil)
		for name, in := range map[string]job.Insert{
			"no arguments":      {},
			"negative attempts": {Args: note{}, Opts: job.InsertOpts{MaxAttempts: -1}},
			"negative owner":    {Args: note{}, Opts: job.InsertOpts{OwnerID: -1}},
			"a bad queue name":  {Args: note{}, Opts: job.InsertOpts{Queue: "no spaces, please"}},
		} {
			if _, err := c.Insert(t.Context(), in); err == nil {
				t.Errorf("%s: Insert succeeded", name)
			}
		}
		if n := e.number(t, `SELECT count(*) FROM river_job`); n != 0 {
			t.Errorf("%d rows, want none", n)
		}
		var err error
		if e.pool != nil {
			_, err = c.InsertTxSQLite(t.Context(), nil, job.Insert{Args: note{}})
		} else {
			_, err = c.InsertTxPG(t.Context(), nil, job.Insert{Args: note{}})
		}
		if err == nil || !strings.Contains(err.Error(), "not on") {
			t.Errorf("insert with the other engine's transaction = %v", err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	e := openSQLite(t, t.TempDir()+"/app.db")
	wide := openSQLite(t, t.TempDir()+"/app.db").lite
	wide.SetMaxOpenConns(2)
	work := func(context.Context, job.Job[note]) error { return nil }
	twice := doing(work, job.KindOpts{})
	job.Register(twice, work, job.KindOpts{})
	queues := map[string]int{job.DefaultQueue: 1}
	good := job.Periodic{ID: "p", Every: time.Minute, Make: func() job.Insert { return job.Insert{Args: note{}} }}
	for name, cfg := range map[string]job.Config{
		"no database":         {},
		"a writer of two":     {SQLite: wide},
		"no workers":          {SQLite: e.lite, Queues: queues},
		"kind twice":          {SQLite: e.lite, Queues: queues, Workers: twice},
		"negative time-out":   {SQLite: e.lite, Workers: doing(work, job.KindOpts{Timeout: -1})},
		"no hands":            {SQLite: e.lite, Queues: map[string]int{"a": 0}, Workers: doing(work, job.KindOpts{})},
		"nameless schedule":   {SQLite: e.lite, Periodic: []job.Periodic{{Every: time.Minute, Make: good.Make}}},
		"breathless schedule": {SQLite: e.lite, Periodic: []job.Periodic{{ID: "p", Every: 1, Make: good.Make}}},
		"schedule twice":      {SQLite: e.lite, Periodic: []job.Periodic{good, good}},
	} {
		if _, err := job.New(cfg); err == nil {
			t.Errorf("%s: New succeeded", name)
		}
	}
}
