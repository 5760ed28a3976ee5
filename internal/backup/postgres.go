package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strings"

	"github.com/bdash/bdash/internal/sqlstore"
)

// dumpPostgres runs pg_dump on the very snapshot whose rows were counted.
func (m *Maker) dumpPostgres(ctx context.Context, data string, manifest *Manifest) error {
	db, err := sqlstore.Open(ctx, m.Database.URL, sqlstore.Options{MaxConns: 2})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if manifest.Schema, err = db.SchemaVersion(ctx); err != nil {
		return err
	}
	return db.Snapshot(ctx, func(ctx context.Context, id string, sums []sqlstore.TableSum) error {
		manifest.Tables = sums
		return m.run(ctx, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--snapshot="+id, "--file="+data)
	})
}

// restorePostgres fills the empty database in one transaction.
func (m *Maker) restorePostgres(ctx context.Context, data string) error {
	return m.run(ctx, "pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", data)
}

// run runs one of PostgreSQL's programs on the database. The password goes by
// the environment, for arguments can be seen by everybody on the machine.
func (m *Maker) run(ctx context.Context, program string, args ...string) error {
	address, password, err := libpqURL(m.Database.URL)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("%s is not installed: backups of PostgreSQL need its client programs, of the server's version or newer (Debian: postgresql-client): %w", program, err)
	}
	cmd := exec.CommandContext(ctx, program, append([]string{"--no-password", "--dbname=" + address}, args...)...)
	cmd.Env = append(cmd.Environ(), "PGPASSWORD="+password)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Run(); err != nil {
		return errors.Join(ctx.Err(), fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(complaint.String())))
	}
	return nil
}

// libpqURL takes out of a URL the password, and what pgx understands and libpq
// does not.
func libpqURL(raw string) (address, password string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", errors.New("the database's address cannot be read") // the error would quote the password
	}
	if u.User != nil {
		password, _ = u.User.Password()
		u.User = url.User(u.User.Username())
	}
	query := u.Query()
	if password == "" {
		password = query.Get("password")
	}
	query.Del("password")
	for name := range query {
		if strings.HasPrefix(name, "pool_") || name == "default_query_exec_mode" || name == "statement_cache_capacity" || name == "description_cache_capacity" {
			query.Del(name)
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), password, nil
}
