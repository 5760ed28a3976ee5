package apptest

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/bdash/bdash/internal/llm"
)

// Echo is a model that answers as the provider of the recording did: it repeats
// the last message and counts them all, the system's included; it fails when
// the message contains FAIL.
type Echo struct{}

// Stream implements llm.Model.
func (Echo) Stream(_ context.Context, req llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		last := req.Messages[len(req.Messages)-1].Text
		if strings.Contains(last, "FAIL") {
			yield(llm.Event{}, &llm.Error{Kind: llm.Broken, Provider: "echo", Status: 500, Message: "stub failure"})
			return
		}
		answer := fmt.Sprintf("Echo (%d messages): %s", len(req.Messages)+1, last)
		_ = yield(llm.Event{Kind: llm.TextDelta, Text: answer}, nil) &&
			yield(llm.Event{Kind: llm.UsageReport, Usage: llm.Usage{Input: 10, Output: 5}}, nil) &&
			yield(llm.Event{Kind: llm.Finish, Reason: llm.Stop}, nil)
	}
}

// Script is a model that does what a test says; say reports whether anybody
// still listens.
type Script func(ctx context.Context, req *llm.Request, say func(llm.Event) bool) error

// Stream implements llm.Model.
func (s Script) Stream(ctx context.Context, req llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		open := true
		err := s(ctx, &req, func(e llm.Event) bool {
			open = open && yield(e, nil)
			return open
		})
		if err != nil && open {
			yield(llm.Event{}, err)
		}
	}
}
