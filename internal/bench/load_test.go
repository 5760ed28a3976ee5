//go:build load

package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/realtime"
)

// What `make load` asks of events.
const (
	loadSockets = 2000
	loadStreams = 2000
	loadUsers   = 100
	loadEvents  = 100
	loadEvery   = 200 * time.Millisecond
	loadBound   = 250 * time.Millisecond // of the 99th percentile
	loadPatient = time.Minute
)

// 2,000 WebSocket and 2,000 SSE clients, 5 events a second to all for 20 s: none
// lost, in order. In one process on SQLite; and, where PostgreSQL and Redis are
// given, on two instances, half of the clients on each. Clients and servers
// share the processors.
func TestLoad(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		runLoad(t, []*apptest.Server{apptest.Start(t, apptest.Options{})})
	})
	if os.Getenv("TEST_REDIS_URL") == "" || os.Getenv("TEST_DATABASE_URL") == "" {
		return
	}
	t.Run("redis", func(t *testing.T) {
		a := apptest.Start(t, apptest.Options{Database: os.Getenv("TEST_DATABASE_URL"), Env: []string{"REDIS_URL=" + os.Getenv("TEST_REDIS_URL")}})
		runLoad(t, []*apptest.Server{a, a.Beside(t)})
	})
}

// crowd is all clients and what they heard.
type crowd struct {
	t         *testing.T
	ready     sync.WaitGroup
	done      sync.WaitGroup
	heard     atomic.Int64
	disorder  atomic.Int64
	mu        sync.Mutex
	latencies []time.Duration
}

type loadData struct {
	N  int   `json:"n"`
	At int64 `json:"at"`
}

func runLoad(t *testing.T, servers []*apptest.Server) {
	t.Helper()
	c := &crowd{t: t}
	ctx, stop := context.WithTimeout(t.Context(), 4*loadPatient)
	defer stop()
	tokens := make([]string, loadUsers)
	for i := range tokens {
		tokens[i] = servers[0].Person(t, identity.User).Access
	}
	began := time.Now()
	limit := make(chan struct{}, 64)
	for i := range loadSockets + loadStreams {
		s, token := servers[i/2%len(servers)], tokens[i%len(tokens)]
		c.ready.Add(1)
		limit <- struct{}{}
		if i%2 == 0 {
			c.done.Go(func() { c.socket(ctx, s.URL, token, func() { <-limit }) })
		} else {
			c.done.Go(func() { c.stream(ctx, s.URL, token, func() { <-limit }) })
		}
	}
	c.ready.Wait()
	t.Logf("%d sockets and %d streams are open after %s", loadSockets, loadStreams, time.Since(began).Round(time.Millisecond))

	hub := servers[0].App.API.Events.(*realtime.Hub)
	tick := time.NewTicker(loadEvery)
	defer tick.Stop()
	for n := range loadEvents {
		hub.Publish(realtime.Everyone, realtime.Event{Type: "load:event", Data: loadData{n, time.Now().UnixNano()}})
		<-tick.C
	}
	finished := make(chan struct{})
	go func() {
		c.done.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-time.After(loadPatient):
		stop()
		<-finished
	}
	want := int64(loadEvents) * (loadSockets + loadStreams)
	slices.Sort(c.latencies)
	at := func(q float64) time.Duration { return c.latencies[int(q*float64(len(c.latencies)-1))] }
	t.Logf("%d events to %d clients on %d instances: %d heard, %d lost, %d out of order; p50 %s, p99 %s, slowest %s",
		loadEvents, loadSockets+loadStreams, len(servers), c.heard.Load(), want-c.heard.Load(), c.disorder.Load(),
		at(.5).Round(100*time.Microsecond), at(.99).Round(100*time.Microsecond), at(1).Round(100*time.Microsecond))
	if c.heard.Load() != want || c.disorder.Load() != 0 {
		t.Errorf("heard %d events, %d of them out of order, want %d in order", c.heard.Load(), c.disorder.Load(), want)
	}
	if p99 := at(.99); p99 > loadBound {
		t.Errorf("p99 is %s, want at most %s", p99, loadBound)
	}
}

// hear notes a frame and tells whether it was the last one.
func (c *crowd) hear(frame []byte, next *int, took *[]time.Duration) bool {
	if bytes.Contains(frame, []byte(`"type":"ready"`)) {
		c.ready.Done()
		return false
	}
	var e struct {
		Type string
		Data loadData
	}
	if err := json.Unmarshal(frame, &e); err != nil || e.Type != "load:event" {
		return false
	}
	*took = append(*took, time.Since(time.Unix(0, e.Data.At)))
	c.heard.Add(1)
	if e.Data.N != *next {
		c.disorder.Add(1)
	}
	*next = e.Data.N + 1
	return *next == loadEvents
}

func (c *crowd) keep(took []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latencies = append(c.latencies, took...)
}

func (c *crowd) socket(ctx context.Context, url, token string, opened func()) {
	dialer := websocket.Dialer{ReadBufferSize: 1024, WriteBufferSize: 512}
	conn, _, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(url, "http")+"/ws/", http.Header{"Authorization": {"Bearer " + token}}) //nolint:bodyclose // hijacked
	opened()
	if err != nil {
		c.t.Errorf("socket: %v", err)
		c.ready.Done()
		return
	}
	defer conn.Close()
	release := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer release()
	next, took := 0, make([]time.Duration, 0, loadEvents)
	defer func() { c.keep(took) }()
	for {
		_, frame, err := conn.ReadMessage()
		if err != nil {
			c.t.Errorf("socket ended after %d events: %v", next, err)
			return
		}
		if c.hear(frame, &next, &took) {
			return
		}
	}
}

var loadClient = &http.Client{Transport: &http.Transport{ReadBufferSize: 1024, WriteBufferSize: 512, DisableCompression: true}}

func (c *crowd) stream(ctx context.Context, url, token string, opened func()) {
	res, err := openStream(ctx, url, token)
	opened()
	if err != nil {
		c.t.Errorf("stream: %v", err)
		c.ready.Done()
		return
	}
	defer res.Body.Close()
	lines := bufio.NewReaderSize(res.Body, 1024)
	next, took := 0, make([]time.Duration, 0, loadEvents)
	defer func() { c.keep(took) }()
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			c.t.Errorf("stream ended after %d events: %v", next, err)
			return
		}
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok && c.hear(data, &next, &took) {
			return
		}
	}
}

func openStream(ctx context.Context, url, token string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/events/", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "text/event-stream")
	res, err := loadClient.Do(req)
	if err == nil && res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		err = fmt.Errorf("status %d", res.StatusCode)
	}
	return res, err
}
