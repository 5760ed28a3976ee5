package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/widget"
)

var datasourceKinds = widgetSources[3:]

var tlsChoices = []drf.Choice{{Value: "verify", Label: "Encrypted, certificate checked"}, {Value: "require", Label: "Encrypted, any certificate"},
	{Value: "off", Label: "Not encrypted"}}

var datasourceFields = declareDatasource()

func declareDatasource() *drf.Serializer[datasource.Datasource, datasource.Draft] {
	type source = datasource.Datasource
	type draft = datasource.Draft
	s := drf.NewSerializer[source, draft]("Datasource")
	s.Int("id", drf.Opt{}, 0, 0, func(d *source) int64 { return d.ID }, nil)
	s.Char("name", drf.Opt{Required: true, Max: 100, Example: `"Shop"`, Help: "Unique."},
		func(d *source) string { return d.Name }, func(d *draft, v string) { d.Name = &v })
	s.Char("description", drf.Opt{Blank: true, Max: 1000}, func(d *source) string { return d.Description }, func(d *draft, v string) { d.Description = &v })
	s.Choice("kind", drf.Opt{Required: true, Example: `"postgresql"`, Help: "Never changes."}, datasourceKinds,
		func(d *source) string { return d.Kind }, func(d *draft, v string) { d.Kind = &v })
	char := func(name, help, example string, limit int, get func(*source) string, set func(*draft, *string)) {
		s.Char(name, drf.Opt{Blank: true, Max: limit, Help: help, Example: example}, get, func(d *draft, v string) { set(d, &v) })
	}
	char("host", "A name or an address (databases).", `"db.example.com"`, 253, func(d *source) string { return d.Settings.Host }, func(d *draft, v *string) { d.Host = v })
	s.NullableInt("port", drf.Opt{Help: "null is the kind's own (databases).", Example: "5432"}, 1, 65535, func(d *source) *int64 {
		if d.Settings.Port == 0 {
			return nil
		}
		return &d.Settings.Port
	}, func(d *draft, v *int64) { d.Port = &v })
	char("database", "Its name (databases).", `"shop"`, 128, func(d *source) string { return d.Settings.Database }, func(d *draft, v *string) { d.Database = v })
	char("username", "Whom to sign in as.", `"reader"`, 128, func(d *source) string { return d.Settings.Username }, func(d *draft, v *string) { d.Username = v })
	s.Char("password", drf.Opt{Blank: true, Max: 1000, Raw: true, Format: "password", Help: "Stored sealed and never shown; has_password tells whether there is one. It has to be entered again when the data source moves."},
		nil, func(d *draft, v string) { d.Password = &v })
	s.Choice("tls", drf.Opt{Help: "verify when absent. Not for http:// addresses and SQLite.", Example: `"verify"`}, tlsChoices, func(d *source) string {
		if d.Settings.TLS == "" {
			return string(datasource.TLSVerify)
		}
		return string(d.Settings.TLS)
	}, func(d *draft, v string) { d.TLS = &v })
	s.Char("ca", drf.Opt{Blank: true, Max: 100_000, Raw: true, Help: "Certificates in PEM that count instead of the system's.", Example: `""`},
		func(d *source) string { return d.Settings.CA }, func(d *draft, v string) { d.CA = &v })
	char("path", "A file below DATASOURCE_DIR (SQLite).", `""`, 500, func(d *source) string { return d.Settings.Path }, func(d *draft, v *string) { d.Path = v })
	char("url", "Where paths begin (HTTP, Prometheus).", `""`, 2000, func(d *source) string { return d.Settings.URL }, func(d *draft, v *string) { d.URL = v })
	s.JSON("headers", drf.Opt{Help: "Sent with every request: an object of texts (HTTP, Prometheus). What is secret belongs in token.", Example: `{}`},
		func(d *source) json.RawMessage { return headersJSON(d.Settings.Headers) }, func(d *draft, v json.RawMessage) { d.Headers = headersOf(v) })
	s.Char("token", drf.Opt{Blank: true, Max: 4000, Raw: true, Format: "password", Help: "Stored sealed and never shown; has_token tells whether there is one (HTTP, Prometheus)."},
		nil, func(d *draft, v string) { d.Token = &v })
	char("token_header", "The header that carries the token; Authorization, as Bearer, when empty.", `""`, 100, func(d *source) string { return d.Settings.TokenHeader }, func(d *draft, v *string) { d.TokenHeader = v })
	s.Bool("editors_allowed", drf.Opt{Help: "Editors may use it in their widgets."},
		func(d *source) bool { return d.EditorsAllowed }, func(d *draft, v bool) { d.EditorsAllowed = &v })
	char("confirm_privileged", "What the role may do besides reading, in the words of the refusal.", `""`, 100, func(d *source) string { return d.Privileged }, func(d *draft, v *string) { d.ConfirmPrivileged = v })
	s.Bool("has_password", drf.Opt{}, func(d *source) bool { return d.HasPassword }, nil)
	s.Bool("has_token", drf.Opt{}, func(d *source) bool { return d.HasToken }, nil)
	s.Int("created_by", drf.Opt{Help: "The user id of an administrator."}, 0, 0, func(d *source) int64 { return d.CreatedBy }, nil)
	s.Time("created_at", drf.Opt{}, func(d *source) time.Time { return d.CreatedAt })
	s.Time("updated_at", drf.Opt{}, func(d *source) time.Time { return d.UpdatedAt })
	return s
}

