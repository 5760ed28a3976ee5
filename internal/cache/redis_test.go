package cache_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/cache"
	"github.com/bdash/bdash/internal/cache/cachetest"
)

// journal is a log that tests may read while others write.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) count(part string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), part)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func mustOpen(t *testing.T, url string, log *journal, timeout time.Duration) *cache.Redis {
	t.Helper()
	r, err := cache.OpenRedis(url, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	r.Timeout = timeout
	t.Cleanup(r.Close)
	return r
}

func mustWait(t testing.TB, r *cache.Redis) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := r.Wait(ctx); err != nil {
		t.Fatalf("Wait() = %v, want nil", err)
	}
}

func TestRedisStopsAndReturns(t *testing.T) {
	t.Parallel()
	server, log := cachetest.NewServer(t), &journal{}
	r := mustOpen(t, server.URL(), log, 5*time.Second)
	c := cache.NewShared(r)

	// Not started yet: misses, not errors.
	c.Set(t.Context(), "k:1", []byte("1"), time.Hour)
	mustMiss(t, c, "k:1")
	if err := r.Ping(t.Context()); err == nil {
		t.Error("Ping() = nil without a server, want an error")
	}

	for round := range 3 {
		server.Start(t)
		mustWait(t, r)
		c.Set(t.Context(), "k:1", []byte("1"), time.Hour)
		mustGet(t, c, "k:1", []byte("1"))
		if err := r.Ping(t.Context()); err != nil {
			t.Errorf("round %d: Ping() = %v, want nil", round, err)
		}

		server.Stop(t)
		// The connection notices by itself; from then on everything is a miss,
		// the local copy included.
		if !cachetest.Eventually(t, func() bool {
			_, ok := c.Get(t.Context(), "k:1")
			return !ok
		}) {
			t.Fatalf("round %d: Get still hits after the server has gone", round)
		}
		c.Set(t.Context(), "k:1", []byte("1"), time.Hour)
		c.Delete(t.Context(), "k:1")
		mustMiss(t, c, "k:1")
	}

	if n := log.count("redis is away"); n != 1 {
		t.Errorf("the log says %d times that redis is away, want once within a minute", n)
	}
	if n := log.count("redis answers again"); n != 1 {
		t.Errorf("the log says %d times that redis answers again, want once", n)
	}
	if c.Stats().Failures == 0 {
		t.Error("Stats().Failures = 0, want the failed operations counted")
	}
}

func TestRedisPingEndsBackOff(t *testing.T) {
	t.Parallel()
	server := cachetest.NewServer(t)
	r := mustOpen(t, server.URL(), &journal{}, 5*time.Second)
	c := cache.NewShared(r)
	mustMiss(t, c, "k")
	for range 5 {
		if err := r.Ping(t.Context()); err == nil {
			t.Fatal("Ping() = nil without a server, want an error")
		}
	}
	server.Start(t)
	if !cachetest.Eventually(t, func() bool { return r.Ping(t.Context()) == nil }) {
		t.Fatal("Ping() fails although the server runs")
	}
	c.Set(t.Context(), "k", []byte("v"), time.Hour)
	mustGet(t, c, "k", []byte("v"))
}

func TestRedisStalls(t *testing.T) {
	t.Parallel()
	server := cachetest.NewServer(t)
	server.Start(t)
	proxy := cachetest.NewProxy(t, server)
	const timeout = 200 * time.Millisecond
	r := mustOpen(t, proxy.URL(), &journal{}, timeout)
	c := cache.NewShared(r)
	mustWait(t, r)
	if !cachetest.Eventually(t, func() bool {
		c.Set(t.Context(), "k", []byte("v"), time.Hour)
		_, ok := c.Get(t.Context(), "k")
		return ok
	}) {
		t.Fatal("Get never finds what was set")
	}

	proxy.Stall()
	begin := time.Now()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 20 {
				c.Get(t.Context(), "not kept locally")
			}
		})
	}
	wg.Wait()
	// 20 reads one after the other would take 4 s if each waited. One time-out
	// is due; the rest of the allowance is for a busy machine.
	if took := time.Since(begin); took > 10*timeout {
		t.Errorf("1000 reads of a stalled Redis took %v, want about %v", took, timeout)
	}
	mustMiss(t, c, "k")

	proxy.Resume()
	mustWait(t, r)
	if !cachetest.Eventually(t, func() bool {
		_, ok := c.Get(t.Context(), "k")
		return ok
	}) {
		t.Error("Get finds nothing after the stall is over")
	}
}

