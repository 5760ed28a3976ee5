package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// event is one server-sent event.
type event struct {
	id   int
	data string
}

// stream is an open stream of events.
type stream struct {
	resp  *http.Response
	lines *bufio.Scanner
}

// openStream sends a request that is answered by a stream.
func openStream(t *testing.T, s *apptest.Server, token, method, path, body string, header ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "text/event-stream")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = resp.Body.Close()
	})
	return &stream{resp: resp, lines: bufio.NewScanner(resp.Body)}
}

// next is the next event; ok is false at the end of the stream.
func (s *stream) next(t *testing.T) (e event, ok bool) {
	t.Helper()
	for s.lines.Scan() {
		line := s.lines.Text()
		switch {
		case line == "" && e.data != "":
			return e, true
		case strings.HasPrefix(line, "id: "):
			e.id, _ = strconv.Atoi(line[4:])
		case strings.HasPrefix(line, "data: "):
			e.data = line[6:]
		}
	}
	return e, false
}

// rest is everything up to the end, which must be [DONE].
func (s *stream) rest(t *testing.T) []event {
	t.Helper()
	var all []event
	for {
		e, ok := s.next(t)
		if !ok {
			break
		}
		all = append(all, e)
	}
	if len(all) == 0 || all[len(all)-1].data != "[DONE]" {
		t.Fatalf("the stream does not end with [DONE]: %v", all)
	}
	return all[:len(all)-1]
}

func kinds(events []event) string {
	var out []string
	for _, e := range events {
		var c struct{ Type string }
		_ = json.Unmarshal([]byte(e.data), &c)
		out = append(out, c.Type)
	}
	return strings.Join(out, " ")
}

func TestChatStreams(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		bob := s.Person(t, identity.User)
		path := newAgent(t, s, bob.Access, "")
		st := openStream(t, s, bob.Access, http.MethodPost, path+"chat/", `{"message":"Hello\n\"you\""}`)
		if got := st.resp.Header.Get("X-Vercel-Ai-Ui-Message-Stream"); got != "v1" || st.resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("headers = %v", st.resp.Header)
		}
		all := st.rest(t)
		if got := kinds(all); got != "start start-step text-start text-delta text-end finish-step finish" {
			t.Errorf("chunks = %s", got)
		}
		want := []event{
			{1, `{"type":"start","messageId":"run-1","messageMetadata":{"run_id":1,"conversation_id":1}}`},
			{2, `{"type":"start-step"}`},
			{3, `{"type":"text-start","id":"part-1"}`},
			{4, `{"type":"text-delta","id":"part-1","delta":"Echo (2 messages): Hello\n\"you\""}`},
			{5, `{"type":"text-end","id":"part-1"}`},
			{6, `{"type":"finish-step"}`},
			{7, `{"type":"finish","messageMetadata":{"run_id":1,"conversation_id":1,"status":"succeeded"}}`},
		}
		if diff := cmp.Diff(want, all, cmp.AllowUnexported(event{})); diff != "" {
			t.Errorf("the stream (-want +got):\n%s", diff)
		}
		// The same again from any event on, and by the body of the AI SDK.
		for from := range len(want) + 1 {
			got := openStream(t, s, bob.Access, http.MethodGet, "/api/ai/runs/1/events/", "", "Last-Event-ID", fmt.Sprint(from)).rest(t)
			if diff := cmp.Diff(want[from:], got, cmp.AllowUnexported(event{})); diff != "" && from < len(want) {
				t.Errorf("from event %d on (-want +got):\n%s", from, diff)
			}
		}
		ui := `{"id":"abc","trigger":"submit-message","messages":[{"id":"m1","role":"user","parts":[{"type":"text","text":"Hi"}]}]}`
		for i := range 2 {
			got := openStream(t, s, bob.Access, http.MethodPost, path+"chat/", ui, "Accept", "*/*").rest(t)
			if want := fmt.Sprintf(`Echo (%d messages): Hi`, 2*i+2); !strings.Contains(got[3].data, want) {
				t.Errorf("message %d of the AI SDK's transport = %s, want %s", i, got[3].data, want)
			}
		}
		failed := openStream(t, s, bob.Access, http.MethodPost, path+"chat/", `{"message":"FAIL"}`).rest(t)
		if got := kinds(failed); got != "start start-step finish-step error" {
			t.Errorf("chunks of a failure = %s", got)
		}
		play(t, s, []call{
			{bob.Access, http.MethodGet, "/api/ai/conversations/1/stream/", "", 204, ""},
			{bob.Access, http.MethodPost, path + "chat/", `{"messages":[]}`, 400, `{"error":"Message is required"}`},
			{bob.Access, http.MethodPost, path + "chat/", `{"id":"` + strings.Repeat("x", 101) + `","messages":[{"role":"user","parts":[{"type":"text","text":"x"}]}]}`, 400,
				`{"id":["Not a valid string of at most 100 bytes."]}`},
			{bob.Access, http.MethodPost, path + "chat/", `{"message":"a\u0000b"}`, 400, `{"message":["Null characters are not allowed."]}`},
			{bob.Access, http.MethodPost, path + "chat/", `{"message":"FAIL"}`, 502, `{"error":"The model's provider failed.","response":null}`},
		})
	})
}

