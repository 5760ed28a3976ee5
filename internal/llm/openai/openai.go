// Package openai drives every endpoint that speaks OpenAI's chat completions:
// OpenAI, Ollama, vLLM, llama.cpp, LiteLLM and many more.
//
// Endpoints differ in what they accept. Where one refuses a parameter by name
// it is asked again without it, or with the one that replaced it, and that is
// remembered for the model; nothing has been said by then.
package openai

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/wire"
)

// Options of an endpoint.
type Options struct {
	// Provider names the endpoint in errors.
	Provider string
	// BaseURL ends in front of "/chat/completions", usually with "/v1".
	BaseURL string
	// Key is sent as Bearer; "" sends none, as local servers want it.
	Key string
	// Transport carries requests; nil makes one.
	Transport http.RoundTripper
}

// Model is an endpoint. Safe for concurrent use.
type Model struct {
	provider string
	url      string
	header   http.Header
	client   *http.Client

	mu     sync.Mutex
	quirks map[string]quirk // by model
}

var _ llm.Model = (*Model)(nil)

// quirk is what a model turned out not to take.
type quirk struct{ noTemperature, completionTokens, noStreamOptions bool }

// maxQuirks bounds what is remembered: model names come from users.
const maxQuirks = 1000

// New makes an endpoint; nothing is asked of it yet.
func New(o Options) *Model {
	m := &Model{
		provider: o.Provider, url: strings.TrimSuffix(o.BaseURL, "/") + "/chat/completions", header: http.Header{}, quirks: map[string]quirk{},
		client: wire.Client(wire.Options{Provider: o.Provider, Secret: o.Key, Whole: whole, Transport: o.Transport}),
	}
	if o.Key != "" {
		m.header.Set("Authorization", "Bearer "+o.Key)
	}
	return m
}

// Stream implements llm.Model.
func (m *Model) Stream(ctx context.Context, req llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for {
			q := m.quirk(req.Model)
			a := &answer{yield: yield, calls: map[int64]*call{}}
			err := m.read(ctx, bodyOf(&req, q), a)
			if err == nil || a.stopped {
				return
			}
			if !a.began && m.learn(req.Model, q, err) {
				continue
			}
			yield(llm.Event{}, err)
			return
		}
	}
}

func (m *Model) read(ctx context.Context, b *body, a *answer) error {
	stream, err := wire.Post(ctx, m.client, m.provider, m.url, m.header, b)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	err = wire.Read(stream, func(e wire.Event) (bool, error) {
		if strings.HasPrefix(string(e.Data), "[DONE]") {
			return false, nil
		}
		var c chunk
		if err := json.Unmarshal(e.Data, &c); err != nil {
			return false, err
		}
		if len(c.Error) > 0 && string(c.Error) != "null" {
			return false, wire.ParseFailure(e.Data).Error(m.provider, 0)
		}
		a.chunk(&c)
		return !a.stopped, nil
	})
	switch {
	case a.stopped:
		return nil
	case ctx.Err() != nil, a.reason == "" && err != nil:
		return wire.StreamError(ctx, m.provider, err)
	case a.reason == "":
		return wire.Cut(m.provider)
	}
	// The answer is whole, whatever came instead of usage and [DONE].
	a.finish()
	return nil
}

func (m *Model) quirk(model string) quirk {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.quirks[model]
}

// learn tells whether the error is worth another try, without what the model
// does not take.
func (m *Model) learn(model string, q quirk, err error) bool {
	var e *llm.Error
	if !errors.As(err, &e) || e.Kind != llm.Refused || e.Status/100 != 4 {
		return false
	}
	before, message := q, strings.ToLower(e.Message)
	if !mentionsAny(message, "support", "not allowed", "unknown", "unrecognized", "extra", "not permitted", "deprecated", "unexpected") {
		return false
	}
	switch {
	case strings.Contains(message, "temperature"):
		q.noTemperature = true
	case strings.Contains(message, "max_tokens"):
		q.completionTokens = true
	case strings.Contains(message, "stream_options"):
		q.noStreamOptions = true
	}
	if q == before {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.quirks) >= maxQuirks {
		clear(m.quirks)
	}
	m.quirks[model] = q
	return true
}

func mentionsAny(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

// whole makes one chunk of a completion that was not streamed: message becomes
// delta.
func whole(body []byte) ([]byte, error) {
	var completion map[string]any
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	if err := dec.Decode(&completion); err != nil {
		return nil, err
	}
	choices, _ := completion["choices"].([]any)
	if len(choices) == 0 && completion["error"] == nil {
		return nil, errors.New("no choices")
	}
	for _, c := range choices {
		choice, ok := c.(map[string]any)
		if !ok {
			return nil, errors.New("a choice is no object")
		}
		message, _ := choice["message"].(map[string]any)
		if message == nil {
			return nil, errors.New("a choice without a message")
		}
		calls, _ := message["tool_calls"].([]any)
		for i, c := range calls {
			if call, ok := c.(map[string]any); ok {
				call["index"] = i
			}
		}
		choice["delta"] = message
		delete(choice, "message")
	}
	completion["object"] = "chat.completion.chunk"
	return wire.Events(func(int) string { return "" }, completion)
}
