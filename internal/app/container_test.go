package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
)

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	addr := "ADDR=" + strings.TrimPrefix(s.URL, "http://")
	for _, args := range [][]string{{"healthcheck"}, {"healthcheck", "--live"}} {
		if code, _, stderr := command(t, args, addr); code != 0 {
			t.Errorf("%v: exit code %d, errors %q, want 0", args, code, stderr)
		}
	}
	s.Stop()
	code, _, stderr := command(t, []string{"healthcheck"}, addr)
	if code == 0 || !strings.Contains(stderr, "does not answer") {
		t.Errorf("without a server: exit code %d, errors %q, want a failure that says so", code, stderr)
	}
}

func TestInitSecrets(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "secrets")
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if code, _, stderr := command(t, []string{"init-secrets", dir}); code != 0 {
		t.Fatalf("exit code %d, errors %q, want 0", code, stderr)
	}
	key, password := read("secret_key"), read("db_password")
	if len(key) < 40 || len(password) < 40 || key == password {
		t.Errorf("secrets of %d and %d bytes, want two different ones of 43", len(key), len(password))
	}
	if code, stdout, _ := command(t, []string{"init-secrets", dir}); code != 0 || stdout != "" || read("secret_key") != key {
		t.Errorf("a second time: exit code %d, output %q, want 0 and nothing changed", code, stdout)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("files left behind: %v, %v", left, err)
	}
}
