package backup_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/backup"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

const key = "the key of these tests, which is long enough"

func maker(url string) *backup.Maker {
	m := &backup.Maker{Key: key, Version: "test", Now: time.Now, Database: backup.Database{URL: url}}
	if path, lite := strings.CutPrefix(url, "sqlite://"); lite {
		m.Database = backup.Database{Path: path}
	}
	return m
}

// elsewhere is an empty place on the same engine.
func elsewhere(t *testing.T, url string) string {
	t.Helper()
	if strings.HasPrefix(url, "sqlite://") {
		return "sqlite://" + filepath.Join(t.TempDir(), "new", "bdash.db")
	}
	empty, drop, err := sqlstore.TemporaryDatabase(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(drop)
	return empty
}

func sums(t *testing.T, url string) []sqlstore.TableSum {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), url, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	got, err := db.Sums(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// seeded is a database with the rows of the recording, not in use.
func seeded(t *testing.T, url string) {
	t.Helper()
	apptest.Open(t, apptest.Options{Database: url, Seed: true}).Stop()
}

func make1(t *testing.T, m *backup.Maker) (path string, manifest *backup.Manifest) {
	t.Helper()
	path, manifest, err := m.Make(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path, manifest
}

func restore(t *testing.T, m *backup.Maker, path string, opts backup.RestoreOptions) error {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	_, err = m.Restore(t.Context(), file, opts)
	return err
}

func TestRestoreElsewhere(t *testing.T) {
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		seeded(t, url)
		path, manifest := make1(t, maker(url))
		if manifest.Rows() < 50 || manifest.Schema != sqlstore.LatestSchema() {
			t.Errorf("the manifest has %d rows at schema %d, want those of the seed at %d", manifest.Rows(), manifest.Schema, sqlstore.LatestSchema())
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("Stat = %v, %v, want a file for its owner only", info, err)
		}
		target := elsewhere(t, url)
		if err := restore(t, maker(target), path, backup.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sums(t, url), sums(t, target)); diff != "" {
			t.Errorf("the copy differs (-original +copy):\n%s", diff)
		}
		if err := restore(t, maker(target), path, backup.RestoreOptions{}); !errors.Is(err, backup.ErrNotEmpty) {
			t.Errorf("Restore over it = %v, want ErrNotEmpty", err)
		}
		s := apptest.Start(t, apptest.Options{Database: target})
		if got := s.Do(t, "", http.MethodGet, "/readyz", ""); got.Status != http.StatusOK {
			t.Errorf("a server on the copy answers %d, want 200", got.Status)
		}
	})
}

// Whatever a client was told before the backup began is in it, whatever it was
// told after it ended is not, and nothing is there by half.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		user := s.Person(t, identity.User)
		url := s.Database()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		before := make(chan struct{})
		var wait sync.WaitGroup
		for w := range 4 {
			wait.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					s.Expect(t, http.StatusCreated, user.Access, http.MethodPost, "/api/dashboard/views/", fmt.Sprintf(`{"name":"%d-%d"}`, w, n))
					if w == 0 && n == 20 {
						close(before)
					}
				}
			})
		}
		<-before
		path, manifest := make1(t, maker(url))
		cancel()
		wait.Wait()
		target := elsewhere(t, url)
		if err := restore(t, maker(target), path, backup.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, table := range sums(t, target) {
			got[table.Table] = table.Rows
		}
		if got["dashboard_views"] < 21 {
			t.Errorf("%d views are in the copy, want the 21 that were there before and perhaps more", got["dashboard_views"])
		}
		for _, table := range manifest.Tables {
			if got[table.Table] != table.Rows {
				t.Errorf("%s has %d rows, the manifest says %d", table.Table, got[table.Table], table.Rows)
			}
		}
	})
}

func TestVerify(t *testing.T) {
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		path, want := make1(t, maker(url))
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		got, err := maker(url).Verify(t.Context(), file)
		if err != nil || !cmp.Equal(want.Tables, got.Tables) {
			t.Errorf("Verify = %v, %v, want what was made", got, err)
		}
	})
}

// repack writes a backup anew, with its parts changed.
func repack(t *testing.T, raw []byte, change func(name string, text []byte) []byte) []byte {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	in, archive := tar.NewReader(zipped), tar.NewWriter(packed)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		text = change(header.Name, text)
		header.Size = int64(len(text))
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDamagedBackups(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	path, _ := make1(t, maker(url))
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(part, from, to string) []byte {
		return repack(t, raw, func(name string, text []byte) []byte {
			if name != part {
				return text
			}
			changed := bytes.Replace(text, []byte(from), []byte(to), 1)
			if bytes.Equal(changed, text) {
				t.Fatalf("%s does not hold %q", part, from)
			}
			return changed
		})
	}
	flipped := bytes.Clone(raw)
	flipped[len(flipped)/2] ^= 1
	cases := map[string][]byte{
		"empty":             {},
		"no backup":         []byte("hello"),
		"cut in the middle": raw[:len(raw)/2],
		"cut at the end":    raw[:len(raw)-1],
		"one bit":           flipped,
		"data altered":      edit("data", "CREATE TABLE users", "CREATE TABLE usurs"),
		"row count altered": edit("manifest.json", `"rows": 0`, `"rows": 1`),
		"schema altered":    edit("manifest.json", `"engine": "sqlite"`, `"engine": "SQLITE"`),
		"signature altered": repack(t, raw, func(name string, text []byte) []byte {
			return map[bool][]byte{true: []byte("00"), false: text}[name == "manifest.sig"]
		}),
		"parts renamed":      bytes.Clone(repackNames(t, raw)),
		"data appended":      edit("data", "SQLite format 3", "SQLite format 3SQLite format 3"),
		"fingerprint is old": edit("manifest.json", `"format": 1`, `"format":  1`),
	}
	for name, text := range cases {
		target := filepath.Join(t.TempDir(), "x", "bdash.db")
		_, err := maker("sqlite://"+target).Restore(t.Context(), bytes.NewReader(text), backup.RestoreOptions{})
		if !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s: Restore = %v, want ErrDamaged", name, err)
		}
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(target), "*")); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", name, left, err)
		}
	}
}

func repackNames(t *testing.T, raw []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	archive := tar.NewWriter(packed)
	if err := errors.Join(archive.WriteHeader(&tar.Header{Name: "../../evil", Mode: 0o600, Size: int64(len(raw))})); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(archive.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAnotherKey(t *testing.T) {
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		path, _ := make1(t, maker(url))
		if raw, err := os.ReadFile(path); err != nil || bytes.Contains(raw, []byte(key)) {
			t.Errorf("the backup holds the key, or %v", err)
		}
		other := maker(elsewhere(t, url))
		other.Key = strings.Repeat("another key ", 4)
		if err := restore(t, other, path, backup.RestoreOptions{}); !errors.Is(err, backup.ErrOtherKey) {
			t.Errorf("Restore under another key = %v, want ErrOtherKey", err)
		}
		former := maker(elsewhere(t, url))
		former.Key, former.Fallbacks = other.Key, []string{key}
		if err := restore(t, former, path, backup.RestoreOptions{}); err != nil {
			t.Errorf("Restore with the key among the former ones = %v, want nil", err)
		}
		if err := restore(t, other, path, backup.RestoreOptions{DropSecrets: true}); err != nil {
			t.Errorf("Restore without secrets = %v, want nil", err)
		}
	})
}
