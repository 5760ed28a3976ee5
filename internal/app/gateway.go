package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/gateway"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/throttle"
)

// newGateway puts the frontend's gateway together; nil without one.
func (a *App) newGateway() (*gateway.Server, error) {
	if a.Config.FrontendUpstream == "" {
		return nil, nil
	}
	upstream, err := url.Parse(string(a.Config.FrontendUpstream))
	if err != nil {
		return nil, fmt.Errorf("FRONTEND_UPSTREAM: %w", err)
	}
	return &gateway.Server{
		Upstream: upstream, Trusted: trusted(a.Config), Log: a.Log,
		Accounts: a.API.Accounts, Auth: a.API.Auth, Themes: a.API.Themes, Preferences: a.API.Preferences, Widgets: a.API.Widgets,
		Gate:    throttle.Gate{Limiter: a.API.Limiter, Rates: a.API.Rates},
		MaxBody: int64(a.Config.MaxBodyBytes), Unavailable: sqlstore.IsUnavailable,
		LoginErrorsOK: a.Config.GatewayLoginErrors == config.LoginErrorsOK,
	}, nil
}

// ListenGateway opens GATEWAY_ADDR, so that a busy port and a bad certificate
// show before the server starts; Serve answers there. The address is nil
// without a gateway. Serve calls it if nobody has; it is not safe for
// concurrent use.
func (a *App) ListenGateway(ctx context.Context) (net.Addr, error) {
	if a.Gateway == nil {
		return nil, nil
	}
	if a.gatewayListener != nil {
		return a.gatewayListener.Addr(), nil
	}
	var secure *tls.Config
	if a.Config.GatewayTLSCert != "" {
		c := &certificate{certFile: a.Config.GatewayTLSCert, keyFile: a.Config.GatewayTLSKey, log: a.Log}
		if err := c.load(); err != nil {
			return nil, fmt.Errorf("GATEWAY_TLS_CERT, GATEWAY_TLS_KEY: %w", err)
		}
		secure = &tls.Config{GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", string(a.Config.GatewayAddr))
	if err != nil {
		return nil, fmt.Errorf("GATEWAY_ADDR: %w. Another program may use the port: set GATEWAY_ADDR to another one, such as :8081", err)
	}
	a.gatewayTLS = secure
	a.gatewayListener = listener
	return listener.Addr(), nil
}

// serveGateway answers for the frontend until stop is called, which drains:
// stop returns when its context ends, or all requests have.
func (a *App) serveGateway(ctx context.Context) (stop func(context.Context) error, err error) {
	addr, err := a.ListenGateway(ctx)
	if err != nil || addr == nil {
		return func(context.Context) error { return nil }, err
	}
	// What was upgraded outlives the server's own account of connections: it
	// ends with this context.
	base, end := context.WithCancel(context.WithoutCancel(ctx))
	server := &http.Server{
		Handler:           a.inFlight(a.Gateway.Handler()),
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return base }, TLSConfig: a.gatewayTLS,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve := server.Serve
		if a.gatewayTLS != nil {
			serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
		}
		if err := serve(a.gatewayListener); !errors.Is(err, http.ErrServerClosed) {
			a.Log.Error("the gateway no longer answers", "error", err)
		}
	}()
	return func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if err != nil {
			err = errors.Join(fmt.Errorf("requests of the gateway were cut off: %w", err), server.Close())
		}
		end()
		<-done
		a.Gateway.Close()
		return err
	}, nil
}

// certificateAge is how long a certificate is believed to be that of its file.
const certificateAge = time.Minute

// certificate is a pair of files that may be replaced while the server runs, as
// ACME clients do. Safe for concurrent use.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	changed time.Time // of the files that current was read from
	looked  time.Time
}

// get implements tls.Config.GetCertificate. Files that cannot be read leave the
// certificate as it was.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > certificateAge {
		if err := c.loadLocked(); err != nil {
			c.log.Error("the gateway's new certificate cannot be read", "error", err)
		}
	}
	return c.current, nil
}

func (c *certificate) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loadLocked()
}

func (c *certificate) loadLocked() error {
	c.looked = time.Now()
	var changed time.Time
	for _, file := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		if info.ModTime().After(changed) {
			changed = info.ModTime()
		}
	}
	if c.current != nil && changed.Equal(c.changed) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current, c.changed = &pair, changed
	return nil
}
