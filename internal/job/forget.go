package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

const (
	// sweepEvery is how often forgettable rows are looked for that no event told
	// of: those of a process that died, and cancelled or rescued ones.
	sweepEvery   = 10 * time.Minute
	sweepTimeout = 30 * time.Second
	sweepBuffer  = 10_000
)

// sweeper removes the payloads of finished jobs whose kind says Forget.
type sweeper struct {
	client *Client
	events <-chan *river.Event
	cancel func()
	done   chan struct{}
}

// newSweeper subscribes before River starts, so that no job ends unseen. nil
// stands for a client without forgettable kinds.
func (c *Client) newSweeper() *sweeper {
	if len(c.forget) == 0 {
		return nil
	}
	events, cancel := c.river.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: sweepBuffer,
		Kinds:    []river.EventKind{river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled},
	})
	s := &sweeper{client: c, events: events, cancel: cancel, done: make(chan struct{})}
	go s.run()
	return s
}

// stop waits until the last event has been dealt with.
func (s *sweeper) stop() {
	if s == nil {
		return
	}
	s.cancel()
	<-s.done
}

// run ends when the subscription is closed, which River does when it has
// stopped and told of its last job.
func (s *sweeper) run() {
	defer close(s.done)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	s.attempt(s.client.sweep)
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				return
			}
			if slices.Contains(s.client.forget, e.Job.Kind) {
				s.attempt(func(ctx context.Context) error { return s.client.forgetRow(ctx, e.Job) })
			}
		case <-tick.C:
			s.attempt(s.client.sweep)
		}
	}
}

// attempt logs an error; the next sweep tries again.
func (s *sweeper) attempt(do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), sweepTimeout)
	defer cancel()
	if err := do(ctx); err != nil {
		s.client.log.Warn("job payloads could not be removed, will be tried again", "error", err)
	}
}

func (c *Client) forgetRow(ctx context.Context, row *rivertype.JobRow) error {
	if row.State != rivertype.JobStateCompleted {
		return c.emptyArgs(ctx, row.ID)
	}
	if _, err := c.river.JobDelete(ctx, row.ID); err != nil && !errors.Is(err, river.ErrNotFound) {
		return fmt.Errorf("forget job %d: %w", row.ID, err)
	}
	return nil
}

// emptyArgs removes the payload of one job if its kind says Forget and its
// state is final.
func (c *Client) emptyArgs(ctx context.Context, id int64) error {
	for _, kind := range c.forget {
		err := c.exec(ctx, `UPDATE river_job SET args = `+c.emptyJSON()+
			` WHERE id = $1 AND kind = $2 AND state IN ('cancelled', 'discarded')`, id, kind)
		if err != nil {
			return fmt.Errorf("forget job %d: %w", id, err)
		}
	}
	return nil
}

// sweep does for all rows what forgetRow does for one.
func (c *Client) sweep(ctx context.Context) error {
	for _, kind := range c.forget {
		err := errors.Join(
			c.exec(ctx, `DELETE FROM river_job WHERE kind = $1 AND state = 'completed'`, kind),
			c.exec(ctx, `UPDATE river_job SET args = `+c.emptyJSON()+
				` WHERE kind = $1 AND state IN ('cancelled', 'discarded') AND args <> `+c.emptyJSON(), kind))
		if err != nil {
			return fmt.Errorf("forget jobs %q: %w", kind, err)
		}
	}
	return nil
}

// emptyJSON is the empty object as River's args column holds it.
func (c *Client) emptyJSON() string {
	if c.lite != nil {
		return `jsonb('{}')`
	}
	return `'{}'`
}

func (c *Client) exec(ctx context.Context, query string, args ...any) error {
	if c.lite != nil {
		_, err := c.cfg.SQLite.ExecContext(ctx, query, args...)
		return err
	}
	_, err := c.cfg.Pool.Exec(ctx, query, args...)
	return err
}
