package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/page"
)

// The door for clients that speak OpenAI's protocol: /v1/chat/completions and
// /v1/models. A model is one of the caller's agents, "agent:<id or name>", and
// its tools run here. Each request is a run in a conversation of its own; what
// the client brings as history is not stored again.

// openAIError answers in the words of that protocol.
type openAIError struct {
	status        int
	kind, message string
	retry         time.Duration
}

func (e *openAIError) Error() string { return e.message }

func (e *openAIError) body() []byte {
	dst := drf.AppendString([]byte(`{"error":{"message":`), e.message)
	dst = drf.AppendString(append(dst, `,"type":`...), e.kind)
	return append(dst, `,"param":null,"code":null}}`...)
}

func badRequest(message string) error {
	return &openAIError{status: http.StatusBadRequest, kind: "invalid_request_error", message: message}
}

// openAI wraps a handler of the door: who asks, how often, which method.
func (s *Server) openAI(method string, handle func(w http.ResponseWriter, r *http.Request, who identity.Actor) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := func() error {
			principal, err := s.authenticate(r)
			if err != nil {
				return err
			}
			a, _ := principal.(*auth.Access)
			if a == nil {
				return drf.ErrNotAuthenticated
			}
			if wait, ok := s.countUser(r.Context(), a.User.ID); !ok {
				return drf.ErrThrottled(wait)
			}
			if r.Method != method {
				w.Header().Set("Allow", method)
				return drf.ErrMethodNotAllowed(r.Method)
			}
			return handle(w, r, a.Actor())
		}()
		if err != nil {
			s.failOpenAI(w, r, err)
		}
	}
}

// failOpenAI answers an error of any sort.
func (s *Server) failOpenAI(w http.ResponseWriter, r *http.Request, err error) {
	e := s.openAIErrorOf(r, err)
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", s.site.Challenge)
	}
	if e.retry > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.retry+time.Second-1)/time.Second), 10))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_, _ = w.Write(e.body())
}

func (s *Server) openAIErrorOf(r *http.Request, err error) *openAIError {
	var own *openAIError
	if errors.As(err, &own) {
		return own
	}
	var wire *drf.Error
	if !errors.As(err, &wire) {
		if f, ok := fault.As(err); ok && f.Kind != fault.Unauthenticated {
			wire = &drf.Error{Status: statusOf[f.Kind], Detail: f.Message, RetryAfter: f.RetryAfter}
		} else if mapped := s.mapError(nil, err); !errors.As(mapped, &wire) {
			wire = nil
		}
	}
	if wire == nil || wire.Status < http.StatusBadRequest {
		s.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "view", r.URL.Path, "error", err)
		wire = drf.ErrInternal
	}
	return &openAIError{status: wire.Status, kind: openAIKind(wire.Status), message: wire.Detail, retry: wire.RetryAfter}
}

func openAIKind(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusForbidden:
		return "permission_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status < http.StatusInternalServerError:
		return "invalid_request_error"
	}
	return "server_error"
}

