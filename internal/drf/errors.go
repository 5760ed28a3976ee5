package drf

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is an answer other than success, as Django REST Framework words it:
// {"detail": Detail}, with Code and Extra members after it when they are set.
type Error struct {
	Status int
	Detail string
	// Code becomes a "code" member when not empty.
	Code string
	// Body replaces the whole body when not nil; it must be JSON.
	Body []byte
	// Extra is JSON text of further members ("messages":[…]), without braces.
	Extra string
	// RetryAfter is sent in whole seconds, rounded up, when positive.
	RetryAfter time.Duration
	// Err is the cause, for the log only.
	Err error
}

func (e *Error) Error() string {
	text := strconv.Itoa(e.Status) + " " + e.Detail
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errors that the framework itself answers, with DRF's texts.
var (
	ErrNotAuthenticated = &Error{Status: http.StatusUnauthorized, Detail: "Authentication credentials were not provided."}
	ErrPermissionDenied = &Error{Status: http.StatusForbidden, Detail: "You do not have permission to perform this action."}
	ErrNotFound         = &Error{Status: http.StatusNotFound, Detail: "Not found."}
	ErrInvalidPage      = &Error{Status: http.StatusNotFound, Detail: "Invalid page."}
	ErrNotAcceptable    = &Error{Status: http.StatusNotAcceptable, Detail: "Could not satisfy the request Accept header."}
	ErrInternal         = &Error{Status: http.StatusInternalServerError, Detail: "A server error occurred."}
)

// ErrMethodNotAllowed is the answer to a method that the view does not have.
func ErrMethodNotAllowed(method string) *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Detail: `Method "` + method + `" not allowed.`}
}

// ErrUnsupportedMediaType is the answer to a body in a format that no parser reads.
func ErrUnsupportedMediaType(mediaType string) *Error {
	return &Error{Status: http.StatusUnsupportedMediaType, Detail: `Unsupported media type "` + mediaType + `" in request.`}
}

// ErrBodyTooLarge is the answer to a body over the limit, in bytes.
func ErrBodyTooLarge(limit int64) *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Detail: "The request body is larger than " + strconv.FormatInt(limit, 10) + " bytes."}
}

// ErrThrottled is the answer to one request too many; wait is rounded up to
// whole seconds, as in DRF's Throttled.
func ErrThrottled(wait time.Duration) *Error {
	seconds := int(math.Ceil(wait.Seconds()))
	unit := " seconds."
	if seconds == 1 {
		unit = " second."
	}
	return &Error{
		Status:     http.StatusTooManyRequests,
		Detail:     "Request was throttled. Expected available in " + strconv.Itoa(seconds) + unit,
		RetryAfter: time.Duration(seconds) * time.Second,
	}
}

// ErrParse is the answer to a body that cannot be read.
func ErrParse(detail string) *Error {
	return &Error{Status: http.StatusBadRequest, Detail: detail}
}

// NonField is the member under which errors about the input as a whole stand.
const NonField = "non_field_errors"

// FieldErrors is a 400 answer that names fields: {"name": ["…"], …}, in the
// order in which they were added. The zero value is ready to use.
type FieldErrors struct {
	names    []string
	messages [][]string
}

// Invalid is a FieldErrors with one field.
func Invalid(name string, messages ...string) *FieldErrors {
	e := &FieldErrors{}
	e.Add(name, messages...)
	return e
}

// Add appends messages to the field's list.
func (e *FieldErrors) Add(name string, messages ...string) {
	for i, n := range e.names {
		if n == name {
			e.messages[i] = append(e.messages[i], messages...)
			return
		}
	}
	e.names = append(e.names, name)
	e.messages = append(e.messages, messages)
}

// Empty reports whether no error was added.
func (e *FieldErrors) Empty() bool { return len(e.names) == 0 }

func (e *FieldErrors) Error() string {
	var b strings.Builder
	b.WriteString("invalid input")
	for i, n := range e.names {
		b.WriteString("; " + n + ": " + strings.Join(e.messages[i], " "))
	}
	return b.String()
}

// AppendJSON writes the body.
func (e *FieldErrors) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, n := range e.names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, n)
		dst = append(dst, ':', '[')
		for j, m := range e.messages[i] {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, m)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func (e *Error) json() []byte {
	if e.Body != nil {
		return e.Body
	}
	dst := []byte(`{"detail":`)
	dst = AppendString(dst, e.Detail)
	if e.Code != "" {
		dst = append(dst, `,"code":`...)
		dst = AppendString(dst, e.Code)
	}
	if e.Extra != "" {
		dst = append(dst, ',')
		dst = append(dst, e.Extra...)
	}
	return append(dst, '}')
}

// answerOf finds the answer that err stands for: nil when it is none of the
// framework's own errors.
func answerOf(err error) (status int, body []byte, e *Error) {
	var fields *FieldErrors
	if errors.As(err, &fields) {
		return http.StatusBadRequest, fields.AppendJSON(nil), nil
	}
	if errors.As(err, &e) {
		return e.Status, e.json(), e
	}
	return 0, nil, nil
}

// Merge adds the other's errors after these.
func (e *FieldErrors) Merge(other *FieldErrors) {
	for i, name := range other.names {
		e.Add(name, other.messages[i]...)
	}
}

// Write answers with the error outside of a view.
func (e *Error) Write(w http.ResponseWriter) {
	h := w.Header()
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	h["Content-Type"] = jsonType
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.json())
}
