package dashboard

import (
	"context"
	"encoding/json"
	"unicode/utf8"

	"github.com/bdash/bdash/internal/identity"
)

// Item is an item of a layout that names a widget.
type Item struct {
	// InstanceID is the item's own name; empty if it has none.
	InstanceID string
	// WidgetID and WidgetKey name the widget; 0 and "" where they do not.
	WidgetID  int64
	WidgetKey string
	// Config are the item's settings, a JSON object; nil for none.
	Config json.RawMessage
}

// Items gives the visible items of one of the actor's views that name a widget,
// in the order of the layout, and no more than a layout may have. Layouts that
// were imported were never checked: what names no widget is passed over.
// ErrNotFound.
func (s *Service) Items(ctx context.Context, actor identity.Actor, viewID int64) ([]Item, error) {
	v, err := s.Store.ByID(ctx, actor.UserID, viewID)
	if err != nil {
		return nil, err
	}
	_, named := split(v.WidgetsConfig)
	items := make([]Item, 0, len(named))
	for _, it := range named {
		if it.fault != "" || string(it.fields["visible"]) == "false" || len(items) == maxItems {
			continue
		}
		items = append(items, it.public())
	}
	return items, nil
}

// public is what others may know of the item.
func (it *item) public() Item {
	one := Item{WidgetID: it.id, WidgetKey: it.key}
	if json.Unmarshal(it.fields["instance_id"], &one.InstanceID) != nil || utf8.RuneCountInString(one.InstanceID) > maxInstanceID {
		one.InstanceID = ""
	}
	if config := it.fields["config"]; startsWith(config, '{') {
		one.Config = config
	}
	return one
}
