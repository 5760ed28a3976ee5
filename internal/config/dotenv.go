package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// maxDotenvBytes bounds what is read as a .env file: a path given by mistake
// must not fill the memory.
const maxDotenvBytes = 1 << 20

// dotenv is what one .env file says.
type dotenv struct {
	name     string // base name, for messages
	values   map[string]string
	warnings []Warning
}

// readDotenv reads the file at path by the rules of python-decouple, which the
// Django deployment used: one NAME=value a line, a # at the start of a line is
// a comment, one pair of matching quotes around the value is dropped. Nothing
// is expanded, unescaped or cut off inside a value, because generated Django
// keys hold $ and # and must sign here what they signed there. A file that
// does not exist says nothing; an unreadable one is an error.
func readDotenv(path string) (dotenv, error) {
	d := dotenv{name: filepath.Base(path), values: map[string]string{}}
	if path == "" {
		return d, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d, nil
	case err != nil:
		return d, fmt.Errorf("%s cannot be read (%w): make it readable for the user that runs bdash", path, err)
	case !info.Mode().IsRegular():
		return d, fmt.Errorf("%s is not a regular file: put the settings into a file of that name, or remove it", path)
	case info.Size() > maxDotenvBytes:
		return d, fmt.Errorf("%s is larger than 1 MiB: keep only NAME=value lines in it", path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return d, fmt.Errorf("%s cannot be read (%w): make it readable for the user that runs bdash", path, err)
	}
	return d, d.parse(path, raw)
}

func (d *dotenv) parse(path string, raw []byte) error {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")) // Windows editors write a byte order mark
	if !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
		return fmt.Errorf("%s is not UTF-8 text: save it as UTF-8", path)
	}
	for i, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		name = strings.TrimSpace(strings.TrimPrefix(name, "export "))
		if !found || name == "" {
			d.warn("", "line %d of %s is not NAME=value and is ignored.", i+1, d.name)
			continue
		}
		value = strings.TrimSpace(value)
		if unquoted, ok := unquote(value); ok {
			value = unquoted
		} else if strings.Contains(value, " #") {
			d.warn(name, "line %d of %s: everything after %s= is the value, also what follows the #. Put comments on lines of their own.", i+1, d.name, name)
		}
		if _, twice := d.values[name]; twice {
			d.warn(name, "%s stands in %s more than once; the last one counts.", name, d.name)
		}
		d.values[name] = value
	}
	return nil
}

func (d *dotenv) warn(name, format string, args ...any) {
	d.warnings = append(d.warnings, Warning{Name: name, Text: fmt.Sprintf(format, args...)})
}

func unquote(s string) (string, bool) {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1], true
	}
	return s, false
}
