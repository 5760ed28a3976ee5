package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/app"
	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

func TestBackupCommands(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	apptest.Open(t, apptest.Options{Database: url, Seed: true}).Stop()
	to := filepath.Join(t.TempDir(), "backups")
	env := []string{"DATABASE_URL=" + url, "SECRET_KEY=" + strings.Repeat("k", 40), "BACKUP_TO=" + to}
	expect := func(want string, env []string, args ...string) {
		t.Helper()
		code, stdout, stderr := command(t, args, env...)
		if out := stdout + stderr; !strings.Contains(out, want) || (code == 0) == strings.HasPrefix(stderr, "bdash: ") {
			t.Errorf("%v: exit code %d, %q, %q; want %q", args, code, stdout, stderr, want)
		}
	}
	expect("there is no backup in", env, "backup", "--verify")
	expect("made in "+to, env, "backup")
	expect("is sound", env, "backup", "--verify")
	found, err := filepath.Glob(filepath.Join(to, "bdash-*.tar.gz"))
	if err != nil || len(found) != 1 {
		t.Fatalf("backups: %v, %v, want one", found, err)
	}
	expect("is not empty", env, "restore", found[0])
	fresh := append(env[1:2:2], "DATABASE_URL=sqlite://"+filepath.Join(t.TempDir(), "new.db"))
	expect("restored into", fresh, "restore", found[0])
	expect("schema version", fresh, "migrate")
	other := []string{"SECRET_KEY=" + strings.Repeat("o", 40), "DATABASE_URL=sqlite://" + filepath.Join(t.TempDir(), "new.db")}
	expect("--drop-secrets", other, "restore", found[0])
	expect("restored into", other, "restore", found[0], "--drop-secrets")
	expect("no such file", env, "restore", filepath.Join(to, "none"))
	if err := os.Truncate(found[0], 1000); err != nil {
		t.Fatal(err)
	}
	expect("use another backup", env, "backup", "--verify", filepath.Base(found[0]))
}

func TestScheduledBackup(t *testing.T) {
	t.Parallel()
	to := t.TempDir()
	apptest.Each(t, apptest.Options{Env: []string{"BACKUP_KEEP=2"}}, func(t *testing.T, s *apptest.Server) {
		folder := filepath.Join(to, t.Name())
		s.App.Config.BackupTo = folder
		for range 3 {
			if err := app.MakeBackup(t.Context(), s.App); err != nil {
				t.Fatal(err)
			}
		}
		left, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil || len(left) != 2 {
			t.Errorf("in the folder: %v, %v, want the two newest and nothing else", left, err)
		}
	})
}
