package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm"
)

// turn works on one run, in one goroutine.
type turn struct {
	r     *Runner
	l     *live
	run   Run
	agent *Agent
	actor identity.Actor
	p     Prompt
	// log is what was added so far, committed or not.
	log Log
	// history is what the model reads before this run's own steps.
	history []llm.Message
	// narrower halves the window each time the provider finds it too long.
	narrower int
	ids      map[string]bool
}

// Why a run ends, besides errCancelled, errStopped, faults and *llm.Error.
var (
	errInterrupted = errors.New("its process was not heard of")
	errExpired     = errors.New("it was not approved in time")
	errRunLimit    = errors.New("it took too long")
	errPanicked    = errors.New("panic")
)

// errPaused is no failure: the owner is asked.
var errPaused = errors.New("paused")

// begin answers a new message.
func (t *turn) begin(ctx context.Context, a *Agent, actor identity.Actor, p Prompt) {
	t.agent, t.actor, t.p = a, actor, p
	t.guard(ctx, func() error {
		if t.history = p.History; t.history == nil {
			stored, err := t.r.Store.Messages(ctx, t.run.ConversationID, t.run.Position)
			if err != nil {
				return err
			}
			t.history = historyOf(stored)
		}
		t.history = append(slices.Clone(t.history), llm.Message{Role: llm.User, Text: p.Text})
		return t.loop(ctx)
	})
}

// resume goes on after the owner's decisions.
func (t *turn) resume(ctx context.Context, actor identity.Actor) {
	t.actor = actor
	t.guard(ctx, func() error {
		if err := t.reload(ctx); err != nil {
			return err
		}
		a, err := t.r.Agents.ByID(ctx, actor, t.run.AgentID)
		if err != nil {
			return err
		}
		t.agent = &a
		stored, err := t.r.Store.Messages(ctx, t.run.ConversationID, t.run.Position+1)
		if err != nil {
			return err
		}
		t.history = historyOf(stored)
		if err := t.decided(ctx); err != nil {
			return err
		}
		return t.loop(ctx)
	})
}

// bury ends a run that this process took over.
func (t *turn) bury(ctx context.Context, why error) {
	t.guard(ctx, func() error {
		if err := t.reload(ctx); err != nil {
			return err
		}
		if err := t.r.Store.Expire(ctx, t.run.ID, t.r.now()); err != nil {
			return err
		}
		said := t.log.unsettled()
		nanos, err := t.r.Budget.Release(ctx, t.run.ID, said)
		if err != nil {
			t.r.Log.Error("release a dead run's reservation", "run", t.run.ID, "error", err)
		}
		t.run.InputTokens, t.run.OutputTokens = max(t.run.InputTokens, t.log.Usage.Input), max(t.run.OutputTokens, t.log.Usage.Output)+said.Output
		t.run.CostNanos += nanos
		return why
	})
}

// reload reads what another process, or an earlier life, wrote.
func (t *turn) reload(ctx context.Context) error {
	events, err := t.r.allEvents(ctx, t.run.ID)
	if err != nil {
		return err
	}
	t.l.preload(events)
	t.log.Fold(events...)
	return nil
}

// guard runs work and ends the run with what it returns, whatever happens.
func (t *turn) guard(ctx context.Context, work func() error) {
	var err error
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanicked, p)
		}
		if !errors.Is(err, errPaused) {
			t.finish(err)
		}
	}()
	// Whatever the work says of a context that ended, why it ended counts.
	if err = work(); err != nil && ctx.Err() != nil && !errors.Is(err, errPaused) {
		err = context.Cause(ctx)
	}
}

