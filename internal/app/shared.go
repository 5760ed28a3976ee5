package app

import (
	"context"
	"errors"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/widget"
)

// SharedData implements dashboard.SharedData with what is stored.
func (c catalog) SharedData(ctx context.Context, owner identity.Actor, ids []int64) ([]dashboard.Seen, error) {
	found, err := c.widgets.Known(ctx, owner, ids, nil)
	if err != nil {
		return nil, err
	}
	out := make([]dashboard.Seen, 0, len(found))
	for _, w := range found {
		seen := dashboard.Seen{ID: w.ID, Key: w.Key, Name: w.Name, WidgetType: w.WidgetType, Description: w.Description}
		d, err := c.widgets.Data(ctx, owner, w.ID, widget.Request{Stored: true})
		switch {
		case err == nil:
			seen.Data, seen.FetchedAt, seen.ExpiresAt, seen.Stale = d.Data, d.FetchedAt, d.ExpiresAt(), d.Stale
		case errors.Is(err, widget.ErrNotFound), errors.Is(err, widget.ErrPersonal): // deleted just now; the owner's own
			continue
		case !errors.Is(err, widget.ErrNoData):
			return nil, err
		}
		out = append(out, seen)
	}
	return out, nil
}
