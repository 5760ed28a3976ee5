package djangoimport

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// ConflictError tells that the target holds rows that are not the source's but
// have its ids. Nothing was written.
type ConflictError struct {
	// Tables lists the ids by table, each list in order.
	Tables []ConflictTable
}

// ConflictTable is the part of a ConflictError about one table.
type ConflictTable struct {
	Name string
	IDs  []int64
}

// Error implements error; it names the first ids.
func (e *ConflictError) Error() string {
	const most = 5
	var b strings.Builder
	b.WriteString("the target holds other rows with those ids: ")
	for i, t := range e.Tables {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(t.Name)
		for j, id := range t.IDs[:min(most, len(t.IDs))] {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, " %d", id)
		}
		if more := len(t.IDs) - most; more > 0 {
			fmt.Fprintf(&b, " and %d more", more)
		}
	}
	b.WriteString("; import into an empty database, or from the one that these rows came from")
	return b.String()
}

// guard compares the target with the source before anything is written.
func (im *run) guard(ctx context.Context) error {
	conflict := &ConflictError{}
	for _, st := range im.order {
		ids, err := im.guardTable(ctx, st)
		if err != nil {
			return fmt.Errorf("look into %s: %w", st.spec.name, err)
		}
		if len(ids) > 0 {
			slices.Sort(ids)
			conflict.Tables = append(conflict.Tables, ConflictTable{st.spec.name, ids})
		}
	}
	if len(conflict.Tables) > 0 {
		return conflict
	}
	return nil
}

// guardTable goes through the table's rows in the target. It gives the ids of
// those that are in the way and notes those that are gone from Django.
func (im *run) guardTable(ctx context.Context, st *tableState) (conflicts []int64, err error) {
	spec := st.spec
	err = im.q.QueryRow(ctx, "SELECT count(*) FROM imported_rows WHERE table_name = $1", spec.name).Scan(&st.entries)
	if err != nil {
		return nil, err
	}
	query := "SELECT t.id, t." + strings.Join(spec.identity, ", t.") + ", i.row_id FROM " + spec.name +
		" t LEFT JOIN imported_rows i ON i.table_name = $1 AND i.row_id = t.id"
	rows, err := im.q.Query(ctx, query, spec.name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns := spec.named(spec.identity)
	for rows.Next() {
		var id int64
		var entry *int64
		cells := newCells(columns)
		if err := rows.Scan(append(append([]any{&id}, cells.dests()...), &entry)...); err != nil {
			return nil, err
		}
		i, ours := slices.BinarySearchFunc(st.rows, id, byID)
		switch {
		case !ours && entry != nil:
			im.ledger.add(finding{
				kind: Notable, table: spec.name, id: id,
				reason: "was taken earlier and is gone from Django since: it stays in bdash",
			})
		case !ours:
		case entry == nil, st.rows[i].identity != 0 && st.rows[i].identity != identityOf(cells.values()):
			conflicts = append(conflicts, id)
		default:
			st.present[id] = true
		}
	}
	return conflicts, rows.Err()
}
