package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/telemetry"
)

// logged is the one JSON record that do writes, without its time.
func logged(t *testing.T, do func(*slog.Logger)) map[string]any {
	t.Helper()
	var buf bytes.Buffer
	do(telemetry.NewLogger(&buf, false, slog.LevelInfo))
	var got map[string]any
	if err := json.Unmarshal(buf.Bytes(), &got); err != nil {
		t.Fatalf("log line %q: %v", buf.String(), err)
	}
	if got["time"] == nil {
		t.Errorf("log line %q has no time", buf.String())
	}
	delete(got, "time")
	return got
}

func TestSecretsStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	const r = telemetry.Redacted
	type login struct {
		Email    string `json:"email"`
		Password string `json:"password"`
		Attempt  int64  `json:"attempt"`
	}
	address, err := url.Parse("postgres://u:hunter2@h/n")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		attr slog.Attr
		want any
	}{
		{"password", slog.String("password", "x"), r},
		{"inside a name", slog.String("DBPassword", "x"), r},
		{"kebab", slog.String("X-Auth-Token", "x"), r},
		{"hash", slog.String("password_hash", "x"), r},
		{"api key", slog.String("openai_api_key", "x"), r},
		{"access", slog.String("access", "x"), r},
		{"refresh", slog.String("refresh", "x"), r},
		{"cookie list", slog.Any("Set-Cookie", []string{"a=b"}), r},
		{"empty says so", slog.String("token", ""), ""},
		{"number", slog.Int("token", 12), 12.0},
		{"plural counts", slog.Int("total_tokens", 12), 12.0},
		{"type", slog.String("token_type", "access"), "access"},
		{"key id", slog.String("api_key_id", "7"), "7"},
		{"other refresh", slog.String("refresh_reason", "stale"), "stale"},
		{"plain", slog.String("name", "Secretary of tokens"), "Secretary of tokens"},
		{"group", slog.Group("g", slog.String("secret", "x"), slog.String("a", "b")), map[string]any{"secret": r, "a": "b"}},
		{"secret group", slog.Group("authorization", slog.String("a", "b")), map[string]any{"a": r}},
		{"struct", slog.Any("body", login{"a@b.c", "hunter2", 1 << 60}), map[string]any{"email": "a@b.c", "password": r, "attempt": float64(1 << 60)}},
		{"header", slog.Any("header", http.Header{"Authorization": {"Bearer x"}, "Accept": {"a"}}), map[string]any{"Authorization": r, "Accept": []any{"a"}}},
		{"nested", slog.Any("m", map[string]any{"l": []any{map[string]any{"token": "x", "n": nil}}}), map[string]any{"l": []any{map[string]any{"token": r, "n": nil}}}},
		{"error", slog.Any("err", errors.New("dial postgres://u:hunter2@h/n: no")), "dial postgres://u:" + r + "@h/n: no"},
		{"address", slog.Any("url", address), "postgres://u:" + r + "@h/n"},
		{"bytes", slog.Any("raw", []byte("Authorization: Bearer abc.def")), "Authorization: Bearer " + r},
		{"value that cannot be encoded", slog.Any("f", struct {
			F io.Reader
			P func()
		}{}), "{F:<nil> P:<nil>}"},
		{"nil", slog.Any("token", nil), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := logged(t, func(l *slog.Logger) { l.Info("m", tt.attr) })
			if diff := cmp.Diff(tt.want, got[tt.attr.Key]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.attr.Key, diff)
			}
		})
	}
}

func TestScrub(t *testing.T) {
	t.Parallel()
	const r = telemetry.Redacted
	for text, want := range map[string]string{
		"sent Bearer abc-DEF_123.x, then":                  "sent Bearer " + r + ", then",
		"BASIC dXNlcjpwYXNz":                               "BASIC " + r,
		"a basic idea":                                     "a basic idea",
		"jwt eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyIjoxfQ.c2ln end": "jwt " + r + " end",
		"key bdash_0123456789abcdefXYZ":                    "key " + r,
		"metric bdash_http_requests_total":                 "metric bdash_http_requests_total",
		"openai sk-proj-0123456789abcdef":                  "openai " + r,
		"task-12 disk-cleanup-of-everything":               "task-12 disk-cleanup-of-everything",
		"redis://:pw@h:1/0 and http://h:80/a@b":            "redis://:" + r + "@h:1/0 and http://h:80/a@b",
		"GET /events?ticket=abc&x=1":                       "GET /events?ticket=" + r + "&x=1",
		"Token=abc":                                        "Token=" + r,
		"limit=5":                                          "limit=5",
		"":                                                 "",
	} {
		if got := telemetry.Scrub(text); got != want {
			t.Errorf("Scrub(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestMessagesAreScrubbed(t *testing.T) {
	t.Parallel()
	got := logged(t, func(l *slog.Logger) { l.Warn("got Bearer abc") })
	if diff := cmp.Diff(map[string]any{"level": "WARN", "msg": "got Bearer [redacted]"}, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestAttrsOfTheLoggerAreRedacted(t *testing.T) {
	t.Parallel()
	got := logged(t, func(l *slog.Logger) {
		ctx := telemetry.WithRequestID(context.Background(), "r1")
		l.With("token", "x").WithGroup("g").With("cookie", "y").InfoContext(ctx, "m", "a", 1)
	})
	want := map[string]any{"level": "INFO", "msg": "m", "token": telemetry.Redacted,
		"g": map[string]any{"cookie": telemetry.Redacted, "a": 1.0, "request_id": "r1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestTextForPeople(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	var level slog.LevelVar
	log := telemetry.NewLogger(&buf, true, &level)
	log.Debug("not shown")
	level.Set(slog.LevelDebug)
	log.DebugContext(telemetry.WithRequestID(t.Context(), "r2"), "shown", "secret", "x")
	line := buf.String()
	if !strings.HasSuffix(line, "level=DEBUG msg=shown secret=[redacted] request_id=r2\n") || strings.Count(line, "\n") != 1 {
		t.Errorf("log = %q", line)
	}
	if !strings.HasPrefix(line, "time=") || len(strings.Fields(line)[0]) != len("time=15:04:05.000") {
		t.Errorf("log = %q, want the time of day only", line)
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	if got := telemetry.RequestID(t.Context()); got != "" {
		t.Errorf("RequestID(empty context) = %q, want empty", got)
	}
	seen := map[string]bool{}
	for range 1000 {
		id := telemetry.NewRequestID()
		if seen[id] || !telemetry.ValidRequestID(id) {
			t.Fatalf("NewRequestID() = %q, want a new, valid one", id)
		}
		seen[id] = true
	}
	for id, want := range map[string]bool{
		"a": true, "A-z_0.9": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a b": false, "a\nb": false, "é": false, "a=b": false, "[x]": false, "@": false, "`": false,
	} {
		if got := telemetry.ValidRequestID(id); got != want {
			t.Errorf("ValidRequestID(%q) = %v, want %v", id, got, want)
		}
	}
}

func TestLoggerIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	log := telemetry.NewLogger(&buf, false, slog.LevelInfo)
	ctx := telemetry.WithRequestID(t.Context(), "r")
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { log.InfoContext(ctx, "m", "body", map[string]string{"token": "x"}) })
	}
	wg.Wait()
	lines := strings.Split(strings.TrimSpace(buf.String()), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("line %q is no JSON", line)
		}
	}
	if len(lines) != 50 {
		t.Errorf("%d lines, want 50", len(lines))
	}
}
