package job

import (
	"context"
	"sync"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// Updated is the event that a task has gone on.
type Updated struct {
	TaskID  int64  `json:"task_id"`
	Kind    string `json:"kind"`
	State   State  `json:"state"`
	Attempt int    `json:"attempt"`
}

// event is what is told of a task.
func (t *Task) event() Updated {
	return Updated{TaskID: t.ID, Kind: t.Kind, State: t.State, Attempt: t.Attempt}
}

// tell tells Config.Updated of a task that has an owner.
func (cfg *Config) tell(row *rivertype.JobRow) {
	if cfg.Updated == nil {
		return
	}
	if t := taskOf(row); t.OwnerID != 0 {
		cfg.Updated(t.OwnerID, t.event())
	}
}

// tellBuffer is how many attempts may end at once without one being untold.
const tellBuffer = 10_000

// startTelling subscribes to the ends of attempts; River tells of them when they
// are stored. stop waits for the last one.
func (c *Client) startTelling() (stop func()) {
	if c.cfg.Updated == nil {
		return func() {}
	}
	events, cancel := c.river.SubscribeConfig(&river.SubscribeConfig{ChanSize: tellBuffer, Kinds: []river.EventKind{
		river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled, river.EventKindJobSnoozed,
	}})
	var done sync.WaitGroup
	done.Go(func() {
		for e := range events {
			c.cfg.tell(e.Job)
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

// WorkBegin tells that a job runs.
func (h *hook) WorkBegin(_ context.Context, row *rivertype.JobRow) error {
	h.begin(row)
	return nil
}
