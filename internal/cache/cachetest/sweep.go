package cachetest

import (
	"context"
	"testing"
	"time"
)

// Evaluator is the part of a Redis connection that Sweep needs.
type Evaluator interface {
	Eval(ctx context.Context, script string, keys, args []string) ([]int64, error)
}

// Sweep removes the keys that begin with prefix when the test ends, so that a
// Redis which outlives the test stays as it was. Call it after the cleanup
// that closes redis has been registered.
func Sweep(t testing.TB, redis Evaluator, prefix string) {
	t.Helper()
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		const script = `
local gone = 0
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do gone = gone + redis.call('UNLINK', key) end
return {gone}`
		if _, err := redis.Eval(ctx, script, nil, []string{prefix}); err != nil {
			t.Errorf("remove the keys of the test: %v", err)
		}
	})
}
