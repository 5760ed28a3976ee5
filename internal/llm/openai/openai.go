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

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/shared"

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
	client   sdk.Client

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
	client := wire.Client(wire.Options{Provider: o.Provider, Secret: o.Key, Whole: whole, Transport: o.Transport})
	opts := []option.RequestOption{
		option.WithBaseURL(strings.TrimSuffix(o.BaseURL, "/") + "/"), option.WithHTTPClient(client), option.WithMaxRetries(0),
		option.WithHeader("User-Agent", "bdash"),
	}
	if o.Key != "" {
		opts = append(opts, option.WithAPIKey(o.Key))
	}
	// Not NewClient: that would read OPENAI_ variables of the process.
	return &Model{
		provider: o.Provider, quirks: map[string]quirk{},
		client: sdk.Client{Options: opts, Chat: sdk.NewChatService(opts...)},
	}
}

// Stream implements llm.Model.
func (m *Model) Stream(ctx context.Context, req llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for {
			q := m.quirk(req.Model)
			p, err := params(&req, q)
			if err != nil {
				yield(llm.Event{}, &llm.Error{Kind: llm.Refused, Provider: m.provider, Message: "a tool's schema is no object", Err: err})
				return
			}
			stream := m.client.Chat.Completions.NewStreaming(ctx, p)
			a := &answer{yield: yield, calls: map[int64]*call{}}
			err = m.read(ctx, stream, a)
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

func (m *Model) read(ctx context.Context, stream *ssestream.Stream[sdk.ChatCompletionChunk], a *answer) error {
	defer func() { _ = stream.Close() }()
	for stream.Next() {
		chunk := stream.Current()
		a.chunk(&chunk)
		if a.stopped {
			return nil
		}
	}
	err := stream.Err()
	var said *ssestream.StreamError
	switch {
	case ctx.Err() != nil:
		return wire.StreamError(ctx, m.provider, err)
	case a.reason == "" && errors.As(err, &said):
		return wire.ParseFailure(said.Event.Data).Error(m.provider, 0)
	case a.reason == "" && err != nil:
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

func params(req *llm.Request, q quirk) (sdk.ChatCompletionNewParams, error) {
	p := sdk.ChatCompletionNewParams{Model: req.Model, Messages: messages(req)}
	if !q.noStreamOptions {
		p.StreamOptions = sdk.ChatCompletionStreamOptionsParam{IncludeUsage: param.NewOpt(true)}
	}
	if req.Temperature != nil && !q.noTemperature {
		p.Temperature = param.NewOpt(min(max(*req.Temperature, 0), 2))
	}
	switch {
	case req.MaxTokens <= 0:
	case q.completionTokens:
		p.MaxCompletionTokens = param.NewOpt(req.MaxTokens)
	default:
		p.MaxTokens = param.NewOpt(req.MaxTokens)
	}
	for _, t := range req.Tools {
		f := shared.FunctionDefinitionParam{Name: t.Name}
		if t.Description != "" {
			f.Description = param.NewOpt(t.Description)
		}
		if len(t.Schema) > 0 {
			if err := json.Unmarshal(t.Schema, &f.Parameters); err != nil {
				return p, err
			}
		}
		p.Tools = append(p.Tools, sdk.ChatCompletionFunctionTool(f))
	}
	return p, nil
}

func messages(req *llm.Request) []sdk.ChatCompletionMessageParamUnion {
	var list []sdk.ChatCompletionMessageParamUnion
	if req.System != "" {
		list = append(list, sdk.SystemMessage(req.System))
	}
	for _, msg := range req.Messages {
		switch msg.Role {
		case llm.User:
			list = append(list, sdk.UserMessage(msg.Text))
		case llm.Assistant:
			list = append(list, assistant(msg))
		case llm.ToolRole:
			for _, r := range msg.Results {
				list = append(list, sdk.ToolMessage(r.Content, r.CallID))
			}
		}
	}
	return list
}

func assistant(msg llm.Message) sdk.ChatCompletionMessageParamUnion {
	a := sdk.ChatCompletionAssistantMessageParam{}
	if msg.Text != "" || len(msg.Calls) == 0 {
		a.Content.OfString = param.NewOpt(msg.Text)
	}
	for _, c := range msg.Calls {
		a.ToolCalls = append(a.ToolCalls, sdk.ChatCompletionMessageToolCallUnionParam{
			OfFunction: &sdk.ChatCompletionMessageFunctionToolCallParam{
				ID: c.ID, Function: sdk.ChatCompletionMessageFunctionToolCallFunctionParam{Name: c.Name, Arguments: string(wire.Object(c.Arguments))},
			},
		})
	}
	return sdk.ChatCompletionMessageParamUnion{OfAssistant: &a}
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
