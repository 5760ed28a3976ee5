package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/sqlstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a model that does what the test says.
type script func(ctx context.Context, req *llm.Request, say func(llm.Event) bool) error

func (s script) Stream(ctx context.Context, req llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		open := true
		err := s(ctx, &req, func(e llm.Event) bool {
			open = open && yield(e, nil)
			return open
		})
		if err != nil && open {
			yield(llm.Event{}, err)
		}
	}
}

func text(s string) llm.Event { return llm.Event{Kind: llm.TextDelta, Text: s} }

func finish(say func(llm.Event) bool, reason llm.FinishReason) {
	say(llm.Event{Kind: llm.UsageReport, Usage: llm.Usage{Input: 10, Output: 5}})
	say(llm.Event{Kind: llm.Finish, Reason: reason})
}

func call(say func(llm.Event) bool, id, name, arguments string) {
	say(llm.Event{Kind: llm.CallStart, Call: llm.ToolCall{ID: id, Name: name}})
	say(llm.Event{Kind: llm.CallDelta, Call: llm.ToolCall{ID: id}, Text: arguments})
	say(llm.Event{Kind: llm.CallEnd, Call: llm.ToolCall{ID: id, Name: name, Arguments: json.RawMessage(arguments)}})
}

// echo answers as the recorded provider did.
func echo(_ context.Context, req *llm.Request, say func(llm.Event) bool) error {
	last := req.Messages[len(req.Messages)-1].Text
	for _, part := range []string{fmt.Sprintf("Echo (%d messages): ", len(req.Messages)+1), last} {
		say(text(part))
	}
	finish(say, llm.Stop)
	return nil
}

// purse is a budget without end that counts.
type purse struct {
	mu       sync.Mutex
	open     map[int64]int64 // run by reservation
	next     int64
	settled  llm.Usage
	released []int64
	refuse   error
}

func (p *purse) Reserve(_ context.Context, c agent.Charge) (agent.Reserved, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		return agent.Reserved{}, p.refuse
	}
	p.next++
	if p.open == nil {
		p.open = map[int64]int64{}
	}
	p.open[p.next] = c.RunID
	return agent.Reserved{ID: p.next, UserID: c.Actor.UserID, MaxTokens: c.MaxTokens}, nil
}

func (p *purse) Settle(_ context.Context, r agent.Reserved, u llm.Usage) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.open[r.ID]; !ok {
		return 0, nil
	}
	delete(p.open, r.ID)
	p.settled.Input += u.Input
	p.settled.Output += u.Output
	return u.Input + u.Output, nil
}

func (p *purse) Release(_ context.Context, run int64, _ llm.Usage) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, of := range p.open {
		if of == run {
			delete(p.open, id)
			p.released = append(p.released, run)
		}
	}
	return 0, nil
}

// rights answer Recheck with the user's row, or with what the test set.
type rights struct {
	mu     sync.Mutex
	denied error
	role   identity.Role
}

func (r *rights) Recheck(_ context.Context, user int64, session string, key int64, _ time.Time) (identity.Actor, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return identity.Actor{UserID: user, Role: r.role, Status: identity.Active, SessionID: session, KeyID: key}, r.denied
}

func (r *rights) set(denied error, role identity.Role) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.denied, r.role = denied, role
}

// office is a runner and what stands around it.
type office struct {
	*bundle
	*agent.Runner
	purse  *purse
	rights *rights
	bob    identity.Actor
	agent  agent.Agent
}

// open starts a runner over the bundle's database. It is stopped at the end.
func (b *bundle) open(t *testing.T, model llm.Model, tools ...agent.Tool) *office {
	t.Helper()
	bob := b.user(t, "bob")
	bob.SessionID = "s1"
	var names []string
	for _, tool := range tools {
		names = append(names, tool.Name)
	}
	listed, _ := json.Marshal(names)
	a, err := b.Create(t.Context(), bob, agent.Draft{Name: ptr("Helper"), AgentType: ptr("custom"), SystemPrompt: ptr("Be kind"), AvailableTools: listed})
	if err != nil {
		t.Fatal(err)
	}
	o := &office{bundle: b, purse: &purse{}, rights: &rights{role: identity.User}, bob: bob, agent: a}
	o.Runner = o.another(t, model, tools...)
	return o
}