func TestRedisClosesWhileStalled(t *testing.T) {
	t.Parallel()
	server := cachetest.NewServer(t)
	server.Start(t)
	proxy := cachetest.NewProxy(t, server)
	r := mustOpen(t, proxy.URL(), &journal{}, 50*time.Millisecond)
	mustWait(t, r)
	proxy.Stall()
	cache.NewShared(r).Get(t.Context(), "k")
	r.Close()
	r.Close()
	if _, err := r.Eval(t.Context(), "return {1}", nil, nil); !errors.Is(err, cache.ErrAway) {
		t.Errorf("Eval after Close = %v, want %v", err, cache.ErrAway)
	}
	if err := r.Wait(t.Context()); !errors.Is(err, cache.ErrAway) {
		t.Errorf("Wait after Close = %v, want %v", err, cache.ErrAway)
	}
	if err := r.Ping(t.Context()); err == nil {
		t.Error("Ping after Close = nil, want an error")
	}
}

func TestRedisSharesValues(t *testing.T) {
	t.Parallel()
	server := cachetest.NewServer(t)
	server.Start(t)
	var both [2]*cache.Shared
	for i := range both {
		r := mustOpen(t, server.URL(), &journal{}, 5*time.Second)
		mustWait(t, r)
		both[i] = cache.NewShared(r)
	}
	one, two := both[0], both[1]
	mustMiss(t, two, "k")
	one.Set(t.Context(), "k", []byte("v"), time.Hour)
	if !cachetest.Eventually(t, func() bool {
		_, ok := two.Get(t.Context(), "k")
		return ok
	}) {
		t.Error("a value set by one instance never reaches the other")
	}
	one.Delete(t.Context(), "k")
	if !cachetest.Eventually(t, func() bool {
		_, ok := two.Get(t.Context(), "k")
		return !ok
	}) {
		t.Error("the local copy of the other instance is never invalidated")
	}
}

func TestRedisEval(t *testing.T) {
	t.Parallel()
	server := cachetest.NewServer(t)
	server.Start(t)
	r := mustOpen(t, server.URL(), &journal{}, 5*time.Second)
	mustWait(t, r)
	const script = `return {redis.call('INCRBY', KEYS[1], ARGV[1]), #KEYS[1]}`
	for want := int64(2); want <= 6; want += 2 {
		got, err := r.Eval(t.Context(), script, []string{"n"}, []string{"2"})
		if err != nil || len(got) != 2 || got[0] != want || got[1] != int64(len("bdash:n")) {
			t.Errorf("Eval() = %v, %v, want [%d %d], nil", got, err, want, len("bdash:n"))
		}
	}
	// What Redis refuses is the caller's fault and no reason to leave it.
	if _, err := r.Eval(t.Context(), `return redis.call('NOSUCH')`, nil, nil); err == nil {
		t.Error("Eval of a faulty script = nil, want an error")
	}
	if _, err := r.Eval(t.Context(), script, []string{"n"}, []string{"1"}); err != nil {
		t.Errorf("Eval after a faulty script = %v, want nil", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Eval(ended, script, []string{"n"}, []string{"1"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Eval with an ended context = %v, want %v", err, context.Canceled)
	}
}

func TestOpenRedisRefusesMalformedURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://localhost", "redis://:secret@host:port/x", "redis://localhost/abc", "://"} {
		r, err := cache.OpenRedis(url, nil)
		if err == nil {
			r.Close()
			t.Errorf("OpenRedis(%q) = nil, want an error", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("OpenRedis(%q) = %v, want the password left out", url, err)
		}
	}
}

func TestRedisStartsAndStopsUnused(t *testing.T) {
	t.Parallel()
	r, err := cache.OpenRedis("redis://127.0.0.1:1/0", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
}
