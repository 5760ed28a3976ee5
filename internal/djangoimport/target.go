package djangoimport

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/sqlstore/db"
)

// dbtx runs statements on the target, inside or outside a transaction. Every
// text here is good for both engines.
type dbtx = db.DBTX

const messagesTable = "agent_messages"

// maxParams keeps an INSERT of many rows short enough to be kept prepared.
const maxParams = 900

// cells receive the values of one row.
type cells struct {
	columns []column
	cells   []any
}

func newCells(columns []column) *cells {
	c := &cells{columns: columns, cells: make([]any, len(columns))}
	for i, col := range columns {
		switch col.kind {
		case intColumn:
			c.cells[i] = new(*int64)
		case boolColumn:
			c.cells[i] = new(*bool)
		case realColumn:
			c.cells[i] = new(*float64)
		case timeColumn:
			c.cells[i] = new(*time.Time)
		default:
			c.cells[i] = new(*string)
		}
	}
	return c
}

func (c *cells) dests() []any { return c.cells }

func (c *cells) values() []any {
	out := make([]any, len(c.cells))
	for i, cell := range c.cells {
		switch p := cell.(type) {
		case **int64:
			out[i] = orNil(*p)
		case **bool:
			out[i] = orNil(*p)
		case **float64:
			out[i] = orNil(*p)
		case **string:
			out[i] = orNil(*p)
		case **time.Time:
			if *p != nil {
				out[i] = (*p).UTC()
			}
		}
	}
	return out
}

func orNil[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// named gives the columns of these names.
func (t *tableSpec) named(names []string) []column {
	var out []column
	for _, n := range names {
		for _, c := range t.columns {
			if c.name == n {
				out = append(out, c)
			}
		}
	}
	return out
}

func columnNames(columns []column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return names
}

// selectRows reads the rows of the target with ids from lo to hi.
func selectRows(ctx context.Context, q dbtx, t *tableSpec, lo, hi int64) (map[int64]item, error) {
	query := "SELECT id, " + strings.Join(columnNames(t.columns), ", ") + " FROM " + t.name + " WHERE id >= $1 AND id <= $2"
	rows, err := q.Query(ctx, query, lo, hi)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int64]item{}
	for rows.Next() {
		it := item{content: content{}}
		c := newCells(t.columns)
		if err := rows.Scan(append([]any{&it.id}, c.dests()...)...); err != nil {
			return nil, err
		}
		for i, v := range c.values() {
			it.content[t.columns[i].name] = v
		}
		out[it.id] = it
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	if t.messages {
		return out, selectMessages(ctx, q, out, lo, hi)
	}
	return out, nil
}

// selectMessages adds the messages of the conversations.
func selectMessages(ctx context.Context, q dbtx, conversations map[int64]item, lo, hi int64) error {
	rows, err := q.Query(ctx, `SELECT conversation_id, role, content, payload, created_at FROM agent_messages
		WHERE conversation_id >= $1 AND conversation_id <= $2 ORDER BY conversation_id, position`, lo, hi)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var m message
		var payload *string
		if err := rows.Scan(&id, &m.role, &m.content, &payload, &m.createdAt); err != nil {
			return err
		}
		m.payload, m.createdAt = orNil(payload), m.createdAt.UTC()
		if it, ok := conversations[id]; ok {
			it.messages = append(it.messages, m)
			conversations[id] = it
		}
	}
	return rows.Err()
}

// entries gives the fingerprints of the rows from lo to hi that were taken.
func entries(ctx context.Context, q dbtx, table string, lo, hi int64) (map[int64]string, error) {
	rows, err := q.Query(ctx, `SELECT row_id, fingerprint FROM imported_rows
		WHERE table_name = $1 AND row_id >= $2 AND row_id <= $3`, table, lo, hi)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int64]string{}
	for rows.Next() {
		var id int64
		var fingerprint string
		if err := rows.Scan(&id, &fingerprint); err != nil {
			return nil, err
		}
		out[id] = fingerprint
	}
	return out, rows.Err()
}

