package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/drf"
)

const (
	// heartbeat is how long a stream is silent at most: proxies close what they
	// take for dead.
	heartbeat = 15 * time.Second
	// streamWrite is how long a client may take to read what was written.
	streamWrite = 30 * time.Second
)

// sse writes a stream of server-sent events. What is added goes out with
// flush. Not safe for concurrent use.
type sse struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buf     []byte
}

// openSSE sends the header of a stream. The time limits of plain answers do not
// count for it.
func openSSE(w http.ResponseWriter, sent func(status int)) *sse {
	s := &sse{w: w, control: http.NewResponseController(w)}
	// A writer without deadlines, as in tests, has none to lift.
	_ = s.control.SetReadDeadline(time.Time{})
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold the events back
	sent(http.StatusOK)
	return s
}

// add appends an event; id 0 has none.
func (s *sse) add(id int, data []byte) {
	if id > 0 {
		s.buf = append(strconv.AppendInt(append(s.buf, "id: "...), int64(id), 10), '\n')
	}
	s.buf = append(append(append(s.buf, "data: "...), data...), "\n\n"...)
}

// beat appends a comment, which clients skip.
func (s *sse) beat() { s.buf = append(s.buf, ": \n\n"...) }

// flush sends what was added. The error means that the client is gone.
func (s *sse) flush() error {
	_ = s.control.SetWriteDeadline(time.Now().Add(streamWrite))
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	if cap(s.buf) > 64<<10 {
		s.buf = nil
	}
	if err != nil {
		return err
	}
	return s.control.Flush()
}

// patient calls next until it gives something else than the end of a
// heartbeat's time; between the tries it calls beat, whose error ends it.
func patient[T any](ctx context.Context, next func(context.Context) (T, error), beat func() error) (T, error) {
	for {
		limited, cancel := context.WithTimeout(ctx, heartbeat)
		v, err := next(limited)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return v, err
		}
		if err := beat(); err != nil {
			return v, err
		}
	}
}

// lastEventID is where a client wants to go on: the number of the last event
// that it has, 0 for the beginning.
func lastEventID(r *drf.Request) int {
	n, err := strconv.Atoi(r.Header.Get("Last-Event-Id"))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// gone is what a client that went away is answered: nothing, which is no error.
func gone(error) error { return nil }
