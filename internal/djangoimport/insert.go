package djangoimport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// outcome is what a transaction did; it counts only once that is committed.
type outcome struct {
	taken, updated, unchanged, changed []item
	skipped                            int64
	skippedMessages                    int64
	findings                           []finding
}

func (o *outcome) skip(it item, f finding) {
	o.skipped++
	o.skippedMessages += int64(len(it.messages))
	o.findings = append(o.findings, f)
}

// book enters an outcome in the report.
func (im *run) book(st *tableState, o outcome) {
	counts := im.ledger.table(st.spec.name)
	counts.Taken += int64(len(o.taken))
	counts.Updated += int64(len(o.updated))
	counts.Unchanged += int64(len(o.unchanged))
	counts.ChangedInBdash += int64(len(o.changed))
	counts.Skipped += o.skipped
	im.ledger.add(o.findings...)
	for _, list := range [][]item{o.taken, o.updated, o.unchanged} {
		for _, it := range list {
			im.ledger.add(it.findings...)
		}
	}
	for _, it := range o.taken {
		st.present[it.id] = true
	}
	if !st.spec.messages {
		return
	}
	m := im.ledger.table(messagesTable)
	taken, updated, unchanged := messageCount(o.taken), messageCount(o.updated), messageCount(o.unchanged)
	changed := messageCount(o.changed)
	m.Taken += taken
	m.Updated += updated
	m.Unchanged += unchanged
	m.ChangedInBdash += changed
	m.Skipped += o.skippedMessages
	m.Source += taken + updated + unchanged + changed + o.skippedMessages
}

func messageCount(items []item) (n int64) {
	for _, it := range items {
		n += int64(len(it.messages))
	}
	return n
}

// listed is the number of messages of a conversation of Django.
func listed(r *reader) int64 {
	var list []json.RawMessage
	if v := r.raw("messages"); v != nil {
		// What is no list has no messages, and is reported where it is taken.
		_ = json.Unmarshal([]byte(*v), &list)
	}
	return int64(len(list))
}

// insertRows takes the rows that no earlier import took.
func (im *run) insertRows(ctx context.Context, st *tableState) error {
	return im.pages(ctx, st, func(page []*reader) error {
		known := map[int64]string{}
		if st.entries > 0 {
			var err error
			lo, hi := span(page)
			if known, err = entries(ctx, im.q, st.spec.name, lo, hi); err != nil {
				return err
			}
		}
		var items []item
		var refused outcome
		var fresh int64
		for _, r := range page {
			if _, ok := known[r.id]; ok {
				continue
			}
			fresh++
			it, ok := st.spec.convert(im, r)
			if !ok {
				im.refuse(&refused, r)
				continue
			}
			it.findings = r.findings
			items = append(items, it)
		}
		if err := im.insertPage(ctx, st, items); err != nil {
			return err
		}
		im.book(st, refused)
		im.step(st, fresh)
		return nil
	})
}

// refuse notes a row that cannot be converted.
func (im *run) refuse(o *outcome, r *reader) {
	o.skipped++
	o.skippedMessages += listed(r)
	for _, f := range r.findings {
		if f.kind == NotTaken { // what else is odd about it no longer matters
			o.findings = append(o.findings, f)
		}
	}
}

// insertPage writes one batch in a transaction.
func (im *run) insertPage(ctx context.Context, st *tableState, items []item) error {
	if len(items) == 0 {
		return nil
	}
	var out outcome
	err := im.inTx(ctx, func(q dbtx) error {
		out = outcome{} // the transaction may be run again
		written, err := insertItems(ctx, q, st.spec, items)
		if err != nil {
			return err
		}
		for _, it := range items {
			if !written[it.id] {
				var ok bool
				if it, ok, err = im.insertHard(ctx, q, st.spec, it, &out); err != nil {
					return err
				}
				if !ok {
					continue
				}
			}
			out.taken = append(out.taken, it)
		}
		return im.finish(ctx, q, st, out.taken, true)
	})
	if err != nil {
		return err
	}
	im.book(st, out)
	return nil
}

// finish writes what goes with rows that were written.
func (im *run) finish(ctx context.Context, q dbtx, st *tableState, items []item, fresh bool) error {
	// A dry run on PostgreSQL would use up ids, which no rollback brings back.
	if st.spec.messages && !im.opts.DryRun {
		if err := writeMessages(ctx, q, items, fresh); err != nil {
			return err
		}
	}
	if st.entries > 0 {
		if err := moveVersions(ctx, q, st.spec, items); err != nil {
			return err
		}
	}
	return remember(ctx, q, st.spec, im.src.name(), im.now, items)
}

// insertHard writes a row that broke a rule together with a row of bdash's
// own: without what it claims, if that is possible, else not at all.
func (im *run) insertHard(ctx context.Context, q dbtx, t *tableSpec, it item, out *outcome) (item, bool, error) {
	taken, err := holder(ctx, q, t, []string{"id"}, []any{it.id}, 0)
	if err != nil {
		return it, false, err
	}
	if taken != 0 {
		return it, false, &ConflictError{Tables: []ConflictTable{{t.name, []int64{it.id}}}}
	}
	it.content = clone(it.content)
	for _, k := range t.keys {
		values, claims := k.claims(it.content)
		if !claims {
			continue
		}
		taken, err := holder(ctx, q, t, k.columns, values, it.id)
		switch {
		case err != nil:
			return it, false, err
		case taken == 0:
		case k.soften == nil:
			out.skip(it, finding{kind: NotTaken, table: t.name, id: it.id, reason: k.reason, detail: beside(taken)})
			return it, false, nil
		default:
			k.soften(it.content)
			it.findings = append(it.findings[:len(it.findings):len(it.findings)],
				finding{kind: Changed, table: t.name, id: it.id, reason: k.reason, detail: beside(taken)})
		}
	}
	written, err := insertItems(ctx, q, t, []item{it})
	if err != nil {
		return it, false, err
	}
	if !written[it.id] {
		return it, false, fmt.Errorf("the row %d cannot be written: it breaks a rule that the import does not know", it.id)
	}
	return it, true, nil
}

func beside(id int64) string { return fmt.Sprintf("id %d in bdash", id) }

func clone(c content) content {
	out := make(content, len(c))
	for k, v := range c {
		out[k] = v
	}
	return out
}

// holder gives the id of the row, other than self, that has the values in the
// columns; 0 if there is none.
func holder(ctx context.Context, q dbtx, t *tableSpec, columns []string, values []any, self int64) (int64, error) {
	var where []string
	for i, c := range columns {
		where = append(where, fmt.Sprintf("%s = $%d", c, i+2))
	}
	query := "SELECT id FROM " + t.name + " WHERE id <> $1 AND " + strings.Join(where, " AND ") + " LIMIT 1"
	var id int64
	err := q.QueryRow(ctx, query, append([]any{self}, values...)...).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return id, err
}
