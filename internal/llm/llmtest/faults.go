package llmtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bdash/bdash/internal/llm"
)

// waitAtMost bounds every wait of the suite.
const waitAtMost = 30 * time.Second

// Faults holds a provider to the rules of llm.Model on endpoints that
// misbehave. stream is a whole answer of the vendor, as an event stream, which
// begins with text.
func Faults(t *testing.T, provider New, stream string) {
	t.Helper()
	f := faults{provider: provider, stream: stream}
	t.Run("every cut ends in one error", f.cuts)
	t.Run("a dribble is an answer", f.dribble)
	t.Run("no answer", f.noAnswer)
	t.Run("too much", f.tooMuch)
	t.Run("the reader stops", f.readerStops)
	t.Run("the context ends", f.contextEnds)
	t.Run("no redirects", f.redirect)
	t.Run("nobody is there", f.nobody)
	t.Run("many at once", f.many)
	goleak.VerifyNone(t, goleak.IgnoreTopFunction("testing.(*T).Run"), goleak.IgnoreTopFunction("testing.(*testState).waitParallel"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

type faults struct {
	provider New
	stream   string
}

// ask plays the handler and gives what came of it.
func (f faults) ask(t *testing.T, ctx context.Context, h http.HandlerFunc) (events []llm.Event, last error) { //nolint:revive // t goes first in tests
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	defer server.CloseClientConnections()
	ctx, cancel := context.WithTimeout(ctx, waitAtMost)
	defer cancel()
	for e, err := range f.provider(server.URL).Stream(ctx, Requests()["tools"]) {
		if last != nil {
			t.Errorf("there is more after the error %v: %+v, %v", last, e, err)
		}
		if last = err; err == nil {
			events = append(events, e)
		}
	}
	if n := len(events); last == nil && (n == 0 || events[n-1].Kind != llm.Finish) {
		t.Error("the answer ends with neither an error nor a finish")
	}
	var e *llm.Error
	if errors.As(last, &e) && strings.Contains(e.Error()+e.Message, Key) {
		t.Errorf("the error holds the key: %v", e)
	}
	return events, last
}

func wantKind(t *testing.T, what string, err error, want llm.ErrorKind) {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) || e.Kind != want || e.Provider != "test" {
		t.Errorf("%s: %v, want an error that says %s", what, err, kinds[want])
	}
}

func sse(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
}

// cuts the stream after every line, both with a clean end and with a reset.
func (f faults) cuts(t *testing.T) {
	lines := strings.SplitAfter(f.stream, "\n")
	for _, abort := range []bool{false, true} {
		finished := false
		for n := range lines {
			events, err := f.ask(t, t.Context(), func(w http.ResponseWriter, _ *http.Request) {
				sse(w)
				_, _ = io.WriteString(w, strings.Join(lines[:n], ""))
				_ = http.NewResponseController(w).Flush()
				if abort {
					panic(http.ErrAbortHandler)
				}
			})
			switch {
			case err != nil && finished:
				t.Errorf("cut after %d lines: %v, and fewer were enough", n, err)
			case err != nil:
				wantKind(t, "cut", err, llm.Broken)
			default:
				finished = true
			}
			for _, e := range events {
				if e.Kind == llm.CallEnd && err != nil && !bytes.HasSuffix(e.Call.Arguments, []byte("}")) {
					t.Errorf("cut after %d lines: half a call is complete: %s", n, e.Call.Arguments)
				}
			}
		}
		if !finished {
			t.Error("the whole stream is no answer")
		}
	}
}

func (f faults) dribble(t *testing.T) {
	events, err := f.ask(t, t.Context(), func(w http.ResponseWriter, _ *http.Request) {
		sse(w)
		for i := range len(f.stream) {
			_, _ = io.WriteString(w, f.stream[i:i+1])
			_ = http.NewResponseController(w).Flush()
		}
	})
	if err != nil || len(events) < 2 {
		t.Errorf("byte by byte: %d events, %v", len(events), err)
	}
}

func (f faults) noAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		contentType, body string
		status            int
		want              llm.ErrorKind
	}{
		"nothing":              {"text/event-stream", "", 200, llm.Broken},
		"a page":               {"text/html", "<html>" + Key, 200, llm.Broken},
		"invalid JSON":         {"application/json", "{", 200, llm.Broken},
		"other JSON":           {"application/json", `{"hello":1}`, 200, llm.Broken},
		"a list":               {"application/json", `[]`, 200, llm.Broken},
		"invalid JSON events":  {"text/event-stream", "event: message_start\ndata: {\n\n", 200, llm.Broken},
		"a 500 without a body": {"", "", 500, llm.Broken},
		"a 503 with a page":    {"text/html", "<html>" + Key, 503, llm.Broken},
		"a 504":                {"text/plain", "late", 504, llm.Timeout},
		"a 401 that repeats":   {"application/json", `{"error":{"message":"bad key ` + Key + `"}}`, 401, llm.Refused},
		"a 404 in other words": {"application/json", `{"error":"model not found"}`, 404, llm.Refused},
		"a 400 with numbers":   {"application/json", `{"error":{"message":5,"code":400}}`, 400, llm.Refused},
		"a 413":                {"application/json", `{"detail":"Input is too long for the context window."}`, 413, llm.ContextTooLong},
		"no quota":             {"application/json", `{"error":{"message":"pay","code":"insufficient_quota"}}`, 429, llm.Refused},
	} {
		_, err := f.ask(t, t.Context(), func(w http.ResponseWriter, _ *http.Request) {
			if test.contentType != "" {
				w.Header().Set("Content-Type", test.contentType)
			}
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, test.body)
		})
		wantKind(t, name, err, test.want)
	}
}

