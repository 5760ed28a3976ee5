package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/backup"
	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/job"
)

func newMaker(cfg config.Config, version string, now func() time.Time) *backup.Maker {
	m := &backup.Maker{Key: cfg.SecretKey.Reveal(), Version: version, Now: now}
	for _, former := range cfg.SecretKeyFallbacks {
		m.Fallbacks = append(m.Fallbacks, former.Reveal())
	}
	if cfg.Database.Engine == config.SQLite {
		m.Database.Path = cfg.Database.Path
	} else {
		m.Database.URL = cfg.Database.URL.Reveal()
	}
	return m
}

// newStorage is where BACKUP_TO points, or to in its place.
func newStorage(cfg config.Config, to string) (backup.Storage, error) {
	if to != "" {
		cfg.BackupTo = to
	}
	bucket, prefix, remote := cfg.BackupBucket()
	if !remote {
		return backup.Folder(cfg.BackupTo), nil
	}
	return backup.NewS3(backup.S3Config{
		Endpoint: string(cfg.BackupS3Endpoint), Region: cfg.BackupS3Region,
		AccessKey: cfg.BackupS3Key.Reveal(), Secret: cfg.BackupS3Secret.Reveal(), Bucket: bucket, PathPrefix: prefix,
	})
}

type backupCommand struct {
	To     string `help:"Folder, or s3://bucket/prefix; BACKUP_TO, or DATA_DIR/backups, when it is not given."`
	Verify bool   `help:"Restore a backup into a temporary place and compare, instead of making one."`
	File   string `arg:"" optional:"" help:"With --verify: a file, or the name of a backup at --to; the newest there when it is not given."`
}

// Run implements the command.
func (c *backupCommand) Run(ctx context.Context, p *Process) error {
	cfg, _, err := p.settings()
	if err != nil {
		return err
	}
	if c.To == "" && cfg.BackupTo == "" {
		c.To = filepath.Join(cfg.DataDir, "backups")
	}
	storage, err := newStorage(cfg, c.To)
	if err != nil {
		return err
	}
	maker := newMaker(cfg, p.Version, time.Now)
	if c.Verify {
		return c.verify(ctx, p, maker, storage)
	}
	if c.File != "" {
		return errors.New("a file is named only with --verify")
	}
	name, manifest, err := maker.MakeIn(ctx, storage)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "%s made in %s: %d rows in %d tables, %d bytes before compression.\n",
		name, storage, manifest.Rows(), len(manifest.Tables), manifest.Data.Size)
	return nil
}

func (c *backupCommand) verify(ctx context.Context, p *Process, maker *backup.Maker, storage backup.Storage) error {
	file, name, err := openBackup(ctx, storage, c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	manifest, err := maker.Verify(ctx, file)
	if err != nil {
		return fmt.Errorf("%s: %w%s", name, err, backupHint(err))
	}
	fmt.Fprintf(p.Stdout, "%s is sound: %d rows in %d tables were restored and compared.\n", name, manifest.Rows(), len(manifest.Tables))
	return nil
}

// openBackup opens a file of this machine, or else a backup of the storage; the
// newest one if name is empty.
func openBackup(ctx context.Context, storage backup.Storage, name string) (io.ReadCloser, string, error) {
	if name != "" {
		file, err := os.Open(name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || strings.ContainsRune(name, filepath.Separator) {
			return file, name, err
		}
	} else {
		all, err := storage.List(ctx)
		if err != nil {
			return nil, "", fmt.Errorf("list the backups in %s: %w", storage, err)
		}
		if len(all) == 0 {
			return nil, "", fmt.Errorf("there is no backup in %s", storage)
		}
		name = all[len(all)-1]
	}
	file, err := storage.Open(ctx, name)
	return file, name, err
}

// backupHint adds what to do.
func backupHint(err error) string {
	switch {
	case errors.Is(err, backup.ErrOtherKey):
		return "; set that key as SECRET_KEY or among SECRET_KEY_FALLBACKS, or restore with --drop-secrets and type the passwords of data sources in again"
	case errors.Is(err, backup.ErrDamaged):
		return "; use another backup"
	case errors.Is(err, backup.ErrOtherEngine):
		return "; point DATABASE_URL to a database of that kind"
	case errors.Is(err, backup.ErrNewer):
		return "; restore it with that version"
	}
	return ""
}

type restoreCommand struct {
	From        string `help:"Folder, or s3://bucket/prefix, that a name is looked for in; BACKUP_TO, or DATA_DIR/backups, when it is not given."`
	DropSecrets bool   `help:"Restore a backup of another SECRET_KEY without the sealed passwords of data sources."`
	File        string `arg:"" help:"The backup: a file, or a name at --from."`
}

// Run implements the command: into the database of the settings, which must be
// empty. No server may be running on it.
func (c *restoreCommand) Run(ctx context.Context, p *Process) error {
	cfg, _, err := p.settings()
	if err != nil {
		return err
	}
	if c.From == "" && cfg.BackupTo == "" {
		c.From = filepath.Join(cfg.DataDir, "backups")
	}
	storage, err := newStorage(cfg, c.From)
	if err != nil {
		return err
	}
	file, name, err := openBackup(ctx, storage, c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	manifest, err := newMaker(cfg, p.Version, time.Now).Restore(ctx, file, backup.RestoreOptions{DropSecrets: c.DropSecrets})
	if err != nil {
		return fmt.Errorf("%s: %w%s", name, err, backupHint(err))
	}
	fmt.Fprintf(p.Stdout, "%s of %s restored into %s: %d rows in %d tables, compared with the original.\n",
		name, manifest.Created.Format(time.RFC3339), cfg.Database, manifest.Rows(), len(manifest.Tables))
	return nil
}

// backupArgs is the scheduled backup.
type backupArgs struct{}

// Kind implements job.Args.
func (backupArgs) Kind() string { return "backup.make" }

// backupTimeout bounds a scheduled backup.
const backupTimeout = 2 * time.Hour

// registerBackup lets the job run where it is queued, and queues it when
// BACKUP_TO is set.
func (a *App) registerBackup(w *job.Workers) []job.Periodic {
	job.Register(w, a.makeBackup, job.KindOpts{Timeout: backupTimeout, MaxAttempts: 3})
	if a.Config.BackupTo == "" {
		return nil
	}
	every := time.Duration(a.Config.BackupEveryHours) * time.Hour
	return []job.Periodic{{ID: "backup.make", Every: every, Make: func() job.Insert { return job.Insert{Args: backupArgs{}} }}}
}

func (a *App) makeBackup(ctx context.Context, _ job.Job[backupArgs]) error {
	if a.Config.BackupTo == "" {
		return nil // switched off since it was queued
	}
	storage, err := newStorage(a.Config, "")
	if err != nil {
		return err
	}
	name, manifest, err := newMaker(a.Config, a.version, a.now).MakeIn(ctx, storage)
	if err != nil {
		return err
	}
	gone, err := backup.Keep(ctx, storage, a.Config.BackupKeep)
	a.Log.Info("backup made", "name", name, "to", storage.String(), "rows", manifest.Rows(), "deleted", len(gone))
	return err
}
