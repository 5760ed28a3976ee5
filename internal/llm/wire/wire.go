// Package wire is what the vendors' packages share: an HTTP client that answers
// failures as *llm.Error, takes a whole answer for a stream, reads no more than
// a bounded amount of either, and takes streams apart.
package wire

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bdash/bdash/internal/llm"
)

// Bounds of what is read. An answer of a hundred thousand tokens has a few
// hundred kilobytes of text and about 20 MB as a stream of single tokens.
const (
	maxStream = 64 << 20
	maxLine   = 2 << 20
	maxWhole  = 8 << 20
	maxError  = 64 << 10
)

// Time limits of a connection; the answer's own are the router's.
const (
	dialTimeout = 10 * time.Second
	tlsTimeout  = 10 * time.Second
)

// Options of a client.
type Options struct {
	// Provider names the endpoint in errors.
	Provider string
	// Secret is masked wherever a provider repeats it.
	Secret string
	// Whole turns an answer that is one JSON object into the text of an event
	// stream with the same meaning.
	Whole func(body []byte) ([]byte, error)
	// Transport is what carries requests; nil makes one.
	Transport http.RoundTripper
}

// Client makes a client for one endpoint. It follows no redirects: a header
// with a key must not go elsewhere.
func Client(o Options) *http.Client {
	if o.Transport == nil {
		o.Transport = NewTransport()
	}
	return &http.Client{
		Transport:     &transport{o},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// NewTransport makes a transport for model providers: as many connections as
// there are streams, a few kept for the next one.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSHandshakeTimeout: tlsTimeout,
		ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second,
		ReadBufferSize: 8 << 10, WriteBufferSize: 8 << 10, MaxResponseHeaderBytes: 64 << 10,
	}
}

type transport struct{ Options }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.Transport.RoundTrip(r)
	if err != nil {
		if r.Context().Err() != nil {
			return nil, err
		}
		return nil, &llm.Error{Kind: llm.Unreachable, Provider: t.Provider, Err: err}
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		defer func() { _ = res.Body.Close() }()
		return nil, t.refusal(res)
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case kind == "text/event-stream", kind == "":
		res.Body = &bounded{rc: res.Body, left: maxStream}
		return res, nil
	case kind == "application/json" && t.Whole != nil:
		defer func() { _ = res.Body.Close() }()
		return t.whole(res)
	}
	_ = res.Body.Close()
	return nil, &llm.Error{Kind: llm.Broken, Provider: t.Provider, Status: res.StatusCode, Message: "answered with " + cut(kind, 100)}
}

// whole makes a stream of an answer that came in one piece: some endpoints do
// not stream, or not with tools.
func (t *transport) whole(res *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxWhole+1))
	broken := func(message string, err error) (*http.Response, error) {
		return nil, &llm.Error{Kind: llm.Broken, Provider: t.Provider, Status: res.StatusCode, Message: message, Err: err}
	}
	switch {
	case err != nil:
		return broken("the answer ends early", err)
	case len(body) > maxWhole:
		return broken("the answer is too large", nil)
	case !json.Valid(body):
		return broken("the answer is not JSON", nil)
	}
	stream, err := t.Whole(body)
	if err != nil {
		return broken("the answer is no answer", err)
	}
	res.Body = io.NopCloser(bytes.NewReader(stream))
	res.Header.Set("Content-Type", "text/event-stream")
	res.ContentLength = int64(len(stream))
	return res, nil
}

// refusal reads what a provider says with a status that is no success.
func (t *transport) refusal(res *http.Response) *llm.Error {
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxError)) // half an explanation is better than none
	said := ParseFailure(body)
	e := said.Error(t.Provider, res.StatusCode)
	e.RetryAfter = retryAfter(res.Header, time.Now())
	e.Message = t.clean(e.Message)
	return e
}

// clean masks the key and cuts the text to what Error.Message may hold.
func (t *transport) clean(s string) string {
	if len(t.Secret) >= 4 {
		s = strings.ReplaceAll(s, t.Secret, "***")
	}
	return cut(s, 500)
}

func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	s = s[:most]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

// Failure is what a provider's error object says.
type Failure struct{ Message, Type, Code, Param string }

// ParseFailure understands the shapes in use: {"error": {"message", "type",
// "code", "param"}}, {"error": "text"}, {"message"}, {"detail"}, or plain text.
func ParseFailure(body []byte) Failure {
	var outer struct {
		Error   json.RawMessage `json:"error"`
		Message any             `json:"message"`
		Detail  any             `json:"detail"`
		Type    any             `json:"type"`
		Code    any             `json:"code"`
	}
	if json.Unmarshal(body, &outer) != nil {
		return Failure{Message: string(bytes.TrimSpace(body))}
	}
	var inner struct {
		Message any `json:"message"`
		Type    any `json:"type"`
		Code    any `json:"code"`
		Param   any `json:"param"`
	}
	if json.Unmarshal(outer.Error, &inner) == nil && len(outer.Error) > 0 {
		return Failure{Message: text(inner.Message), Type: text(inner.Type), Code: text(inner.Code), Param: text(inner.Param)}
	}
	var plain string
	_ = json.Unmarshal(outer.Error, &plain) // "" if it is something else again
	return Failure{Message: cmp.Or(plain, text(outer.Message), text(outer.Detail)), Type: text(outer.Type), Code: text(outer.Code)}
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	b, _ := json.Marshal(v) //nolint:errchkjson // it came from JSON
	return string(b)
}