// loop calls the model and the tools until the model asks for no more.
func (t *turn) loop(ctx context.Context) error {
	for len(t.log.Steps) < t.r.Settings.MaxSteps {
		var err error
		if t.actor, err = t.r.recheck(ctx, &t.run); err != nil {
			return err
		}
		if err := t.step(ctx); err != nil {
			return err
		}
		last := &t.log.Steps[len(t.log.Steps)-1]
		if len(last.Calls) == 0 {
			return nil
		}
		if err := t.answer(ctx, last); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("I stopped here: I may take %d steps for one message, and they are used up.", t.r.Settings.MaxSteps)
	return t.add(ctx, Event{Kind: StepBegin}, Event{Kind: TextPart, Text: text}, Event{Kind: StepEnd, Reason: llm.Other})
}

// add appends to the log.
func (t *turn) add(ctx context.Context, events ...Event) error {
	t.log.Fold(events...)
	return t.r.journal.add(ctx, t.l, events...)
}

// step calls the model once.
func (t *turn) step(ctx context.Context) error {
	if err := t.add(ctx, Event{Kind: StepBegin}); err != nil {
		return err
	}
	for {
		spoke, err := t.call(ctx)
		if problem := (*llm.Error)(nil); errors.As(err, &problem) && problem.Kind == llm.ContextTooLong && !spoke && t.narrower < 4 {
			t.narrower++
			continue
		}
		return err
	}
}

// defaultWindow is taken for models that nobody knows the window of.
const defaultWindow = 128_000

// request is what the model is asked next.
func (t *turn) request() llm.Request {
	req := llm.Request{Model: t.agent.Model, System: t.agent.SystemPrompt, Tools: offered(t.r.Tools.For(t.agent))}
	if t.p.System != "" {
		req.System += "\n\n" + t.p.System
	}
	req.Temperature = &t.agent.Temperature
	if t.p.Temperature != nil {
		req.Temperature = t.p.Temperature
	}
	req.MaxTokens = max(t.agent.MaxTokens, 0)
	if t.p.MaxTokens > 0 && (req.MaxTokens == 0 || t.p.MaxTokens < req.MaxTokens) {
		req.MaxTokens = t.p.MaxTokens
	}
	window := int64(0)
	if t.r.Window != nil {
		window = t.r.Window(t.agent.Model)
	}
	if window <= 0 {
		window = defaultWindow
	}
	room := window>>t.narrower - requestTokens(&req) - min(req.MaxTokens, window/2)
	own := stepMessages(t.log.Steps)
	req.Messages = fit(append(slices.Clone(t.history), own...), room)
	return req
}

// call streams one answer into the log. spoke tells that some of it came.
func (t *turn) call(ctx context.Context) (spoke bool, err error) {
	req := t.request()
	reserved, err := t.r.Budget.Reserve(ctx, Charge{
		Actor: t.actor, AgentID: t.agent.ID, RunID: t.run.ID, Model: req.Model, Input: requestTokens(&req), MaxTokens: req.MaxTokens,
	})
	if err != nil {
		return false, err
	}
	if reserved.MaxTokens > 0 {
		req.MaxTokens = reserved.MaxTokens
	}
	s := stream{t: t, names: map[string]string{}}
	err = s.read(ctx, &req)
	if !s.counted {
		s.usage = llm.Usage{Input: requestTokens(&req), Output: s.written/3 + 1, Estimated: true}
		if !s.spoke && err != nil {
			s.usage = llm.Usage{Estimated: true} // refused or never reached: nothing was counted
		}
	}
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
	defer cancel()
	nanos, settleErr := t.r.Budget.Settle(settling, reserved, s.usage)
	if settleErr != nil {
		t.r.Log.Error("settle the cost of a call", "run", t.run.ID, "error", settleErr)
	}
	t.run.CostNanos += nanos
	t.run.InputTokens += s.usage.Input
	t.run.OutputTokens += s.usage.Output
	if err != nil {
		return s.spoke, err
	}
	return true, t.add(ctx, Event{Kind: StepEnd, Usage: &s.usage, Reason: s.reason})
}

// parallelCalls bounds the tools that run at a time for one run.
const parallelCalls = 4

// answer deals with the calls of a step: runs those that are allowed, refuses
// those that are not, and pauses for those that the owner is to decide.
func (t *turn) answer(ctx context.Context, step *Step) error {
	// The rights are those of now, and so are the agent's permissions.
	actor, err := t.r.recheck(ctx, &t.run)
	if err != nil {
		return err
	}
	t.actor = actor
	a, err := t.r.Agents.ByID(ctx, actor, t.run.AgentID)
	if err != nil {
		return err
	}
	t.agent = &a
	tools := map[string]Tool{}
	for _, tool := range t.r.Tools.For(t.agent) {
		tools[tool.Name] = tool
	}
	var run []runnable
	var asks []Ask
	for _, c := range step.Calls {
		tool, ok := tools[c.Tool]
		switch {
		case !ok:
			err = t.refuse(ctx, c, "There is no tool "+quoteName(c.Tool)+" for this agent.")
		case t.mustAsk(&tool):
			// What cannot run at all is not worth a question.
			if problem := t.r.Tools.check(c.Tool, c.Arguments); problem != "" {
				err = t.refuse(ctx, c, problem)
			} else if t.run.Unattended {
				err = t.refuseUnattended(ctx, c)
			} else {
				asks = append(asks, Ask{CallID: c.ID, Tool: c.Tool, Arguments: c.Arguments, Hash: hashOf(c.Tool, c.Arguments)})
			}
		default:
			run = append(run, runnable{c, tool})
		}
		if err != nil {
			return err
		}
	}
	if err := t.perform(ctx, run); err != nil {
		return err
	}
	if len(asks) > 0 {
		return t.pause(ctx, asks)
	}
	return nil
}

// mustAsk reports whether the owner is asked before the tool runs.
func (t *turn) mustAsk(tool *Tool) bool {
	switch t.agent.Permission(tool) {
	case Allow:
		return tool.Writes && t.run.Tainted
	default:
		return true
	}
}

func (t *turn) refuse(ctx context.Context, c Call, why string) error {
	return t.add(ctx, Event{Kind: CallAnswered, CallID: c.ID, Text: why, Failed: true})
}

func (t *turn) refuseUnattended(ctx context.Context, c Call) error {
	if t.r.Refused != nil {
		t.r.Refused(ctx, t.run, t.agent, c.Tool)
	}
	return t.refuse(ctx, c, "This call needs the approval of the user, who cannot be asked here. It was not made. The user was notified.")
}

// runnable is a call that may run.
type runnable struct {
	call Call
	tool Tool
}

// perform runs calls at the same time; each is answered when it is done.
func (t *turn) perform(ctx context.Context, calls []runnable) error {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(parallelCalls)
	for _, c := range calls {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			res, failed, err := t.r.Tools.call(ctx, &c.tool, t.actor, c.call.Arguments)
			if err != nil && ctx.Err() == nil {
				t.r.Log.Error("tool failed", "tool", c.tool.Name, "run", t.run.ID, "error", err)
			}
			mu.Lock()
			defer mu.Unlock()
			t.run.Tainted = t.run.Tainted || res.Outside
			// What a tool did is written down even if the run ends meanwhile.
			return t.add(context.WithoutCancel(ctx), Event{Kind: CallAnswered, CallID: c.call.ID, Text: clean(res.Text), Failed: failed})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// pause hands the run to its owner.
func (t *turn) pause(ctx context.Context, asks []Ask) error {
	now := t.r.now()
	until := now.Add(t.r.Settings.ApprovalTime)
	for i := range asks {
		asks[i].ExpiresAt = until
		ask := Event{Kind: CallAsked, CallID: asks[i].CallID, Tool: asks[i].Tool, Arguments: asks[i].Arguments, Hash: asks[i].Hash, ExpiresAt: &until}
		if err := t.add(ctx, ask); err != nil {
			return err
		}
	}
	if err := t.r.journal.drain(ctx, t.l); err != nil {
		return err
	}
	if err := t.r.Store.Pause(ctx, t.run, asks, until, now); err != nil {
		if errors.Is(err, ErrLost) { // or cancelled just now
			return errCancelled
		}
		return err
	}
	// A reader who comes now must find the run waiting, not here.
	t.r.mu.Lock()
	delete(t.r.live, t.run.ID)
	t.r.mu.Unlock()
	t.l.end(Waiting)
	return errPaused
}

// decided carries out what the owner decided.
func (t *turn) decided(ctx context.Context) error {
	if len(t.log.Steps) == 0 {
		return nil
	}
	states, err := t.r.Store.Calls(ctx, t.run.ID)
	if err != nil {
		return err
	}
	tools := map[string]Tool{}
	for _, tool := range t.r.Tools.For(t.agent) {
		tools[tool.Name] = tool
	}
	var run []runnable
	for _, c := range t.log.Open() {
		state := states[c.ID]
		yes := state == CallApproved && hashOf(c.Tool, c.Arguments) == c.Hash
		if err := t.add(ctx, Event{Kind: CallDecided, CallID: c.ID, Yes: yes}); err != nil {
			return err
		}
		tool, known := tools[c.Tool]
		switch {
		case !yes:
			err = t.refuse(ctx, c, "The user refused this call. Do not try it again.")
		case !known:
			err = t.refuse(ctx, c, "The agent may not use this tool any more.")
		default:
			run = append(run, runnable{c, tool})
		}
		if err != nil {
			return err
		}
	}
	return t.perform(ctx, run)
}

// finishTries and finishWait: a database that is away may come back. After
// that the lease ends, and whoever finds the run ends it.
const (
	finishTries = 20
	finishWait  = 500 * time.Millisecond
)

// finish ends the run. err is why, nil for success.
func (t *turn) finish(err error) {
	status, failure := t.outcome(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if drainErr := t.r.journal.drain(ctx, t.l); drainErr != nil {
		if errors.Is(drainErr, ErrLost) || errors.Is(drainErr, context.DeadlineExceeded) {
			t.lost(drainErr)
			return
		}
		status, failure = t.outcome(drainErr)
	}
	t.run.Status, t.run.Failure = status, failure
	reason := llm.Stop
	if n := t.l.lastReason(); n != "" {
		reason = n
	}
	t.run.FinishReason = string(reason)
	usage := llm.Usage{Input: t.run.InputTokens, Output: t.run.OutputTokens, Cached: t.log.Usage.Cached, Reasoning: t.log.Usage.Reasoning, Estimated: t.log.Usage.Estimated}
	end := Event{Kind: RunEnd, Status: status, Reason: reason, Usage: &usage, Failure: failure}
	e := Ending{Run: t.run, Seq: t.l.next(), End: end, Now: t.r.now()}
	e.Answer = clean(t.log.Text())
	if steps := t.log.settled(); steps != nil {
		e.Steps, _ = json.Marshal(steps) // strings only: cannot fail
	}
	silent := e.Answer == "" && len(e.Steps) == 0
	e.Discard = status == Failed && (silent || t.run.Whole && !t.log.ran())
	for try := range finishTries {
		var ended Run
		if ended, err = t.r.Store.Finish(ctx, e); err == nil {
			t.run = ended
			t.r.mu.Lock()
			delete(t.r.live, t.run.ID)
			t.r.mu.Unlock()
			t.l.end(status, end)
			return
		}
		if errors.Is(err, ErrLost) || ctx.Err() != nil || try == finishTries-1 {
			break
		}
		t.r.Log.Error("a run's end is not written, trying again", "run", t.run.ID, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(finishWait):
		}
	}
	t.lost(err)
}

// lost lets the readers go when the run is not ours any more.
func (t *turn) lost(err error) {
	t.r.Log.Warn("a run was lost", "run", t.run.ID, "error", err)
	t.l.end("")
}

// next is the number of the next event; nothing is pending.
func (l *live) next() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.events)) + 1
}

// lastReason is why the model stopped last.
func (l *live) lastReason() llm.FinishReason {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.events) - 1; i >= 0; i-- {
		if l.events[i].Kind == StepEnd {
			return l.events[i].Reason
		}
	}
	return ""
}

