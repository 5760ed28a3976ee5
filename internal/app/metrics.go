package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bdash/bdash/internal/cache"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/password"
	"github.com/bdash/bdash/internal/telemetry"
	"github.com/bdash/bdash/internal/throttle"
)

// metricsSetting is the name of the setting that says where metrics are read.
const metricsSetting = "METRICS_ADDR"

// Bounds of the metrics' own server.
const (
	maxScrapes    = 4 // at a time, for each way in
	metricsLinger = time.Second
)

// throttles are the first words of the keys that the API's limiter counts.
var throttles = []string{"anon", "user", "login", "docs"}

// measure makes the metrics and has the API tell them what happens.
func (a *App) measure(hasher *password.Hasher) {
	a.metrics = telemetry.NewMetrics(telemetry.MetricsConfig{
		Version: a.version, Pools: a.poolStats, Cache: cacheStats(a.API.Cache), Events: a.eventStats, PasswordsWaiting: hasher.Waiting, Throttles: throttles,
	})
	a.API.Observe = func(view string) drf.Observer { return a.metrics.Route(view).Observe }
	a.API.Limiter = countedLimiter{a.API.Limiter, a.metrics}
	a.API.Metrics = a.metricsHandler()
}

func (a *App) poolStats() []telemetry.PoolStats {
	pools := a.DB.PoolStats()
	out := make([]telemetry.PoolStats, len(pools))
	for i, p := range pools {
		out[i] = telemetry.PoolStats(p)
	}
	return out
}

// cacheStats reads the cache's statistics; nil when it keeps none.
func cacheStats(c cache.Cache) func() telemetry.CacheStats {
	counting, ok := c.(interface{ Stats() cache.Stats })
	if !ok {
		return nil
	}
	return func() telemetry.CacheStats { return telemetry.CacheStats(counting.Stats()) }
}

// countedLimiter counts what a limiter refuses.
type countedLimiter struct {
	throttle.Limiter
	metrics *telemetry.Metrics
}

// Allow implements throttle.Limiter.
func (l countedLimiter) Allow(ctx context.Context, key string, rate throttle.Rate) (bool, time.Duration) {
	return l.AllowN(ctx, key, rate, 1)
}

// AllowN implements throttle.Limiter.
func (l countedLimiter) AllowN(ctx context.Context, key string, rate throttle.Rate, n int) (bool, time.Duration) {
	ok, wait := l.Limiter.AllowN(ctx, key, rate, n)
	if !ok {
		name, _, _ := strings.Cut(key, ":")
		l.metrics.Refused(name)
	}
	return ok, wait
}

// inFlight counts the requests that are being answered.
func (a *App) inFlight(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.metrics.Began()
		defer a.metrics.Ended()
		next.ServeHTTP(w, r)
	})
}

// metricsHandler answers a scrape. When one metric cannot be read the others
// still are, and the log says why.
func (a *App) metricsHandler() http.Handler {
	return promhttp.HandlerFor(a.metrics.Gatherer(), promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelError), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes, EnableOpenMetrics: true,
	})
}

// ListenMetrics opens METRICS_ADDR, so that a busy port shows before the server
// starts; Serve answers there. A busy port stops the start only if the address
// was given: the default is Prometheus' own, too. The address is nil when the
// metrics are off, or not to be had. Serve calls it if nobody has; it is not
// safe for concurrent use.
func (a *App) ListenMetrics(ctx context.Context) (net.Addr, error) {
	if a.metricsListener != nil {
		return a.metricsListener.Addr(), nil
	}
	addr := string(a.Config.MetricsAddr)
	if addr == "" || a.metricsOff {
		return nil, nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil && a.Config.Given(metricsSetting) {
		return nil, fmt.Errorf("%s: %w. Another program may use the port: set %[1]s to another one, such as 127.0.0.1:9091, or to nothing to do without metrics", metricsSetting, err)
	}
	if err != nil {
		a.metricsOff = true
		a.Log.WarnContext(ctx, "metrics cannot be read: the address is not free; set METRICS_ADDR to another one, or to nothing", "addr", addr, "error", err)
		return nil, nil
	}
	a.metricsListener = listener
	return listener.Addr(), nil
}

// serveMetrics answers scrapes until stop is called, which waits for the end.
// Metrics are served while the server drains: that is worth watching.
func (a *App) serveMetrics(ctx context.Context) (stop func(), err error) {
	addr, err := a.ListenMetrics(ctx)
	if err != nil || addr == nil {
		return func() {}, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metricsHandler())
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelWarn),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(a.metricsListener); !errors.Is(err, http.ErrServerClosed) {
			a.Log.Error("metrics can no longer be read", "error", err)
		}
	}()
	return func() {
		linger, cancel := context.WithTimeout(context.WithoutCancel(ctx), metricsLinger)
		defer cancel()
		if server.Shutdown(linger) != nil {
			_ = server.Close() // a scrape is cut off: the next one goes to the next process
		}
		<-done
	}, nil
}
