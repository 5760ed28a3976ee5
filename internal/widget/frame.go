package widget

import "time"

// Frame is what a source returns: named, typed columns of equal length. It
// knows nothing of the widget that shows it.
type Frame struct {
	Columns []Column
	// Truncated: the source had more rows or bytes than its limits allow.
	Truncated bool
}

// Column is one column of a frame.
type Column struct {
	Name string
	Kind ColumnKind
	// Values hold the Go type of Kind, or nil for NULL.
	Values []any
}

// ColumnKind is the type of a column's values.
type ColumnKind string

// The kinds, with the Go type of their values.
const (
	Integer ColumnKind = "integer" // int64
	Number  ColumnKind = "number"  // float64, always finite
	Text    ColumnKind = "text"    // string, valid UTF-8
	Time    ColumnKind = "time"    // time.Time in UTC
	Bool    ColumnKind = "bool"    // bool
	JSON    ColumnKind = "json"    // json.RawMessage: an object or an array
)

// Rows is how many rows the frame has.
func (f *Frame) Rows() int {
	if len(f.Columns) == 0 {
		return 0
	}
	return len(f.Columns[0].Values)
}

// Column finds a column by its exact name; nil if there is none.
func (f *Frame) Column(name string) *Column {
	for i := range f.Columns {
		if f.Columns[i].Name == name {
			return &f.Columns[i]
		}
	}
	return nil
}

// Span is the time that a query is asked about: From inclusive, To exclusive,
// both in UTC, cut by the calendar of Zone.
type Span struct {
	From, To time.Time
	Zone     *time.Location
}
