package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/widget"
)

// The parts of a bundle, each declared once for export and import.
var (
	bundledViewFields   = declareBundledView()
	bundledWidgetFields = declareBundledWidget()
	bundledThemeFields  = declareBundledTheme()
	bundleFields        = declareBundle()
)

func declareBundledView() *drf.Serializer[dashboard.Bundle, dashboard.Bundle] {
	s := drf.NewSerializer[dashboard.Bundle, dashboard.Bundle]("BundledView")
	s.Char("name", drf.Opt{Required: true, Max: dashboard.MaxName, Example: `"Sales"`},
		func(b *dashboard.Bundle) string { return b.Name }, func(b *dashboard.Bundle, v string) { b.Name = v })
	s.Char("description", drf.Opt{Blank: true},
		func(b *dashboard.Bundle) string { return b.Description }, func(b *dashboard.Bundle, v string) { b.Description = v })
	s.JSON("widgets_config", drf.Opt{Required: true, Example: layoutExample},
		func(b *dashboard.Bundle) json.RawMessage { return b.WidgetsConfig }, func(b *dashboard.Bundle, v json.RawMessage) { b.WidgetsConfig = v })
	return s
}

func declareBundledWidget() *drf.Serializer[dashboard.BundledWidget, dashboard.BundledWidget] {
	type bundled = dashboard.BundledWidget
	s := drf.NewSerializer[bundled, bundled]("BundledWidget")
	s.Int("id", drf.Opt{Help: "The widget's id where the bundle comes from; items of the layout name it."}, 0, 1<<53,
		func(w *bundled) int64 { return w.ID }, func(w *bundled, v int64) { w.ID = v })
	s.CharOrNull("key", drf.Opt{Max: widget.MaxKey, Example: `"total-revenue"`},
		func(w *bundled) *string { return w.Key }, func(w *bundled, v *string) { w.Key = v })
	s.Char("name", drf.Opt{Required: true, Max: 100, Example: `"Revenue"`},
		func(w *bundled) string { return w.Name }, func(w *bundled, v string) { w.Name = v })
	s.Choice("widget_type", drf.Opt{Required: true, Example: `"stats"`}, widgetTypes,
		func(w *bundled) string { return w.WidgetType }, func(w *bundled, v string) { w.WidgetType = v })
	s.CharOrNull("variant", drf.Opt{Max: 50, Example: "null"},
		func(w *bundled) *string { return w.Variant }, func(w *bundled, v *string) { w.Variant = v })
	s.Char("description", drf.Opt{Blank: true},
		func(w *bundled) string { return w.Description }, func(w *bundled, v string) { w.Description = v })
	s.JSON("config_schema", drf.Opt{Example: `{"type":"object"}`},
		func(w *bundled) json.RawMessage { return w.ConfigSchema }, func(w *bundled, v json.RawMessage) { w.ConfigSchema = v })
	s.Choice("source", drf.Opt{Help: "Only static comes along with its query; an imported widget with any other is push.", Example: `"static"`}, widgetSources,
		func(w *bundled) string { return w.Source }, func(w *bundled, v string) { w.Source = v })
	s.JSON("query", drf.Opt{Null: true, Example: `{"value":42}`}, func(w *bundled) json.RawMessage { return w.Query },
		func(w *bundled, v json.RawMessage) { w.Query = notNull(v) })
	s.JSON("mapping", drf.Opt{Null: true, Example: "null"}, func(w *bundled) json.RawMessage { return w.Mapping },
		func(w *bundled, v json.RawMessage) { w.Mapping = notNull(v) })
	s.NullableInt("cache_ttl", drf.Opt{Example: "300"}, widget.MinTTL, widget.MaxTTL,
		func(w *bundled) *int64 { return w.CacheTTL }, func(w *bundled, v *int64) { w.CacheTTL = v })
	s.NullableInt("refresh_every", drf.Opt{Example: "null"}, widget.MinRefresh, widget.MaxRefresh,
		func(w *bundled) *int64 { return w.RefreshEvery }, func(w *bundled, v *int64) { w.RefreshEvery = v })
	return s
}

