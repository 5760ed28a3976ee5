// Package telemetry sets up what bdash tells about itself. It is made once,
// by app, and handed down.
//
// Logs go through log/slog. Whatever is logged, secrets stay out: attributes
// whose names promise one (password, token, authorization, …) are replaced,
// and texts are searched for what looks like one (bearer tokens, JWTs, keys,
// passwords in addresses). That is a net under careful code, not a licence to
// log request bodies.
//
// Metrics are counted in a Metrics, for Prometheus to read. Their labels are
// words of the program, never of a client, so that nobody can make them grow;
// counting a request looks nothing up and allocates nothing.
package telemetry

import (
	"context"
	"io"
	"log/slog"
)

// Redacted stands in the log for a secret.
const Redacted = "[redacted]"

// NewLogger makes a logger that writes to w: text for people when debug is
// on, otherwise one JSON object a line. Records below level are dropped; a
// *slog.LevelVar changes the level later. A record logged with a context that
// holds a request id carries it as request_id. The logger is safe for
// concurrent use.
func NewLogger(w io.Writer, debug bool, level slog.Leveler) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: redactAttr}
	if !debug {
		return newJSONLogger(w, opts)
	}
	opts.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		return shortTime(groups, redactAttr(groups, a))
	}
	return slog.New(requestHandler{Handler: slog.NewTextHandler(w, opts)})
}

// shortTime keeps the time of day only: whoever reads text logs sits there.
func shortTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		a.Value = slog.StringValue(a.Value.Time().Format("15:04:05.000"))
	}
	return a
}

// requestHandler adds the request id of the context to every record.
type requestHandler struct {
	slog.Handler
	lines *lineWriter // the short way of LogRequest; nil is none
}

// Handle implements slog.Handler.
func (h requestHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestHandler{Handler: h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{Handler: h.Handler.WithGroup(name)}
}
