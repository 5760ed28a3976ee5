package apptest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// Patience bounds every wait of a Listener.
const Patience = 20 * time.Second

// Event is a frame as a client of the plain doors reads it.
type Event struct {
	ID     string
	Type   string
	Data   map[string]any
	Origin *string
}

// Listener reads events.
type Listener struct {
	Events chan Event
	// Ended is closed when the connection has ended; Code is then what a socket
	// was closed with.
	Ended chan struct{}
	Code  int
	// Close ends the connection.
	Close func()

	t testing.TB
}

// Listen opens an event stream ("sse") or a socket ("ws"). query begins with
// "?" or is empty; token "" sends no header.
func (s *Server) Listen(t testing.TB, door, token, query string) *Listener {
	t.Helper()
	l := &Listener{t: t, Events: make(chan Event, 10_000), Ended: make(chan struct{})}
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	if door == "ws" {
		l.socket(s.URL, header, query)
	} else {
		l.stream(s.URL, header, query)
	}
	t.Cleanup(l.Close)
	return l
}

func (l *Listener) socket(url string, header http.Header, query string) {
	l.t.Helper()
	conn, res, err := websocket.DefaultDialer.DialContext(l.t.Context(), "ws"+strings.TrimPrefix(url, "http")+"/ws/"+query, header)
	if err != nil {
		status := 0
		if res != nil {
			status = res.StatusCode
		}
		l.t.Fatalf("socket: %d %v", status, err)
	}
	l.Close = sync.OnceFunc(func() { _ = conn.Close() })
	go func() {
		defer close(l.Ended)
		for {
			var e Event
			if err := conn.ReadJSON(&e); err != nil {
				if ce, ok := errors.AsType[*websocket.CloseError](err); ok {
					l.Code = ce.Code
				}
				return
			}
			l.Events <- e
		}
	}()
}

func (l *Listener) stream(url string, header http.Header, query string) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.t.Context()))
	l.Close = cancel
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/events/"+query, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header = header
	req.Header.Set("Accept", "text/event-stream")
	res, err := client.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		l.t.Fatalf("event stream: %d", res.StatusCode)
	}
	go func() {
		defer close(l.Ended)
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			var e Event
			if ok && json.Unmarshal([]byte(data), &e) == nil {
				l.Events <- e
			}
		}
	}()
}

// Next waits for the next event, which must be of that type.
func (l *Listener) Next(kind string) Event {
	l.t.Helper()
	deadline := time.After(Patience)
	select {
	case e := <-l.Events:
		return l.is(e, kind)
	case <-l.Ended:
		select {
		case e := <-l.Events:
			return l.is(e, kind)
		default:
		}
		l.t.Fatalf("the connection ended with %d, want event %s", l.Code, kind)
	case <-deadline:
		l.t.Fatalf("no event, want %s", kind)
	}
	return Event{}
}

func (l *Listener) is(e Event, kind string) Event {
	l.t.Helper()
	if e.Type != kind {
		l.t.Fatalf("event %+v, want %s", e, kind)
	}
	return e
}

// End waits for the end of the connection.
func (l *Listener) End() {
	l.t.Helper()
	select {
	case <-l.Ended:
	case <-time.After(Patience):
		l.t.Fatal("the connection stays open")
	}
}
