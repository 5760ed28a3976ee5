package app

import (
	"context"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/widget"
)

// catalog shows the widget room to the dashboard room.
type catalog struct{ widgets *widget.Service }

// Known implements dashboard.Widgets.
func (c catalog) Known(ctx context.Context, actor identity.Actor, ids []int64, keys []string) ([]dashboard.Widget, error) {
	found, err := c.widgets.Known(ctx, actor, ids, keys)
	if err != nil {
		return nil, err
	}
	out := make([]dashboard.Widget, len(found))
	for i, w := range found {
		out[i] = dashboard.Widget{ID: w.ID, ConfigSchema: w.ConfigSchema}
		if w.Key != nil {
			out[i].Key = *w.Key
		}
	}
	return out, nil
}
