package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm"
)

// stalled says something and then nothing more.
func stalled(ctx context.Context, _ *llm.Request, say func(llm.Event) bool) error {
	say(text("I was about"))
	<-ctx.Done()
	return ctx.Err()
}

// wantKept checks that an ended run left its words in a usable conversation.
func (o *office) wantKept(t *testing.T, run agent.Run, status agent.Status) {
	t.Helper()
	r, err := o.Runner.Store.ByID(t.Context(), o.bob.UserID, run.ID)
	if err != nil || r.Status != status || r.FinishedAt == nil {
		t.Errorf("the run = %s, %v, %v; want %s", r.Status, r.FinishedAt, err, status)
	}
	stored, err := o.Runner.Store.Messages(t.Context(), run.ConversationID, 1000)
	if err != nil || len(stored) != 2 || stored[1].Content != "I was about" {
		t.Errorf("what is kept = %+v, %v", stored, err)
	}
	next := o.another(t, script(echo))
	tail, err := next.Begin(t.Context(), o.bob, o.agent.ID, agent.Prompt{Text: "again", ConversationID: run.ConversationID})
	if err != nil {
		t.Fatalf("the conversation is not usable: %v", err)
	}
	if log, _, err := read(t, tail); !errors.Is(err, io.EOF) || log.Text() != "Echo (4 messages): again" {
		t.Errorf("the next answer = %q, %v", log.Text(), err)
	}
}

func TestCancelFromAnotherProcess(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		o := b.open(t, script(stalled))
		other := o.another(t, script(echo))
		tail := o.say(t, agent.Prompt{Text: "x"})
		until(t, tail, agent.TextPart)
		began := time.Now()
		if _, err := other.Cancel(t.Context(), o.bob, tail.Run().ID); err != nil {
			t.Fatal(err)
		}
		far, err := other.Follow(t.Context(), o.bob, tail.Run().ID)
		if err != nil {
			t.Fatal(err)
		}
		log, _, err := read(t, far)
		if !errors.Is(err, io.EOF) || log.End.Status != agent.Cancelled || log.Text() != "I was about" {
			t.Errorf("the log ended with %v, %+v, %q", err, log.End, log.Text())
		}
		if took := time.Since(began); took > 5*time.Second { // a second on an idle machine
			t.Errorf("it took %v", took)
		}
		o.wantKept(t, tail.Run(), agent.Cancelled)
		if run, err := other.Cancel(t.Context(), o.bob, tail.Run().ID); err != nil || run.Status != agent.Cancelled {
			t.Errorf("a second Cancel = %s, %v", run.Status, err)
		}
	})
}

func TestCancelWhileItWaits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		var notes ledger
		o := b.open(t, thenSay(func(say func(llm.Event) bool) { call(say, "a", "note", `{"text":"one"}`) }), notes.tool())
		tail := o.say(t, agent.Prompt{Text: "x"})
		if _, _, err := read(t, tail); !errors.Is(err, agent.ErrPaused) {
			t.Fatal(err)
		}
		if run, err := o.Cancel(t.Context(), o.bob, tail.Run().ID); err != nil || run.Status != agent.Cancelled {
			t.Fatalf("Cancel = %s, %v", run.Status, err)
		}
		o.ask(t, agent.Prompt{Text: "y", ConversationID: tail.Run().ConversationID, Unattended: true})
		if notes.texts() != "" {
			t.Errorf("written %q", notes.texts())
		}
	})
}

// A process that is killed says nothing more. Another one finds its runs when
// their lease has ended, and what it itself would still write is refused.
func TestRescue(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		o := b.open(t, script(stalled))
		other := o.another(t, script(echo))
		tail := o.say(t, agent.Prompt{Text: "x"})
		until(t, tail, agent.TextPart)
		if err := other.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if run, err := other.ByID(t.Context(), o.bob, tail.Run().ID); err != nil || run.Status != agent.Running {
			t.Fatalf("a run whose lease holds was taken: %s, %v", run.Status, err)
		}
		b.pass(time.Minute)
		if err := other.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		far, err := other.Follow(t.Context(), o.bob, tail.Run().ID)
		if err != nil {
			t.Fatal(err)
		}
		log, _, err := read(t, far)
		if !errors.Is(err, io.EOF) || log.End.Status != agent.Failed || log.End.Failure.Code != agent.CodeInterrupted {
			t.Fatalf("the log ended with %v, %+v", err, log.End)
		}
		o.purse.mu.Lock()
		if diff := cmp.Diff([]int64{tail.Run().ID}, o.purse.released); diff != "" {
			t.Errorf("released (-want +got):\n%s", diff)
		}
		o.purse.mu.Unlock()
		// The process was alive after all: its run ends, and changes nothing.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		o.Stop(ctx)
		_, all, err := read(t, tail)
		if err == nil || len(all) > 1 {
			t.Errorf("the first process's reader got %v, %v", all, err)
		}
		o.wantKept(t, tail.Run(), agent.Failed)
	})
}

