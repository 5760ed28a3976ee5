// Package app puts bdash together: it is the only package that knows every
// other. It holds the commands, the wiring, and the order in which things
// start and stop.
package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/api"
	"github.com/bdash/bdash/internal/audit"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/cache"
	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/gateway"
	"github.com/bdash/bdash/internal/job"
	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/models"
	"github.com/bdash/bdash/internal/mail"
	"github.com/bdash/bdash/internal/notify"
	"github.com/bdash/bdash/internal/password"
	"github.com/bdash/bdash/internal/preference"
	"github.com/bdash/bdash/internal/realtime"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/telemetry"
	"github.com/bdash/bdash/internal/theme"
	"github.com/bdash/bdash/internal/throttle"
	"github.com/bdash/bdash/internal/widget"
)

// App is bdash, put together and not started.
type App struct {
	Config config.Config
	Log    *slog.Logger
	DB     *sqlstore.DB
	Jobs   *job.Client
	API    *api.Server
	// Gateway shows the frontend; nil without FRONTEND_UPSTREAM.
	Gateway *gateway.Server

	stopping stopping
	redis    *cache.Redis // nil without REDIS_URL
	hub      *realtime.Hub
	workers  *job.Workers
	now      func() time.Time
	version  string

	models          *models.Models
	metrics         *telemetry.Metrics
	metricsListener net.Listener // nil until ListenMetrics, and without metrics
	metricsOff      bool         // their address was not to be had

	gatewayListener net.Listener // nil until ListenGateway, and without a gateway
	gatewayTLS      *tls.Config  // nil for plain http
}

// Options are what a test may change.
type Options struct {
	// Now is the clock; nil is the real one.
	Now func() time.Time
	// Mail is where console mails go; nil is standard error.
	Mail io.Writer
	// FailureFloor replaces the least time of a refused sign-in; negative is none.
	FailureFloor time.Duration
	// NoJobs leaves background jobs to another process.
	NoJobs bool
	// Models answers in place of the configured providers.
	Models  llm.Model
	Version string
	// Sources replaces what widgets are fed by.
	Sources widget.Sources
}

// failureFloor hides how long the check of an old password hash takes.
const failureFloor = 500 * time.Millisecond

// memoryCache is how much the cache in memory may hold, in bytes.
const memoryCache = 64 << 20

// maxThrottleKeys bounds the windows that are counted in memory.
const maxThrottleKeys = 100_000

// New opens the database, migrates it, and wires everything. Close it.
func New(ctx context.Context, cfg config.Config, log *slog.Logger, opts Options) (*App, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Mail == nil {
		opts.Mail = os.Stderr
	}
	a := &App{Config: cfg, Log: log, now: opts.Now, version: opts.Version}
	if err := a.open(ctx, opts); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *App) open(ctx context.Context, opts Options) error {
	db, err := openDatabase(ctx, a.Config, a.Log, a.now)
	if err != nil {
		return err
	}
	a.DB = db
	if _, err := db.Migrate(ctx); err != nil {
		return err
	}
	if a.Jobs, a.workers, err = newJobs(a, opts); err != nil {
		return err
	}
	if err := a.Jobs.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate the job tables: %w", err)
	}
	installation, err := db.InstallationID(ctx)
	if err != nil {
		return fmt.Errorf("read the installation id: %w", err)
	}
	if url := a.Config.RedisURL.Reveal(); url != "" {
		if a.redis, err = cache.OpenRedis(url, a.Log); err != nil {
			return fmt.Errorf("REDIS_URL: %w", err)
		}
		a.redis.Prefix = "bdash:" + installation + ":"
	}
	if err := a.openEvents("bdash:" + installation + ":"); err != nil {
		return err
	}
	return a.wire(opts)
}

