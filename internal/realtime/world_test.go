package realtime_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bdash/bdash/internal/cache/cachetest"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/realtime"
)

// patience bounds every wait.
const patience = 20 * time.Second

// each runs the test on the broker in memory and on Redis.
func each(t *testing.T, cfg realtime.Config, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, cfg))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		cfg := cfg
		cfg.Redis, cfg.Prefix = cachetest.URL(t), "test:"+rand.Text()+":"
		test(t, open(t, cfg))
	})
}

// world is a hub behind doors that let everybody in.
type world struct {
	*realtime.Hub
	url string

	mu      sync.Mutex
	verdict map[int64]realtime.Verdict
	broken  error // what the check fails with
}

func open(t *testing.T, cfg realtime.Config) *world {
	t.Helper()
	w := &world{verdict: map[int64]realtime.Verdict{}}
	cfg.Log = slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	cfg.Check = w.check
	cfg.RedisTimeout = 10 * time.Second // machines are busy
	hub, err := realtime.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.Hub = hub
	server := httptest.NewServer(http.HandlerFunc(w.serve))
	w.url = server.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		hub.Close(ctx)
		server.Close()
	})
	return w
}

// web has no time limit: streams do not end.
var web = &http.Client{}

type logWriter struct{ t *testing.T }

func (w logWriter) Write(p []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

func (w *world) check(_ context.Context, all []realtime.Listener) ([]realtime.Verdict, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]realtime.Verdict, len(all))
	for i, l := range all {
		out[i] = w.verdict[l.UserID]
	}
	return out, w.broken
}

func (w *world) judge(userID int64, v realtime.Verdict, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.verdict[userID], w.broken = v, err
}

var errBad = fault.New(fault.Unauthenticated, "bad", "bad")

// token signs in as a user: "12" or "12 admin".
func signIn(_ context.Context, token string) (realtime.Listener, error) {
	number, rest, _ := strings.Cut(token, " ")
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return realtime.Listener{}, errBad
	}
	return realtime.Listener{UserID: id, Admin: rest == "admin"}, nil
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	v := realtime.Visitor{SignIn: signIn, Address: "test", Since: q.Get("since")}
	if as := q.Get("as"); as != "" {
		who, _ := signIn(r.Context(), as)
		v.Who = &who
	}
	serve := map[string]func(http.ResponseWriter, *http.Request, realtime.Visitor) error{
		"/sse": w.ServeSSE, "/ws": w.ServeWebSocket, "/native": w.ServeNative,
	}[r.URL.Path]
	err := serve(rw, r, v)
	if f, ok := fault.As(err); ok {
		http.Error(rw, f.Code, map[fault.Kind]int{fault.Throttled: 429, fault.Unavailable: 503}[f.Kind])
	} else if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
	}
}

// event is a frame as a client reads it.
type event struct {
	ID     string
	Type   string
	Data   map[string]any
	Origin *string
}

// client reads events from one of the plain doors.
type client struct {
	t      testing.TB
	events chan event
	close  func()
	ended  chan struct{} // closed when the connection has ended
	code   int           // of a socket, once ended
}

func query(as, since string) string { return "?as=" + as + "&since=" + since }

// dial connects to "sse" or "ws"; as "" has yet to sign in.
func (w *world) dial(t testing.TB, door, as, since string) *client {
	t.Helper()
	c := &client{t: t, events: make(chan event, 10_000), ended: make(chan struct{})}
	as = strings.ReplaceAll(as, " ", "%20")
	if door == "ws" {
		w.dialSocket(c, as, since)
	} else {
		w.dialSSE(c, as, since)
	}
	t.Cleanup(c.close)
	return c
}

func (w *world) dialSocket(c *client, as, since string) {
	c.t.Helper()
	conn, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(w.url, "http")+"/ws"+query(as, since), nil)
	if err != nil {
		status := 0
		if res != nil {
			status = res.StatusCode
		}
		c.t.Fatalf("dial as %q = %d %v", as, status, err)
	}
	c.close = sync.OnceFunc(func() { _ = conn.Close() })
	go func() {
		defer close(c.ended)
		for {
			var e event
			if err := conn.ReadJSON(&e); err != nil {
				if ce, ok := errors.AsType[*websocket.CloseError](err); ok {
					c.code = ce.Code
				}
				return
			}
			c.events <- e
		}
	}()
}

func (w *world) dialSSE(c *client, as, since string) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/sse"+query(as, since), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := web.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		c.t.Fatalf("stream = %d %s", res.StatusCode, res.Header)
	}
	c.close = cancel
	go func() {
		defer close(c.ended)
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var e event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				return
			}
			c.events <- e
		}
	}()
}

// next is the next event, of that type.
func (c *client) next(kind string) event {
	c.t.Helper()
	select {
	case e := <-c.events:
		if e.Type != kind {
			c.t.Fatalf("event %+v, want %s", e, kind)
		}
		return e
	case <-c.ended:
		select {
		case e := <-c.events:
			if e.Type == kind {
				return e
			}
			c.t.Fatalf("event %+v, want %s", e, kind)
		default:
		}
		c.t.Fatalf("the connection ended with %d, want %s", c.code, kind)
	case <-time.After(patience):
		c.t.Fatalf("no event, want %s", kind)
	}
	return event{}
}

// end waits for the end of the connection.
func (c *client) end() {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.t.Fatal("the connection stays open")
	}
}

type number struct {
	N int `json:"n"`
}

// say publishes numbers.
func (w *world) say(to realtime.Channel, numbers ...int) {
	for _, n := range numbers {
		w.Publish(to, realtime.Event{Type: "test:number", Data: number{n}, Origin: "tab-1"})
	}
}

// hear reads the numbers, in order, and gives the last id.
func (c *client) hear(numbers ...int) string {
	c.t.Helper()
	id := ""
	for _, n := range numbers {
		e := c.next("test:number")
		if e.Data["n"] != float64(n) {
			c.t.Fatalf("heard %v, want %d", e.Data["n"], n)
		}
		id = e.ID
	}
	return id
}
