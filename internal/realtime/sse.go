package realtime

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge"
)

// Clients come back after one to three seconds, not all at once.
const (
	retryLeast  = time.Second
	retrySpread = 2 * time.Second
)

// sseSink writes Server-Sent Events.
type sseSink struct {
	mu     sync.Mutex
	w      http.ResponseWriter
	rc     *http.ResponseController
	closed bool // the handler has returned, or is about to
	buf    []byte
}

func (s *sseSink) write(frames []frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = s.buf[:0]
	for _, f := range frames {
		s.buf = append(append(s.buf, "id: "...), f.id...)
		s.buf = append(append(s.buf, "\nevent: "...), f.kind...)
		s.buf = append(append(s.buf, "\ndata: "...), f.body...)
		s.buf = append(s.buf, "\n\n"...)
	}
	return s.send(s.buf)
}

// send writes what is complete. s.mu is held.
func (s *sseSink) send(text []byte) error {
	if s.closed {
		return http.ErrServerClosed
	}
	if err := s.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := s.w.Write(text); err != nil {
		return err
	}
	return s.rc.Flush()
}

func (s *sseSink) line(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send([]byte(text))
}

// close leaves the end to the handler.
func (s *sseSink) close(centrifuge.Disconnect) {}

func (s *sseSink) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func retry() string {
	wait := retryLeast + rand.N(retrySpread)
	return "retry: " + strconv.FormatInt(wait.Milliseconds(), 10) + "\n\n"
}

// ServeSSE answers with Server-Sent Events until the client goes or is sent
// away. v.Who is set. It returns an error before anything is answered, or nil.
//
// An EventSource gives up for ever after any status but 200: while events are
// away it is told to come back instead.
func (h *Hub) ServeSSE(w http.ResponseWriter, r *http.Request, v Visitor) error {
	a, err := h.arrive(v, SSE)
	away := errors.Is(err, ErrAway)
	if err != nil && !away {
		return err
	}
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	out := &sseSink{w: w, rc: rc}
	defer out.shut()
	if err := out.line(retry()); err != nil || away || r.Method == http.MethodHead {
		return nil // the client is gone, or has all that there is for it
	}
	err = h.listen(r.Context(), a, out, func(s *stream) { h.beat(r.Context(), s, out) })
	if err != nil {
		h.log.ErrorContext(r.Context(), "event stream failed", "error", err)
	}
	return nil
}

// beat lets the client, and what lies between, know that the stream is alive.
func (h *Hub) beat(ctx context.Context, s *stream, out *sseSink) {
	tick := time.NewTicker(h.cfg.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.ended:
			return
		case <-tick.C:
			if out.line(": alive\n\n") != nil {
				return
			}
		}
	}
}
