package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bdash/bdash/internal/peer"
)

// Bounds of the proxy. Next's server closes an idle connection after 5 seconds
// (Node's keepAliveTimeout): ours are gone well before, and what is reset all
// the same is asked again by the transport, if it may be.
const (
	upstreamIdle    = 2 * time.Second
	upstreamDial    = 5 * time.Second
	upstreamHeaders = 2 * time.Minute // a page that the development server compiles first
	maxUpstreamIdle = 256
	// writePause is how long a client may take to read what was written last.
	writePause = time.Minute
	copyBuffer = 32 << 10
)

// proxy passes requests to the frontend's server.
type proxy struct {
	upstream *url.URL
	trusted  peer.Trusted
	log      *slog.Logger
	reverse  httputil.ReverseProxy
	// reused keeps connections; fresh never does, for requests that must not
	// be sent twice and so cannot survive a connection that was just closed.
	reused, fresh *http.Transport
}

func newProxy(upstream *url.URL, trusted peer.Trusted, log *slog.Logger) *proxy {
	p := &proxy{upstream: upstream, trusted: trusted, log: log}
	p.reused = newTransport()
	p.fresh = newTransport()
	p.fresh.DisableKeepAlives = true
	p.reverse = httputil.ReverseProxy{
		Rewrite: p.rewrite, Transport: p, ModifyResponse: p.modify, ErrorHandler: p.fail, BufferPool: buffers{},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return p
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:       nil, // the frontend's server is a neighbour
		DialContext: (&net.Dialer{Timeout: upstreamDial, KeepAlive: 15 * time.Second}).DialContext,
		// Bodies pass as they are: compressed stays compressed.
		DisableCompression: true, ForceAttemptHTTP2: false,
		MaxIdleConns: maxUpstreamIdle, MaxIdleConnsPerHost: maxUpstreamIdle, IdleConnTimeout: upstreamIdle,
		ResponseHeaderTimeout: upstreamHeaders, TLSHandshakeTimeout: upstreamDial,
		MaxResponseHeaderBytes: 1 << 20,
	}
}

// close ends the idle connections.
func (p *proxy) close() {
	p.reused.CloseIdleConnections()
	p.fresh.CloseIdleConnections()
}

// ServeHTTP passes a request on.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	case r.Host == "" || strings.ContainsAny(r.Host, "/\\@ "):
		http.Error(w, "Bad Request", http.StatusBadRequest)
		return
	}
	p.reverse.ServeHTTP(&patient{ResponseWriter: w, control: http.NewResponseController(w)}, r)
}

// RoundTrip implements http.RoundTripper.
func (p *proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if (r.Body == nil || r.Body == http.NoBody) && r.Header.Get("Upgrade") == "" {
			return p.reused.RoundTrip(r)
		}
	}
	return p.fresh.RoundTrip(r)
}

// rewrite makes the request that the frontend's server gets: its own address,
// the public origin in Host and X-Forwarded-*, and none of our credentials.
func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	out := r.Out
	out.URL.Scheme, out.URL.Host = p.upstream.Scheme, p.upstream.Host
	out.Host = r.In.Host
	out.URL.RawQuery = r.In.URL.RawQuery // as it came, also what Go would not parse
	scheme := "http"
	if p.trusted.Secure(r.In) {
		scheme = "https"
	}
	stripForbidden(out.Header)
	out.Header.Set("X-Forwarded-Host", r.In.Host)
	out.Header.Set("X-Forwarded-Proto", scheme)
	out.Header.Set("X-Forwarded-For", p.trusted.Text(r.In))
	out.Header.Del("Authorization")
	stripCookies(out.Header)
	if !upgradable(r.In) {
		out.Header.Del("Upgrade")
		out.Header.Del("Connection")
	}
	if _, ok := r.In.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil
	}
}

// upgradable: the development server speaks WebSocket below /_next/, and nobody
// speaks anything else.
func upgradable(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && strings.HasPrefix(r.URL.Path, "/_next/")
}

// stripCookies takes our session cookies out, and leaves the others as they
// are written.
func stripCookies(h http.Header) {
	lines := h["Cookie"]
	if len(lines) == 0 {
		return
	}
	kept := make([]string, 0, len(lines))
	for _, line := range lines {
		if !strings.Contains(line, cookieName) {
			kept = append(kept, line)
			continue
		}
		var pairs []string
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if !ownCookie(name) && strings.TrimSpace(pair) != "" {
				pairs = append(pairs, strings.TrimSpace(pair))
			}
		}
		if len(pairs) > 0 {
			kept = append(kept, strings.Join(pairs, "; "))
		}
	}
	if len(kept) == 0 {
		h.Del("Cookie")
		return
	}
	h["Cookie"] = kept
}

func ownCookie(name string) bool {
	name = strings.TrimSpace(name)
	return name == cookieName || name == secureCookieName
}

