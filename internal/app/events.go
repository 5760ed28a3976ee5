package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/job"
	"github.com/bdash/bdash/internal/notify"
	"github.com/bdash/bdash/internal/realtime"
	"github.com/bdash/bdash/internal/telemetry"
	"github.com/bdash/bdash/internal/theme"
	"github.com/bdash/bdash/internal/widget"
)

// eventsFlush bounds how long the last events may take to be published.
const eventsFlush = 2 * time.Second

// events tells listeners what the rooms say has happened. The rooms call it
// after their commit; it never waits.
type events struct {
	hub     *realtime.Hub
	widgets widget.Store
	log     *slog.Logger
}

// publish sends an event of the request that ctx belongs to.
func (e events) publish(ctx context.Context, to realtime.Channel, kind string, data any) {
	e.hub.Publish(to, realtime.Event{Type: kind, Data: data, Origin: identity.ClientID(ctx)})
}

// AccessChanged implements auth.Events and account.Events.
func (e events) AccessChanged(_ context.Context, userID int64) { e.hub.Recheck(userID) }

// ThemeUpdated implements theme.Events.
func (e events) ThemeUpdated(ctx context.Context, userID int64, u theme.Updated) {
	e.publish(ctx, realtime.User(userID), "theme:updated", u)
}

// NotificationNew implements notify.Events.
func (e events) NotificationNew(ctx context.Context, userID int64, n notify.New) {
	e.publish(ctx, realtime.User(userID), "notification:new", n)
}

// taskUpdated is job.Config.Updated.
func (e events) taskUpdated(ownerID int64, u job.Updated) {
	e.publish(context.Background(), realtime.User(ownerID), "task:updated", u)
}

// viewUpdated is the data of dashboard:updated.
type viewUpdated struct {
	ViewID  int64 `json:"view_id"`
	Version int64 `json:"version"`
}

// DashboardUpdated tells the owner of a view that it was saved.
func (e events) DashboardUpdated(ctx context.Context, userID, viewID, version int64) {
	e.publish(ctx, realtime.User(userID), "dashboard:updated", viewUpdated{viewID, version})
}

// widgetData is the data of widget:data.
type widgetData struct {
	WidgetID int64 `json:"widget_id"`
}

// WidgetData tells everybody who sees a widget that there is new data.
func (e events) WidgetData(ctx context.Context, widgetID int64) {
	w, err := e.widgets.AnyByID(ctx, widgetID)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return // deleted just now
	case err != nil:
		e.log.WarnContext(ctx, "nobody was told of a widget's new data", "widget", widgetID, "error", err)
	case w.IsPublic:
		e.publish(ctx, realtime.Everyone, "widget:data", widgetData{widgetID})
	default:
		e.publish(ctx, realtime.User(w.CreatedBy), "widget:data", widgetData{widgetID})
	}
}

// openEvents starts the hub.
func (a *App) openEvents(prefix string) (err error) {
	a.hub, err = realtime.Open(realtime.Config{
		Redis: a.Config.RedisURL.Reveal(), Prefix: prefix, Log: a.Log, Check: a.checkListeners,
	})
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

func (a *App) closeEvents() {
	ctx, cancel := context.WithTimeout(context.Background(), eventsFlush)
	defer cancel()
	a.hub.Close(ctx)
}

var verdictOf = map[auth.Standing]realtime.Verdict{auth.Good: realtime.Stay, auth.Changed: realtime.Return, auth.Ended: realtime.Dismiss}

// checkListeners tells which listeners may stay.
func (a *App) checkListeners(ctx context.Context, all []realtime.Listener) ([]realtime.Verdict, error) {
	passes := make([]auth.Pass, len(all))
	for i := range all {
		passes[i], _ = all[i].Pass.(auth.Pass)
	}
	standing, err := a.API.Auth.Standing(ctx, passes)
	if err != nil {
		return nil, err
	}
	out := make([]realtime.Verdict, len(all))
	for i := range standing {
		out[i] = verdictOf[standing[i]]
	}
	return out, nil
}

func (a *App) eventStats() telemetry.EventStats { return telemetry.EventStats(a.hub.Stats()) }
