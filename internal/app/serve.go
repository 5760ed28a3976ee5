package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bdash/bdash/internal/job"
)

// Time-outs of the server. A client gets long enough for a slow line, and not
// for ever.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = time.Minute
	writeTimeout      = time.Minute
	idleTimeout       = 2 * time.Minute
	maxHeader         = 64 << 10
	seenInterval      = 30 * time.Second
	readyTimeout      = 2 * time.Second
)

// stopping is set while the server drains.
type stopping struct{ atomic.Bool }

var errStopping = errors.New("the server is stopping")

// ready reports what keeps the server from doing its work.
func (a *App) ready(ctx context.Context) error {
	if a.stopping.Load() {
		return errStopping
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return a.DB.Ping(ctx)
}

// Serve answers on the listener until ctx ends, then drains: not ready, no new
// requests, running ones and jobs finish within SHUTDOWN_TIMEOUT.
func (a *App) Serve(ctx context.Context, listener net.Listener) error {
	stopMetrics, err := a.serveMetrics(ctx)
	if err != nil {
		return err
	}
	defer stopMetrics()
	stopGateway, err := a.serveGateway(ctx)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           a.inFlight(a.API.Handler()),
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
	}
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var wait sync.WaitGroup
	wait.Go(func() { a.flushSeen(background) })
	a.API.Runs.Start()
	jobs := a.startJobs(background)
	defer func() {
		stopBackground()
		wait.Wait()
	}()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		now, cancel := context.WithCancel(background)
		cancel()
		_ = stopGateway(now)
		a.API.Runs.Stop(now)
		a.stopJobs(background, jobs)
		return err
	case <-ctx.Done():
	}
	a.stopping.Store(true)
	a.Log.Info("stopping", "timeout", time.Duration(a.Config.ShutdownTimeout).String())
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(a.Config.ShutdownTimeout))
	defer cancel()
	a.hub.Drain() // streams never end by themselves
	gatewayDone := make(chan error, 1)
	go func() { gatewayDone <- stopGateway(drain) }()
	// Streams end with their runs, and runs before the requests' time is over.
	runs, cancelRuns := context.WithTimeout(drain, time.Duration(a.Config.ShutdownTimeout)/2)
	defer cancelRuns()
	var stopped sync.WaitGroup
	stopped.Go(func() { a.API.Runs.Stop(runs) })
	err = server.Shutdown(drain)
	stopped.Wait()
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were cut off: %w", err), server.Close())
	}
	err = errors.Join(err, <-gatewayDone)
	a.API.Widgets.Close() // what is being fetched belongs to no request
	a.stopJobs(drain, jobs)
	return err
}

// startJobs runs the queue, unless another process does. The database may be
// away at this moment: then it is tried again until it is there.
func (a *App) startJobs(ctx context.Context) bool {
	err := a.Jobs.Start(ctx)
	if errors.Is(err, job.ErrInsertOnly) {
		return false
	}
	if err != nil {
		a.Log.Error("jobs do not run", "error", err)
		return false
	}
	return true
}

func (a *App) stopJobs(ctx context.Context, started bool) {
	if !started {
		return
	}
	if err := a.Jobs.Stop(ctx); err != nil {
		a.Log.Warn("jobs were handed back unfinished", "error", err)
	}
}

// flushSeen writes down when sessions were last used, and once more at the end.
func (a *App) flushSeen(ctx context.Context) {
	tick := time.NewTicker(seenInterval)
	defer tick.Stop()
	flush := func(ctx context.Context) {
		if err := a.API.Auth.FlushSeen(ctx); err != nil {
			a.Log.Warn("last use of sessions not written", "error", err)
		}
	}
	for {
		select {
		case <-tick.C:
			flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
			defer cancel()
			flush(last)
			return
		}
	}
}

// banner tells a person who just started the server what to do next.
func (a *App) banner(ctx context.Context, out io.Writer, addr net.Addr) {
	base := string(a.Config.PublicURL)
	if base == "" {
		base = "http://" + localAddress(addr)
	}
	base = strings.TrimSuffix(base, "/")
	fmt.Fprintf(out, "\n  bdash %s is running.\n\n  API        %s/api/\n  Docs       %s/api/docs/\n  Database   %s\n", a.version, base, base, a.Config.Database)
	if a.metricsListener != nil {
		fmt.Fprintf(out, "  Metrics    http://%s/metrics\n", localAddress(a.metricsListener.Addr()))
	}
	if a.gatewayListener != nil {
		scheme := "http"
		if a.gatewayTLS != nil {
			scheme = "https"
		}
		fmt.Fprintf(out, "  Frontend   %s://%s/  (from %s)\n", scheme, localAddress(a.gatewayListener.Addr()), a.Config.FrontendUpstream)
	}
	if n, err := a.API.Accounts.Store.Admins(ctx); err == nil && n == 0 {
		fmt.Fprintf(out, "\n  There is no administrator yet. Make one with:\n\n    bdash createsuperuser          (in the project: go run ./cmd/bdash createsuperuser)\n")
	}
	fmt.Fprintln(out)
}

// localAddress names a wildcard address by localhost.
func localAddress(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// sweepArgs is the job that deletes what has expired: tokens, sessions, old
// entries of the audit record.
type sweepArgs struct{}

// Kind implements job.Args.
func (sweepArgs) Kind() string { return "auth.sweep" }

// sweepBatch bounds one transaction of the sweep.
const sweepBatch = 1000

// sweepViewsArgs is the job that deletes old revisions and links of views.
type sweepViewsArgs struct{}

// Kind implements job.Args.
func (sweepViewsArgs) Kind() string { return "dashboard.sweep" }

func (a *App) registerSweep(w *job.Workers) {
	untilDone := func(sweep func() (int, error)) error {
		for {
			n, err := sweep()
			if err != nil || n < sweepBatch {
				return err
			}
		}
	}
	job.Register(w, func(ctx context.Context, _ job.Job[sweepArgs]) error {
		err := untilDone(func() (int, error) { return a.API.Auth.Store.Sweep(ctx, a.now().UTC(), sweepBatch) })
		return errors.Join(err, a.API.Audit.Sweep(ctx, time.Duration(a.Config.AuditRetentionDays)*24*time.Hour))
	}, job.KindOpts{})
	job.Register(w, func(ctx context.Context, _ job.Job[sweepViewsArgs]) error {
		return untilDone(func() (int, error) { return a.API.Dashboards.Sweep(ctx, sweepBatch) })
	}, job.KindOpts{})
}
