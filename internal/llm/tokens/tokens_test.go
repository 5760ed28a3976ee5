package tokens_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/tokens"
)

const prose = "The quarterly report shows that sales in the northern region grew by 12.5 % while returns fell; see the table below for details. "

func TestCount(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want int64
	}{
		{"", 0},
		{"hello world", 2},
		{"tiktoken is great!", 6},
		{strings.Repeat("hello world ", 100), 201},
	}
	for _, test := range tests {
		if got := tokens.Count(test.text); got != test.want {
			t.Errorf("Count(%.30q) = %d, want %d", test.text, got, test.want)
		}
	}
}

// Long texts without a space, and of any bytes, are counted in no time.
func TestCountOfAnything(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("a", 200_000), strings.Repeat("日本", 50_000), strings.Repeat("\xff", 100_000), strings.Repeat("é", 3000), strings.Repeat(" ", 100_000)} {
		if n := tokens.Count(text); n <= 0 || n > int64(len(text)) {
			t.Errorf("Count of %d bytes %.10q = %d", len(text), text, n)
		}
	}
}

// What budgets hold back is not less than what is counted.
func TestEstimateIsRatherTooMany(t *testing.T) {
	t.Parallel()
	schema := json.RawMessage(`{"type":"object","properties":{"query":{"type":"string","description":"What to look for."},"limit":{"type":"integer","minimum":1}},"required":["query"]}`)
	for name, text := range map[string]string{
		"English": strings.Repeat(prose, 20), "German": strings.Repeat("Die Geschäftsführung bestätigt die außergewöhnlichen Umsätze. ", 20),
		"Chinese": strings.Repeat("季度报告显示北方地区的销售额增长。", 20), "JSON": strings.Repeat(`{"id":12345,"name":"sales","values":[1.5,2.25,3]},`, 20),
		"Hindi": strings.Repeat("तिमाही रिपोर्ट से पता चलता है", 20), "emoji": strings.Repeat("🙂🚀", 50), "empty": "",
	} {
		req := llm.Request{
			System: text, Tools: []llm.Tool{{Name: "search", Description: text, Schema: schema}},
			Messages: []llm.Message{
				{Role: llm.User, Text: text},
				{Role: llm.Assistant, Calls: []llm.ToolCall{{ID: "1", Name: "search", Arguments: json.RawMessage(`{"query":"x"}`)}}},
				{Role: llm.ToolRole, Results: []llm.ToolResult{{CallID: "1", Content: text}}},
			},
		}
		if estimate, count := tokens.Estimate(&req), tokens.CountRequest(&req); estimate < count || estimate > 5*count {
			t.Errorf("%s: estimated %d, counted %d", name, estimate, count)
		}
	}
}

func BenchmarkEstimate(b *testing.B) {
	req := llm.Request{System: strings.Repeat(prose, 800)} // 100 KB
	for b.Loop() {
		tokens.Estimate(&req)
	}
}

func BenchmarkCount(b *testing.B) {
	text := strings.Repeat(prose, 80) // 10 KB
	tokens.Count(text)
	for b.Loop() {
		tokens.Count(text)
	}
}