func headersJSON(headers map[string]string) json.RawMessage {
	if len(headers) == 0 {
		return json.RawMessage("{}")
	}
	raw, _ := json.Marshal(headers) // texts always can be
	return raw
}

// headersOf gives what is no object of texts a header that the room refuses.
func headersOf(raw json.RawMessage) *map[string]string {
	headers := map[string]string{}
	if string(raw) != "null" && json.Unmarshal(raw, &headers) != nil {
		headers = map[string]string{"": ""}
	}
	return &headers
}

var (
	datasourceOrderings = []string{"id", "name", "description", "kind", "editors_allowed", "created_at", "updated_at"}
	datasourceFilters   = []drf.Filter{{Field: "kind", Choices: datasource.Kinds}, {Field: "editors_allowed", Boolean: true}}
)

func (s *Server) listDatasources(w http.ResponseWriter, r *drf.Request) error {
	req, err := pageRequest(r, datasourceOrderings, datasourceFilters)
	if err != nil {
		return err
	}
	res, err := s.Datasources.List(r.Context(), actor(r), req)
	if err != nil {
		return err
	}
	return respondPage(w, r, datasourceFields, res)
}

func (s *Server) createDatasource(w http.ResponseWriter, r *drf.Request) error {
	var d datasource.Draft
	if err := datasourceFields.Decode(r, &d, drf.Whole); err != nil {
		return err
	}
	made, err := s.Datasources.Create(r.Context(), actor(r), d)
	if err != nil {
		return err
	}
	return datasourceFields.Respond(w, r, http.StatusCreated, &made)
}

// datasource is the data source of the path, before the body is read.
func (s *Server) datasource(r *drf.Request) (datasource.Datasource, error) {
	id, err := r.PathInt("id")
	if err != nil {
		return datasource.Datasource{}, err
	}
	return s.Datasources.ByID(r.Context(), actor(r), id)
}

func (s *Server) retrieveDatasource(w http.ResponseWriter, r *drf.Request) error {
	d, err := s.datasource(r)
	if err != nil {
		return err
	}
	return datasourceFields.Respond(w, r, http.StatusOK, &d)
}

func (s *Server) patchDatasource(w http.ResponseWriter, r *drf.Request) error {
	found, err := s.datasource(r)
	if err != nil {
		return err
	}
	var d datasource.Draft
	if err := datasourceFields.Decode(r, &d, drf.Partial); err != nil {
		return err
	}
	changed, err := s.Datasources.Update(r.Context(), actor(r), found.ID, d)
	if err != nil {
		return err
	}
	return datasourceFields.Respond(w, r, http.StatusOK, &changed)
}

func (s *Server) deleteDatasource(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if err := s.Datasources.Delete(r.Context(), actor(r), id); err != nil {
		return err
	}
	return r.NoContent(w)
}

// testDatasource answers 200 whatever comes of it: that is what was asked.
func (s *Server) testDatasource(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	res, err := s.Datasources.Test(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = strconv.AppendBool(append(dst, `{"ok":`...), res.Problem == nil)
		dst = drf.AppendString(append(dst, `,"server":`...), res.Server)
		dst = appendTexts(append(dst, `,"privileges":`...), res.Privileges)
		dst = strconv.AppendInt(append(dst, `,"took_ms":`...), res.Took.Milliseconds(), 10)
		dst = append(dst, `,"error":`...)
		if res.Problem == nil {
			return append(dst, "null}"...)
		}
		dst = drf.AppendString(append(dst, `{"code":`...), string(res.Problem.Code))
		dst = drf.AppendString(append(dst, `,"message":`...), res.Problem.Message)
		dst = drf.AppendString(append(dst, `,"detail":`...), res.Problem.Detail)
		return append(dst, "}}"...)
	})
}

func appendTexts(dst []byte, texts []string) []byte {
	dst = append(dst, '[')
	for i, text := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = drf.AppendString(dst, text)
	}
	return append(dst, ']')
}

// preview is the body of POST datasources/{id}/preview/.
type preview struct {
	ask      widget.Ask
	from, to *time.Time
	zone     string
}

// Bounds of a preview: enough to see what a widget would get.
const (
	previewRows    = 100
	maxPreviewRows = 1000
	previewBytes   = 1 << 20
	previewDays    = 7
)

var previewFields = declarePreview()

