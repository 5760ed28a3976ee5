package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/config"
)

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := strings.Repeat("k", 40)
	environ := []string{"DATA_DIR=" + dir, "SECRET_KEY_FILE=" + write("key", key+"\n"),
		"DB_ENGINE=postgresql", "DB_NAME=bdash", "DB_PASSWORD_FILE=" + write("password", " p@ss \r\n"),
		"REDIS_URL_FILE=" + write("redis", "redis://:secret@cache/0")}
	cfg, _, err := config.Load(environ, "")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.SecretKey.Reveal() != key || cfg.DBPassword.Reveal() != " p@ss " || cfg.RedisURL.Reveal() != "redis://:secret@cache/0" {
		t.Errorf("Load = %q, %q, %q, want the files' texts without the line end", cfg.SecretKey.Reveal(), cfg.DBPassword.Reveal(), cfg.RedisURL.Reveal())
	}
	if text := cfg.String(); strings.Contains(text, key) || strings.Contains(text, "p@ss") {
		t.Errorf("the dump shows a secret:\n%s", text)
	}
}

func TestSecretFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, environ := range map[string][]string{
		"SECRET_KEY_FILE in the environment names a file that cannot be read": {"SECRET_KEY_FILE=" + filepath.Join(dir, "none")},
		"it is not a file with a secret":                                      {"SECRET_KEY_FILE=" + dir},
		"that SECRET_KEY_FILE names is empty":                                 {"SECRET_KEY_FILE=" + empty},
		"SECRET_KEY and SECRET_KEY_FILE are both set":                         {goodKey, "SECRET_KEY_FILE=" + empty},
	} {
		_, _, err := config.Load(append(environ, "DATA_DIR="+dir), "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(%q) = %v, want a problem with %q", environ, err, want)
		}
	}
	_, warnings, err := config.Load(withBasics(t, []string{"ADDR_FILE=x"}), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		if strings.Contains(w.Text, "SECRET_KEY_FILE") {
			t.Errorf("warning %q, want none about names of secret files", w)
		}
	}
}
