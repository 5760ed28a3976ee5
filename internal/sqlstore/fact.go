package sqlstore

import (
	"context"
	"crypto/rand"

	"github.com/bdash/bdash/internal/sqlstore/db"
)

// InstallationID is a random word that belongs to this database: made once,
// the same for every process that uses it. Keys in shared places (Redis) carry
// it, so that another database is never taken for this one.
func (d *DB) InstallationID(ctx context.Context) (string, error) {
	const name = "installation_id"
	id, err := d.R().Fact(ctx, name)
	if !IsNoRows(err) {
		return id, err
	}
	if err := d.W().SetFactOnce(ctx, db.SetFactOnceParams{Name: name, Value: rand.Text()}); err != nil {
		return "", err
	}
	return d.R().Fact(ctx, name)
}
