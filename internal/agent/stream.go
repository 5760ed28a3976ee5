package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/bdash/bdash/internal/llm"
)

// stream translates one answer of a model into events of the log.
type stream struct {
	t *turn
	// names are the calls' ids by those of the provider.
	names   map[string]string
	usage   llm.Usage
	counted bool
	spoke   bool
	// written counts the bytes of the answer.
	written int64
	reason  llm.FinishReason
}

// Bounds of one answer: a provider that writes on and on is cut off.
const (
	maxAnswer = 4 << 20 // bytes
	maxCalls  = 64
)

var (
	errEndless   = errors.New("the answer is longer than 4 MiB")
	errNoFinish  = errors.New("the stream ended without a finish")
	errManyCalls = fmt.Errorf("more than %d calls in one answer", maxCalls)
)

func broken(err error) error { return &llm.Error{Kind: llm.Broken, Provider: "stream", Err: err} }

// read takes the whole answer. Ending early ends the request to the provider.
// A panic is an error here, so that what was reserved is settled.
func (s *stream) read(ctx context.Context, req *llm.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanicked, p)
		}
	}()
	finished := false
	for e, err := range s.t.r.Models.Stream(ctx, *req) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if e.Kind == llm.Finish {
			s.reason, finished = e.Reason, true
			continue
		}
		if err := s.take(ctx, &e); err != nil {
			return err
		}
		if s.written > maxAnswer {
			return broken(errEndless)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !finished {
		return broken(errNoFinish)
	}
	return nil
}

func (s *stream) take(ctx context.Context, e *llm.Event) error {
	text := clean(e.Text)
	switch e.Kind {
	case llm.UsageReport:
		s.usage, s.counted = e.Usage, true
		return nil
	case llm.TextDelta, llm.ReasoningDelta:
		if text == "" {
			return nil
		}
		kind := TextPart
		if e.Kind == llm.ReasoningDelta {
			kind = ThoughtPart
		}
		s.count(text)
		return s.t.add(ctx, Event{Kind: kind, Text: text})
	case llm.CallStart:
		_, err := s.open(ctx, e.Call)
		return err
	case llm.CallDelta:
		id, err := s.open(ctx, e.Call)
		if err != nil || text == "" {
			return err
		}
		s.count(text)
		return s.t.add(ctx, Event{Kind: CallPart, CallID: id, Text: text})
	case llm.CallEnd:
		id, err := s.open(ctx, e.Call)
		if err != nil {
			return err
		}
		arguments := clean(string(e.Call.Arguments))
		if arguments == "" {
			arguments = "{}"
		}
		s.count(arguments)
		return s.t.add(ctx, Event{Kind: CallReady, CallID: id, Tool: clean(e.Call.Name), Arguments: arguments})
	}
	return nil
}

func (s *stream) count(text string) {
	s.spoke = true
	s.written += int64(len(text))
}

// open gives the id under which a call stands in the log, and begins it when it
// is new. Some providers number calls anew in each answer.
func (s *stream) open(ctx context.Context, c llm.ToolCall) (string, error) {
	if id, ok := s.names[c.ID]; ok {
		return id, nil
	}
	if len(s.names) >= maxCalls {
		return "", broken(errManyCalls)
	}
	if s.t.ids == nil {
		s.t.ids = map[string]bool{}
		for _, m := range s.t.history {
			for _, call := range m.Calls {
				s.t.ids[call.ID] = true
			}
		}
		for _, step := range s.t.log.Steps {
			for _, call := range step.Calls {
				s.t.ids[call.ID] = true
			}
		}
	}
	id := clean(c.ID)
	for n := 0; id == "" || len(id) > 100 || s.t.ids[id]; n++ {
		id = "call_" + strconv.FormatInt(s.t.run.ID, 10) + "_" + strconv.Itoa(len(s.t.ids)+n)
	}
	s.t.ids[id] = true
	s.names[c.ID] = id
	s.spoke = true
	return id, s.t.add(ctx, Event{Kind: CallBegin, CallID: id, Tool: clean(c.Name)})
}

// quoteName shows a name that a model made up, shortened.
func quoteName(name string) string { return strconv.Quote(cut(name, 60)) }
