package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

// migrateLock is the advisory lock under which one instance at a time migrates:
// the letters "bdashriv".
const migrateLock = 0x6264617368726976

// Migrate brings River's tables to the version that this binary knows. It does
// nothing when they are, may be called by any number of instances at once, and
// refuses a database that a newer River has migrated.
func (c *Client) Migrate(ctx context.Context) error {
	var err error
	if c.lite != nil {
		err = c.migrateSQLite(ctx)
	} else {
		err = c.migratePG(ctx)
	}
	if err != nil {
		return fmt.Errorf("migrate job tables: %w", err)
	}
	return nil
}

func (c *Client) migrateSQLite(ctx context.Context) error {
	m, current, err := migrator(ctx, c, riversqlite.New(c.cfg.SQLite))
	if err != nil || current {
		return err
	}
	// The writer begins transactions with BEGIN IMMEDIATE, so another process on
	// the same file waits here, and then finds nothing left to do. River advises
	// against one transaction for all steps because of a PostgreSQL enum; SQLite
	// has none.
	tx, err := c.cfg.SQLite.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	//nolint:staticcheck // deprecated for PostgreSQL only, see above
	if _, err := m.MigrateTx(ctx, tx, rivermigrate.DirectionUp, nil); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (c *Client) migratePG(ctx context.Context) error {
	if _, current, err := migrator(ctx, c, riverpgxv5.New(c.cfg.Pool)); err != nil || current {
		return err
	}
	// A lock that ends with its transaction also works behind a pooler.
	tx, err := c.cfg.Pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // releases the lock; nothing else is in it
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrateLock)); err != nil {
		return err
	}
	// River's steps run on a connection of their own: taken from the same pool
	// they could wait for connections held by others waiting for the lock.
	pc := c.cfg.Pool.Config()
	pc.MinConns, pc.MinIdleConns, pc.MaxConns = 0, 0, 1
	own, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return err
	}
	defer own.Close()
	m, current, err := migrator(ctx, c, riverpgxv5.New(own))
	if err != nil || current {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// migrator also tells whether every step has been applied already.
func migrator[TTx any](ctx context.Context, c *Client, d riverdriver.Driver[TTx]) (*rivermigrate.Migrator[TTx], bool, error) {
	m, err := rivermigrate.New(d, &rivermigrate.Config{Logger: slog.New(quiet{c.log.Handler()})})
	if err != nil {
		return nil, false, err
	}
	applied, err := m.ExistingVersions(ctx) // an error, too, if there are unknown ones
	if err != nil {
		return nil, false, err
	}
	return m, len(applied) == len(m.AllVersions()), nil
}
