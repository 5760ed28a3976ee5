package widget

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// Times of a fetch.
const (
	// fetchTime bounds a fetch: two questions (the period, and the one before)
	// that each take as long as a source may, and the writing.
	fetchTime = 40 * time.Second
	// leaseTime is longer, so that nobody takes over from one who still works.
	leaseTime = fetchTime + 10*time.Second
	// pollEvery is how often is looked whether another instance is done.
	pollEvery = 50 * time.Millisecond
	// firstBackOff doubles with each failure up to maxBackOff.
	firstBackOff = 10 * time.Second
	maxBackOff   = 15 * time.Minute
	// maxShown bounds the data of a widget, in bytes.
	maxShown = 4 << 20
)

// ErrLost stays in this room: a lease was over before its work was done.
var ErrLost = fault.New(fault.Conflict, "widget.lost", "Another fetch took over.")

// msgInternal is for failures that are bdash's own.
const msgInternal = "The data could not be fetched."

// Events is told of what happened, after it is stored.
type Events interface {
	// WidgetData: the widget has new data, for some or all who see it.
	WidgetData(ctx context.Context, widgetID int64)
}

// Alerts tells owners what they should know.
type Alerts interface {
	// SourceFailed is called once when the source of a widget begins to fail.
	SourceFailed(ctx context.Context, w Widget, message string)
}

// fetchSlot gets new data of a slot, with no other fetch of it anywhere at the
// same time. Data that are fresh meanwhile, or a source that is given time to
// recover, are the answer as they are; with forced, only data fetched at since
// or later are.
func (s *Service) fetchSlot(ctx context.Context, q *question, forced bool, since time.Time) (Result, error) {
	for {
		now := s.now()
		lease := rand.Text()
		r, ok, err := s.Results.Lease(ctx, q.slot, lease, now, now.Add(leaseTime))
		if err != nil {
			return Result{}, fmt.Errorf("lease the data of widget %d: %w", q.widget.ID, err)
		}
		if ok && !r.settled(now, forced, since) {
			return s.fetch(ctx, q, lease, r.Failures)
		}
		if ok {
			return r, s.Results.Release(ctx, q.slot, lease)
		}
		if r, err = s.awaitOther(ctx, q.slot); err != nil {
			return Result{}, err
		}
		if r.settled(s.now(), forced, since) {
			return r, nil
		}
	}
}

// settled tells whether there is no reason to fetch.
func (r *Result) settled(now time.Time, forced bool, since time.Time) bool {
	if forced {
		return r.FetchedAt != nil && !r.FetchedAt.Before(since)
	}
	return r.fresh(now) || r.waiting(now)
}

// awaitOther waits until another instance has ended its fetch, or its time is
// over.
func (s *Service) awaitOther(ctx context.Context, slot Slot) (Result, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		r, err := s.Results.Result(ctx, slot.WidgetID, slot.Key)
		if err != nil || !r.leased(s.now()) {
			return r, ignoreMissing(err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return Result{}, ctx.Err()
		}
	}
}

// fetch asks the source and stores what comes of it.
func (s *Service) fetch(ctx context.Context, q *question, lease string, failures int64) (Result, error) {
	began := s.now()
	data, expires, err := s.ask(ctx, q, began)
	if err != nil && ctx.Err() != nil && s.flights.stopped() {
		// Not the source's fault: another instance may go on at once.
		return Result{}, errors.Join(err, s.Results.Release(context.WithoutCancel(ctx), q.slot, lease))
	}
	ctx = context.WithoutCancel(ctx) // what was learnt is written down, late or not
	if err != nil {
		return s.failed(ctx, q, lease, failures, err)
	}
	r, err := s.Results.Put(ctx, q.slot, lease, data, began, expires)
	if err != nil {
		return r, fmt.Errorf("store the data of widget %d: %w", q.widget.ID, err)
	}
	if s.Events != nil {
		s.Events.WidgetData(ctx, q.widget.ID)
	}
	return r, nil
}

// ask gets the frames and makes the data of them.
func (s *Service) ask(ctx context.Context, q *question, now time.Time) (data json.RawMessage, expires time.Time, err error) {
	defer func() { // a fault in a source's library must not end the server
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	w := q.widget
	a := Ask{Kind: w.Source, Query: w.Query, User: q.actor, Limits: DefaultLimits}
	if w.DatasourceID != nil {
		a.DatasourceID = *w.DatasourceID
	}
	if a.Settings, err = json.Marshal(q.asked.Settings); err != nil {
		return nil, expires, err
	}
	if q.asked.Settings == nil {
		a.Settings = nil
	}
	expires = now.Add(s.spread(ttlOf(w), 0.9, 1))
	var before Span
	if q.uses.Period {
		a.Span, before = q.asked.Period.Spans(now, q.zone)
		if a.Span.To.Before(expires) { // another day, another period
			expires = a.Span.To
		}
	}
	frame, err := s.Sources.Fetch(ctx, a)
	if err != nil {
		return nil, expires, err
	}
	var earlier *Frame
	if q.uses.Period && q.shape.Compares(w.Mapping) {
		a.Span = before
		f, err := s.Sources.Fetch(ctx, a)
		if err != nil {
			return nil, expires, err
		}
		earlier = &f
	}
	data, err = q.shape.Form(w.Mapping, &frame, earlier)
	if err == nil && len(data) > maxShown {
		err = &SourceError{Code: CodeTooLarge, Message: "The widget's data are too large.",
			Detail: fmt.Sprintf("The data make %d bytes; at most %d are shown.", len(data), maxShown)}
	}
	return data, expires, err
}

func ttlOf(w *Widget) time.Duration {
	ttl := int64(DefaultTTL)
	set(&ttl, w.CacheTTL)
	return time.Duration(ttl) * time.Second
}

// spread is d times a random factor, so that what was fetched together is not
// fetched again together.
func (s *Service) spread(d time.Duration, least, most float64) time.Duration {
	random := s.Random
	if random == nil {
		random = mathrand.Float64
	}
	return time.Duration(float64(d) * (least + (most-least)*random())).Truncate(time.Microsecond) // as it is stored
}

// failed writes down why there are no new data.
func (s *Service) failed(ctx context.Context, q *question, lease string, failures int64, cause error) (Result, error) {
	now := s.now()
	f := Failure{Error: msgInternal, NextTry: now.Add(s.spread(backOff(failures), 0.8, 1.2))}
	var refused *SourceError
	if errors.As(cause, &refused) {
		f.Error, f.Detail = refused.Message, refused.Detail
	} else {
		s.log().ErrorContext(ctx, "a widget's data were not fetched", "widget", q.widget.ID, "error", cause)
	}
	r, first, err := s.Results.Fail(ctx, q.slot, lease, f, now)
	if err != nil {
		return r, fmt.Errorf("store why widget %d has no data: %w", q.widget.ID, err)
	}
	if first && s.Alerts != nil {
		message := f.Detail
		if message == "" {
			message = f.Error
		}
		s.Alerts.SourceFailed(ctx, *q.widget, message)
	}
	return r, nil
}

// backOff is how long to wait after one more failure.
func backOff(failures int64) time.Duration {
	wait := firstBackOff
	for range min(failures, 10) {
		wait *= 2
	}
	return min(wait, maxBackOff)
}

func (s *Service) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// mayRead tells whether the actor is shown what a source said.
func mayRead(actor identity.Actor, w *Widget) bool { return mayWrite(actor, w) == nil }
