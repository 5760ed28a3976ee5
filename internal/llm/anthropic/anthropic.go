// Package anthropic drives Anthropic's Messages API.
package anthropic

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"strings"
	"sync"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/wire"
)

// DefaultBaseURL is Anthropic's own endpoint.
const DefaultBaseURL = "https://api.anthropic.com"

// apiVersion is the format: https://docs.claude.com/en/api/versioning
const apiVersion = "2023-06-01"

// defaultMaxTokens is asked for when the request has no bound: the API wants
// one.
const defaultMaxTokens = 4096

// Options of an endpoint.
type Options struct {
	// Provider names the endpoint in errors.
	Provider string
	// BaseURL ends in front of "/v1/messages"; "" is DefaultBaseURL.
	BaseURL string
	Key     string
	// Transport carries requests; nil makes one.
	Transport http.RoundTripper
}

// Model is an endpoint. Safe for concurrent use.
type Model struct {
	provider string
	url      string
	header   http.Header
	client   *http.Client

	mu sync.Mutex
	// plain are models that turned out to take no temperature.
	plain map[string]bool
}

var _ llm.Model = (*Model)(nil)

// maxPlain bounds what is remembered: model names come from users.
const maxPlain = 1000

// New makes an endpoint; nothing is asked of it yet.
func New(o Options) *Model {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	m := &Model{
		provider: o.Provider, url: strings.TrimSuffix(strings.TrimSuffix(o.BaseURL, "/"), "/v1") + "/v1/messages",
		header: http.Header{}, plain: map[string]bool{},
		client: wire.Client(wire.Options{Provider: o.Provider, Secret: o.Key, Whole: whole, Transport: o.Transport}),
	}
	m.header.Set("Anthropic-Version", apiVersion)
	if o.Key != "" {
		m.header.Set("X-Api-Key", o.Key)
	}
	return m
}

// Stream implements llm.Model.
func (m *Model) Stream(ctx context.Context, req llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for {
			m.mu.Lock()
			plain := m.plain[req.Model]
			m.mu.Unlock()
			a := &answer{yield: yield, blocks: map[int64]*call{}}
			err := m.read(ctx, bodyOf(&req, plain), a)
			if err == nil || a.stopped {
				return
			}
			if !a.began && !plain && m.learn(&req, err) {
				continue
			}
			a.partial()
			if !a.stopped {
				yield(llm.Event{}, err)
			}
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
	err = wire.Read(stream, func(raw wire.Event) (bool, error) {
		var e event
		if err := json.Unmarshal(raw.Data, &e); err != nil {
			return false, err
		}
		if e.Type == "error" {
			return false, wire.ParseFailure(raw.Data).Error(m.provider, 0)
		}
		a.event(&e)
		return !a.stopped && !a.finished, nil
	})
	switch {
	case a.stopped, a.finished:
		return nil
	case err != nil, ctx.Err() != nil:
		return wire.StreamError(ctx, m.provider, err)
	}
	return wire.Cut(m.provider)
}

// learn tells whether to ask again without a temperature.
func (m *Model) learn(req *llm.Request, err error) bool {
	var e *llm.Error
	if req.Temperature == nil || !errors.As(err, &e) || e.Kind != llm.Refused || e.Status != http.StatusBadRequest ||
		!strings.Contains(e.Message, "temperature") {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.plain) >= maxPlain {
		clear(m.plain)
	}
	m.plain[req.Model] = true
	return true
}
