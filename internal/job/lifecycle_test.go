package job_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/job"
)

// fresh is another empty database of the same sort.
func (e *engine) fresh(t *testing.T) *engine {
	t.Helper()
	if e.pool != nil {
		return openPG(t)
	}
	return openSQLite(t, filepath.Join(t.TempDir(), "app.db"))
}

func TestTwoClientsRunAJobOnce(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		const jobs = 200
		w, ran := collect()
		first, second := e.client(t, w, nil), e.client(t, w, nil)
		start(t, first)
		start(t, second)
		for range jobs {
			insert(t, first, job.Insert{Args: note{}})
		}
		seen := map[int64]bool{}
		for range jobs {
			j := receive(t, ran)
			if seen[j.ID] || j.Attempt != 1 {
				t.Fatalf("job %d ran twice (attempt %d)", j.ID, j.Attempt)
			}
			seen[j.ID] = true
		}
		until(t, "all done", func() bool {
			return e.number(t, `SELECT count(*) FROM river_job WHERE state = 'completed' AND attempt = 1`) == jobs
		})
		if len(ran) != 0 {
			t.Errorf("%d more runs than jobs", len(ran))
		}
	})
}

func TestStopWaitsForRunningJobs(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		began, release := make(chan struct{}), make(chan struct{})
		c := e.client(t, doing(func(ctx context.Context, _ job.Job[note]) error {
			close(began)
			<-release
			return ctx.Err()
		}, job.KindOpts{}), nil)
		start(t, c)
		id := insert(t, c, job.Insert{Args: note{}})
		receive(t, began)
		stopped := make(chan error, 1)
		go func() { stopped <- c.Stop(context.Background()) }()
		select {
		case err := <-stopped:
			t.Fatalf("Stop = %v while a job runs", err)
		case <-time.After(100 * time.Millisecond):
		}
		close(release)
		if err := receive(t, stopped); err != nil {
			t.Fatalf("Stop = %v", err)
		}
		reaches(t, c, id, job.Succeeded)
	})
}

func TestStopHandsBack(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		began, ran := make(chan struct{}, 1), make(chan int, 1)
		c := e.client(t, doing(func(ctx context.Context, _ job.Job[note]) error {
			began <- struct{}{}
			<-ctx.Done()
			return errors.New("write: connection closed") // not context.Canceled
		}, job.KindOpts{MaxAttempts: 1}), nil)
		start(t, c)
		id := insert(t, c, job.Insert{Args: note{}})
		receive(t, began)

		over, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Stop(over); err != nil {
			t.Fatalf("Stop = %v", err)
		}
		if task, err := c.Task(t.Context(), id); err != nil || task.State != job.Queued || task.Attempt != 0 || task.Error != "" {
			t.Errorf("Task = %+v, %v, want it queued and no attempt lost", task, err)
		}
		start(t, e.client(t, doing(func(_ context.Context, j job.Job[note]) error {
			ran <- j.Attempt
			return nil
		}, job.KindOpts{}), nil))
		if attempt := receive(t, ran); attempt != 1 {
			t.Errorf("attempt %d, want 1", attempt)
		}
		reaches(t, c, id, job.Succeeded)
	})
}

func TestStartAndStopInAnyOrder(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		w, ran := collect()
		c := e.client(t, w, nil)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := c.Start(t.Context()); err != nil {
					t.Errorf("Start: %v", err)
				}
			})
			wg.Go(func() { stop(t, c) })
			wg.Go(func() { insert(t, c, job.Insert{Args: note{}}) })
		}
		wg.Wait()
		start(t, c)
		for range 8 {
			receive(t, ran)
		}
		stop(t, c)
		if n := e.number(t, `SELECT count(*) FROM river_job WHERE state <> 'completed'`); n != 0 || len(ran) != 0 {
			t.Errorf("%d jobs left, %d ran twice", n, len(ran))
		}
	})
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		w, _ := collect()
		c := e.client(t, w, nil)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Start(over); err == nil {
			t.Error("Start succeeded with a context that had ended")
		}
		start(t, c)
	})
}

func TestWorkOutlivesTheContextOfStart(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		w, ran := collect()
		c := e.client(t, w, nil)
		ctx, cancel := context.WithCancel(t.Context())
		if err := c.Start(ctx); err != nil {
			t.Fatalf("Start: %v", err)
		}
		defer stop(t, c)
		cancel()
		insert(t, c, job.Insert{Args: note{}})
		receive(t, ran)
	})
}

