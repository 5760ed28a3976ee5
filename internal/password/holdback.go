package password

import (
	"context"
	"time"
)

// HoldBack waits until the next multiple of floor: what took elapsed so far
// then looks like everything else that took less than floor. Use it where the
// time of an answer would tell whether an account exists. A floor of zero or
// less does not wait; nor does a context that has ended.
func HoldBack(ctx context.Context, elapsed, floor time.Duration) {
	if floor <= 0 {
		return
	}
	timer := time.NewTimer(floor - elapsed%floor)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
