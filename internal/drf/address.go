package drf

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode/utf8"
)

// The longest addresses, in characters, and host names that Django takes.
const (
	maxEmail = 320
	maxURL   = 2048
	maxHost  = 253
)

// atom has besides ASCII the four letters that Python takes for i, s and k
// when case does not matter.
const atom = `[-!#$%&'*+/=?^_` + "`" + `{}|~0-9A-Za-z\x{130}\x{131}\x{17f}\x{212a}]+`

var (
	dotAtom   = regexp.MustCompile(`^` + atom + `(\.` + atom + `)*$`)
	quoted    = regexp.MustCompile(`^"([\001-\010\013\014\016-\037!#-\[\]-\177]|\\[\001-\011\013\014\016-\177])*"$`)
	hostLabel = regexp.MustCompile(`^(?i:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)$`)
	topLabel  = regexp.MustCompile(`^(?i:[a-z0-9-]{1,62}[a-z0-9])$`)
)

// checkEmail accepts what Django's EmailValidator accepts: a dot-atom or a
// quoted string, the last @, and a dotted host, localhost or an address in
// brackets.
func checkEmail(s string) string {
	i := strings.LastIndexByte(s, '@')
	if i < 0 || utf8.RuneCountInString(s) > maxEmail {
		return msgEmail
	}
	local, host := s[:i], s[i+1:]
	if !dotAtom.MatchString(local) && !quoted.MatchString(local) || !emailHost(host) {
		return msgEmail
	}
	return ""
}

func emailHost(host string) bool {
	if host == "localhost" {
		return true
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && plainAddress(inner)
	}
	labels := strings.FieldsFunc(host, isLabelEnd)
	if len(labels) < 2 || len(labels) != strings.Count(asciiHost(host), ".")+1 {
		return false // an empty label is none
	}
	for i, l := range labels {
		fits := hostLabel
		if i == len(labels)-1 {
			fits = topLabel
		}
		if !fits.MatchString(punycodeForm(l)) {
			return false
		}
	}
	return true
}

// punycodeForm is a label as long as the punycode form of l, about, and made of
// such characters; l itself if it is ASCII.
func punycodeForm(l string) string {
	form := asciiHost(l)
	if form == l {
		return l
	}
	return "xn--" + form + "x"
}

// isLabelEnd knows the full stops of IDNA.
func isLabelEnd(r rune) bool {
	return r == '.' || r == '\u3002' || r == '\uff0e' || r == '\uff61'
}

// plainAddress takes IPv4 and IPv6 addresses without a zone.
func plainAddress(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == ""
}

// asciiHost stands for the punycode form of a host, which Django tries when the
// host as it is does not fit: ideographic full stops part labels, and letters
// outside ASCII count as letters.
func asciiHost(host string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case isLabelEnd(r):
			return '.'
		case r > 0x7f:
			return 'x'
		default:
			return r
		}
	}, host)
}

// urlText is Django's idea of a URL: a scheme, perhaps user and password, an
// IPv4 or bracketed IPv6 address or a dotted host or localhost, perhaps a port
// of two to five digits, and a rest without white space. Group 1 is the scheme,
// 2 the host, 3 the rest.
var urlText = func() *regexp.Regexp {
	const (
		letters = `a-z\x{a1}-\x{ffff}`
		octet   = `(?:25[0-5]|2[0-4][0-9]|1[0-9]?[0-9]?|[1-9][0-9]?|0)`
		label   = `[` + letters + `0-9](?:[` + letters + `0-9-]{0,61}[` + letters + `0-9])?`
		top     = `(?:[` + letters + `][` + letters + `-]{0,61}[` + letters + `]|xn--[a-z0-9]{1,59})`
		host    = octet + `(?:\.` + octet + `){3}|\[[0-9a-f:.]+\]|` + label + `(?:\.` + label + `)*\.` + top + `\.?|localhost`
		user    = `[^\s:@/]+(?::[^\s:@/]*)?@`
	)
	return regexp.MustCompile(`^(?i:([a-z0-9.+-]*)://(?:` + user + `)?(` + host + `)(?::[0-9]{2,5})?((?:[/?#].*)?))$`)
}()

func checkURL(s string) string {
	if utf8.RuneCountInString(s) > maxURL || strings.ContainsAny(s, "\t\r\n") {
		return msgURL
	}
	m := urlText.FindStringSubmatch(s)
	if m == nil {
		// The host may be one that only its punycode form makes a host.
		scheme, rest, _ := strings.Cut(s, "://")
		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		if m = urlText.FindStringSubmatch(scheme + "://" + asciiHost(rest[:end]) + rest[end:]); m == nil {
			return msgURL
		}
	}
	switch strings.ToLower(m[1]) {
	case "http", "https", "ftp", "ftps":
	default:
		return msgURL
	}
	host := m[2]
	if inner, ok := strings.CutPrefix(host, "["); ok && !plainAddress(strings.TrimSuffix(inner, "]")) {
		return msgURL
	}
	if len(host) > maxHost && pyLen(host) > maxHost || strings.IndexFunc(m[3], isPythonSpace) >= 0 {
		return msgURL
	}
	return ""
}
