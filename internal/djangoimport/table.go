package djangoimport

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"time"
)

// columnKind says what Go type a column of bdash holds.
type columnKind uint8

const (
	textColumn columnKind = iota
	intColumn
	boolColumn
	realColumn
	timeColumn
)

// column is a column of bdash that the import writes.
type column struct {
	name string
	kind columnKind
	null bool
	// derived columns follow from the others. They are left out of the
	// fingerprint, so that a new way of deriving them does not make every row
	// look changed.
	derived bool
}

func textCol(name string) column     { return column{name: name} }
func nullTextCol(name string) column { return column{name: name, null: true} }
func derivedCol(name string) column  { return column{name: name, derived: true} }
func intCol(name string) column      { return column{name: name, kind: intColumn} }
func boolCol(name string) column     { return column{name: name, kind: boolColumn} }
func realCol(name string) column     { return column{name: name, kind: realColumn} }
func timeCol(name string) column     { return column{name: name, kind: timeColumn} }
func nullTimeCol(name string) column {
	return column{name: name, kind: timeColumn, null: true}
}

// content is a row of bdash by column: string, int64, bool, float64, time.Time
// (UTC, microseconds), or nil for NULL. The id is not in it.
type content map[string]any

// item is a row to be written.
type item struct {
	id       int64
	content  content
	messages []message // of a conversation
	findings []finding
}

// constant is a column of bdash that Django does not know. It is written with
// a new row and never touched again.
type constant struct {
	name  string
	value any
}

// uniqueKey is a rule of bdash that two rows may break together though each of
// them is sound.
type uniqueKey struct {
	columns []string
	// soften changes the row so that it no longer claims the key; nil if the
	// row cannot be taken without it.
	soften func(content)
	reason string
}

// claims gives the values that a row claims under the key; ok is false for a
// row that claims nothing: a column is NULL or false.
func (k uniqueKey) claims(c content) (values []any, ok bool) {
	for _, name := range k.columns {
		v := c[name]
		if v == nil || v == false {
			return nil, false
		}
		values = append(values, v)
	}
	return values, true
}

// tableSpec describes one table: what is read of Django's and what is written
// to bdash's, which bears the same name.
type tableSpec struct {
	name string
	// needs are the columns of Django without which the source is not what it
	// says; wants are the others that are read. The id is among needs.
	needs, wants []string
	columns      []column
	constants    []constant
	keys         []uniqueKey
	// messages tells that rows of agent_messages belong to the row.
	messages bool
	// identity names columns of bdash that never change: they tell apart two
	// rows that share an id.
	identity []string
	// identify gives their values for a row of Django; nil if it has none that
	// can be read, and anything goes.
	identify func(*reader) []any
	// version is the column to move, in which table, by which key of the row,
	// when rows change under a running bdash: part of its cache keys.
	version *versionColumn
	// survey looks at every row before the first is written; may be nil.
	survey func(*run, *reader)
	// convert makes the row of bdash. ok is false if it cannot be taken; the
	// reader's findings say why.
	convert func(*run, *reader) (it item, ok bool)
}

type versionColumn struct {
	table, column, by string
}

// reads lists the columns to ask the source for, the id first.
func (t *tableSpec) reads() []string {
	return append(append([]string{}, t.needs...), t.wants...)
}

// createdAt is the identity of a row by its creation.
func createdAt(r *reader) []any {
	if v := r.raw("created_at"); v != nil {
		if t, ok := parseTime(*v, time.UTC); ok {
			return []any{t}
		}
	}
	return nil
}

// fingerprint sums up what a row of bdash holds. Equal rows have equal
// fingerprints on both engines.
func (t *tableSpec) fingerprint(it item) string {
	h := sha256.New()
	for _, c := range t.columns {
		if !c.derived {
			hashValue(h, it.content[c.name])
		}
	}
	for _, m := range it.messages {
		for _, v := range []any{m.role, m.content, m.payload, m.createdAt} {
			hashValue(h, v)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// hashValue writes v so that no two sequences of values look alike: a letter
// for the type, the length, the text.
func hashValue(h hash.Hash, v any) {
	var kind byte
	var s string
	switch v := v.(type) {
	case nil:
		kind = 'n'
	case string:
		kind, s = 's', v
	case int64:
		kind, s = 'i', strconv.FormatInt(v, 10)
	case bool:
		kind, s = 'b', strconv.FormatBool(v)
	case float64:
		kind, s = 'f', strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		kind, s = 't', strconv.FormatInt(v.UnixMicro(), 10)
	default:
		panic(fmt.Sprintf("djangoimport: no fingerprint for a %T", v))
	}
	fmt.Fprintf(h, "%c%d:%s", kind, len(s), s)
}

// tableSpecs lists the tables, parents before children.
func tableSpecs() []*tableSpec {
	return []*tableSpec{
		usersTable(), themesTable(), viewsTable(), preferencesTable(),
		widgetsTable(), widgetDataTable(), agentsTable(), conversationsTable(),
	}
}
