package widget

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

const (
	// watched is how long after somebody looked at it a widget is still
	// refreshed by its schedule.
	watched = 24 * time.Hour
	// forgotten is how long data that nobody looks at is kept.
	forgotten = 7 * 24 * time.Hour
	// dueAtOnce and sweepAtOnce bound one run of a job.
	dueAtOnce   = 500
	sweepAtOnce = 500
	// maxSlots is how many slots of a widget are kept from one sweep to the next.
	maxSlots = 1000
	// maxForced bounds how many slots of a widget one request refreshes.
	maxForced = 10
)

// ErrSource is for a source that gave no data; Message says why.
var ErrSource = fault.New(fault.Unavailable, "widget.source", msgInternal)

// Queue has work done later.
type Queue interface {
	// QueueRefresh has Service.Refetch called and gives the task's id. A task
	// of the same user for the same widget that has not ended is that task.
	QueueRefresh(ctx context.Context, r Refetch) (task int64, err error)
}

// Refetch is what a refresh is about.
type Refetch struct {
	WidgetID, UserID int64
	Period           Period
}

// Refresh has the data fetched anew, in the background, and gives the task. It
// is 0 where there is nothing to fetch: pushed data comes when its producer
// sends it. ErrNotFound.
func (s *Service) Refresh(ctx context.Context, actor identity.Actor, id int64, p Period) (task int64, err error) {
	w, err := s.Visible(ctx, actor, id)
	if err != nil || w.Source == SourcePush || s.Queue == nil {
		return 0, err
	}
	return s.Queue.QueueRefresh(ctx, Refetch{WidgetID: id, UserID: actor.UserID, Period: p})
}

// Refetch fetches what the user sees of a widget: with the user's settings, and
// as layouts show it of late. What was fetched since is new enough: many users
// who ask at the same time are one question. Back-off does not count here.
// ErrSource when the source gives nothing; ErrNotFound.
func (s *Service) Refetch(ctx context.Context, r Refetch, since time.Time) error {
	actor, err := s.People.Actor(ctx, r.UserID)
	if err != nil {
		return err
	}
	w, err := s.Visible(ctx, actor, r.WidgetID)
	if err != nil || w.Source == SourcePush {
		return err
	}
	own, err := s.question(ctx, actor, &w, Request{Period: r.Period})
	var refused *SourceError
	if errors.As(err, &refused) {
		return sourceFault(refused.Message)
	}
	if err != nil {
		return err
	}
	questions := []*question{own}
	now := s.now()
	slots, err := s.Results.Watched(ctx, w.ID, actor.UserID, now.Add(-watched), maxForced)
	if err != nil {
		return err
	}
	for _, slot := range slots {
		if slot.Key == own.slot.Key {
			continue
		}
		q, err := s.again(ctx, slot)
		if err != nil {
			return err
		}
		if q != nil {
			questions = append(questions, q)
		}
	}
	var first error
	for _, q := range questions {
		if err := s.force(ctx, q, since); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// force fetches a slot unless that was done since. A fetch that is under way
// may have begun before: then another follows.
func (s *Service) force(ctx context.Context, q *question, since time.Time) error {
	for {
		r, done, err := s.start(q, true, since).await(ctx, fetchTime)
		switch {
		case err != nil:
			return err
		case !done:
			return context.DeadlineExceeded
		case r.Error != "":
			return sourceFault(r.Error)
		case r.FetchedAt != nil && !r.FetchedAt.Before(since):
			return nil
		}
	}
}

func sourceFault(message string) error {
	e := *ErrSource
	e.Message = message
	return &e
}

// RefreshDue fetches what schedules ask for: data of widgets with RefreshEvery
// that somebody looked at in the last day. Sources that fail are not an error
// of this.
func (s *Service) RefreshDue(ctx context.Context) error {
	now := s.now()
	slots, err := s.Results.Scheduled(ctx, now.Add(-watched), now, dueAtOnce)
	if err != nil {
		return err
	}
	var wait sync.WaitGroup
	limit := make(chan struct{}, atOnce)
	faults := make([]error, len(slots))
	for i, slot := range slots {
		limit <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wait.Go(func() {
			defer func() { <-limit }()
			faults[i] = s.refreshDue(ctx, slot, now)
		})
	}
	wait.Wait()
	return errors.Join(errors.Join(faults...), ctx.Err())
}

func (s *Service) refreshDue(ctx context.Context, slot Slot, now time.Time) error {
	q, err := s.again(ctx, slot)
	if err != nil {
		return err
	}
	if q == nil { // changed, or its user is gone: nobody will look there again
		return s.Results.Drop(ctx, slot.WidgetID, slot.Key)
	}
	every := time.Duration(0)
	if q.widget.RefreshEvery != nil {
		every = time.Duration(*q.widget.RefreshEvery) * time.Second
	}
	_, _, err = s.start(q, true, now.Add(-every).Add(time.Microsecond)).await(ctx, fetchTime)
	if errors.Is(err, ErrLost) || errors.Is(err, errStopped) || fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}

// Sweep forgets data that nobody looked at for a week, and more data of one
// widget than many users with settings of their own make: slots are made by
// whoever reads.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		n, err := s.Results.Sweep(ctx, s.now().Add(-forgotten), sweepAtOnce)
		if err != nil {
			return err
		}
		if n < sweepAtOnce {
			return s.Results.Thin(ctx, maxSlots)
		}
	}
}
