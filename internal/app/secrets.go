package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Names of the files that `bdash init-secrets` makes.
const (
	secretKeyFile  = "secret_key"
	dbPasswordFile = "db_password"
)

type initSecretsCommand struct {
	Dir string `arg:"" help:"Folder for the files, such as a volume that the containers share."`
}

// Run implements the command: a first start in containers needs no secret that
// somebody invented. What exists is left alone.
func (c *initSecretsCommand) Run(_ context.Context, p *Process) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{secretKeyFile, dbPasswordFile} {
		made, err := makeSecret(filepath.Join(c.Dir, name))
		if err != nil {
			return fmt.Errorf("make %s: %w", name, err)
		}
		if made {
			fmt.Fprintf(p.Stdout, "%s made in %s\n", name, c.Dir)
		}
	}
	return nil
}

// makeSecret writes 32 random bytes as text into a new file, whole or not at
// all; false if there is a file already.
func makeSecret(path string) (bool, error) {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	random := make([]byte, 32)
	rand.Read(random) // never fails: crypto/rand ends the process instead
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return false, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(base64.RawURLEncoding.EncodeToString(random) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return false, err
	}
	// A link fails where another process was first; its secret counts.
	err = os.Link(tmp.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}
