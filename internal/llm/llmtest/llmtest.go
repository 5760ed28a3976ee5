// Package llmtest is the suite that every provider of language models passes.
//
// Replay plays the exchanges in a folder, written after the vendors' own
// documentation of their formats and the habits of servers that copy them: each file holds what is asked, what
// an endpoint answers byte for byte, and the events that come of it. Faults
// holds providers to what no file can show: streams that are cut, stall, never
// end or are no stream.
package llmtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/bdash/bdash/internal/llm"
)

var update = flag.Bool("update", false, "write what came of the exchanges into their files")

// Key is the key that New is to use; no error may repeat it.
const Key = "sk-secret-key-of-the-test"

// New makes a provider named "test" on the endpoint at url.
type New func(url string) llm.Model

// Required are the exchanges that every vendor's folder must hold.
var Required = []string{
	"stream", "whole", "tools", "parallel-calls", "conversation", "length", "refused", "unauthorized", "rate-limited",
	"context-too-long", "overloaded", "error-in-stream", "cut",
}

// Replay plays every exchange of the folder. A file has a comment that says
// what it guards, and sections:
//
//	request.json   the body that the endpoint must get (written by -update)
//	response       status line, headers, an empty line, and the body
//	events         what the provider yields (written by -update)
//
// The comment may hold lines "ask: <name of a request>" and "cut", which closes
// the connection after the body instead of ending it.
func Replay(t *testing.T, dir string, provider New) {
	t.Helper()
	for _, name := range Required {
		if _, err := os.Stat(filepath.Join(dir, name+".txtar")); err != nil {
			t.Errorf("the exchange %s is missing", name)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			replay(t, file, provider)
		})
	}
}

