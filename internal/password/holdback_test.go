package password_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bdash/bdash/internal/password"
)

func TestHoldBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ elapsed, floor, want time.Duration }{
		{0, 0, 0},
		{time.Second, -1, 0},
		{30 * time.Millisecond, 500 * time.Millisecond, 470 * time.Millisecond},
		{700 * time.Millisecond, 500 * time.Millisecond, 300 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			password.HoldBack(t.Context(), tt.elapsed, tt.floor)
			if got := time.Since(began); got != tt.want {
				t.Errorf("HoldBack(%v, %v) waited %v, want %v", tt.elapsed, tt.floor, got, tt.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		password.HoldBack(ctx, 0, time.Hour)
		if got := time.Since(began); got != 0 {
			t.Errorf("HoldBack of an ended context waited %v, want 0", got)
		}
	})
}