// another starts a second process over the same database.
func (o *office) another(t *testing.T, model llm.Model, tools ...agent.Tool) *agent.Runner {
	t.Helper()
	box, err := agent.NewToolbox(tools...)
	if err != nil {
		t.Fatal(err)
	}
	r := agent.NewRunner(agent.Parts{
		Agents: o.Service, Store: &sqlstore.Runs{DB: o.db}, Models: model, Budget: o.purse, Tools: box, Access: o.rights,
		Now: o.clock, Log: slog.New(slog.DiscardHandler),
	})
	r.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r.Stop(ctx)
	})
	return r
}

func (o *office) say(t *testing.T, p agent.Prompt) *agent.Tail {
	t.Helper()
	tail, err := o.Begin(t.Context(), o.bob, o.agent.ID, p)
	if err != nil {
		t.Fatalf("Begin(%q): %v", p.Text, err)
	}
	return tail
}

// read reads a log to its end.
func read(t *testing.T, tail *agent.Tail) (*agent.Log, []agent.Event, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	log := &agent.Log{}
	var all []agent.Event
	for {
		events, err := tail.Next(ctx)
		if err != nil {
			return log, all, err
		}
		log.Fold(events...)
		all = append(all, events...)
	}
}

// until reads a log until the event of a kind came.
func until(t *testing.T, tail *agent.Tail, kind agent.EventKind) []agent.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var all []agent.Event
	for {
		events, err := tail.Next(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		all = append(all, events...)
		for _, e := range events {
			if e.Kind == kind {
				return all
			}
		}
	}
}

func (o *office) ask(t *testing.T, p agent.Prompt) *agent.Log {
	t.Helper()
	log, _, err := read(t, o.say(t, p))
	if !errors.Is(err, io.EOF) {
		t.Fatalf("the log of %q ended with %v, want io.EOF", p.Text, err)
	}
	return log
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		o := b.open(t, script(echo))
		tail := o.say(t, agent.Prompt{Text: "Hello"})
		log, _, err := read(t, tail)
		if !errors.Is(err, io.EOF) || log.Text() != "Echo (2 messages): Hello" || log.End.Status != agent.Succeeded {
			t.Fatalf("the first answer = %q, %+v, %v", log.Text(), log.End, err)
		}
		b.pass(time.Minute)
		id := tail.Run().ConversationID
		if log := o.ask(t, agent.Prompt{Text: "And again", ConversationID: id}); log.Text() != "Echo (4 messages): And again" {
			t.Errorf("the second answer = %q", log.Text())
		}
		list, err := o.Conversations(t.Context(), o.bob)
		if err != nil || len(list) != 1 {
			t.Fatalf("Conversations = %v, %v; want one", list, err)
		}
		began := b.stamp().Add(-time.Minute)
		want := agent.Conversation{
			ID: id, AgentID: o.agent.ID, Title: "Helper - 2026-03-04 05:06", TotalTokensUsed: 30, TotalCostNanos: 30, CreatedAt: began, UpdatedAt: b.stamp(),
			Messages: []agent.Message{
				{Role: "user", Content: "Hello", SentAt: began}, {Role: "assistant", Content: "Echo (2 messages): Hello", SentAt: began},
				{Role: "user", Content: "And again", SentAt: b.stamp()}, {Role: "assistant", Content: "Echo (4 messages): And again", SentAt: b.stamp()},
			},
		}
		if diff := cmp.Diff(want, list[0]); diff != "" {
			t.Errorf("the conversation (-want +got):\n%s", diff)
		}
		a, err := o.ByID(t.Context(), o.bob, o.agent.ID)
		if err != nil || a.TotalInteractions != 2 || a.LastUsed == nil || !a.LastUsed.Equal(b.stamp()) {
			t.Errorf("the agent = %d, %v, %v; want two interactions", a.TotalInteractions, a.LastUsed, err)
		}
	})
}

// ByID of the office is that of the agents.
func (o *office) ByID(ctx context.Context, who identity.Actor, id int64) (agent.Agent, error) {
	return o.Service.ByID(ctx, who, id)
}