// completionRequest is what of OpenAI's request counts here.
type completionRequest struct {
	Model    string `json:"model"`
	Messages []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	Stream        bool `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	Temperature         *float64        `json:"temperature"`
	MaxTokens           int64           `json:"max_tokens"`
	MaxCompletionTokens int64           `json:"max_completion_tokens"`
	N                   *int            `json:"n"`
	Tools               json.RawMessage `json:"tools"`
}

// completions answers POST /v1/chat/completions.
func (s *Server) completions(w http.ResponseWriter, r *http.Request, who identity.Actor) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.Options.MaxBody))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return drf.ErrBodyTooLarge(s.Options.MaxBody)
		}
		return badRequest("The request body could not be read.")
	}
	var in completionRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return badRequest("The request body is not valid: " + err.Error())
	}
	a, err := s.agentOfModel(r.Context(), who, in.Model)
	if err != nil {
		return err
	}
	prompt, err := in.prompt()
	if err != nil {
		return err
	}
	tail, err := s.Runs.Begin(r.Context(), who, a.ID, prompt)
	if err != nil {
		return err
	}
	c := &completion{s: s, r: r, tail: tail, model: in.Model, created: tail.Run().CreatedAt.Unix(), usage: in.StreamOptions.IncludeUsage}
	if in.Stream {
		return c.stream(w)
	}
	return c.whole(w)
}

// agentOfModel is the caller's agent that a model names.
func (s *Server) agentOfModel(ctx context.Context, who identity.Actor, model string) (agent.Agent, error) {
	unknown := &openAIError{status: http.StatusNotFound, kind: "invalid_request_error", message: "There is no such model. Models are your agents: agent:<id or name>."}
	name, ok := strings.CutPrefix(model, "agent:")
	if !ok || name == "" {
		return agent.Agent{}, unknown
	}
	if id, err := strconv.ParseInt(name, 10, 64); err == nil {
		a, err := s.Agents.ByID(ctx, who, id)
		if errors.Is(err, agent.ErrNotFound) {
			return a, unknown
		}
		return a, err
	}
	var found *agent.Agent
	err := s.eachAgent(ctx, who, func(a *agent.Agent) bool {
		if a.Name == name && (found == nil || a.ID < found.ID) { // of several the oldest
			found = a
		}
		return true
	})
	if err != nil {
		return agent.Agent{}, err
	}
	if found == nil {
		return agent.Agent{}, unknown
	}
	return *found, nil
}

// mostAgents bounds how many agents are looked at.
const mostAgents = 1000

// eachAgent goes through the caller's agents, the oldest first.
func (s *Server) eachAgent(ctx context.Context, who identity.Actor, each func(a *agent.Agent) bool) error {
	for n := 1; n <= mostAgents/pages.Max; n++ {
		res, err := s.Agents.List(ctx, who, page.Request{Number: n, Size: pages.Max, Ordering: []page.Order{{Field: "id"}}})
		if errors.Is(err, page.ErrInvalid) && n > 1 {
			return nil // the list ended with the page before
		}
		if err != nil {
			return err
		}
		for i := range res.Items {
			if !each(&res.Items[i]) {
				return nil
			}
		}
		if len(res.Items) < pages.Max {
			return nil
		}
	}
	return nil
}

// prompt reads the messages: the last one is what is said, those before are
// what the agent knows of, and what the system says is added to its own.
func (in *completionRequest) prompt() (agent.Prompt, error) {
	p := agent.Prompt{Unattended: true, Whole: !in.Stream, History: []llm.Message{}, Temperature: in.Temperature, MaxTokens: max(in.MaxTokens, in.MaxCompletionTokens, 0)}
	switch {
	case in.N != nil && *in.N != 1:
		return p, badRequest("n must be 1.")
	case len(in.Tools) > 0 && string(in.Tools) != "null" && string(in.Tools) != "[]":
		return p, badRequest("tools cannot be given: an agent brings its own, which run on the server.")
	case in.Temperature != nil && (*in.Temperature < 0 || *in.Temperature > 2):
		return p, badRequest("temperature must be from 0 to 2.")
	case len(in.Messages) == 0:
		return p, badRequest("messages must hold at least one message.")
	}
	var system []string
	for i, m := range in.Messages {
		text, err := contentText(m.Content)
		if err != nil {
			return p, err
		}
		last := i == len(in.Messages)-1
		switch {
		case last && (m.Role != "user" || text == ""):
			return p, badRequest("The last message must be the user's, with a text.")
		case last:
			p.Text = text
		case m.Role == "system" || m.Role == "developer":
			system = append(system, text)
		case m.Role == "user":
			p.History = append(p.History, llm.Message{Role: llm.User, Text: text})
		case m.Role == "assistant":
			p.History = append(p.History, llm.Message{Role: llm.Assistant, Text: text})
		default:
			return p, badRequest("The role of a message must be system, developer, user or assistant.")
		}
	}
	p.System = strings.Join(system, "\n\n")
	return p, nil
}

// contentText is the text of a message: a string, or the text parts of a list.
func contentText(raw json.RawMessage) (string, error) {
	var text string
	if len(raw) == 0 || json.Unmarshal(raw, &text) == nil {
		return cleanText(text), nil
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return "", badRequest("The content of a message must be a text or a list of text parts.")
	}
	var texts []string
	for _, part := range parts {
		if part.Type != "text" {
			return "", badRequest("Only parts of type text can be read.")
		}
		texts = append(texts, part.Text)
	}
	return cleanText(strings.Join(texts, "\n")), nil
}

// cleanText drops what cannot be stored. (encoding/json has made the rest valid
// UTF-8.)
func cleanText(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// completion answers one request from the log of its run.
type completion struct {
	s       *Server
	r       *http.Request
	tail    *agent.Tail
	model   string
	created int64
	usage   bool
}

// head is what every answer and chunk begins with.
func (c *completion) head(object string) []byte {
	dst := strconv.AppendInt([]byte(`{"id":"run-`), c.tail.Run().ID, 10)
	dst = drf.AppendString(append(dst, `","object":`...), object)
	dst = strconv.AppendInt(append(dst, `,"created":`...), c.created, 10)
	return drf.AppendString(append(dst, `,"model":`...), c.model)
}

func appendUsage(dst []byte, u *llm.Usage) []byte {
	if u == nil {
		return append(dst, "null"...)
	}
	dst = strconv.AppendInt(append(dst, `{"prompt_tokens":`...), u.Input, 10)
	dst = strconv.AppendInt(append(dst, `,"completion_tokens":`...), u.Output, 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), u.Input+u.Output, 10)
	return append(dst, '}')
}

// finishReason is the end in the words of that protocol.
func finishReason(e *agent.Event) string {
	switch e.Reason {
	case llm.Length:
		return "length"
	case llm.Filtered:
		return "content_filter"
	}
	return "stop"
}

