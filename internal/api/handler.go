package api

import (
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/peer"
)

// prefixes are where the API stands; both are the same.
var prefixes = []string{"/api/", "/api/v1/"}

// Handler is the whole server: the API, its description, and the probes.
func (s *Server) Handler() http.Handler {
	s.site = drf.Site{
		Authenticate: s.authenticate,
		Throttle:     s.throttleView,
		MapError:     s.mapError,
		LogError:     s.logError,
		BaseURL:      s.baseURL,
		MaxBody:      s.Options.MaxBody,
		Challenge:    `Bearer realm="api"`,
		Vary:         "Accept, Origin",
		Observe:      s.observe,
	}
	mux := http.NewServeMux()
	for _, prefix := range prefixes {
		for _, v := range s.views() {
			mux.Handle(prefix+v.Path+"{$}", s.site.Handler(v))
		}
		mux.Handle(prefix+"schema/{$}", s.counted(s.throttleDocs(s.schemaHandler()).ServeHTTP))
		mux.Handle(prefix+"docs/", s.counted(s.throttleDocs(s.docsHandler(prefix+"docs/")).ServeHTTP))
	}
	s.mountSockets(mux)
	mux.HandleFunc("/v1/chat/completions", s.counted(s.openAI(http.MethodPost, s.completions)))
	mux.HandleFunc("/v1/models", s.counted(s.openAI(http.MethodGet, s.listModels)))
	mux.HandleFunc("/", s.counted(notFound))
	mux.HandleFunc("/healthz", s.counted(s.healthz))
	mux.HandleFunc("/readyz", s.counted(s.readyz))
	if s.Metrics != nil && s.Options.MetricsToken != "" {
		mux.HandleFunc("/metrics", s.counted(s.metrics))
	}
	return s.recovered(upperMethod(s.logged(s.secured(s.cors(s.slashes(mux))))))
}

// upperMethod takes a method in any case, as Django does: fetch() sends "patch"
// as it is written.
func upperMethod(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if method := strings.ToUpper(r.Method); method != r.Method {
			r = r.WithContext(r.Context())
			r.Method = method
		}
		next.ServeHTTP(w, r)
	})
}

// slashes is Django's routing over a ServeMux: a path without its slash is
// redirected when the one with it exists (301 for every method, relative), a
// doubled slash or a dot segment is not found, and so is everything unknown.
// The mux has a pattern "/" that answers for what is unknown.
func (s *Server) slashes(mux *http.ServeMux) http.Handler {
	notFound, redirectToSlash := s.counted(notFound), s.counted(redirectToSlash)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch {
		case !cleanPath(path), strings.HasSuffix(path, "/") && r.URL.RawPath != "" && !strings.HasSuffix(r.URL.RawPath, "/"):
			notFound(w, r) // an escaped slash at the end would make the mux redirect
		case strings.HasSuffix(path, "/") || matches(mux, r):
			mux.ServeHTTP(w, r)
		case matches(mux, withSlash(r)):
			redirectToSlash(w, r)
		default:
			notFound(w, r)
		}
	})
}

// matches tells whether a route answers for the path itself: not the "/" of
// unknown paths, and not by a redirect of the mux.
func matches(mux *http.ServeMux, r *http.Request) bool {
	_, pattern := mux.Handler(r)
	path := r.URL.Path
	if pattern == "" || pattern == "/" {
		return false
	}
	return strings.HasSuffix(path, "/") || !strings.HasSuffix(pattern, "{$}") && pattern != path+"/"
}

func withSlash(r *http.Request) *http.Request {
	probe := *r
	u := *r.URL
	u.Path += "/"
	if u.RawPath != "" {
		u.RawPath += "/"
	}
	probe.URL = &u
	return &probe
}

func redirectToSlash(w http.ResponseWriter, r *http.Request) {
	location := escapePath(r.URL.Path) + "/"
	if r.URL.RawQuery != "" {
		location += "?" + r.URL.RawQuery
	}
	h := w.Header()
	h.Set("Location", location)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", "0")
	h.Set("Vary", "Origin")
	w.WriteHeader(http.StatusMovedPermanently)
}

