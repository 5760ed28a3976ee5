package djangoimport

import (
	"context"
	"fmt"

	"github.com/bdash/bdash/internal/sqlstore"
)

// raiseSequences makes sure that bdash gives no row an id that Django ever
// gave. That comes before the first row: bdash may be serving, and a kill may
// leave the import half done. It covers ids whose rows are gone, too: a token
// of a deleted user must not fit the next one who registers.
func (im *run) raiseSequences(ctx context.Context) error {
	if im.opts.DryRun {
		return nil // PostgreSQL does not roll sequences back
	}
	last := map[string]int64{}
	for _, st := range im.order {
		if len(st.columns) == 0 {
			continue
		}
		n, err := im.src.lastID(ctx, st.spec.name)
		if err != nil {
			return fmt.Errorf("find the last id of %s: %w", st.spec.name, err)
		}
		if len(st.rows) > 0 {
			n = max(n, st.rows[len(st.rows)-1].id)
		}
		if n > 0 {
			last[st.spec.name] = min(n, maxID)
		}
	}
	raise := raiseSQLite
	if im.engine == sqlstore.Postgres {
		raise = raisePostgres
	}
	return im.inTx(ctx, func(q dbtx) error {
		for _, table := range sortedKeys(last) {
			if err := raise(ctx, q, table, last[table]); err != nil {
				return fmt.Errorf("raise the sequence of %s: %w", table, err)
			}
		}
		return nil
	})
}

func raiseSQLite(ctx context.Context, q dbtx, table string, last int64) error {
	tag, err := q.Exec(ctx, "UPDATE sqlite_sequence SET seq = max(seq, $2) WHERE name = $1", table, last)
	if err != nil || tag.RowsAffected() > 0 {
		return err
	}
	_, err = q.Exec(ctx, "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)", table, last)
	return err
}

func raisePostgres(ctx context.Context, q dbtx, table string, last int64) error {
	var sequence string
	if err := q.QueryRow(ctx, "SELECT pg_get_serial_sequence($1, 'id')", table).Scan(&sequence); err != nil {
		return err
	}
	var given int64
	// The name comes quoted from the server.
	err := q.QueryRow(ctx, "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM "+sequence).Scan(&given)
	if err != nil || given >= last {
		return err
	}
	_, err = q.Exec(ctx, "SELECT setval(CAST(CAST($1 AS TEXT) AS REGCLASS), $2)", sequence, last)
	return err
}
