package gateway_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/gateway"
	"github.com/bdash/bdash/internal/peer"
)

// next stands in for the frontend's server: it notes what reaches it.
type next struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
	mux  *http.ServeMux
}

func newNext(t testing.TB) *next {
	t.Helper()
	n := &next{mux: http.NewServeMux()}
	n.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		n.seen = append(n.seen, r.Clone(r.Context()))
		n.mu.Unlock()
		if h, pattern := n.mux.Handler(r); pattern != "" {
			h.ServeHTTP(w, r)
			return
		}
		_, _ = io.WriteString(w, "page "+r.RequestURI)
	}))
	return n
}

func (n *next) start(t testing.TB) *next {
	t.Helper()
	n.Start()
	t.Cleanup(n.Close)
	return n
}

func (n *next) handle(pattern string, h http.HandlerFunc) { n.mux.HandleFunc(pattern, h) }

func (n *next) requests() []*http.Request {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*http.Request(nil), n.seen...)
}

func (n *next) last(t testing.TB) *http.Request {
	t.Helper()
	all := n.requests()
	if len(all) == 0 {
		t.Fatal("nothing reached the frontend's server")
	}
	return all[len(all)-1]
}

// front starts a gateway before the stand-in. Its rooms are absent: these tests
// are about what passes.
func front(t testing.TB, n *next, secure bool, trusted ...netip.Prefix) *httptest.Server {
	t.Helper()
	upstream, err := url.Parse(n.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := &gateway.Server{Upstream: upstream, Trusted: peer.Trusted(trusted), Log: slog.New(slog.DiscardHandler)}
	g := httptest.NewUnstartedServer(s.Handler())
	if secure {
		g.StartTLS()
	} else {
		g.Start()
	}
	t.Cleanup(func() { g.Close(); s.Close() })
	g.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	g.Client().Transport.(*http.Transport).DisableCompression = true
	return g
}

func fetch(t testing.TB, g *httptest.Server, path string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	res, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestLocationBecomesAPath(t *testing.T) {
	t.Parallel()
	n := newNext(t).start(t)
	_, port, _ := net.SplitHostPort(n.Listener.Addr().String())
	n.handle("/go", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	g := front(t, n, false)
	for to, want := range map[string]string{
		"http://localhost:" + port + "/en":               "/en",
		"https://localhost:" + port + "/en?a=1&b=%20#x":  "/en?a=1&b=%20#x",
		n.URL + "/ar/auth/login":                         "/ar/auth/login",
		"http://0.0.0.0:" + port + "/en":                 "/en",
		"http://[::1]:" + port + "/en":                   "/en",
		"http://3f2a1b:" + port + "/en":                  "/en", // the name of a container
		"http://localhost:" + port:                       "/",
		"http://localhost:" + port + "//evil.example/en": "/evil.example/en",
		"http://localhost:" + port + "/\\evil.example":   "/%5Cevil.example",
		g.URL + "/en":                         "/en",
		"/en/dashboard":                       "/en/dashboard",
		"https://example.com/en":              "https://example.com/en",
		"https://example.com:" + port + "/en": "https://example.com:" + port + "/en",
		"http://localhost:1/en":               "http://localhost:1/en",
		"mailto:a@b.c":                        "mailto:a@b.c",
	} {
		res, _ := fetch(t, g, "/go?to="+url.QueryEscape(to), nil)
		if got := res.Header.Get("Location"); got != want {
			t.Errorf("Location %q became %q, want %q", to, got, want)
		}
		if res.StatusCode != http.StatusTemporaryRedirect {
			t.Errorf("status %d, want 307", res.StatusCode)
		}
	}
}

func TestUpstreamSeesThePublicOrigin(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		n := newNext(t).start(t)
		g := front(t, n, secure)
		fetch(t, g, "/en/dashboard?_rsc=1abc&x=%zz;y", func(r *http.Request) {
			r.Host = "dash.example.com"
			h := r.Header
			h.Set("Authorization", "Bearer secret")
			h.Add("Cookie", "NEXT_LOCALE=ar; bdash=secret; __Host-bdash=secret; other=1")
			h.Set("X-Forwarded-Host", "evil.example")
			h.Set("X-Forwarded-Proto", "gopher")
			h.Set("X-Forwarded-For", "192.0.2.1")
			h.Set("Rsc", "1")
			h.Set("Next-Router-State-Tree", "%5B%5D")
			h.Set("Next-Router-Prefetch", "1")
			h.Set("Accept", "text/x-component")
			h.Set("Accept-Encoding", "br, gzip")
		})
		r := n.last(t)
		proto := map[bool]string{false: "http", true: "https"}[secure]
		got := map[string]string{"host": r.Host, "uri": r.RequestURI}
		for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For", "Authorization", "Cookie", "Rsc", "Next-Router-State-Tree", "Next-Router-Prefetch", "Accept", "Accept-Encoding"} {
			got[name] = strings.Join(r.Header[name], " | ")
		}
		want := map[string]string{
			"host": "dash.example.com", "uri": "/en/dashboard?_rsc=1abc&x=%zz;y",
			"X-Forwarded-Host": "dash.example.com", "X-Forwarded-Proto": proto, "X-Forwarded-For": "127.0.0.1",
			"Authorization": "", "Cookie": "NEXT_LOCALE=ar; other=1", "Rsc": "1", "Next-Router-State-Tree": "%5B%5D",
			"Next-Router-Prefetch": "1", "Accept": "text/x-component", "Accept-Encoding": "br, gzip",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("over %s (-want +got):\n%s", proto, diff)
		}
	}
}

func TestATrustedProxySaysTheScheme(t *testing.T) {
	t.Parallel()
	n := newNext(t).start(t)
	g := front(t, n, false, netip.MustParsePrefix("127.0.0.0/8"))
	fetch(t, g, "/en", func(r *http.Request) {
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-For", "203.0.113.9, 198.51.100.7")
	})
	if h := n.last(t).Header; h.Get("X-Forwarded-Proto") != "https" || h.Get("X-Forwarded-For") != "198.51.100.7" {
		t.Errorf("X-Forwarded-Proto %q, X-Forwarded-For %q", h.Get("X-Forwarded-Proto"), h.Get("X-Forwarded-For"))
	}
}

func TestPoliciesOfTheOrigin(t *testing.T) {
	t.Parallel()
	const csp = "default-src 'self'; connect-src 'self'; upgrade-insecure-requests"
	const hsts = "max-age=31536000; includeSubDomains; preload"
	n := newNext(t)
	n.handle("/", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Add("Content-Security-Policy", "Upgrade-Insecure-Requests")
		h.Set("Strict-Transport-Security", hsts)
		h.Set("Link", `</en>; rel="alternate"; hreflang="en"`)
	})
	n.start(t)
	plain, secure := front(t, n, false), front(t, n, true)
	for _, tt := range []struct {
		g                   *httptest.Server
		host, policy, trust string
	}{
		{plain, "localhost:8080", "default-src 'self'; connect-src 'self'", ""},
		{plain, "dash.example.com", "default-src 'self'; connect-src 'self'", ""},
		{secure, "localhost:8443", csp + "|Upgrade-Insecure-Requests", ""},
		{secure, "192.0.2.4", csp + "|Upgrade-Insecure-Requests", ""},
		{secure, "[::1]:8443", csp + "|Upgrade-Insecure-Requests", ""},
		{secure, "nas", csp + "|Upgrade-Insecure-Requests", ""},
		{secure, "dash.localhost", csp + "|Upgrade-Insecure-Requests", ""},
		{secure, "dash.example.com", csp + "|Upgrade-Insecure-Requests", hsts},
	} {
		res, _ := fetch(t, tt.g, "/en", func(r *http.Request) { r.Host = tt.host })
		if got := strings.Join(res.Header["Content-Security-Policy"], "|"); got != tt.policy {
			t.Errorf("%s: policy %q, want %q", tt.host, got, tt.policy)
		}
		if got := res.Header.Get("Strict-Transport-Security"); got != tt.trust {
			t.Errorf("%s: HSTS %q, want %q", tt.host, got, tt.trust)
		}
		if res.Header.Get("Link") == "" {
			t.Errorf("%s: no Link", tt.host)
		}
	}
}

