// Package realtime carries events to whoever listens: a browser's EventSource
// or WebSocket, or an SDK of centrifuge, which does the work behind it.
//
// An event is published to a channel: one user's own, the one of everybody who
// is signed in, or the one of the administrators. Each channel is a stream with
// numbered events that is kept for Keep. What a listener receives has an id
// that holds the listener's position in each of its streams (see cursor), so
// that one who comes back with the last id gets what was missed in between,
// each event once and in the order of its stream. Where that is not possible
// any more (too long ago, or the broker has lost its memory) the listener gets
// one event "reset" instead, and has to load anew what it shows.
//
// Publishing never waits: events go through a queue of their channel's own
// order. An event that could not be handed to the broker is replaced by a
// "reset" in its stream as soon as the broker is back. What is published is
// lost only with the process that was to publish it.
//
// A listener stays as long as whatever let it in stands. That is asked again
// when somebody says that it may have changed (Recheck), on every instance, and
// now and then in any case.
package realtime

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/centrifugal/centrifuge"

	"github.com/bdash/bdash/internal/fault"
)

// Channel is where an event goes.
type Channel string

// Channels of more than one user.
const (
	Everyone Channel = "all"    // every user who is signed in
	Admins   Channel = "admins" // administrators
)

// User is the channel of one user.
func User(id int64) Channel { return Channel("user:" + strconv.FormatInt(id, 10)) }

// Event is what listeners receive.
type Event struct {
	// Type is "<what>:<happened>": it needs no escaping in JSON.
	Type string
	// Data is written as JSON: small, and without secrets.
	Data any
	// Origin is the client that caused it, as it named itself; may be empty.
	Origin string
}

// Types of the events that this package makes by itself.
const (
	// Ready is the first event of a listener and tells that it was let in.
	Ready = "ready"
	// Reset tells the listener that it has missed events.
	Reset = "reset"
	// Ended tells that what let the listener in is no longer good. Nothing
	// follows it.
	Ended = "session:ended"
	// Online tells administrators that a user has come or gone.
	Online = "user:online"
)

// Presence is the data of Online.
type Presence struct {
	UserID int64 `json:"user_id"`
	Online bool  `json:"online"`
}

// Listener is somebody who was let in.
type Listener struct {
	UserID int64
	Admin  bool
	// Pass is what let the listener in, for Config.Check.
	Pass any
}

// Verdict is what becomes of a listener.
type Verdict uint8

// The verdicts.
const (
	Stay    Verdict = iota
	Return          // its rights have changed: it has to come back
	Dismiss         // it was let in by something that is no longer good
)

// Keep is how long events are kept for those who come back, and keepCount how
// many of one stream at most.
const (
	Keep      = 10 * time.Minute
	keepCount = 4096
)

// Config of a Hub. The zero value of a duration is its default.
type Config struct {
	// Redis is the URL of the broker; empty keeps everything in this process.
	Redis string
	// Prefix begins every key in Redis.
	Prefix string
	Log    *slog.Logger
	// Check tells of each listener whether it may stay. It may be called from
	// any goroutine. An error changes nothing: it is asked again.
	Check func(ctx context.Context, all []Listener) ([]Verdict, error)

	// RedisTimeout bounds one operation of the broker: 3 s. An event that was not
	// taken by then is lost, and listeners are told to load anew.
	RedisTimeout time.Duration
	// CheckEvery is how often all listeners are checked: 30 s.
	CheckEvery time.Duration
	// Heartbeat is how often a listener hears something: 15 s.
	Heartbeat time.Duration
	// SignInWithin is how long a socket may take to say who it is: 5 s.
	SignInWithin time.Duration
	// Linger is how long a user who has gone counts as present: 5 s.
	Linger time.Duration
	// PerUser bounds the listeners of one user in this process: 200.
	PerUser int
	// PerAddress bounds the sockets of one address that have not said yet who
	// they are: 20.
	PerAddress int
}

// Errors of the doors, before anything is answered.
var (
	ErrAway      = &fault.Error{Kind: fault.Unavailable, Code: "events.away", Message: "Events are not available now. Try again in a moment.", RetryAfter: 2 * time.Second}
	ErrTooMany   = &fault.Error{Kind: fault.Throttled, Code: "events.too_many", Message: "Too many event streams of this user are open.", RetryAfter: 10 * time.Second}
	ErrStrangers = &fault.Error{Kind: fault.Throttled, Code: "events.too_many_strangers", Message: "Too many sockets of this address have not signed in yet.", RetryAfter: 5 * time.Second}
)

// Hub is the way in and out. Make it with Open. Its methods are safe for
// concurrent use.
type Hub struct {
	cfg  Config
	log  *slog.Logger
	live atomic.Pointer[engine] // nil until Redis was reached
	away atomic.Bool            // Redis does not answer
	full atomic.Bool            // no new listeners: the process is stopping

	queues  [publishers]chan job
	closing chan struct{}
	work    sync.WaitGroup

	listeners registry
	strangers counter[string]
	presence  presence
	checks    checks
	lost      lost
	stats     stats
}

// engine is a running node of centrifuge.
type engine struct {
	node   *centrifuge.Node
	native *centrifuge.WebsocketHandler
}

// Open starts a hub. With Redis it does not wait for it: until it was reached
// the doors answer ErrAway. Close it.
func Open(cfg Config) (*Hub, error) {
	cfg.defaults()
	h := &Hub{cfg: cfg, log: cfg.Log, closing: make(chan struct{})}
	h.listeners.init()
	h.checks.wake = make(chan struct{}, 1)
	for i := range h.queues {
		h.queues[i] = make(chan job, queueSize)
	}
	if err := h.connect(); err != nil {
		if cfg.Redis == "" {
			return nil, err
		}
		h.away.Store(true)
		h.log.Warn("events wait for redis", "error", err)
	}
	for i := range h.queues {
		h.work.Go(func() { h.publisher(h.queues[i]) })
	}
	h.work.Go(h.watch)
	h.work.Go(h.checker)
	h.work.Go(h.attend)
	return h, nil
}

func (cfg *Config) defaults() {
	set(&cfg.CheckEvery, 30*time.Second)
	set(&cfg.Heartbeat, 15*time.Second)
	set(&cfg.SignInWithin, 5*time.Second)
	set(&cfg.RedisTimeout, 3*time.Second)
	set(&cfg.Linger, 5*time.Second)
	set(&cfg.PerUser, 200)
	set(&cfg.PerAddress, 20)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}

func set[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// Drain asks every listener to come back, to another instance or after the
// restart, and lets nobody in any more. Events can still be published.
func (h *Hub) Drain() {
	h.full.Store(true)
	h.disconnectAll(centrifuge.DisconnectShutdown)
}

// Close publishes what is queued, within the time of ctx, and stops.
func (h *Hub) Close(ctx context.Context) {
	h.Drain()
	close(h.closing)
	done := make(chan struct{})
	go func() {
		h.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		h.log.Warn("events stop before all of them are published")
	}
	if e := h.live.Load(); e != nil {
		if err := e.node.Shutdown(ctx); err != nil {
			h.log.Warn("events stop late", "error", err)
		}
	}
}

func (h *Hub) disconnectAll(why centrifuge.Disconnect) {
	for _, c := range h.listeners.all() {
		c.client.Disconnect(why)
	}
}
