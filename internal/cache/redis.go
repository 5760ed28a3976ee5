package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// ErrAway says that Redis was not asked: it failed a moment ago and is left
// alone for now, it is not reached yet, or the connection is closed.
var ErrAway = errors.New("cache: redis is away")

// ErrBusy says that Redis was not asked because too many operations wait for
// it already.
var ErrBusy = errors.New("cache: too many operations wait for redis")

const (
	// defaultTimeout is what a request may lose to a stalled Redis, once.
	defaultTimeout = 50 * time.Millisecond
	// connectTimeout bounds a connection attempt and a probe. They run beside
	// the requests, so they may take what TLS over a slow link takes.
	connectTimeout = 2 * time.Second
	// localBytes bounds the copies that DoCache keeps in this process.
	localBytes = 64 << 20
	// The client's queue holds 2^ringScale commands and a full queue blocks
	// without regard to deadlines; maxInFlight keeps it from filling.
	ringScale   = 12
	maxInFlight = 3 << 10
)

// Redis is one connection to Redis that several parts share. It is made
// without connecting: the first use connects, and until that has succeeded,
// and whenever Redis fails later, operations answer ErrAway at once while a
// goroutine of its own tries again, at growing intervals, until Redis answers.
//
// Safe for concurrent use. The exported fields may be changed before the
// first use only.
type Redis struct {
	// Timeout bounds one operation, give or take a fifth. Default 50 ms.
	Timeout time.Duration
	// Prefix begins every key. Default "bdash:".
	Prefix string

	option  rueidis.ClientOption
	log     *slog.Logger
	scripts sync.Map // script text -> *rueidis.Lua

	live     atomic.Pointer[session] // nil while Redis is away
	inFlight atomic.Int64
	deadline atomic.Pointer[deadline]

	dialing chan struct{} // holds one token: one connection attempt at a time
	stop    context.Context
	halt    context.CancelFunc
	work    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	client rueidis.Client
	began  bool
	closed bool
	first  chan struct{} // closed when the first attempt has ended
	back   chan struct{} // closed when Redis is back
	pace   pace
	quiet  quiet
	told   bool // the log says that Redis is away
}

// session is one stretch of time in which Redis answered. A failure that
// belongs to an earlier session does not end the present one.
type session struct{ client rueidis.Client }

