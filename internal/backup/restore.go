package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bdash/bdash/internal/sqlstore"
)

// RestoreOptions tune Restore.
type RestoreOptions struct {
	// DropSecrets restores a backup of another key without what is sealed in
	// it: passwords of data sources have to be typed in again.
	DropSecrets bool
}

// Restore fills an empty database from a backup: an SQLite path at which there
// is no file, or a PostgreSQL database without tables. Nothing is left there
// unless what arrived is what the manifest says. ErrDamaged, ErrNewer,
// ErrOtherKey, ErrOtherEngine, ErrNotEmpty, ErrMismatch.
func (m *Maker) Restore(ctx context.Context, file io.Reader, opts RestoreOptions) (*Manifest, error) {
	o, err := m.open(file)
	if err != nil {
		return nil, err
	}
	if !o.trusted && !opts.DropSecrets {
		return nil, ErrOtherKey
	}
	if err := m.fits(o); err != nil {
		return nil, err
	}
	if m.Database.engine() == sqlstore.SQLite {
		return &o.Manifest, m.toSQLite(ctx, o, !o.trusted)
	}
	return &o.Manifest, m.toPostgres(ctx, o, !o.trusted)
}

func (m *Maker) fits(o *opened) error {
	if o.Engine != string(m.Database.engine()) {
		return fmt.Errorf("%w: it is of %s", ErrOtherEngine, o.Engine)
	}
	if o.Schema > sqlstore.LatestSchema() {
		return ErrNewer
	}
	return nil
}

// Verify restores a backup into a temporary place and compares it with its
// manifest. On PostgreSQL that place is a database of its own on the same
// server, which the user must be allowed to create. Errors as of Restore.
func (m *Maker) Verify(ctx context.Context, file io.Reader) (*Manifest, error) {
	dir, err := os.MkdirTemp("", "bdash-verify-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	trial := *m
	if m.Database.engine() == sqlstore.SQLite {
		trial.Database = Database{Path: filepath.Join(dir, "trial.db")}
		return trial.Restore(ctx, file, RestoreOptions{})
	}
	address, drop, err := sqlstore.TemporaryDatabase(ctx, m.Database.URL)
	if err != nil {
		return nil, fmt.Errorf("make a temporary database: %w", err)
	}
	defer drop()
	trial.Database = Database{URL: address}
	return trial.Restore(ctx, file, RestoreOptions{})
}

// toSQLite makes the file complete beside its place before it gets its name.
func (m *Maker) toSQLite(ctx context.Context, o *opened, drop bool) error {
	path := m.Database.Path
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if _, err := os.Stat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: there is a file %s; move it away first", ErrNotEmpty, path+suffix)
		}
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	work, err := os.MkdirTemp(folder, ".restoring-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	data, err := o.extract(ctx, work)
	if err != nil {
		return err
	}
	_, sums, err := sqlstore.ReadCopy(ctx, data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := same(o.Tables, sums); err != nil {
		return err
	}
	if drop {
		if err := dropSecrets(ctx, Database{Path: data}); err != nil {
			return err
		}
	}
	if err := os.Link(data, path); err != nil { // unlike a rename it replaces nothing
		return err
	}
	return syncDir(folder)
}

func (m *Maker) toPostgres(ctx context.Context, o *opened, drop bool) error {
	work, err := os.MkdirTemp("", "bdash-restore-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	data, err := o.extract(ctx, work)
	if err != nil {
		return err
	}
	db, err := sqlstore.Open(ctx, m.Database.URL, sqlstore.Options{MaxConns: 2})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	empty, err := db.Empty(ctx)
	if err != nil {
		return err
	}
	if !empty {
		return fmt.Errorf("%w: the database has tables; give bdash a new one", ErrNotEmpty)
	}
	if err := m.restorePostgres(ctx, data); err != nil {
		return err
	}
	sums, err := db.Sums(ctx)
	if err != nil {
		return err
	}
	if err := same(o.Tables, sums); err != nil {
		return fmt.Errorf("%w; drop this database and try again", err)
	}
	if drop {
		return dropSecrets(ctx, m.Database)
	}
	return nil
}

func dropSecrets(ctx context.Context, d Database) error {
	db, err := sqlstore.Open(ctx, d.storeURL(), sqlstore.Options{})
	if err != nil {
		return err
	}
	// A backup of an older bdash may not have the table yet.
	if _, err = db.Migrate(ctx); err == nil {
		_, err = db.DropSecrets(ctx)
	}
	return errors.Join(err, db.Close())
}

func same(want, got []sqlstore.TableSum) error {
	if len(want) != len(got) {
		return fmt.Errorf("%w: %d tables in place of %d", ErrMismatch, len(got), len(want))
	}
	byName := func(a, b sqlstore.TableSum) int { return strings.Compare(a.Table, b.Table) }
	want, got = slices.SortedFunc(slices.Values(want), byName), slices.SortedFunc(slices.Values(got), byName)
	for i := range want {
		if want[i] != got[i] {
			return fmt.Errorf("%w: %s has %d rows, the backup %d", ErrMismatch, got[i].Table, got[i].Rows, want[i].Rows)
		}
	}
	return nil
}
