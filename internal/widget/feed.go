package widget

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// Bounds of Widget.RefreshEvery, in seconds: below, a source would be asked
// more often than anybody can look; above, a schedule is none.
const (
	MinRefresh = 30
	MaxRefresh = 7 * 24 * 60 * 60
)

// MaxQuery is how long a query or a mapping may be, in bytes.
const MaxQuery = 64 << 10

// Variants are the values of Widget.Variant, with the widget types that take
// each.
var Variants = map[string][]string{
	"chart-line": {"chart", "custom"}, "chart-bar": {"chart", "custom"}, "chart-pie": {"chart", "custom"},
	"list": {"custom"}, "activity-feed": {"custom"}, "quick-actions": {"custom"},
}

// Texts of field faults.
const (
	msgSourceRight     = "Only administrators can use this source."
	msgDatasourceRight = "Only administrators, and editors where the data source allows it, can use a data source."
	msgNameDatasource  = "Name a data source of this kind in datasource."
	msgOtherKind       = "The data source is of another kind."
	msgNoQuery         = "A widget whose data is pushed has no query."
	msgObject          = "Expected a JSON object."
	msgNeedsQuery      = "This source needs a query."
)

// feeds reports whether the draft says where the data comes from. What it is
// shown as, and how often it is fetched, is everybody's own affair.
func (d *Draft) feeds() bool { return d.Source != nil || d.Datasource != nil || d.Query != nil }

// keepsDatasource reports whether the draft is about the data source that the
// widget has already.
func (d *Draft) keepsDatasource() bool {
	return d.feeds() && d.Datasource == nil && (d.Source == nil || !builtIn(*d.Source))
}

// datasourceOf asks for the data source that the widget will have: the draft's,
// else the one it has. nil for none.
func (s *Service) datasourceOf(ctx context.Context, d Draft, before *Widget) (*Datasource, error) {
	var id *int64
	switch {
	case d.Datasource != nil:
		id = *d.Datasource
	case before != nil && d.keepsDatasource():
		id = before.DatasourceID
	}
	if id == nil {
		return nil, nil
	}
	if s.Datasources == nil {
		return nil, noDatasource()
	}
	found, err := s.Datasources.Datasource(ctx, *id)
	if fault.KindOf(err) == fault.NotFound {
		return nil, noDatasource()
	}
	if err != nil {
		return nil, fmt.Errorf("data source %d of a widget: %w", *id, err)
	}
	return &found, nil
}

func noDatasource() error {
	e := *ErrNoDatasource
	e.Fields = []fault.Field{{Name: "datasource", Code: e.Code, Message: e.Message}}
	return &e
}

func builtIn(kind string) bool {
	return kind == SourcePush || kind == SourceStatic || kind == SourceBdash
}

// feed applies what the draft says about source, data source and query to w,
// and gives what is wrong with it. known is the data source that w will have.
func (s *Service) feed(w *Widget, actor identity.Actor, d Draft, known *Datasource) []fault.Field {
	if !d.feeds() {
		return nil
	}
	before := *w
	switch {
	case known != nil:
		w.Source, w.DatasourceID = known.Kind, &known.ID
		if d.Source != nil && *d.Source != known.Kind {
			return problem("source", "widget.source_kind", msgOtherKind)
		}
	case d.Source != nil:
		w.Source, w.DatasourceID = *d.Source, nil
		if !builtIn(w.Source) {
			return problem("source", "widget.source_datasource", msgNameDatasource)
		}
	case d.Datasource != nil: // taken away
		if !builtIn(w.Source) {
			w.Source = SourcePush
		}
		w.DatasourceID = nil
	}
	if d.Query != nil {
		w.Query = orNil(d.Query)
	} else if w.Source == SourcePush {
		w.Query = nil
	}
	if w.ID != 0 && w.Source == before.Source && same(w.DatasourceID, before.DatasourceID) && bytes.Equal(w.Query, before.Query) {
		return nil // what is sent back as it was needs no right
	}
	if denied := mayUse(actor, w.Source, known); denied != nil {
		return denied
	}
	return s.checkQuery(w)
}

// mayUse tells who may choose a source, and what it is asked.
func mayUse(actor identity.Actor, kind string, known *Datasource) []fault.Field {
	switch {
	case actor.Role == identity.Admin, kind == SourcePush, kind == SourceStatic:
		return nil
	case known == nil:
		return problem("source", "widget.source", msgSourceRight)
	case actor.Role == identity.Editor && known.EditorsAllowed:
		return nil
	}
	return problem("datasource", "widget.datasource", msgDatasourceRight)
}

func (s *Service) checkQuery(w *Widget) []fault.Field {
	switch {
	case w.Source == SourcePush && w.Query == nil:
		return nil
	case w.Source == SourcePush:
		return problem("query", "widget.query_push", msgNoQuery)
	case w.Query == nil:
		return problem("query", "widget.query_missing", msgNeedsQuery)
	}
	if message := checkObject(w.Query); message != "" {
		return problem("query", "widget.query_object", message)
	}
	if s.Sources == nil {
		return problem("source", "widget.source", msgSourceRight)
	}
	_, err := s.Sources.Uses(w.Source, w.Query)
	var refused *SourceError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && refused.Detail != "":
		return problem("query", "widget.query", refused.Detail)
	case errors.As(err, &refused):
		return problem("query", "widget.query", refused.Message)
	}
	return problem("query", "widget.query", "This query cannot be read.")
}

// problemsOfShow checks what is shown and how often it is fetched; it needs no
// widget.
func problemsOfShow(d Draft) []fault.Field {
	var problems []fault.Field
	if raw := orNil(d.Mapping); raw != nil {
		if message := checkObject(raw); message != "" {
			problems = append(problems, problem("mapping", "widget.mapping", message)...)
		}
	}
	check := func(name string, v **int64, least, most int64) {
		if v != nil && *v != nil && (**v < least || **v > most) {
			problems = append(problems, problem(name, "widget."+name,
				fmt.Sprintf("Ensure this value is between %d and %d.", least, most))...)
		}
	}
	check("cache_ttl", d.CacheTTL, MinTTL, MaxTTL)
	check("refresh_every", d.RefreshEvery, MinRefresh, MaxRefresh)
	return problems
}

// applyShow changes w by what problemsOfShow found no fault with.
func applyShow(w *Widget, d Draft) {
	if d.Mapping != nil {
		w.Mapping = orNil(d.Mapping)
	}
	set(&w.CacheTTL, d.CacheTTL)
	set(&w.RefreshEvery, d.RefreshEvery)
	set(&w.Variant, d.Variant)
}

func same(a, b *int64) bool { return a == b || a != nil && b != nil && *a == *b }

// orNil is nil for the JSON text null.
func orNil(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

func checkObject(raw json.RawMessage) string {
	switch {
	case len(raw) > MaxQuery:
		return fmt.Sprintf("Ensure this value has at most %d bytes.", MaxQuery)
	case !bytes.HasPrefix(raw, []byte("{")):
		return msgObject
	}
	return ""
}

func problem(name, code, message string) []fault.Field {
	return []fault.Field{{Name: name, Code: code, Message: message}}
}
