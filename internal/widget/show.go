package widget

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// Times of an answer.
const (
	// coldWait is how long a request waits for the first data of a slot.
	coldWait = 20 * time.Second
	// keepAtMost bounds how long an answer may be kept, so that looking at a
	// widget is noticed.
	keepAtMost = 5 * time.Minute
	// keepWhileFetching is how long a stale answer is kept while new data are
	// on their way.
	keepWhileFetching = time.Second
	// touchEvery is how exactly is known when somebody looked.
	touchEvery = time.Hour
)

const msgFetching = "The data are still being fetched."

// Data is what the widget shows to the actor. Data that is kept for the user
// wins; so does data that somebody stored for everybody, in a widget with a
// source as long as it is fresh. Otherwise the source is asked: stale data is
// shown while new data is fetched, and a first request waits for it. A source
// that fails is no error but Data.Error. ErrNotFound, ErrNoData.
func (s *Service) Data(ctx context.Context, actor identity.Actor, id int64, req Request) (Data, error) {
	w, err := s.Visible(ctx, actor, id)
	if err != nil {
		return Data{}, err
	}
	return s.show(ctx, actor, &w, req)
}

func (s *Service) show(ctx context.Context, actor identity.Actor, w *Widget, req Request) (Data, error) {
	d, err := s.Store.DataFor(ctx, w.ID, actor.UserID)
	if err != nil && (!errors.Is(err, ErrNoData) || w.Source == SourcePush) {
		return Data{}, err
	}
	now := s.now()
	if err == nil {
		d.From = SourcePush
		d.Stale = !now.Before(d.ExpiresAt())
		if !d.Stale || d.UserID != nil || w.Source == SourcePush {
			d.KeepUntil = now.Add(keepAtMost)
			if !d.Stale {
				d.KeepUntil = earlier(d.KeepUntil, d.ExpiresAt())
			}
			return d, nil
		}
	}
	q, err := s.question(ctx, actor, w, req)
	var refused *SourceError
	if errors.As(err, &refused) {
		return s.answer(actor, w, "", &Result{Error: refused.Message, Detail: refused.Detail}, now), nil
	}
	if err != nil {
		return Data{}, err
	}
	if req.Stored {
		return s.stored(ctx, actor, q, now)
	}
	r, err := s.current(ctx, q, now)
	if err != nil {
		return Data{}, err
	}
	return s.answer(actor, w, q.asked.Period, &r, s.now()), nil
}

// stored is the answer to a request that asks no source.
func (s *Service) stored(ctx context.Context, actor identity.Actor, q *question, now time.Time) (Data, error) {
	if q.uses.User {
		return Data{}, ErrPersonal
	}
	r, err := s.Results.Result(ctx, q.slot.WidgetID, q.slot.Key)
	if err != nil {
		return Data{}, err
	}
	if r.Data == nil {
		return Data{}, ErrNoData
	}
	return s.answer(actor, q.widget, q.asked.Period, &r, now), nil
}

// current is what the slot holds, after a first fetch if it holds nothing.
func (s *Service) current(ctx context.Context, q *question, now time.Time) (Result, error) {
	r, err := s.Results.Result(ctx, q.slot.WidgetID, q.slot.Key)
	if err != nil && !errors.Is(err, ErrNoData) {
		return Result{}, err
	}
	if err == nil && now.Sub(r.ViewedAt) >= touchEvery {
		if err := s.Results.Touch(ctx, q.slot.WidgetID, q.slot.Key, now.Add(-touchEvery), now); err != nil {
			return Result{}, err
		}
	}
	if r.fresh(now) || r.waiting(now) {
		return r, nil
	}
	if r.Data != nil {
		if !r.leased(now) {
			s.start(q, false, time.Time{})
		}
		return r, nil
	}
	r, done, err := s.start(q, false, time.Time{}).await(ctx, coldWait)
	if err == nil && !done {
		r.Error = msgFetching
	}
	if errors.Is(err, errStopped) || errors.Is(err, ErrLost) {
		return Result{Error: msgFetching}, nil
	}
	return r, err
}

