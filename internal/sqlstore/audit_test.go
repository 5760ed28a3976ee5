package sqlstore_test

import (
	"testing"
	"time"

	"github.com/bdash/bdash/internal/audit"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

func TestAuditEntriesAreNeverChanged(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
		store := &sqlstore.Audit{DB: d}
		if err := store.Append(t.Context(), audit.Entry{At: time.Now().UTC(), Action: "x", Outcome: audit.OK, Detail: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.WriteDBTX().Exec(t.Context(), "UPDATE audit_entries SET action = 'y'"); err == nil {
			t.Error("an entry was changed, want an error")
		}
		got, err := store.After(t.Context(), audit.Query{}, 0, 10)
		if err != nil || len(got) != 1 || got[0].Action != "x" {
			t.Errorf("After = %v, %v, want the entry as it was", got, err)
		}
	})
}