// outcome is how a run ends by err.
func (t *turn) outcome(err error) (Status, *Failure) {
	if err == nil {
		return Succeeded, nil
	}
	var provider *llm.Error
	switch {
	case errors.Is(err, errCancelled):
		return Cancelled, nil
	case errors.Is(err, errExpired):
		return Cancelled, &Failure{Code: CodeExpired, Text: "The call was not approved in time."}
	case errors.Is(err, errInterrupted):
		return Failed, &Failure{Code: CodeInterrupted, Text: "The server was interrupted while it answered."}
	case errors.Is(err, errStopped):
		return Failed, &Failure{Code: CodeStopped, Text: "The server was stopped while it answered."}
	case errors.Is(err, errRunLimit):
		return Failed, &Failure{Code: CodeTimeout, Text: "The answer took too long."}
	case errors.As(err, &provider):
		t.r.Log.Warn("the model's provider failed", "run", t.run.ID, "error", err)
		return Failed, providerFailure(provider)
	}
	if f, ok := fault.As(err); ok && f.Kind != fault.Internal {
		code := CodeBudget
		if revoked(f) {
			code = CodeRevoked
		}
		return Failed, &Failure{Code: code, Text: f.Message, RetryAfter: f.RetryAfter}
	}
	t.r.Log.Error("a run failed", "run", t.run.ID, "error", err)
	return Failed, &Failure{Code: CodeInternal, Text: "A server error occurred."}
}

func providerFailure(e *llm.Error) *Failure {
	switch e.Kind {
	case llm.Timeout:
		return &Failure{Code: CodeTimeout, Text: "The model did not answer in time."}
	case llm.RateLimited:
		return &Failure{Code: CodeRateLimited, Text: "The model's provider takes no more requests for now.", RetryAfter: e.RetryAfter}
	case llm.ContextTooLong:
		return &Failure{Code: CodeTooLong, Text: "The message is too long for this model."}
	case llm.Refused:
		return &Failure{Code: CodeRefused, Text: "The model's provider refused the request. An administrator can find the reason in the log."}
	case llm.Unreachable:
		return &Failure{Code: CodeProvider, Text: "The model's provider cannot be reached."}
	}
	return &Failure{Code: CodeProvider, Text: "The model's provider failed."}
}