func TestBodiesAndHeadersPassAsTheyAre(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, strings.Repeat("page ", 1000))
	_ = z.Close()
	n := newNext(t)
	n.handle("/en", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Encoding", "gzip")
		h.Set("Vary", "rsc, next-router-state-tree, Accept-Encoding")
		h.Set("Etag", `"abc"`)
		h.Set("Cache-Control", "s-maxage=31536000")
		h.Add("Set-Cookie", "NEXT_LOCALE=en; Path=/; SameSite=lax")
		h.Add("Set-Cookie", "b=2; Path=/")
		h.Add("Set-Cookie", "bdash=stolen; Path=/")
		if r.Header.Get("If-None-Match") == `"abc"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(zipped.Bytes())
	})
	n.handle("/_next/static/x.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		_, _ = io.WriteString(w, "js")
	})
	n.start(t)
	g := front(t, n, false)
	res, body := fetch(t, g, "/en", func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") })
	if body != zipped.String() || res.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("the gzipped body was changed: %d bytes, want %d, %q", len(body), zipped.Len(), res.Header.Get("Content-Encoding"))
	}
	if got := strings.Join(res.Header["Set-Cookie"], " | "); got != "NEXT_LOCALE=en; Path=/; SameSite=lax | b=2; Path=/" {
		t.Errorf("Set-Cookie = %q", got)
	}
	if h := res.Header; h.Get("Etag") != `"abc"` || h.Get("Vary") != "rsc, next-router-state-tree, Accept-Encoding" || h.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("headers = %v", h)
	}
	if res, _ := fetch(t, g, "/en", func(r *http.Request) { r.Header.Set("If-None-Match", `"abc"`) }); res.StatusCode != http.StatusNotModified {
		t.Errorf("If-None-Match: status %d, want 304", res.StatusCode)
	}
	if res, _ := fetch(t, g, "/_next/static/x.js", nil); res.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("static files: Cache-Control %q", res.Header.Get("Cache-Control"))
	}
}

// TestStreams: a chunk arrives before the next one is written.
func TestStreams(t *testing.T) {
	t.Parallel()
	n := newNext(t)
	more := make(chan struct{})
	n.handle("/en", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/x-component")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "%d:chunk\n", i)
			_ = http.NewResponseController(w).Flush()
			<-more
		}
	})
	n.start(t)
	g := front(t, n, false)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+"/en?_rsc=x", nil)
	res, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for i := range 3 {
		if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("%d:chunk\n", i) {
			t.Fatalf("chunk %d = %q, %v", i, line, err)
		}
		more <- struct{}{}
	}
	if _, err := lines.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last chunk: %v, want EOF", err)
	}
}

// TestIdleConnectionsThatTheUpstreamCloses: not one of the requests fails that
// meet a connection closing under them.
func TestIdleConnectionsThatTheUpstreamCloses(t *testing.T) {
	t.Parallel()
	n := newNext(t)
	n.Config.IdleTimeout = 20 * time.Millisecond
	n.start(t)
	g := front(t, n, false)
	tick := time.NewTicker(20 * time.Millisecond) // as close to the closing as can be
	defer tick.Stop()
	var wait sync.WaitGroup
	for i := range 150 {
		<-tick.C
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			wait.Go(func() {
				var body io.Reader
				if method == http.MethodPost {
					body = strings.NewReader("[]")
				}
				r, _ := http.NewRequestWithContext(t.Context(), method, g.URL+"/en", body)
				res, err := g.Client().Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("%s %d: status %d", method, i, res.StatusCode)
				}
			})
		}
	}
	wait.Wait()
}

// TestUpgrade: the development server's WebSocket passes below /_next/, nothing
// else is ever upgraded.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	n := newNext(t)
	n.handle("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, "not upgraded")
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + r.Header.Get("Upgrade") + "\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString("echo " + line)
		_ = rw.Flush()
	})
	n.start(t)
	g := front(t, n, false)
	for _, tt := range []struct {
		path, protocol string
		upgraded       bool
	}{
		{"/_next/webpack-hmr?id=1", "websocket", true},
		{"/_next/webpack-hmr", "h2c", false},
		{"/en", "websocket", false},
	} {
		conn, err := net.Dial("tcp", g.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", tt.path, tt.protocol)
		in := bufio.NewReader(conn)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := res.StatusCode == http.StatusSwitchingProtocols; got != tt.upgraded {
			t.Errorf("%s to %s: status %d, upgraded %v, want %v", tt.path, tt.protocol, res.StatusCode, got, tt.upgraded)
		}
		if tt.upgraded {
			_, _ = io.WriteString(conn, "hello\n")
			if line, err := in.ReadString('\n'); line != "echo hello\n" {
				t.Errorf("through the upgrade: %q, %v", line, err)
			}
		}
		_ = conn.Close()
	}
}

func TestTheFrontendIsAway(t *testing.T) {
	t.Parallel()
	n := newNext(t).start(t)
	g := front(t, n, false)
	n.Close()
	res, body := fetch(t, g, "/en", nil)
	if res.StatusCode != http.StatusBadGateway || !strings.Contains(body, "FRONTEND_UPSTREAM") || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, body %q, headers %v", res.StatusCode, body, res.Header)
	}
	if res, _ := fetch(t, g, "/api/nothing", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("the API without the frontend: status %d", res.StatusCode)
	}
}

// TestAnAnswerThatBreaksOff does not look whole.
func TestAnAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	n := newNext(t)
	n.handle("/en", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
		panic(http.ErrAbortHandler)
	})
	n.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	n.start(t)
	g := front(t, n, false)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+"/en", nil)
	res, err := g.Client().Do(r)
	if err != nil {
		return
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("an answer that was cut off reads as whole")
	}
}

// TestSlowReadersHoldUpNobody: 200 clients that asked for a large file and do
// not read it, and one that wants a page.
func TestSlowReadersHoldUpNobody(t *testing.T) {
	t.Parallel()
	n := newNext(t)
	var started atomic.Int32
	all := make(chan struct{})
	const slow = 200
	n.handle("/large", func(w http.ResponseWriter, r *http.Request) {
		if started.Add(1) == slow {
			close(all)
		}
		block := make([]byte, 64<<10)
		for range 512 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	n.start(t)
	g := front(t, n, false)
	for range slow {
		conn, err := net.Dial("tcp", g.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	select {
	case <-all:
	case <-time.After(20 * time.Second):
		t.Fatalf("%d of %d slow requests reached the frontend's server", started.Load(), slow)
	}
	began := time.Now()
	for range 50 {
		if res, body := fetch(t, g, "/en", nil); res.StatusCode != http.StatusOK || body != "page /en" {
			t.Fatalf("status %d, body %q", res.StatusCode, body)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("50 pages beside %d slow readers took %v", slow, took)
	}
}

// TestTLSSpeaksHTTP2: the gateway's own TLS gives browsers HTTP/2.
func TestTLSSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	n := newNext(t).start(t)
	upstream, _ := url.Parse(n.URL)
	s := &gateway.Server{Upstream: upstream, Log: slog.New(slog.DiscardHandler)}
	g := httptest.NewUnstartedServer(s.Handler())
	g.EnableHTTP2 = true
	g.StartTLS()
	t.Cleanup(func() { g.Close(); s.Close() })
	res, body := fetch(t, g, "/en", nil)
	if res.ProtoMajor != 2 || body != "page /en" || res.TLS.Version < tls.VersionTLS12 {
		t.Errorf("HTTP/%d %q", res.ProtoMajor, body)
	}
}
