package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/bdash/bdash/internal/backup"
	"github.com/bdash/bdash/internal/cache"
	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/sqlstore"
)

type checkCommand struct {
	Settings bool `help:"Also print every setting, secrets masked."`
}

// checkTimeout bounds each connection that is tried.
const checkTimeout = 5 * time.Second

// Run implements the command.
func (c *checkCommand) Run(ctx context.Context, p *Process) error {
	cfg, _, err := p.settings()
	report := &checkReport{out: p.Stdout}
	report.line("settings", err, "correct what is named above in the environment or in .env")
	if err != nil {
		return errors.New("the settings are not usable")
	}
	if c.Settings {
		for _, s := range cfg.Dump() {
			fmt.Fprintf(p.Stdout, "       %s=%s  (%s)\n", s.Name, s.Value, s.Source)
		}
	}
	report.line("data folder "+cfg.DataDir, writableFolder(cfg.DataDir), "make the folder, let the user that runs bdash write there, and see that the disk has room")
	report.line("address "+string(cfg.Addr), freeAddress(ctx, string(cfg.Addr)), "another program uses it; set ADDR to another one")
	err = checkDatabase(ctx, cfg)
	report.line("database "+cfg.Database.String(), err, databaseHint(err, cfg))
	if url := cfg.RedisURL.Reveal(); url != "" {
		redis, err := cache.OpenRedis(url, slog.New(slog.DiscardHandler))
		if err == nil {
			err = within(ctx, redis.Ping)
			redis.Close()
		}
		report.line("Redis", err, "start Redis or set REDIS_URL; without it bdash is slower, not wrong")
	}
	if cfg.Mail.Transport == config.MailSMTP {
		smtp, err := newSMTP(cfg)
		if err == nil {
			err = within(ctx, smtp.Check)
		}
		report.line(fmt.Sprintf("mail server %s:%d", cfg.Mail.Host, cfg.Mail.Port), err, "check the EMAIL_ settings, or set EMAIL_BACKEND=console")
	}
	if cfg.BackupTo != "" {
		report.line("backups to "+cfg.BackupTo, checkBackups(ctx, cfg), "check the BACKUP_ settings; with PostgreSQL, install its client programs (Debian: postgresql-client)")
	}
	if report.failed > 0 {
		return fmt.Errorf("%d of %d checks failed", report.failed, report.total)
	}
	fmt.Fprintf(p.Stdout, "All %d checks passed.\n", report.total)
	return nil
}

// checkBackups tries what a scheduled backup needs.
func checkBackups(ctx context.Context, cfg config.Config) error {
	if cfg.Database.Engine != config.SQLite {
		if _, err := exec.LookPath("pg_dump"); err != nil {
			return err
		}
	}
	storage, err := newStorage(cfg, "")
	if err != nil {
		return err
	}
	if folder, is := storage.(backup.Folder); is {
		return writableFolder(string(folder))
	}
	return within(ctx, func(ctx context.Context) error { _, err := storage.List(ctx); return err })
}

// checkReport prints one line per check.
type checkReport struct {
	out           io.Writer
	total, failed int
}

func (r *checkReport) line(what string, err error, mend string) {
	r.total++
	if err == nil {
		fmt.Fprintf(r.out, "ok     %s\n", what)
		return
	}
	r.failed++
	fmt.Fprintf(r.out, "FAILED %s\n       %v\n       To mend it: %s.\n", what, err, mend)
}

func within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return f(ctx)
}

// room is what a new database and its log need, in bytes.
const room = 1 << 20

// writableFolder tries what the server will do: make the folder, write there.
func writableFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(make([]byte, room))
	return errors.Join(err, f.Close())
}

// freeAddress tells whether a server could listen at addr, or bdash does.
func freeAddress(ctx context.Context, addr string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err == nil {
		return l.Close()
	}
	if within(ctx, func(ctx context.Context) error { return askHealth(ctx, addr, "/healthz") }) == nil {
		return nil
	}
	return err
}

// checkDatabase opens the database as it is: a missing SQLite file is fine, for
// the server makes it.
func checkDatabase(ctx context.Context, cfg config.Config) error {
	if cfg.Database.Engine == config.SQLite {
		if _, err := os.Stat(cfg.Database.Path); errors.Is(err, os.ErrNotExist) {
			return writableFolder(filepath.Dir(cfg.Database.Path))
		}
	}
	return within(ctx, func(ctx context.Context) error {
		db, err := openDatabase(ctx, cfg, nil, nil)
		if err != nil {
			return err
		}
		defer db.Close()
		return db.CheckSchema(ctx)
	})
}

func databaseHint(err error, cfg config.Config) string {
	switch {
	case errors.Is(err, sqlstore.ErrSchemaNewer):
		return hintNewer
	case errors.Is(err, sqlstore.ErrForeign):
		return hintForeign
	}
	if cfg.Database.Engine == config.SQLite {
		return "check DATABASE_URL or DB_NAME, and who owns the file"
	}
	return "check that PostgreSQL runs there, that the database exists, and DATABASE_URL or the DB_ settings"
}