// failure is the error that a failed run is.
func (c *completion) failure(f *agent.Failure) *openAIError {
	status := statusOfFailure(f)
	e := &openAIError{status: status, kind: openAIKind(status), message: failureText(f)}
	if f != nil {
		e.retry = f.RetryAfter
	}
	return e
}

func (c *completion) whole(w http.ResponseWriter) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // as in openSSE
	_ = control.SetWriteDeadline(time.Time{})
	ctx := longContext(c.r)
	log := &agent.Log{}
	err := drain(ctx, c.tail, log)
	_ = control.SetWriteDeadline(time.Now().Add(streamWrite))
	switch {
	case ctx.Err() != nil:
		return gone(err)
	case !errors.Is(err, io.EOF):
		return err
	case log.End == nil || log.End.Status == agent.Failed:
		return c.failure(endFailure(log.End))
	}
	dst := append(c.head("chat.completion"), `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	dst = append(drf.AppendString(dst, log.Text()), `,"refusal":null},"logprobs":null,"finish_reason":`...)
	dst = append(drf.AppendString(dst, finishReason(log.End)), `}],"usage":`...)
	dst = append(appendUsage(dst, log.End.Usage), '}')
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(dst) // a client that went away is not our error
	return nil
}

func endFailure(end *agent.Event) *agent.Failure {
	if end == nil {
		return nil
	}
	return end.Failure
}

// stream writes chunks. The header waits for the first part, so that a failure
// before it has its status.
func (c *completion) stream(w http.ResponseWriter) error {
	ctx := longContext(c.r)
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Time{})
	var out *sse
	open := func() *sse {
		if out == nil {
			out = openSSE(w, w.WriteHeader)
			c.delta(out, `{"role":"assistant","content":""}`, "")
		}
		return out
	}
	run := c.tail.Run()
	steps, said := 0, false
	for {
		events, err := patient(ctx, c.tail.Next, func() error {
			open().beat()
			if err := c.s.still(ctx, identity.Actor{UserID: run.UserID, SessionID: run.SessionID, KeyID: run.KeyID}, &run); err != nil {
				return err
			}
			return out.flush()
		})
		switch {
		case ctx.Err() != nil:
			return gone(err)
		case err != nil && out == nil:
			return err
		case err != nil:
			out.add(0, (&openAIError{kind: "server_error", message: "The stream was ended."}).body())
			return gone(out.flush())
		}
		for i := range events {
			e := &events[i]
			switch e.Kind {
			case agent.StepBegin:
				steps++
			case agent.TextPart:
				text := e.Text
				if said && steps > 1 {
					text = "\n\n" + text // as Log.Text parts the steps
				}
				said, steps = true, 1
				c.delta(open(), string(append(drf.AppendString([]byte(`{"content":`), text), '}')), "")
			case agent.RunEnd:
				return c.end(out, open, e)
			}
		}
		if out != nil {
			if err := out.flush(); err != nil {
				return gone(err)
			}
		}
	}
}

// end writes what follows the last part.
func (c *completion) end(out *sse, open func() *sse, e *agent.Event) error {
	if e.Status == agent.Failed {
		if out == nil {
			return c.failure(e.Failure)
		}
		out.add(0, c.failure(e.Failure).body())
	} else {
		out = open()
		c.delta(out, `{}`, finishReason(e))
		if c.usage {
			dst := append(c.head("chat.completion.chunk"), `,"choices":[],"usage":`...)
			out.add(0, append(appendUsage(dst, e.Usage), '}'))
		}
	}
	out.add(0, []byte("[DONE]"))
	return gone(out.flush())
}

func (c *completion) delta(out *sse, delta, finish string) {
	dst := append(append(c.head("chat.completion.chunk"), `,"choices":[{"index":0,"delta":`...), delta...)
	dst = append(dst, `,"logprobs":null,"finish_reason":`...)
	if finish == "" {
		dst = append(dst, "null"...)
	} else {
		dst = drf.AppendString(dst, finish)
	}
	dst = append(dst, `}]`...)
	if c.usage {
		dst = append(dst, `,"usage":null`...)
	}
	out.add(0, append(dst, '}'))
}

// listModels answers GET /v1/models with the caller's agents that may chat.
func (s *Server) listModels(w http.ResponseWriter, r *http.Request, who identity.Actor) error {
	dst := []byte(`{"object":"list","data":[`)
	first := true
	err := s.eachAgent(r.Context(), who, func(a *agent.Agent) bool {
		if a.Status != agent.DefaultStatus {
			return true
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = drf.AppendString(append(dst, `{"id":`...), "agent:"+strconv.FormatInt(a.ID, 10))
		dst = strconv.AppendInt(append(dst, `,"object":"model","created":`...), a.CreatedAt.Unix(), 10)
		dst = drf.AppendString(append(dst, `,"owned_by":"bdash","name":`...), a.Name)
		dst = append(dst, '}')
		return true
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(dst, "]}"...))
	return nil
}