// modify makes the answer one of the gateway's origin.
func (p *proxy) modify(res *http.Response) error {
	in := res.Request
	secure := in.Header.Get("X-Forwarded-Proto") == "https"
	h := res.Header
	for _, name := range []string{"Location", "Content-Location", "X-Nextjs-Redirect"} {
		if v := h.Get(name); v != "" {
			h.Set(name, p.ownLocation(v, in.Host))
		}
	}
	if !secure {
		for _, name := range []string{"Content-Security-Policy", "Content-Security-Policy-Report-Only"} {
			dropUpgrade(h, name)
		}
	}
	if !secure || !publicName(in.Host) {
		h.Del("Strict-Transport-Security")
	}
	keepSetCookies(h)
	if len(h["Set-Cookie"]) > 0 && strings.Contains(h.Get("Cache-Control"), "s-maxage") {
		// One visitor's cookie must not be handed to the next one by a cache
		// in between.
		h.Set("Cache-Control", "private, no-cache")
	}
	return nil
}

// ownLocation turns an address of the frontend's server into a path. Next
// answers with its own absolute address whatever Host says: the one that it
// listens on, or the name of its container.
func (p *proxy) ownLocation(location, host string) string {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" || u.User != nil || !p.own(u, host) {
		return location
	}
	u.Scheme, u.Host = "", ""
	// A path that begins with two slashes would be another host.
	out := "/" + strings.TrimLeft(strings.ReplaceAll(u.EscapedPath(), "\\", "/"), "/")
	if u.RawQuery != "" || u.ForceQuery {
		out += "?" + u.RawQuery
	}
	if u.Fragment != "" {
		out += "#" + u.EscapedFragment()
	}
	return out
}

func (p *proxy) own(u *url.URL, host string) bool {
	if strings.EqualFold(u.Host, p.upstream.Host) || strings.EqualFold(u.Host, host) {
		return true
	}
	if port(u) != port(p.upstream) {
		return false
	}
	name := strings.ToLower(u.Hostname())
	ip, err := netip.ParseAddr(name)
	return peer.LoopbackHost(u.Host) || err == nil && ip.IsUnspecified() || err != nil && !strings.Contains(name, ".")
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// dropUpgrade takes upgrade-insecure-requests out of a policy: over plain http
// it sends every prefetch that crosses a redirect to a port that does not
// speak TLS.
func dropUpgrade(h http.Header, name string) {
	policies := h[name]
	kept := policies[:0:0]
	for _, policy := range policies {
		if !strings.Contains(strings.ToLower(policy), "upgrade-insecure-requests") {
			kept = append(kept, policy)
			continue
		}
		var directives []string
		for d := range strings.SplitSeq(policy, ";") {
			d = strings.TrimSpace(d)
			if word, _, _ := strings.Cut(d, " "); d != "" && !strings.EqualFold(word, "upgrade-insecure-requests") {
				directives = append(directives, d)
			}
		}
		if len(directives) > 0 {
			kept = append(kept, strings.Join(directives, "; "))
		}
	}
	if len(kept) == 0 {
		h.Del(name)
		return
	}
	h[name] = kept
}

// publicName: a name in the DNS, which HSTS is meant for. On localhost it would
// pin every port of the machine for a year.
func publicName(host string) bool {
	name := strings.TrimSuffix(peer.Hostname(host), ".")
	if _, err := netip.ParseAddr(name); err == nil || !strings.Contains(name, ".") {
		return false
	}
	for _, suffix := range []string{".localhost", ".local", ".test", ".internal", ".home.arpa"} {
		if strings.HasSuffix(name, suffix) {
			return false
		}
	}
	return true
}

// keepSetCookies drops cookies of our names: the session is not the frontend's.
func keepSetCookies(h http.Header) {
	cookies := h["Set-Cookie"]
	kept := cookies[:0:0]
	for _, c := range cookies {
		if name, _, _ := strings.Cut(c, "="); !ownCookie(name) {
			kept = append(kept, c)
		}
	}
	switch {
	case len(kept) == len(cookies):
	case len(kept) == 0:
		h.Del("Set-Cookie")
	default:
		h["Set-Cookie"] = kept
	}
}

// fail answers when the frontend's server does not.
func (p *proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		w.WriteHeader(http.StatusBadGateway) // nobody reads it
		return
	}
	p.log.ErrorContext(r.Context(), "the frontend does not answer", "upstream", p.upstream.Host, "method", r.Method, "path", r.URL.Path, "error", err)
	status := http.StatusBadGateway
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		status = http.StatusGatewayTimeout
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("The frontend does not answer. Is it running where FRONTEND_UPSTREAM says?\n"))
}

// patient gives the client time to read each piece, instead of one limit for
// the whole answer: a page may stream for long, a client that stopped reading
// may not stay.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer.
func (w *patient) Write(b []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(writePause)) // not on a recorder
	return w.ResponseWriter.Write(b)
}

// Unwrap lets a ResponseController through.
func (w *patient) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// buffers implements httputil.BufferPool.
type buffers struct{}

var bufferPool = sync.Pool{New: func() any { b := make([]byte, copyBuffer); return &b }}

// Get implements httputil.BufferPool.
func (buffers) Get() []byte { return *bufferPool.Get().(*[]byte) }

// Put implements httputil.BufferPool.
func (buffers) Put(b []byte) { bufferPool.Put(&b) }
