package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// errWant says that the field's want tag describes the mistake well enough.
var errWant = errors.New("not a good value")

// LogLevel is debug, info, warn or error; empty leaves the choice to DEBUG.
type LogLevel string

// UnmarshalText reads a level in any case. Django's WARNING is warn.
func (l *LogLevel) UnmarshalText(text []byte) error {
	switch s := LogLevel(strings.ToLower(string(text))); s {
	case "debug", "info", "warn", "error":
		*l = s
	case "warning":
		*l = "warn"
	default:
		return errWant
	}
	return nil
}

func (l LogLevel) slog() slog.Level {
	switch l {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// Registration says who may make an account.
type Registration string

// The values of Registration.
const (
	RegistrationOpen     Registration = "open"
	RegistrationApproval Registration = "approval"
	RegistrationClosed   Registration = "closed"
)

// UnmarshalText reads a Registration in any case.
func (r *Registration) UnmarshalText(text []byte) error {
	switch v := Registration(strings.ToLower(string(text))); v {
	case RegistrationOpen, RegistrationApproval, RegistrationClosed:
		*r = v
		return nil
	}
	return errWant
}

// Verification says whether an address must be proven before the first sign-in.
type Verification string

// The values of Verification.
const (
	VerificationOptional Verification = "optional"
	VerificationRequired Verification = "required"
)

// UnmarshalText reads a Verification in any case.
func (v *Verification) UnmarshalText(text []byte) error {
	switch s := Verification(strings.ToLower(string(text))); s {
	case VerificationOptional, VerificationRequired:
		*v = s
		return nil
	}
	return errWant
}

// LoginErrors is the status of a refused sign-in at the gateway.
type LoginErrors string

// The statuses.
const (
	LoginErrors401 LoginErrors = "401"
	LoginErrorsOK  LoginErrors = "200"
)

// UnmarshalText reads a status.
func (l *LoginErrors) UnmarshalText(text []byte) error {
	switch s := LoginErrors(text); s {
	case LoginErrors401, LoginErrorsOK:
		*l = s
		return nil
	}
	return errWant
}

// Addr is host:port to listen on. The host may be empty: every interface.
type Addr string

// UnmarshalText reads an address; the port is a number, 0 picks a free one.
func (a *Addr) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return errWant
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || strings.ContainsAny(host, "/@ ") {
		return errWant
	}
	*a = Addr(text)
	return nil
}

// loopback tells whether only this machine can reach the address.
func (a Addr) loopback() bool {
	host, _, err := net.SplitHostPort(string(a))
	return err == nil && isLoopback(host)
}

// clashes tells whether the two cannot be listened on at once: the same port
// on the same host, or on every interface.
func (a Addr) clashes(b Addr) bool {
	hostA, portA, errA := net.SplitHostPort(string(a))
	hostB, portB, errB := net.SplitHostPort(string(b))
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	every := func(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }
	return hostA == hostB || every(hostA) || every(hostB)
}

// WebURL is an absolute http or https address without query, fragment, user
// or trailing slash, so that a path can be appended to it as it is.
type WebURL string

// UnmarshalText reads an address and drops trailing slashes.
func (u *WebURL) UnmarshalText(text []byte) error {
	p, err := url.Parse(string(text))
	if err != nil || (p.Scheme != "http" && p.Scheme != "https") || p.Hostname() == "" ||
		p.User != nil || p.RawQuery != "" || p.ForceQuery || p.Fragment != "" || !goodPort(p.Port()) {
		return errWant
	}
	p.Host = strings.ToLower(p.Host)
	*u = WebURL(strings.TrimRight(p.String(), "/"))
	return nil
}

// Origin is the address as a browser's Origin header spells it: scheme, host,
// and the port unless it is the scheme's own. Empty for an empty address.
func (u WebURL) Origin() string {
	p, err := url.Parse(string(u))
	if err != nil || p.Host == "" {
		return ""
	}
	if (p.Scheme == "http" && p.Port() == "80") || (p.Scheme == "https" && p.Port() == "443") {
		p.Host = strings.TrimSuffix(p.Host, ":"+p.Port())
	}
	return p.Scheme + "://" + p.Host
}

// Loopback tells whether the address names this machine: localhost, a name
// under it, 127.0.0.0/8 or ::1.
func (u WebURL) Loopback() bool {
	p, err := url.Parse(string(u))
	return err == nil && isLoopback(p.Hostname())
}

// Origin is one web origin, such as https://app.example.com:8443.
type Origin string

// UnmarshalText reads an origin; a path makes it a mistake, because a browser
// sends none and the origin would then never match.
func (o *Origin) UnmarshalText(text []byte) error {
	var u WebURL
	if err := u.UnmarshalText([]byte(strings.TrimSpace(string(text)))); err != nil {
		return err
	}
	if p, err := url.Parse(string(u)); err != nil || p.Path != "" {
		return errWant
	}
	*o = Origin(u.Origin())
	return nil
}

// Prefix is a network, or one address as the network of itself.
type Prefix struct{ netip.Prefix }

// UnmarshalText reads 10.0.0.0/8 or 192.168.1.7; bits of the host are dropped.
func (p *Prefix) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		p.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	pre, err := netip.ParsePrefix(s)
	if err != nil || pre.Addr().Is4In6() {
		return errWant
	}
	p.Prefix = pre.Masked()
	return nil
}

