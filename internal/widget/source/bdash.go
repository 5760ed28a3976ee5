package source

import (
	"context"
	"slices"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/widget"
)

// Figures answers for bdash's own.
type Figures interface {
	// Figure is one of FigureNames over the span, cut into its days.
	Figure(ctx context.Context, name string, span widget.Span) (widget.Frame, error)
}

// FigureNames are bdash's own figures.
var FigureNames = []string{"users", "sessions", "requests", "ai", "jobs"}

// bdashPlan is the query of the kind bdash.
type bdashPlan struct {
	Figure string `json:"figure"`
}

func parseBdash(query []byte) (plan, error) {
	var p bdashPlan
	if err := decode(query, &p); err != nil {
		return nil, err
	}
	if !slices.Contains(FigureNames, p.Figure) {
		return nil, badQuery("figure is one of %v", FigureNames)
	}
	return &p, nil
}

func (p *bdashPlan) uses() widget.Uses { return widget.Uses{Period: true} }

func (p *bdashPlan) fetch(ctx context.Context, r *Registry, _ datasource.Connection, ask widget.Ask) (widget.Frame, error) {
	return r.Figures.Figure(ctx, p.Figure, ask.Span)
}
