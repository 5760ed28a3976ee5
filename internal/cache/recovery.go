package cache

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// Back-off between probes: doubled from the shortest to the longest, and back
// to the shortest once Redis has answered for as long as calm.
const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 5 * time.Second
	calm          = 30 * time.Second
	// logEvery is how often an absence is mentioned.
	logEvery = time.Minute
)

// pace is the growing pause between attempts.
type pace struct {
	pause   time.Duration
	upSince time.Time
}

func (p *pace) next() time.Duration {
	if p.pause == 0 {
		p.pause = shortestPause
		return p.pause
	}
	p.pause = min(2*p.pause, longestPause)
	return p.pause
}

// quiet lets one message through per logEvery.
type quiet struct{ last time.Time }

func (q *quiet) allows(now time.Time) bool {
	if !q.last.IsZero() && now.Sub(q.last) < logEvery {
		return false
	}
	q.last = now
	return true
}

// firstUse begins connecting and gives the very first attempt up to Timeout,
// so that the first request after a start need not go without. Nil means away.
func (r *Redis) firstUse(ctx context.Context) *session {
	r.mu.Lock()
	r.begin()
	r.mu.Unlock()
	select {
	case <-r.first:
		return r.live.Load()
	default:
	}
	patience := time.NewTimer(r.Timeout)
	defer patience.Stop()
	select {
	case <-r.first:
	case <-patience.C:
	case <-ctx.Done():
	case <-r.stop.Done():
	}
	return r.live.Load()
}

// begin starts the first attempt, once. The caller holds mu.
func (r *Redis) begin() {
	if r.began || r.closed {
		return
	}
	r.began = true
	r.work.Go(func() { r.recoverAfter(0) })
}

// trip ends the session s after err and leaves Redis alone for a while. Only
// the first of many failures of one session counts.
func (r *Redis) trip(s *session, err error) {
	if !r.live.CompareAndSwap(s, nil) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	now := time.Now()
	if now.Sub(r.pace.upSince) >= calm {
		r.pace.pause = 0
	}
	pause := r.pace.next()
	r.tell(now, err, pause)
	r.work.Go(func() { r.recoverAfter(pause) })
}

// recoverAfter probes Redis until it answers, or until somebody else's probe
// or Close has settled the matter.
func (r *Redis) recoverAfter(pause time.Duration) {
	for {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.stop.Done():
			timer.Stop()
			return
		}
		if r.live.Load() != nil {
			return
		}
		err := r.probe(r.stop)
		if err == nil || r.stop.Err() != nil {
			return
		}
		r.mu.Lock()
		pause = r.pace.next()
		r.endFirst()
		r.tell(time.Now(), err, pause)
		r.mu.Unlock()
	}
}

// probe connects if need be, pings, and on success marks Redis as back.
func (r *Redis) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	select {
	case r.dialing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.dialing }()

	r.mu.Lock()
	client, closed := r.client, r.closed
	r.mu.Unlock()
	if closed {
		return ErrAway
	}
	if client == nil {
		var err error
		if client, err = rueidis.NewClient(r.option); err != nil {
			return err
		}
		r.mu.Lock()
		r.client = client
		r.mu.Unlock()
	}
	if err := client.Do(ctx, client.B().Ping().Build()).Error(); err != nil {
		return err
	}
	r.arrive(client)
	return nil
}

// arrive begins a session, unless one is under way.
func (r *Redis) arrive(client rueidis.Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.live.CompareAndSwap(nil, &session{client: client}) {
		return
	}
	r.began = true
	r.pace.upSince = time.Now()
	r.endFirst()
	close(r.back)
	r.back = make(chan struct{})
	if r.told {
		r.told = false
		r.log.Info("redis answers again")
	}
}

// endFirst lets the waiters for the first attempt go. The caller holds mu.
func (r *Redis) endFirst() {
	select {
	case <-r.first:
	default:
		close(r.first)
	}
}

// tell logs an absence, at most once a minute. The caller holds mu.
func (r *Redis) tell(now time.Time, err error, pause time.Duration) {
	if r.quiet.allows(now) {
		r.told = true
		r.log.Warn("redis is away, going on without it", "error", err, "next_try", pause)
	}
}

// complain logs an answer of Redis that is an error, at most once a minute.
func (r *Redis) complain(op string, err error) {
	r.mu.Lock()
	allowed := r.quiet.allows(time.Now())
	r.mu.Unlock()
	if allowed {
		r.log.Warn("redis refused an operation", "operation", op, "error", err)
	}
}