// tooLong are words with which endpoints say that a request does not fit; only
// OpenAI has a code for it.
var tooLong = []string{
	"maximum context length", "context length", "context window", "context size", "prompt is too long", "too many tokens",
	"input is too long", "exceed context limit", "exceeds the available context",
}

// Error says what a caller can do about the failure. status is 0 for one that
// came within a stream.
func (f Failure) Error(provider string, status int) *llm.Error {
	e := &llm.Error{Kind: llm.Refused, Provider: provider, Status: status, Message: cut(f.Message, 500)}
	kind := f.Type + " " + f.Code
	said := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(kind, w) {
				return true
			}
		}
		return false
	}
	switch {
	case said("insufficient_quota", "billing"): // 429, and waiting does not help
	case status == http.StatusTooManyRequests, said("rate_limit"):
		e.Kind = llm.RateLimited
	case said("context_length_exceeded"), status/100 == 4 && mentions(f.Message, tooLong), status == 0 && mentions(f.Message, tooLong):
		e.Kind = llm.ContextTooLong
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout, said("timeout"):
		e.Kind = llm.Timeout
	case status >= 500, said("overloaded", "server_error", "api_error"), status == 0 && !said("invalid_request", "authentication", "permission", "not_found"):
		e.Kind = llm.Broken
	}
	return e
}

func mentions(s string, words []string) bool {
	s = strings.ToLower(s)
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// maxRetryAfter bounds what a provider may ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads Retry-After-Ms, and Retry-After in both of its forms; 0 is
// unknown.
func retryAfter(h http.Header, now time.Time) time.Duration {
	read := func(name string, unit time.Duration) time.Duration {
		n, err := strconv.ParseFloat(h.Get(name), 64)
		if err != nil || math.IsNaN(n) || n <= 0 {
			return 0
		}
		return time.Duration(min(n*float64(unit), float64(maxRetryAfter)))
	}
	if d := cmp.Or(read("Retry-After-Ms", time.Millisecond), read("Retry-After", time.Second)); d > 0 {
		return d
	}
	if at, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

var errTooLarge = errors.New("the stream is too large")

// bounded ends a stream that goes on for ever, or has a line that does: what
// decodes it keeps a line in memory.
type bounded struct {
	rc   io.ReadCloser
	left int64
	line int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.rc.Read(p)
	b.left -= int64(n)
	if end := bytes.LastIndexByte(p[:n], '\n'); end >= 0 {
		b.line = int64(n - end - 1)
	} else {
		b.line += int64(n)
	}
	if b.left < 0 || b.line > maxLine {
		return 0, errTooLarge
	}
	return n, err
}

// Close implements io.Closer.
func (b *bounded) Close() error { return b.rc.Close() }

// StreamError is what to return for err, which ended a stream: the context's
// own error when that ended, an *llm.Error otherwise.
func StreamError(ctx context.Context, provider string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var known *llm.Error
	if errors.As(err, &known) {
		return known
	}
	return &llm.Error{Kind: llm.Broken, Provider: provider, Err: err, Message: "the stream is broken"}
}

// Cut is the error of a stream that ended before the answer did.
func Cut(provider string) error {
	return &llm.Error{Kind: llm.Broken, Provider: provider, Message: "the stream ended before the answer did", Err: io.ErrUnexpectedEOF}
}

// Events writes objects as the text of an event stream; name gives the type of
// each, "" for none.
func Events(name func(i int) string, objects ...any) ([]byte, error) {
	var b bytes.Buffer
	for i, o := range objects {
		data, err := json.Marshal(o)
		if err != nil {
			return nil, err
		}
		if n := name(i); n != "" {
			fmt.Fprintf(&b, "event: %s\n", n)
		}
		fmt.Fprintf(&b, "data: %s\n\n", data)
	}
	return b.Bytes(), nil
}

// Object is what a model wrote as arguments if that is a JSON object, and
// otherwise an object that holds the text: endpoints read the arguments of
// earlier calls and refuse what is none.
func Object(arguments json.RawMessage) json.RawMessage {
	trimmed := bytes.TrimSpace(arguments)
	switch {
	case len(trimmed) == 0:
		return json.RawMessage(`{}`)
	case trimmed[0] == '{' && json.Valid(trimmed):
		return json.RawMessage(trimmed)
	}
	wrapped, _ := json.Marshal(map[string]string{"not_an_object": string(arguments)}) //nolint:errchkjson // a string
	return wrapped
}