func TestStopKeepsWhatWasSaid(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		o := b.open(t, script(stalled))
		tail := o.say(t, agent.Prompt{Text: "x"})
		until(t, tail, agent.TextPart)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		o.Stop(ctx)
		if _, err := o.Begin(t.Context(), o.bob, o.agent.ID, agent.Prompt{Text: "x"}); !errors.Is(err, agent.ErrStopping) {
			t.Errorf("Begin after Stop = %v, want ErrStopping", err)
		}
		if log, _, err := read(t, tail); !errors.Is(err, io.EOF) || log.End.Failure.Code != agent.CodeStopped {
			t.Errorf("the log ended with %v, %+v", err, log.End)
		}
		o.wantKept(t, tail.Run(), agent.Failed)
	})
}

// Whoever may not go on is stopped while the model speaks.
func TestRevokedMeanwhile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		o := b.open(t, script(stalled))
		tail := o.say(t, agent.Prompt{Text: "x"})
		until(t, tail, agent.TextPart)
		o.rights.set(fault.New(fault.Unauthenticated, "x", "Gone."), identity.User)
		if err := o.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if log, _, err := read(t, tail); !errors.Is(err, io.EOF) || log.End.Failure.Code != agent.CodeRevoked {
			t.Errorf("the log ended with %v, %+v", err, log.End)
		}
	})
}

// Deleting the conversation ends what runs in it.
func TestDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		again := make(chan struct{})
		o := b.open(t, script(func(ctx context.Context, _ *llm.Request, say func(llm.Event) bool) error {
			say(text("a"))
			<-again
			say(text("b"))
			<-ctx.Done()
			return ctx.Err()
		}))
		tail := o.say(t, agent.Prompt{Text: "x"})
		until(t, tail, agent.TextPart)
		if err := o.Runner.Store.DeleteConversation(t.Context(), o.bob.UserID, tail.Run().ConversationID); err != nil {
			t.Fatal(err)
		}
		close(again)
		if _, _, err := read(t, tail); !errors.Is(err, agent.ErrRunNotFound) {
			t.Errorf("the log ended with %v, want ErrRunNotFound", err)
		}
	})
}

// Many answers at once, each read by one here and by one on another process:
// nothing is lost, doubled or out of order.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		const streams, tokens = 40, 200
		o := b.open(t, script(func(_ context.Context, req *llm.Request, say func(llm.Event) bool) error {
			name := req.Messages[len(req.Messages)-1].Text
			for i := range tokens {
				say(text(fmt.Sprintf("%s.%d ", name, i)))
			}
			finish(say, llm.Stop)
			return nil
		}))
		other := o.another(t, script(echo))
		var g errgroup.Group
		for i := range streams {
			g.Go(func() error {
				name := fmt.Sprint("s", i)
				var want strings.Builder
				for k := range tokens {
					fmt.Fprintf(&want, "%s.%d ", name, k)
				}
				tail, err := o.Begin(t.Context(), o.bob, o.agent.ID, agent.Prompt{Text: name})
				if err != nil {
					return err
				}
				tails := []*agent.Tail{tail}
				if i%4 == 0 {
					far, err := other.Follow(t.Context(), o.bob, tail.Run().ID)
					if err != nil {
						return err
					}
					tails = append(tails, far)
				}
				for _, tail := range tails {
					log, all, err := read(t, tail)
					parts := 0
					for _, e := range all {
						if e.Kind == agent.TextPart {
							parts++
						}
					}
					if !errors.Is(err, io.EOF) || log.Text() != want.String() || parts != tokens {
						return fmt.Errorf("%s: %d parts, %w, %.80q", name, parts, err, log.Text())
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestSweep(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		var notes ledger
		o := b.open(t, thenSay(func(say func(llm.Event) bool) { call(say, "a", "note", `{"text":"one"}`) }), notes.tool())
		old := o.say(t, agent.Prompt{Text: "old", Unattended: true})
		if _, _, err := read(t, old); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		waits := o.say(t, agent.Prompt{Text: "waits"})
		if _, _, err := read(t, waits); !errors.Is(err, agent.ErrPaused) {
			t.Fatal(err)
		}
		b.pass(time.Hour)
		fresh := o.say(t, agent.Prompt{Text: "fresh", Unattended: true})
		if _, _, err := read(t, fresh); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if n, err := o.Runner.Store.Sweep(t.Context(), b.stamp().Add(-time.Minute), 10); n != 1 || err != nil {
			t.Errorf("Sweep = %d, %v; want 1", n, err)
		}
		list, err := o.Conversations(t.Context(), o.bob)
		if err != nil || len(list) != 2 {
			t.Errorf("%d conversations are left, %v; want the one that waits and the fresh one", len(list), err)
		}
		if _, err := o.Runner.ByID(t.Context(), o.bob, old.Run().ID); !errors.Is(err, agent.ErrRunNotFound) {
			t.Errorf("the run of a swept conversation = %v", err)
		}
	})
}
