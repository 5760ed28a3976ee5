package cache

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// entryOverhead is about what one entry costs beside its key and value: the
// node, its place in the table and in the queues.
const entryOverhead = 160

// Memory is a Cache in this process. The values that are least likely to be
// asked for again go first when the limit is reached.
type Memory struct {
	entries      *otter.Cache[string, entry]
	hits, misses atomic.Uint64
}

type entry struct {
	value []byte
	ttl   time.Duration
}

// NewMemory makes a cache that holds about maxBytes in all, keys and
// bookkeeping included; while it evicts it may be over for a moment. now is
// the clock and may be nil for the real one. Close it after use.
func NewMemory(maxBytes uint64, now func() time.Time) *Memory {
	options := &otter.Options[string, entry]{
		MaximumWeight: max(maxBytes, 1),
		Weigher: func(key string, e entry) uint32 {
			// Values are at most MaxValue, keys are not checked.
			return uint32(min(len(key)+len(e.value)+entryOverhead, math.MaxUint32))
		},
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, entry]) time.Duration {
			return e.Value.ttl
		}),
	}
	if now != nil {
		options.Clock = clock(now)
	}
	return &Memory{entries: otter.Must(options)}
}

// Get implements Cache.
func (m *Memory) Get(_ context.Context, key string) ([]byte, bool) {
	e, ok := m.entries.GetIfPresent(key)
	if !ok {
		m.misses.Add(1)
		return nil, false
	}
	m.hits.Add(1)
	return e.value, true
}

// Set implements Cache.
func (m *Memory) Set(_ context.Context, key string, val []byte, ttl time.Duration) {
	if ttl <= 0 || len(val) > MaxValue {
		return
	}
	m.entries.Set(key, entry{value: val, ttl: ttl})
}

// Delete implements Cache.
func (m *Memory) Delete(_ context.Context, keys ...string) {
	for _, key := range keys {
		m.entries.Invalidate(key)
	}
}

// Stats counts hits and misses, and weighs what is held.
func (m *Memory) Stats() Stats {
	return Stats{Hits: m.hits.Load(), Misses: m.misses.Load(), Bytes: m.entries.WeightedSize()}
}

// Close stops the goroutine that sweeps expired entries. The cache stays
// usable, without the sweep.
func (m *Memory) Close() { m.entries.StopAllGoroutines() }

// clock is an injected time source. It does not tick: with a clock that stands
// still there is nothing to sweep, and reads check the expiry themselves.
type clock func() time.Time

func (c clock) NowNano() int64 { return c().UnixNano() }

func (c clock) Tick(time.Duration) <-chan time.Time { return nil }
