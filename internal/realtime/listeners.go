package realtime

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge"
)

// listening is a listener that is connected.
type listening struct {
	who    Listener
	door   Door
	client *centrifuge.Client
}

// registry holds the listeners of this process.
type registry struct {
	mu    sync.Mutex
	users map[int64]map[*listening]struct{}
	doors [doors]int
}

func (r *registry) init() { r.users = map[int64]map[*listening]struct{}{} }

func (r *registry) add(c *listening) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users[c.who.UserID] == nil {
		r.users[c.who.UserID] = map[*listening]struct{}{}
	}
	r.users[c.who.UserID][c] = struct{}{}
	r.doors[c.door]++
}

// remove tells whether the listener was there.
func (r *registry) remove(c *listening) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.users[c.who.UserID]
	if _, ok := of[c]; !ok {
		return false
	}
	delete(of, c)
	r.doors[c.door]--
	if len(of) == 0 {
		delete(r.users, c.who.UserID)
	}
	return true
}

func (r *registry) count(userID int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.users[userID])
}

func (r *registry) byDoor() [doors]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.doors
}

func (r *registry) all() []*listening {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*listening
	for _, of := range r.users {
		for c := range of {
			out = append(out, c)
		}
	}
	return out
}

func (r *registry) of(users map[int64]bool) []*listening {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*listening
	for id := range users {
		for c := range r.users[id] {
			out = append(out, c)
		}
	}
	return out
}

// counter bounds things by key.
type counter[K comparable] struct {
	mu sync.Mutex
	n  map[K]int
}

// take counts one more, unless there are limit already.
func (c *counter[K]) take(key K, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n[key] >= limit {
		return false
	}
	if c.n == nil {
		c.n = map[K]int{}
	}
	c.n[key]++
	return true
}

func (c *counter[K]) release(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n[key]--; c.n[key] <= 0 {
		delete(c.n, key)
	}
}

// checks are the users whose listeners are to be checked.
type checks struct {
	mu    sync.Mutex
	users map[int64]bool
	all   bool
	wake  chan struct{} // holds one
}

func (c *checks) user(id int64) {
	c.mu.Lock()
	if c.users == nil {
		c.users = map[int64]bool{}
	}
	c.users[id] = true
	c.mu.Unlock()
	c.signal()
}

func (c *checks) everyone() {
	c.mu.Lock()
	c.all = true
	c.mu.Unlock()
	c.signal()
}

func (c *checks) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *checks) take() (users map[int64]bool, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	users, all = c.users, c.all
	c.users, c.all = nil, false
	return users, all
}

const (
	// checkTimeout bounds one check, checkRetry is when one that failed is made
	// again.
	checkTimeout = 10 * time.Second
	checkRetry   = time.Second
)

// checker asks whether listeners may stay: at once for users that were named,
// and for all of them every CheckEvery.
func (h *Hub) checker() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-h.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	every := time.NewTicker(h.cfg.CheckEvery)
	defer every.Stop()
	retry := time.NewTimer(checkRetry)
	retry.Stop()
	defer retry.Stop()
	for {
		select {
		case <-h.checks.wake:
		case <-retry.C:
		case <-every.C:
			h.checks.everyone()
		case <-h.closing:
			return
		}
		if err := h.check(ctx); err != nil && ctx.Err() == nil {
			h.log.Warn("listeners could not be checked", "error", err)
			retry.Reset(checkRetry)
		}
	}
}

func (h *Hub) check(ctx context.Context) error {
	users, all := h.checks.take()
	var found []*listening
	if all {
		found = h.listeners.all()
	} else {
		found = h.listeners.of(users)
	}
	if len(found) == 0 || h.cfg.Check == nil {
		return nil
	}
	asked := make([]Listener, len(found))
	for i, c := range found {
		asked[i] = c.who
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	verdicts, err := h.cfg.Check(ctx, asked)
	if err != nil {
		h.checks.again(users, all)
		return err
	}
	for i, c := range found {
		switch verdicts[i] {
		case Dismiss:
			c.dismiss()
		case Return:
			c.client.Disconnect(centrifuge.DisconnectForceReconnect)
		case Stay:
		}
	}
	return nil
}

// again puts back what could not be checked, for the retry.
func (c *checks) again(users map[int64]bool, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = c.all || all
	for id := range users {
		if c.users == nil {
			c.users = map[int64]bool{}
		}
		c.users[id] = true
	}
}

// dismissed closes a socket for good: centrifuge's SDKs do not come back after
// codes from 4500 to 4999.
var dismissed = centrifuge.Disconnect{Code: 4501, Reason: "session ended"}

// dismiss tells the client and then closes.
func (c *listening) dismiss() {
	data, err := encode(Event{Type: Ended, Data: json.RawMessage(`{}`)})
	if err == nil {
		_ = c.client.Send(data) // a client that cannot be told is closed all the same
	}
	c.client.Disconnect(dismissed)
}
