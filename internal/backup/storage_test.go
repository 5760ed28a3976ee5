package backup_test

import (
	"errors"
	"io"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/bdash/bdash/internal/backup"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// Every storage behaves alike.
func TestStorage(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) backup.Storage{
		"folder": func(t *testing.T) backup.Storage { return backup.Folder(filepath.Join(t.TempDir(), "backups")) },
		"s3":     func(t *testing.T) backup.Storage { return bucket(t, "") },
		"s3 with a prefix": func(t *testing.T) backup.Storage {
			return bucket(t, "some/where")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exercise(t, open(t))
		})
	}
}

func bucket(t *testing.T, prefix string) backup.Storage {
	t.Helper()
	memory := s3mem.New()
	if err := memory.CreateBucket("backups"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(memory).Server())
	t.Cleanup(server.Close)
	s, err := backup.NewS3(backup.S3Config{Endpoint: server.URL, Region: "us-east-1", AccessKey: "id", Secret: "secret", Bucket: "backups", PathPrefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func exercise(t *testing.T, s backup.Storage) {
	t.Helper()
	ctx := t.Context()
	if got, err := s.List(ctx); err != nil || len(got) != 0 {
		t.Errorf("List of nothing = %v, %v", got, err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := maker(sqltest.URL(t))
	var want []string
	for range 3 {
		at = at.Add(time.Hour)
		m.Now = func() time.Time { return at }
		name, _, err := m.MakeIn(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	other := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(other, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(ctx, "notes.txt", other); err != nil {
		t.Fatal(err)
	}
	if got, err := s.List(ctx); err != nil || !cmp.Equal(want, got) {
		t.Errorf("List = %v, %v, want %v", got, err, want)
	}
	file, err := s.Open(ctx, want[2])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := m.Verify(ctx, file); err != nil {
		t.Errorf("Verify = %v, want nil", err)
	}
	if _, err := s.Open(ctx, backup.Name(at.Add(time.Hour))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of none = %v, want fs.ErrNotExist", err)
	}
	if gone, err := backup.Keep(ctx, s, 2); err != nil || !cmp.Equal(want[:1], gone) {
		t.Errorf("Keep(2) = %v, %v, want %v", gone, err, want[:1])
	}
	if _, err := backup.Keep(ctx, s, 0); err != nil {
		t.Error(err)
	}
	if got, err := s.List(ctx); err != nil || !cmp.Equal(want[2:], got) {
		t.Errorf("List after Keep(0) = %v, %v, want the newest to stay", got, err)
	}
	notes, err := s.Open(ctx, "notes.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = notes.Close() }()
	if text, err := io.ReadAll(notes); err != nil || string(text) != "x" {
		t.Errorf("the other file = %q, %v, want it left alone", text, err)
	}
}
