package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/telemetry"
)

// observe is the site's Observe.
func (s *Server) observe(v *drf.View) drf.Observer {
	if s.Observe == nil {
		return nil
	}
	return s.Observe(v.Path)
}

// counted makes a handler tell Observe of its answers, as what is no view.
// Views do so by themselves, and cheaper.
func (s *Server) counted(next http.HandlerFunc) http.HandlerFunc {
	if s.Observe == nil {
		return next
	}
	other := s.Observe(telemetry.Other)
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		sw := &statusWriter{ResponseWriter: w}
		status := http.StatusInternalServerError // what a panic becomes
		defer func() { other(r.Method, status, time.Since(began)) }()
		next(sw, r)
		status = sw.status
		if status == 0 {
			status = http.StatusOK // what net/http sends for a handler that says nothing
		}
	}
}

// metrics answers /metrics on the API's own address to whoever knows the token.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || !sameSecret(strings.TrimSpace(token), s.Options.MetricsToken) {
		w.Header().Set("Www-Authenticate", `Bearer realm="metrics"`)
		writeError(w, drf.ErrNotAuthenticated)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeError(w, drf.ErrMethodNotAllowed(r.Method))
		return
	}
	s.Metrics.ServeHTTP(w, r)
}

// sameSecret compares in a time that tells nothing of either text, their
// lengths included.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
