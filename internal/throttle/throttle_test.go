package throttle_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/cache"
	"github.com/bdash/bdash/internal/cache/cachetest"
	"github.com/bdash/bdash/internal/throttle"
)

// clock is a time that tests move.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.nanos.Load()) }
func (c *clock) move(d time.Duration) { c.nanos.Add(int64(d)) }

func TestMemory(t *testing.T) {
	t.Parallel()
	exercise(t, func(_ *testing.T, now func() time.Time) throttle.Limiter { return throttle.NewMemory(0, now) })
}

func TestRedis(t *testing.T) {
	t.Parallel()
	url := cachetest.URL(t)
	exercise(t, func(t *testing.T, now func() time.Time) throttle.Limiter {
		return throttle.NewRedis(connect(t, url, rand.Text()), now)
	})
}

// connect opens Redis with a prefix of the test's own and a time-out for busy
// machines.
func connect(t testing.TB, url, prefix string) *cache.Redis {
	t.Helper()
	r, err := cache.OpenRedis(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Prefix = "bdash-test:" + prefix + ":"
	r.Timeout = 10 * time.Second
	t.Cleanup(r.Close)
	cachetest.Sweep(t, r, r.Prefix)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := r.Wait(ctx); err != nil {
		t.Fatalf("Wait() = %v, want nil", err)
	}
	return r
}

// exercise is what both implementations must do.
func exercise(t *testing.T, open func(t *testing.T, now func() time.Time) throttle.Limiter) {
	for name, check := range map[string]func(*testing.T, throttle.Limiter, *clock){
		"a hundred an hour":            checkHundred,
		"the window has a fixed end":   checkWindow,
		"refused ones do not count":    checkRefused,
		"peek does not count":          checkPeek,
		"n at once":                    checkN,
		"keys are apart":               checkKeys,
		"off":                          checkOff,
		"a shorter window later":       checkShorter,
		"a clock set back":             checkClockBack,
		"concurrency":                  checkConcurrent,
		"an ended context still stops": checkEnded,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			check(t, open(t, c.now), c)
		})
	}
}

func mustAllow(t *testing.T, l throttle.Limiter, key string, rate throttle.Rate) {
	t.Helper()
	if ok, wait := l.Allow(t.Context(), key, rate); !ok || wait != 0 {
		t.Errorf("Allow(%q, %v) = %t, %v, want true, 0", key, rate, ok, wait)
	}
}

func mustRefuse(t *testing.T, l throttle.Limiter, key string, rate throttle.Rate, want time.Duration) {
	t.Helper()
	if ok, wait := l.Peek(t.Context(), key, rate); ok || wait != want {
		t.Errorf("Peek(%q, %v) = %t, %v, want false, %v", key, rate, ok, wait, want)
	}
	if ok, wait := l.Allow(t.Context(), key, rate); ok || wait != want {
		t.Errorf("Allow(%q, %v) = %t, %v, want false, %v", key, rate, ok, wait, want)
	}
}

// As recorded from the original: the 101st request right after waits 3600 s.
func checkHundred(t *testing.T, l throttle.Limiter, c *clock) {
	rate := throttle.Rate{Limit: 100, Window: time.Hour}
	for range 100 {
		mustAllow(t, l, "k", rate)
	}
	mustRefuse(t, l, "k", rate, 3600*time.Second)
	c.move(time.Hour)
	for range 100 {
		mustAllow(t, l, "k", rate)
	}
	mustRefuse(t, l, "k", rate, 3600*time.Second)
}

func checkWindow(t *testing.T, l throttle.Limiter, c *clock) {
	rate := throttle.Rate{Limit: 2, Window: time.Minute}
	mustAllow(t, l, "k", rate)
	c.move(40 * time.Second)
	mustAllow(t, l, "k", rate)
	mustRefuse(t, l, "k", rate, 20*time.Second)
	c.move(20*time.Second - time.Millisecond)
	mustRefuse(t, l, "k", rate, time.Millisecond)
	c.move(time.Millisecond)
	mustAllow(t, l, "k", rate)
	mustAllow(t, l, "k", rate)
	mustRefuse(t, l, "k", rate, time.Minute)
}

func checkRefused(t *testing.T, l throttle.Limiter, c *clock) {
	rate := throttle.Rate{Limit: 1, Window: time.Minute}
	mustAllow(t, l, "k", rate)
	for left := 59; left > 0; left-- {
		c.move(time.Second)
		mustRefuse(t, l, "k", rate, time.Duration(left)*time.Second)
	}
	c.move(time.Second)
	mustAllow(t, l, "k", rate)
}

