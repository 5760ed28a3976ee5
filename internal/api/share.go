package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/throttle"
)

// shareDraft is the body of a new link.
type shareDraft struct{ seconds int64 }

const (
	minShare = int64(time.Minute / time.Second)
	maxShare = int64(dashboard.MaxShareTTL / time.Second)
)

var shareFields, newShareFields = declareShare("Share", false), declareShare("NewShare", true)

// newShare is a link with the address that is shown this once.
type newShare struct {
	dashboard.Share
	url string
}

func declareShare(name string, fresh bool) *drf.Serializer[newShare, shareDraft] {
	s := drf.NewSerializer[newShare, shareDraft](name)
	s.Int("id", drf.Opt{}, 0, 0, func(sh *newShare) int64 { return sh.ID }, nil)
	s.Int("expires_in", drf.Opt{Help: "Seconds until the link expires; 7 days if not given.", Example: "604800"}, minShare, maxShare, nil,
		func(d *shareDraft, v int64) { d.seconds = v })
	if fresh {
		s.Char("token", drf.Opt{Help: "Shown this once."}, func(sh *newShare) string { return sh.Token }, nil)
		s.Char("url", drf.Opt{Help: "Where the view can be looked at by anybody.", Example: `"https://dashboard.example.org/api/share/…/"`},
			func(sh *newShare) string { return sh.url }, nil)
	}
	s.Time("created_at", drf.Opt{}, func(sh *newShare) time.Time { return sh.CreatedAt })
	s.Time("expires_at", drf.Opt{}, func(sh *newShare) time.Time { return sh.ExpiresAt })
	s.Int("visits", drf.Opt{}, 0, 0, func(sh *newShare) int64 { return sh.Visits }, nil)
	s.TimeOrNull("last_visit_at", drf.Opt{}, func(sh *newShare) *time.Time { return sh.LastVisitAt }, nil)
	return s
}

func (s *Server) createShare(w http.ResponseWriter, r *drf.Request) error {
	v, err := s.viewByPath(r)
	if err != nil {
		return err
	}
	var d shareDraft
	if err := shareFields.Decode(r, &d, drf.Whole); err != nil {
		return err
	}
	sh, err := s.Dashboards.CreateShare(r.Context(), actor(r), v.ID, time.Duration(d.seconds)*time.Second)
	if err != nil {
		return err
	}
	noStore(w)
	answer := newShare{Share: sh, url: s.shareURL(r, sh.Token)}
	return newShareFields.Respond(w, r, http.StatusCreated, &answer)
}

// shareURL starts as PUBLIC_URL says, where it is set: links are passed on.
func (s *Server) shareURL(r *drf.Request, token string) string {
	path := "/api/share/" + token + "/"
	if s.Options.PublicURL != "" {
		return strings.TrimSuffix(s.Options.PublicURL, "/") + path
	}
	return r.AbsoluteURL(path)
}

