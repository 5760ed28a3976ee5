package throttle_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/throttle"
)

// flaky lets everything pass while it answers, as a Redis does that has just
// lost its counts.
type flaky struct{ away atomic.Bool }

func (f *flaky) Eval(context.Context, string, []string, []string) ([]int64, error) {
	if f.away.Load() {
		return nil, errors.New("away")
	}
	return []int64{1, 0}, nil
}

// Whatever Redis does, what came through this process stays counted.
func TestAnOutageForgetsNothingOfThisProcess(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	redis := &flaky{}
	l := throttle.NewRedis(redis, func() time.Time { return now })
	rate := throttle.Rate{Limit: 10, Window: time.Hour}
	for i := range 10 {
		redis.away.Store(i%3 == 1)
		if ok, _ := l.Allow(t.Context(), "user:1", rate); !ok {
			t.Fatalf("request %d refused", i+1)
		}
	}
	for _, away := range []bool{true, false} {
		redis.away.Store(away)
		if ok, wait := l.Allow(t.Context(), "user:1", rate); ok || wait != time.Hour {
			t.Errorf("request 11 (away: %v) = %v, %v, want refused for an hour", away, ok, wait)
		}
	}
}
