package sqlstore

import (
	"context"
	"time"

	"github.com/bdash/bdash/internal/fault"
)

// A row may hold as much as a request body, and a page a hundred rows. A page
// of ordinary rows is some hundred kilobytes; only a few pages beyond largePage
// bytes are in memory at the same time, whoever asks for them.
const (
	largePage  = 4 << 20
	largePages = 2
)

// ErrBusy is returned for a large page while others are being answered.
var ErrBusy = fault.New(fault.Unavailable, "busy", "The server is busy with large answers. Try again in a moment, or ask for a smaller page.").After(time.Second)

var largePageSlots = make(chan struct{}, largePages)

// takeLargePage takes a slot until ctx ends, which for a request is when it has
// been answered.
func takeLargePage(ctx context.Context) bool {
	select {
	case largePageSlots <- struct{}{}:
		context.AfterFunc(ctx, func() { <-largePageSlots })
		return true
	default:
		return false
	}
}
