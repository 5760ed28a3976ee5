package openai

import (
	"crypto/rand"
	"encoding/json"
	"slices"

	"github.com/bdash/bdash/internal/llm"
)

// answer turns chunks into events.
type answer struct {
	yield   func(llm.Event, error) bool
	stopped bool // the reader wants no more
	began   bool // something was said

	calls map[int64]*call // open ones, by the provider's index
	order []*call

	reason llm.FinishReason // "" until the provider gave one
	usage  *llm.Usage
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

func (a *answer) chunk(c *chunk) {
	// Providers may send usage after the final chunk, or a running count with
	// each: the last one counts.
	if c.Usage != nil {
		a.usage = &llm.Usage{
			Input: c.Usage.PromptTokens, Output: c.Usage.CompletionTokens,
			Cached: c.Usage.PromptTokensDetails.CachedTokens, Reasoning: c.Usage.CompletionTokensDetails.ReasoningTokens,
		}
	}
	for i := range c.Choices {
		choice := &c.Choices[i]
		if choice.Index != 0 || a.reason != "" { // never asked for; said too late
			continue
		}
		a.delta(&choice.Delta)
		if choice.FinishReason != "" {
			a.reason = reasonOf(choice.FinishReason)
		}
	}
}

func (a *answer) delta(d *delta) {
	// vLLM and DeepSeek say reasoning_content, Ollama and OpenRouter reasoning.
	thought := d.ReasoningContent
	if text, ok := d.Reasoning.(string); ok && thought == "" {
		thought = text
	}
	if thought != "" {
		a.emit(llm.Event{Kind: llm.ReasoningDelta, Text: thought})
	}
	for _, text := range []string{d.Content, d.Refusal} {
		if text != "" {
			a.emit(llm.Event{Kind: llm.TextDelta, Text: text})
		}
	}
	for i := range d.ToolCalls {
		a.toolCall(&d.ToolCalls[i])
	}
}

func (a *answer) toolCall(t *toolCall) {
	c := a.calls[t.Index]
	// Some endpoints give every call the index 0, and tell them apart by id.
	if c == nil || t.ID != "" && t.ID != c.ID && t.Function.Name != "" {
		if t.Function.Name == "" {
			return // arguments of nothing
		}
		c = &call{ToolCall: llm.ToolCall{ID: t.ID, Name: t.Function.Name}}
		if c.ID == "" || slices.ContainsFunc(a.order, func(o *call) bool { return o.ID == c.ID }) {
			c.ID = "call_" + rand.Text()
		}
		a.calls[t.Index] = c
		a.order = append(a.order, c)
		a.emit(llm.Event{Kind: llm.CallStart, Call: llm.ToolCall{ID: c.ID, Name: c.Name}})
	}
	if t.Function.Arguments != "" {
		c.arguments = append(c.arguments, t.Function.Arguments...)
		a.emit(llm.Event{Kind: llm.CallDelta, Text: t.Function.Arguments, Call: llm.ToolCall{ID: c.ID}})
	}
}

// finish closes the calls and ends the answer.
func (a *answer) finish() {
	for _, c := range a.order {
		c.Arguments = c.arguments
		if len(c.Arguments) == 0 {
			c.Arguments = json.RawMessage(`{}`)
		}
		a.emit(llm.Event{Kind: llm.CallEnd, Call: c.ToolCall})
	}
	if a.usage != nil {
		a.emit(llm.Event{Kind: llm.UsageReport, Usage: *a.usage})
	}
	if len(a.order) > 0 && a.reason == llm.Stop {
		a.reason = llm.ToolCalls // llama.cpp and others say "stop"
	}
	a.emit(llm.Event{Kind: llm.Finish, Reason: a.reason})
}

func reasonOf(reason string) llm.FinishReason {
	switch reason {
	case "stop":
		return llm.Stop
	case "length":
		return llm.Length
	case "tool_calls", "function_call":
		return llm.ToolCalls
	case "content_filter":
		return llm.Filtered
	}
	return llm.Other
}