// OutboundRule opens a network and a port to data sources; Port 0 is every port.
type OutboundRule struct {
	Prefix netip.Prefix
	Port   uint16
}

// UnmarshalText reads 10.0.0.0/8:5432, 127.0.0.1:*, [::1]:5432 or [fd00::]/8:443.
func (r *OutboundRule) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	at := strings.LastIndexByte(s, ':')
	if at < 0 || strings.Contains(s, "[") != strings.Contains(s, "]") || strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "[") {
		return errWant
	}
	var p Prefix
	if err := p.UnmarshalText([]byte(strings.NewReplacer("[", "", "]", "").Replace(s[:at]))); err != nil {
		return err
	}
	port := uint64(0)
	if s[at+1:] != "*" {
		var err error
		if port, err = strconv.ParseUint(s[at+1:], 10, 16); err != nil || port == 0 {
			return errWant
		}
	}
	*r = OutboundRule{Prefix: p.Prefix, Port: uint16(port)}
	return nil
}

// Size is a number of bytes.
type Size int64

// sizeUnits are binary and decimal multiples; a bare number counts bytes.
var sizeUnits = map[string]float64{
	"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1e3, "mb": 1e6, "gb": 1e9,
}

// UnmarshalText reads 1048576, 512KiB, 1.5MiB or 2MB.
func (s *Size) UnmarshalText(text []byte) error {
	t := strings.ToLower(strings.TrimSpace(string(text)))
	cut := strings.TrimRight(t, "bgikm ")
	unit, known := sizeUnits[strings.TrimSpace(t[len(cut):])]
	n, err := strconv.ParseFloat(cut, 64)
	if err != nil || !known || strings.ContainsAny(cut, "e_xpn") {
		return errWant
	}
	if n *= unit; n < 1<<10 || n > 1<<30 || n != math.Trunc(n) {
		return errWant
	}
	*s = Size(n)
	return nil
}

// Duration is a time.Duration from one second to ten minutes.
type Duration time.Duration

// UnmarshalText reads Go's form, such as 20s or 1m30s.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < time.Second || v > 10*time.Minute {
		return errWant
	}
	*d = Duration(v)
	return nil
}

// Rate is Limit requests in Period; the zero Rate is no limit.
type Rate struct {
	Limit  int
	Period time.Duration
}

// ratePeriods are the words for a period; DRF looks at the first letter only,
// which would let a slip such as 10/month pass as ten a minute.
var ratePeriods = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "second": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute,
	"h": time.Hour, "hour": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour,
}

// UnmarshalText reads DRF's form, such as 10/min or 100/hour.
func (r *Rate) UnmarshalText(text []byte) error {
	num, word, found := strings.Cut(string(text), "/")
	n, err := strconv.ParseUint(strings.TrimSpace(num), 10, 31)
	period, known := ratePeriods[strings.ToLower(strings.TrimSpace(word))]
	if !found || err != nil || n == 0 || !known {
		return errWant
	}
	*r = Rate{Limit: int(n), Period: period}
	return nil
}

// Off tells that nothing is limited.
func (r Rate) Off() bool { return r.Limit == 0 }

// String is the rate as it can be set again; empty when off.
func (r Rate) String() string {
	if r.Off() {
		return ""
	}
	word := r.Period.String()
	switch r.Period {
	case time.Second:
		word = "s"
	case time.Minute:
		word = "min"
	case time.Hour:
		word = "hour"
	case 24 * time.Hour:
		word = "day"
	}
	return fmt.Sprintf("%d/%s", r.Limit, word)
}

func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func goodPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}
