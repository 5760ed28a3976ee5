// Package source asks the sources that feed widgets: SQL databases, HTTP
// services, Prometheus, bdash itself. Each kind has a file; the registry below
// is the list of them.
//
// A source trusts neither the query nor the answer. Parameters are bound or
// quoted, never pasted; connections go through a guarded dialer and bring a
// bounded number of bytes; databases are asked in read-only transactions with
// their own time-outs. Nothing outlives a question: a connection is made for
// it and closed after it, so that no session state leads from one query to
// another.
package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/outbound"
	"github.com/bdash/bdash/internal/widget"
)

// Registry implements datasource.Connector. Set the fields before use; safe
// for concurrent use afterwards.
type Registry struct {
	Dialer *outbound.Dialer
	// Dir holds the SQLite files that may be read; "" allows none.
	Dir string
	// Own is bdash's own SQLite file, which is never read; "" for none.
	Own string
	// Figures answer for bdash's own.
	Figures Figures
}

// plan is a query that was read.
type plan interface {
	uses() widget.Uses
	fetch(ctx context.Context, r *Registry, c datasource.Connection, ask widget.Ask) (widget.Frame, error)
}

// kind is what the registry knows of one.
type kind struct {
	parse func(query []byte) (plan, error)
	probe func(ctx context.Context, r *Registry, c datasource.Connection) (datasource.Report, error)
}

// kinds is every source, by the constants of widget.
var kinds = map[string]kind{
	widget.SourceStatic:     {parse: parseStatic},
	widget.SourceBdash:      {parse: parseBdash},
	widget.SourcePostgreSQL: {parse: parseSQL(dialectPostgreSQL, fetchPostgreSQL), probe: probePostgreSQL},
	widget.SourceMySQL:      {parse: parseSQL(dialectMySQL, fetchMySQL), probe: probeMySQL},
	widget.SourceSQLite:     {parse: parseSQL(dialectSQLite, fetchSQLite), probe: probeSQLite},
	widget.SourceHTTP:       {parse: parseHTTP, probe: probeHTTP},
	widget.SourcePrometheus: {parse: parsePrometheus, probe: probePrometheus},
}

// Uses implements datasource.Connector.
func (r *Registry) Uses(name string, query []byte) (widget.Uses, error) {
	p, err := read(name, query)
	if err != nil {
		return widget.Uses{}, err
	}
	return p.uses(), nil
}

// Fetch implements datasource.Connector.
func (r *Registry) Fetch(ctx context.Context, c datasource.Connection, ask widget.Ask) (widget.Frame, error) {
	p, err := read(c.Kind, ask.Query)
	if err != nil {
		return widget.Frame{}, err
	}
	ask.Limits = ask.Limits.Bounded()
	frame, err := p.fetch(ctx, r, c, ask)
	if err != nil {
		return widget.Frame{}, explain(ctx, err, c.Secrets)
	}
	return frame, nil
}

// Probe implements datasource.Connector.
func (r *Registry) Probe(ctx context.Context, c datasource.Connection) (datasource.Report, error) {
	k, ok := kinds[c.Kind]
	if !ok || k.probe == nil {
		return datasource.Report{}, unknownKind(c.Kind)
	}
	report, err := k.probe(ctx, r, c)
	if err != nil {
		return datasource.Report{}, explain(ctx, err, c.Secrets)
	}
	return report, nil
}

func read(name string, query []byte) (plan, error) {
	k, ok := kinds[name]
	if !ok {
		return nil, unknownKind(name)
	}
	return k.parse(query)
}

func unknownKind(name string) error {
	return &widget.SourceError{Code: widget.CodeSettings, Message: "This widget has no source.", Detail: fmt.Sprintf("no source of the kind %q", name)}
}

// decode reads a query strictly: a misspelt member is an error, not ignored.
func decode(query []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(query))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return badQuery("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// badQuery is a query that the kind cannot take.
func badQuery(format string, args ...any) error {
	return &widget.SourceError{Code: widget.CodeQuery, Message: "The query of this widget is wrong.", Detail: fmt.Sprintf(format, args...)}
}
