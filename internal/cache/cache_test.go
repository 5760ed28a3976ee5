package cache_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/cache"
	"github.com/bdash/bdash/internal/cache/cachetest"
)

// counted is what the suite needs beyond Cache.
type counted interface {
	cache.Cache
	Stats() cache.Stats
}

func TestMemory(t *testing.T) {
	t.Parallel()
	exercise(t, func(t *testing.T) counted {
		m := cache.NewMemory(16<<20, nil)
		t.Cleanup(m.Close)
		return m
	})
}

func TestShared(t *testing.T) {
	t.Parallel()
	url := cachetest.URL(t)
	exercise(t, func(t *testing.T) counted { return cache.NewShared(open(t, url)) })
}

// open connects with a prefix of the test's own and a time-out for busy
// machines.
func open(t testing.TB, url string) *cache.Redis {
	t.Helper()
	r, err := cache.OpenRedis(url, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	r.Prefix = "bdash-test:" + rand.Text() + ":"
	r.Timeout = 10 * time.Second
	t.Cleanup(r.Close)
	cachetest.Sweep(t, r, r.Prefix)
	mustWait(t, r)
	return r
}

// exercise is what both implementations must do.
func exercise(t *testing.T, open func(t *testing.T) counted) {
	for name, check := range map[string]func(*testing.T, counted){
		"get what was set":             checkSet,
		"every byte and every key":     checkBytes,
		"set after a miss":             checkSetAfterMiss,
		"delete":                       checkDelete,
		"expiry":                       checkExpiry,
		"nothing to store":             checkNothing,
		"concurrent use":               checkConcurrent,
		"an ended context is no fault": checkEnded,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, open(t))
		})
	}
}

func mustGet(t *testing.T, c cache.Cache, key string, want []byte) {
	t.Helper()
	got, ok := c.Get(t.Context(), key)
	if !ok || !bytes.Equal(got, want) {
		t.Errorf("Get(%q) = %.80q, %t, want %.80q, true", key, got, ok, want)
	}
}

func mustMiss(t *testing.T, c cache.Cache, key string) {
	t.Helper()
	if got, ok := c.Get(t.Context(), key); ok || got != nil {
		t.Errorf("Get(%q) = %q, %t, want nil, false", key, got, ok)
	}
}

func checkSet(t *testing.T, c counted) {
	c.Set(t.Context(), "prefs:1:1", []byte("one"), time.Hour)
	c.Set(t.Context(), "prefs:1:2", []byte("two"), time.Hour)
	mustGet(t, c, "prefs:1:1", []byte("one"))
	mustGet(t, c, "prefs:1:2", []byte("two"))
	mustGet(t, c, "prefs:1:2", []byte("two"))
	mustMiss(t, c, "prefs:1:3")
	stats := c.Stats()
	if stats.Hits != 3 || stats.Misses != 1 || stats.Failures != 0 {
		t.Errorf("Stats() = %+v, want 3 hits, 1 miss, no failures", stats)
	}
}

func checkBytes(t *testing.T, c counted) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for key, val := range map[string][]byte{
		"":                nil,
		"empty":           {},
		"binary":          all,
		"a b\r\n\x00 äöü": []byte("value\r\n"),
		"largest":         bytes.Repeat([]byte("x"), cache.MaxValue),
	} {
		c.Set(t.Context(), key, val, time.Hour)
		mustGet(t, c, key, val)
	}
}

// A local copy of "no such key" must not hide the value that follows.
func checkSetAfterMiss(t *testing.T, c counted) {
	for i := range 200 {
		key := fmt.Sprintf("late:%d", i)
		mustMiss(t, c, key)
		c.Set(t.Context(), key, []byte(key), time.Hour)
		mustGet(t, c, key, []byte(key))
	}
}

func checkDelete(t *testing.T, c counted) {
	for i := range 200 {
		a, b := fmt.Sprintf("a:%d", i), fmt.Sprintf("b:%d", i)
		c.Set(t.Context(), a, []byte("a"), time.Hour)
		c.Set(t.Context(), b, []byte("b"), time.Hour)
		mustGet(t, c, a, []byte("a"))
		mustGet(t, c, b, []byte("b"))
		c.Delete(t.Context(), a, b, "unknown")
		mustMiss(t, c, a)
		mustMiss(t, c, b)
	}
	c.Delete(t.Context())
}

