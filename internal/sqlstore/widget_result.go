package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/widget"
)

// outageMemory is how long a failing slot that nobody looks at keeps an outage
// from being over.
const outageMemory = 24 * time.Hour

// moveWidgets makes every kept answer of a widget a thing of the past. It is the
// last statement of a transaction: all such transactions wait for one another
// from here to their commits.
func (d *DB) moveWidgets(ctx context.Context, tx *Tx) error {
	tx.AfterCommit(d.forgetWidgetEpoch)
	return tx.BumpWidgetEpoch(ctx)
}

// change runs fn in a transaction that changes what widgets show.
func (s *Widgets) change(ctx context.Context, fn func(*Tx) error) error {
	return s.DB.InTx(ctx, func(tx *Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return s.DB.moveWidgets(ctx, tx)
	})
}

func resultOf(r *db.WidgetResult) widget.Result {
	out := widget.Result{
		Slot:      widget.Slot{WidgetID: r.WidgetID, Key: r.Slot, UserID: r.UserID, Ask: json.RawMessage(r.Ask)},
		FetchedAt: r.FetchedAt, ExpiresAt: r.ExpiresAt, Failures: r.Failures, Error: r.Error, Detail: r.ErrorDetail,
		NextTry: r.NextTry, LeaseUntil: r.LeaseUntil, ViewedAt: r.ViewedAt,
	}
	if r.Data != nil {
		out.Data = json.RawMessage(*r.Data)
	}
	return out
}

// Result implements widget.Results.
func (s *Widgets) Result(ctx context.Context, widgetID int64, key string) (widget.Result, error) {
	row, err := s.DB.R().WidgetResult(ctx, db.WidgetResultParams{WidgetID: widgetID, Slot: key})
	if IsNoRows(err) {
		return widget.Result{}, widget.ErrNoData
	}
	return resultOf(&row), err
}

// Lease implements widget.Results.
func (s *Widgets) Lease(ctx context.Context, slot widget.Slot, lease string, now, until time.Time) (r widget.Result, ok bool, err error) {
	row, err := s.DB.W().LeaseWidgetResult(ctx, db.LeaseWidgetResultParams{
		WidgetID: slot.WidgetID, Slot: slot.Key, UserID: slot.UserID, Ask: string(slot.Ask), Lease: lease, LeaseUntil: &until, Now: now,
	})
	if IsNoRows(err) { // another has it
		return r, false, nil
	}
	return resultOf(&row), err == nil, widgetFault(err)
}

// Release implements widget.Results.
func (s *Widgets) Release(ctx context.Context, slot widget.Slot, lease string) error {
	_, err := s.DB.W().ReleaseWidgetResult(ctx, db.ReleaseWidgetResultParams{WidgetID: slot.WidgetID, Slot: slot.Key, Lease: lease})
	return err
}

// Put implements widget.Results.
func (s *Widgets) Put(ctx context.Context, slot widget.Slot, lease string, data json.RawMessage, fetched, expires time.Time) (r widget.Result, err error) {
	text := string(data)
	err = s.change(ctx, func(tx *Tx) error {
		row, err := tx.PutWidgetResult(ctx, db.PutWidgetResultParams{
			WidgetID: slot.WidgetID, Slot: slot.Key, Lease: lease, Data: &text, FetchedAt: &fetched, ExpiresAt: &expires,
		})
		if err != nil {
			return err
		}
		r = resultOf(&row)
		_, err = tx.EndWidgetOutage(ctx, db.EndWidgetOutageParams{WidgetID: slot.WidgetID, ViewedSince: fetched.Add(-outageMemory)})
		return err
	})
	return r, lostLease(err)
}

