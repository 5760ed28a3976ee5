package api

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/telemetry"
)

// requestTimeout bounds the work on one request: what waits for a connection to
// the database, or for SQLite's writer, gives up then.
const requestTimeout = 30 * time.Second

// statusWriter notes what was answered, for the log.
type statusWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Hijack hands the connection over to a WebSocket, and notes that for the log.
func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.status = http.StatusSwitchingProtocols
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// exchange is what one request needs around its handler, allocated as one.
type exchange struct {
	statusWriter
	requestContext

	id [1]string // the X-Request-ID header
}

// logged gives every request an id, which also goes out as X-Request-ID, a time
// limit, and writes one line per request. A client's own id is kept if it looks
// like one.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		x := &exchange{}
		id := ""
		if sent := r.Header["X-Request-Id"]; len(sent) > 0 {
			id = sent[0]
		}
		if !telemetry.ValidRequestID(id) {
			id = telemetry.NewRequestID()
		}
		x.id[0] = id
		w.Header()["X-Request-Id"] = x.id[:]
		ctx := &x.requestContext
		ctx.parent, ctx.id, ctx.deadline = r.Context(), id, began.Add(requestTimeout)
		if sent := r.Header["X-Client-Id"]; len(sent) > 0 && identity.ValidClientID(sent[0]) {
			ctx.client = sent[0]
		}
		defer ctx.end()
		if !s.Log.Enabled(ctx, slog.LevelInfo) {
			next.ServeHTTP(w, r.WithContext(ctx))
			return
		}
		x.ResponseWriter = w
		next.ServeHTTP(&x.statusWriter, r.WithContext(ctx))
		took := time.Since(began)
		telemetry.LogRequest(ctx, s.Log, &telemetry.RequestLine{
			At: began.Add(took), Method: r.Method, Path: maskShare(r.URL.Path), Status: x.status, Bytes: x.bytes, Took: took, Client: s.trusted().Text(r),
		})
	})
}

// unlimited is the request without the time limit of requests: for streams.
func unlimited(r *http.Request) *http.Request {
	ctx := r.Context()
	if parent, ok := ctx.Value(parentKey{}).(context.Context); ok {
		ctx = telemetry.WithRequestID(parent, telemetry.RequestID(ctx))
	}
	return r.WithContext(ctx)
}

type parentKey struct{}

// requestContext is the context of one request. It carries the request's id,
// and ends after requestTimeout, with its parent, or with the request. The
// timer is made when somebody first waits for the end: an answer from memory
// comes without. Safe for concurrent use.
type requestContext struct {
	parent   context.Context
	id       string
	client   string // X-Client-ID
	deadline time.Time

	mu     sync.Mutex
	ended  bool
	timed  context.Context // nil until somebody waits
	cancel context.CancelFunc
}

var _ context.Context = (*requestContext)(nil)

// Deadline implements context.Context.
func (c *requestContext) Deadline() (time.Time, bool) {
	if d, ok := c.parent.Deadline(); ok && d.Before(c.deadline) {
		return d, true
	}
	return c.deadline, true
}

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wait().Done()
}

// wait gives the context that really ends. mu is held.
func (c *requestContext) wait() context.Context {
	if c.timed == nil {
		c.timed, c.cancel = context.WithDeadline(c.parent, c.deadline)
		if c.ended {
			c.cancel()
		}
	}
	return c.timed
}

// Err implements context.Context.
func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.timed != nil:
		return c.timed.Err()
	case c.ended:
		return context.Canceled
	case c.parent.Err() == nil && time.Now().Before(c.deadline):
		return nil
	default:
		return c.wait().Err()
	}
}

// unbounded is the key of the context without requestTimeout.
type unbounded struct{}

// longContext is the request's context for answers that take as long as they
// take, such as streams: it ends when the client goes away.
func longContext(r *http.Request) context.Context {
	if parent, ok := r.Context().Value(unbounded{}).(context.Context); ok {
		return context.WithValue(parent, telemetry.RequestIDKey, r.Context().Value(telemetry.RequestIDKey))
	}
	return r.Context()
}

// Value implements context.Context.
func (c *requestContext) Value(key any) any {
	switch key {
	case telemetry.RequestIDKey:
		return c.id
	case identity.ClientIDKey:
		return c.client
	case parentKey{}:
		return c.parent
	}
	if key == (unbounded{}) {
		return c.parent
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed != nil { // package context looks for its own here
		return c.timed.Value(key)
	}
	return c.parent.Value(key)
}

// end ends the context with its request.
func (c *requestContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.cancel != nil {
		c.cancel()
	}
}
