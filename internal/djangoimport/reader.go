package djangoimport

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reader gives the values of one row of Django in Go's types. A column that
// the source lacks reads as its default (the report says so once, for the
// table); a value that cannot be read does, too, and becomes a finding.
type reader struct {
	table    string
	id       int64
	columns  map[string]int
	values   []*string
	findings []finding
}

func (r *reader) say(kind Kind, reason, detail string) {
	r.findings = append(r.findings, finding{kind: kind, table: r.table, reason: reason, id: r.id, detail: detail})
}

func (r *reader) has(column string) bool {
	_, ok := r.columns[column]
	return ok
}

// raw is the value as the database printed it; nil for NULL and for a column
// that is not there.
func (r *reader) raw(column string) *string {
	i, ok := r.columns[column]
	if !ok {
		return nil
	}
	return r.values[i]
}

// required is raw, with a finding for a NULL that Django's columns forbid.
func (r *reader) required(column, instead string) *string {
	v := r.raw(column)
	if v == nil && r.has(column) {
		r.say(Changed, column+" was NULL", instead)
	}
	return v
}

// text reads a text; def stands for NULL.
func (r *reader) text(column, def string) string {
	v := r.required(column, "stored as "+show(def))
	if v == nil {
		return def
	}
	return r.clean(column, *v)
}

// nullText reads a text that may be NULL, which comes as nil.
func (r *reader) nullText(column string) any {
	v := r.raw(column)
	if v == nil {
		return nil
	}
	return r.clean(column, *v)
}

func (r *reader) clean(column, v string) string {
	s, changed := cleanText(v)
	if changed {
		r.say(Changed, column+" held NUL or invalid UTF-8, which is replaced by U+FFFD", "")
	}
	return s
}

// clipped reads a text that stands in an index, which cannot hold any length.
// SQLite does not enforce Django's limit.
func (r *reader) clipped(column string, limit int) string {
	s := r.text(column, "")
	short := clip(s, limit)
	if len(short) < len(s) {
		r.say(Changed, fmt.Sprintf("%s was longer than %d characters and is cut", column, limit), "")
	}
	return short
}

// choice reads a text that must be one of the allowed.
func (r *reader) choice(column, def string, allowed ...string) string {
	s := r.text(column, def)
	if slices.Contains(allowed, s) {
		return s
	}
	r.say(Changed, fmt.Sprintf("%s was none of %s and becomes %q", column, strings.Join(allowed, ", "), def), show(s))
	return def
}

func (r *reader) integer(column string, def int64) int64 {
	v := r.required(column, fmt.Sprintf("stored as %d", def))
	if v == nil {
		return def
	}
	n, ok := parseInt(*v)
	if !ok {
		r.say(Changed, fmt.Sprintf("%s was not a whole number and becomes %d", column, def), show(*v))
		return def
	}
	return n
}

func (r *reader) real(column string, def float64) float64 {
	v := r.required(column, fmt.Sprintf("stored as %g", def))
	if v == nil {
		return def
	}
	f, err := strconv.ParseFloat(*v, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		r.say(Changed, fmt.Sprintf("%s was not a finite number and becomes %g", column, def), show(*v))
		return def
	}
	return f
}

func (r *reader) boolean(column string, def bool) bool {
	v := r.required(column, fmt.Sprintf("stored as %t", def))
	if v == nil {
		return def
	}
	b, ok := parseBool(*v)
	if !ok {
		r.say(Changed, fmt.Sprintf("%s was neither true nor false and becomes %t", column, def), show(*v))
		return def
	}
	return b
}

// instant reads the first of the columns that holds a time. The last resort is
// fixed, the start of 1970: a repeated import must come to the same value.
func (r *reader) instant(columns ...string) time.Time {
	for i, c := range columns {
		v := r.raw(c)
		if v == nil {
			continue
		}
		t, ok := parseTime(*v, time.UTC)
		if !ok {
			continue
		}
		if i > 0 && r.has(columns[0]) {
			r.say(Changed, columns[0]+" could not be read and becomes "+c, r.shown(columns[0]))
		}
		return t
	}
	r.say(Changed, columns[0]+" could not be read and becomes the start of 1970", r.shown(columns[0]))
	return time.Unix(0, 0).UTC()
}

func (r *reader) shown(column string) string {
	if v := r.raw(column); v != nil {
		return show(*v)
	}
	return "NULL"
}

// nullInstant reads a time that may be NULL, which comes as nil.
func (r *reader) nullInstant(column string) any {
	v := r.raw(column)
	if v == nil {
		return nil
	}
	t, ok := parseTime(*v, time.UTC)
	if !ok {
		r.say(Changed, column+" could not be read and becomes NULL", show(*v))
		return nil
	}
	return t
}

// json reads a JSON value, compact; def stands for NULL and for what is none.
func (r *reader) json(column, def string) string {
	v := r.required(column, "stored as "+def)
	if v == nil {
		return def
	}
	out, ok := compactJSON(r.clean(column, *v))
	if !ok {
		r.say(Changed, column+" was not valid JSON and becomes "+def, show(*v))
		return def
	}
	return out
}
