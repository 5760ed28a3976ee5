package throttle_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/cache"
	"github.com/bdash/bdash/internal/cache/cachetest"
	"github.com/bdash/bdash/internal/throttle"
)

func TestRedisLimitersShareACount(t *testing.T) {
	t.Parallel()
	url := cachetest.URL(t)
	c, prefix := newClock(), rand.Text()
	one := throttle.NewRedis(connect(t, url, prefix), c.now)
	two := throttle.NewRedis(connect(t, url, prefix), c.now)
	rate := throttle.Rate{Limit: 100, Window: time.Hour}
	if got := storm(t, 1000, "k", rate, one, two); got != 100 {
		t.Errorf("two limiters let %d requests through, want 100", got)
	}
	mustRefuse(t, one, "k", rate, time.Hour)
	mustRefuse(t, two, "k", rate, time.Hour)
	c.move(time.Hour)
	mustAllow(t, two, "k", throttle.Rate{Limit: 1, Window: time.Hour})
	mustRefuse(t, one, "k", throttle.Rate{Limit: 1, Window: time.Hour}, time.Hour)
}

func TestRedisGoneAndBack(t *testing.T) {
	t.Parallel()
	server := cachetest.NewServer(t)
	conn, err := cache.OpenRedis(server.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.Timeout = 10 * time.Second
	t.Cleanup(conn.Close)
	other, err := cache.OpenRedis(server.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	other.Timeout = conn.Timeout
	t.Cleanup(other.Close)

	c := newClock()
	l := throttle.NewRedis(conn, c.now)
	rate := throttle.Rate{Limit: 5, Window: time.Hour}

	// Away from the start: the limit holds, counted in this process.
	if got := storm(t, 50, "k", rate, l); got != 5 {
		t.Errorf("without Redis %d requests went through, want 5", got)
	}
	mustRefuse(t, l, "k", rate, time.Hour)

	server.Start(t)
	for _, r := range []*cache.Redis{conn, other} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := r.Wait(ctx); err != nil {
			t.Fatalf("Wait() = %v, want nil", err)
		}
		cancel()
	}
	// Back by itself: counted in Redis, together with the other instance.
	if got := storm(t, 50, "k", rate, l, throttle.NewRedis(other, c.now)); got != 5 {
		t.Errorf("with Redis back %d requests of two instances went through, want 5", got)
	}

	server.Stop(t)
	mustRefuse(t, l, "k", rate, time.Hour) // the count in this process still stands
	if got := storm(t, 50, "k2", rate, l); got != 5 {
		t.Errorf("with Redis gone %d requests went through, want 5", got)
	}
}

// scripter answers as told.
type scripter func() ([]int64, error)

func (s scripter) Eval(context.Context, string, []string, []string) ([]int64, error) { return s() }

func TestRedisFallsBackOnAnyTrouble(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]scripter{
		"an error":   func() ([]int64, error) { return nil, errors.New("NOPERM") },
		"no reply":   func() ([]int64, error) { return nil, nil },
		"odd reply":  func() ([]int64, error) { return []int64{1}, nil },
		"long reply": func() ([]int64, error) { return []int64{1, 0, 0}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			l := throttle.NewRedis(answer, c.now)
			rate := throttle.Rate{Limit: 2, Window: time.Minute}
			mustAllow(t, l, "k", rate)
			mustAllow(t, l, "k", rate)
			mustRefuse(t, l, "k", rate, time.Minute)
			c.move(time.Minute)
			mustAllow(t, l, "k", rate)
		})
	}
}