func (s *Server) listShares(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	list, err := s.Dashboards.ListShares(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	shares := make([]newShare, len(list))
	for i := range list {
		shares[i].Share = list[i]
	}
	return respondList(w, r, shareFields, shares)
}

func (s *Server) deleteShare(w http.ResponseWriter, r *drf.Request) error {
	view, err := r.PathInt("id")
	if err != nil {
		return err
	}
	id, err := r.PathInt("share_id")
	if err != nil {
		return err
	}
	if err := s.Dashboards.DeleteShare(r.Context(), actor(r), view, id); err != nil {
		return err
	}
	return r.NoContent(w)
}

// countShared is the throttle of shared views, by address.
func (s *Server) countShared(r *drf.Request) (time.Duration, bool) {
	if s.Rates.Share.Limit == 0 {
		return 0, true
	}
	ok, wait := s.Limiter.Allow(r.Context(), "share:"+throttle.ClientKey(s.clientIP(r.Request)), s.Rates.Share)
	return wait, ok
}

// noStore keeps an answer out of caches, and the address of the page out of
// what browsers tell other sites.
func noStore(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
}

var seenFields, shownFields = declareSeen(), declareShown()

func declareSeen() *drf.Serializer[dashboard.Seen, struct{}] {
	s := drf.NewSerializer[dashboard.Seen, struct{}]("SharedWidget")
	s.Char("instance_id", drf.Opt{Help: "The item of the layout; empty if it has no name.", Example: `"6f1c2e9a"`}, func(w *dashboard.Seen) string { return w.InstanceID }, nil)
	s.Int("id", drf.Opt{}, 0, 0, func(w *dashboard.Seen) int64 { return w.ID }, nil)
	s.CharOrNull("key", drf.Opt{}, func(w *dashboard.Seen) *string { return w.Key }, nil)
	s.Char("name", drf.Opt{}, func(w *dashboard.Seen) string { return w.Name }, nil)
	s.Char("widget_type", drf.Opt{Example: `"stats"`}, func(w *dashboard.Seen) string { return w.WidgetType }, nil)
	s.Char("description", drf.Opt{}, func(w *dashboard.Seen) string { return w.Description }, nil)
	s.JSON("data", drf.Opt{Help: "{} when there is none.", Example: `{"value":42}`}, func(w *dashboard.Seen) json.RawMessage {
		if w.Data == nil {
			return json.RawMessage("{}")
		}
		return w.Data
	}, nil)
	s.TimeOrNull("fetched_at", drf.Opt{}, func(w *dashboard.Seen) *time.Time { return whenData(w, w.FetchedAt) }, nil)
	s.TimeOrNull("expires_at", drf.Opt{}, func(w *dashboard.Seen) *time.Time { return whenData(w, w.ExpiresAt) }, nil)
	s.Bool("stale", drf.Opt{}, func(w *dashboard.Seen) bool { return w.Stale }, nil)
	return s
}

func whenData(w *dashboard.Seen, at time.Time) *time.Time {
	if w.Data == nil {
		return nil
	}
	return &at
}

func declareShown() *drf.Serializer[dashboard.Shown, struct{}] {
	s := drf.NewSerializer[dashboard.Shown, struct{}]("SharedView")
	s.Char("name", drf.Opt{}, func(v *dashboard.Shown) string { return v.View.Name }, nil)
	s.Char("description", drf.Opt{}, func(v *dashboard.Shown) string { return v.View.Description }, nil)
	s.JSON("widgets_config", drf.Opt{Example: layoutExample}, func(v *dashboard.Shown) json.RawMessage { return v.View.WidgetsConfig }, nil)
	s.Time("updated_at", drf.Opt{}, func(v *dashboard.Shown) time.Time { return v.View.UpdatedAt })
	s.Time("expires_at", drf.Opt{Help: "When the link expires."}, func(v *dashboard.Shown) time.Time { return v.ExpiresAt })
	s.Object("widgets", drf.Opt{Of: seenFields, Many: true}, func(dst []byte, v *dashboard.Shown) []byte {
		dst = append(dst, '[')
		for i := range v.Widgets {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = seenFields.Append(dst, &v.Widgets[i])
		}
		return append(dst, ']')
	})
	s.Int("omitted", drf.Opt{Help: "How many items of the layout are not shown to others."}, 0, 0,
		func(v *dashboard.Shown) int64 { return int64(v.Omitted) }, nil)
	return s
}

// sharedView shows a view to whoever has its link. A HEAD is no visit.
func (s *Server) sharedView(w http.ResponseWriter, r *drf.Request) error {
	noStore(w)
	w.Header().Set("X-Robots-Tag", "noindex")
	shown, err := s.Dashboards.Shared(r.Context(), r.PathValue("token"), r.Method == http.MethodGet)
	if err != nil {
		return err
	}
	return shownFields.Respond(w, r, http.StatusOK, &shown)
}

// maskShare hides the token of a link from logs.
func maskShare(path string) string {
	for _, prefix := range prefixes {
		if strings.HasPrefix(path, prefix+"share/") {
			return prefix + "share/***/"
		}
	}
	return path
}