// Fail implements widget.Results.
func (s *Widgets) Fail(
	ctx context.Context, slot widget.Slot, lease string, f widget.Failure, now time.Time,
) (r widget.Result, first bool, err error) {
	err = s.change(ctx, func(tx *Tx) error {
		row, err := tx.FailWidgetResult(ctx, db.FailWidgetResultParams{
			WidgetID: slot.WidgetID, Slot: slot.Key, Lease: lease, Error: f.Error, ErrorDetail: f.Detail, NextTry: &f.NextTry,
		})
		if err != nil {
			return err
		}
		r = resultOf(&row)
		n, err := tx.BeginWidgetOutage(ctx, db.BeginWidgetOutageParams{WidgetID: slot.WidgetID, Since: now})
		first = n == 1
		return err
	})
	return r, first, lostLease(err)
}

func lostLease(err error) error {
	if IsNoRows(err) {
		return widget.ErrLost
	}
	return widgetFault(err)
}

// Touch implements widget.Results.
func (s *Widgets) Touch(ctx context.Context, widgetID int64, key string, after, now time.Time) error {
	_, err := s.DB.W().TouchWidgetResult(ctx, db.TouchWidgetResultParams{WidgetID: widgetID, Slot: key, Now: now, Before: after})
	return err
}

// Watched implements widget.Results.
func (s *Widgets) Watched(ctx context.Context, widgetID, userID int64, viewed time.Time, most int) ([]widget.Slot, error) {
	rows, err := s.DB.R().WatchedWidgetResults(ctx, db.WatchedWidgetResultsParams{
		WidgetID: widgetID, UserID: &userID, ViewedSince: viewed, Most: int32(most), //nolint:gosec // a constant
	})
	slots := make([]widget.Slot, len(rows))
	for i, r := range rows {
		slots[i] = widget.Slot{WidgetID: r.WidgetID, Key: r.Slot, UserID: r.UserID, Ask: json.RawMessage(r.Ask)}
	}
	return slots, err
}

// Scheduled implements widget.Results.
func (s *Widgets) Scheduled(ctx context.Context, viewed, now time.Time, most int) ([]widget.Slot, error) {
	rows, err := s.DB.R().ScheduledWidgetResults(ctx, db.ScheduledWidgetResultsParams{ViewedSince: viewed, Now: &now})
	if err != nil {
		return nil, err
	}
	slots := []widget.Slot{}
	for _, r := range rows {
		every := time.Duration(*r.RefreshEvery) * time.Second
		if r.FetchedAt != nil && now.Sub(*r.FetchedAt) < every {
			continue
		}
		slots = append(slots, widget.Slot{WidgetID: r.WidgetID, Key: r.Slot, UserID: r.UserID, Ask: json.RawMessage(r.Ask)})
		if len(slots) == most {
			break
		}
	}
	return slots, nil
}

// Drop implements widget.Results.
func (s *Widgets) Drop(ctx context.Context, widgetID int64, key string) error {
	_, err := s.DB.W().DeleteWidgetResult(ctx, db.DeleteWidgetResultParams{WidgetID: widgetID, Slot: key})
	return err
}

// Sweep implements widget.Results.
func (s *Widgets) Sweep(ctx context.Context, before time.Time, most int) (int, error) {
	rows, err := s.DB.R().OldWidgetResults(ctx, db.OldWidgetResultsParams{Before: before, Most: int32(most)}) //nolint:gosec // a constant
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		if err := s.Drop(ctx, r.WidgetID, r.Slot); err != nil {
			return 0, err
		}
	}
	return len(rows), nil
}

// Thin implements widget.Results.
func (s *Widgets) Thin(ctx context.Context, most int) error {
	crowded, err := s.DB.R().CrowdedWidgets(ctx, int64(most))
	if err != nil {
		return err
	}
	for _, id := range crowded {
		slots, err := s.DB.R().SurplusWidgetResults(ctx, db.SurplusWidgetResultsParams{WidgetID: id, Most: int32(most)}) //nolint:gosec // a constant
		if err != nil {
			return err
		}
		for _, slot := range slots {
			if err := s.Drop(ctx, id, slot); err != nil {
				return err
			}
		}
	}
	return nil
}
