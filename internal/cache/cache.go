// Package cache keeps small values near: in this process (Memory), or in Redis
// with a local copy that Redis invalidates (Shared).
//
// The rule that callers must obey: a key names one value for ever. Keys carry
// a version ("prefs:42:17", "theme:9:3"); a change of the data is a new
// version, hence a new key, and nobody overwrites a key with other bytes. So a
// copy can be missing but never out of date, although local copies are
// invalidated later than the data changes and a Delete may be lost while Redis
// is away. What must be fresh to the instant, authorisation above all, does
// not belong here.
//
// The promise in return: a cache never fails. Whatever goes wrong is a miss,
// counted in Stats and logged at most once a minute, and a Redis that is away
// or stalled costs one operation its time-out, after which it is left alone
// for a growing while.
package cache

import (
	"context"
	"time"
)

// MaxValue is the largest value kept, in bytes. Larger ones are not stored:
// on Redis they would hold up every request behind them on the connection.
const MaxValue = 1 << 20

// Cache holds values by key. Implementations are safe for concurrent use.
type Cache interface {
	// Get gives the value of key, and whether there was one. The bytes are
	// shared with other callers and must not be modified.
	Get(ctx context.Context, key string) ([]byte, bool)
	// Set keeps val for ttl at most; it may go earlier. The cache takes over
	// val: the caller must not modify it afterwards. A ttl of zero or less, or
	// a value above MaxValue, stores nothing.
	Set(ctx context.Context, key string, val []byte, ttl time.Duration)
	// Delete drops the keys, as far as they can be reached; it saves memory
	// and is not needed for correctness. Unknown keys are ignored.
	Delete(ctx context.Context, keys ...string)
}

// Stats counts since the cache was made.
type Stats struct {
	// Hits and Misses count calls of Get; a failure is a miss too.
	Hits, Misses uint64
	// Failures counts operations of any kind that could not reach Redis or
	// that it refused, the skipped ones during a back-off included.
	Failures uint64
	// Bytes is what the values in this process weigh, keys and bookkeeping
	// included. Zero for Shared, whose local copies are bounded by Redis.
	Bytes uint64
}

var (
	_ Cache = (*Memory)(nil)
	_ Cache = (*Shared)(nil)
)