// OpenRedis prepares the connection to url (redis, rediss or unix; the
// parameters that rueidis knows, "client_cache=0" and "protocol=2" for servers
// without client-side caching among them). It fails for a malformed url only
// and does not connect. logger may be nil. Close it after use.
func OpenRedis(url string, logger *slog.Logger) (*Redis, error) {
	option, err := rueidis.ParseURL(url)
	if err != nil {
		// The parser's text may quote the url, and with it the password.
		return nil, errors.New("cache: malformed redis url: want redis://[user:password@]host[:port][/number]")
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if option.Dialer.Timeout == 0 {
		option.Dialer.Timeout = connectTimeout
	}
	if option.ConnWriteTimeout == 0 {
		option.ConnWriteTimeout = connectTimeout
	}
	option.CacheSizeEachConn = localBytes
	option.RingScaleEachConn = ringScale
	// One connection: local copies are kept per connection, and a reply that
	// follows an invalidation on the wire proves that it was processed.
	option.PipelineMultiplex = -1
	option.AlwaysPipelining = true
	option.DisableRetry = true // a failure is answered by the back-off
	r := &Redis{
		Timeout: defaultTimeout,
		Prefix:  "bdash:",
		option:  option,
		log:     logger,
		dialing: make(chan struct{}, 1),
		first:   make(chan struct{}),
		back:    make(chan struct{}),
	}
	r.stop, r.halt = context.WithCancel(context.Background())
	return r, nil
}

// Eval runs a Lua script atomically in one round trip (two when Redis does not
// know the script yet) and gives its reply, a list of integers. Prefix is put
// before every key. Errors: ErrAway, ErrBusy, the context's own, or what the
// driver or Redis said. After a time-out the script may still have run.
func (r *Redis) Eval(ctx context.Context, script string, keys, args []string) ([]int64, error) {
	lua, ok := r.scripts.Load(script)
	if !ok {
		lua, _ = r.scripts.LoadOrStore(script, rueidis.NewLuaScript(script))
	}
	prefixed := make([]string, len(keys))
	for i, key := range keys {
		prefixed[i] = r.Prefix + key
	}
	var reply []int64
	err := r.do(ctx, func(ctx context.Context, client rueidis.Client) (err error) {
		reply, err = lua.(*rueidis.Lua).Exec(ctx, client, prefixed, args).AsIntSlice()
		return err
	})
	return reply, err
}

// Ping asks Redis now, whatever the back-off says, and connects if need be:
// for health checks. Success ends a back-off. It takes at most two seconds.
func (r *Redis) Ping(ctx context.Context) error {
	s := r.live.Load()
	err := r.probe(ctx)
	if err == nil {
		return nil
	}
	if s != nil && ctx.Err() == nil {
		r.trip(s, err)
	}
	return fmt.Errorf("ping redis: %w", err)
}

// Wait blocks until Redis has answered, or ctx ends.
func (r *Redis) Wait(ctx context.Context) error {
	for {
		r.mu.Lock()
		back, closed := r.back, r.closed
		r.begin()
		r.mu.Unlock()
		if closed {
			return ErrAway
		}
		if r.live.Load() != nil {
			return nil
		}
		select {
		case <-back:
		case <-r.stop.Done():
			return ErrAway
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends the connection and waits for the goroutines. Operations answer
// ErrAway afterwards. It takes a few seconds when Redis is stalled.
func (r *Redis) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.halt()
	r.work.Wait()
	r.live.Store(nil)
	r.dialing <- struct{}{} // a Ping may be connecting
	defer func() { <-r.dialing }()
	if r.client != nil {
		r.client.Close()
		r.client = nil
	}
	if d := r.deadline.Load(); d != nil {
		d.cancel()
	}
}

// do runs op with a deadline of Timeout. The caller's context is only asked
// whether it has ended already: callers that wait for the same key share one
// command, which must not die with the first of them, and an impatient caller
// must not look like a failing Redis.
func (r *Redis) do(ctx context.Context, op func(context.Context, rueidis.Client) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := r.live.Load()
	if s == nil {
		if s = r.firstUse(ctx); s == nil {
			return ErrAway
		}
	}
	if r.inFlight.Add(1) > maxInFlight {
		r.inFlight.Add(-1)
		return ErrBusy
	}
	err := op(r.limit(), s.client)
	r.inFlight.Add(-1)
	if isAway(err) {
		r.trip(s, err)
	}
	return err
}

// isAway tells the failures of Redis from its answers.
func isAway(err error) bool {
	if err == nil || rueidis.IsRedisNil(err) || errors.Is(err, rueidis.ErrClosing) || errors.Is(err, rueidis.ErrDoCacheAborted) {
		return false
	}
	answer, ok := rueidis.IsRedisErr(err)
	if !ok {
		return true // the network's, or a time-out
	}
	for _, code := range []string{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "READONLY", "NOAUTH", "BUSY"} {
		if strings.HasPrefix(answer.Error(), code) {
			return true
		}
	}
	return false
}

// deadline is a context that operations share when they begin close together:
// a timer for each would cost more than a local hit.
type deadline struct {
	context.Context
	cancel context.CancelFunc
	until  time.Time // no new users from then on
}

// limit gives a context that ends after Timeout, less at most a fifth.
func (r *Redis) limit() context.Context {
	now := time.Now()
	old := r.deadline.Load()
	if old != nil && now.Before(old.until) {
		return old
	}
	fresh := &deadline{until: now.Add(r.Timeout / 5)}
	fresh.Context, fresh.cancel = context.WithDeadline(context.Background(), now.Add(r.Timeout))
	// The loser of a race uses its own; the timer frees either.
	r.deadline.CompareAndSwap(old, fresh)
	return fresh
}