func replay(t *testing.T, file string, provider New) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string][]byte{}
	for _, f := range archive.Files {
		sections[f.Name] = f.Data
	}
	ask, cut := "plain", false
	for line := range strings.Lines(string(archive.Comment)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "ask: "); ok {
			ask = name
		}
		cut = cut || strings.TrimSpace(line) == "cut"
	}
	req, ok := Requests()[ask]
	if !ok {
		t.Fatalf("there is no request %q", ask)
	}
	var got []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		answer(t, w, sections["response"], cut)
	}))
	defer server.Close()
	events := Collect(t.Context(), provider(server.URL), req)
	var asked bytes.Buffer
	if err := json.Indent(&asked, got, "", "  "); err != nil {
		t.Fatalf("the body is no JSON: %v\n%s", err, got)
	}
	asked.WriteByte('\n')
	if *update {
		write(t, file, archive, map[string][]byte{"request.json": asked.Bytes(), "events": []byte(events)})
		return
	}
	if diff := cmp.Diff(string(sections["request.json"]), asked.String()); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(string(sections["events"]), events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// answer writes a response as it stands in a file.
func answer(t *testing.T, w http.ResponseWriter, raw []byte, cut bool) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(raw))), nil)
	if err != nil {
		t.Errorf("response: %v", err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, res.Body)
	if cut {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func write(t *testing.T, file string, archive *txtar.Archive, sections map[string][]byte) {
	t.Helper()
	for _, name := range []string{"request.json", "events"} {
		found := false
		for i := range archive.Files {
			if archive.Files[i].Name == name {
				archive.Files[i].Data, found = sections[name], true
			}
		}
		if !found {
			archive.Files = append(archive.Files, txtar.File{Name: name, Data: sections[name]})
		}
	}
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil { //nolint:gosec // test data
		t.Fatal(err)
	}
}

// Requests are what exchanges ask, by name.
func Requests() map[string]llm.Request {
	temperature := 0.7
	tools := []llm.Tool{
		{Name: "search", Description: "Finds things.", Schema: json.RawMessage(`{"type":"object","properties":{"query":{"type":"string"}},"required":["query"],"additionalProperties":false}`)},
		{Name: "views", Schema: json.RawMessage(`{"type":"object"}`)},
	}
	hello := []llm.Message{{Role: llm.User, Text: "Hello ✓"}}
	return map[string]llm.Request{
		"plain": {Model: "model-1", System: "Be brief.", Messages: hello, Temperature: &temperature, MaxTokens: 100},
		"bare":  {Model: "model-1", Messages: hello},
		"tools": {Model: "model-1", Messages: hello, Tools: tools, MaxTokens: 100},
		"conversation": {Model: "model-1", System: "Be brief.", Tools: tools, MaxTokens: 100, Messages: []llm.Message{
			{Role: llm.User, Text: "What sold?"},
			{Role: llm.Assistant, Text: "I look.", Calls: []llm.ToolCall{
				{ID: "c1", Name: "search", Arguments: json.RawMessage(`{"query":"sales"}`)},
				{ID: "c2", Name: "views", Arguments: json.RawMessage(`not json`)},
			}},
			{Role: llm.ToolRole, Results: []llm.ToolResult{{CallID: "c1", Content: "42"}, {CallID: "c2", Content: "", IsError: true}}},
			{Role: llm.Assistant, Calls: []llm.ToolCall{{ID: "c3", Name: "views"}}},
			{Role: llm.ToolRole, Results: []llm.ToolResult{{CallID: "c3", Content: "none"}}},
			{Role: llm.User, Text: "And?"},
		}},
	}
}

// Collect writes the events of an answer, one a line, and its error.
func Collect(ctx context.Context, m llm.Model, req llm.Request) string {
	var b strings.Builder
	for e, err := range m.Stream(ctx, req) {
		if err != nil {
			b.WriteString(errorLine(err))
			continue
		}
		b.WriteString(Line(e))
	}
	return b.String()
}

// Line is an event as exchanges write it, with a line break.
func Line(e llm.Event) string {
	switch e.Kind {
	case llm.TextDelta:
		return fmt.Sprintf("text %q\n", e.Text)
	case llm.ReasoningDelta:
		return fmt.Sprintf("reasoning %q\n", e.Text)
	case llm.CallStart:
		return fmt.Sprintf("call-start %s %s\n", id(e.Call.ID), e.Call.Name)
	case llm.CallDelta:
		return fmt.Sprintf("call-delta %s %q\n", id(e.Call.ID), e.Text)
	case llm.CallEnd:
		return fmt.Sprintf("call-end %s %s %s\n", id(e.Call.ID), e.Call.Name, e.Call.Arguments)
	case llm.UsageReport:
		line := fmt.Sprintf("usage input=%d cached=%d output=%d reasoning=%d", e.Usage.Input, e.Usage.Cached, e.Usage.Output, e.Usage.Reasoning)
		if e.Usage.Estimated {
			line += " estimated"
		}
		return line + "\n"
	case llm.Finish:
		return fmt.Sprintf("finish %s\n", e.Reason)
	}
	return fmt.Sprintf("unknown event %d\n", e.Kind)
}

// id hides what was made up here.
func id(s string) string {
	if strings.HasPrefix(s, "call_") && len(s) == len("call_")+26 {
		return "call_(made)"
	}
	return s
}

var kinds = map[llm.ErrorKind]string{
	llm.Unreachable: "unreachable", llm.Timeout: "timeout", llm.RateLimited: "rate-limited",
	llm.ContextTooLong: "context-too-long", llm.Refused: "refused", llm.Broken: "broken",
}

func errorLine(err error) string {
	var e *llm.Error
	if !errors.As(err, &e) {
		return fmt.Sprintf("error %v\n", err)
	}
	line := fmt.Sprintf("error %s provider=%s status=%d %q", kinds[e.Kind], e.Provider, e.Status, e.Message)
	if e.RetryAfter > 0 {
		line += fmt.Sprintf(" retry-after=%v", e.RetryAfter)
	}
	return line + "\n"
}
