package job

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// handBack is how long Stop waits for jobs to return after it has ended their
// contexts.
const handBack = 5 * time.Second

// ErrInsertOnly is returned by Start for a client without queues.
var ErrInsertOnly = errors.New("jobs: this client has no queues to work")

// Start begins to work the queues. ctx limits the starting only; the work ends
// with Stop. Starting a running client does nothing.
func (c *Client) Start(ctx context.Context) error {
	c.life.Lock()
	defer c.life.Unlock()
	switch {
	case len(c.cfg.Queues) == 0:
		return ErrInsertOnly
	case c.running:
		return nil
	}
	c.stopping.Store(false)
	sw, stopTelling := c.newSweeper(), c.startTelling()
	if err := c.startRiver(ctx); err != nil {
		sw.stop()
		stopTelling()
		return fmt.Errorf("start jobs: %w", err)
	}
	c.running, c.sweeper, c.telling = true, sw, stopTelling
	return nil
}

// startRiver starts River with a context that outlives ctx, yet gives up when
// ctx ends while it is starting.
func (c *Client) startRiver(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, cancel)
	c.wake.Lock()
	defer c.wake.Unlock()
	if err := c.river.Start(work); err != nil {
		cancel()
		return err
	}
	if !release() {
		// River is running on a context that has ended: let it wind up.
		return errors.Join(ctx.Err(), c.river.Stop(context.WithoutCancel(ctx)))
	}
	c.awake = true
	return nil
}

// Stop ends the work: no new jobs are taken and running ones may finish until
// ctx ends. Then their contexts end, and jobs that return go back to the queue
// without losing an attempt. Stop returns nil if every job has returned. A job
// that ignores its context for five seconds more makes Stop return an error; it
// stays "running" until another client rescues it. Stopping a client that does
// not run does nothing.
func (c *Client) Stop(ctx context.Context) error {
	c.life.Lock()
	defer c.life.Unlock()
	if !c.running {
		return nil
	}
	c.wake.Lock()
	c.awake = false
	c.wake.Unlock()
	if err := c.river.Stop(ctx); err != nil {
		c.stopping.Store(true)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), handBack)
		defer cancel()
		if err := c.river.StopAndCancel(last); err != nil {
			return fmt.Errorf("stop jobs: some are still running: %w", err)
		}
	}
	c.sweeper.stop()
	c.telling()
	c.running, c.sweeper, c.telling = false, nil, nil
	return nil
}
