package agent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm"
)

// Settings of a Runner; a zero field takes the default.
type Settings struct {
	// MaxSteps is how often a run may call the model: 8.
	MaxSteps int
	// Lease is how long a process is believed to live after it was last heard
	// of: 20 s.
	Lease time.Duration
	// RunLimit is how long a run may take: 15 minutes.
	RunLimit time.Duration
	// MaxRuns is how many runs one process works on: 2000.
	MaxRuns int
	// ApprovalTime is how long a call waits for its owner: 24 hours.
	ApprovalTime time.Duration
}

func (s Settings) filled() Settings {
	def := Settings{MaxSteps: 8, Lease: 20 * time.Second, RunLimit: 15 * time.Minute, MaxRuns: 2000, ApprovalTime: 24 * time.Hour}
	if s.MaxSteps > 0 {
		def.MaxSteps = s.MaxSteps
	}
	if s.Lease > 0 {
		def.Lease = s.Lease
	}
	if s.RunLimit > 0 {
		def.RunLimit = s.RunLimit
	}
	if s.MaxRuns > 0 {
		def.MaxRuns = s.MaxRuns
	}
	if s.ApprovalTime > 0 {
		def.ApprovalTime = s.ApprovalTime
	}
	return def
}

// Parts is what a Runner is made of.
type Parts struct {
	Agents *Service
	Store  RunStore
	Models llm.Model
	// Window is how many tokens a model reads and writes; 0 is unknown. May be
	// nil.
	Window func(model string) int64
	Budget Budget
	Tools  *Toolbox
	Access Access
	// Refused tells the owner that a call was refused because nobody could be
	// asked. May be nil.
	Refused  func(ctx context.Context, r Run, agent *Agent, tool string)
	Now      func() time.Time
	Log      *slog.Logger
	Settings Settings
}

// Runner works on runs. They live here, not in requests: a client may go away
// and come back. Safe for concurrent use.
//
// A run belongs to one process at a time, by a lease that the process renews.
// What is written for a run is written only while the lease's owner is the one
// who writes, so a process that was taken for dead cannot add to a run that
// another one has ended.
type Runner struct {
	Parts
	owner   string
	journal *journal

	mu   sync.Mutex
	live map[int64]*live
	// runs counts the goroutines of runs; add only under mu, while not stopping.
	runs     sync.WaitGroup
	stopping bool

	closing chan struct{} // closed when Stop begins
	closed  chan struct{} // closed when all runs have ended
	wait    sync.WaitGroup
	halt    chan struct{} // ends the background work
}

// NewRunner makes a runner. Start must be called before runs are begun, Stop
// at the end.
func NewRunner(p Parts) *Runner {
	p.Settings = p.Settings.filled()
	if p.Log == nil {
		p.Log = slog.Default()
	}
	var id [12]byte
	_, _ = rand.Read(id[:]) // never fails
	r := &Runner{
		Parts: p, owner: hex.EncodeToString(id[:]), live: map[int64]*live{},
		closing: make(chan struct{}), closed: make(chan struct{}), halt: make(chan struct{}),
	}
	r.journal = newJournal(p.Store, r.owner, func(err error) { r.Log.Error("events of runs are not written, trying again", "error", err) })
	return r
}

// Intervals of the background work.
const (
	cancelEvery = 300 * time.Millisecond
	// beatsPerLease is how often a lease is renewed before it ends.
	beatsPerLease = 4
)

// Start begins the background work: committing, renewing leases, cancelling,
// and taking over what dead processes left.
func (r *Runner) Start() {
	r.wait.Go(func() { r.journal.run(r.halt) })
	r.wait.Go(func() {
		cancels, beats := time.NewTicker(cancelEvery), time.NewTicker(r.Settings.Lease/beatsPerLease)
		defer cancels.Stop()
		defer beats.Stop()
		for {
			select {
			case <-cancels.C:
				r.background(r.obeyCancels)
			case <-beats.C:
				r.background(r.Beat)
			case <-r.halt:
				return
			}
		}
	})
}

