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

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/param"
	"github.com/anthropics/anthropic-sdk-go/packages/ssestream"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/wire"
)

// DefaultBaseURL is Anthropic's own endpoint.
const DefaultBaseURL = "https://api.anthropic.com"

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
	messages sdk.MessageService

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
	client := wire.Client(wire.Options{Provider: o.Provider, Secret: o.Key, Whole: whole, Transport: o.Transport})
	return &Model{
		provider: o.Provider, plain: map[string]bool{},
		// Not NewClient: that would read ANTHROPIC_ variables and files.
		messages: sdk.NewMessageService(
			option.WithBaseURL(strings.TrimSuffix(strings.TrimSuffix(o.BaseURL, "/"), "/v1")+"/"), option.WithHTTPClient(client),
			option.WithAPIKey(o.Key), option.WithMaxRetries(0), option.WithHeader("User-Agent", "bdash"),
		),
	}
}

// Stream implements llm.Model.
func (m *Model) Stream(ctx context.Context, req llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for {
			m.mu.Lock()
			plain := m.plain[req.Model]
			m.mu.Unlock()
			p, err := params(&req, plain)
			if err != nil {
				yield(llm.Event{}, &llm.Error{Kind: llm.Refused, Provider: m.provider, Message: "a tool's schema is no object", Err: err})
				return
			}
			a := &answer{yield: yield, blocks: map[int64]*block{}}
			err = m.read(ctx, m.messages.NewStreaming(ctx, p), a)
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

func (m *Model) read(ctx context.Context, stream *ssestream.Stream[sdk.MessageStreamEventUnion], a *answer) error {
	if stream.Err() == nil {
		defer func() { _ = stream.Close() }()
	}
	for stream.Err() == nil && stream.Next() {
		event := stream.Current()
		a.event(&event)
		if a.stopped || a.finished {
			return nil
		}
	}
	err := stream.Err()
	var said *sdk.Error
	var known *llm.Error
	switch {
	case err == nil && ctx.Err() == nil:
		return wire.Cut(m.provider)
	case ctx.Err() == nil && !errors.As(err, &known) && errors.As(err, &said):
		return wire.ParseFailure([]byte(said.RawJSON())).Error(m.provider, 0) // within the stream
	}
	return wire.StreamError(ctx, m.provider, err)
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

func params(req *llm.Request, plain bool) (sdk.MessageNewParams, error) {
	p := sdk.MessageNewParams{Model: req.Model, MaxTokens: req.MaxTokens, Messages: messages(req)}
	if p.MaxTokens <= 0 {
		p.MaxTokens = defaultMaxTokens
	}
	if strings.TrimSpace(req.System) != "" {
		p.System = []sdk.TextBlockParam{{Text: req.System}}
	}
	if req.Temperature != nil && !plain {
		p.Temperature = param.NewOpt(min(max(*req.Temperature, 0), 1))
	}
	for _, t := range req.Tools {
		tool := sdk.ToolParam{Name: t.Name}
		if t.Description != "" {
			tool.Description = param.NewOpt(t.Description)
		}
		if len(t.Schema) > 0 {
			if !json.Valid(t.Schema) {
				return p, errors.New(t.Name)
			}
			// As it is: what changes from call to call is cached by nobody.
			tool.InputSchema = param.Override[sdk.ToolInputSchemaParam](t.Schema)
		}
		p.Tools = append(p.Tools, sdk.ToolUnionParam{OfTool: &tool})
	}
	return p, nil
}

// messages leaves out empty texts, which the API refuses, and puts what one
// side says in a row into one message.
func messages(req *llm.Request) []sdk.MessageParam {
	var list []sdk.MessageParam
	add := func(role sdk.MessageParamRole, blocks ...sdk.ContentBlockParamUnion) {
		switch n := len(list); {
		case len(blocks) == 0:
		case n > 0 && list[n-1].Role == role:
			list[n-1].Content = append(list[n-1].Content, blocks...)
		default:
			list = append(list, sdk.MessageParam{Role: role, Content: blocks})
		}
	}
	for _, msg := range req.Messages {
		var blocks []sdk.ContentBlockParamUnion
		role := sdk.MessageParamRoleUser
		if strings.TrimSpace(msg.Text) != "" && msg.Role != llm.ToolRole {
			blocks = append(blocks, sdk.NewTextBlock(msg.Text))
		}
		switch msg.Role {
		case llm.Assistant:
			role = sdk.MessageParamRoleAssistant
			for _, c := range msg.Calls {
				blocks = append(blocks, sdk.NewToolUseBlock(c.ID, wire.Object(c.Arguments), c.Name))
			}
		case llm.ToolRole:
			for _, r := range msg.Results {
				text := r.Content
				if strings.TrimSpace(text) == "" {
					text = "(nothing)"
				}
				blocks = append(blocks, sdk.NewToolResultBlock(r.CallID, text, r.IsError))
			}
		}
		add(role, blocks...)
	}
	return list
}