// placeholders writes "($1, $2), ($3, $4)" for so many rows and columns.
func placeholders(rows, columns int) string {
	var b strings.Builder
	for i := range rows * columns {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%columns == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteByte(')')
	return b.String()
}

// insertMany writes rows, many with each statement. before and after stand
// around the list of values.
func insertMany(ctx context.Context, q dbtx, before, after string, width int, rows [][]any, each func(id int64)) error {
	for len(rows) > 0 {
		n := min(len(rows), max(1, maxParams/width))
		args := make([]any, 0, n*width)
		for _, r := range rows[:n] {
			args = append(args, r...)
		}
		rows = rows[n:]
		if err := insertOnce(ctx, q, before+placeholders(n, width)+after, args, each); err != nil {
			return err
		}
	}
	return nil
}

// insertOnce runs one statement; with each it hands over the returned ids.
func insertOnce(ctx context.Context, q dbtx, query string, args []any, each func(id int64)) error {
	if each == nil {
		_, err := q.Exec(ctx, query, args...)
		return err
	}
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		each(id)
	}
	return rows.Err()
}

// insertItems writes new rows and gives the ids of those that were written.
// The others break a rule together with rows that are there.
func insertItems(ctx context.Context, q dbtx, t *tableSpec, items []item) (map[int64]bool, error) {
	names := append([]string{"id"}, columnNames(t.columns)...)
	for _, c := range t.constants {
		names = append(names, c.name)
	}
	rows := make([][]any, len(items))
	for i, it := range items {
		row := []any{it.id}
		for _, c := range t.columns {
			row = append(row, it.content[c.name])
		}
		for _, c := range t.constants {
			row = append(row, c.value)
		}
		rows[i] = row
	}
	written := map[int64]bool{}
	before := "INSERT INTO " + t.name + " (" + strings.Join(names, ", ") + ") VALUES "
	err := insertMany(ctx, q, before, " ON CONFLICT DO NOTHING RETURNING id", len(names), rows,
		func(id int64) { written[id] = true })
	return written, err
}

// updateItem writes a row that is there.
func updateItem(ctx context.Context, q dbtx, t *tableSpec, it item) error {
	args := []any{it.id}
	var sets []string
	for i, c := range t.columns {
		sets = append(sets, fmt.Sprintf("%s = $%d", c.name, i+2))
		args = append(args, it.content[c.name])
	}
	_, err := q.Exec(ctx, "UPDATE "+t.name+" SET "+strings.Join(sets, ", ")+" WHERE id = $1", args...)
	return err
}

// writeMessages makes the conversations hold exactly these messages. Messages
// that are there keep their ids.
func writeMessages(ctx context.Context, q dbtx, items []item, fresh bool) error {
	var rows [][]any
	for _, it := range items {
		if !fresh {
			_, err := q.Exec(ctx, "DELETE FROM agent_messages WHERE conversation_id = $1 AND position >= $2",
				it.id, int64(len(it.messages)))
			if err != nil {
				return err
			}
		}
		for i, m := range it.messages {
			rows = append(rows, []any{it.id, int64(i), m.role, m.content, m.payload, m.createdAt})
		}
	}
	return insertMany(ctx, q,
		"INSERT INTO agent_messages (conversation_id, position, role, content, payload, created_at) VALUES ",
		` ON CONFLICT (conversation_id, position) DO UPDATE SET role = excluded.role, content = excluded.content,
			payload = excluded.payload, created_at = excluded.created_at`, 6, rows, nil)
}

// remember records the rows as they were written.
func remember(ctx context.Context, q dbtx, t *tableSpec, source string, now time.Time, items []item) error {
	rows := make([][]any, len(items))
	for i, it := range items {
		rows[i] = []any{t.name, it.id, source, t.fingerprint(it), now}
	}
	return insertMany(ctx, q, "INSERT INTO imported_rows (table_name, row_id, source, fingerprint, imported_at) VALUES ",
		` ON CONFLICT (table_name, row_id) DO UPDATE SET source = excluded.source,
			fingerprint = excluded.fingerprint, imported_at = excluded.imported_at`, 5, rows, nil)
}

// moveVersions voids what a running bdash has cached for the owners.
func moveVersions(ctx context.Context, q dbtx, t *tableSpec, items []item) error {
	if t.version == nil {
		return nil
	}
	by := "id"
	if t.version.table == t.name {
		by = t.version.by
	}
	done := map[any]bool{}
	for _, it := range items {
		owner := it.content[t.version.by]
		if done[owner] {
			continue
		}
		done[owner] = true
		_, err := q.Exec(ctx, fmt.Sprintf("UPDATE %[1]s SET %[2]s = %[2]s + 1 WHERE %[3]s = $1",
			t.version.table, t.version.column, by), owner)
		if err != nil {
			return err
		}
	}
	return nil
}