func declarePreview() *drf.Serializer[preview, preview] {
	s := drf.NewSerializer[preview, preview]("Preview")
	s.JSON("query", drf.Opt{Required: true, Help: "As in a widget: an object in the words of the kind.", Example: `{"sql":"SELECT 1 AS one"}`},
		nil, func(p *preview, v json.RawMessage) { p.ask.Query = v })
	s.JSON("settings", drf.Opt{Help: "What setting.NAME stands for: an object.", Example: `{}`},
		nil, func(p *preview, v json.RawMessage) { p.ask.Settings = v })
	s.TimeOrNull("from", drf.Opt{Help: "What period_from stands for; 7 days before to when absent."}, nil, func(p *preview, v *time.Time) { p.from = v })
	s.TimeOrNull("to", drf.Opt{Help: "What period_to stands for; now when absent."}, nil, func(p *preview, v *time.Time) { p.to = v })
	s.Char("time_zone", drf.Opt{Max: 100, Help: "UTC when absent.", Example: `"Europe/Berlin"`}, nil, func(p *preview, v string) { p.zone = v })
	s.Int("rows", drf.Opt{Help: "At most this many; 100 when absent.", Example: "100"}, 1, maxPreviewRows, nil,
		func(p *preview, v int64) { p.ask.Limits.Rows = int(v) })
	return s
}

func (s *Server) previewDatasource(w http.ResponseWriter, r *drf.Request) error {
	found, err := s.datasource(r)
	if err != nil {
		return err
	}
	p := preview{ask: widget.Ask{Limits: widget.Limits{Rows: previewRows, Bytes: previewBytes}}}
	if err := previewFields.Decode(r, &p, drf.Whole); err != nil {
		return err
	}
	if err := p.span(s.Datasources.Now()); err != nil {
		return err
	}
	start := time.Now()
	frame, err := s.Datasources.Preview(r.Context(), actor(r), found.ID, p.ask)
	if err != nil {
		return sourceError(err)
	}
	took := time.Since(start)
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = appendFrame(append(dst, '{'), &frame)
		dst = strconv.AppendInt(append(dst, `,"took_ms":`...), took.Milliseconds(), 10)
		return append(dst, '}')
	})
}

// span fills the period that is asked about.
func (p *preview) span(now time.Time) error {
	zone, err := time.LoadLocation(p.zone)
	if err != nil || p.zone == "Local" {
		return drf.Invalid("time_zone", "Enter the name of a time zone, such as Europe/Berlin.")
	}
	span := widget.Span{To: now.UTC(), Zone: zone}
	if p.to != nil {
		span.To = p.to.UTC()
	}
	span.From = span.To.In(zone).AddDate(0, 0, -previewDays).UTC()
	if p.from != nil {
		span.From = p.from.UTC()
	}
	if !span.From.Before(span.To) {
		return drf.Invalid("from", "Enter a time before to.")
	}
	p.ask.Span = span
	return nil
}

// sourceError words what kept a source from answering, for who may see it in
// full: 400 for the query, 504 for a time-out, else 502.
func sourceError(err error) error {
	var e *widget.SourceError
	if !errors.As(err, &e) {
		return err
	}
	text := e.Message
	if e.Detail != "" {
		text = e.Detail
	}
	switch e.Code {
	case widget.CodeQuery, widget.CodePermission:
		return drf.Invalid("query", text)
	case widget.CodeTimeout:
		return &drf.Error{Status: http.StatusGatewayTimeout, Detail: text, Code: string(e.Code), Err: e.Err}
	case widget.CodeGone:
		return datasource.ErrNotFound
	}
	return &drf.Error{Status: http.StatusBadGateway, Detail: text, Code: string(e.Code), Err: e.Err}
}

// appendFrame writes the members of a frame: columns, rows, truncated.
func appendFrame(dst []byte, f *widget.Frame) []byte {
	dst = append(dst, `"columns":[`...)
	for i, c := range f.Columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = drf.AppendString(append(dst, `{"name":`...), c.Name)
		dst = append(drf.AppendString(append(dst, `,"type":`...), string(c.Kind)), '}')
	}
	dst = append(dst, `],"rows":[`...)
	for row := range f.Rows() {
		if row > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		for i, c := range f.Columns {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, c.Values[row])
		}
		dst = append(dst, ']')
	}
	return strconv.AppendBool(append(dst, `],"truncated":`...), f.Truncated)
}

func appendValue(dst []byte, v any) []byte {
	switch x := v.(type) {
	case int64:
		return strconv.AppendInt(dst, x, 10)
	case float64:
		raw, err := json.Marshal(x)
		if err != nil { // not finite: no frame holds that
			return append(dst, "null"...)
		}
		return append(dst, raw...)
	case string:
		return drf.AppendString(dst, x)
	case bool:
		return strconv.AppendBool(dst, x)
	case time.Time:
		return drf.AppendTime(dst, x)
	case json.RawMessage:
		return append(dst, x...)
	}
	return append(dst, "null"...)
}
