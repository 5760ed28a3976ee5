package telemetry_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bdash/bdash/internal/telemetry"
)

// sink counts the writes to it.
type sink struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	writes int
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	s.buf.Write(p)
	return len(p), s.err
}

// order is the paths and messages that were written, in order.
func (s *sink) order() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for line := range strings.Lines(s.buf.String()) {
		_, rest, _ := strings.Cut(line, `"path":"/`)
		if rest == "" {
			_, rest, _ = strings.Cut(line, `"msg":"`)
		}
		word, _, _ := strings.Cut(rest, `"`)
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func TestBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		batch := telemetry.NewBatch(s)
		log := telemetry.NewLogger(batch, false, slog.LevelInfo)
		request := func(path string) {
			telemetry.LogRequest(t.Context(), log, &telemetry.RequestLine{At: time.Now(), Method: "GET", Path: "/" + path})
		}
		expect := func(when, want string) {
			t.Helper()
			if got := s.order(); got != want {
				t.Errorf("%s: wrote %q, want %q", when, got, want)
			}
		}
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		request("a")
		expect("after quiet", "a")
		request("b")
		pass(50 * time.Millisecond)
		request("c")
		expect("in a busy time", "a")
		pass(50 * time.Millisecond)
		expect("after 100 ms", "a b c")
		request("d")
		expect("just after a write", "a b c")
		log.Info("other")
		expect("with another record", "a b c d other")
		pass(time.Second)
		request("e")
		expect("after quiet again", "a b c d other e")
		request("f")
		if err := batch.Close(); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
		expect("closed", "a b c d other e f")
		request("g")
		log.Warn("last")
		expect("after the end", "a b c d other e f g last")
		pass(time.Second)
	})
}

// Much at once goes out before the time is up, in few writes, each whole lines.
func TestBatchIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		batch := telemetry.NewBatch(s)
		log := telemetry.NewLogger(batch, false, slog.LevelInfo)
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				for range 500 {
					telemetry.LogRequest(t.Context(), log, &telemetry.RequestLine{At: time.Now(), Method: "GET", Path: "/x"})
				}
			})
		}
		wait.Wait()
		if n := s.count(); n < 10 || n > 400 {
			t.Errorf("4000 lines went out in %d writes before the time was up, want 10 to 400", n)
		}
		if err := batch.Close(); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
		if got := strings.Count(s.order(), "x"); got != 4000 {
			t.Errorf("%d lines were written, want 4000", got)
		}
	})
}

func TestBatchTellsOfErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("no space left")
	batch := telemetry.NewBatch(&sink{err: broken})
	if _, err := batch.Write([]byte("x")); !errors.Is(err, broken) {
		t.Errorf("Write = %v, want %v", err, broken)
	}
}
