package app

import (
	"context"
	"errors"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/theme"
	"github.com/bdash/bdash/internal/widget"
)

// neighbours shows the widget and theme rooms to the bundles of the dashboard
// room.
type neighbours struct {
	widgets *widget.Service
	themes  *theme.Service
}

// Definitions implements dashboard.Neighbours.
func (n neighbours) Definitions(ctx context.Context, actor identity.Actor, ids []int64, keys []string) ([]dashboard.BundledWidget, error) {
	found, err := n.widgets.Known(ctx, actor, ids, keys)
	if err != nil {
		return nil, err
	}
	out := make([]dashboard.BundledWidget, len(found))
	for i := range found {
		out[i] = bundled(&found[i])
	}
	return out, nil
}

func bundled(w *widget.Widget) dashboard.BundledWidget {
	return dashboard.BundledWidget{
		ID: w.ID, Key: w.Key, Name: w.Name, WidgetType: w.WidgetType, Description: w.Description, Variant: w.Variant,
		ConfigSchema: w.ConfigSchema, Source: w.Source, Query: w.Query, Mapping: w.Mapping, CacheTTL: w.CacheTTL, RefreshEvery: w.RefreshEvery,
	}
}

// PrepareWidget implements dashboard.Neighbours.
func (n neighbours) PrepareWidget(ctx context.Context, actor identity.Actor, w dashboard.BundledWidget) (dashboard.BundledWidget, error) {
	d := widget.Draft{
		Name: &w.Name, WidgetType: &w.WidgetType, Description: &w.Description, ConfigSchema: w.ConfigSchema, Variant: &w.Variant,
		Source: &w.Source, Query: w.Query, Mapping: w.Mapping, CacheTTL: &w.CacheTTL, RefreshEvery: &w.RefreshEvery,
	}
	prepared, err := n.widgets.Prepare(ctx, actor, d)
	return bundled(&prepared), err
}

// ActiveTheme implements dashboard.Neighbours.
func (n neighbours) ActiveTheme(ctx context.Context, actor identity.Actor) (*dashboard.BundledTheme, error) {
	t, err := n.themes.Active(ctx, actor)
	if errors.Is(err, theme.ErrNoActive) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b := bundledTheme(&t)
	return &b, nil
}

func bundledTheme(t *theme.Theme) dashboard.BundledTheme {
	return dashboard.BundledTheme{
		Name: t.Name, Description: t.Description, ColorMode: t.ColorMode, Colors: t.Colors, Palettes: t.Palettes, BorderRadius: t.BorderRadius,
	}
}

// PrepareTheme implements dashboard.Neighbours.
func (n neighbours) PrepareTheme(_ context.Context, actor identity.Actor, t dashboard.BundledTheme) (dashboard.BundledTheme, error) {
	prepared, err := n.themes.Prepare(actor, theme.Draft{
		Name: &t.Name, Description: &t.Description, ColorMode: &t.ColorMode, BorderRadius: &t.BorderRadius, Colors: t.Colors, Palettes: t.Palettes,
	})
	return bundledTheme(&prepared), err
}

// ThemeMade implements dashboard.Neighbours.
func (n neighbours) ThemeMade(ctx context.Context, actor identity.Actor, id int64) {
	if n.themes.Events != nil {
		n.themes.Events.ThemeUpdated(ctx, actor.UserID, theme.Updated{ThemeID: id, Change: theme.Created, UpdatedAt: n.themes.Now().UTC()})
	}
}
