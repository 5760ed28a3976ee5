package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/audit"
	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/telemetry"
)

// Process is what a command has to do with the world.
type Process struct {
	Args, Environ  []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Version as built; "" takes what Go noted in the binary.
	Version string
	// Dotenv is the settings file; "" is .env in the working directory, "-" none.
	Dotenv string
}

// commandLine is what bdash understands; kong makes the help from it.
type commandLine struct {
	Serve   serveCommand   `cmd:"" help:"Start the server: migrates the database, then answers requests and runs jobs."`
	Worker  workerCommand  `cmd:"" help:"Run background jobs only (PostgreSQL)."`
	Migrate migrateCommand `cmd:"" help:"Bring the database to this version and stop."`

	Createsuperuser superuserCommand   `cmd:"" help:"Make an administrator; asks for what is not given."`
	Import          importCommand      `cmd:"" help:"Take over data from elsewhere."`
	Backup          backupCommand      `cmd:"" help:"Copy the whole database into one file while it is in use, or verify such a file."`
	Restore         restoreCommand     `cmd:"" help:"Fill an empty database from a backup."`
	Openapi         openapiCommand     `cmd:"" help:"Print the OpenAPI document."`
	Check           checkCommand       `cmd:"" help:"Check the settings and every connection, and say how to mend what is wrong."`
	Healthcheck     healthcheckCommand `cmd:"" help:"Ask the server on this machine whether it can work; exit code 0 if so."`
	InitSecrets     initSecretsCommand `cmd:"" help:"Make a secret key and a database password as files, where there are none."`
	Version         versionCommand     `cmd:"" help:"Print the version."`
}

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

// exitCode carries an exit that kong asks for through a panic, for kong goes
// on otherwise.
type exitCode int

// Main runs a command and gives the exit code.
func Main(ctx context.Context, p Process) (code int) {
	defer func() {
		if r := recover(); r != nil {
			exit, ok := r.(exitCode)
			if !ok {
				panic(r)
			}
			code = int(exit)
		}
	}()
	if p.Version == "" {
		p.Version = builtVersion()
	}
	var line commandLine
	parser, err := kong.New(&line, kong.Name("bdash"), kong.UsageOnError(),
		kong.Description("The backend of a customisable dashboard with AI agents."),
		kong.Writers(p.Stdout, p.Stderr), kong.Exit(func(code int) { panic(exitCode(code)) }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&p))
	if err != nil {
		fmt.Fprintln(p.Stderr, "bdash:", err)
		return exitFailure
	}
	if len(p.Args) == 0 {
		p.Args = []string{"--help"}
	}
	command, err := parser.Parse(p.Args)
	if err != nil {
		fmt.Fprintf(p.Stderr, "bdash: %v\nRun \"bdash --help\" to see what there is.\n", err)
		return exitUsage
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(p.Stderr, "bdash:", err)
		return exitFailure
	}
	return 0
}

// builtVersion is what the Go tool noted: a release of the module, or the
// commit it was built from.
func builtVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "dev"
	}
	if info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "dev-" + s.Value[:12]
		}
	}
	return "dev"
}

// settings loads the configuration and says what deserves a look.
func (p *Process) settings() (config.Config, *slog.Logger, error) {
	path := p.Dotenv
	switch path {
	case "":
		path = ".env"
	case "-":
		path = ""
	}
	cfg, warnings, err := config.Load(p.Environ, path)
	for _, w := range warnings {
		fmt.Fprintln(p.Stderr, "bdash: warning:", w)
	}
	if err != nil {
		return cfg, nil, err
	}
	return cfg, telemetry.NewLogger(p.Stderr, cfg.Debug, cfg.Level()), nil
}

type serveCommand struct {
	NoJobs bool `help:"Leave background jobs to bdash worker (PostgreSQL)."`
}

// Run implements the command.
func (c *serveCommand) Run(ctx context.Context, p *Process) error {
	keepHeap(p.Environ)
	out := telemetry.NewBatch(p.Stderr)
	defer out.Close()
	p.Stderr = out
	cfg, log, err := p.settings()
	if err != nil {
		return err
	}
	if c.NoJobs && cfg.Database.Engine == config.SQLite {
		return errors.New("--no-jobs: on SQLite the server is the only one that can run jobs; leave it out")
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(cfg.Addr))
	if err != nil {
		return fmt.Errorf("ADDR: %w. Another program may use the port: set ADDR to another one, such as ADDR=:8001", err)
	}
	defer listener.Close()
	a, err := New(ctx, cfg, log, Options{Mail: p.Stderr, NoJobs: c.NoJobs, Version: p.Version})
	if err != nil {
		return explain(err, cfg)
	}
	defer a.Close()
	if _, err := a.ListenMetrics(ctx); err != nil {
		return err
	}
	if _, err := a.ListenGateway(ctx); err != nil {
		return err
	}
	a.banner(ctx, p.Stdout, listener.Addr())
	return a.Serve(ctx, listener)
}

