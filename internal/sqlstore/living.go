package sqlstore

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/identity"
)

// maxLiving is how many sessions or keys one statement asks for: SQLite takes
// 32,766 parameters, PostgreSQL 65,535.
const maxLiving = 10_000

const (
	livingSessions = `SELECT sessions.id, users.id, users.role, users.status, users.is_active
FROM sessions JOIN users ON users.id = sessions.user_id
WHERE sessions.ended_at IS NULL AND sessions.expires_at > $1 AND sessions.id IN (`
	livingKeys = `SELECT api_keys.id, api_keys.scopes, users.id, users.role, users.status, users.is_active
FROM api_keys JOIN users ON users.id = api_keys.user_id
WHERE (api_keys.expires_at IS NULL OR api_keys.expires_at > $1) AND api_keys.id IN (`
)

// Living implements auth.Store.
func (s *Auth) Living(ctx context.Context, sessions []string, keys []int64, now time.Time) (auth.Living, error) {
	living := auth.Living{Sessions: map[string]account.User{}, Keys: map[int64]auth.Access{}}
	err := amongIDs(ctx, s.DB, livingSessions, sessions, now, func(rows pgx.Rows) error {
		var id string
		var u account.User
		err := rows.Scan(&id, &u.ID, &u.Role, &u.Status, &u.IsActive)
		living.Sessions[id] = u
		return err
	})
	if err != nil {
		return living, err
	}
	err = amongIDs(ctx, s.DB, livingKeys, keys, now, func(rows pgx.Rows) error {
		var k auth.Key
		var scopes string
		var u account.User
		err := rows.Scan(&k.ID, &scopes, &u.ID, &u.Role, &u.Status, &u.IsActive)
		for word := range strings.FieldsSeq(scopes) {
			k.Scopes = append(k.Scopes, identity.Scope(word))
		}
		living.Keys[k.ID] = auth.Access{User: u, Key: &k}
		return err
	})
	return living, err
}

// amongIDs runs a statement that ends in "IN (" for the ids, $1 being now.
// Sizes are rounded up to powers of two, so that few texts are prepared.
func amongIDs[T any](ctx context.Context, d *DB, text string, ids []T, now time.Time, scan func(pgx.Rows) error) error {
	for batch := range slices.Chunk(ids, maxLiving) {
		var b strings.Builder
		b.WriteString(text)
		args := []any{now}
		size := 1
		for size < len(batch) {
			size *= 2
		}
		for i := range size {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("$" + strconv.Itoa(i+2))
			args = append(args, batch[min(i, len(batch)-1)])
		}
		b.WriteByte(')')
		rows, err := d.ReadDBTX().Query(ctx, b.String(), args...)
		if err != nil {
			return err
		}
		for rows.Next() {
			if err := scan(rows); err != nil {
				rows.Close()
				return err
			}
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return nil
}
