package source

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bdash/bdash/internal/widget"
)

// builder gathers rows and finds out what kind each column is. It stops at the
// limits.
type builder struct {
	limits    widget.Limits
	columns   []column
	rows      int
	bytes     int64
	truncated bool
	// guess takes text that is a date or a time in ISO 8601 for one: for
	// sources that have no such type. A column is one throughout or not at all.
	guess bool
}

type column struct {
	widget.Column
	// hint is the kind of a column that holds only NULL.
	hint widget.ColumnKind
}

func newBuilder(limits widget.Limits, guess bool, names ...string) *builder {
	b := &builder{limits: limits, guess: guess}
	seen := map[string]int{}
	for _, name := range names {
		name = strings.ToValidUTF8(name, "\uFFFD")
		if seen[name]++; seen[name] > 1 { // SELECT a.id, b.id
			name += "_" + strconv.Itoa(seen[name])
		}
		b.columns = append(b.columns, column{Column: widget.Column{Name: name}, hint: widget.Text})
	}
	return b
}

// perValue is what a value costs beside its own bytes.
const perValue = 16

// add takes a row of values as Go types; false says that there is no room for
// it, and that no more should be read.
func (b *builder) add(row []any) bool {
	size := int64(0)
	for _, v := range row {
		size += perValue
		switch x := v.(type) {
		case string:
			size += int64(len(x))
		case json.RawMessage:
			size += int64(len(x))
		}
	}
	if b.rows >= b.limits.Rows || b.bytes+size > b.limits.Bytes {
		b.truncated = true
		return false
	}
	b.rows++
	b.bytes += size
	for i := range b.columns {
		var v any
		if i < len(row) {
			v = clean(row[i])
		}
		b.columns[i].Values = append(b.columns[i].Values, v)
	}
	return true
}

// clean gives the types of a frame: finite numbers, valid text, times in UTC.
func clean(v any) any {
	switch x := v.(type) {
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
	case string:
		if !utf8.ValidString(x) {
			return strings.ToValidUTF8(x, "\uFFFD")
		}
	case time.Time:
		return x.UTC()
	}
	return v
}

// frame finishes: every column gets one kind, the one that was asked for
// (types) or the one that holds all its values.
func (b *builder) frame(types map[string]string) (widget.Frame, error) {
	f := widget.Frame{Columns: make([]widget.Column, len(b.columns)), Truncated: b.truncated}
	for name := range types {
		if !slices.ContainsFunc(b.columns, func(c column) bool { return c.Name == name }) {
			return f, badQuery("types names the column %q, which the answer does not have", name)
		}
	}
	for i := range b.columns {
		c := &b.columns[i]
		if c.Values == nil {
			c.Values = []any{}
		}
		if want := types[c.Name]; want != "" {
			if err := c.turn(widget.ColumnKind(want)); err != nil {
				return f, err
			}
		} else {
			c.settle(b.guess)
		}
		f.Columns[i] = c.Column
	}
	return f, nil
}

// settle chooses the kind.
func (c *column) settle(guess bool) {
	seen := map[widget.ColumnKind]int{}
	total := 0
	for _, v := range c.Values {
		if v != nil {
			seen[kindOf(v)]++
			total++
		}
	}
	switch {
	case total == 0:
		c.Kind = c.hint
		return
	case len(seen) == 1:
		for c.Kind = range seen {
		}
	case len(seen) == 2 && seen[widget.Integer] > 0 && seen[widget.Number] > 0:
		_ = c.turn(widget.Number) // never fails
	default:
		_ = c.turn(widget.Text)
	}
	if guess && c.Kind == widget.Text && c.allTimes() {
		_ = c.turn(widget.Time)
	}
}

func (c *column) allTimes() bool {
	for _, v := range c.Values {
		if s, ok := v.(string); ok {
			if _, fine := parseTime(s); !fine {
				return false
			}
		}
	}
	return true
}

func kindOf(v any) widget.ColumnKind {
	switch v.(type) {
	case int64:
		return widget.Integer
	case float64:
		return widget.Number
	case bool:
		return widget.Bool
	case time.Time:
		return widget.Time
	case json.RawMessage:
		return widget.JSON
	}
	return widget.Text
}

// turn makes every value one of the kind.
func (c *column) turn(to widget.ColumnKind) error {
	if !validType(string(to)) {
		return badQuery("unknown type %q", to)
	}
	c.Kind = to
	for i, v := range c.Values {
		if v == nil {
			continue
		}
		turned, ok := convert(v, to)
		if !ok {
			return badQuery("column %q holds a value that is not of the type %s", c.Name, to)
		}
		c.Values[i] = turned
	}
	return nil
}

func validType(name string) bool {
	switch widget.ColumnKind(name) {
	case widget.Integer, widget.Number, widget.Text, widget.Time, widget.Bool, widget.JSON:
		return true
	}
	return false
}

// checkTypes is what can be said of a query's types before it is run.
func checkTypes(types map[string]string) error {
	for name, t := range types {
		if !validType(t) {
			return badQuery("types: %q of column %q is none of integer, number, text, time, bool, json", t, name)
		}
	}
	return nil
}

func convert(v any, to widget.ColumnKind) (any, bool) {
	if kindOf(v) == to {
		return v, true
	}
	s, _ := text(v)
	if raw, ok := v.(json.RawMessage); ok {
		s = string(raw)
	}
	switch to {
	case widget.Text:
		return s, true
	case widget.Integer:
		if f, ok := v.(float64); ok {
			return int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<63
		}
		if b, ok := v.(bool); ok {
			return map[bool]int64{true: 1}[b], true
		}
		n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		return n, err == nil
	case widget.Number:
		f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	case widget.Bool:
		b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(s)))
		return b, err == nil
	case widget.JSON:
		return json.RawMessage(s), json.Valid([]byte(s))
	case widget.Time:
		switch x := v.(type) { // seconds since 1970
		case int64:
			return time.Unix(x, 0).UTC(), true
		case float64:
			whole, part := math.Modf(x)
			return time.Unix(int64(whole), int64(part*1e9)).UTC(), math.Abs(x) < 1<<40
		}
		return parseTime(s)
	}
	return nil, false
}

// timeForms are the forms of ISO 8601 that databases and services write.
var timeForms = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999-07", "2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly,
}

// parseTime reads a time; without a zone it is UTC.
func parseTime(s string) (any, bool) {
	if len(s) < len(time.DateOnly) || len(s) > 40 || s[4] != '-' {
		return nil, false
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), true
		}
	}
	return nil, false
}
