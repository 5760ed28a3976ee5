package app

import (
	"context"
	"errors"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/widget"
)

// SharedData implements dashboard.SharedData with what is stored.
func (c catalog) SharedData(ctx context.Context, owner identity.Actor, items []dashboard.Item) ([]dashboard.Seen, error) {
	wanted := make([]widget.Wanted, len(items))
	ids := make([]int64, len(items))
	for i, it := range items {
		wanted[i], ids[i] = widget.Wanted{ID: it.WidgetID, Config: it.Config}, it.WidgetID
	}
	found, err := c.widgets.Known(ctx, owner, ids, nil)
	if err != nil {
		return nil, err
	}
	shown, err := c.widgets.All(ctx, owner, wanted, widget.Request{Stored: true})
	if err != nil {
		return nil, err
	}
	byID := map[int64]*widget.Widget{}
	for i := range found {
		byID[found[i].ID] = &found[i]
	}
	out := make([]dashboard.Seen, len(items))
	for i, one := range shown {
		w := byID[one.WidgetID]
		if w == nil || errors.Is(one.Err, widget.ErrNotFound) { // deleted just now
			continue
		}
		out[i] = dashboard.Seen{ID: w.ID, Key: w.Key, Name: w.Name, WidgetType: w.WidgetType, Description: w.Description,
			Personal: errors.Is(one.Err, widget.ErrPersonal)}
		if d := one.Data; one.Err == nil && d.Data != nil {
			out[i].Data, out[i].FetchedAt, out[i].ExpiresAt, out[i].Stale = d.Data, d.FetchedAt, d.ExpiresAt(), d.Stale
		}
	}
	return out, nil
}
