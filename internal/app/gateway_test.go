package app_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/app"
	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// patient waits, and not for ever.
var patient = &http.Client{Timeout: time.Minute}

func TestGatewayDrains(t *testing.T) {
	t.Parallel()
	entered, finish := make(chan struct{}), make(chan struct{})
	next := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-finish
		_, _ = io.WriteString(w, "whole")
	}))
	defer next.Close()
	s := openApp(t, "FRONTEND_UPSTREAM="+next.URL)
	ctx, cancel := context.WithCancel(t.Context())
	addr, err := s.ListenGateway(ctx)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { served <- s.Serve(ctx, listener) }()
	type answer struct {
		body string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		res, err := patient.Get("http://" + addr.String() + "/en")
		if err != nil {
			got <- answer{err: err}
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		got <- answer{string(body), err}
	}()
	<-entered
	cancel()
	// It no longer accepts, and still waits for the request that runs.
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", addr.String())
		if err != nil {
			break
		}
		_ = conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("the gateway goes on accepting connections")
		}
	}
	close(finish)
	if a := <-got; a.err != nil || a.body != "whole" {
		t.Errorf("the running request got %q, %v", a.body, a.err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// openApp puts an App together.
func openApp(t *testing.T, env ...string) *app.App {
	t.Helper()
	env = append([]string{"DATABASE_URL=" + sqltest.URL(t), "DATA_DIR=" + t.TempDir(), "SECRET_KEY=" + strings.Repeat("k", 40), "METRICS_ADDR=", "GATEWAY_ADDR=127.0.0.1:0"}, env...)
	cfg, _, err := config.Load(env, "")
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), cfg, slog.New(slog.DiscardHandler), app.Options{Mail: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func TestGatewayTLS(t *testing.T) {
	t.Parallel()
	next := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto"))
	}))
	defer next.Close()
	cert, key, pool := selfSigned(t)
	s := apptest.Start(t, apptest.Options{Env: []string{"FRONTEND_UPSTREAM=" + next.URL, "GATEWAY_TLS_CERT=" + cert, "GATEWAY_TLS_KEY=" + key}})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	res, err := client.Get(strings.Replace(s.GatewayURL, "http:", "https:", 1) + "/en")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); string(body) != "https" || res.ProtoMajor != 2 {
		t.Errorf("HTTP/%d, X-Forwarded-Proto %q", res.ProtoMajor, body)
	}
}

func TestGatewayRefusesToStart(t *testing.T) {
	t.Parallel()
	cert, key, _ := selfSigned(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, tt := range []struct {
		env  []string
		want string
	}{
		{[]string{"GATEWAY_ADDR=" + busy.Addr().String()}, "GATEWAY_ADDR"},
		{[]string{"GATEWAY_TLS_CERT=" + key, "GATEWAY_TLS_KEY=" + key}, "GATEWAY_TLS_CERT"},
		{[]string{"GATEWAY_TLS_CERT=" + cert, "GATEWAY_TLS_KEY=/nowhere"}, "GATEWAY_TLS_KEY"},
	} {
		a := openApp(t, append(tt.env, "FRONTEND_UPSTREAM=http://127.0.0.1:3000")...)
		if _, err := a.ListenGateway(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: ListenGateway = %v, want a word about %s", tt.env, err, tt.want)
		}
	}
	if addr, err := openApp(t).ListenGateway(t.Context()); addr != nil || err != nil {
		t.Errorf("without FRONTEND_UPSTREAM: %v, %v", addr, err)
	}
}

// selfSigned writes a certificate for 127.0.0.1.
func selfSigned(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pool = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", keyDER), pool
}