// held is a model that says a word for each token of a channel, and stops when
// it is closed.
func held(words chan string) apptest.Script {
	return func(ctx context.Context, _ *llm.Request, say func(llm.Event) bool) error {
		for {
			select {
			case word, more := <-words:
				if !more {
					say(llm.Event{Kind: llm.Finish, Reason: llm.Stop})
					return nil
				}
				say(llm.Event{Kind: llm.TextDelta, Text: word})
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// A client that loses its connection reads on where it was, on whichever
// instance, and misses nothing.
func TestResume(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *apptest.Server, words chan string) {
		bob := s.Person(t, identity.User)
		path := newAgent(t, s, bob.Access, "")
		first := openStream(t, s, bob.Access, http.MethodPost, path+"chat/", `{"message":"x"}`)
		words <- "one "
		var last int
		for {
			e, ok := first.next(t)
			if !ok {
				t.Fatal("the stream ended")
			}
			last = e.id
			if strings.Contains(e.data, "one ") {
				break
			}
		}
		_ = first.resp.Body.Close() // the tab is closed
		words <- "two "
		busy := s.Do(t, bob.Access, http.MethodPost, path+"chat/", `{"message":"y","conversation_id":1}`)
		if busy.Status != http.StatusConflict {
			t.Errorf("a second message = %d %s, want 409", busy.Status, busy.Body)
		}
		beside := s.Beside(t)
		far := openStream(t, beside, bob.Access, http.MethodGet, "/api/ai/conversations/1/stream/", "", "Last-Event-ID", strconv.Itoa(last))
		near := openStream(t, s, bob.Access, http.MethodGet, "/api/ai/runs/1/events/", "")
		words <- "three"
		close(words)
		var got string
		next := last + 1
		for _, e := range far.rest(t) {
			if e.id != next {
				t.Errorf("event %d came, want %d", e.id, next)
			}
			next++
			var c struct{ Delta string }
			_ = json.Unmarshal([]byte(e.data), &c)
			got += c.Delta
		}
		if got != "two three" {
			t.Errorf("after the break came %q, want the rest", got)
		}
		if all := near.rest(t); len(all) != next-1 {
			t.Errorf("%d events from the beginning, want %d", len(all), next-1)
		}
		run := s.Do(t, bob.Access, http.MethodGet, "/api/ai/runs/1/", "").JSON(t)
		if run["response"] != "one two three" || run["status"] != "succeeded" {
			t.Errorf("the run = %v", run)
		}
	})
}

// eachEngine starts a server for each engine, with a model that is held.
func eachEngine(t *testing.T, test func(t *testing.T, s *apptest.Server, words chan string)) {
	t.Helper()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		words := make(chan string)
		test(t, apptest.Start(t, apptest.Options{Database: url, Models: held(words)}), words)
	})
}

func TestAsyncAndCancel(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{Models: held(make(chan string))}, func(t *testing.T, s *apptest.Server) {
		bob, eve := s.Person(t, identity.User), s.Person(t, identity.Admin)
		path := newAgent(t, s, bob.Access, "")
		a := s.Expect(t, http.StatusAccepted, bob.Access, http.MethodPost, path+"chat/", `{"message":"x","async":true}`)
		run := a.JSON(t)
		if run["status"] != "running" || a.Header.Get("Location") != "/api/ai/runs/1/" {
			t.Errorf("the run = %v, Location %q", run, a.Header.Get("Location"))
		}
		s.Expect(t, http.StatusNotFound, eve.Access, http.MethodPost, "/api/ai/runs/1/cancel/", "")
		st := openStream(t, s, bob.Access, http.MethodGet, "/api/ai/runs/1/events/", "")
		for e, ok := st.next(t); ok && !strings.Contains(e.data, "start-step"); e, ok = st.next(t) {
		}
		s.Expect(t, http.StatusOK, bob.Access, http.MethodPost, "/api/ai/runs/1/cancel/", "")
		if got := kinds(st.rest(t)); got != "finish-step abort finish" {
			t.Errorf("chunks = %s", got)
		}
		if got := s.Do(t, bob.Access, http.MethodGet, "/api/ai/runs/1/", "").JSON(t)["status"]; got != "cancelled" {
			t.Errorf("status = %v, want cancelled", got)
		}
		// Whoever signs out ends what they began.
		st = openStream(t, s, bob.Access, http.MethodPost, path+"chat/", `{"message":"x"}`)
		if _, ok := st.next(t); !ok {
			t.Fatal("no stream")
		}
		s.Expect(t, http.StatusOK, bob.Access, http.MethodPost, "/api/auth/logout/", "")
		if err := s.App.API.Runs.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if all := st.rest(t); !strings.Contains(all[len(all)-1].data, `"type":"error"`) {
			t.Errorf("the stream ended with %v, want an error", all[len(all)-1])
		}
	})
}

// Shutting down ends streams with a last event, and keeps what was said.
func TestShutdownEndsStreams(t *testing.T) {
	t.Parallel()
	words := make(chan string, 1)
	words <- "one"
	s := apptest.Start(t, apptest.Options{Models: held(words), Env: []string{"SHUTDOWN_TIMEOUT=2s"}})
	bob := s.Person(t, identity.User)
	st := openStream(t, s, bob.Access, http.MethodPost, newAgent(t, s, bob.Access, "")+"chat/", `{"message":"x"}`)
	for {
		if e, ok := st.next(t); !ok || strings.Contains(e.data, "one") {
			break
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Stop()
	}()
	all := st.rest(t)
	if !strings.Contains(all[len(all)-1].data, "The server was stopped") {
		t.Errorf("the stream ended with %v", all[len(all)-1])
	}
	_, _ = io.Copy(io.Discard, st.resp.Body)
	<-done
}