func TestBeginRefuses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		o := b.open(t, script(echo))
		alice := b.user(t, "alice")
		pending := o.bob
		pending.Status = identity.Pending
		other, err := b.Create(t.Context(), o.bob, agent.Draft{Name: ptr("Other"), AgentType: ptr("custom"), SystemPrompt: ptr("x")})
		if err != nil {
			t.Fatal(err)
		}
		tail := o.say(t, agent.Prompt{Text: "x"})
		if _, _, err := read(t, tail); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		id := tail.Run().ConversationID
		tests := []struct {
			name   string
			who    identity.Actor
			agent  int64
			prompt agent.Prompt
			want   error
		}{
			{"another's agent", alice, o.agent.ID, agent.Prompt{Text: "x"}, agent.ErrNotFound},
			{"a pending user", pending, o.agent.ID, agent.Prompt{Text: "x"}, agent.ErrPending},
			{"no message", o.bob, o.agent.ID, agent.Prompt{}, agent.ErrNoMessage},
			{"an unknown conversation", o.bob, o.agent.ID, agent.Prompt{Text: "x", ConversationID: 987654}, agent.ErrNoConversation},
			{"another agent's conversation", o.bob, other.ID, agent.Prompt{Text: "x", ConversationID: id}, agent.ErrNoConversation},
		}
		for _, test := range tests {
			_, err := o.Begin(t.Context(), test.who, test.agent, test.prompt)
			wantErr(t, test.name, err, test.want)
		}
		for status, want := range map[string]error{"inactive": agent.ErrInactive, "training": agent.ErrTraining} {
			if _, err := b.Update(t.Context(), o.bob, o.agent.ID, agent.Draft{Status: &status}); err != nil {
				t.Fatal(err)
			}
			_, err := o.Begin(t.Context(), o.bob, o.agent.ID, agent.Prompt{Text: "x"})
			wantErr(t, status, err, want)
		}
		if _, err := o.Follow(t.Context(), alice, tail.Run().ID); !errors.Is(err, agent.ErrRunNotFound) {
			t.Errorf("Follow of another's run = %v, want ErrRunNotFound", err)
		}
		if _, err := o.Cancel(t.Context(), alice, tail.Run().ID); !errors.Is(err, agent.ErrRunNotFound) {
			t.Errorf("Cancel of another's run = %v, want ErrRunNotFound", err)
		}
	})
}

// Two messages at once to one conversation: one is answered, the other refused.
func TestOneMessageAtATime(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		goOn := make(chan struct{})
		o := b.open(t, script(func(ctx context.Context, req *llm.Request, say func(llm.Event) bool) error {
			select {
			case <-goOn:
			case <-ctx.Done():
				return ctx.Err()
			}
			return echo(ctx, req, say)
		}))
		first := o.say(t, agent.Prompt{Text: "first", ClientID: "chat-1"})
		var busy atomic.Int32
		var g errgroup.Group
		for range 8 {
			g.Go(func() error {
				_, err := o.Begin(t.Context(), o.bob, o.agent.ID, agent.Prompt{Text: "more", ClientID: "chat-1"})
				if errors.Is(err, agent.ErrBusy) {
					busy.Add(1)
					return nil
				}
				return fmt.Errorf("Begin = %w, want ErrBusy", err)
			})
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		close(goOn)
		if _, _, err := read(t, first); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if log := o.ask(t, agent.Prompt{Text: "then", ClientID: "chat-1"}); log.Text() != "Echo (4 messages): then" {
			t.Errorf("the next answer = %q; want one that knows the first exchange", log.Text())
		}
		if log := o.ask(t, agent.Prompt{Text: "once more", ClientID: "chat-1", Regenerate: true}); log.Text() != "Echo (4 messages): once more" {
			t.Errorf("the answer made anew = %q; want one that forgot the last exchange", log.Text())
		}
	})
}

