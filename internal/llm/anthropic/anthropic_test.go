package anthropic_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/anthropic"
	"github.com/bdash/bdash/internal/llm/llmtest"
)

func provider(url string) llm.Model {
	return anthropic.New(anthropic.Options{Provider: "test", BaseURL: url, Key: llmtest.Key})
}

func TestReplay(t *testing.T) {
	t.Parallel()
	llmtest.Replay(t, "testdata", provider)
}

const stream = `event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"usage":{"input_tokens":5,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t1","name":"search","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"query\":\"x\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":7}}

event: message_stop
data: {"type":"message_stop"}

`

func TestFaults(t *testing.T) { //nolint:paralleltest // looks for goroutines left over
	llmtest.Faults(t, provider, stream)
}

// A model that takes no temperature is asked again without, and remembered.
func TestNoTemperature(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		if r.URL.Path != "/v1/messages" || r.Header.Get("X-Api-Key") != llmtest.Key || r.Header.Get("Anthropic-Version") == "" {
			t.Errorf("asked %s with %v", r.URL.Path, r.Header)
		}
		if body["temperature"] != nil {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"type":"error","error":{"type":"invalid_request_error","message":"`+"`temperature`"+` is deprecated for this model."}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, stream)
	}))
	defer server.Close()
	m := provider(server.URL + "/v1/")
	for range 2 {
		if got := llmtest.Collect(t.Context(), m, llmtest.Requests()["plain"]); !strings.Contains(got, "finish tool-calls") {
			t.Errorf("got %s", got)
		}
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times, want 3", asked.Load())
	}
}