func TestJobsOfADeadProcessAreRescued(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		w, ran := collect()
		c := e.client(t, w, nil)
		id := insert(t, c, job.Insert{Args: note{}})
		last := insert(t, c, job.Insert{Args: note{}, Opts: job.InsertOpts{MaxAttempts: 1}})
		// What a process leaves behind that dies in the middle.
		e.exec(t, `UPDATE river_job SET state = 'running', attempt = 1, attempted_at = $1`, time.Now().UTC().Add(-time.Hour))
		start(t, c)
		if j := receive(t, ran); j.ID != id || j.Attempt != 2 {
			t.Errorf("ran %+v, want attempt 2 of job %d", j, id)
		}
		if task := reaches(t, c, last, job.Failed); task.Error != "The server stopped while the task was running." {
			t.Errorf("Task = %+v", task)
		}
	})
}

func TestPeriodic(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		w, ran := collect()
		start(t, e.client(t, w, func(cfg *job.Config) {
			cfg.Periodic = []job.Periodic{
				{ID: "now", Every: 24 * time.Hour, RunOnStart: true, Make: func() job.Insert {
					return job.Insert{Args: note{Text: "now"}}
				}},
				{ID: "second", Every: time.Second, Make: func() job.Insert {
					return job.Insert{Args: note{Text: "second"}}
				}},
				{ID: "broken", Every: time.Second, Make: func() job.Insert { return job.Insert{} }},
			}
		}))
		count := map[string]int{}
		for count["now"] < 1 || count["second"] < 2 {
			count[receive(t, ran).Args.Text]++
		}
		if count["now"] != 1 {
			t.Errorf("ran %v", count)
		}
	})
}

func TestForget(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		c := e.client(t, doing(func(_ context.Context, j job.Job[note]) error {
			if j.Args.Text == "" {
				return nil
			}
			return errors.New(j.Args.Text)
		}, job.KindOpts{Forget: true, MaxAttempts: 1}), nil)
		start(t, c)
		empty := `SELECT count(*) FROM river_job WHERE id = $1 AND args = ` + map[string]string{
			"sqlite": `jsonb('{}')`, "postgres": `'{}'`,
		}[e.name]

		done := insert(t, c, job.Insert{Args: note{}})
		failed := insert(t, c, job.Insert{Args: note{Text: "a failure"}})
		later := insert(t, c, job.Insert{Args: note{Text: "token"}, Opts: job.InsertOpts{ScheduledAt: time.Now().Add(time.Hour)}})
		if err := c.Cancel(t.Context(), later); err != nil {
			t.Fatalf("Cancel: %v", err)
		}
		if e.number(t, empty, later) != 1 {
			t.Error("the cancelled job keeps its arguments")
		}
		until(t, "success forgotten", func() bool {
			_, err := c.Task(t.Context(), done)
			return errors.Is(err, job.ErrNotFound)
		})
		until(t, "failure emptied", func() bool { return e.number(t, empty, failed) == 1 })
		reaches(t, c, failed, job.Failed)
	})
}

func TestForgetCleansUpAfterADeadProcess(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		c := e.client(t, doing(func(context.Context, job.Job[note]) error { return nil },
			job.KindOpts{Forget: true}), nil)
		insert(t, c, job.Insert{Args: note{Text: "token"}})
		e.exec(t, `UPDATE river_job SET state = 'completed', finalized_at = $1`, time.Now().UTC())
		start(t, c)
		until(t, "row gone", func() bool { return e.number(t, `SELECT count(*) FROM river_job`) == 0 })
	})
}

func TestMigrateByManyAtOnce(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		var file string
		if e.lite != nil {
			file = filepath.Join(t.TempDir(), "many.db")
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				mine := &engine{name: e.name, pool: e.pool}
				if file != "" { // as if each were a process of its own
					mine = openSQLite(t, file)
				}
				c, err := job.New(job.Config{Pool: mine.pool, SQLite: mine.lite})
				if err != nil {
					t.Errorf("New: %v", err)
					return
				}
				if err := c.Migrate(t.Context()); err != nil {
					t.Errorf("Migrate: %v", err)
				}
			})
		}
		wg.Wait()
		if file != "" {
			e = openSQLite(t, file)
		}
		if n := e.number(t, `SELECT count(*) FROM river_job`); n != 0 {
			t.Errorf("%d jobs", n)
		}
	})
}

func TestMigrateRefusesANewerSchema(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		w, _ := collect()
		c := e.client(t, w, nil)
		e.exec(t, `INSERT INTO river_migration (line, version) VALUES ('main', 999)`)
		if err := c.Migrate(t.Context()); err == nil {
			t.Error("Migrate accepted version 999")
		}
	})
}