// escapePath is Django's escape_uri_path: fewer and other characters stand for
// themselves than with net/url.
func escapePath(path string) string {
	const hexDigits = "0123456789ABCDEF"
	out := make([]byte, 0, len(path)+8)
	for i := range len(path) {
		c := path[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/:@&+$,-_.!~*'()", c) >= 0:
			out = append(out, c)
		default:
			out = append(out, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(out)
}

func cleanPath(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") {
		return false
	}
	if !strings.Contains(path, "/.") {
		return true
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Vary", "Origin")
	h.Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(`{"detail":"Not found."}`))
}

// Headers of every answer: the guide's security headers.
var (
	nosniff    = []string{"nosniff"}
	referrer   = []string{"same-origin"}
	denyFrames = []string{"DENY"}
	hsts       = []string{"max-age=31536000; includeSubDomains; preload"}
)

// secured adds the guide's security headers. HSTS is said only to clients that
// came by https, on a name that is not a loopback one.
func (s *Server) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["X-Content-Type-Options"] = nosniff
		h["Referrer-Policy"] = referrer
		h["X-Frame-Options"] = denyFrames
		if s.secure(r) && !peer.LoopbackHost(r.Host) {
			h["Strict-Transport-Security"] = hsts
		}
		next.ServeHTTP(w, r)
	})
}

// What CORS allows: django-cors-headers' lists, and what bdash adds.
const (
	corsMethods = "DELETE, GET, OPTIONS, PATCH, POST, PUT"
	corsHeaders = "accept, accept-encoding, authorization, content-type, dnt, origin, user-agent, x-csrftoken, x-requested-with, if-match, last-event-id, x-client-id, if-none-match, x-change-reason"
	corsExposed = "ETag, X-Request-ID, Retry-After"
	corsMaxAge  = "86400"
)

// cors lets pages of the allowed origins read answers. A preflight is answered
// here, for every path, and never throttled.
func (s *Server) cors(next http.Handler) http.Handler {
	preflight := s.counted(preflight)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		allowed := origin != "" && slices.Contains(s.Options.AllowedOrigins, origin)
		h := w.Header()
		if allowed {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
			h.Set("Access-Control-Expose-Headers", corsExposed)
		}
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			if allowed {
				h.Set("Access-Control-Allow-Methods", corsMethods)
				h.Set("Access-Control-Allow-Headers", corsHeaders)
				h.Set("Access-Control-Max-Age", corsMaxAge)
			}
			preflight(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// preflight answers a preflight; what is allowed stands in the header already.
func preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Vary", "Origin")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", "0")
	h.Del("X-Frame-Options")
	w.WriteHeader(http.StatusOK)
}

// throttleDocs counts requests for the API's description by address.
func (s *Server) throttleDocs(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait, ok := s.gate().Docs(r.Context(), s.clientIP(r)); !ok {
			writeError(w, drf.ErrThrottled(wait))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// recovered turns a panic into a 500 and a line in the log. A handler that
// aborts on purpose goes on aborting.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // the sentinel itself is what net/http compares with
				panic(p)
			}
			s.Log.ErrorContext(r.Context(), "panic", "method", r.Method, "path", maskShare(r.URL.Path), "panic", p, "stack", string(debug.Stack()))
			writeError(w, drf.ErrInternal)
		}()
		next.ServeHTTP(w, r)
	})
}

// writeError answers outside of a view.
func writeError(w http.ResponseWriter, e *drf.Error) {
	w.Header().Set("Vary", "Origin")
	e.Write(w)
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"ok"}`))
}

// readyz answers 503 while the server cannot do its work.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if err := s.Ready(r.Context()); err != nil {
		s.Log.WarnContext(r.Context(), "not ready", "error", err)
		writeError(w, &drf.Error{Status: http.StatusServiceUnavailable, Detail: "Not ready.", RetryAfter: retryUnavailable})
		return
	}
	s.healthz(w, r)
}