func checkExpiry(t *testing.T, c counted) {
	c.Set(t.Context(), "short", []byte("s"), 100*time.Millisecond)
	c.Set(t.Context(), "shortest", []byte("s"), 1)
	c.Set(t.Context(), "long", []byte("l"), time.Hour)
	for _, key := range []string{"short", "shortest"} {
		if !cachetest.Eventually(t, func() bool {
			_, ok := c.Get(t.Context(), key)
			return !ok
		}) {
			t.Errorf("Get(%q) still finds the value long after its time", key)
		}
	}
	mustGet(t, c, "long", []byte("l"))
}

func checkNothing(t *testing.T, c counted) {
	c.Set(t.Context(), "zero", []byte("x"), 0)
	c.Set(t.Context(), "negative", []byte("x"), -time.Second)
	c.Set(t.Context(), "large", make([]byte, cache.MaxValue+1), time.Hour)
	mustMiss(t, c, "zero")
	mustMiss(t, c, "negative")
	mustMiss(t, c, "large")
}

func checkConcurrent(t *testing.T, c counted) {
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := range 100 {
				key := fmt.Sprintf("k:%d", (worker*7+i)%40)
				if got, ok := c.Get(t.Context(), key); ok && string(got) != key {
					t.Errorf("Get(%q) = %q, want the key itself", key, got)
				}
				c.Set(t.Context(), key, []byte(key), time.Hour)
				if i%10 == 9 {
					c.Delete(t.Context(), key)
				}
			}
		})
	}
	wg.Wait()
	if failures := c.Stats().Failures; failures != 0 {
		t.Errorf("Stats().Failures = %d, want 0", failures)
	}
}

func checkEnded(t *testing.T, c counted) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c.Set(ended, "k", []byte("k"), time.Hour)
	c.Get(ended, "k")
	c.Delete(ended, "k")
	c.Set(t.Context(), "k2", []byte("k2"), time.Hour)
	mustGet(t, c, "k2", []byte("k2"))
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	m := cache.NewMemory(limit, nil)
	t.Cleanup(m.Close)
	for i := range 5000 {
		m.Set(t.Context(), fmt.Sprintf("k:%d", i), make([]byte, 1000), time.Hour)
	}
	if !cachetest.Eventually(t, func() bool { return m.Stats().Bytes <= limit }) {
		t.Errorf("Stats().Bytes = %d, want at most %d", m.Stats().Bytes, limit)
	}
	if held := m.Stats().Bytes; held < limit/2 {
		t.Errorf("Stats().Bytes = %d, want most of %d in use", held, limit)
	}
}

func TestMemoryExpiresByItsClock(t *testing.T) {
	t.Parallel()
	var now atomic.Int64 // nanoseconds; the cache's own goroutines read it too
	m := cache.NewMemory(1<<20, func() time.Time { return time.Unix(0, now.Load()) })
	t.Cleanup(m.Close)
	m.Set(t.Context(), "minute", []byte("m"), time.Minute)
	m.Set(t.Context(), "hour", []byte("h"), time.Hour)
	now.Add(int64(59 * time.Second))
	mustGet(t, m, "minute", []byte("m"))
	now.Add(int64(time.Second))
	mustMiss(t, m, "minute")
	m.Set(t.Context(), "hour", []byte("h"), time.Hour) // counts from here
	now.Add(int64(time.Hour - 1))
	mustGet(t, m, "hour", []byte("h"))
	now.Add(int64(1))
	mustMiss(t, m, "hour")
}

func BenchmarkGet(b *testing.B) {
	run := func(b *testing.B, c cache.Cache) {
		c.Set(b.Context(), "key", []byte("value"), time.Hour)
		if _, ok := c.Get(b.Context(), "key"); !ok {
			b.Fatal("no value")
		}
		b.ReportAllocs()
		for b.Loop() {
			c.Get(b.Context(), "key")
		}
	}
	b.Run("memory", func(b *testing.B) {
		m := cache.NewMemory(1<<20, nil)
		b.Cleanup(m.Close)
		run(b, m)
	})
	b.Run("shared", func(b *testing.B) {
		url := os.Getenv("TEST_REDIS_URL")
		if url == "" {
			b.Skip("TEST_REDIS_URL is not set")
		}
		run(b, cache.NewShared(open(b, url)))
	})
}
