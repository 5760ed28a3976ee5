package throttle

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// Scripter runs a Lua script on Redis, atomically and in a bounded time, and
// gives its reply, a list of integers. Keys get the deployment's prefix there.
type Scripter interface {
	Eval(ctx context.Context, script string, keys, args []string) ([]int64, error)
}

// errReply cannot happen unless somebody else answers in Redis' place.
var errReply = errors.New("throttle: the script did not answer with two numbers")

// Redis is a Limiter that counts for all instances on one Redis. What this
// process let pass is counted in its memory as well, and a request must pass
// both: whenever Redis does not answer, or has lost its counts, the limit still
// holds for what came through here, and at worst every instance allows it once
// more for the others. It takes no notice of how Redis recovers; the Scripter
// does that.
type Redis struct {
	scripts Scripter
	local   *Memory
	now     func() time.Time
}

// NewRedis makes a limiter on scripts. now is the clock and may be nil for the
// real one; the clocks of all instances should agree to the second.
func NewRedis(scripts Scripter, now func() time.Time) *Redis {
	if now == nil {
		now = time.Now
	}
	return &Redis{scripts: scripts, local: NewMemory(0, now), now: now}
}

// Allow implements Limiter, in one round trip.
func (r *Redis) Allow(ctx context.Context, key string, rate Rate) (bool, time.Duration) {
	return r.AllowN(ctx, key, rate, 1)
}

// AllowN implements Limiter, in one round trip.
func (r *Redis) AllowN(ctx context.Context, key string, rate Rate, n int) (bool, time.Duration) {
	n = max(n, 1)
	if ok, wait := r.local.Peek(ctx, key, rate); !ok {
		return ok, wait
	}
	if ok, wait, err := r.ask(ctx, key, rate, n, true); err == nil && !ok {
		return ok, wait
	}
	return r.local.AllowN(ctx, key, rate, n)
}

// Peek implements Limiter, in one round trip.
func (r *Redis) Peek(ctx context.Context, key string, rate Rate) (bool, time.Duration) {
	if ok, wait := r.local.Peek(ctx, key, rate); !ok {
		return ok, wait
	}
	ok, wait, err := r.ask(ctx, key, rate, 1, false)
	if err != nil {
		return true, 0
	}
	return ok, wait
}

// windowScript keeps "count:end" under the key, end in Unix milliseconds. The
// caller's clock is an argument, so that the limiter can be tested and because
// a script that asks Redis for the time is not deterministic on old servers.
// The key outlives its window by a minute, for instances whose clocks lag.
const windowScript = `
local now, length = tonumber(ARGV[1]), tonumber(ARGV[2])
local limit, n = tonumber(ARGV[3]), tonumber(ARGV[4])
local count, stop = 0, now + length
local held = redis.call('GET', KEYS[1])
if held then
  local c, s = string.match(held, '^(%d+):(%d+)$')
  c, s = tonumber(c), tonumber(s)
  if c and s and s > now then
    count, stop = c, math.min(s, stop)
  end
end
if count + n > limit then
  return {0, stop - now}
end
if ARGV[5] == '1' then
  redis.call('SET', KEYS[1], string.format('%.0f:%.0f', count + n, stop), 'PX', stop - now + 60000)
end
return {1, 0}
`

func (r *Redis) ask(ctx context.Context, key string, rate Rate, n int, count bool) (bool, time.Duration, error) {
	if rate.Off() {
		return true, 0, nil
	}
	counts := "0"
	if count {
		counts = "1"
	}
	// A client that hangs up must be counted with the others, not apart.
	reply, err := r.scripts.Eval(context.WithoutCancel(ctx), windowScript, []string{"throttle:" + key}, []string{
		strconv.FormatInt(r.now().UnixMilli(), 10),
		strconv.FormatInt(max(rate.Window.Milliseconds(), 1), 10),
		strconv.Itoa(rate.Limit),
		strconv.Itoa(n),
		counts,
	})
	if err != nil {
		return false, 0, err
	}
	if len(reply) != 2 {
		return false, 0, errReply
	}
	return reply[0] == 1, time.Duration(reply[1]) * time.Millisecond, nil
}
