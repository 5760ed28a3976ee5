package telemetry_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/telemetry"
)

// slogLine is the line as slog's own handler writes it.
func slogLine(ctx context.Context, t *testing.T, l *telemetry.RequestLine) string {
	t.Helper()
	var buf bytes.Buffer
	log := telemetry.NewLogger(&buf, false, slog.LevelInfo)
	record := slog.NewRecord(l.At, slog.LevelInfo, "request", 0)
	record.AddAttrs(slog.String("method", l.Method), slog.String("path", l.Path), slog.Int("status", l.Status),
		slog.Int64("bytes", l.Bytes), slog.Int64("took_us", l.Took.Microseconds()), slog.String("client", l.Client))
	if err := log.Handler().Handle(ctx, record); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// The short way writes the bytes of the long way, whatever a client sends.
func TestLogRequestWritesWhatSlogWrites(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.FixedZone("", 3600))
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
	for name, l := range map[string]telemetry.RequestLine{
		"plain":         {At: at, Method: "GET", Path: "/api/themes/active/", Status: 200, Bytes: 400, Took: 123456, Client: "192.0.2.7"},
		"IPv6":          {At: at, Method: "GET", Path: "/", Status: 301, Client: "2001:db8::1"},
		"nothing":       {At: at},
		"no time":       {Method: "GET", Path: "/"},
		"far year":      {At: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), Method: "GET", Path: "/"},
		"whole second":  {At: at.Truncate(time.Second).UTC(), Method: "GET", Path: "/"},
		"negative":      {At: at, Method: "GET", Path: "/", Status: -1, Bytes: -2, Took: -3},
		"quote":         {At: at, Method: "GET", Path: `/a"b\c`},
		"new line":      {At: at, Method: "GET", Path: "/a\n{\"level\":\"ERROR\"}"},
		"control":       {At: at, Method: "GET", Path: "/\x00\x1f\x7f"},
		"no UTF-8":      {At: at, Method: "GET", Path: "/\xff\xed\xa0\x80"},
		"letters":       {At: at, Method: "GET", Path: "/è\u2028\u2029"},
		"HTML":          {At: at, Method: "GET", Path: "/<b>&"},
		"bearer":        {At: at, Method: "GET", Path: "/Bearer abcdefgh"},
		"basic":         {At: at, Method: "GET", Path: "/BASIC abcdefghij"},
		"JWT":           {At: at, Method: "GET", Path: "/tickets/" + jwt + "/"},
		"key":           {At: at, Method: "GET", Path: "/bdash_0123456789abcdefghijk"},
		"other key":     {At: at, Method: "GET", Path: "/SK-0123456789abcdef"},
		"address":       {At: at, Method: "GET", Path: "/postgres://u:p@h/"},
		"parameter":     {At: at, Method: "GET", Path: "/token=abc"},
		"odd method":    {At: at, Method: "password=x", Path: "/"},
		"odd client":    {At: at, Method: "GET", Path: "/", Client: "secret=x"},
		"only the hint": {At: at, Method: "GET", Path: "/bearer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, ctx := range []context.Context{t.Context(), telemetry.WithRequestID(t.Context(), "id-1"), telemetry.WithRequestID(t.Context(), `"`)} {
				var buf bytes.Buffer
				telemetry.LogRequest(ctx, telemetry.NewLogger(&buf, false, slog.LevelInfo), &l)
				if got, want := buf.String(), slogLine(ctx, t, &l); got != want {
					t.Errorf("LogRequest wrote\n%s\nwant\n%s", got, want)
				}
				if strings.Contains(buf.String(), jwt) {
					t.Errorf("LogRequest wrote a token: %s", buf.String())
				}
			}
		})
	}
}

func TestLogRequestObeysItsLogger(t *testing.T) {
	t.Parallel()
	l := &telemetry.RequestLine{At: time.Unix(0, 0).UTC(), Method: "GET", Path: "/x/", Status: 200}
	for name, tt := range map[string]struct {
		log  func(w io.Writer) *slog.Logger
		want string
	}{
		"quiet": {func(w io.Writer) *slog.Logger { return telemetry.NewLogger(w, false, slog.LevelWarn) }, ""},
		"text":  {func(w io.Writer) *slog.Logger { return telemetry.NewLogger(w, true, slog.LevelInfo) }, "level=INFO msg=request method=GET path=/x/"},
		"attributes": {func(w io.Writer) *slog.Logger {
			return telemetry.NewLogger(w, false, slog.LevelInfo).With("worker", 7)
		}, `"msg":"request","worker":7,"method":"GET"`},
		"group": {func(w io.Writer) *slog.Logger {
			return telemetry.NewLogger(w, false, slog.LevelInfo).WithGroup("http")
		}, `"http":{"method":"GET"`},
		"another handler": {func(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }, `"msg":"request","method":"GET"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var buf bytes.Buffer
			telemetry.LogRequest(t.Context(), tt.log(&buf), l)
			if got := buf.String(); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("LogRequest wrote %q, want %q in it", got, tt.want)
			}
		})
	}
}

func BenchmarkLogRequest(b *testing.B) {
	log := telemetry.NewLogger(telemetry.NewBatch(io.Discard), false, slog.LevelInfo)
	ctx := telemetry.WithRequestID(b.Context(), telemetry.NewRequestID())
	l := &telemetry.RequestLine{At: time.Now(), Method: "GET", Path: "/api/themes/active/", Status: 200, Bytes: 400, Took: 123456, Client: "192.0.2.7"}
	b.ReportAllocs()
	for b.Loop() {
		telemetry.LogRequest(ctx, log, l)
	}
}
