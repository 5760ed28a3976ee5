package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/widget"
)

var widgetTypes = []drf.Choice{{Value: "stats", Label: "Stats Card"}, {Value: "chart", Label: "Chart"}, {Value: "table", Label: "Table"},
	{Value: "calendar", Label: "Calendar"}, {Value: "custom", Label: "Custom"}}

var widgetFields = declareWidget()

func declareWidget() *drf.Serializer[widget.Widget, widget.Draft] {
	s := drf.NewSerializer[widget.Widget, widget.Draft]("Widget")
	s.Int("id", drf.Opt{}, 0, 0, func(w *widget.Widget) int64 { return w.ID }, nil)
	s.Char("name", drf.Opt{Required: true, Max: 100, Example: `"Revenue"`},
		func(w *widget.Widget) string { return w.Name }, func(d *widget.Draft, v string) { d.Name = &v })
	s.Choice("widget_type", drf.Opt{Required: true, Example: `"stats"`}, widgetTypes,
		func(w *widget.Widget) string { return w.WidgetType }, func(d *widget.Draft, v string) { d.WidgetType = &v })
	s.Char("description", drf.Opt{Blank: true},
		func(w *widget.Widget) string { return w.Description }, func(d *widget.Draft, v string) { d.Description = &v })
	s.JSON("config_schema", drf.Opt{Help: "The JSON Schema (2020-12) of the settings: an object or a boolean. References to other documents are not followed.",
		Example: `{"type":"object","properties":{"limit":{"type":"integer","minimum":1}}}`},
		func(w *widget.Widget) json.RawMessage { return w.ConfigSchema }, func(d *widget.Draft, v json.RawMessage) { d.ConfigSchema = v })
	s.Bool("is_public", drf.Opt{Help: "Seen by everybody. Only editors and administrators can publish widgets."},
		func(w *widget.Widget) bool { return w.IsPublic }, func(d *widget.Draft, v bool) { d.IsPublic = &v })
	s.Int("created_by", drf.Opt{Help: "The owner's user id."}, 0, 0, func(w *widget.Widget) int64 { return w.CreatedBy }, nil)
	s.Time("created_at", drf.Opt{}, func(w *widget.Widget) time.Time { return w.CreatedAt })
	s.Time("updated_at", drf.Opt{}, func(w *widget.Widget) time.Time { return w.UpdatedAt })
	s.CharOrNull("key", drf.Opt{Hidden: true, Max: widget.MaxKey, Example: `"total-revenue"`,
		Help: "A name for layouts, unique among all widgets: lower-case letters, digits and hyphens."},
		func(w *widget.Widget) *string { return w.Key }, func(d *widget.Draft, v *string) { d.Key = &v })
	declareWidgetFeed(s)
	return s
}

var widgetSources = []drf.Choice{{Value: widget.SourcePush, Label: "Pushed"}, {Value: widget.SourceStatic, Label: "Static"},
	{Value: widget.SourceBdash, Label: "bdash"}, {Value: widget.SourcePostgreSQL, Label: "PostgreSQL"}, {Value: widget.SourceMySQL, Label: "MySQL or MariaDB"},
	{Value: widget.SourceSQLite, Label: "SQLite"}, {Value: widget.SourceHTTP, Label: "HTTP"}, {Value: widget.SourcePrometheus, Label: "Prometheus"}}

// declareWidgetFeed declares where a widget's data comes from.
func declareWidgetFeed(s *drf.Serializer[widget.Widget, widget.Draft]) {
	s.Choice("source", drf.Opt{Hidden: true, Example: `"push"`,
		Help: "What feeds the widget: push (somebody stores the data), static (the query is the data), bdash (its own figures; administrators), or the kind of its data source, which follows from datasource."},
		widgetSources, func(w *widget.Widget) string { return w.Source }, func(d *widget.Draft, v string) { d.Source = &v })
	s.NullableInt("datasource", drf.Opt{Hidden: true, Example: "null", Help: "A data source's id. For administrators, and for editors where the data source allows it."},
		1, 1<<63-1, func(w *widget.Widget) *int64 { return w.DatasourceID }, func(d *widget.Draft, v *int64) { d.Datasource = &v })
	s.JSON("query", drf.Opt{Hidden: true, Null: true, Example: "null", Help: "What the source is asked: an object in the words of its kind; null for push."},
		func(w *widget.Widget) json.RawMessage { return w.Query }, func(d *widget.Draft, v json.RawMessage) { d.Query = v })
	s.JSON("mapping", drf.Opt{Hidden: true, Null: true, Example: "null", Help: "Which columns of the answer are shown as what: an object; null for the usual ones."},
		func(w *widget.Widget) json.RawMessage { return w.Mapping }, func(d *widget.Draft, v json.RawMessage) { d.Mapping = v })
	s.NullableInt("cache_ttl", drf.Opt{Hidden: true, Example: "300", Help: "How long fetched data counts as fresh, in seconds; null is 300."},
		widget.MinTTL, widget.MaxTTL, func(w *widget.Widget) *int64 { return w.CacheTTL }, func(d *widget.Draft, v *int64) { d.CacheTTL = &v })
	s.NullableInt("refresh_every", drf.Opt{Hidden: true, Example: "null", Help: "How often the data is fetched while nobody asks, in seconds; null is never."},
		widget.MinRefresh, widget.MaxRefresh, func(w *widget.Widget) *int64 { return w.RefreshEvery }, func(d *widget.Draft, v *int64) { d.RefreshEvery = &v })
	s.CharOrNull("variant", drf.Opt{Hidden: true, Max: 50, Example: "null", Help: "How it looks: chart-line, chart-bar, chart-pie (chart, custom), list, activity-feed, quick-actions (custom); null for the type's own look."},
		func(w *widget.Widget) *string { return w.Variant }, func(d *widget.Draft, v *string) { d.Variant = &v })
}

