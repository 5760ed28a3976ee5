package djangoimport

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	deniedTable      = "denied_tokens"
	blacklistTable   = "token_blacklist_blacklistedtoken"
	outstandingTable = "token_blacklist_outstandingtoken"
)

// denyTokens takes over the refresh tokens that were revoked and have not
// expired yet. The blacklist names rows of the outstanding tokens, and these
// know the jti.
func (im *run) denyTokens(ctx context.Context) error {
	counts := im.ledger.table(deniedTable)
	if _, ok := im.schema[blacklistTable]; !ok {
		return nil
	}
	revoked := map[string]int64{}
	err := im.src.each(ctx, blacklistTable, []string{"id", "token_id"}, "id", func(v []*string) error {
		counts.Source++
		if v[0] == nil || v[1] == nil {
			im.skipToken(0, "the revoked token is not known")
			return nil
		}
		id, _ := parseInt(*v[0])
		revoked[*v[1]] = id
		return nil
	})
	if err != nil || len(revoked) == 0 {
		return err
	}
	columns := im.schema[outstandingTable]
	var rows [][]any
	if slices.Contains(columns, "jti") {
		err = im.src.each(ctx, outstandingTable, []string{"id", "jti", "expires_at"}, "id", func(v []*string) error {
			if v[0] == nil {
				return nil
			}
			entry, ok := revoked[*v[0]]
			if !ok {
				return nil
			}
			delete(revoked, *v[0])
			if row := im.deny(entry, v[1], v[2]); row != nil {
				rows = append(rows, row)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, id := range revoked {
		im.skipToken(id, "the revoked token is not known")
	}
	return im.insertDenied(ctx, rows)
}

// deny makes the row for a revoked token; nil if there is nothing to deny.
func (im *run) deny(entry int64, jti, expires *string) []any {
	if jti == nil || expires == nil || *jti == "" {
		im.skipToken(entry, "the revoked token is not known")
		return nil
	}
	until, ok := parseTime(*expires, time.UTC)
	if !ok {
		im.skipToken(entry, "the revoked token has no time of expiry that can be read")
		return nil
	}
	if !until.After(im.now) {
		im.skipToken(entry, "the revoked token has expired: there is nothing to deny")
		return nil
	}
	clean, _ := cleanText(*jti)
	return []any{clean, until}
}

func (im *run) skipToken(id int64, reason string) {
	im.ledger.table(deniedTable).Skipped++
	im.ledger.add(finding{kind: NotTaken, table: deniedTable, id: id, reason: reason})
}

func (im *run) insertDenied(ctx context.Context, rows [][]any) error {
	counts := im.ledger.table(deniedTable)
	for page := range slices.Chunk(rows, im.opts.BatchSize) {
		var taken int64
		err := im.inTx(ctx, func(q dbtx) error {
			taken = 0
			for _, row := range page {
				tag, err := q.Exec(ctx, "INSERT INTO denied_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", row...)
				if err != nil {
					return fmt.Errorf("deny a token: %w", err)
				}
				taken += tag.RowsAffected()
			}
			return nil
		})
		if err != nil {
			return err
		}
		counts.Taken += taken
		counts.Unchanged += int64(len(page)) - taken
		if im.opts.Progress != nil {
			im.opts.Progress.Step(deniedTable, counts.Taken+counts.Unchanged, int64(len(rows)))
		}
	}
	return nil
}
