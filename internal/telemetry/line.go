package telemetry

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// RequestLine is what is logged of a request.
type RequestLine struct {
	// At is when the request was answered.
	At           time.Time
	Method, Path string
	// Status is 0 if nothing was answered.
	Status int
	// Bytes of the answer's body.
	Bytes  int64
	Took   time.Duration
	Client string
}

// LogRequest writes the line of a request, at level info. ctx is the request's:
// it holds the id. To a logger of NewLogger that writes JSON the line goes
// straight, for by way of a slog.Record it costs more than many a request's own
// work; the bytes are the same. A line that could need an escape, or hide a
// secret, goes the long way.
func LogRequest(ctx context.Context, log *slog.Logger, l *RequestLine) {
	h := log.Handler()
	if !h.Enabled(ctx, slog.LevelInfo) {
		return
	}
	if own, is := h.(requestHandler); is && own.lines != nil {
		if own.lines.write(l, RequestID(ctx)) {
			return
		}
	}
	record := slog.NewRecord(l.At, slog.LevelInfo, requestMessage, 0)
	record.AddAttrs(
		slog.String("method", l.Method), slog.String("path", l.Path), slog.Int("status", l.Status),
		slog.Int64("bytes", l.Bytes), slog.Int64("took_us", l.Took.Microseconds()), slog.String("client", l.Client))
	_ = h.Handle(ctx, record) // as slog.Logger does: there is nobody to tell
}

const requestMessage = "request"

// lineWriter writes request lines as slog's JSONHandler would.
type lineWriter struct {
	out   io.Writer
	batch *Batch // out, if it is one
}

// newJSONLogger makes the logger for JSON on w.
func newJSONLogger(w io.Writer, opts *slog.HandlerOptions) *slog.Logger {
	batch, _ := w.(*Batch)
	if batch == nil {
		w = &lockedWriter{w: w}
	}
	return slog.New(requestHandler{slog.NewJSONHandler(w, opts), &lineWriter{w, batch}})
}

// lockedWriter lets slog's handler and the short way share a writer.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// lineBuffers holds buffers for lines.
var lineBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// write reports whether the line was plain enough to be written.
func (w *lineWriter) write(l *RequestLine, id string) bool {
	if y := l.At.Year(); y < 0 || y > 9999 || l.At.IsZero() {
		return false
	}
	if !plainText(l.Method) || !plainText(l.Path) || !plainText(l.Client) || !plainText(id) {
		return false
	}
	p := lineBuffers.Get().(*[]byte)
	defer lineBuffers.Put(p)
	*p = l.append((*p)[:0], id)
	if w.batch != nil {
		w.batch.writeLater(*p, l.At)
	} else {
		_, _ = w.out.Write(*p) // as slog.Logger does: there is nobody to tell
	}
	return true
}

func (l *RequestLine) append(b []byte, id string) []byte {
	b = append(b, `{"time":"`...)
	b = l.At.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"INFO","msg":"`+requestMessage+`","method":"`...)
	b = append(b, l.Method...)
	b = append(b, `","path":"`...)
	b = append(b, l.Path...)
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(l.Status), 10)
	b = append(b, `,"bytes":`...)
	b = strconv.AppendInt(b, l.Bytes, 10)
	b = append(b, `,"took_us":`...)
	b = strconv.AppendInt(b, l.Took.Microseconds(), 10)
	b = append(b, `,"client":"`...)
	b = append(b, l.Client...)
	if id != "" {
		b = append(b, `","request_id":"`...)
		b = append(b, id...)
	}
	return append(b, "\"}\n"...)
}

// What a byte may be the sign of: nothing, something that JSON escapes or that
// is not ASCII, or the beginning of a hint of Scrub.
const (
	signNone = iota
	signOdd
	signHint
)

var signs = func() (table [256]uint8) {
	for c := range table {
		if c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			table[c] = signOdd
		}
	}
	for _, p := range patterns {
		first := p.hint[0]
		table[first] = signHint
		if 'a' <= first && first <= 'z' {
			table[first-'a'+'A'] = signHint
		}
	}
	return table
}()

// plainText tells whether s can be written as it is: nothing needs an escape,
// and Scrub would find nothing.
func plainText(s string) bool {
	for i := range len(s) {
		switch signs[s[i]] {
		case signOdd:
			return false
		case signHint:
			if hinted(s[i:]) {
				return false
			}
		}
	}
	return true
}

// hinted tells whether s begins with a hint, in letters of either case. Of a
// few other texts it says so too ("BDASH\x7f"), which does no harm.
func hinted(s string) bool {
next:
	for i := range patterns {
		hint := patterns[i].hint
		if len(s) < len(hint) {
			continue
		}
		for j := range len(hint) {
			if s[j]|0x20 != hint[j]|0x20 {
				continue next
			}
		}
		return true
	}
	return false
}
