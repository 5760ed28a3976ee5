// Command gendoc writes what the settings say about themselves into the
// README's settings table and into .env.example.
//
// Run it in the root of the repository, as `go run ./internal/config/gendoc`.
// With -check it changes nothing and fails when a file is not fresh.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bdash/bdash/internal/config"
)

const (
	startMark = "<!-- settings:start -->"
	endMark   = "<!-- settings:end -->"
)

func main() {
	check := flag.Bool("check", false, "only tell whether the files are fresh")
	root := flag.String("root", ".", "root of the repository")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "gendoc:", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	readme := filepath.Join(root, "README.md")
	old, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	text, err := withTable(old, config.Settings())
	if err != nil {
		return err
	}
	return errors.Join(
		put(readme, text, check),
		put(filepath.Join(root, ".env.example"), exampleEnv(config.Settings()), check),
	)
}

// put writes the file, or with check tells that it would change.
func put(path string, want []byte, check bool) error {
	have, err := os.ReadFile(path)
	if err == nil && bytes.Equal(have, want) {
		return nil
	}
	if check {
		return fmt.Errorf("%s is not fresh: run go run ./internal/config/gendoc", path)
	}
	return os.WriteFile(path, want, 0o644)
}

// withTable replaces what stands between the marks of the README.
func withTable(readme []byte, settings []config.Setting) ([]byte, error) {
	before, rest, ok := bytes.Cut(readme, []byte(startMark))
	_, after, ok2 := bytes.Cut(rest, []byte(endMark))
	if !ok || !ok2 {
		return nil, fmt.Errorf("README.md lacks the lines %s and %s, in this order", startMark, endMark)
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(startMark + "\n")
	group := ""
	for _, s := range settings {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, "\n**%s**\n\n| Setting | Default | What it does |\n|---|---|---|\n", group)
		}
		def := ""
		if s.Default != "" {
			def = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Name, def, strings.ReplaceAll(s.Doc, "|", `\|`))
	}
	b.WriteString("\n" + endMark)
	b.Write(after)
	return b.Bytes(), nil
}

// exampleEnv is a .env file in which every setting stands as a comment, so
// that a copy of it changes nothing until a line is uncommented.
func exampleEnv(settings []config.Setting) []byte {
	var b bytes.Buffer
	b.WriteString("# Settings of bdash. Copy this file to .env and uncomment what should differ.\n" +
		"# One NAME=value a line; comments stand on lines of their own; nothing is expanded.\n" +
		"# Generated from internal/config: change it there.\n")
	group := ""
	for _, s := range settings {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, "\n# ---- %s ----\n", group)
		}
		fmt.Fprintf(&b, "\n# %s\n#%s=%s\n", s.Doc, s.Name, s.Default)
	}
	return b.Bytes()
}
