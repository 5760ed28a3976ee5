package gateway

import (
	"net/http"
	"strings"
)

const (
	get   = http.MethodGet
	post  = http.MethodPost
	put   = http.MethodPut
	patch = http.MethodPatch
	del   = http.MethodDelete
)

// paths is every path of the frontend's dialect.
func (s *Server) paths() map[string]map[string]endpoint {
	open := func(h handler) endpoint { return endpoint{public: true, lenient: true, handle: h} }
	mailing := func(h handler) endpoint { return endpoint{public: true, lenient: true, byAddress: true, handle: h} }
	return map[string]map[string]endpoint{
		"/api/auth/login":           {post: open(s.login)},
		"/api/auth/me":              {get: signedIn(s.me)},
		"/api/auth/logout":          {post: open(s.logout)},
		"/api/auth/refresh":         {post: open(s.refresh)},
		"/api/auth/register":        {post: mailing(s.register)},
		"/api/auth/forgot-password": {post: mailing(s.forgotPassword)},
		"/api/auth/reset-password":  {post: open(s.resetPassword)},

		"/api/users":      {get: signedIn(s.listUsers)},
		"/api/users/{id}": {get: signedIn(s.retrieveUser), patch: signedIn(s.updateUser), put: signedIn(s.updateUser), del: signedIn(s.deleteUser)},

		"/api/themes":        {get: signedIn(s.listThemes), post: signedIn(s.createTheme)},
		"/api/themes/active": {get: signedIn(s.activeTheme), put: signedIn(s.chooseTheme), post: signedIn(s.chooseTheme)},
		"/api/themes/sync":   {post: signedIn(s.syncThemes)},
		"/api/themes/{id}":   {get: signedIn(s.retrieveTheme), patch: signedIn(s.updateTheme), put: signedIn(s.updateTheme), del: signedIn(s.deleteTheme)},

		"/api/user/preferences": {get: signedIn(s.getPreferences), put: signedIn(s.putPreferences), patch: signedIn(s.putPreferences)},
		"/api/widgets/{type}":   {get: signedIn(s.widgetData)},
	}
}

// Paths lists every path with its methods, for tests that must not miss one.
func (s *Server) Paths() map[string][]string {
	out := map[string][]string{}
	for path, methods := range s.paths() {
		for method := range methods {
			out[path] = append(out[path], method)
		}
	}
	return out
}

// api answers every path below /api. A slash at the end makes no difference.
func (s *Server) api() http.Handler {
	mux := http.NewServeMux()
	for path, methods := range s.paths() {
		mux.HandleFunc(path, s.dispatch(methods))
	}
	mux.HandleFunc("/", notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.Path) > len("/api/") && strings.HasSuffix(r.URL.EscapedPath(), "/") {
			u := *r.URL
			u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
			r = r.Clone(r.Context())
			r.URL = &u
		}
		mux.ServeHTTP(w, r)
	})
}
