package api

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/throttle"
)

// rate shortens the name of throttle.Rate in literals.
type rate = throttle.Rate

// throttleKey is the part of an address that throttles go by.
func throttleKey(a netip.Addr) string { return throttle.ClientKey(a) }

// clientIP is the address of the client: the peer, or what a trusted proxy
// says. X-Forwarded-For is read from the right, for everything to the left of
// the first untrusted address may be made up.
func (s *Server) clientIP(r *http.Request) netip.Addr {
	ip, err := netip.ParseAddr(addressOf(r))
	if err != nil {
		return netip.IPv4Unspecified()
	}
	ip = ip.Unmap().WithZone("")
	if !s.trusted(ip) {
		return ip
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return ip
		}
		ip = hop.Unmap().WithZone("")
		if !s.trusted(ip) {
			return ip
		}
	}
	return ip
}

// clientText is clientIP as text.
func (s *Server) clientText(r *http.Request) string {
	if len(s.Options.TrustedProxies) == 0 {
		// The peer of an IPv4 connection is written the one way there is.
		if host, _, ok := strings.Cut(r.RemoteAddr, ":"); ok && strings.Count(host, ".") == 3 {
			return host
		}
	}
	return s.clientIP(r).String()
}

func (s *Server) trusted(ip netip.Addr) bool {
	for _, p := range s.Options.TrustedProxies {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// secure reports whether the client speaks https: to us, or to a trusted
// proxy that says so.
func (s *Server) secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	if len(s.Options.TrustedProxies) == 0 || r.Header.Get("X-Forwarded-Proto") != "https" {
		return false
	}
	ip, err := netip.ParseAddr(addressOf(r))
	return err == nil && s.trusted(ip.Unmap().WithZone(""))
}

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
	ok, wait := s.Limiter.Allow(r.Context(), "anon:"+throttleKey(s.clientIP(r.Request)), s.Rates.Anon)
	return wait, ok
}

func (s *Server) countUser(ctx context.Context, id int64) (time.Duration, bool) {
	if s.Rates.User.Limit == 0 {
		return 0, true
	}
	ok, wait := s.Limiter.Allow(ctx, "user:"+strconv.FormatInt(id, 10), s.Rates.User)
	return wait, ok
}

// unthrottled lets every request pass: for views that count in their handler.
func unthrottled(*drf.Request) (time.Duration, bool) { return 0, true }