// tooMuch: 100 MB and more, in every shape.
func (f faults) tooMuch(t *testing.T) {
	chunk := strings.Repeat("x", 1<<20)
	for name, test := range map[string]struct {
		contentType, begin, repeat string
		status                     int
	}{
		"a whole answer": {"application/json", `{"x":"`, chunk, 200},
		"one line":       {"text/event-stream", "data: ", chunk, 200},
		"many lines":     {"text/event-stream", "", strings.Repeat(": "+strings.Repeat("x", 1022)+"\n", 1024), 200},
		"an error":       {"application/json", `{"error":"`, chunk, 500},
	} {
		_, err := f.ask(t, t.Context(), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", test.contentType)
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, test.begin)
			for range 110 {
				if _, err := io.WriteString(w, test.repeat); err != nil {
					return
				}
			}
		})
		wantKind(t, name, err, llm.Broken)
	}
}

// stalling says the beginning of the stream and then nothing until the client
// is gone.
func (f faults) stalling(gone chan<- struct{}) http.HandlerFunc {
	begin, _, _ := strings.Cut(f.stream, "\n\n")
	second, _, _ := strings.Cut(f.stream[len(begin)+2:], "\n\n")
	third, _, _ := strings.Cut(f.stream[len(begin)+len(second)+4:], "\n\n")
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client goes
		sse(w)
		_, _ = io.WriteString(w, begin+"\n\n"+second+"\n\n"+third+"\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	}
}

func waitGone(t *testing.T, gone <-chan struct{}) {
	t.Helper()
	select {
	case <-gone:
	case <-time.After(waitAtMost):
		t.Error("the request to the provider does not end")
	}
}

func (f faults) readerStops(t *testing.T) {
	gone := make(chan struct{})
	server := httptest.NewServer(f.stalling(gone))
	defer server.Close()
	for _, err := range f.provider(server.URL).Stream(t.Context(), Requests()["tools"]) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	waitGone(t, gone)
}

func (f faults) contextEnds(t *testing.T) {
	gone := make(chan struct{})
	server := httptest.NewServer(f.stalling(gone))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for e, err := range f.provider(server.URL).Stream(ctx, Requests()["tools"]) {
		if last = err; err == nil && e.Kind == llm.TextDelta {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("cancelled: %v", last)
	}
	waitGone(t, gone)
	var n int
	for _, err := range f.provider(server.URL).Stream(ctx, Requests()["tools"]) {
		if n++; !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
	}
	if n != 1 {
		t.Errorf("with a context that has ended: %d events", n)
	}
}

func (f faults) redirect(t *testing.T) {
	var mu sync.Mutex
	leaked := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		leaked = true
	}))
	defer other.Close()
	_, err := f.ask(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	wantKind(t, "a redirect", err, llm.Refused)
	mu.Lock()
	defer mu.Unlock()
	if leaked {
		t.Error("the request followed a redirect")
	}
}

func (f faults) nobody(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	url := server.URL
	server.Close()
	for _, err := range f.provider(url).Stream(t.Context(), Requests()["tools"]) {
		wantKind(t, "nobody listens", err, llm.Unreachable)
	}
}

func (f faults) many(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sse(w)
		_, _ = io.WriteString(w, f.stream)
	}))
	defer server.Close()
	m := f.provider(server.URL)
	want := Collect(t.Context(), m, Requests()["tools"])
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got := Collect(t.Context(), m, Requests()["tools"]); got != want {
				t.Errorf("one of many: %s, want %s", got, want)
			}
		})
	}
	wg.Wait()
}