// background runs one round of the background work.
func (r *Runner) background(f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), commitLimit)
	defer cancel()
	if err := f(ctx); err != nil {
		r.Log.Error("look after runs", "error", err)
	}
}

// errStopped is why runs end when the server does.
var errStopped = errors.New("the server stops")

// Stop refuses new runs, lets those that are under way finish until ctx ends,
// then ends them; what they said is kept.
func (r *Runner) Stop(ctx context.Context) {
	r.mu.Lock()
	if r.stopping {
		r.mu.Unlock()
		<-r.closed
		return
	}
	r.stopping = true
	close(r.closing)
	r.mu.Unlock()
	done := make(chan struct{})
	go func() {
		r.runs.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		r.mu.Lock()
		for _, l := range r.live {
			l.cancel(errStopped)
		}
		r.mu.Unlock()
		<-done
	}
	close(r.halt)
	r.wait.Wait()
	close(r.closed)
}

// maxTitle is the length of a conversation's title, in characters.
const maxTitle = 200

// Begin stores the message and starts to answer it. Errors: those of ByID,
// ErrNoMessage, ErrPending, ErrInactive, ErrTraining, ErrNoConversation,
// ErrBusy, ErrStopping, ErrTooMany.
func (r *Runner) Begin(ctx context.Context, actor identity.Actor, agentID int64, p Prompt) (*Tail, error) {
	if actor.Status == identity.Pending {
		return nil, ErrPending
	}
	a, err := r.Agents.ByID(ctx, actor, agentID)
	switch {
	case err != nil:
		return nil, err
	case p.Text == "":
		return nil, ErrNoMessage
	case a.Status == "training":
		return nil, ErrTraining
	case a.Status != DefaultStatus:
		return nil, ErrInactive
	}
	if err := r.admit(); err != nil {
		return nil, err
	}
	now := r.now()
	run := Run{
		UserID: actor.UserID, AgentID: a.ID, ConversationID: p.ConversationID, Whole: p.Whole, Unattended: p.Unattended,
		SessionID: actor.SessionID, KeyID: actor.KeyID, Status: Running, Owner: r.owner, CreatedAt: now,
	}
	title := a.Name + " - " + now.Format("2006-01-02 15:04")
	run, err = r.Store.Begin(ctx, Beginning{Run: run, Prompt: p, Title: cutRunes(title, maxTitle), Lease: now.Add(r.Settings.Lease), Now: now})
	if err != nil {
		r.runs.Done()
		return nil, err
	}
	l := r.launch(run, nil, func(ctx context.Context, t *turn) { t.begin(ctx, &a, actor, p) })
	return &Tail{r: r, run: run, live: l}, nil
}

// admit makes room for a run; launch, or runs.Done, must follow.
func (r *Runner) admit() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.stopping:
		return ErrStopping
	case len(r.live) >= r.Settings.MaxRuns:
		return ErrTooMany.After(5 * time.Second)
	}
	r.runs.Add(1)
	return nil
}

// launch works on a run in a goroutine of its own.
func (r *Runner) launch(run Run, events []Event, work func(context.Context, *turn)) *live {
	ctx, cancel := context.WithCancelCause(context.Background())
	ctx, stop := context.WithTimeoutCause(ctx, r.Settings.RunLimit, errRunLimit)
	l := newLive(run, cancel, events)
	r.mu.Lock()
	r.live[run.ID] = l
	r.mu.Unlock()
	go func() {
		defer r.runs.Done()
		defer stop()
		defer cancel(nil)
		defer func() {
			r.mu.Lock()
			delete(r.live, run.ID)
			r.mu.Unlock()
		}()
		t := &turn{r: r, l: l, run: run}
		t.log.Fold(events...)
		work(ctx, t)
	}()
	return l
}

