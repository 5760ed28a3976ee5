package throttle

import (
	"context"
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

const (
	// defaultKeys bounds the windows of a Memory, at about 150 bytes each.
	defaultKeys = 100_000
	maxShards   = 64
	// shardKeys is the least a shard should hold, so that a small limiter is
	// not made of shards that are full while others are empty.
	shardKeys = 1024
)

// Memory is a Limiter that counts in this process. It holds a bounded number
// of windows; beyond that those that began first are forgotten first. It has
// no goroutine: finished windows are cleared away as new ones begin.
type Memory struct {
	now    func() time.Time
	seed   maphash.Seed
	shards []shard
}

// shard holds a share of the keys. Its windows are linked in the order in
// which they began, by index, in a slice that never shrinks.
type shard struct {
	mu      sync.Mutex
	index   map[string]int32
	windows []window
	oldest  int32 // none when empty
	newest  int32
	free    int32 // unused windows, linked by next
	limit   int

	// Shards lie side by side; without this, locking one would take the
	// cache line of the next.
	_ [64]byte
}

type window struct {
	key        string
	count      int
	end        int64 // Unix nanoseconds
	prev, next int32
}

const none int32 = -1

// NewMemory makes a limiter for at most maxKeys windows; zero or less means
// 100,000. now is the clock and may be nil for the real one.
func NewMemory(maxKeys int, now func() time.Time) *Memory {
	if maxKeys <= 0 {
		maxKeys = defaultKeys
	}
	if now == nil {
		now = time.Now
	}
	count := 1
	for count < maxShards && maxKeys/(2*count) >= shardKeys {
		count *= 2
	}
	m := &Memory{now: now, seed: maphash.MakeSeed(), shards: make([]shard, count)}
	for i := range m.shards {
		s := &m.shards[i]
		s.index = map[string]int32{}
		s.oldest, s.newest, s.free = none, none, none
		s.limit = maxKeys / count
	}
	return m
}

// Allow implements Limiter. It does not allocate for a key with a window.
func (m *Memory) Allow(ctx context.Context, key string, rate Rate) (bool, time.Duration) {
	return m.AllowN(ctx, key, rate, 1)
}

// AllowN implements Limiter.
func (m *Memory) AllowN(_ context.Context, key string, rate Rate, n int) (bool, time.Duration) {
	return m.ask(key, rate, max(n, 1), true)
}

// Peek implements Limiter.
func (m *Memory) Peek(_ context.Context, key string, rate Rate) (bool, time.Duration) {
	return m.ask(key, rate, 1, false)
}

// Len is the number of windows held, finished ones that are not cleared away
// yet included.
func (m *Memory) Len() int {
	total := 0
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		total += len(s.index)
		s.mu.Unlock()
	}
	return total
}

func (m *Memory) ask(key string, rate Rate, n int, count bool) (bool, time.Duration) {
	if rate.Off() {
		return true, 0
	}
	now := m.now().UnixNano()
	s := &m.shards[maphash.String(m.seed, key)&uint64(len(m.shards)-1)]
	s.mu.Lock()
	defer s.mu.Unlock()

	at, known := s.index[key]
	if !known || s.windows[at].end <= now {
		if n > rate.Limit {
			return false, rate.Window
		}
		if count {
			s.begin(key, at, known, now, rate.Window, n)
		}
		return true, 0
	}
	w := &s.windows[at]
	// A clock that was set back, or a shorter window after a restart of the
	// configuration, must not lock anybody out for longer than a window.
	w.end = min(w.end, now+int64(rate.Window))
	if n > rate.Limit-w.count {
		return false, max(time.Duration(w.end-now), time.Millisecond)
	}
	if count {
		w.count += n
	}
	return true, 0
}

// begin starts the window of key, at its place at if the key is known.
func (s *shard) begin(key string, at int32, known bool, now int64, length time.Duration, n int) {
	if known {
		s.unlink(at)
	} else {
		s.clear(now)
		at = s.take()
		// The key may be a part of a larger string, which must not stay.
		key = strings.Clone(key)
		s.windows[at].key = key
		s.index[key] = at
	}
	w := &s.windows[at]
	w.count, w.end = n, now+int64(length)
	w.prev, w.next = s.newest, none
	if s.newest == none {
		s.oldest = at
	} else {
		s.windows[s.newest].next = at
	}
	s.newest = at
}

// clear makes room for one window: it drops the oldest one if the shard is
// full, and up to two finished ones at that end, so that more are cleared than
// begun and no sweep is needed.
func (s *shard) clear(now int64) {
	if len(s.index) >= s.limit {
		s.drop(s.oldest)
	}
	for range 2 {
		if s.oldest == none || s.windows[s.oldest].end > now {
			return
		}
		s.drop(s.oldest)
	}
}

func (s *shard) drop(at int32) {
	s.unlink(at)
	delete(s.index, s.windows[at].key)
	s.windows[at] = window{next: s.free}
	s.free = at
}

func (s *shard) unlink(at int32) {
	w := &s.windows[at]
	if w.prev == none {
		s.oldest = w.next
	} else {
		s.windows[w.prev].next = w.next
	}
	if w.next == none {
		s.newest = w.prev
	} else {
		s.windows[w.next].prev = w.prev
	}
}

// take gives the place of an unused window.
func (s *shard) take() int32 {
	if s.free == none {
		s.windows = append(s.windows, window{})
		return int32(len(s.windows) - 1)
	}
	at := s.free
	s.free = s.windows[at].next
	return at
}
