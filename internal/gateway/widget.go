package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/widget"
)

type widgetBody struct {
	Success bool            `json:"success"`
	Data    json.RawMessage `json:"data"`
	Meta    widgetMeta      `json:"meta"`
}

type widgetMeta struct {
	FetchedAt  string `json:"fetchedAt"`
	CacheUntil string `json:"cacheUntil"`
	Stale      bool   `json:"stale"`
}

// widgetData is what the widget shows whose key is the frontend's name for it.
// data is an object always: anything else stands in it as "value".
func (s *Server) widgetData(r *request) (any, error) {
	period, err := widget.ParsePeriod(r.URL.Query().Get("period"))
	if err != nil {
		return nil, err
	}
	known, err := s.Widgets.Known(r.Context(), r.actor(), nil, []string{r.PathValue("type")})
	if err != nil {
		return nil, err
	}
	if len(known) == 0 {
		return nil, widget.ErrNotFound
	}
	// filters and config are the guide's; this frontend sends neither.
	config, err := queryObject(r, "config")
	if err != nil {
		return nil, err
	}
	d, err := s.Widgets.Data(r.Context(), r.actor(), known[0].ID, widget.Request{Period: period, Config: config})
	if err != nil {
		return nil, err
	}
	if d.Data == nil { // the source gave nothing yet, and d.Error says why
		p := problem{status: http.StatusServiceUnavailable, code: "UNAVAILABLE", message: d.Error, retryAfter: retryUnavailable}
		if p.message == "" {
			p.message = widget.ErrNoData.Message
		}
		if d.NextTry != nil {
			p.retryAfter = max(d.NextTry.Sub(s.Auth.Now()), time.Second)
		}
		return nil, p
	}
	shown := bytes.TrimSpace(d.Data)
	if len(shown) == 0 || shown[0] != '{' {
		if len(shown) == 0 {
			shown = []byte("null")
		}
		shown = append(append([]byte(`{"value":`), shown...), '}')
	}
	return widgetBody{Success: true, Data: shown, Meta: widgetMeta{timeText(d.FetchedAt), timeText(d.ExpiresAt()), d.Stale}}, nil
}

// queryObject reads a JSON object from the query; nil without one.
func queryObject(r *request, name string) (json.RawMessage, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return nil, nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &object) != nil || object == nil {
		return nil, drf.Invalid(name, "Must be a JSON object.")
	}
	return json.RawMessage(text), nil
}