// Follow opens a run's log. ErrRunNotFound.
func (r *Runner) Follow(ctx context.Context, actor identity.Actor, id int64) (*Tail, error) {
	run, err := r.Store.ByID(ctx, actor.UserID, id)
	if err != nil {
		return nil, err
	}
	return r.tail(run), nil
}

// FollowConversation opens the log of the run that is open in a conversation;
// nil when there is none. ErrConversation.
func (r *Runner) FollowConversation(ctx context.Context, actor identity.Actor, conversationID int64) (*Tail, error) {
	if _, err := r.Store.ConversationByID(ctx, actor.UserID, conversationID); err != nil {
		return nil, err
	}
	run, err := r.Store.LastOf(ctx, actor.UserID, conversationID)
	switch {
	case errors.Is(err, ErrRunNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case run.Status.Final():
		return nil, nil
	}
	return r.tail(run), nil
}

func (r *Runner) tail(run Run) *Tail {
	t := &Tail{r: r, run: run}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.live = r.live[run.ID]
	return t
}

// ByID is one of the actor's runs. ErrRunNotFound.
func (r *Runner) ByID(ctx context.Context, actor identity.Actor, id int64) (Run, error) {
	return r.Store.ByID(ctx, actor.UserID, id)
}

// LogOf is the whole log of one of the actor's runs, as it is now.
func (r *Runner) LogOf(ctx context.Context, actor identity.Actor, id int64) (Run, *Log, error) {
	run, err := r.Store.ByID(ctx, actor.UserID, id)
	if err != nil {
		return Run{}, nil, err
	}
	events, err := r.allEvents(ctx, id)
	if err != nil {
		return Run{}, nil, err
	}
	log := &Log{}
	log.Fold(events...)
	return run, log, nil
}

func (r *Runner) allEvents(ctx context.Context, id int64) ([]Event, error) {
	var all []Event
	for {
		events, err := r.Store.Events(ctx, id, int64(len(all))+1)
		if err != nil || len(events) == 0 {
			return all, err
		}
		all = append(all, events...)
	}
}

// errCancelled is why a run ends that somebody cancelled.
var errCancelled = errors.New("the run was cancelled")

// Cancel ends a run, on whichever process it is; what was said is kept. A run
// that has ended stays as it is. ErrRunNotFound.
func (r *Runner) Cancel(ctx context.Context, actor identity.Actor, id int64) (Run, error) {
	run, err := r.Store.AskCancel(ctx, actor.UserID, id, r.now())
	if err != nil {
		return Run{}, err
	}
	if run.Status == Waiting {
		return r.cancelWaiting(ctx, run)
	}
	r.mu.Lock()
	l := r.live[id]
	r.mu.Unlock()
	if l != nil {
		l.cancel(errCancelled)
	}
	return run, nil
}

// cancelWaiting ends a run on which no process works.
func (r *Runner) cancelWaiting(ctx context.Context, run Run) (Run, error) {
	if err := r.admit(); err != nil {
		return Run{}, err
	}
	now := r.now()
	seized, err := r.Store.Seize(ctx, run.ID, r.owner, now.Add(r.Settings.Lease), now)
	if err != nil {
		r.runs.Done()
		if errors.Is(err, ErrLost) { // decided or ended just now: whoever has it sees the wish
			return r.Store.ByID(ctx, run.UserID, run.ID)
		}
		return Run{}, err
	}
	events, err := r.allEvents(ctx, run.ID)
	if err != nil {
		r.runs.Done()
		return Run{}, err
	}
	l := r.launch(seized, events, func(_ context.Context, t *turn) { t.finish(errCancelled) })
	t := &Tail{r: r, run: seized, live: l, read: len(events)}
	for err == nil {
		_, err = t.Next(ctx)
	}
	return r.Store.ByID(ctx, run.UserID, run.ID)
}

// Approve is the owner's word on one call of a run: it is bound to the run, the
// call and its arguments, and given once. When all are decided the run goes on.
// ErrByKey, ErrRunNotFound, ErrNotWaiting, ErrCallDecided.
func (r *Runner) Approve(ctx context.Context, actor identity.Actor, id int64, callID, hash string, yes bool) (Run, error) {
	switch {
	case actor.ByKey():
		return Run{}, ErrByKey
	case actor.Status == identity.Pending:
		return Run{}, ErrPending
	}
	if err := r.admit(); err != nil {
		return Run{}, err
	}
	now := r.now()
	run, woken, err := r.Store.Decide(ctx, actor.UserID, Decision{
		RunID: id, CallID: callID, Hash: hash, Yes: yes, SessionID: actor.SessionID, Owner: r.owner, Lease: now.Add(r.Settings.Lease), Now: now,
	})
	if err != nil || !woken {
		r.runs.Done()
		return run, err
	}
	// The run is ours from here on, whatever becomes of the request.
	r.launch(run, nil, func(ctx context.Context, t *turn) { t.resume(ctx, actor) })
	return run, nil
}

// obeyCancels ends the runs that somebody cancelled on another process.
func (r *Runner) obeyCancels(ctx context.Context) error {
	r.mu.Lock()
	idle := len(r.live) == 0
	r.mu.Unlock()
	if idle {
		return nil
	}
	ids, err := r.Store.CancelAsked(ctx, r.owner)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if l := r.live[id]; l != nil {
			l.cancel(errCancelled)
		}
	}
	return nil
}

