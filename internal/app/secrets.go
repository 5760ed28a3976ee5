package app

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/bdash/bdash/internal/config"
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
	for _, name := range []string{secretKeyFile, dbPasswordFile} {
		made, err := config.MakeSecretFile(filepath.Join(c.Dir, name))
		if err != nil {
			return fmt.Errorf("make %s: %w", name, err)
		}
		if made {
			fmt.Fprintf(p.Stdout, "%s made in %s\n", name, c.Dir)
		}
	}
	return nil
}
