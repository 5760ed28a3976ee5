package openai

import (
	"encoding/json"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/wire"
)

// body is a request: https://platform.openai.com/docs/api-reference/chat/create
type body struct {
	Model               string         `json:"model"`
	Messages            []message      `json:"messages"`
	Tools               []tool         `json:"tools,omitempty"`
	Temperature         *float64       `json:"temperature,omitempty"`
	MaxTokens           int64          `json:"max_tokens,omitempty"`
	MaxCompletionTokens int64          `json:"max_completion_tokens,omitempty"`
	Stream              bool           `json:"stream"`
	StreamOptions       *streamOptions `json:"stream_options,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type message struct {
	Role       string     `json:"role"`
	Content    *string    `json:"content,omitempty"`
	ToolCalls  []toolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type toolCall struct {
	// Index is in chunks only.
	Index    int64    `json:"index,omitempty"`
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type tool struct {
	Type     string       `json:"type"`
	Function toolFunction `json:"function"`
}

type toolFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

func bodyOf(req *llm.Request, q quirk) *body {
	b := &body{Model: req.Model, Messages: messages(req), Stream: true}
	if !q.noStreamOptions {
		b.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	if req.Temperature != nil && !q.noTemperature {
		t := min(max(*req.Temperature, 0), 2)
		b.Temperature = &t
	}
	if q.completionTokens {
		b.MaxCompletionTokens = max(req.MaxTokens, 0)
	} else {
		b.MaxTokens = max(req.MaxTokens, 0)
	}
	for _, t := range req.Tools {
		b.Tools = append(b.Tools, tool{Type: "function", Function: toolFunction{Name: t.Name, Description: t.Description, Parameters: t.Schema}})
	}
	return b
}

func messages(req *llm.Request) []message {
	list := []message{}
	if req.System != "" {
		list = append(list, message{Role: "system", Content: &req.System})
	}
	for i := range req.Messages {
		m := &req.Messages[i]
		switch m.Role {
		case llm.User:
			list = append(list, message{Role: "user", Content: &m.Text})
		case llm.Assistant:
			said := message{Role: "assistant"}
			if m.Text != "" || len(m.Calls) == 0 {
				said.Content = &m.Text
			}
			for _, c := range m.Calls {
				said.ToolCalls = append(said.ToolCalls, toolCall{ID: c.ID, Type: "function", Function: function{Name: c.Name, Arguments: string(wire.Object(c.Arguments))}})
			}
			list = append(list, said)
		case llm.ToolRole:
			for j := range m.Results {
				list = append(list, message{Role: "tool", Content: &m.Results[j].Content, ToolCallID: m.Results[j].CallID})
			}
		}
	}
	return list
}

// chunk is one event of an answer. Fields that endpoints leave out or set to
// null are zero.
type chunk struct {
	Error   json.RawMessage `json:"error"`
	Choices []choice        `json:"choices"`
	Usage   *usage          `json:"usage"`
}

type choice struct {
	Index        int64  `json:"index"`
	Delta        delta  `json:"delta"`
	FinishReason string `json:"finish_reason"`
}

type delta struct {
	Content          string     `json:"content"`
	Refusal          string     `json:"refusal"`
	ReasoningContent string     `json:"reasoning_content"`
	Reasoning        any        `json:"reasoning"`
	ToolCalls        []toolCall `json:"tool_calls"`
}

type usage struct {
	PromptTokens        int64 `json:"prompt_tokens"`
	CompletionTokens    int64 `json:"completion_tokens"`
	PromptTokensDetails struct {
		CachedTokens int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionTokensDetails struct {
		ReasoningTokens int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}
