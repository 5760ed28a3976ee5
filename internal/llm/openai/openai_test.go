package openai_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/llmtest"
	"github.com/bdash/bdash/internal/llm/openai"
)

func provider(url string) llm.Model {
	return openai.New(openai.Options{Provider: "test", BaseURL: url + "/v1", Key: llmtest.Key})
}

func TestReplay(t *testing.T) {
	t.Parallel()
	llmtest.Replay(t, "testdata", provider)
}

const stream = `data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}

data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" you"},"finish_reason":null}]}

data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"search","arguments":"{\"query\":\"x"}}]},"finish_reason":null}]}

data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"}"}}]},"finish_reason":null}]}

data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: {"id":"1","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}

data: [DONE]

`

func TestFaults(t *testing.T) { //nolint:paralleltest // looks for goroutines left over
	llmtest.Faults(t, provider, stream)
}

// A model that does not take a parameter is asked again without it, and not
// asked with it any more.
func TestParametersThatAModelDoesNotTake(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		asked = append(asked, body)
		if r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer "+llmtest.Key {
			t.Errorf("asked %s with %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		refuse := func(message string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error"}})
		}
		switch {
		case body["max_tokens"] != nil:
			refuse("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.")
		case body["temperature"] != nil:
			refuse("Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.")
		default:
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, stream)
		}
	}))
	defer server.Close()
	m := provider(server.URL)
	for range 2 {
		if got := llmtest.Collect(t.Context(), m, llmtest.Requests()["plain"]); !strings.Contains(got, "finish tool-calls") {
			t.Errorf("got %s", got)
		}
	}
	if len(asked) != 4 || asked[3]["max_completion_tokens"] != 100.0 || asked[3]["temperature"] != nil {
		t.Errorf("asked %d times, last with %v", len(asked), asked[len(asked)-1])
	}
}

// Local servers get no Authorization header, whatever the environment says.
func TestNoKey(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-of-the-process")
	t.Setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := r.Header["Authorization"]; ok {
			t.Errorf("Authorization: %v", h)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, stream)
	}))
	defer server.Close()
	m := openai.New(openai.Options{Provider: "test", BaseURL: server.URL + "/v1/"})
	if got := llmtest.Collect(t.Context(), m, llmtest.Requests()["bare"]); !strings.Contains(got, "finish") {
		t.Errorf("got %s", got)
	}
}
