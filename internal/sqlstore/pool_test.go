package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// pools are the statistics by name.
func pools(d *sqlstore.DB) map[string]sqlstore.PoolStats {
	all := map[string]sqlstore.PoolStats{}
	for _, p := range d.PoolStats() {
		all[p.Name] = p
	}
	return all
}

func TestPoolStats(t *testing.T) {
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		d, err := sqlstore.Open(t.Context(), url, sqlstore.Options{MaxConns: 3})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		name, most := "reader", 3
		if d.Engine() == sqlstore.Postgres {
			name = "postgres"
		}
		if err := d.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := pools(d)[name]
		if got.Max != most || got.InUse != 0 || got.Open < 1 || got.Open > most {
			t.Errorf("%s at rest = %+v, want none of 1 to %d connections in use", name, got, most)
		}
		if d.Engine() == sqlstore.Postgres {
			wantBusyPool(t, d)
			return
		}
		if got.Waits != 0 || got.Waited != 0 {
			t.Errorf("%s at rest = %+v, want no waits", name, got)
		}
		wantBusyWriter(t, d)
	})
}

// wantBusyPool takes PostgreSQL's three connections.
func wantBusyPool(t *testing.T, d *sqlstore.DB) {
	t.Helper()
	for range 3 {
		conn, err := d.Pool().Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
	got := pools(d)["postgres"]
	if got.Open != 3 || got.InUse != 3 || got.Waits < 2 || got.Waited <= 0 {
		t.Errorf("postgres while it is held = %+v, want 3 of 3 in use and 2 waits or more", got)
	}
}

// wantBusyWriter holds SQLite's only writer and lets somebody wait for it.
func wantBusyWriter(t *testing.T, d *sqlstore.DB) {
	t.Helper()
	conn, err := d.Writer().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := d.Writer().Conn(ctx); err == nil {
		t.Fatal("a second writer connection was given out")
	}
	got := pools(d)["writer"]
	if got.Max != 1 || got.Open != 1 || got.InUse != 1 || got.Waits != 1 {
		t.Errorf("writer while it is held = %+v, want 1 of 1 in use and 1 wait", got)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if got := pools(d)["writer"]; got.InUse != 0 || got.Waited <= 0 {
		t.Errorf("writer after it was given back = %+v, want none in use and some time waited", got)
	}
}
