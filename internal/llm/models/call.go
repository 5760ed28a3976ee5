package models

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/tokens"
)

// call is one answer while it is written.
type call struct {
	Call
	began    time.Time
	req      *llm.Request
	limits   Limits
	answered string // the fallback's name
	yield    func(llm.Event, error) bool

	said   bool
	left   bool // the reader wants no more
	reason llm.FinishReason
	usage  *llm.Usage // held back until the end
	text   strings.Builder
	more   int64 // tokens beyond what text holds
}

// The time limits, as causes of a context's end.
var (
	errFirst = errors.New("no answer in time")
	errIdle  = errors.New("the answer stopped coming")
	errTotal = errors.New("the answer took too long")
)

// maxText bounds what is kept for counting.
const maxText = 1 << 20

// once asks the provider once. nil: complete, or the reader left.
func (c *call) once(parent context.Context, model llm.Model) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	if c.limits.Total > 0 {
		// Of all tries together.
		t := time.AfterFunc(c.limits.Total-time.Since(c.began), func() { cancel(errTotal) })
		defer t.Stop()
	}
	watch := newWatch(cancel)
	defer watch.stop()
	watch.start(c.limits.First, errFirst)
	for e, err := range model.Stream(ctx, *c.req) {
		watch.stop() // the reader's time is not the provider's
		if err != nil {
			return c.failed(parent, ctx, err)
		}
		if !c.said {
			c.said, c.First = true, time.Since(c.began)
		}
		c.event(e)
		if c.left || c.reason != "" {
			return nil
		}
		watch.start(c.limits.Idle, errIdle)
	}
	return c.failed(parent, ctx, &llm.Error{Kind: llm.Broken, Provider: c.Provider, Message: "the stream ended before the answer did"})
}

func (c *call) emit(e llm.Event) {
	if !c.left && !c.yield(e, nil) {
		c.left = true
	}
}

func (c *call) event(e llm.Event) {
	switch e.Kind {
	case llm.UsageReport:
		u := e.Usage
		c.usage = &u
		return
	case llm.Finish:
		c.reason = e.Reason
		c.report()
	case llm.TextDelta, llm.ReasoningDelta, llm.CallDelta:
		c.count(e.Text)
	case llm.CallStart:
		c.count(e.Call.Name)
	}
	c.emit(e)
}

func (c *call) count(s string) {
	if c.text.Len()+len(s) > maxText {
		c.more += tokens.EstimateText(s)
		return
	}
	c.text.WriteString(s)
}

// report tells what was used: what the provider said, or else what is counted
// here.
func (c *call) report() {
	switch {
	case c.usage == nil:
		c.usage = &llm.Usage{Input: tokens.CountRequest(c.req), Output: c.counted(), Estimated: true}
	case c.usage.Estimated: // of an answer that was cut off
		c.usage.Output = max(c.usage.Output, c.counted())
	}
	c.usage.Model = c.answered
	c.Usage = *c.usage
	c.emit(llm.Event{Kind: llm.UsageReport, Usage: *c.usage})
}

func (c *call) counted() int64 { return tokens.Count(c.text.String()) + c.more }

// failed says what the error means, and what was used if something was said.
func (c *call) failed(parent, ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case parent.Err() != nil:
		err = context.Cause(parent)
	case errors.Is(cause, errFirst), errors.Is(cause, errIdle), errors.Is(cause, errTotal):
		err = &llm.Error{Kind: llm.Timeout, Provider: c.Provider, Message: cause.Error(), Err: cause}
	default:
		if !errors.As(err, new(*llm.Error)) {
			err = &llm.Error{Kind: llm.Broken, Provider: c.Provider, Message: "the provider failed", Err: err}
		}
	}
	if !c.said {
		return err
	}
	if c.usage != nil {
		c.usage.Estimated = true
	}
	c.report()
	return errBegan{err}
}

// watch ends a context after a while, unless it is stopped before.
type watch struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func newWatch(cancel context.CancelCauseFunc) *watch { return &watch{cancel: cancel} }

func (w *watch) start(d time.Duration, cause error) {
	if d > 0 {
		w.timer = time.AfterFunc(d, func() { w.cancel(cause) })
	}
}

func (w *watch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}
