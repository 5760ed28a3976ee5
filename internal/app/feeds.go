package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/job"
	"github.com/bdash/bdash/internal/notify"
	"github.com/bdash/bdash/internal/preference"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/widget"
)

// scheduleTick is how often is looked for widgets whose time has come: half of
// the shortest interval that they may have.
const scheduleTick = widget.MinRefresh * time.Second / 2

// Time-outs of the jobs.
const (
	refreshTimeout  = 10 * time.Minute
	scheduleTimeout = 15 * time.Minute
)

// newWidgets is the widget room with everything that feeds it.
func (a *App) newWidgets(accounts *account.Service, preferences *preference.Service, notes *notify.Service, sources widget.Sources) *widget.Service {
	store := &sqlstore.Widgets{DB: a.DB}
	return &widget.Service{
		Store: store, Results: store, Now: a.now, Log: a.Log, Sources: sources,
		People: people{accounts, preferences}, Queue: refreshes{a.Jobs, a.now}, Alerts: alerts{notes, a.Log},
	}
}

// people shows the users to the widget room.
type people struct {
	accounts    *account.Service
	preferences *preference.Service
}

// Actor implements widget.People.
func (p people) Actor(ctx context.Context, userID int64) (identity.Actor, error) {
	u, err := p.accounts.Store.ByID(ctx, userID)
	if err == nil && !u.MaySignIn() {
		err = account.ErrNotFound
	}
	return u.Actor(), err
}

// TimeZone implements widget.People. Looking is no reason to make preferences.
func (p people) TimeZone(ctx context.Context, actor identity.Actor) (string, error) {
	found, err := p.preferences.Store.Of(ctx, actor.UserID)
	if errors.Is(err, preference.ErrNone) {
		return "UTC", nil
	}
	return found.TimeZone, err
}

// alerts tells owners of widgets by notifications.
type alerts struct {
	notes *notify.Service
	log   *slog.Logger
}

// SourceFailed implements widget.Alerts.
func (n alerts) SourceFailed(ctx context.Context, w widget.Widget, message string) {
	_, err := n.notes.Add(ctx, w.CreatedBy, notify.Message{
		Kind: "widget.source_failed", Title: fmt.Sprintf("The source of %q fails", w.Name), Body: message,
	})
	if err != nil && !errors.Is(err, notify.ErrNoUser) {
		n.log.ErrorContext(ctx, "the owner of a widget was not told that its source fails", "widget", w.ID, "error", err)
	}
}

// refetchArgs is the job that fetches what a user sees of a widget.
type refetchArgs struct {
	WidgetID int64         `json:"widget_id"`
	UserID   int64         `json:"user_id"`
	Period   widget.Period `json:"period,omitempty"`
	// Since is when it was asked for.
	Since time.Time `json:"since"`
}

// Kind implements job.Args.
func (refetchArgs) Kind() string { return "widget.refresh" }

// scheduleArgs is the job that fetches what schedules ask for.
type scheduleArgs struct{}

// Kind implements job.Args.
func (scheduleArgs) Kind() string { return "widget.schedule" }

// forgetArgs is the job that forgets data that nobody looks at.
type forgetArgs struct{}

// Kind implements job.Args.
func (forgetArgs) Kind() string { return "widget.sweep" }

// refreshes queues refreshes as jobs.
type refreshes struct {
	jobs *job.Client
	now  func() time.Time
}

// QueueRefresh implements widget.Queue.
func (q refreshes) QueueRefresh(ctx context.Context, r widget.Refetch) (int64, error) {
	key := strconv.FormatInt(r.UserID, 10) + ":" + strconv.FormatInt(r.WidgetID, 10) + ":" + string(r.Period)
	return q.jobs.Insert(ctx, job.Insert{
		Args: refetchArgs{WidgetID: r.WidgetID, UserID: r.UserID, Period: r.Period, Since: q.now().UTC().Truncate(time.Microsecond)},
		Opts: job.InsertOpts{OwnerID: r.UserID, UniqueKey: key},
	})
}

// registerWidgets has widgets refreshed by jobs. A source that fails is not
// asked again by the queue: reading and the schedule do that, with a back-off.
// It gives the jobs that come again and again.
func (a *App) registerWidgets(w *job.Workers) []job.Periodic {
	job.Register(w, func(ctx context.Context, j job.Job[refetchArgs]) error {
		err := a.API.Widgets.Refetch(ctx, widget.Refetch{WidgetID: j.Args.WidgetID, UserID: j.Args.UserID, Period: j.Args.Period}, j.Args.Since)
		if errors.Is(err, widget.ErrSource) || fault.KindOf(err) == fault.NotFound {
			return job.Cancel(err)
		}
		return err
	}, job.KindOpts{Timeout: refreshTimeout, MaxAttempts: 3})
	job.Register(w, func(ctx context.Context, _ job.Job[scheduleArgs]) error {
		return a.API.Widgets.RefreshDue(ctx)
	}, job.KindOpts{Timeout: scheduleTimeout, MaxAttempts: 1})
	job.Register(w, func(ctx context.Context, _ job.Job[forgetArgs]) error {
		return a.API.Widgets.Sweep(ctx)
	}, job.KindOpts{})
	return []job.Periodic{
		{ID: "widget.schedule", Every: scheduleTick, Make: func() job.Insert { return job.Insert{Args: scheduleArgs{}} }},
		{ID: "widget.sweep", Every: time.Hour, Make: func() job.Insert { return job.Insert{Args: forgetArgs{}} }},
	}
}
