// Package peer says who is at the other end of a request: the address of the
// client and the scheme it used, also behind proxies that are trusted.
package peer

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Trusted are the networks of the proxies that may say who the client is and
// which scheme it used. The zero value trusts nobody.
type Trusted []netip.Prefix

// IP is the address of the client: the peer, or what a trusted proxy says.
// X-Forwarded-For is read from the right, for everything to the left of the
// first untrusted address may be made up.
func (t Trusted) IP(r *http.Request) netip.Addr {
	ip, err := netip.ParseAddr(addressOf(r))
	if err != nil {
		return netip.IPv4Unspecified()
	}
	ip = ip.Unmap().WithZone("")
	if !t.contain(ip) {
		return ip
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return ip
		}
		ip = hop.Unmap().WithZone("")
		if !t.contain(ip) {
			return ip
		}
	}
	return ip
}

// Text is IP as text.
func (t Trusted) Text(r *http.Request) string {
	if len(t) == 0 {
		// The peer of an IPv4 connection is written the one way there is.
		if host, _, ok := strings.Cut(r.RemoteAddr, ":"); ok && strings.Count(host, ".") == 3 {
			return host
		}
	}
	return t.IP(r).String()
}

// Secure reports whether the client speaks https: to us, or to a trusted proxy
// that says so.
func (t Trusted) Secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	if len(t) == 0 || r.Header.Get("X-Forwarded-Proto") != "https" {
		return false
	}
	ip, err := netip.ParseAddr(addressOf(r))
	return err == nil && t.contain(ip.Unmap().WithZone(""))
}

func (t Trusted) contain(ip netip.Addr) bool {
	for _, p := range t {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// addressOf is the peer of the connection.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// LoopbackHost reports whether a Host header names this very machine.
func LoopbackHost(host string) bool {
	name := Hostname(host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

// Hostname is a Host header without its port and brackets, in lower case.
func Hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
}
