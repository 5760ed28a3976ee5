package djangoimport

import (
	"context"
	"fmt"
	"slices"
)

// change is a row of an earlier import that looks different in Django now.
type change struct {
	item
	was         item
	fingerprint string // of was
}

// updateRows brings over what changed in Django since an earlier import.
func (im *run) updateRows(ctx context.Context, st *tableState) error {
	var changes []change
	err := im.pages(ctx, st, func(page []*reader) error {
		lo, hi := span(page)
		known, err := entries(ctx, im.q, st.spec.name, lo, hi)
		if err != nil || len(known) == 0 {
			return err
		}
		current, err := selectRows(ctx, im.q, st.spec, lo, hi)
		if err != nil {
			return err
		}
		var seen int64
		for _, r := range page {
			fingerprint, ok := known[r.id]
			if !ok {
				continue
			}
			seen++
			was, exists := current[r.id]
			if c, ok := im.compare(st, r, was, exists, fingerprint); ok {
				changes = append(changes, c)
			}
		}
		im.step(st, seen)
		return nil
	})
	if err != nil || len(changes) == 0 {
		return err
	}
	var out outcome
	err = im.inTx(ctx, func(q dbtx) error {
		out = outcome{} // the transaction may be run again
		return im.applyChanges(ctx, q, st, changes, &out)
	})
	if err != nil {
		return err
	}
	im.book(st, out)
	return nil
}

// compare decides what is to become of a row that was taken earlier. ok is
// true if it is to be written.
func (im *run) compare(st *tableState, r *reader, was item, exists bool, fingerprint string) (c change, ok bool) {
	counts, m := im.ledger.table(st.spec.name), im.ledger.table(messagesTable)
	switch {
	case !exists:
		counts.DeletedInBdash++
		if st.spec.messages {
			m.DeletedInBdash += listed(r)
			m.Source += listed(r)
		}
		return change{}, false
	case st.spec.fingerprint(was) != fingerprint:
		counts.ChangedInBdash++
		if st.spec.messages {
			m.ChangedInBdash += listed(r)
			m.Source += listed(r)
		}
		return change{}, false
	}
	it, ok := st.spec.convert(im, r)
	if !ok {
		var refused outcome
		im.refuse(&refused, r)
		im.book(st, refused)
		return change{}, false
	}
	it.findings = r.findings
	if st.spec.fingerprint(it) == fingerprint {
		im.book(st, outcome{unchanged: []item{it}})
		return change{}, false
	}
	return change{item: it, was: was, fingerprint: fingerprint}, true
}

// applyChanges writes all changes of a table in one transaction: rows may have
// swapped names or the active flag among themselves, so that each of them is
// moved out of the way before the first takes its new values.
func (im *run) applyChanges(ctx context.Context, q dbtx, st *tableState, changes []change, out *outcome) error {
	changes, err := recheck(ctx, q, st.spec, changes, out)
	if err != nil {
		return err
	}
	if changes, err = settle(ctx, q, st.spec, changes, out); err != nil {
		return err
	}
	changes = slices.DeleteFunc(changes, func(c change) bool {
		same := st.spec.fingerprint(c.item) == c.fingerprint
		if same { // what had to give way gave way before
			out.unchanged = append(out.unchanged, c.item)
		}
		return same
	})
	removed := map[int64]bool{}
	for _, c := range changes {
		gone, err := stepAside(ctx, q, st.spec, c)
		if err != nil {
			return err
		}
		removed[c.id] = gone
	}
	var before []item
	for _, c := range changes {
		before = append(before, c.was)
		if err := write(ctx, q, st.spec, c.item, removed[c.id]); err != nil {
			return err
		}
		out.updated = append(out.updated, c.item)
	}
	// The owner before may be another one.
	if err := moveVersions(ctx, q, st.spec, before); err != nil {
		return err
	}
	return im.finish(ctx, q, st, out.updated, false)
}