// What a failing provider leaves: one last event, the accounts in order, and
// nothing in the conversation that nobody saw.
func TestProviderFails(t *testing.T) {
	t.Parallel()
	cut := func(_ context.Context, _ *llm.Request, say func(llm.Event) bool) error {
		say(text("I was about"))
		return &llm.Error{Kind: llm.Broken, Provider: "test", Message: "secret"}
	}
	tests := []struct {
		name  string
		model script
		whole bool
		code  string
		left  int // messages
	}{
		{"500", func(context.Context, *llm.Request, func(llm.Event) bool) error {
			return &llm.Error{Kind: llm.Broken, Status: 500}
		}, false, agent.CodeProvider, 0},
		{"429", func(context.Context, *llm.Request, func(llm.Event) bool) error {
			return &llm.Error{Kind: llm.RateLimited, RetryAfter: 7 * time.Second}
		}, true, agent.CodeRateLimited, 0},
		{"time-out", func(context.Context, *llm.Request, func(llm.Event) bool) error { return &llm.Error{Kind: llm.Timeout} }, true, agent.CodeTimeout, 0},
		{"too long, however short", func(context.Context, *llm.Request, func(llm.Event) bool) error {
			return &llm.Error{Kind: llm.ContextTooLong}
		}, true, agent.CodeTooLong, 0},
		{"no finish", func(_ context.Context, _ *llm.Request, say func(llm.Event) bool) error { say(text("x")); return nil }, true, agent.CodeProvider, 0},
		{"endless", func(_ context.Context, _ *llm.Request, say func(llm.Event) bool) error {
			for say(text(strings.Repeat("x", 1<<20))) {
			}
			return nil
		}, true, agent.CodeProvider, 0},
		{"another error", func(context.Context, *llm.Request, func(llm.Event) bool) error { return errors.New("odd") }, true, agent.CodeInternal, 0},
		{"panic", func(context.Context, *llm.Request, func(llm.Event) bool) error { panic("odd") }, true, agent.CodeInternal, 0},
		{"cut, for one who waits for all", cut, true, agent.CodeProvider, 0},
		{"cut, for one who reads along", cut, false, agent.CodeProvider, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, b *bundle) {
				o := b.open(t, test.model)
				tail := o.say(t, agent.Prompt{Text: "x", Whole: test.whole})
				log, _, err := read(t, tail)
				if !errors.Is(err, io.EOF) || log.End == nil || log.End.Status != agent.Failed || log.End.Failure.Code != test.code {
					t.Fatalf("the log ended with %+v, %v; want %s", log.End, err, test.code)
				}
				if strings.Contains(log.End.Failure.Text, "secret") {
					t.Error("the user is shown the provider's own words")
				}
				list, err := o.Conversations(t.Context(), o.bob)
				left := 0
				for _, c := range list {
					left += len(c.Messages)
				}
				if err != nil || left != test.left || (left == 0) != (len(list) == 0) {
					t.Errorf("%d messages in %d conversations are left, %v; want %d", left, len(list), err, test.left)
				}
				run, err := o.Runner.Store.ByID(t.Context(), o.bob.UserID, tail.Run().ID)
				if err != nil || run.Failure == nil || run.Failure.Code != test.code || run.Status != agent.Failed {
					t.Errorf("the run = %+v, %v", run, err)
				}
				if len(o.purse.open) != 0 {
					t.Errorf("reservations are left: %v", o.purse.open)
				}
			})
		})
	}
}

func (o *office) refusedBudget(err error) {
	o.purse.mu.Lock()
	defer o.purse.mu.Unlock()
	o.purse.refuse = err
}

func TestBudgetAndRightsEndARun(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		o := b.open(t, script(echo))
		o.refusedBudget(fault.New(fault.Throttled, "budget.spent", "Spent."))
		if log := o.ask(t, agent.Prompt{Text: "x"}); log.End.Failure == nil || log.End.Failure.Code != agent.CodeBudget || log.End.Failure.Text != "Spent." {
			t.Errorf("over budget: %+v", log.End.Failure)
		}
		o.refusedBudget(nil)
		o.rights.set(fault.New(fault.Unauthenticated, "x", "Gone."), identity.User)
		if log := o.ask(t, agent.Prompt{Text: "x"}); log.End.Failure == nil || log.End.Failure.Code != agent.CodeRevoked {
			t.Errorf("signed out: %+v", log.End.Failure)
		}
		if list, err := o.Conversations(t.Context(), o.bob); err != nil || len(list) != 0 {
			t.Errorf("%d conversations are left, %v", len(list), err)
		}
	})
}
