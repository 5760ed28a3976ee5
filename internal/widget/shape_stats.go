package widget

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// statsMapping makes one figure: of a single row, or of a series.
type statsMapping struct {
	comparison

	Value     string `json:"value"`     // column; the first of numbers
	Previous  string `json:"previous"`  // column; else the period before
	Time      string `json:"time"`      // column that orders the rows; the first of times
	Aggregate string `json:"aggregate"` // one of aggregates; "last"
	Unit      string `json:"unit"`      // literal
}

type statsShape struct {
	Value         *float64   `json:"value"`
	Previous      *float64   `json:"previous"`
	Change        *float64   `json:"change"`
	ChangePercent *float64   `json:"change_percent"`
	Unit          *string    `json:"unit"`
	Sparkline     []*float64 `json:"sparkline"`
	Truncated     bool       `json:"truncated,omitempty"`
}

// aggregates make one number of several; they get at least one.
var aggregates = map[string]func([]float64) float64{
	"last":  func(v []float64) float64 { return v[len(v)-1] },
	"first": func(v []float64) float64 { return v[0] },
	"min":   slices.Min[[]float64],
	"max":   slices.Max[[]float64],
	"count": func(v []float64) float64 { return float64(len(v)) },
	"sum":   sum,
	"avg":   func(v []float64) float64 { return sum(v) / float64(len(v)) },
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// maxSparkline bounds the points of a sparkline: more than a small picture has
// room for.
const maxSparkline = 500

func (m *statsMapping) check() string {
	if _, ok := aggregates[m.Aggregate]; m.Aggregate != "" && !ok {
		return fmt.Sprintf("%q is no aggregate: choose one of avg, count, first, last, max, min, sum.", m.Aggregate)
	}
	return ""
}

func (m *statsMapping) shape(frame, before *Frame) (any, error) {
	order, err := frame.optional("time", m.Time, instant)
	if err != nil {
		return nil, err
	}
	if order == nil {
		order = frame.first([]ColumnKind{Time})
	}
	value, err := frame.required("value", m.Value, numeric)
	if err != nil {
		return nil, err
	}
	previous, err := frame.optional("previous", m.Previous, numeric)
	if err != nil {
		return nil, err
	}
	rows, err := inTime(frame, order)
	if err != nil {
		return nil, err
	}
	out := statsShape{Sparkline: []*float64{}, Truncated: frame.Truncated}
	if m.Unit != "" {
		out.Unit = &m.Unit
	}
	out.Value = m.reduce(value, rows)
	switch {
	case previous != nil:
		out.Previous = m.reduce(previous, rows)
	case before != nil:
		earlier, err := (&statsMapping{comparison: m.comparison, Value: value.Name, Time: m.Time, Aggregate: m.Aggregate}).shape(before, nil)
		if err != nil {
			return nil, err
		}
		out.Previous = earlier.(statsShape).Value //nolint:forcetypeassert // this very function made it
	}
	out.Change, out.ChangePercent = change(out.Value, out.Previous)
	if len(rows) > 1 {
		for _, row := range rows[max(0, len(rows)-maxSparkline):] {
			out.Sparkline = append(out.Sparkline, number(value.Values[row]))
		}
	}
	return out, nil
}

// reduce makes one number of a column; nil if it holds none.
func (m *statsMapping) reduce(c *Column, rows []int) *float64 {
	values := make([]float64, 0, len(rows))
	for _, row := range rows {
		if n, ok := float(c.Values[row]); ok {
			values = append(values, n)
		}
	}
	if len(values) == 0 {
		return nil
	}
	name := m.Aggregate
	if name == "" {
		name = "last"
	}
	return finite(aggregates[name](values))
}

func change(value, previous *float64) (absolute, percent *float64) {
	if value == nil || previous == nil {
		return nil, nil
	}
	absolute = finite(*value - *previous)
	if *previous != 0 && absolute != nil {
		percent = finite(*absolute / math.Abs(*previous) * 100)
	}
	return absolute, percent
}

// finite is n unless it went out of bounds, which JSON has no word for.
func finite(n float64) *float64 {
	if math.IsInf(n, 0) || math.IsNaN(n) {
		return nil
	}
	return &n
}

func number(v any) *float64 {
	if n, ok := float(v); ok {
		return &n
	}
	return nil
}

// inTime gives the rows in the order of a column of times, rows without one
// first; as they are when there is no such column.
func inTime(f *Frame, c *Column) ([]int, error) {
	rows := make([]int, f.Rows())
	for i := range rows {
		rows[i] = i
	}
	times, _, err := moments("time", c)
	if err != nil || times == nil {
		return rows, err
	}
	slices.SortStableFunc(rows, func(a, b int) int { return stamp(times[a]).Compare(stamp(times[b])) })
	return rows, nil
}

func stamp(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// tableMapping shows columns as they are.
type tableMapping struct {
	alone

	Columns []tableColumn `json:"columns"` // all, in the query's order
}

type tableColumn struct {
	Name  string `json:"name"`
	Label string `json:"label"` // the heading; the name
}

// UnmarshalJSON also takes the bare name.
func (c *tableColumn) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		return unmarshal(raw, &c.Name)
	}
	type plain tableColumn
	return unmarshal(raw, (*plain)(c))
}

type tableShape struct {
	Columns   []tableHead `json:"columns"`
	Rows      [][]any     `json:"rows"`
	Truncated bool        `json:"truncated,omitempty"`
}

type tableHead struct {
	Name  string     `json:"name"`
	Label string     `json:"label"`
	Type  ColumnKind `json:"type"`
}

func (m *tableMapping) check() string {
	for _, c := range m.Columns {
		if strings.TrimSpace(c.Name) == "" {
			return "Every column of a table's mapping has a name."
		}
	}
	return ""
}

func (m *tableMapping) shape(frame, _ *Frame) (any, error) {
	wanted := m.Columns
	columns := make([]*Column, 0, len(frame.Columns))
	if len(wanted) == 0 {
		for i := range frame.Columns {
			columns = append(columns, &frame.Columns[i])
			wanted = append(wanted, tableColumn{Name: frame.Columns[i].Name})
		}
	} else {
		for _, c := range wanted {
			column := frame.Column(c.Name)
			if column == nil {
				return nil, frame.missing(fmt.Sprintf("The column %q is missing.", c.Name))
			}
			columns = append(columns, column)
		}
	}
	out := tableShape{Columns: []tableHead{}, Rows: make([][]any, frame.Rows()), Truncated: frame.Truncated}
	for i, c := range columns {
		label := wanted[i].Label
		if label == "" {
			label = c.Name
		}
		out.Columns = append(out.Columns, tableHead{Name: c.Name, Label: label, Type: c.Kind})
	}
	for row := range out.Rows {
		cells := make([]any, len(columns))
		for i, c := range columns {
			cells[i] = cell(c.Values[row])
		}
		out.Rows[row] = cells
	}
	return out, nil
}
