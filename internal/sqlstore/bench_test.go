package sqlstore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// benchDB has 1000 themes of one user.
func benchDB(b *testing.B) (*sqlstore.DB, string) {
	b.Helper()
	address := sqltest.URL(b)
	d, err := sqlstore.Open(b.Context(), address, sqlstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close() })
	err = d.InTx(b.Context(), func(tx *sqlstore.Tx) error {
		err := insertUser(b.Context(), tx.DBTX(), 1, "bench", "user")
		for i := range int64(1000) {
			err = errors.Join(err, insertTheme(b.Context(), tx.DBTX(), i+1, 1, fmt.Sprint("Theme ", i), i == 0))
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return d, strings.TrimPrefix(address, "sqlite://")
}

const pointRead = `SELECT id, user_id, name, description, color_mode, colors, palettes, is_active, is_default,
	source_id, created_at, updated_at FROM themes WHERE id = $1`

type pointRow struct {
	id, user                              int64
	name, description, colorMode, colours string
	palettes                              *string
	active, isDefault                     bool
	source                                *int64
	created, updated                      time.Time
}

func (r *pointRow) dests() []any {
	return []any{
		&r.id, &r.user, &r.name, &r.description, &r.colorMode, &r.colours, &r.palettes,
		&r.active, &r.isDefault, &r.source, &r.created, &r.updated,
	}
}

// The price of the adapter: a row by its primary key, against database/sql with
// a prepared statement kept by hand and the driver's own conversions.
func BenchmarkSQLitePointRead(b *testing.B) {
	d, path := benchDB(b)
	b.Run("adapter", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			var r pointRow
			if err := d.ReadDBTX().QueryRow(b.Context(), pointRead, int64(i%1000+1)).Scan(r.dests()...); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by_hand", func(b *testing.B) {
		u := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(10000)&_pragma=query_only(1)&_timezone=UTC"}
		bare, err := sql.Open("sqlite", u.String())
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = bare.Close() }()
		stmt, err := bare.PrepareContext(b.Context(), pointRead)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			var r pointRow
			if err := stmt.QueryRowContext(b.Context(), int64(i%1000+1)).Scan(r.dests()...); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSQLiteListPage(b *testing.B) {
	d, _ := benchDB(b)
	spec := sqlstore.ListSpec{
		Columns: "id, name, created_at, updated_at", From: "themes", Where: "user_id = $1", Args: []any{int64(1)}, ID: "id",
		Order: map[string]sqlstore.OrderKey{"name": {Expr: "name"}},
	}
	b.ReportAllocs()
	for b.Loop() {
		req := page.Request{Number: 1, Size: 20, Ordering: []page.Order{{Field: "name"}}}
		res, err := sqlstore.ListPage(b.Context(), d.ReadDBTX(), spec, req, scanBench)
		if err != nil || len(res.Items) != 20 {
			b.Fatal(len(res.Items), err)
		}
	}
}

func scanBench(rows pgx.Rows) (r pointRow, err error) {
	return r, rows.Scan(&r.id, &r.name, &r.created, &r.updated)
}

func BenchmarkForeignWrites(b *testing.B) {
	d, _ := benchDB(b)
	b.ReportAllocs()
	for b.Loop() {
		d.ForeignWrites()
	}
}

func BenchmarkSQLiteWrite(b *testing.B) {
	d, _ := benchDB(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := d.WriteDBTX().Exec(b.Context(), "UPDATE themes SET description = $1 WHERE id = $2", "x", int64(i%1000+1)); err != nil {
			b.Fatal(err)
		}
	}
}
