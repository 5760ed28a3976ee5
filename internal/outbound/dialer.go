// Package outbound connects to addresses that users and administrators type.
//
// Such an address may point inside: at bdash's own database, at a neighbour in
// the network, at the cloud's metadata service. A Dialer connects to public
// addresses only, unless the operator listed a network and port (Allow). The
// address that is dialled is the one that is checked, after the name was
// resolved: a name that answers differently the second time gains nothing.
//
// A Dialer also bounds what a connection may bring, because drivers read whole
// rows and packets into memory before anybody can refuse them.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Rule lets connections through to a network; Port 0 is every port.
type Rule struct {
	Prefix netip.Prefix
	Port   uint16
}

// Resolver finds the addresses of a name; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Dialer makes the connections. The zero value connects to public addresses
// only. Set the fields before use; safe for concurrent use afterwards.
type Dialer struct {
	// Allow lists what is open besides public addresses.
	Allow []Rule
	// Resolver is the system's when nil.
	Resolver Resolver
	// Timeout bounds connecting to one address; 0 is 10 seconds.
	Timeout time.Duration
}

// ErrBlocked says that the address is not public, and not allowed.
var ErrBlocked = errors.New("outbound: this address may not be connected to")

// BlockedError names the address that was refused. It matches ErrBlocked.
type BlockedError struct {
	Host string // as it was typed
	Addr netip.AddrPort
}

// Error implements error.
func (e *BlockedError) Error() string {
	if e.Addr.Addr().String() == e.Host {
		return fmt.Sprintf("%s is not a public address and not listed in OUTBOUND_ALLOW", e.Addr)
	}
	return fmt.Sprintf("%s is %s: not a public address and not listed in OUTBOUND_ALLOW", e.Host, e.Addr)
}

// Is makes it match ErrBlocked.
func (e *BlockedError) Is(target error) bool { return target == ErrBlocked }

const dialTimeout = 10 * time.Second

// DialContext connects to "host:port" by TCP. It tries the addresses of the
// host in turn; those that may not be connected to are passed over, and are
// the error when there are no others. Unix sockets are refused.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return nil, fmt.Errorf("outbound: no connections by %s: %w", network, ErrBlocked)
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("outbound: %w", err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return nil, fmt.Errorf("outbound: port %q: %w", portText, errPort)
	}
	addrs, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, addr := range addrs {
		target := netip.AddrPortFrom(addr.Unmap(), uint16(port))
		if !d.Allowed(target) {
			failed = errors.Join(failed, &BlockedError{Host: host, Addr: target})
			continue
		}
		conn, err := d.dial(ctx, target)
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

var errPort = errors.New("not a port")

// dial connects to an address, not to a name: nothing is resolved any more.
func (d *Dialer) dial(ctx context.Context, target netip.AddrPort) (net.Conn, error) {
	timeout := d.Timeout
	if timeout <= 0 {
		timeout = dialTimeout
	}
	return (&net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}).DialContext(ctx, "tcp", target.String())
}

func (d *Dialer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	var r Resolver = net.DefaultResolver
	if d.Resolver != nil {
		r = d.Resolver
	}
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return addrs, nil
}

// Allowed tells whether the address may be connected to.
func (d *Dialer) Allowed(target netip.AddrPort) bool {
	addr := target.Addr().Unmap()
	if addr.Zone() != "" {
		return false // an interface of this machine
	}
	for _, r := range d.Allow {
		if (r.Port == 0 || r.Port == target.Port()) && r.Prefix.Contains(addr) {
			return true
		}
	}
	return public(addr)
}

// public tells whether everybody on the Internet could connect to the address.
func public(addr netip.Addr) bool {
	if !addr.IsValid() || !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(addr) {
			return false
		}
	}
	if inside, ok := embedded(addr); ok {
		return public(inside)
	}
	return true
}

// reserved is what netip does not know as private: the special-purpose
// registries of IANA (https://www.iana.org/assignments/iana-ipv4-special-registry,
// https://www.iana.org/assignments/iana-ipv6-special-registry), as of 2025.
var reserved = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16",
	"fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		list[i] = netip.MustParsePrefix(t)
	}
	return list
}

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixTo4 = netip.MustParsePrefix("2002::/16")    // RFC 3056
)

// embedded is the IPv4 address that an IPv6 address leads to.
func embedded(addr netip.Addr) (netip.Addr, bool) {
	b := addr.As16()
	switch {
	case addr.Is4():
	case nat64.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixTo4.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}
