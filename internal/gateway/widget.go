package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/bdash/bdash/internal/widget"
)

// periods are what the integration guide lets a widget be asked for.
var periods = map[string]bool{"": true, "1d": true, "7d": true, "30d": true, "1y": true}

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
	if !periods[r.URL.Query().Get("period")] {
		return nil, problem{status: http.StatusBadRequest, code: "INVALID", message: "period must be 1d, 7d, 30d or 1y.",
			details: map[string][]string{"period": {"Must be 1d, 7d, 30d or 1y."}}}
	}
	known, err := s.Widgets.Known(r.Context(), r.actor(), nil, []string{r.PathValue("type")})
	if err != nil {
		return nil, err
	}
	if len(known) == 0 {
		return nil, widget.ErrNotFound
	}
	d, err := s.Widgets.Data(r.Context(), r.actor(), known[0].ID)
	if err != nil {
		return nil, err
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
