package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/outbound"
)

// names is a resolver whose answers change from one question to the next; the
// last one stays.
type names struct {
	answers [][]string
	asked   atomic.Int32
}

func (n *names) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	at := int(n.asked.Add(1)) - 1
	var addrs []netip.Addr
	for _, text := range n.answers[min(at, len(n.answers)-1)] {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

func TestPublicAddressesOnly(t *testing.T) {
	t.Parallel()
	d := &outbound.Dialer{}
	for _, text := range []string{
		"127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
		"100.127.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.2.3", "240.0.0.1",
		"255.255.255.255", "::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1",
		"::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1",
		"64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "2002:a00:1::1", "2001:0:7f00:1::1", "100::1", "::ffff:0:127.0.0.1", "3fff::1",
	} {
		if d.Allowed(netip.AddrPortFrom(netip.MustParseAddr(text), 443)) {
			t.Errorf("%s may be connected to", text)
		}
	}
	if d.Allowed(netip.AddrPortFrom(netip.MustParseAddr("2606:4700::1%eth0"), 443)) {
		t.Error("an address with a zone may be connected to")
	}
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"} {
		if !d.Allowed(netip.AddrPortFrom(netip.MustParseAddr(text), 443)) {
			t.Errorf("%s may not be connected to", text)
		}
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	d := &outbound.Dialer{Allow: []outbound.Rule{
		{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Port: 5432}, {Prefix: netip.MustParsePrefix("fd00::/8")},
	}}
	for target, want := range map[string]bool{
		"10.1.2.3:5432": true, "[::ffff:10.1.2.3]:5432": true, "10.1.2.3:5433": false, "10.2.2.3:5432": false,
		"[fd12::1]:1": true, "[fc12::1]:1": false,
	} {
		if got := d.Allowed(netip.MustParseAddrPort(target)); got != want {
			t.Errorf("Allowed(%s) = %t", target, got)
		}
	}
}

// server counts who reaches it.
func server(t *testing.T) (port string, hits *atomic.Int32) {
	t.Helper()
	hits = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		fmt.Fprint(w, "here")
	}))
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	return port, hits
}

// A name that answers well when it is looked at, and otherwise when it is
// dialled, gains nothing: it is looked up once.
func TestRebinding(t *testing.T) {
	t.Parallel()
	port, hits := server(t)
	for _, inside := range []string{"127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1"} {
		resolver := &names{answers: [][]string{{inside}, {"1.1.1.1"}}}
		d := &outbound.Dialer{Resolver: resolver}
		_, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort("evil.example", port))
		var blocked *outbound.BlockedError
		if !errors.As(err, &blocked) || !errors.Is(err, outbound.ErrBlocked) || blocked.Host != "evil.example" {
			t.Errorf("a name for %s: %v", inside, err)
		}
		if n := resolver.asked.Load(); n != 1 {
			t.Errorf("looked up %d times, want 1", n)
		}
	}
	// First public and dead, then inside: the second is looked at as well.
	d := &outbound.Dialer{Resolver: &names{answers: [][]string{{"127.0.0.1", "::1"}}}}
	if _, err := d.DialContext(t.Context(), "tcp", "evil.example:"+port); !errors.Is(err, outbound.ErrBlocked) {
		t.Errorf("several addresses: %v", err)
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d connections came through", n)
	}
}