func checkPeek(t *testing.T, l throttle.Limiter, c *clock) {
	rate := throttle.Rate{Limit: 1, Window: time.Minute}
	for range 5 {
		if ok, wait := l.Peek(t.Context(), "k", rate); !ok || wait != 0 {
			t.Errorf("Peek before any request = %t, %v, want true, 0", ok, wait)
		}
	}
	c.move(30 * time.Second) // a peek does not begin a window either
	mustAllow(t, l, "k", rate)
	mustRefuse(t, l, "k", rate, time.Minute)
	c.move(time.Minute)
	if ok, wait := l.Peek(t.Context(), "k", rate); !ok || wait != 0 {
		t.Errorf("Peek after the window = %t, %v, want true, 0", ok, wait)
	}
}

func checkN(t *testing.T, l throttle.Limiter, c *clock) {
	rate := throttle.Rate{Limit: 10, Window: time.Minute}
	ask := func(n int, want bool, wantWait time.Duration) {
		t.Helper()
		if ok, wait := l.AllowN(t.Context(), "k", rate, n); ok != want || wait != wantWait {
			t.Errorf("AllowN(%d) = %t, %v, want %t, %v", n, ok, wait, want, wantWait)
		}
	}
	ask(11, false, time.Minute)
	ask(7, true, 0)
	c.move(10 * time.Second)
	ask(4, false, 50*time.Second) // all or none
	ask(2, true, 0)
	ask(0, true, 0) // counts as one
	ask(-3, false, 50*time.Second)
	ask(1<<40, false, 50*time.Second)
	c.move(50 * time.Second)
	ask(10, true, 0)
	ask(1, false, time.Minute)
}

func checkKeys(t *testing.T, l throttle.Limiter, _ *clock) {
	rate := throttle.Rate{Limit: 1, Window: time.Hour}
	for _, key := range []string{"", "a", "b", "a:b", "a\x00b", "a b\r\n", "äöü", "\xff\xfe", string(make([]byte, 4096))} {
		mustAllow(t, l, key, rate)
		mustRefuse(t, l, key, rate, time.Hour)
	}
}

func checkOff(t *testing.T, l throttle.Limiter, _ *clock) {
	for _, off := range []throttle.Rate{{}, {Limit: 1}, {Window: time.Hour}, {Limit: -1, Window: time.Hour}} {
		for range 10 {
			mustAllow(t, l, "k", off)
		}
		if ok, wait := l.Peek(t.Context(), "k", off); !ok || wait != 0 {
			t.Errorf("Peek(%+v) = %t, %v, want true, 0", off, ok, wait)
		}
	}
	mustAllow(t, l, "k", throttle.Rate{Limit: 1, Window: time.Hour})
}

// The operator turns 2/day into 2/min: nobody waits for the rest of the day.
func checkShorter(t *testing.T, l throttle.Limiter, c *clock) {
	day := throttle.Rate{Limit: 2, Window: 24 * time.Hour}
	minute := throttle.Rate{Limit: 2, Window: time.Minute}
	mustAllow(t, l, "k", day)
	mustAllow(t, l, "k", day)
	mustRefuse(t, l, "k", day, 24*time.Hour)
	mustRefuse(t, l, "k", minute, time.Minute)
	c.move(24 * time.Hour)
	mustAllow(t, l, "k", minute)
}

func checkClockBack(t *testing.T, l throttle.Limiter, c *clock) {
	rate := throttle.Rate{Limit: 1, Window: time.Minute}
	mustAllow(t, l, "k", rate)
	c.move(-10 * time.Minute)
	mustRefuse(t, l, "k", rate, time.Minute)
}

func checkConcurrent(t *testing.T, l throttle.Limiter, _ *clock) {
	rate := throttle.Rate{Limit: 100, Window: time.Hour}
	if got := storm(t, 1000, "k", rate, l); got != 100 {
		t.Errorf("1000 goroutines got %d requests through, want 100", got)
	}
}

// storm asks from n goroutines, spread over the limiters, and counts what was
// allowed.
func storm(t *testing.T, n int, key string, rate throttle.Rate, limiters ...throttle.Limiter) int64 {
	t.Helper()
	var allowed atomic.Int64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			if ok, wait := limiters[i%len(limiters)].Allow(t.Context(), key, rate); ok {
				allowed.Add(1)
			} else if wait <= 0 || wait > rate.Window {
				t.Errorf("Allow refused with a wait of %v, want more than 0 and at most %v", wait, rate.Window)
			}
		})
	}
	close(start)
	wg.Wait()
	return allowed.Load()
}