// start begins a fetch unless one is under way.
func (s *Service) start(q *question, forced bool, since time.Time) *flight {
	return s.flights.join(strconv.FormatInt(q.widget.ID, 10)+":"+q.slot.Key, func(ctx context.Context) (r Result, err error) {
		r, err = s.fetchSlot(ctx, q, forced, since)
		switch {
		case err == nil, errors.Is(err, ErrLost), fault.KindOf(err) == fault.NotFound:
		case s.flights.stopped():
			err = errors.Join(errStopped, err)
		default:
			s.log().ErrorContext(ctx, "a widget's data were not refreshed", "widget", q.widget.ID, "error", err)
		}
		return r, err
	})
}

// answer says a result in the words of Data.
func (s *Service) answer(actor identity.Actor, w *Widget, p Period, r *Result, now time.Time) Data {
	d := Data{WidgetID: w.ID, From: w.Source, Data: r.Data, Error: r.Error, NextTry: r.NextTry, Period: p,
		Stale: !r.fresh(now) || r.Error != ""}
	if mayRead(actor, w) {
		d.Detail = r.Detail
	}
	if r.FetchedAt != nil && r.ExpiresAt != nil {
		d.FetchedAt, d.Expires = *r.FetchedAt, r.ExpiresAt
	}
	d.KeepUntil = now.Add(keepAtMost)
	switch {
	case r.fresh(now):
		d.KeepUntil = earlier(d.KeepUntil, *r.ExpiresAt)
	case r.waiting(now):
		d.KeepUntil = earlier(d.KeepUntil, *r.NextTry)
	default:
		d.KeepUntil = now.Add(keepWhileFetching)
	}
	return d
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Wanted is a widget of a layout, named by its id or its key (or both).
type Wanted struct {
	ID  int64
	Key string
	// Config are the item's settings; see Request.
	Config json.RawMessage
}

// Shown is the answer to a Wanted, in the same place.
type Shown struct {
	// WidgetID is 0 when the actor sees no such widget.
	WidgetID int64
	Data     Data
	// Err is ErrNotFound, ErrNoData, ErrPersonal, or nil.
	Err error
}

// atOnce is how many widgets of a layout are looked up at the same time.
const atOnce = 4

// All shows many widgets at once, each as Data does; the request's Config does
// not count. An error of one that is
// not its own affair is the error of all.
func (s *Service) All(ctx context.Context, actor identity.Actor, wanted []Wanted, req Request) ([]Shown, error) {
	widgets, err := s.wanted(ctx, actor, wanted)
	if err != nil {
		return nil, err
	}
	shown := make([]Shown, len(wanted))
	var wait sync.WaitGroup
	limit := make(chan struct{}, atOnce)
	for i, w := range widgets {
		if w == nil {
			shown[i].Err = ErrNotFound
			continue
		}
		limit <- struct{}{}
		wait.Go(func() {
			defer func() { <-limit }()
			shown[i].WidgetID = w.ID
			shown[i].Data, shown[i].Err = s.show(ctx, actor, w, Request{Period: req.Period, Config: wanted[i].Config, Stored: req.Stored})
		})
	}
	wait.Wait()
	for i := range shown {
		switch err := shown[i].Err; {
		case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrNoData), errors.Is(err, ErrPersonal):
		default:
			return nil, err
		}
	}
	return shown, nil
}

// wanted looks up the widgets; nil where there is none, or where id and key
// name two.
func (s *Service) wanted(ctx context.Context, actor identity.Actor, wanted []Wanted) ([]*Widget, error) {
	var ids []int64
	var keys []string
	for _, one := range wanted {
		if one.ID != 0 {
			ids = append(ids, one.ID)
		}
		if one.Key != "" {
			keys = append(keys, one.Key)
		}
	}
	if len(ids)+len(keys) == 0 {
		return nil, nil
	}
	known, err := s.Known(ctx, actor, ids, keys)
	if err != nil {
		return nil, err
	}
	byID, byKey := map[int64]*Widget{}, map[string]*Widget{}
	for i := range known {
		byID[known[i].ID] = &known[i]
		if k := known[i].Key; k != nil {
			byKey[*k] = &known[i]
		}
	}
	out := make([]*Widget, len(wanted))
	for i, one := range wanted {
		out[i] = byID[one.ID]
		if one.Key == "" {
			continue
		}
		if found := byKey[one.Key]; one.ID == 0 || found == out[i] {
			out[i] = found
		} else {
			out[i] = nil
		}
	}
	return out, nil
}
