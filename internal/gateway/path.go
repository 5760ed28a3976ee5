package gateway

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// place is who answers for a path.
type place int

const (
	atFrontend place = iota
	atAPI            // the path itself, spelled as it should be
	atNowhere        // ours, and there is nothing: another spelling of one of our paths
)

// maxDecodings bounds how often a path is decoded; what is still encoded after
// that is nobody's path.
const maxDecodings = 4

// placeOf tells who answers a request. Every spelling of /api is ours, whatever
// a server behind might make of it: percent-encoded once or often, doubled and
// reversed slashes, dot segments, other cases, parameters after a semicolon.
// So is /socket.io, which the frontend's server redirects in vain.
func placeOf(u *url.URL) place {
	if !strings.HasPrefix(u.Path, "/") {
		return atNowhere
	}
	if isAPI(u.Path) && u.RawPath == "" || isAPI(u.RawPath) {
		return placeOfAPI(u)
	}
	if first := firstSegment(u.EscapedPath()); first == "api" || first == "socket.io" || first == undecided {
		return atNowhere
	}
	if fetchesAPI(u) {
		return atNowhere
	}
	return atFrontend
}

func isAPI(p string) bool { return p == "/api" || strings.HasPrefix(p, "/api/") }

// placeOfAPI: below /api a path counts only as it is written, so that no two
// spellings name one thing.
func placeOfAPI(u *url.URL) place {
	written := u.EscapedPath()
	if strings.Contains(written, "//") || strings.Contains(written, "/./") || strings.Contains(written, "/../") ||
		strings.HasSuffix(written, "/.") || strings.HasSuffix(written, "/..") || strings.ContainsAny(u.Path, "\\\x00") {
		return atNowhere
	}
	return atAPI
}

// undecided stands for the first segment of a path that is encoded too deeply.
const undecided = "\x00"

// firstSegment is the first segment of a path under every reading that a server
// might have of it, in lower case. A dot segment counts at every depth of
// decoding.
func firstSegment(p string) string {
	for range maxDecodings {
		if first := plainFirst(p); first == "api" || first == "socket.io" {
			return first
		}
		decoded := unescape(p)
		if decoded == p {
			return plainFirst(p)
		}
		p = decoded
	}
	if strings.Contains(p, "%") && unescape(p) != p {
		return undecided
	}
	return plainFirst(p)
}

func plainFirst(p string) string {
	p = strings.Map(func(c rune) rune {
		switch {
		case c == '\\':
			return '/'
		case c <= ' ' || c == 0x7f:
			return -1 // URL parsers of browsers and of Node drop some of them
		}
		return c
	}, p)
	// Parameters and what a parser might take for a query end a segment.
	segments := strings.Split(p, "/")
	for i, s := range segments {
		s, _, _ = strings.Cut(s, ";")
		s, _, _ = strings.Cut(s, "?")
		s, _, _ = strings.Cut(s, "#")
		segments[i] = s
	}
	p = strings.TrimPrefix(path.Clean("/"+strings.Join(segments, "/")), "/")
	first, _, _ := strings.Cut(p, "/")
	return strings.ToLower(first)
}

// unescape decodes what can be decoded, and leaves a stray % alone.
func unescape(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			if c, err := url.PathUnescape(p[i : i+3]); err == nil {
				b.WriteString(c)
				i += 2
				continue
			}
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

// fetchesAPI: Next's image optimizer fetches the path it is asked for from
// itself, so that a request to it is one to that path, in disguise.
func fetchesAPI(u *url.URL) bool {
	if !strings.HasPrefix(plainPath(u.Path), "/_next/image") {
		return false
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") { // net/url drops what holds a semicolon
		name, source, _ := strings.Cut(strings.ReplaceAll(pair, "+", " "), "=")
		if unescape(name) != "url" {
			continue
		}
		source = unescape(source)
		parsed, err := url.Parse(strings.TrimSpace(source))
		if err != nil {
			return true
		}
		// "//api/x" is a path to one reader and a host to another.
		for _, reading := range []string{parsed.EscapedPath(), source} {
			if first := firstSegment(reading); first == "api" || first == undecided {
				return true
			}
		}
	}
	return false
}

func plainPath(p string) string {
	return strings.ToLower(path.Clean("/" + strings.ReplaceAll(p, "\\", "/")))
}

// forbiddenHeaders make a server take a request for another one: of Next's
// own machinery, and of frameworks around it.
var forbiddenHeaders = []string{
	"X-Http-Method-Override", "X-Method-Override", "X-Http-Method", "X-Original-Url", "X-Rewrite-Url",
	"X-Matched-Path", "X-Nextjs-Rewritten-Path", "X-Nextjs-Rewritten-Query", "X-Now-Route-Matches", "X-Forwarded-Prefix", "X-Forwarded-Port",
	"X-Forwarded-Server", "X-Real-Ip", "Forwarded",
}

// forbiddenPrefixes: headers that Next sets for itself between its own parts,
// and obeyed from outside until CVE-2025-29927.
var forbiddenPrefixes = []string{"X-Middleware-", "X-Invoke-", "X-Next-Internal-"}

func stripForbidden(h http.Header) {
	for _, name := range forbiddenHeaders {
		h.Del(name)
	}
	for name := range h {
		for _, prefix := range forbiddenPrefixes {
			if strings.HasPrefix(name, prefix) {
				delete(h, name)
			}
		}
	}
}
