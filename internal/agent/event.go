package agent

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/llm"
)

// EventKind says what an Event of a run tells.
type EventKind string

// The events of a run. Steps are between StepBegin and StepEnd; calls are
// answered after the StepEnd of their step; RunEnd is the last event.
const (
	StepBegin    EventKind = "step"
	TextPart     EventKind = "text"      // Text goes on
	ThoughtPart  EventKind = "reasoning" // Text of the thoughts goes on
	CallBegin    EventKind = "call"      // CallID, Tool
	CallPart     EventKind = "args"      // CallID; Text of the arguments goes on
	CallReady    EventKind = "ready"     // CallID, Tool, Arguments
	StepEnd      EventKind = "step_end"  // Usage, Reason
	CallAsked    EventKind = "ask"       // CallID, Tool, Arguments, Hash, ExpiresAt: the owner is asked
	CallDecided  EventKind = "decided"   // CallID, Yes
	CallAnswered EventKind = "result"    // CallID, Text, and Failed when the tool did
	RunEnd       EventKind = "end"       // Status, Reason, Usage of the whole run, Failure
)

// Event is one entry of a run's log. The log is the only record of what a run
// does: every dialect, the stored answer, and what a paused run goes on from
// are made of it.
type Event struct {
	Kind      EventKind        `json:"k"`
	Text      string           `json:"t,omitempty"`
	CallID    string           `json:"c,omitempty"`
	Tool      string           `json:"n,omitempty"`
	Arguments string           `json:"a,omitempty"`
	Hash      string           `json:"h,omitempty"`
	ExpiresAt *time.Time       `json:"x,omitempty"`
	Yes       bool             `json:"y,omitempty"`
	Failed    bool             `json:"f,omitempty"`
	Usage     *llm.Usage       `json:"u,omitempty"`
	Reason    llm.FinishReason `json:"r,omitempty"`
	Status    Status           `json:"s,omitempty"`
	Failure   *Failure         `json:"e,omitempty"`
}

// Batch is what one commit adds to the log of a run.
type Batch struct {
	RunID int64
	// Seq is the number of the first event; they count from 1.
	Seq    int64
	Events []Event
}

// EncodeEvents writes events as lines of JSON.
func EncodeEvents(events []Event) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for i := range events {
		if err := enc.Encode(&events[i]); err != nil {
			return "", err
		}
	}
	// A NUL cannot be stored on PostgreSQL; JSON writes it as an escape.
	return b.String(), nil
}

// DecodeEvents reads what EncodeEvents wrote.
func DecodeEvents(lines string) ([]Event, error) {
	var events []Event
	dec := json.NewDecoder(strings.NewReader(lines))
	for dec.More() {
		var e Event
		if err := dec.Decode(&e); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// Step is one answer of the model, with the calls that it made and what they
// were answered.
type Step struct {
	Text  string `json:"text,omitempty"`
	Calls []Call `json:"calls,omitempty"`
}

// Call is a call of a tool as a run's log tells it.
type Call struct {
	ID        string `json:"id"`
	Tool      string `json:"tool"`
	Arguments string `json:"arguments"`
	// Result is nil until the call is answered.
	Result *string `json:"result,omitempty"`
	Failed bool    `json:"failed,omitempty"`
	// Hash and ExpiresAt are set while and after the owner is asked, Decided
	// after the answer.
	Hash      string     `json:"-"`
	ExpiresAt *time.Time `json:"-"`
	Decided   *bool      `json:"-"`
	// ready: the arguments are complete.
	ready bool
}

// Log is a run's log, folded.
type Log struct {
	Steps []Step
	// Complete steps: those that reached their end.
	Complete int
	// Usage of all steps that ended.
	Usage llm.Usage
	// End is the last event of a run that has ended.
	End *Event
}

// Fold adds events to the log.
func (l *Log) Fold(events ...Event) {
	for i := range events {
		l.fold(&events[i])
	}
}

func (l *Log) fold(e *Event) {
	if e.Kind == StepBegin {
		l.Steps = append(l.Steps, Step{})
		return
	}
	if e.Kind == RunEnd {
		l.End = e
		return
	}
	if len(l.Steps) == 0 {
		return
	}
	step := &l.Steps[len(l.Steps)-1]
	switch e.Kind {
	case TextPart:
		step.Text += e.Text
		return
	case StepEnd:
		l.Complete = len(l.Steps)
		if e.Usage != nil {
			l.Usage = addUsage(l.Usage, *e.Usage)
		}
		return
	case CallBegin:
		step.Calls = append(step.Calls, Call{ID: e.CallID, Tool: e.Tool})
		return
	}
	c := step.call(e.CallID)
	if c == nil {
		return
	}
	switch e.Kind {
	case CallReady:
		c.Arguments, c.ready = e.Arguments, true
	case CallAsked:
		c.Hash, c.ExpiresAt = e.Hash, e.ExpiresAt
	case CallDecided:
		c.Decided = &e.Yes
	case CallAnswered:
		c.Result, c.Failed = &e.Text, e.Failed
	}
}

func (s *Step) call(id string) *Call {
	for i := range s.Calls {
		if s.Calls[i].ID == id {
			return &s.Calls[i]
		}
	}
	return nil
}

// Text is all that was said, the steps parted by an empty line.
func (l *Log) Text() string {
	var parts []string
	for i := range l.Steps {
		if l.Steps[i].Text != "" {
			parts = append(parts, l.Steps[i].Text)
		}
	}
	return strings.Join(parts, "\n\n")
}

// Open are the calls of the last step that the owner is still asked about.
func (l *Log) Open() []Call {
	var open []Call
	if n := len(l.Steps); n > 0 {
		for _, c := range l.Steps[n-1].Calls {
			if c.Hash != "" && c.Decided == nil && c.Result == nil {
				open = append(open, c)
			}
		}
	}
	return open
}

// called reports whether any call was answered or at least asked for.
func (l *Log) called() bool {
	for i := range l.Steps {
		if len(l.Steps[i].Calls) > 0 {
			return true
		}
	}
	return false
}

// ran reports whether a tool ran: something may have happened.
func (l *Log) ran() bool {
	for i := range l.Steps {
		for _, c := range l.Steps[i].Calls {
			if c.Result != nil {
				return true
			}
		}
	}
	return false
}

// settled are the steps as they are kept with the answer: calls whose
// arguments never came are left out. nil when no tool was called.
func (l *Log) settled() []Step {
	if !l.called() {
		return nil
	}
	steps := make([]Step, 0, len(l.Steps))
	for _, s := range l.Steps {
		kept := Step{Text: s.Text}
		for _, c := range s.Calls {
			if c.ready {
				kept.Calls = append(kept.Calls, c)
			}
		}
		if kept.Text != "" || len(kept.Calls) > 0 {
			steps = append(steps, kept)
		}
	}
	return steps
}

// unsettled estimates what the step wrote that never ended.
func (l *Log) unsettled() llm.Usage {
	u := llm.Usage{Estimated: true}
	if l.Complete == len(l.Steps) {
		return u
	}
	last := &l.Steps[len(l.Steps)-1]
	n := len(last.Text)
	for _, c := range last.Calls {
		n += len(c.Arguments)
	}
	u.Output = int64(n) / 3
	return u
}

func addUsage(a, b llm.Usage) llm.Usage {
	return llm.Usage{
		Input: a.Input + b.Input, Output: a.Output + b.Output, Cached: a.Cached + b.Cached, Reasoning: a.Reasoning + b.Reasoning,
		Estimated: a.Estimated || b.Estimated,
	}
}
