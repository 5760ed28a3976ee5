// Package script is a language model that says what it was told to say: for
// tests, offline and deterministic.
package script

import (
	"context"
	"iter"
	"sync"

	"github.com/bdash/bdash/internal/llm"
)

// Step is one thing that happens in an answer. Exactly one field is set.
type Step struct {
	// Event is said.
	Event *llm.Event
	// Wait holds the answer up until the channel is closed or gives a value, or
	// the context ends.
	Wait <-chan struct{}
	// Reached is closed when the answer gets here, for tests to wait for.
	Reached chan<- struct{}
	// Err ends the answer.
	Err error
}

// Turn is one answer. One that ends without a Finish event or an error gets
// llm.ToolCalls as its finish if it calls tools, and llm.Stop otherwise.
type Turn []Step

// Model gives its turns one after another, whoever asks. Safe for concurrent
// use.
type Model struct {
	mu       sync.Mutex
	turns    []Turn
	answer   func(llm.Request) Turn
	requests []llm.Request
}

var _ llm.Model = (*Model)(nil)

// New makes a model with these turns; when they are used up it answers with
// llm.Refused.
func New(turns ...Turn) *Model { return &Model{turns: turns} }

// Func makes a model that works its turn out from the request; f must be safe
// for concurrent use.
func Func(f func(llm.Request) Turn) *Model { return &Model{answer: f} }

// Add appends turns.
func (m *Model) Add(turns ...Turn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turns = append(m.turns, turns...)
}

// Requests are what the model was asked so far.
func (m *Model) Requests() []llm.Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]llm.Request(nil), m.requests...)
}

// Text says text in pieces.
func Text(pieces ...string) Turn {
	t := Turn{}
	for _, p := range pieces {
		t = append(t, Step{Event: &llm.Event{Kind: llm.TextDelta, Text: p}})
	}
	return t
}

// Call calls a tool.
func Call(id, name, arguments string) Turn {
	call := llm.ToolCall{ID: id, Name: name}
	whole := call
	whole.Arguments = []byte(arguments)
	return Turn{
		{Event: &llm.Event{Kind: llm.CallStart, Call: call}},
		{Event: &llm.Event{Kind: llm.CallDelta, Text: arguments, Call: llm.ToolCall{ID: id}}},
		{Event: &llm.Event{Kind: llm.CallEnd, Call: whole}},
	}
}

// Usage reports what was used.
func Usage(u llm.Usage) Turn { return Turn{{Event: &llm.Event{Kind: llm.UsageReport, Usage: u}}} }

// Finish ends the answer.
func Finish(r llm.FinishReason) Turn { return Turn{{Event: &llm.Event{Kind: llm.Finish, Reason: r}}} }

// Wait holds the answer up until c is closed or gives a value.
func Wait(c <-chan struct{}) Turn { return Turn{{Wait: c}} }

// Reached closes c when the answer gets there.
func Reached(c chan<- struct{}) Turn { return Turn{{Reached: c}} }

// Fail ends the answer with an error.
func Fail(err error) Turn { return Turn{{Err: err}} }

// Join makes one turn of several.
func Join(turns ...Turn) Turn {
	var all Turn
	for _, t := range turns {
		all = append(all, t...)
	}
	return all
}

func (m *Model) next(req llm.Request) (Turn, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests = append(m.requests, req)
	if m.answer != nil {
		return nil, true
	}
	if len(m.turns) == 0 {
		return nil, false
	}
	turn := m.turns[0]
	m.turns = m.turns[1:]
	return turn, true
}

// Stream implements llm.Model.
func (m *Model) Stream(ctx context.Context, req llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		turn, ok := m.next(req)
		if m.answer != nil {
			turn = m.answer(req)
		}
		if !ok {
			yield(llm.Event{}, &llm.Error{Kind: llm.Refused, Provider: "script", Message: "the script has no more turns"})
			return
		}
		reason := llm.Stop
		for _, step := range turn {
			if ctx.Err() != nil {
				yield(llm.Event{}, context.Cause(ctx))
				return
			}
			switch {
			case step.Wait != nil:
				select {
				case <-step.Wait:
				case <-ctx.Done():
					yield(llm.Event{}, context.Cause(ctx))
					return
				}
			case step.Reached != nil:
				close(step.Reached)
			case step.Err != nil:
				yield(llm.Event{}, step.Err)
				return
			case step.Event != nil:
				if !yield(*step.Event, nil) || step.Event.Kind == llm.Finish {
					return
				}
				if step.Event.Kind == llm.CallEnd {
					reason = llm.ToolCalls
				}
			}
		}
		yield(llm.Event{Kind: llm.Finish, Reason: reason}, nil)
	}
}
