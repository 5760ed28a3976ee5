// Package fault is the vocabulary in which rooms say what went wrong.
//
// A room returns an *Error (or wraps one); an adapter turns its Kind into a
// status and its Code into the words of its dialect. Message is safe for the
// user, Err is for the log only: the two texts never mix. Whatever is not an
// *Error is a fault of the server itself and says nothing to the user.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind groups faults by what the caller can do about them.
type Kind uint8

// The kinds, with the status that an HTTP dialect usually gives them.
const (
	Internal        Kind = iota // 500: ours; says nothing more
	Invalid                     // 400: the input breaks a rule
	Unauthenticated             // 401: who is asking is unknown
	Forbidden                   // 403: known, but not allowed
	NotFound                    // 404: missing, or somebody else's
	Conflict                    // 409: the state does not allow it now
	TooLarge                    // 413: the input is larger than the limit
	Throttled                   // 429: too many requests; RetryAfter says when
	Unavailable                 // 503: a part that is needed is away
	PaymentRequired             // 402: the budget does not pay for it
	Precondition                // 412: the state that the caller started from is not there
)

// Error is one fault. Errors declared as package values are compared with
// errors.Is; With and friends return copies that still match the original.
type Error struct {
	Kind Kind
	// Code is stable and machine-readable: "theme.name_taken".
	Code string
	// Message is safe to show to the user.
	Message string
	// Fields names the input fields at fault, in the order of the input.
	Fields []Field
	// RetryAfter is how long to wait (Throttled, Unavailable); 0 is unknown.
	RetryAfter time.Duration
	// Err is the cause, for the log only. May be nil.
	Err error
}

// Field is one input field at fault. Name is the name in the domain
// ("name", "colors"); adapters map it to their own if it differs.
type Field struct {
	Name    string
	Code    string
	Message string
}

// New makes a fault without a cause.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Fields makes an Invalid fault that names the fields.
func Fields(fields ...Field) *Error {
	return &Error{Kind: Invalid, Code: "invalid", Message: "Invalid input.", Fields: fields}
}

// Error implements error: code, message and cause. It is for logs.
func (e *Error) Error() string {
	text := e.Code
	if text == "" {
		text = e.Message
	}
	for _, f := range e.Fields {
		text += fmt.Sprintf("; %s: %s", f.Name, f.Code)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is a fault of the same code, so that a copy made
// by Because or After matches the declared value.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Kind == e.Kind
}

// Because returns a copy of e that carries the cause for the log.
func (e *Error) Because(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

// After returns a copy of e that tells when to try again.
func (e *Error) After(wait time.Duration) *Error {
	c := *e
	c.RetryAfter = wait
	return &c
}

// As finds the *Error in err's chain. ok is false for faults of the server.
func As(err error) (e *Error, ok bool) {
	ok = errors.As(err, &e)
	return e, ok
}

// KindOf is the kind of err: Internal for anything that is not an *Error.
func KindOf(err error) Kind {
	if e, ok := As(err); ok {
		return e.Kind
	}
	return Internal
}