func write(ctx context.Context, q dbtx, t *tableSpec, it item, removed bool) error {
	if !removed {
		return updateItem(ctx, q, t, it)
	}
	written, err := insertItems(ctx, q, t, []item{it})
	if err == nil && !written[it.id] {
		err = fmt.Errorf("the row %d cannot be written", it.id)
	}
	return err
}

// recheck drops the rows that bdash changed since they were compared. The rest
// comes as a copy, free to be altered.
func recheck(ctx context.Context, q dbtx, t *tableSpec, changes []change, out *outcome) ([]change, error) {
	var kept []change
	for _, c := range changes {
		current, err := selectRows(ctx, q, t, c.id, c.id)
		if err != nil {
			return nil, err
		}
		if was, ok := current[c.id]; !ok || t.fingerprint(was) != c.fingerprint {
			out.changed = append(out.changed, c.item)
			continue
		}
		c.content = clone(c.content)
		c.findings = slices.Clone(c.findings)
		kept = append(kept, c)
	}
	return kept, nil
}

// settle makes the changes fit in with the rows that are not written. A row
// that has to give way keeps what it had, which may be in the way of another:
// it is gone over until nothing moves.
func settle(ctx context.Context, q dbtx, t *tableSpec, changes []change, out *outcome) ([]change, error) {
	for {
		writing := map[int64]bool{}
		for _, c := range changes {
			writing[c.id] = true
		}
		claimed := map[string]int64{}
		moved := false
		var kept []change
		for _, c := range changes {
			fits, softened, err := fit(ctx, q, t, &c, writing, claimed)
			if err != nil {
				return nil, err
			}
			moved = moved || softened || fits != nil
			if fits != nil {
				out.skip(c.item, *fits)
				continue
			}
			kept = append(kept, c)
		}
		changes = kept
		if !moved {
			return changes, nil
		}
	}
}

// fit checks one change against all others. It gives the finding if the change
// cannot be made; softened tells that the row gave way in part.
func fit(ctx context.Context, q dbtx, t *tableSpec, c *change, writing map[int64]bool, claimed map[string]int64) (refused *finding, softened bool, err error) {
	for i, k := range t.keys {
		values, ok := k.claims(c.content)
		if !ok {
			continue
		}
		key := fmt.Sprintf("%d %#v", i, values)
		other := claimed[key]
		if other == 0 {
			if other, err = holder(ctx, q, t, k.columns, values, c.id); err != nil {
				return nil, false, err
			}
			if writing[other] {
				other = 0 // it moves away, or claims the key before us in this round
			}
		}
		if other == 0 {
			claimed[key] = c.id
			continue
		}
		f := finding{kind: Changed, table: t.name, id: c.id, reason: k.reason, detail: beside(other)}
		if k.soften == nil {
			f.kind = NotTaken
			f.reason = "the change in Django was not taken: " + k.reason
			return &f, softened, nil
		}
		k.soften(c.content)
		c.findings = append(c.findings, f)
		softened = true
	}
	return nil, softened, nil
}

// stepAside frees what the row claims now and will not claim any more. gone is
// true if the row had to be deleted for that; nothing refers to such rows.
func stepAside(ctx context.Context, q dbtx, t *tableSpec, c change) (gone bool, err error) {
	parked := clone(c.was.content)
	moves := false
	for _, k := range t.keys {
		before, claimed := k.claims(c.was.content)
		after, _ := k.claims(c.content)
		if !claimed || slices.Equal(before, after) {
			continue
		}
		moves = true
		last := k.columns[len(k.columns)-1]
		if k.soften != nil {
			k.soften(parked)
		} else if _, isText := parked[last].(string); isText {
			// No sound name holds a line break, and no two rows share an id.
			parked[last] = fmt.Sprintf("\n%d", c.id)
		} else {
			_, err := q.Exec(ctx, "DELETE FROM "+t.name+" WHERE id = $1", c.id)
			return true, err
		}
	}
	if !moves {
		return false, nil
	}
	return false, updateItem(ctx, q, t, item{id: c.id, content: parked})
}
