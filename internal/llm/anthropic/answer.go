package anthropic

import (
	"encoding/json"
	"errors"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/wire"
)

// answer turns the API's events into ours.
type answer struct {
	yield    func(llm.Event, error) bool
	stopped  bool // the reader wants no more
	began    bool // something was said
	finished bool

	blocks map[int64]*call // open tool calls, by the API's index
	usage  llm.Usage
	reason llm.FinishReason
}

type call struct {
	llm.ToolCall
	arguments []byte
}

func (a *answer) emit(e llm.Event) {
	if !a.stopped && !a.yield(e, nil) {
		a.stopped = true
	}
	a.began = true
}

func (a *answer) event(e *event) {
	switch e.Type {
	case "message_start":
		u := &e.Message.Usage
		a.usage = llm.Usage{Input: u.input(), Cached: u.CacheReadInputTokens, Output: u.OutputTokens}
	case "content_block_start":
		a.start(e.Index, &e.ContentBlock)
	case "content_block_delta":
		a.delta(e.Index, &e.Delta)
	case "content_block_stop":
		if b := a.blocks[e.Index]; b != nil {
			delete(a.blocks, e.Index)
			b.Arguments = b.arguments
			if len(b.Arguments) == 0 {
				b.Arguments = json.RawMessage(`{}`)
			}
			a.emit(llm.Event{Kind: llm.CallEnd, Call: b.ToolCall})
		}
	case "message_delta":
		a.messageDelta(e)
	case "message_stop":
		a.emit(llm.Event{Kind: llm.UsageReport, Usage: a.usage})
		if a.reason == "" {
			a.reason = llm.Other
		}
		a.emit(llm.Event{Kind: llm.Finish, Reason: a.reason})
		a.finished = true
	}
}

func (a *answer) start(index int64, c *block) {
	switch c.Type {
	case "tool_use":
		b := &call{ToolCall: llm.ToolCall{ID: c.ID, Name: c.Name}}
		a.blocks[index] = b
		a.emit(llm.Event{Kind: llm.CallStart, Call: b.ToolCall})
	case "text":
		if c.Text != "" {
			a.emit(llm.Event{Kind: llm.TextDelta, Text: c.Text})
		}
	}
}

func (a *answer) delta(index int64, d *delta) {
	switch d.Type {
	case "text_delta":
		a.emit(llm.Event{Kind: llm.TextDelta, Text: d.Text})
	case "thinking_delta":
		a.emit(llm.Event{Kind: llm.ReasoningDelta, Text: d.Thinking})
	case "input_json_delta":
		if b := a.blocks[index]; b != nil && d.PartialJSON != "" {
			b.arguments = append(b.arguments, d.PartialJSON...)
			a.emit(llm.Event{Kind: llm.CallDelta, Text: d.PartialJSON, Call: llm.ToolCall{ID: b.ID}})
		}
	}
}

// messageDelta carries the counts so far, each cumulative, and the reason.
func (a *answer) messageDelta(e *event) {
	if e.Delta.StopReason != "" {
		a.reason = reasonOf(e.Delta.StopReason)
	}
	a.usage.Output = max(a.usage.Output, e.Usage.OutputTokens)
	a.usage.Reasoning = max(a.usage.Reasoning, e.Usage.OutputTokensDetails.ThinkingTokens)
	if e.Usage.InputTokens != nil { // not sent by every version of the API
		a.usage.Input = max(a.usage.Input, e.Usage.input())
		a.usage.Cached = max(a.usage.Cached, e.Usage.CacheReadInputTokens)
	}
}

// partial tells the counts of an answer that was cut off.
func (a *answer) partial() {
	if a.began && !a.stopped && a.usage.Input > 0 {
		a.usage.Estimated = true
		a.emit(llm.Event{Kind: llm.UsageReport, Usage: a.usage})
	}
}

func reasonOf(reason string) llm.FinishReason {
	switch reason {
	case "end_turn", "stop_sequence":
		return llm.Stop
	case "max_tokens", "model_context_window_exceeded":
		return llm.Length
	case "tool_use":
		return llm.ToolCalls
	case "refusal":
		return llm.Filtered
	}
	return llm.Other
}

// whole makes the events of a message that was not streamed.
func whole(body []byte) ([]byte, error) {
	var m struct {
		Type       string            `json:"type"`
		Content    []json.RawMessage `json:"content"`
		StopReason string            `json:"stop_reason"`
		Usage      json.RawMessage   `json:"usage"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, err
	}
	if m.Type != "message" {
		return nil, errors.New("no message")
	}
	if len(m.Usage) == 0 {
		m.Usage = json.RawMessage(`{}`)
	}
	type object = map[string]any
	events := []object{{"type": "message_start", "message": object{"type": "message", "role": "assistant", "content": []any{}, "usage": m.Usage}}}
	for i, raw := range m.Content {
		var c struct {
			Type     string          `json:"type"`
			Text     string          `json:"text"`
			Thinking string          `json:"thinking"`
			Input    json.RawMessage `json:"input"`
		}
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, err
		}
		var delta object
		start := raw
		switch c.Type {
		case "text":
			delta, start = object{"type": "text_delta", "text": c.Text}, json.RawMessage(`{"type":"text","text":""}`)
		case "thinking":
			delta, start = object{"type": "thinking_delta", "thinking": c.Thinking}, json.RawMessage(`{"type":"thinking","thinking":"","signature":""}`)
		case "tool_use":
			delta = object{"type": "input_json_delta", "partial_json": string(c.Input)}
		default:
			continue
		}
		events = append(events, object{"type": "content_block_start", "index": i, "content_block": start},
			object{"type": "content_block_delta", "index": i, "delta": delta}, object{"type": "content_block_stop", "index": i})
	}
	events = append(events, object{"type": "message_delta", "delta": object{"stop_reason": m.StopReason}, "usage": m.Usage}, object{"type": "message_stop"})
	list := make([]any, len(events))
	for i, e := range events {
		list[i] = e
	}
	return wire.Events(func(i int) string { return events[i]["type"].(string) }, list...) //nolint:forcetypeassert // written above
}