// Beat renews the leases of this process, ends the runs of users who may not go
// on, and takes over what dead processes left and what waited too long. It
// happens by itself after Start.
func (r *Runner) Beat(ctx context.Context) error {
	now := r.now()
	r.mu.Lock()
	mine := make([]*live, 0, len(r.live))
	for _, l := range r.live {
		mine = append(mine, l)
	}
	r.mu.Unlock()
	var errs []error
	ids := make([]int64, len(mine))
	for i, l := range mine {
		ids[i] = l.run.ID
	}
	if len(ids) > 0 {
		errs = append(errs, r.Store.Renew(ctx, r.owner, ids, now.Add(r.Settings.Lease)))
	}
	for _, l := range mine {
		if _, err := r.recheck(ctx, &l.run); err != nil && revoked(err) {
			l.cancel(err)
		}
	}
	errs = append(errs, r.rescue(ctx, now, ids))
	return errors.Join(errs...)
}

const rescueBatch = 50

func (r *Runner) rescue(ctx context.Context, now time.Time, mine []int64) error {
	skip := make(map[int64]bool, len(mine))
	for _, id := range mine {
		skip[id] = true
	}
	seized, err := r.Store.SeizeExpired(ctx, r.owner, now.Add(r.Settings.Lease), now, rescueBatch, skip)
	if err != nil {
		return err
	}
	for _, s := range seized {
		why := errInterrupted
		if s.Was == Waiting {
			why = errExpired
		}
		r.mu.Lock()
		if r.stopping {
			r.mu.Unlock()
			return nil // another process finds it when the new lease has ended
		}
		r.runs.Add(1)
		r.mu.Unlock()
		r.Log.Warn("a run is ended", "run", s.Run.ID, "reason", why)
		r.launch(s.Run, nil, func(ctx context.Context, t *turn) { t.bury(ctx, why) })
	}
	return nil
}

func (r *Runner) recheck(ctx context.Context, run *Run) (identity.Actor, error) {
	return r.Access.Recheck(ctx, run.UserID, run.SessionID, run.KeyID, run.CreatedAt)
}

// revoked tells that somebody may not go on from a database that is away.
func revoked(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unauthenticated, fault.Forbidden, fault.NotFound:
		return true
	}
	return false
}

func (r *Runner) now() time.Time { return r.Now().UTC().Truncate(time.Microsecond) }

func cutRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	runes := []rune(s)
	return string(runes[:min(n, len(runes))])
}

// clean makes a text storable: valid UTF-8 without NUL.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}
