package job_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/job"
)

// An owner is told of each step of a task, in their order; the server's own
// jobs are nobody's business.
func TestOwnersAreTold(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		type told struct {
			Owner int64
			job.Updated
		}
		heard := make(chan told, 100)
		c := e.client(t, doing(func(_ context.Context, j job.Job[note]) error {
			if j.Attempt == 1 {
				return errors.New("not yet")
			}
			return nil
		}, job.KindOpts{}), func(cfg *job.Config) {
			cfg.Updated = func(owner int64, u job.Updated) { heard <- told{owner, u} }
		})
		start(t, c)
		reaches(t, c, insert(t, c, job.Insert{Args: note{}}), job.Succeeded)
		id := insert(t, c, job.Insert{Args: note{}, Opts: job.InsertOpts{OwnerID: 7}})
		for _, want := range []job.Updated{
			{TaskID: id, Kind: "test.note", State: job.Running, Attempt: 1},
			{TaskID: id, Kind: "test.note", State: job.Queued, Attempt: 1},
			{TaskID: id, Kind: "test.note", State: job.Running, Attempt: 2},
			{TaskID: id, Kind: "test.note", State: job.Succeeded, Attempt: 2},
		} {
			if d := cmp.Diff(told{7, want}, receive(t, heard)); d != "" {
				t.Errorf("told (-want +got):\n%s", d)
			}
		}
	})
}

// Cancelling a waiting task is told as well.
func TestOwnersAreToldOfCancelling(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		heard := make(chan job.Updated, 100)
		c := e.client(t, doing(func(context.Context, job.Job[note]) error { return nil }, job.KindOpts{}), func(cfg *job.Config) {
			cfg.Updated = func(_ int64, u job.Updated) { heard <- u }
		})
		id := insert(t, c, job.Insert{Args: note{}, Opts: job.InsertOpts{OwnerID: 7}})
		if err := c.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, heard); got.TaskID != id || got.State != job.Cancelled {
			t.Errorf("told %+v, want job %d cancelled", got, id)
		}
	})
}