func openDatabase(ctx context.Context, cfg config.Config, log *slog.Logger, now func() time.Time) (*sqlstore.DB, error) {
	url := cfg.Database.URL.Reveal()
	if cfg.Database.Engine == config.SQLite {
		url = "sqlite://" + cfg.Database.Path
	}
	db, err := sqlstore.Open(ctx, url, sqlstore.Options{Logger: log, Clock: now})
	if err != nil {
		return nil, fmt.Errorf("open the database %s: %w", cfg.Database, err)
	}
	return db, nil
}

// Queues of the jobs, with how many run at a time in one process.
var queues = map[string]int{job.DefaultQueue: 10}

func newJobs(a *App, opts Options) (*job.Client, *job.Workers, error) {
	sender, err := newSender(a.Config, opts.Mail)
	if err != nil {
		return nil, nil, err
	}
	workers := job.NewWorkers()
	registerMail(workers, sender)
	a.registerSweep(workers)
	periodic := append(a.registerBackup(workers),
		job.Periodic{ID: "auth.sweep", Every: time.Hour, Make: func() job.Insert { return job.Insert{Args: sweepArgs{}} }},
		job.Periodic{ID: "dashboard.sweep", Every: time.Hour, Make: func() job.Insert { return job.Insert{Args: sweepViewsArgs{}} }},
		a.registerCleanup(workers))
	periodic = append(periodic, a.registerWidgets(workers)...)
	periodic = append(periodic, a.registerBudgetSweep(workers))
	cfg := job.Config{
		Pool: a.DB.Pool(), SQLite: a.DB.Writer(), Logger: a.Log, Workers: workers,
		Updated:  func(owner int64, u job.Updated) { events{hub: a.hub}.taskUpdated(owner, u) },
		Periodic: periodic,
	}
	if !opts.NoJobs {
		cfg.Queues = queues
	}
	client, err := job.New(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("jobs: %w", err)
	}
	return client, workers, nil
}

func newSender(cfg config.Config, console io.Writer) (*mail.Sender, error) {
	var transport mail.Transport = mail.NewConsole(console)
	if cfg.Mail.Transport == config.MailSMTP {
		smtp, err := newSMTP(cfg)
		if err != nil {
			return nil, err
		}
		transport = smtp
	}
	return mail.NewSender(mail.Config{Transport: transport, From: cfg.Mail.From.String()})
}

func newSMTP(cfg config.Config) (*mail.SMTP, error) {
	security := map[config.MailTLS]mail.Security{
		config.MailPlain: mail.Plain, config.MailStartTLS: mail.StartTLS, config.MailImplicit: mail.TLS,
	}[cfg.Mail.TLS]
	smtp, err := mail.NewSMTP(mail.SMTPConfig{
		Host: cfg.Mail.Host, Port: cfg.Mail.Port, Security: security,
		Username: cfg.Mail.User, Password: cfg.Mail.Password.Reveal(),
	})
	if err != nil {
		return nil, fmt.Errorf("EMAIL_*: %w", err)
	}
	return smtp, nil
}

func accountSettings(cfg config.Config, floor time.Duration) account.Settings {
	return account.Settings{
		Registration:         account.Registration(cfg.Registration),
		VerificationRequired: cfg.EmailVerification == config.VerificationRequired,
		FrontendURL:          string(cfg.FrontendURL),
		AnswerFloor:          floor,
	}
}

