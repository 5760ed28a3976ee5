package anthropic

import (
	"encoding/json"
	"strings"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/wire"
)

// body is a request: https://docs.claude.com/en/api/messages
type body struct {
	Model       string    `json:"model"`
	MaxTokens   int64     `json:"max_tokens"`
	System      []block   `json:"system,omitempty"`
	Messages    []message `json:"messages"`
	Tools       []tool    `json:"tools,omitempty"`
	Temperature *float64  `json:"temperature,omitempty"`
	Stream      bool      `json:"stream"`
}

type message struct {
	Role    string  `json:"role"`
	Content []block `json:"content"`
}

// block is a part of a message; what is set depends on its type.
type block struct {
	Type      string          `json:"type"`
	Text      string          `json:"text,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
	ToolUseID string          `json:"tool_use_id,omitempty"`
	Content   []block         `json:"content,omitempty"`
	IsError   bool            `json:"is_error,omitempty"`
}

type tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	InputSchema json.RawMessage `json:"input_schema"`
}

func textBlock(s string) block { return block{Type: "text", Text: s} }

func bodyOf(req *llm.Request, plain bool) *body {
	b := &body{Model: req.Model, MaxTokens: req.MaxTokens, Messages: messages(req), Stream: true}
	if b.MaxTokens <= 0 {
		b.MaxTokens = defaultMaxTokens
	}
	if strings.TrimSpace(req.System) != "" {
		b.System = []block{textBlock(req.System)}
	}
	if req.Temperature != nil && !plain {
		t := min(max(*req.Temperature, 0), 1)
		b.Temperature = &t
	}
	for _, t := range req.Tools {
		schema := t.Schema
		if len(schema) == 0 {
			schema = json.RawMessage(`{"type":"object"}`)
		}
		b.Tools = append(b.Tools, tool{Name: t.Name, Description: t.Description, InputSchema: schema})
	}
	return b
}

// messages leaves out empty texts, which the API refuses, and puts what one
// side says in a row into one message.
func messages(req *llm.Request) []message {
	list := []message{}
	for i := range req.Messages {
		m := &req.Messages[i]
		role, blocks := "user", []block(nil)
		if m.Role == llm.Assistant {
			role = "assistant"
		}
		if m.Role != llm.ToolRole && strings.TrimSpace(m.Text) != "" {
			blocks = append(blocks, textBlock(m.Text))
		}
		for _, c := range m.Calls {
			blocks = append(blocks, block{Type: "tool_use", ID: c.ID, Name: c.Name, Input: wire.Object(c.Arguments)})
		}
		for _, r := range m.Results {
			text := r.Content
			if strings.TrimSpace(text) == "" {
				text = "(nothing)"
			}
			blocks = append(blocks, block{Type: "tool_result", ToolUseID: r.CallID, Content: []block{textBlock(text)}, IsError: r.IsError})
		}
		switch n := len(list); {
		case len(blocks) == 0:
		case n > 0 && list[n-1].Role == role:
			list[n-1].Content = append(list[n-1].Content, blocks...)
		default:
			list = append(list, message{Role: role, Content: blocks})
		}
	}
	return list
}

// event is one event of an answer; what is set depends on its type.
type event struct {
	Type         string                `json:"type"`
	Index        int64                 `json:"index"`
	Message      struct{ Usage usage } `json:"message"`
	ContentBlock block                 `json:"content_block"`
	Delta        delta                 `json:"delta"`
	Usage        usage                 `json:"usage"`
}

type delta struct {
	Type        string `json:"type"`
	Text        string `json:"text"`
	Thinking    string `json:"thinking"`
	PartialJSON string `json:"partial_json"`
	StopReason  string `json:"stop_reason"`
}

type usage struct {
	InputTokens              *int64 `json:"input_tokens"`
	CacheCreationInputTokens int64  `json:"cache_creation_input_tokens"`
	CacheReadInputTokens     int64  `json:"cache_read_input_tokens"`
	OutputTokens             int64  `json:"output_tokens"`
	OutputTokensDetails      struct {
		ThinkingTokens int64 `json:"thinking_tokens"`
	} `json:"output_tokens_details"`
}

// input is all of it: the API counts what it kept apart.
func (u *usage) input() int64 {
	if u.InputTokens == nil {
		return 0
	}
	return *u.InputTokens + u.CacheReadInputTokens + u.CacheCreationInputTokens
}
