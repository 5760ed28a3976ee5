//go:build bench && linux

package bench_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// upstreamEnv is where the bare proxy passes requests.
const upstreamEnv = "BENCH_UPSTREAM"

// gatewayBar is what the gateway must reach of httputil.ReverseProxy alone.
const gatewayBar = 0.80

// TestGatewayBar: passing a page through the gateway beside passing it through
// net/http/httputil's proxy with nothing around it.
func TestGatewayBar(t *testing.T) {
	one.Lock()
	defer one.Unlock()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	page := launch(t, "page", dir, []string{roleEnv + "=page"}, self)
	upstream := "http://" + page.address
	bare := launch(t, "twin", dir, []string{roleEnv + "=proxy", upstreamEnv + "=" + upstream}, self)
	address := freeAddress(t)
	gateway := launch(t, "bdash", dir, []string{
		"FRONTEND_UPSTREAM=" + upstream, "GATEWAY_ADDR=" + address, "METRICS_ADDR=", "DATA_DIR=" + dir, "SECRET_KEY=" + strings.Repeat("k", 40),
	}, build(t), "serve")
	gateway.address = address
	request := []byte("GET /en/dashboard?_rsc=1abc HTTP/1.1\r\nHost: dash.example.com\r\nAccept: text/x-component\r\nAccept-Encoding: gzip\r\n" +
		"Cookie: NEXT_LOCALE=en; bdash=" + strings.Repeat("t", 300) + "\r\nUser-Agent: bench\r\nRsc: 1\r\n\r\n")
	title(t.Name())
	for _, p := range []*process{page, bare, gateway} {
		p.await(t, request)
		if p != page {
			p.connect(t)
		}
	}
	c := compare(t, gateway, bare, request)
	c.print(scenario{name: "proxied_page", bar: gatewayBar})
	if got := c.work(); got < gatewayBar {
		t.Errorf("%.2f of the bare proxy's requests per processor second, want at least %.2f", got, gatewayBar)
	}
}

// runPage answers every request with a page of a usual size.
func runPage(address string) error {
	page := []byte(strings.Repeat("<p>A page of the frontend.</p>", 800))
	return listen(address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Length", fmt.Sprint(len(page)))
		h.Set("Content-Security-Policy", "default-src 'self'; connect-src 'self'; upgrade-insecure-requests")
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload")
		h.Set("Vary", "rsc, next-router-state-tree, next-router-prefetch, Accept-Encoding")
		_, _ = w.Write(page)
	}))
}

// runProxy is the twin: net/http/httputil's proxy, with enough connections.
func runProxy(address, upstream string) error {
	u, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	return listen(address, &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u); r.SetXForwarded() }})
}

// listen serves until it is told to stop.
func listen(address string, h http.Handler) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: address, Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
