package api_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bdash/bdash/internal/api"
	"github.com/bdash/bdash/internal/telemetry"
)

type parentKey struct{}

// A request's context behaves as one of package context, whoever has or has
// not waited for it before.
func TestRequestContext(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		happens func(cancelParent, end func())
		want    error
	}{
		"nothing":      {func(_, _ func()) {}, nil},
		"time-out":     {func(_, _ func()) { <-time.After(time.Minute) }, context.DeadlineExceeded},
		"end":          {func(_, end func()) { end() }, context.Canceled},
		"end twice":    {func(_, end func()) { end(); end() }, context.Canceled},
		"client gone":  {func(cancel, _ func()) { cancel() }, context.Canceled},
		"gone and end": {func(cancel, end func()) { cancel(); end() }, context.Canceled},
	} {
		for _, waited := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { checkRequestContext(t, tt.happens, waited, tt.want) })
			})
		}
	}
}

func checkRequestContext(t *testing.T, happens func(cancelParent, end func()), waited bool, want error) {
	t.Helper()
	parent, cancelParent := context.WithCancel(context.WithValue(context.Background(), parentKey{}, "of the parent"))
	defer cancelParent()
	ctx, end := api.NewRequestContext(parent, "id-1", time.Now().Add(30*time.Second))
	defer end()
	var child context.Context
	if waited {
		c, cancel := context.WithCancel(ctx)
		defer cancel()
		child = c
	}
	happens(cancelParent, end)
	synctest.Wait()
	if got := ctx.Err(); !errors.Is(got, want) {
		t.Errorf("Err() = %v, want %v", got, want)
	}
	done := false
	select {
	case <-ctx.Done():
		done = true
	default:
	}
	if done != (want != nil) {
		t.Errorf("Done() is closed: %t, want %t", done, want != nil)
	}
	if child != nil && !errors.Is(child.Err(), want) {
		t.Errorf("Err() of a child = %v, want %v", child.Err(), want)
	}
	if got := ctx.Err(); !errors.Is(got, want) {
		t.Errorf("Err() after Done() = %v, want %v", got, want)
	}
	if got := telemetry.RequestID(ctx); got != "id-1" {
		t.Errorf("RequestID() = %q, want id-1", got)
	}
	if got := ctx.Value(parentKey{}); got != "of the parent" {
		t.Errorf("Value() = %v, want the parent's", got)
	}
}

func TestRequestContextDeadline(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ctx, end := api.NewRequestContext(t.Context(), "", now.Add(time.Hour))
	defer end()
	if got, ok := ctx.Deadline(); !ok || !got.Equal(now.Add(time.Hour)) {
		t.Errorf("Deadline() = %v %t, want its own", got, ok)
	}
	earlier, cancel := context.WithDeadline(t.Context(), now.Add(time.Minute))
	defer cancel()
	ctx, end = api.NewRequestContext(earlier, "", now.Add(time.Hour))
	defer end()
	if got, ok := ctx.Deadline(); !ok || !got.Equal(now.Add(time.Minute)) {
		t.Errorf("Deadline() = %v %t, want the parent's, which is earlier", got, ok)
	}
}

func TestRequestContextIsForManyGoroutines(t *testing.T) {
	t.Parallel()
	ctx, end := api.NewRequestContext(t.Context(), "id", time.Now().Add(time.Hour))
	var wait sync.WaitGroup
	for i := range 16 {
		wait.Go(func() {
			if i%2 == 0 {
				child, cancel := context.WithCancel(ctx)
				defer cancel()
				<-child.Done()
			}
			_ = ctx.Err()
			_ = ctx.Value(parentKey{})
			<-ctx.Done()
		})
	}
	end()
	wait.Wait()
}
