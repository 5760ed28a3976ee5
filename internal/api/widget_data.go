package api

import (
	"encoding/binary"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/widget"
)

// noWidgetData is the guide's answer, word for word, without its brace.
const noWidgetData = `"data":{},"message":"No data available"`

// appendWidgetData writes the members of the answer, without the braces around
// them.
func appendWidgetData(dst []byte, d *widget.Data) []byte {
	if d.Data == nil {
		dst = append(append(dst, noWidgetData...), `,"meta":{"fetched_at":null,"expires_at":null`...)
	} else {
		dst = append(append(dst, `"data":`...), d.Data...)
		dst = drf.AppendTime(append(dst, `,"meta":{"fetched_at":`...), d.FetchedAt)
		dst = drf.AppendTime(append(dst, `,"expires_at":`...), d.ExpiresAt())
	}
	dst = strconv.AppendBool(append(dst, `,"stale":`...), d.Stale)
	dst = drf.AppendString(append(dst, `,"source":`...), d.From)
	if d.Period != "" {
		dst = drf.AppendString(append(dst, `,"period":`...), string(d.Period))
	}
	if d.Error != "" {
		dst = drf.AppendString(append(dst, `,"error":`...), d.Error)
		if d.Detail != "" {
			dst = drf.AppendString(append(dst, `,"error_detail":`...), d.Detail)
		}
		if d.NextTry != nil {
			dst = drf.AppendTime(append(dst, `,"next_try":`...), *d.NextTry)
		}
	}
	return append(dst, '}')
}

// widgetData keeps its body under the version of all widgets, which every
// request looks up anyway, and under all that it depends on besides.
func (s *Server) widgetData(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	period, err := periodOf(r)
	if err != nil {
		return err
	}
	return s.cachedUntil(w, r, s.seenKey(r, "widget", id, 0, period), func(dst []byte) ([]byte, time.Time, error) {
		d, err := s.Widgets.Data(r.Context(), actor(r), id, widget.Request{Period: period})
		if errors.Is(err, widget.ErrNoData) {
			return append(append(append(dst, '{'), noWidgetData...), '}'), s.Widgets.Now().Add(emptyKept), nil
		}
		if err != nil {
			return nil, time.Time{}, err
		}
		return append(appendWidgetData(append(dst, '{'), &d), '}'), d.KeepUntil, nil
	})
}

// emptyKept is how long is remembered that there are no data.
const emptyKept = 5 * time.Minute

// viewData answers a whole view at once.
func (s *Server) viewData(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	period, err := periodOf(r)
	if err != nil {
		return err
	}
	views := access(r).User.ViewsVersion
	return s.cachedUntil(w, r, s.seenKey(r, "view", id, views, period), func(dst []byte) ([]byte, time.Time, error) {
		return s.appendView(dst, r, id, period)
	})
}

func (s *Server) appendView(dst []byte, r *drf.Request, id int64, period widget.Period) ([]byte, time.Time, error) {
	until := s.Widgets.Now().Add(emptyKept)
	items, err := s.Dashboards.Items(r.Context(), actor(r), id)
	if err != nil {
		return nil, until, err
	}
	wanted := make([]widget.Wanted, len(items))
	for i, it := range items {
		wanted[i] = widget.Wanted{ID: it.WidgetID, Key: it.WidgetKey, Config: it.Config}
	}
	shown, err := s.Widgets.All(r.Context(), actor(r), wanted, widget.Request{Period: period})
	if err != nil {
		return nil, until, err
	}
	dst = strconv.AppendInt(append(dst, `{"view":`...), id, 10)
	dst = append(dst, `,"widgets":[`...)
	for i := range shown {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"instance_id":`...)
		dst = appendStringOrNull(dst, items[i].InstanceID)
		dst = append(dst, `,"widget_id":`...)
		named := shown[i].WidgetID
		if named == 0 {
			named = items[i].WidgetID
		}
		if named == 0 {
			dst = append(dst, "null"...)
		} else {
			dst = strconv.AppendInt(dst, named, 10)
		}
		dst = appendStringOrNull(append(dst, `,"widget_key":`...), items[i].WidgetKey)
		dst = append(dst, ',')
		switch err := shown[i].Err; {
		case err == nil:
			dst = appendWidgetData(dst, &shown[i].Data)
			if shown[i].Data.KeepUntil.Before(until) {
				until = shown[i].Data.KeepUntil
			}
		case errors.Is(err, widget.ErrNoData):
			dst = append(dst, noWidgetData...)
		default:
			dst = append(dst, `"data":{},"error":{"code":"widget.not_found","detail":"Not found."}`...)
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}"...), until, nil
}

func appendStringOrNull(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, "null"...)
	}
	return drf.AppendString(dst, text)
}

func periodOf(r *drf.Request) (widget.Period, error) {
	if r.URL.RawQuery == "" {
		return "", nil
	}
	word, _ := r.Query().Last("period")
	return widget.ParsePeriod(word)
}

// seenKey names what the user sees of a thing. What decides over it moves one
// of the versions, or stands in the key itself.
func (s *Server) seenKey(r *drf.Request, what string, id, version int64, period widget.Period) string {
	a := access(r)
	b := make([]byte, 0, 128)
	b = strconv.AppendInt(append(append(b, what...), ':'), id, 10)
	for _, n := range [...]int64{a.WidgetEpoch, a.User.ID, a.PreferencesVersion, version} {
		b = strconv.AppendInt(append(b, ':'), n, 10)
	}
	b = append(append(b, ':'), period...)
	b = append(append(b, ':'), a.User.Role...)
	return string(append(append(b, ':'), a.User.Email...))
}

// stampSize is what stands before a body that cachedUntil keeps: the time when
// it ends, by the server's own clock.
const stampSize = 8

// cachedUntil is cached for an answer that holds until a time, which its value
// says.
func (s *Server) cachedUntil(w http.ResponseWriter, r *drf.Request, key string, build func(dst []byte) ([]byte, time.Time, error)) error {
	now := s.Widgets.Now()
	if kept, ok := s.Cache.Get(r.Context(), key); ok && len(kept) >= stampSize {
		if until := int64(binary.BigEndian.Uint64(kept)); now.UnixMicro() < until { //nolint:gosec // what was put in
			return r.RespondJSON(w, http.StatusOK, kept[stampSize:])
		}
	}
	body, until, err := build(make([]byte, stampSize, 1024))
	if err != nil {
		return err
	}
	if left := until.Sub(s.Widgets.Now()); left > 0 {
		binary.BigEndian.PutUint64(body, uint64(until.UnixMicro())) //nolint:gosec // after 1970
		s.Cache.Set(r.Context(), key, body, left)
	}
	return r.RespondJSON(w, http.StatusOK, body[stampSize:])
}

// refreshWidget never reads the body, whatever it is.
func (s *Server) refreshWidget(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	period, err := periodOf(r)
	if err != nil {
		return err
	}
	task, err := s.Widgets.Refresh(r.Context(), actor(r), id, period)
	if err != nil {
		return err
	}
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = append(dst, `{"message":"Widget data refresh triggered","task_id":`...)
		if task == 0 {
			return append(dst, "null}"...)
		}
		return append(strconv.AppendInt(dst, task, 10), '}')
	})
}

// widgetShapes gives the JSON Schemas of the data that widgets show.
func (s *Server) widgetShapes(w http.ResponseWriter, r *drf.Request) error {
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = append(dst, '{')
		for i, shape := range widget.Shapes {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(drf.AppendString(dst, string(shape)), ':')
			dst = append(dst, shape.Schema()...)
		}
		return append(dst, '}')
	})
}
