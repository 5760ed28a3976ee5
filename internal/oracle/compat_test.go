package oracle_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/oracle"
)

var update = flag.Bool("update", false, "write docs/compat.md")

func TestCompatDocument(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "docs", "compat.md")
	want, err := oracle.CompatDocument()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/compat.md is stale: run go generate ./internal/oracle")
	}
}

func TestCompatDocumentNamesEveryDeviation(t *testing.T) {
	t.Parallel()
	text, err := oracle.CompatDocument()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range oracle.Deviations() {
		if d.Reason == "" || !strings.Contains(text, strings.ReplaceAll(d.Name, "|", `\|`)) {
			t.Errorf("deviation %s %d %q: no reason, or not in the document", d.Scenario, d.Index, d.Name)
		}
	}
}