// wire makes the rooms and hands them to the API.
func (a *App) wire(opts Options) error {
	cfg := a.Config
	mails := outbox{a.Jobs}
	hasher := password.NewHasher(password.Options{})
	floor := failureFloor
	if opts.FailureFloor != 0 {
		floor = max(opts.FailureFloor, 0)
	}
	tell := events{hub: a.hub, widgets: &sqlstore.Widgets{DB: a.DB}, log: a.Log}
	accounts := &account.Service{
		Store: &sqlstore.Accounts{DB: a.DB, Mails: mails}, Hasher: hasher, Now: a.now, Events: tell, Settings: accountSettings(cfg, floor),
	}
	fallbacks := make([]string, len(cfg.SecretKeyFallbacks))
	for i, key := range cfg.SecretKeyFallbacks {
		fallbacks[i] = key.Reveal()
	}
	preferences := &preference.Service{Store: &sqlstore.Preferences{DB: a.DB}, Now: a.now}
	notes := &notify.Service{Store: &sqlstore.Notifications{DB: a.DB}, Now: a.now, Events: tell}
	datasources, err := a.datasources(fallbacks)
	if err != nil {
		return err
	}
	if opts.Sources == nil {
		opts.Sources = datasources
	}
	widgets := a.newWidgets(accounts, preferences, notes, opts.Sources)
	widgets.Datasources, widgets.Events = datasources, tell
	views := &sqlstore.Dashboards{DB: a.DB}
	agents := &agent.Service{Store: &sqlstore.Agents{DB: a.DB}, Now: a.now}
	themes := &theme.Service{Store: &sqlstore.Themes{DB: a.DB}, Now: a.now, Events: tell}
	a.API = &api.Server{
		Accounts: accounts,
		Auth: &auth.Service{
			Store: &sqlstore.Auth{DB: a.DB, Mails: mails}, Accounts: accounts, Hasher: hasher,
			Keys: auth.NewKeyring(a.now, cfg.SecretKey.Reveal(), fallbacks...), Now: a.now, Events: tell,
			Settings: auth.Settings{
				AccessLifetime: cfg.AccessTTL(), RefreshLifetime: cfg.RefreshTTL(), FailureFloor: floor,
				VerificationRequired: cfg.EmailVerification == config.VerificationRequired,
			},
		},
		Themes: themes,
		Dashboards: &dashboard.Service{
			Store: views, Shares: views, Imports: views, Neighbours: neighbours{widgets, themes},
			Widgets: catalog{widgets}, Data: catalog{widgets}, Now: a.now, Events: tell,
		},
		Preferences: preferences,
		Widgets:     widgets,
		Datasources: datasources,
		Agents:      agents,
		Audit:       &audit.Service{Store: &sqlstore.Audit{DB: a.DB}, Now: a.now},
		Notify:      notes,
		Tasks:       a.Jobs,
		Events:      a.hub,
		Log:         a.Log,
		Unavailable: sqlstore.IsUnavailable,
		Ready:       a.ready,
		Options: api.Options{
			MaxBody: int64(cfg.MaxBodyBytes), TrustedProxies: trusted(cfg), AllowedOrigins: origins(cfg),
			Version: a.version, PublicURL: string(cfg.PublicURL), MetricsToken: cfg.MetricsToken.Reveal(),
		},
		Rates: rates(cfg),
	}
	if a.redis != nil {
		a.API.Cache, a.API.Limiter = cache.NewShared(a.redis), throttle.NewRedis(a.redis, a.now)
	} else {
		a.API.Cache, a.API.Limiter = cache.NewMemory(memoryCache, a.now), throttle.NewMemory(maxThrottleKeys, a.now)
	}
	if err := a.wireModels(opts); err != nil {
		return err
	}
	if a.API.Runs, err = a.newRunner(opts, agents, notes); err != nil {
		return err
	}
	a.measure(hasher)
	a.Gateway, err = a.newGateway()
	return err
}

// Close releases what New opened; Serve must have returned.
func (a *App) Close() {
	if a.API != nil {
		a.API.Widgets.Close()
	}
	if a.metricsListener != nil {
		_ = a.metricsListener.Close() // open only if Serve was never called
	}
	if a.gatewayListener != nil {
		_ = a.gatewayListener.Close()
	}
	if a.hub != nil {
		a.closeEvents()
	}
	if a.redis != nil {
		a.redis.Close()
	}
	if a.DB != nil {
		if err := a.DB.Close(); err != nil {
			a.Log.Error("close the database", "error", err)
		}
	}
}
