package source

import (
	"context"
	"encoding/json"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/widget"
)

// staticPlan is a query that holds its own answer.
type staticPlan struct {
	// Columns name the members of rows that are arrays.
	Columns []string `json:"columns"`
	// Rows are objects, arrays, or single values.
	Rows  json.RawMessage   `json:"rows"`
	Types map[string]string `json:"types"`
}

func parseStatic(query []byte) (plan, error) {
	var p staticPlan
	if err := decode(query, &p); err != nil {
		return nil, err
	}
	if len(p.Rows) == 0 || p.Rows[0] != '[' {
		return nil, badQuery("rows is an array of objects, of arrays, or of values")
	}
	if err := checkTypes(p.Types); err != nil {
		return nil, err
	}
	// A frame that cannot be made is better said now than when it is shown.
	_, err := p.frame(widget.MaxLimits)
	return &p, err
}

func (p *staticPlan) uses() widget.Uses { return widget.Uses{} }

func (p *staticPlan) fetch(_ context.Context, _ *Registry, _ datasource.Connection, ask widget.Ask) (widget.Frame, error) {
	return p.frame(ask.Limits)
}

func (p *staticPlan) frame(limits widget.Limits) (widget.Frame, error) {
	var rows any
	if err := json.Unmarshal(p.Rows, &rows); err != nil {
		return widget.Frame{}, badQuery("rows: %s", err)
	}
	return jsonFrame(rows, p.Columns, p.Types, limits)
}
