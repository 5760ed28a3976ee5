// Package llm is a provider-neutral vocabulary for language models: messages,
// tools, and the events of an answer as it is written.
//
// A Model streams. What a provider sends is translated into these words by one
// package per vendor below this one; nothing above it knows a vendor. A stream
// yields text and tool calls as they come, at most one Usage, and as its last
// event exactly one Finish, or ends with an *Error.
package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"
)

// Role is who said a message.
type Role string

// The roles. What the system says stands in Request.System.
const (
	User      Role = "user"
	Assistant Role = "assistant"
	// ToolRole carries the results of calls, one or more in a message.
	ToolRole Role = "tool"
)

// Message is one turn of a conversation. Text and Calls belong to Assistant,
// Text to User, Results to ToolRole.
type Message struct {
	Role    Role
	Text    string
	Calls   []ToolCall
	Results []ToolResult
}

// ToolCall is a call that the model asks for.
type ToolCall struct {
	// ID ties the result to the call; unique within a conversation.
	ID   string
	Name string
	// Arguments is what the model wrote: meant to be a JSON object that matches
	// the tool's schema, and checked by nobody yet.
	Arguments json.RawMessage
}

// ToolResult answers a call.
type ToolResult struct {
	CallID  string
	Content string
	// IsError: the tool failed, and Content says how.
	IsError bool
}

// Tool is what the model may call.
type Tool struct {
	Name        string
	Description string
	// Schema is the JSON Schema of the arguments: an object.
	Schema json.RawMessage
}

// Request is one call of a model.
type Request struct {
	// Model is the provider's own name of the model, without our prefix.
	Model    string
	System   string
	Messages []Message
	Tools    []Tool
	// Temperature is left to the provider when nil.
	Temperature *float64
	// MaxTokens bounds the output; 0 leaves it to the provider.
	MaxTokens int64
}

// EventKind says which fields of an Event count.
type EventKind uint8

// The events of a stream.
const (
	// TextDelta appends Text to the answer.
	TextDelta EventKind = iota + 1
	// ReasoningDelta appends Text to the thoughts that the provider shows.
	ReasoningDelta
	// CallStart opens the call Call.ID with Call.Name; Arguments are empty.
	CallStart
	// CallDelta appends Text to the arguments of the call Call.ID.
	CallDelta
	// CallEnd closes the call; Call is complete.
	CallEnd
	// UsageReport carries Usage, cumulative for the request.
	UsageReport
	// Finish carries Reason. It is the last event.
	Finish
)

// Event is one step of an answer.
type Event struct {
	Kind   EventKind
	Text   string
	Call   ToolCall
	Usage  Usage
	Reason FinishReason
}

// FinishReason is why a model stopped.
type FinishReason string

// The reasons.
const (
	Stop      FinishReason = "stop"
	Length    FinishReason = "length"     // MaxTokens or the context is used up
	ToolCalls FinishReason = "tool-calls" // it waits for results
	Filtered  FinishReason = "content-filter"
	Other     FinishReason = "other"
)

// Usage counts tokens. Cached is part of Input, Reasoning part of Output.
type Usage struct {
	Input, Output, Cached, Reasoning int64
	// Estimated: counted here, because the provider gave none.
	Estimated bool
	// Model is what answered, named as an agent names it; "" is what was asked
	// for. A fallback makes the two differ, and the price with them.
	Model string
}

// Model answers requests. Safe for concurrent use. Stopping the iteration or
// ending ctx ends the request to the provider; the error is then ctx's.
type Model interface {
	Stream(ctx context.Context, req Request) iter.Seq2[Event, error]
}

// ErrorKind is what a caller can do about a failed call.
type ErrorKind uint8

// The kinds.
const (
	Unreachable    ErrorKind = iota + 1 // no connection, or the breaker is open
	Timeout                             // no answer in time
	RateLimited                         // the provider said 429
	ContextTooLong                      // the request does not fit the model
	Refused                             // bad request, key or model: asking again is useless
	Broken                              // the provider failed, or its answer is no answer
)

// Error is a failed call. Its Error text is for the log; it holds no key.
type Error struct {
	Kind     ErrorKind
	Provider string
	// Status is the HTTP status, 0 if there was no answer.
	Status int
	// RetryAfter is what the provider asked for; 0 is unknown.
	RetryAfter time.Duration
	// Message is the provider's own text, cut to 500 bytes; it may be shown to
	// administrators, not to users.
	Message string
	Err     error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("llm %s: status %d: %s", e.Provider, e.Status, e.Message)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }
