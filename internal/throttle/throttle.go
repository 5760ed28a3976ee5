// Package throttle limits how often something may happen: so many times within
// a window that begins with the first time.
//
// A window is anchored at its first counted request and ends one period later,
// with a fresh start for the next request. A refused request is not counted,
// so whoever keeps knocking is let in when the window ends. Keys should name
// the rule as well as the subject ("anon:192.0.2.7"): one key has one window.
//
// Memory counts in this process. Redis counts for all instances together and
// falls back to counting in this process while Redis is away. Neither ever
// fails: at worst, during an outage, every instance allows the limit by itself.
package throttle

import (
	"context"
	"net/netip"
	"time"
)

// Limiter decides whether a request may pass. Implementations are safe for
// concurrent use. A Rate that is off allows everything and counts nothing.
type Limiter interface {
	// Allow counts one request under key if rate permits it. If not, wait is
	// how long until the window ends, at least a millisecond; else it is 0.
	Allow(ctx context.Context, key string, rate Rate) (ok bool, wait time.Duration)
	// AllowN counts n requests, all or none; n below 1 counts as 1.
	AllowN(ctx context.Context, key string, rate Rate, n int) (ok bool, wait time.Duration)
	// Peek tells what Allow would say, and counts nothing.
	Peek(ctx context.Context, key string, rate Rate) (ok bool, wait time.Duration)
}

var (
	_ Limiter = (*Memory)(nil)
	_ Limiter = (*Redis)(nil)
)

// ClientKey names the network client behind addr: an IPv4 address as it is, an
// IPv6 address by its /64, because that is the smallest network a provider
// hands out (RFC 6177) and its holder has every address in it. IPv4 mapped
// into IPv6 is IPv4. All invalid addresses share one key.
func ClientKey(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() {
		return "unknown"
	}
	if addr.Is4() {
		return addr.String()
	}
	network, err := addr.Prefix(64)
	if err != nil {
		return "unknown" // cannot happen: the address is IPv6 without a zone
	}
	return network.String()
}