// A client that hangs up must not get a free request out of it.
func checkEnded(t *testing.T, l throttle.Limiter, _ *clock) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	rate := throttle.Rate{Limit: 3, Window: time.Hour}
	allowed := 0
	for range 20 {
		if ok, _ := l.Allow(ended, "k", rate); ok {
			allowed++
		}
	}
	if allowed != 3 {
		t.Errorf("%d requests with an ended context were allowed, want 3", allowed)
	}
}

func TestMemoryForgetsTheOldestWindows(t *testing.T) {
	t.Parallel()
	const limit = 4096
	c := newClock()
	m := throttle.NewMemory(limit, c.now)
	rate := throttle.Rate{Limit: 1, Window: time.Hour}
	for i := range 50 * limit {
		c.move(time.Microsecond)
		mustAllow(t, m, fmt.Sprintf("k:%d", i), rate)
		if n := m.Len(); n > limit {
			t.Fatalf("Len() = %d after %d keys, want at most %d", n, i+1, limit)
		}
	}
	// Shards fill unevenly, so only the newest half is sure to be there.
	for i := 50*limit - limit/2; i < 50*limit; i++ {
		key := fmt.Sprintf("k:%d", i)
		if ok, _ := m.Peek(t.Context(), key, rate); ok {
			t.Fatalf("Peek(%q) = true, want the newest windows kept", key)
		}
	}
	mustAllow(t, m, "k:0", rate)
}

func TestMemoryForgetsInTheOrderOfBeginning(t *testing.T) {
	t.Parallel()
	c := newClock()
	m := throttle.NewMemory(3, c.now) // a single shard
	rate := throttle.Rate{Limit: 1, Window: time.Minute}
	for _, key := range []string{"a", "b", "c"} {
		mustAllow(t, m, key, rate)
		c.move(25 * time.Second)
	}
	mustAllow(t, m, "a", rate) // its window is over: it begins again, as the newest
	mustAllow(t, m, "d", rate) // drops b, the oldest
	for key, held := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if ok, _ := m.Peek(t.Context(), key, rate); ok == held {
			t.Errorf("Peek(%q) = %t, want %t", key, ok, !held)
		}
	}
}

func TestMemoryClearsFinishedWindows(t *testing.T) {
	t.Parallel()
	c := newClock()
	m := throttle.NewMemory(0, c.now)
	rate := throttle.Rate{Limit: 1, Window: time.Second}
	for i := range 10_000 {
		mustAllow(t, m, fmt.Sprintf("first:%d", i), rate)
	}
	c.move(time.Second)
	for i := range 10_000 {
		mustAllow(t, m, fmt.Sprintf("second:%d", i), rate)
	}
	// Shards get uneven shares; without the clearing 20,000 would be held.
	if n := m.Len(); n > 11_000 {
		t.Errorf("Len() = %d, want about 10000: finished windows cleared", n)
	}
}

// Not parallel: the measurement counts the allocations of the whole process.
func TestMemoryDoesNotAllocate(t *testing.T) {
	m := throttle.NewMemory(0, nil)
	rate := throttle.Rate{Limit: 1 << 29, Window: time.Hour}
	ctx := t.Context()
	m.Allow(ctx, "anon:192.0.2.7", rate)
	if got := testing.AllocsPerRun(1000, func() { m.Allow(ctx, "anon:192.0.2.7", rate) }); got != 0 {
		t.Errorf("Allow allocates %v times, want 0", got)
	}
}

func BenchmarkMemory(b *testing.B) {
	rate := throttle.Rate{Limit: 1 << 29, Window: time.Hour}
	b.Run("one key", func(b *testing.B) {
		m := throttle.NewMemory(0, nil)
		ctx := b.Context()
		b.ReportAllocs()
		for b.Loop() {
			m.Allow(ctx, "anon:192.0.2.7", rate)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		m := throttle.NewMemory(0, nil)
		ctx := b.Context()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			key := "user:" + rand.Text()
			for pb.Next() {
				m.Allow(ctx, key, rate)
			}
		})
	})
}

func BenchmarkRedis(b *testing.B) {
	url := os.Getenv("TEST_REDIS_URL")
	if url == "" {
		b.Skip("TEST_REDIS_URL is not set")
	}
	l := throttle.NewRedis(connect(b, url, rand.Text()), nil)
	rate := throttle.Rate{Limit: 1 << 29, Window: time.Minute}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Allow(b.Context(), "user:1", rate)
		}
	})
}
