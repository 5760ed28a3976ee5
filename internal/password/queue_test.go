package password_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/bdash/bdash/internal/password"
)

// calls are the three methods that compute, with hashes that must pass the same gate.
func calls(h *password.Hasher) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Hash": func(ctx context.Context) error { _, err := h.Hash(ctx, secret); return err },
		"Verify": func(ctx context.Context) error {
			_, _, err := h.Verify(ctx, secret, "pbkdf2_sha1$1000$seasalt$5G+ShwVSb64ov8fHcdRMEF/kaPM=")
			return err
		},
		"Verify unusable": func(ctx context.Context) error { _, _, err := h.Verify(ctx, secret, "!"); return err },
		"VerifyDummy":     func(ctx context.Context) error { return h.VerifyDummy(ctx, secret) },
	}
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const waiters = 3
		h := password.NewCheapHasher(password.Options{MaxConcurrent: 2, MaxWaiting: waiters})
		release := h.Occupy(2)
		done := make(chan error, waiters)
		for range waiters {
			go func() { _, err := h.Hash(t.Context(), secret); done <- err }()
		}
		synctest.Wait() // all of them wait now
		if got := h.Waiting(); got != waiters {
			t.Errorf("Waiting with a full queue = %d, want %d", got, waiters)
		}
		for name, call := range calls(h) {
			if err := call(t.Context()); !errors.Is(err, password.ErrBusy) {
				t.Errorf("%s with a full queue = %v, want ErrBusy", name, err)
			}
		}
		if len(done) != 0 {
			t.Errorf("%d callers got through occupied slots", len(done))
		}
		release()
		for range waiters {
			if err := <-done; err != nil {
				t.Errorf("Hash after waiting: %v", err)
			}
		}
		if got := h.Waiting(); got != 0 {
			t.Errorf("Waiting after the flood = %d, want 0", got)
		}
		for name, call := range calls(h) {
			if err := call(t.Context()); err != nil {
				t.Errorf("%s after the flood: %v", name, err)
			}
		}
	})
}

func TestWaitingEndsWithContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := password.NewCheapHasher(password.Options{MaxConcurrent: 1, MaxWaiting: 1})
		release := h.Occupy(1)
		for name, call := range calls(h) { // one after the other: each must leave the queue's only place behind
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- call(ctx) }()
			synctest.Wait()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%s, canceled while waiting = %v, want context.Canceled", name, err)
			}
		}
		release()
		for name, call := range calls(h) {
			if err := call(t.Context()); err != nil {
				t.Errorf("%s afterwards: %v", name, err)
			}
		}
	})
}

func TestEndedContextComputesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(password.NewHasher(password.Options{})) {
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s = %v, want context.Canceled", name, err)
		}
	}
}

// A hash that takes more memory than ours waits until as many slots are free.
func TestHeavyHashTakesSeveralSlots(t *testing.T) {
	t.Parallel()
	const heavy = "argon2$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$md4vrJfoPBSEWTqPMbyisQ" // four times 64 KiB
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			slots   int
			taken   int64
			waiting bool
		}{
			{8, 4, false},
			{8, 5, true},
			{2, 1, true}, // more than there are: it takes them all, and does not wait for ever
		} {
			h := password.NewCheapHasher(password.Options{MaxConcurrent: tt.slots, MaxWaiting: 1})
			release := h.Occupy(tt.taken)
			done := make(chan bool, 1)
			go func() {
				ok, _, err := h.Verify(t.Context(), secret, heavy)
				done <- ok && err == nil
			}()
			synctest.Wait()
			if waiting := len(done) == 0; waiting != tt.waiting {
				t.Errorf("%d of %d slots taken: waiting = %t, want %t", tt.taken, tt.slots, waiting, tt.waiting)
			}
			release()
			if !<-done {
				t.Errorf("%d of %d slots taken: not verified", tt.taken, tt.slots)
			}
		}
	})
}

func TestNobodyWaitsIfToldSo(t *testing.T) {
	t.Parallel()
	h := password.NewCheapHasher(password.Options{MaxConcurrent: 1, MaxWaiting: -1})
	if _, err := h.Hash(t.Context(), secret); err != nil {
		t.Errorf("Hash with a free slot: %v", err)
	}
	release := h.Occupy(1)
	defer release()
	if _, err := h.Hash(t.Context(), secret); !errors.Is(err, password.ErrBusy) {
		t.Errorf("Hash with none = %v, want ErrBusy", err)
	}
}

func TestDefaultBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slots := runtime.GOMAXPROCS(0)
		h := password.NewCheapHasher(password.Options{})
		release := h.Occupy(int64(slots))
		var busy, served atomic.Int64
		var all sync.WaitGroup
		for range 32*slots + 5 {
			all.Go(func() {
				switch err := h.VerifyDummy(t.Context(), secret); {
				case errors.Is(err, password.ErrBusy):
					busy.Add(1)
				case err == nil:
					served.Add(1)
				default:
					t.Errorf("VerifyDummy: %v", err)
				}
			})
		}
		synctest.Wait()
		release()
		all.Wait()
		if busy.Load() != 5 || served.Load() != int64(32*slots) {
			t.Errorf("busy, served = %d, %d; want 5, %d", busy.Load(), served.Load(), 32*slots)
		}
	})
}
