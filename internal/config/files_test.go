package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/config"
)

// Generated Django keys hold $, # and other characters that shells and some
// .env readers change; a changed key would refuse every token of the old server.
func TestDotenvTakesValuesLiterally(t *testing.T) {
	t.Parallel()
	const key = `django-insecure-$abc#d(e&f)=g%h^i!j@k+l*m_n${HOME}\n'o`
	for name, line := range map[string]string{
		"bare": "SECRET_KEY=" + key, "blanks": "  SECRET_KEY =  " + key + "  \r", "double quotes": `SECRET_KEY="` + key + `"`,
		"single quotes": `SECRET_KEY='` + key + `'`, "export": "export SECRET_KEY=" + key, "byte order mark": "\ufeffSECRET_KEY=" + key,
	} {
		cfg, warnings, err := config.Load([]string{"DATA_DIR=" + t.TempDir()}, writeFile(t, line+"\nDEBUG=True\n"))
		if err != nil {
			t.Errorf("%s: Load = %v", name, err)
			continue
		}
		wantWarnings(t, warnings)
		if got := cfg.SecretKey.Reveal(); got != key || !cfg.Debug {
			t.Errorf("%s: SecretKey = %q, want %q", name, got, key)
		}
	}
}

func TestEnvironmentWinsOverTheFile(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "ADDR=:1\nOPENAI_MODEL=from-file\nOPENAI_API_KEY=key\n")
	cfg, warnings, err := config.Load(withBasics(t, []string{"ADDR=:2", "OPENAI_API_KEY="}), path)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Addr != ":2" || cfg.OpenAIModel != "from-file" || cfg.OpenAIKey != "" {
		t.Errorf("Addr, OpenAIModel, OpenAIKey = %q, %q, %q", cfg.Addr, cfg.OpenAIModel, cfg.OpenAIKey.Reveal())
	}
	wantWarnings(t, warnings, "OPENAI_API_KEY is empty in the environment, which hides the value in .env")
	sources := map[string]string{}
	for _, s := range cfg.Dump() {
		sources[s.Name] = s.Source
	}
	for name, want := range map[string]string{"ADDR": "environment", "OPENAI_MODEL": ".env", "DEBUG": "default", "PUBLIC_URL": "derived", "OPENAI_API_KEY": "default"} {
		if sources[name] != want {
			t.Errorf("source of %s = %q, want %q", name, sources[name], want)
		}
	}
}

func TestDotenvSlipsAreWarnedAbout(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "# fine\n\nnonsense\n=x\nOPENAI_MODEL=a # why\nDATA_DRI=x\nLOG_LEVEL=info\nLOG_LEVEL=warn\n")
	cfg, warnings, err := config.Load(withBasics(t, nil), path)
	if err != nil {
		t.Fatal(err)
	}
	wantWarnings(t, warnings, "line 3 of .env is not NAME=value", "line 4 of .env is not NAME=value",
		"line 5 of .env: everything after OPENAI_MODEL= is the value", "DATA_DRI in .env is not a setting: is DATA_DIR meant?", "LOG_LEVEL stands in .env more than once")
	if cfg.OpenAIModel != "a # why" || cfg.LogLevel != "warn" {
		t.Errorf("OpenAIModel, LogLevel = %q, %q", cfg.OpenAIModel, cfg.LogLevel)
	}
}

func TestDotenvThatCannotBeRead(t *testing.T) {
	t.Parallel()
	big := writeFile(t, strings.Repeat("#\n", 1<<20))
	for path, want := range map[string]string{
		t.TempDir():                   "is not a regular file: put the settings into a file of that name, or remove it.",
		writeFile(t, "A=\xff"):        "is not UTF-8 text: save it as UTF-8.",
		writeFile(t, "A=\x00"):        "is not UTF-8 text: save it as UTF-8.",
		big:                           "is larger than 1 MiB: keep only NAME=value lines in it.",
		writeFile(t, "x") + "/no/way": "make it readable for the user that runs bdash.",
	} {
		_, _, err := config.Load(withBasics(t, nil), path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(%s) = %v, want an error with %q", path, err, want)
		}
	}
	if _, _, err := config.Load(withBasics(t, nil), filepath.Join(t.TempDir(), "absent")); err != nil {
		t.Errorf("Load(absent file) = %v, want nil", err)
	}
}

func TestSecretKeyIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	const starts = 16
	keys := make([]string, starts)
	var wg sync.WaitGroup
	for i := range starts {
		wg.Go(func() {
			cfg, _, err := config.Load([]string{"DATA_DIR=" + dir}, "")
			if err != nil {
				t.Errorf("start %d: %v", i, err)
			}
			keys[i] = cfg.SecretKey.Reveal()
		})
	}
	wg.Wait()
	for i, k := range keys {
		if k == "" || k != keys[0] {
			t.Errorf("start %d signs with %q, start 0 with %q, want the same", i, k, keys[0])
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "secret_key" {
		t.Fatalf("DATA_DIR holds %v (%v), want secret_key alone", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of secret_key = %v (%v), want 0600", info.Mode(), err)
	}
	other, _, err := config.Load([]string{"DATA_DIR=" + t.TempDir()}, "")
	if err != nil || other.SecretKey.Reveal() == keys[0] {
		t.Errorf("another DATA_DIR has the same key (%v), want another", err)
	}
}

func TestSecretKeyFileIsJudged(t *testing.T) {
	t.Parallel()
	const key = "0123456789abcdef0123456789abcdef"
	for _, tt := range []struct {
		name, content string
		mode          os.FileMode
		warning, err  string
	}{
		{"good", key + "\n", 0o600, "", ""},
		{"open to others", key, 0o644, "can be read by other users of this machine", ""},
		{"short", "abc", 0o600, "SECRET_KEY is 3 bytes long", ""},
		{"empty", "\n", 0o600, "", "the file is empty; remove it to have a new key made"},
		{"huge", strings.Repeat("x", 5000), 0o600, "", "it is not a file with one key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "secret_key"), []byte(tt.content), tt.mode); err != nil {
				t.Fatal(err)
			}
			cfg, warnings, err := config.Load([]string{"DATA_DIR=" + dir}, "")
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), "or set SECRET_KEY") {
					t.Errorf("Load = %v, want an error with %q", err, tt.err)
				}
				return
			}
			if err != nil || cfg.SecretKey.Reveal() != strings.TrimSpace(tt.content) {
				t.Errorf("Load = key %q, %v", cfg.SecretKey.Reveal(), err)
			}
			if tt.warning == "" {
				wantWarnings(t, warnings)
			} else {
				wantWarnings(t, warnings, tt.warning)
			}
		})
	}
}

func TestDataDirThatIsAFile(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "")
	_, _, err := config.Load([]string{"DATA_DIR=" + file}, "")
	if err == nil || !strings.Contains(err.Error(), "make DATA_DIR ("+file+") a folder that bdash may write to, or set SECRET_KEY.") {
		t.Errorf("Load = %v, want an error that says how to mend DATA_DIR", err)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-hunter2-hunter2-hunter2-x"
	cfg, _ := load(t,
		"SECRET_KEY="+secret, "SECRET_KEY_FALLBACKS="+secret+"1,"+secret+"2", "METRICS_TOKEN="+secret, "OPENAI_API_KEY="+secret, "LANGCHAIN_API_KEY="+secret,
		"DB_ENGINE=postgresql", "DB_NAME=n", "DB_USER=u", "DB_PASSWORD="+secret, "DB_HOST=h", "REDIS_URL=redis://:"+secret+"@h/0", "EMAIL_HOST_PASSWORD="+secret,
	)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", cfg.SecretKey, "db", cfg.Database.URL, "cfg", cfg)
	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for name, printed := range map[string]string{
		"%v": fmt.Sprintf("%v", cfg), "%+v": fmt.Sprintf("%+v", cfg), "%#v": fmt.Sprintf("%#v", cfg), "%s": fmt.Sprintf("db %s", cfg.Database),
		"%#v of parts": fmt.Sprintf("%#v %#v %+v", cfg.Database, cfg.Mail, cfg.Mail), "slog": log.String(), "json": string(encoded), "dump": fmt.Sprintf("%+v", cfg.Dump()),
	} {
		if strings.Contains(printed, "hunter2") {
			t.Errorf("%s shows the secret: %s", name, printed)
		}
	}
	if got, want := cfg.Database.String(), "postgres://u:********@h:5432/n"; got != want {
		t.Errorf("Database.String() = %q, want %q", got, want)
	}
}

func TestDump(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg, _, err := config.Load([]string{"DATA_DIR=" + dir, "REDIS_URL=redis://u:p@h/1", "THROTTLE_ANON="}, "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]config.Setting{}
	for _, s := range cfg.Dump() {
		if s.Doc == "" || s.Group == "" || s.Source == "" {
			t.Errorf("%s lacks a doc, a group or a source: %+v", s.Name, s)
		}
		if _, twice := got[s.Name]; twice {
			t.Errorf("%s is dumped twice", s.Name)
		}
		got[s.Name] = config.Setting{Value: s.Value, Source: s.Source, Default: s.Default}
	}
	for name, want := range map[string]config.Setting{
		"SECRET_KEY":    {Value: "********", Source: filepath.Join(dir, "secret_key")},
		"REDIS_URL":     {Value: "redis://u:********@h/1", Source: "environment"},
		"THROTTLE_ANON": {Value: "", Source: "environment", Default: "100/hour"},
		"DB_NAME":       {Value: filepath.Join(dir, "bdash.db"), Source: "derived"},
		"ADDR":          {Value: ":8000", Source: "default", Default: ":8000"},
		"LOG_LEVEL":     {Value: "info", Source: "derived"},
		"EMAIL_PORT":    {Value: "25", Source: "derived"},
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
