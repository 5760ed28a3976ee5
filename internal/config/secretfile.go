package config

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
)

// fileSuffix names the file that holds a secret: SECRET_KEY_FILE. Containers
// hand secrets over as files (https://docs.docker.com/compose/how-tos/use-secrets/).
const fileSuffix = "_FILE"

// maxSecretBytes bounds what is read as a secret: a list of keys is not longer.
const maxSecretBytes = 64 << 10

var errNoSecret = errors.New("it is not a file with a secret")

// takesFile tells whether the setting may be given as a file.
func (f field) takesFile() bool { return f.secret || f.typ == reflect.TypeFor[SecretURL]() }

// secretFiles reads the secrets that are given as files. One line end after
// the secret is not part of it.
func (l *loader) secretFiles(process map[string]string, file dotenv) {
	for _, f := range fields {
		if !f.takesFile() {
			continue
		}
		name := f.name + fileSuffix
		path, where := process[name], "the environment"
		if path == "" {
			path, where = file.values[name], file.name
		}
		if path == "" {
			continue
		}
		if l.cfg.given[f.name].value != "" {
			l.problem(f.name, "%s and %s are both set: keep one of them.", f.name, name)
			continue
		}
		value, err := readSecret(path)
		if err != nil {
			l.problem(f.name, "%s in %s names a file that cannot be read: %v.", name, where, err)
			continue
		}
		if value == "" {
			l.problem(f.name, "the file %s that %s names is empty.", path, name)
			continue
		}
		l.cfg.given[f.name] = given{l.tidy(f, value), path}
	}
}

func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecretBytes {
		return "", &os.PathError{Op: "read", Path: path, Err: errNoSecret}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	value := strings.TrimSuffix(string(raw), "\n")
	return strings.TrimSuffix(value, "\r"), nil
}

// secretFileName tells whether name is that of a setting given as a file.
func secretFileName(name string) bool {
	base, is := strings.CutSuffix(name, fileSuffix)
	return is && slices.ContainsFunc(fields, func(f field) bool { return f.name == base && f.takesFile() })
}