// What to do about a database that bdash must not touch.
const (
	hintNewer   = "run the newer bdash that migrated it, or restore a backup made before"
	hintForeign = "give bdash an empty database of its own; if this one is Django's, `bdash import django --from` takes its rows over"
)

// explain adds what to do to errors of starting.
func explain(err error, cfg config.Config) error {
	switch {
	case errors.Is(err, sqlstore.ErrSchemaNewer):
		return fmt.Errorf("%w. To mend it: %s", err, hintNewer)
	case errors.Is(err, sqlstore.ErrForeign):
		return fmt.Errorf("%w. To mend it: %s", err, hintForeign)
	case sqlstore.IsUnavailable(err) && cfg.Database.Engine != config.SQLite:
		return fmt.Errorf("%w. Check that PostgreSQL runs there and that DATABASE_URL or the DB_ settings are right; `bdash check` tells more", err)
	}
	return err
}

type workerCommand struct{}

// Run implements the command.
func (c *workerCommand) Run(ctx context.Context, p *Process) error {
	cfg, log, err := p.settings()
	if err != nil {
		return err
	}
	if cfg.Database.Engine == config.SQLite {
		return errors.New("a worker needs PostgreSQL: on SQLite `bdash serve` runs the jobs itself")
	}
	a, err := New(ctx, cfg, log, Options{Mail: p.Stderr, Version: p.Version})
	if err != nil {
		return explain(err, cfg)
	}
	defer a.Close()
	background := context.WithoutCancel(ctx)
	if err := a.Jobs.Start(background); err != nil {
		return fmt.Errorf("start the jobs: %w", err)
	}
	log.Info("worker runs")
	<-ctx.Done()
	log.Info("stopping", "timeout", time.Duration(cfg.ShutdownTimeout).String())
	drain, cancel := context.WithTimeout(background, time.Duration(cfg.ShutdownTimeout))
	defer cancel()
	return a.Jobs.Stop(drain)
}

type migrateCommand struct{}

// Run implements the command.
func (c *migrateCommand) Run(ctx context.Context, p *Process) error {
	cfg, log, err := p.settings()
	if err != nil {
		return err
	}
	a, err := New(ctx, cfg, log, Options{Mail: p.Stderr, NoJobs: true, Version: p.Version})
	if err != nil {
		return explain(err, cfg)
	}
	defer a.Close()
	version, err := a.DB.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "The database %s is at schema version %d.\n", cfg.Database, version)
	return nil
}

type superuserCommand struct {
	Email     string `help:"E-mail address to sign in with."`
	Password  string `help:"Password; asked for without echo when it is not given."`
	Username  string `help:"User name; the e-mail address when it is not given."`
	FirstName string `help:"First name."`
	LastName  string `help:"Last name."`
}

// Run implements the command.
func (c *superuserCommand) Run(ctx context.Context, p *Process) error {
	cfg, log, err := p.settings()
	if err != nil {
		return err
	}
	if err := c.ask(p); err != nil {
		return err
	}
	a, err := New(ctx, cfg, log, Options{Mail: p.Stderr, NoJobs: true, Version: p.Version})
	if err != nil {
		return explain(err, cfg)
	}
	defer a.Close()
	u, err := a.API.Accounts.CreateSuperuser(ctx, account.Draft{
		Email: c.Email, Username: c.Username, FirstName: c.FirstName, LastName: c.LastName, Password: c.Password,
	})
	if err != nil {
		return plainFault(err)
	}
	a.recordCommand(ctx, audit.Entry{Action: "user.create", TargetKind: "user", TargetID: strconv.FormatInt(u.ID, 10), Detail: []byte(`{"role":"admin"}`)})
	fmt.Fprintf(p.Stdout, "Administrator %s created (id %d).\n", u.Email, u.ID)
	return nil
}

type openapiCommand struct {
	Format string `enum:"yaml,json" default:"yaml" help:"yaml or json."`
}

// Run implements the command.
func (c *openapiCommand) Run(p *Process) error {
	document := Document(p.Version)
	out := document.YAML()
	if c.Format == "json" {
		out = document.JSON()
	}
	_, err := p.Stdout.Write(out)
	return err
}

type versionCommand struct{}

// Run implements the command.
func (c *versionCommand) Run(p *Process) error {
	fmt.Fprintf(p.Stdout, "bdash %s (%s, %s/%s)\n", p.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// recordCommand notes in the audit record what a command on this machine did.
func (a *App) recordCommand(ctx context.Context, e audit.Entry) {
	e.Via, e.Outcome = audit.Command, audit.OK
	if err := a.API.Audit.Record(ctx, e); err != nil {
		a.Log.Error("audit entry not written", "action", e.Action, "error", err)
	}
}
