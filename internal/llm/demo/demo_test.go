package demo_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/demo"
)

var tools = []llm.Tool{
	{Name: "search", Description: "Finds things.\nMore.", Schema: json.RawMessage(`{"type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer"},"exact":{"type":"boolean"}},"required":["query"]}`)},
	{Name: "dashboard", Schema: json.RawMessage(`{"type":"object","properties":{"action":{"type":"string","enum":["list_views","create_view","add_widget"]},"name":{"type":["string","null"]},"widget_id":{"type":"integer"}},"required":["action"]}`)},
	{Name: "theme", Schema: json.RawMessage(`{"type":"object","properties":{"action":{"type":"string","enum":["list","activate"]},"mode":{"type":"string","enum":["light","dark"]},"name":{"type":"string"}},"required":["action"]}`)},
	{Name: "clock", Schema: json.RawMessage(`{"type":"object"}`)},
}

// Tools with one action each are named by their words.
func TestToolsOfOneAction(t *testing.T) {
	t.Parallel()
	tools := []llm.Tool{
		{Name: "dashboard_views", Schema: json.RawMessage(`{"type":"object","properties":{"view_id":{"type":"integer"}}}`)},
		{Name: "dashboard_create_view", Schema: json.RawMessage(`{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`)},
	}
	for said, want := range map[string]string{
		"views": `dashboard_views {}`, "dashboard views view_id=7": `dashboard_views {"view_id":7}`, "create view Sales 2026": `dashboard_create_view {"name":"Sales 2026"}`,
	} {
		if _, call := run(t, llm.Request{Tools: tools, Messages: []llm.Message{{Role: llm.User, Text: said}}}); call != want {
			t.Errorf("%q: %s, want %s", said, call, want)
		}
	}
}

// run gives the text, and the last call as "name arguments".
func run(t *testing.T, req llm.Request) (text, call string) {
	t.Helper()
	reason := llm.FinishReason("")
	usage := llm.Usage{}
	for e, err := range (demo.Model{}).Stream(t.Context(), req) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case llm.TextDelta:
			text += e.Text
		case llm.CallEnd:
			call = e.Call.Name + " " + string(e.Call.Arguments)
			if e.Call.ID == "" {
				t.Error("a call without an id")
			}
		case llm.UsageReport:
			usage = e.Usage
		case llm.Finish:
			reason = e.Reason
		}
	}
	if want := map[bool]llm.FinishReason{true: llm.ToolCalls, false: llm.Stop}[call != ""]; reason != want || usage.Input <= 0 || usage.Output <= 0 {
		t.Errorf("finish %q, want %q; usage %+v", reason, want, usage)
	}
	return text, call
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"search sales in May":           `search {"query":"sales in May"}`,
		"Search limit=5 exact=true x":   `search {"exact":true,"limit":5,"query":"x"}`,
		"/search a=b":                   `search {"query":"a=b"}`,
		`/search {"query":"x","y":[1]}`: `search {"query":"x","y":[1]}`,
		`/search {"query"`:              `search {"query":"{\"query\""}`,
		"views":                         `dashboard {"action":"list_views"}`,
		"list views":                    `dashboard {"action":"list_views"}`,
		"create view Sales 2026":        `dashboard {"action":"create_view","name":"Sales 2026"}`,
		"add widget widget_id=7":        `dashboard {"action":"add_widget","widget_id":7}`,
		"dashboard":                     `dashboard {"action":"list_views"}`,
		"theme dark":                    `theme {"action":"activate","mode":"dark"}`,
		"activate theme dark":           `theme {"action":"activate","mode":"dark"}`,
		"theme activate Night sky":      `theme {"action":"activate","name":"Night sky"}`,
		"themes":                        `theme {"action":"list"}`,
		"clock":                         `clock {}`,
		"/clock":                        `clock {}`,
		`/clock {"zone":"UTC"}`:         `clock {"zone":"UTC"}`,
	} {
		text, call := run(t, llm.Request{Tools: tools, Messages: []llm.Message{{Role: llm.User, Text: " " + said + "\n"}}})
		if call != want || text != "" {
			t.Errorf("%q: %s %q, want %s", said, call, text, want)
		}
	}
}

func TestWhatIsNoCommand(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"", "help", "Hello!", "What is the weather?", "/unknown", "/", "delete view", "clock now"} {
		text, call := run(t, llm.Request{Tools: tools, Messages: []llm.Message{{Role: llm.User, Text: said}}})
		if call != "" || !strings.Contains(text, "not a language model") || !strings.Contains(text, "`search <query>` – Finds things.") ||
			!strings.Contains(text, "`/dashboard action=create_view`") {
			t.Errorf("%q: %s %q", said, call, text)
		}
	}
	if text, _ := run(t, llm.Request{}); !strings.Contains(text, "no tools") {
		t.Errorf("without anything: %q", text)
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	req := llm.Request{Tools: tools, Messages: []llm.Message{
		{Role: llm.User, Text: "search x"},
		{Role: llm.Assistant, Calls: []llm.ToolCall{{ID: "1", Name: "search"}}},
		{Role: llm.ToolRole, Results: []llm.ToolResult{{CallID: "1", Content: "42 found"}, {CallID: "2", Content: "no rights", IsError: true}, {Content: strings.Repeat("é", 5000)}, {}}},
	}}
	text, call := run(t, req)
	if call != "" || !strings.Contains(text, "42 found") || !strings.Contains(text, "That did not work: no rights") || len(text) > 4500 || !strings.HasSuffix(text, "Done.") {
		t.Errorf("results: %s %.200q", call, text)
	}
}

func TestItEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	var last error
	for _, err := range (demo.Model{}).Stream(ctx, llm.Request{Tools: tools}) {
		cancel()
		n++
		last = err
	}
	cancel()
	if n != 2 || last == nil {
		t.Errorf("%d events, %v", n, last)
	}
	for range (demo.Model{}).Stream(t.Context(), llm.Request{Tools: tools}) {
		break
	}
}
