// Package gateway speaks the dialect of the B-Dashboard frontend, on an origin
// of its own: /api and everything below it is answered here, over the same
// rooms as the guide's dialect, and all else is passed to the frontend's own
// server, so that the frontend works as it was built.
//
// No request for /api reaches that server in any spelling: behind it stands a
// demonstration API that lets everybody in.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/peer"
	"github.com/bdash/bdash/internal/preference"
	"github.com/bdash/bdash/internal/telemetry"
	"github.com/bdash/bdash/internal/theme"
	"github.com/bdash/bdash/internal/throttle"
	"github.com/bdash/bdash/internal/widget"
)

// requestTimeout bounds the work on one request of the API. The frontend gives
// up after 10 seconds.
const requestTimeout = 9 * time.Second

// Server is the gateway. Fields are set before Handler is called.
type Server struct {
	// Upstream is where the frontend's server listens: scheme, host and port.
	Upstream *url.URL
	Trusted  peer.Trusted
	Log      *slog.Logger

	Accounts    *account.Service
	Auth        *auth.Service
	Themes      *theme.Service
	Preferences *preference.Service
	Widgets     *widget.Service
	// Gate is the API's own: what one dialect counts, the other knows.
	Gate throttle.Gate
	// MaxBody limits request bodies, in bytes; 0 does not.
	MaxBody int64
	// Unavailable tells that an error means the database is away.
	Unavailable func(err error) bool
	// LoginErrorsOK answers a refused sign-in with 200, the one status at which
	// this frontend shows why.
	LoginErrorsOK bool

	proxy       *proxy
	crossOrigin http.CrossOriginProtection
}

// Handler is the whole gateway. Call it once; Close ends what it opened.
func (s *Server) Handler() http.Handler {
	s.proxy = newProxy(s.Upstream, s.Trusted, s.Log)
	api := s.logged(s.headers(s.api()))
	return s.recovered(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch placeOf(r.URL) {
		case atFrontend:
			s.proxy.ServeHTTP(w, r)
		case atAPI:
			api.ServeHTTP(w, r)
		default:
			s.headers(http.HandlerFunc(notFound)).ServeHTTP(w, r)
		}
	}))
}

// Close ends the idle connections to the frontend's server.
func (s *Server) Close() {
	if s.proxy != nil {
		s.proxy.close()
	}
}

// headers are those of every answer of the API. Nothing of it is for caches.
func (s *Server) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		h.Set("Vary", "Authorization, Cookie")
		if s.Trusted.Secure(r) && publicName(r.Host) {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		next.ServeHTTP(w, r)
	})
}

// statusWriter notes what was answered, for the log.
type statusWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// logged gives every request of the API an id, a time limit and a line.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id := r.Header.Get("X-Request-Id")
		if !telemetry.ValidRequestID(id) {
			id = telemetry.NewRequestID()
		}
		w.Header().Set("X-Request-Id", id)
		ctx, cancel := context.WithTimeout(telemetry.WithRequestID(r.Context(), id), requestTimeout)
		defer cancel()
		noted := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(noted, r.WithContext(ctx))
		took := time.Since(began)
		telemetry.LogRequest(ctx, s.Log, &telemetry.RequestLine{
			At: began.Add(took), Method: r.Method, Path: r.URL.Path, Status: noted.status, Bytes: noted.bytes, Took: took, Client: s.Trusted.Text(r),
		})
	})
}

// recovered turns a panic into a 500 and a line in the log. A handler that
// aborts on purpose goes on aborting: the proxy, when an answer breaks off.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			s.Log.ErrorContext(r.Context(), "panic", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			writeProblem(w, r, problem{status: http.StatusInternalServerError, code: "INTERNAL", message: "A server error occurred."})
		}()
		next.ServeHTTP(w, r)
	})
}

// Session cookies, by the scheme of the origin. The prefix makes browsers
// refuse the cookie from anybody but this very host, over TLS.
const (
	cookieName       = "bdash"
	secureCookieName = "__Host-bdash"
)

// isThemes tells the family of a path below /api, for errors have two shapes.
func isThemes(path string) bool {
	return path == "/api/themes" || strings.HasPrefix(path, "/api/themes/")
}
