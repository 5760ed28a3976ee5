package cache

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// localTTL bounds a local copy; Redis' own remaining time bounds it further.
const localTTL = 10 * time.Minute

// Shared is a Cache on Redis that several instances share. What was read stays
// in this process as well until Redis invalidates it (client-side caching), so
// that a repeated Get costs no round trip. Its keys begin with the prefix of
// the connection and "cache:".
type Shared struct {
	redis                  *Redis
	hits, misses, failures atomic.Uint64
}

// NewShared makes a cache on a connection, which stays the caller's to close.
func NewShared(redis *Redis) *Shared { return &Shared{redis: redis} }

// Get implements Cache.
func (s *Shared) Get(ctx context.Context, key string) ([]byte, bool) {
	var val []byte
	err := s.redis.do(ctx, func(ctx context.Context, c rueidis.Client) (err error) {
		val, err = c.DoCache(ctx, c.B().Get().Key(s.key(key)).Cache(), localTTL).AsBytes()
		return err
	})
	if err != nil {
		s.misses.Add(1)
		if !rueidis.IsRedisNil(err) {
			s.failed("get", err)
		}
		return nil, false
	}
	s.hits.Add(1)
	return val, true
}

// Set implements Cache. It waits for Redis: a Get that follows on this
// instance finds the value.
func (s *Shared) Set(ctx context.Context, key string, val []byte, ttl time.Duration) {
	if ttl <= 0 || len(val) > MaxValue {
		return
	}
	name := s.key(key)
	err := s.redis.do(ctx, func(ctx context.Context, c rueidis.Client) error {
		set := c.B().Set().Key(name).Value(rueidis.BinaryString(val)).Px(max(ttl, time.Millisecond)).Build()
		return firstError(c.DoMulti(ctx, set, fence(c, name)))
	})
	if err != nil {
		s.failed("set", err)
	}
}

// Delete implements Cache.
func (s *Shared) Delete(ctx context.Context, keys ...string) {
	if len(keys) == 0 {
		return
	}
	err := s.redis.do(ctx, func(ctx context.Context, c rueidis.Client) error {
		commands := make([]rueidis.Completed, 0, len(keys)+1)
		for _, key := range keys {
			// One command per key: on a cluster they live on several nodes.
			commands = append(commands, c.B().Unlink().Key(s.key(key)).Build())
		}
		commands = append(commands, fence(c, s.key(keys[len(keys)-1])))
		return firstError(c.DoMulti(ctx, commands...))
	})
	if err != nil {
		s.failed("delete", err)
	}
}

// Stats counts hits, misses and failures.
func (s *Shared) Stats() Stats {
	return Stats{Hits: s.hits.Load(), Misses: s.misses.Load(), Failures: s.failures.Load()}
}

func (s *Shared) key(key string) string { return s.redis.Prefix + "cache:" + key }

// failed counts a failure, and mentions the ones that the connection does not
// mention itself.
func (s *Shared) failed(op string, err error) {
	s.failures.Add(1)
	if _, answered := rueidis.IsRedisErr(err); (answered && !isAway(err)) || errors.Is(err, ErrBusy) {
		s.redis.complain(op, err)
	}
}

// fence is a command whose reply comes after the invalidation that a write of
// the key before it has caused. Redis sends the invalidation right behind the
// reply to the write; without the fence a Get could find the local copy still
// in place, the copy of "no such key" included.
func fence(c rueidis.Client, key string) rueidis.Completed {
	return c.B().Exists().Key(key).Build()
}

func firstError(results []rueidis.RedisResult) error {
	for _, result := range results {
		if err := result.Error(); err != nil {
			return err
		}
	}
	return nil
}