func TestDialRefuses(t *testing.T) {
	t.Parallel()
	d := &outbound.Dialer{}
	for _, c := range [][2]string{{"unix", "/run/postgresql"}, {"udp", "1.1.1.1:53"}} {
		if _, err := d.DialContext(t.Context(), c[0], c[1]); !errors.Is(err, outbound.ErrBlocked) {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, address := range []string{"1.1.1.1", "1.1.1.1:0", "1.1.1.1:http", "1.1.1.1:65536", "0x7f000001:80"} {
		if c, err := (&outbound.Dialer{Resolver: &names{answers: [][]string{nil}}}).DialContext(t.Context(), "tcp", address); err == nil {
			_ = c.Close()
			t.Errorf("%s was dialled", address)
		}
	}
}

// loopback lets the test's own servers through.
func loopback() *outbound.Dialer {
	return &outbound.Dialer{
		Allow:    []outbound.Rule{{Prefix: netip.MustParsePrefix("127.0.0.1/32")}},
		Resolver: &names{answers: [][]string{{"127.0.0.1"}}},
	}
}

func get(t *testing.T, c *http.Client, target string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func origin(t *testing.T, target string) *url.URL {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestBodyIsBounded(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chunk := []byte(strings.Repeat("x", 1<<16))
		for sent.Load() < 1<<30 {
			n, err := w.Write(chunk)
			sent.Add(int64(n))
			if err != nil || r.URL.Path == "/exact" {
				return
			}
		}
	}))
	defer s.Close()
	c := loopback().Client(origin(t, s.URL), outbound.ClientOptions{Body: 1 << 16})
	if body, err := get(t, c, s.URL+"/exact"); err != nil || len(body) != 1<<16 {
		t.Errorf("a body of exactly the limit: %d bytes, %v", len(body), err)
	}
	if body, err := get(t, c, s.URL); !errors.Is(err, outbound.ErrTooLarge) || len(body) > 1<<16 {
		t.Errorf("a body of 1 GB: %d bytes, %v", len(body), err)
	}
	if n := sent.Load(); n > 64<<20 {
		t.Errorf("%d bytes were sent", n)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var other atomic.Value
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { other.Store(r.Header.Clone()) }))
	defer elsewhere.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/inside":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		case "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		default:
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}
	}))
	defer s.Close()
	secret := outbound.ClientOptions{
		Header:    http.Header{"X-Key": {"secret"}, "Authorization": {"Bearer secret"}},
		Authorize: func(r *http.Request) { r.SetBasicAuth("u", "secret") },
	}
	c := loopback().Client(origin(t, s.URL), secret)
	if _, err := get(t, c, s.URL+"/endless"); !errors.Is(err, outbound.ErrRedirects) {
		t.Errorf("endless: %v", err)
	}
	if _, err := get(t, c, s.URL+"/inside"); !errors.Is(err, outbound.ErrBlocked) {
		t.Errorf("to the metadata service: %v", err)
	}
	if _, err := get(t, c, s.URL+"/file"); err == nil {
		t.Error("to a file: no error")
	}
	if _, err := get(t, c, s.URL+"/away"); err != nil {
		t.Errorf("to another server: %v", err)
	}
	header, _ := other.Load().(http.Header)
	if header == nil || header.Get("X-Key") != "" || header.Get("Authorization") != "" {
		t.Errorf("another server got %v", header)
	}
}

func TestClientTimesOut(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			w.(http.Flusher).Flush()
		}
		<-release
	}))
	defer s.Close()
	defer close(release)
	c := loopback().Client(origin(t, s.URL), outbound.ClientOptions{Timeout: 100 * time.Millisecond})
	for _, path := range []string{"/silent", "/slow"} {
		_, err := get(t, c, s.URL+path)
		var timeout interface{ Timeout() bool }
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s: %v, want a time-out", path, err)
		}
	}
}

func TestBoundedConnections(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_, _ = io.Copy(c, endless{})
			}()
		}
	}()
	dial := loopback().Bounded(100_000)
	total := 0
	for range 2 { // both connections share the limit
		c, err := dial(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.CopyN(io.Discard, c, 70_000)
		total += int(n)
		_ = c.Close()
		if total > 100_000 || total == 100_000 && !errors.Is(err, outbound.ErrTooLarge) {
			t.Errorf("%d bytes, %v", total, err)
		}
	}
	if total != 100_000 {
		t.Errorf("%d bytes came, want 100000", total)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