var (
	widgetOrderings = []string{"id", "name", "widget_type", "description", "config_schema", "is_public", "created_by", "created_at", "updated_at", "key",
		"source", "datasource", "query", "mapping", "cache_ttl", "refresh_every", "variant"}
	widgetFilters = []drf.Filter{{Field: "widget_type", Choices: widget.Types}, {Field: "is_public", Boolean: true}, {Field: "source"}}
)

func (s *Server) listWidgets(w http.ResponseWriter, r *drf.Request) error {
	req, err := pageRequest(r, widgetOrderings, widgetFilters)
	if err != nil {
		return err
	}
	res, err := s.Widgets.List(r.Context(), actor(r), req)
	if err != nil {
		return err
	}
	return respondPage(w, r, widgetFields, res)
}

func (s *Server) createWidget(w http.ResponseWriter, r *drf.Request) error {
	var d widget.Draft
	if err := widgetFields.Decode(r, &d, drf.Whole); err != nil {
		return err
	}
	created, err := s.Widgets.Create(r.Context(), actor(r), d)
	if err != nil {
		return err
	}
	return widgetFields.Respond(w, r, http.StatusCreated, &created)
}

func (s *Server) retrieveWidget(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	found, err := s.Widgets.Visible(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	return widgetFields.Respond(w, r, http.StatusOK, &found)
}

// writableWidget is the widget of the path, before the body is read.
func (s *Server) writableWidget(r *drf.Request) (id int64, err error) {
	if id, err = r.PathInt("id"); err != nil {
		return 0, err
	}
	found, err := s.Widgets.Writable(r.Context(), actor(r), id)
	noteOf(r).foreign(r, found.CreatedBy)
	return id, err
}

func (s *Server) patchWidget(w http.ResponseWriter, r *drf.Request) error {
	id, err := s.writableWidget(r)
	if err != nil {
		return err
	}
	var d widget.Draft
	if err := widgetFields.Decode(r, &d, drf.Partial); err != nil {
		return err
	}
	changed, err := s.Widgets.Update(r.Context(), actor(r), id, d)
	if err != nil {
		return err
	}
	return widgetFields.Respond(w, r, http.StatusOK, &changed)
}

func (s *Server) deleteWidget(w http.ResponseWriter, r *drf.Request) error {
	id, err := s.writableWidget(r)
	if err != nil {
		return err
	}
	if err := s.Widgets.Delete(r.Context(), actor(r), id); err != nil {
		return err
	}
	return r.NoContent(w)
}

// widgetDataFields are the body of PUT widgets/{id}/data/.
var widgetDataFields = declareWidgetData()

func declareWidgetData() *drf.Serializer[widget.Data, widget.Push] {
	s := drf.NewSerializer[widget.Data, widget.Push]("WidgetPush")
	s.JSON("data", drf.Opt{Required: true, Help: "Any JSON but null.", Example: `{"value":42}`}, nil,
		func(p *widget.Push, v json.RawMessage) { p.Data = v })
	s.Int("cache_ttl", drf.Opt{Help: "How long the data counts as fresh, in seconds; 300 when absent.", Example: "300"},
		widget.MinTTL, widget.MaxTTL, nil, func(p *widget.Push, v int64) { p.TTL = &v })
	s.Int("user", drf.Opt{Help: "Keeps the data for this user only, where it wins over the shared data."},
		1, 1<<63-1, nil, func(p *widget.Push, v int64) { p.UserID = &v })
	return s
}

func (s *Server) putWidgetData(w http.ResponseWriter, r *drf.Request) error {
	id, err := s.writableWidget(r)
	if err != nil {
		return err
	}
	var p widget.Push
	if err := widgetDataFields.Decode(r, &p, drf.Whole); err != nil {
		return err
	}
	d, err := s.Widgets.PutData(r.Context(), actor(r), id, p)
	if errors.Is(err, widget.ErrNoUser) {
		return drf.Invalid("user", `Invalid pk "`+strconv.FormatInt(*p.UserID, 10)+`" - object does not exist.`)
	}
	if err != nil {
		return err
	}
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte { return append(appendWidgetData(append(dst, '{'), &d), '}') })
}

// widgetSettings is the body of widgets/{id}/config/.
type widgetSettings struct{ config json.RawMessage }

var widgetConfigFields = declareWidgetConfig()

func declareWidgetConfig() *drf.Serializer[widgetSettings, widgetSettings] {
	s := drf.NewSerializer[widgetSettings, widgetSettings]("WidgetSettings")
	s.JSON("config", drf.Opt{Required: true, Help: "An object that the widget's config_schema takes.", Example: `{"limit":10}`},
		func(c *widgetSettings) json.RawMessage { return c.config }, func(c *widgetSettings, v json.RawMessage) { c.config = v })
	return s
}

func (s *Server) widgetConfig(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	config, err := s.Widgets.Settings(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	return widgetConfigFields.Respond(w, r, http.StatusOK, &widgetSettings{config})
}

func (s *Server) putWidgetConfig(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if _, err := s.Widgets.Visible(r.Context(), actor(r), id); err != nil {
		return err
	}
	var c widgetSettings
	if err := widgetConfigFields.Decode(r, &c, drf.Whole); err != nil {
		return err
	}
	if err := s.Widgets.PutSettings(r.Context(), actor(r), id, c.config); err != nil {
		return err
	}
	return widgetConfigFields.Respond(w, r, http.StatusOK, &c)
}
