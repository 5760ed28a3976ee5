package app

import (
	"context"
	"fmt"
	"slices"

	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/outbound"
	"github.com/bdash/bdash/internal/seal"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/widget"
	"github.com/bdash/bdash/internal/widget/source"
)

// datasources makes the room of data sources with all kinds of them.
func (a *App) datasources(fallbacks []string) (*datasource.Service, error) {
	box, err := seal.New(a.Config.SecretKey.Reveal(), fallbacks...)
	if err != nil {
		return nil, err
	}
	dialer := &outbound.Dialer{}
	for _, r := range a.Config.OutboundAllow {
		dialer.Allow = append(dialer.Allow, outbound.Rule{Prefix: r.Prefix, Port: r.Port})
	}
	registry := &source.Registry{Dialer: dialer, Dir: a.Config.DatasourceFolder(), Figures: figures{a}}
	if a.Config.Database.Engine == config.SQLite {
		registry.Own = a.Config.Database.Path
	}
	return &datasource.Service{Store: &sqlstore.Datasources{DB: a.DB}, Connector: registry, Sealer: box, Now: a.now}, nil
}

// figures are bdash's own, from the database and from this process' counters.
type figures struct{ app *App }

// Figure implements source.Figures.
func (f figures) Figure(ctx context.Context, name string, span widget.Span) (widget.Frame, error) {
	stored := &sqlstore.Figures{DB: f.app.DB}
	switch name {
	case "users", "sessions", "ai":
		return stored.Daily(ctx, name, span)
	case "jobs":
		return stored.Jobs(ctx)
	case "requests":
		return f.requests()
	}
	return widget.Frame{}, fmt.Errorf("no figure %q", name)
}

// requestsMetric counts requests by view, method and status.
const requestsMetric = "bdash_http_requests_total"

// requests gives what this process answered since it started.
func (f figures) requests() (widget.Frame, error) {
	frame := widget.Frame{}
	labels := []string{"view", "method", "status"}
	for _, name := range labels {
		frame.Columns = append(frame.Columns, widget.Column{Name: name, Kind: widget.Text, Values: []any{}})
	}
	frame.Columns = append(frame.Columns, widget.Column{Name: "requests", Kind: widget.Integer, Values: []any{}})
	families, err := f.app.metrics.Gatherer().Gather()
	if err != nil {
		return frame, fmt.Errorf("figure requests: %w", err)
	}
	for _, family := range families {
		if family.GetName() != requestsMetric {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, pair := range m.GetLabel() {
				if i := slices.Index(labels, pair.GetName()); i >= 0 {
					frame.Columns[i].Values = append(frame.Columns[i].Values, pair.GetValue())
				}
			}
			frame.Columns[len(labels)].Values = append(frame.Columns[len(labels)].Values, int64(m.GetCounter().GetValue()))
		}
	}
	return frame, nil
}
