package oracle

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
)

// RecordSeed returns the Django database (an SQLite file) that the scenarios start from: users admin, alice, bob, ina,
// pat, pager, gone and nopw with passwords "<name>-pass-123" and fixed ids.
func RecordSeed() ([]byte, error) { return unpack("record_seed.sqlite3.gz") }

// DjangoDatabase returns a realistic Django database of 52 users (an SQLite file), password "password-123", with
// demo@example.com and password "demo-pass-123" among them.
func DjangoDatabase() ([]byte, error) { return unpack("django_db.sqlite3.gz") }

// DjangoDump returns what pg_dump makes of the same data as [DjangoDatabase] on PostgreSQL.
func DjangoDump() ([]byte, error) { return unpack("django_db.sql.gz") }

func unpack(name string) ([]byte, error) {
	packed, err := testdata.ReadFile("testdata/" + name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	return plain, nil
}
