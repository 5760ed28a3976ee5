package api

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/bdash/bdash/internal/drf"
)

// rootLinks are what the root lists: the guide's resources first, as recorded.
var rootLinks = []string{"themes", "dashboard/views", "widgets", "ai/agents", "dashboard/layout", "user/preferences", "notifications", "auth/me", "auth/sessions", "auth/api-keys", "users", "datasources"}

func (s *Server) rootView() *drf.View {
	return &drf.View{Path: "", Name: "Api Root", Tag: "root", Description: "The default basic root view for DefaultRouter", Methods: []drf.Method{
		{Verb: http.MethodGet, Handler: s.root, Doc: drf.Operation{ID: "root_retrieve", Summary: "Where things are", Example: `{"themes":"http://localhost:8000/api/themes/"}`}}}}
}

func (s *Server) root(w http.ResponseWriter, r *drf.Request) error {
	base := strings.TrimSuffix(r.URL.Path, "/") + "/"
	query := ""
	if format, asked := r.Query().Last("format"); asked { // DRF's reverse keeps it
		query = "?format=" + url.QueryEscape(format)
	}
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = append(dst, '{')
		for i, name := range rootLinks {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(drf.AppendString(dst, name), ':')
			dst = drf.AppendString(dst, r.AbsoluteURL(base+name+"/")+query)
		}
		return append(dst, '}')
	})
}
