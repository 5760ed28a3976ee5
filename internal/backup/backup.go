// Package backup makes copies of a whole installation's database while it is in
// use, and puts them back into an empty place.
//
// A backup is one file, bdash-<time>.tar.gz: manifest.json says what is inside,
// manifest.sig proves with the SECRET_KEY that nobody changed it, and data is
// the database, an SQLite file or the custom format of pg_dump. The manifest
// holds the checksum of data and what every table held; a restore is done only
// when both are found again. The key itself is never inside, only its
// fingerprint.
package backup

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/bdash/bdash/internal/sqlstore"
)

// format is the version of the file format.
const format = 1

// Manifest says what a backup holds.
type Manifest struct {
	Format  int       `json:"format"`
	Bdash   string    `json:"bdash"` // the version that made it
	Created time.Time `json:"created_at"`
	Engine  string    `json:"engine"` // sqlite or postgres
	Schema  int64     `json:"schema"` // the last migration that the database has seen
	// KeyFingerprint tells keys apart and gives nothing away about them.
	KeyFingerprint string              `json:"key_fingerprint"`
	Data           Data                `json:"data"`
	Tables         []sqlstore.TableSum `json:"tables"`
}

// Data describes the copy of the database.
type Data struct {
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// Rows is how many rows all tables hold.
func (m *Manifest) Rows() int64 {
	var n int64
	for _, t := range m.Tables {
		n += t.Rows
	}
	return n
}

// Errors of a restore, and of a verification.
var (
	// ErrDamaged: the file is cut off, altered, or no backup.
	ErrDamaged = errors.New("the backup is damaged or was altered")
	// ErrOtherKey: it was made under another SECRET_KEY, so that what is sealed
	// in it could not be opened.
	ErrOtherKey = errors.New("the backup was made under another SECRET_KEY")
	// ErrOtherEngine: it is of the other database system.
	ErrOtherEngine = errors.New("the backup is of another database engine")
	// ErrNewer: a newer bdash made it.
	ErrNewer = errors.New("the backup was made by a newer version of bdash")
	// ErrNotEmpty: the target holds something.
	ErrNotEmpty = errors.New("the target is not empty")
	// ErrMismatch: what was restored is not what the manifest says.
	ErrMismatch = errors.New("the restored tables differ from the backup")
)

// Database says which database to copy, or to fill.
type Database struct {
	// Path of the SQLite file, or else URL of PostgreSQL.
	Path, URL string
}

func (d Database) engine() sqlstore.Engine {
	if d.Path != "" {
		return sqlstore.SQLite
	}
	return sqlstore.Postgres
}

func (d Database) storeURL() string {
	if d.Path != "" {
		return "sqlite://" + d.Path
	}
	return d.URL
}

// Maker makes and restores backups.
type Maker struct {
	Database Database
	// Key is the SECRET_KEY, Fallbacks the former ones.
	Key       string
	Fallbacks []string
	Version   string
	// Now is the clock.
	Now func() time.Time
}

// Name is the file name of a backup made at t.
func Name(t time.Time) string { return "bdash-" + t.UTC().Format("20060102T150405.000Z") + ".tar.gz" }

// Make writes a backup as a new file into dir, whole or not at all, and gives
// its path. The database may be in use; what was committed when Make began is
// in it.
func (m *Maker) Make(ctx context.Context, dir string) (path string, manifest *Manifest, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	// In the same folder, so that the finished file only has to be renamed.
	work, err := os.MkdirTemp(dir, ".making-*")
	if err != nil {
		return "", nil, err
	}
	defer os.RemoveAll(work)
	manifest = &Manifest{Format: format, Bdash: m.Version, Created: m.Now().UTC(), Engine: string(m.Database.engine()), KeyFingerprint: Fingerprint(m.Key)}
	data := filepath.Join(work, "data")
	if m.Database.engine() == sqlstore.SQLite {
		err = m.copySQLite(ctx, data, manifest)
	} else {
		err = m.dumpPostgres(ctx, data, manifest)
	}
	if err != nil {
		return "", nil, err
	}
	if manifest.Data, err = describe(data); err != nil {
		return "", nil, err
	}
	done := filepath.Join(work, "done")
	if err := m.pack(done, data, manifest); err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, Name(manifest.Created))
	if err := os.Link(done, path); err != nil { // unlike a rename it replaces nothing
		return "", nil, err
	}
	return path, manifest, syncDir(dir)
}

func (m *Maker) copySQLite(ctx context.Context, data string, manifest *Manifest) error {
	err := sqlstore.CopySQLite(ctx, m.Database.Path, data)
	if err == nil {
		manifest.Schema, manifest.Tables, err = sqlstore.ReadCopy(ctx, data)
	}
	if err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	return nil
}

func describe(path string) (Data, error) {
	f, err := os.Open(path)
	if err != nil {
		return Data{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return Data{Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Fingerprint tells keys apart. Like a token, it lets a key that is easily
// guessed be guessed, and nothing else.
func Fingerprint(key string) string {
	raw, err := hkdf.Key(sha256.New, []byte(key), nil, "bdash backup fingerprint", 8)
	if err != nil {
		panic(err) // lengths are constants
	}
	return hex.EncodeToString(raw)
}

// sign is the proof that whoever holds key wrote the manifest.
func sign(key string, manifest []byte) []byte {
	secret, err := hkdf.Key(sha256.New, []byte(key), nil, "bdash backup manifest", 32)
	if err != nil {
		panic(err) // lengths are constants
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(manifest)
	return mac.Sum(nil)
}

func (m *Maker) encode(manifest *Manifest) (text, signature []byte, err error) {
	text, err = json.MarshalIndent(manifest, "", "  ")
	return text, sign(m.Key, text), err
}
