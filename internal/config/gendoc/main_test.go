package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/config"
)

func TestFilesOfTheRepositoryAreFresh(t *testing.T) {
	t.Parallel()
	if err := run("../../..", true); err != nil {
		t.Error(err)
	}
}

func TestRunWritesAndThenFindsFresh(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	readme := filepath.Join(root, "README.md")
	const text = "# Title\n\nbefore\n" + startMark + "\nold\n" + endMark + "\nafter\n"
	if err := os.WriteFile(readme, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(root, true); err == nil || strings.Count(err.Error(), "not fresh") != 2 {
		t.Errorf("run(check) on stale files = %v, want both files named", err)
	}
	if err := run(root, false); err != nil {
		t.Fatal(err)
	}
	if err := run(root, true); err != nil {
		t.Errorf("run(check) after run = %v, want nil", err)
	}
	got, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"before\n", "\nafter\n", "| `ADDR` | `:8000` |", "**Mail**"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("README lacks %q", want)
		}
	}
	if strings.Contains(string(got), "\nold\n") {
		t.Error("README still holds the old table")
	}
}

func TestReadmeWithoutMarksIsRefused(t *testing.T) {
	t.Parallel()
	for _, readme := range []string{"", startMark, endMark + startMark} {
		if _, err := withTable([]byte(readme), config.Settings()); err == nil {
			t.Errorf("withTable(%q) = nil error, want one that names the marks", readme)
		}
	}
}

// A copy of .env.example must change nothing; uncommented, it must be sound.
func TestExampleIsSoundWhenUncommented(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	example := string(exampleEnv(config.Settings()))
	for _, s := range config.Settings() {
		example = strings.Replace(example, "\n#"+s.Name+"=", "\n"+s.Name+"=", 1)
	}
	path := filepath.Join(dir, ".env")
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, warnings, err := config.Load([]string{"DATA_DIR=" + dir}, path)
	if err != nil || len(warnings) != 0 {
		t.Fatalf("Load(.env.example, uncommented) = %v, %v, want no warning and no error", warnings, err)
	}
	plain, _, err := config.Load([]string{"DATA_DIR=" + dir}, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.String(), plain.String(); got != want {
		t.Errorf("settings of the uncommented example:\n%s\nwant those of no file:\n%s", got, want)
	}
}