func notNull(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

func declareBundledTheme() *drf.Serializer[dashboard.BundledTheme, dashboard.BundledTheme] {
	type bundled = dashboard.BundledTheme
	s := drf.NewSerializer[bundled, bundled]("BundledTheme")
	s.Char("name", drf.Opt{Required: true, Max: 100, Example: `"Ocean"`}, func(t *bundled) string { return t.Name }, func(t *bundled, v string) { t.Name = v })
	s.Char("description", drf.Opt{Blank: true}, func(t *bundled) string { return t.Description }, func(t *bundled, v string) { t.Description = v })
	s.Choice("color_mode", drf.Opt{Required: true, Example: `"light"`}, themeModes,
		func(t *bundled) string { return t.ColorMode }, func(t *bundled, v string) { t.ColorMode = v })
	s.JSON("colors", drf.Opt{Required: true, Example: `{"background":"#ffffff","foreground":"#0a0a0a","primary":"#1d4ed8","secondary":"#f1f5f9","muted":"#f1f5f9","accent":"#e0e7ff","destructive":"#b91c1c"}`},
		func(t *bundled) json.RawMessage { return t.Colors }, func(t *bundled, v json.RawMessage) { t.Colors = v })
	s.JSON("palettes", drf.Opt{Null: true, Example: "null"}, func(t *bundled) json.RawMessage { return t.Palettes },
		func(t *bundled, v json.RawMessage) { t.Palettes = notNull(v) })
	s.Char("border_radius", drf.Opt{Max: 50, Example: `"0.5rem"`}, func(t *bundled) string { return t.BorderRadius }, func(t *bundled, v string) { t.BorderRadius = v })
	return s
}

// importDraft is a bundle on its way in; its parts are read by themselves.
type importDraft struct{ dry bool }

func declareBundle() *drf.Serializer[dashboard.Bundle, importDraft] {
	s := drf.NewSerializer[dashboard.Bundle, importDraft]("Bundle")
	format := []drf.Choice{{Value: dashboard.BundleFormat, Label: "A view"}}
	s.Choice("format", drf.Opt{Required: true}, format, func(*dashboard.Bundle) string { return dashboard.BundleFormat }, func(*importDraft, string) {})
	s.Int("version", drf.Opt{Required: true, Example: "1"}, dashboard.BundleVersion, dashboard.BundleVersion,
		func(*dashboard.Bundle) int64 { return dashboard.BundleVersion }, func(*importDraft, int64) {})
	s.Time("exported_at", drf.Opt{}, func(b *dashboard.Bundle) time.Time { return b.ExportedAt })
	s.Object("view", drf.Opt{Required: true, Of: bundledViewFields}, func(dst []byte, b *dashboard.Bundle) []byte { return bundledViewFields.Append(dst, b) })
	s.Object("widgets", drf.Opt{Of: bundledWidgetFields, Many: true}, func(dst []byte, b *dashboard.Bundle) []byte {
		dst = append(dst, '[')
		for i := range b.Widgets {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = bundledWidgetFields.Append(dst, &b.Widgets[i])
		}
		return append(dst, ']')
	})
	s.Object("theme", drf.Opt{Null: true, Of: bundledThemeFields}, func(dst []byte, b *dashboard.Bundle) []byte {
		if b.Theme == nil {
			return append(dst, "null"...)
		}
		return bundledThemeFields.Append(dst, b.Theme)
	})
	s.Bool("dry_run", drf.Opt{Help: "Only tell what would be made."}, nil, func(d *importDraft, v bool) { d.dry = v })
	return s
}

// bundleExample is a body of import/.
const bundleExample = `{"format":"bdash.view","version":1,"view":{"name":"Sales","description":"","widgets_config":` + layoutExample + `},` +
	`"widgets":[{"id":3,"key":"total-revenue","name":"Revenue","widget_type":"stats","config_schema":{"type":"object"},"source":"static","query":{"value":42}}],` +
	`"theme":null,"dry_run":true}`

// planExample is an answer of import/.
const planExample = `{"dry_run":true,"view":{"id":null,"name":"Sales"},"widgets":[{"bundle_id":3,"key":"total-revenue","name":"Revenue","action":"create","id":null,"disconnected":false}],` +
	`"unknown":[{"index":2,"instance_id":"x","message":"unknown widget 99."}],"theme":{"id":null,"name":"Ocean","action":"create"}}`

func (s *Server) exportView(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	b, err := s.Dashboards.Export(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	return bundleFields.Respond(w, r, http.StatusOK, &b)
}

func (s *Server) importView(w http.ResponseWriter, r *drf.Request) error {
	b, dry, err := decodeBundle(r)
	if err != nil {
		return err
	}
	plan, err := s.Dashboards.Import(r.Context(), actor(r), b, dry)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if dry {
		status = http.StatusOK
	} else {
		w.Header()["Etag"] = []string{viewTag(&plan.View)}
	}
	return r.Respond(w, status, func(dst []byte) []byte { return appendPlan(dst, &plan) })
}

// decodeBundle reads a bundle: each part by its own declaration, with its errors
// under the part's name.
func decodeBundle(r *drf.Request) (b dashboard.Bundle, dry bool, err error) {
	data, err := r.Data()
	if err != nil {
		return b, false, err
	}
	var d importDraft
	faults := &drf.FieldErrors{}
	note := func(name, where string, err error) {
		if err == nil {
			return
		}
		if where != "" {
			where += ": "
		}
		faults.Add(name, where+strings.TrimPrefix(err.Error(), "invalid input; "))
	}
	if err := bundleFields.DecodeValue(data, &d, drf.Whole); err != nil {
		return b, false, err
	}
	note("view", "", bundledViewFields.DecodeValue(data.Member("view"), &b, drf.Whole))
	if list := data.Member("widgets"); list.Kind() == drf.KindList {
		b.Widgets = make([]dashboard.BundledWidget, 0, list.Len())
		for i, v := range list.List() {
			bw := dashboard.BundledWidget{ConfigSchema: json.RawMessage("{}")}
			note("widgets", fmt.Sprintf("Widget %d", i+1), bundledWidgetFields.DecodeValue(v, &bw, drf.Whole))
			b.Widgets = append(b.Widgets, bw)
			if i == maxBundleFaults && !faults.Empty() {
				break
			}
		}
	} else if list.Kind() != drf.KindAbsent {
		faults.Add("widgets", "Expected a list.")
	}
	if t := data.Member("theme"); t.Kind() != drf.KindAbsent && t.Kind() != drf.KindNull {
		b.Theme = &dashboard.BundledTheme{BorderRadius: "0.5rem"}
		note("theme", "", bundledThemeFields.DecodeValue(t, b.Theme, drf.Whole))
	}
	if !faults.Empty() {
		return b, false, faults
	}
	return b, d.dry, nil
}

// maxBundleFaults bounds how many widgets are looked at once one is at fault.
const maxBundleFaults = 20

func appendPlan(dst []byte, p *dashboard.Plan) []byte {
	dst = strconv.AppendBool(append(dst, `{"dry_run":`...), p.Dry)
	if p.Dry {
		dst = drf.AppendString(append(dst, `,"view":{"id":null,"name":`...), p.View.Name)
		dst = append(dst, '}')
	} else {
		dst = viewFields.Append(append(dst, `,"view":`...), &p.View)
	}
	dst = append(dst, `,"widgets":[`...)
	for i, w := range p.Widgets {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"bundle_id":`...), w.BundledWidget.ID, 10)
		dst = append(dst, `,"key":`...)
		if w.Key == nil {
			dst = append(dst, "null"...)
		} else {
			dst = drf.AppendString(dst, *w.Key)
		}
		dst = drf.AppendString(append(dst, `,"name":`...), w.Name)
		dst = appendMade(dst, w.NewID, w.Made)
		dst = strconv.AppendBool(append(dst, `,"disconnected":`...), w.Disconnected)
		dst = append(dst, '}')
	}
	dst = append(dst, `],"unknown":[`...)
	for i, u := range p.Unknown {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"index":`...), int64(u.Index), 10)
		dst = drf.AppendString(append(dst, `,"instance_id":`...), u.InstanceID)
		dst = drf.AppendString(append(dst, `,"message":`...), u.Message)
		dst = append(dst, '}')
	}
	dst = append(dst, `],"theme":`...)
	if p.ThemeName == "" {
		return append(dst, "null}"...)
	}
	dst = drf.AppendString(append(dst, `{"name":`...), p.ThemeName)
	return append(appendMade(dst, p.ThemeID, p.ThemeMade), "}}"...)
}

// appendMade says whether something is new, and its id; null for one that would
// be made.
func appendMade(dst []byte, id int64, made bool) []byte {
	action := `,"action":"use","id":`
	if made {
		action = `,"action":"create","id":`
	}
	dst = append(dst, action...)
	if id == 0 {
		return append(dst, "null"...)
	}
	return strconv.AppendInt(dst, id, 10)
}
