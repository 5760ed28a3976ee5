package api

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/peer"
	"github.com/bdash/bdash/internal/throttle"
)

func (s *Server) trusted() peer.Trusted { return s.Options.TrustedProxies }

// clientIP is the address of the client.
func (s *Server) clientIP(r *http.Request) netip.Addr { return s.trusted().IP(r) }

// secure reports whether the client speaks https.
func (s *Server) secure(r *http.Request) bool { return s.trusted().Secure(r) }

// gate counts requests.
func (s *Server) gate() throttle.Gate { return throttle.Gate{Limiter: s.Limiter, Rates: s.Rates} }

// baseURL starts absolute links. X-Forwarded-Host is never believed.
func (s *Server) baseURL(r *http.Request) string {
	if s.secure(r) {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// throttleView counts a request: for its user, or for the address of nobody.
func (s *Server) throttleView(r *drf.Request) (time.Duration, bool) {
	if a := access(r); a != nil {
		return s.countUser(r.Context(), a.User.ID)
	}
	return s.countAddress(r)
}

// countAddress counts a request for its address. It is also the throttle of the
// views that send mails, for users too: what they may ask for in an hour is
// meant for dashboards, and would fill any mailbox that they name.
func (s *Server) countAddress(r *drf.Request) (time.Duration, bool) {
	if s.Rates.Anon.Limit == 0 {
		return 0, true
	}
	return s.gate().Address(r.Context(), s.clientIP(r.Request))
}

func (s *Server) countUser(ctx context.Context, id int64) (time.Duration, bool) {
	return s.gate().User(ctx, id)
}

// unthrottled lets every request pass: for views that count in their handler.
func unthrottled(*drf.Request) (time.Duration, bool) { return 0, true }
