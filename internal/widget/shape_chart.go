package widget

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// unmarshal is json.Unmarshal that knows no other names.
func unmarshal(raw []byte, to any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(to)
}

// chartMapping makes series of points.
type chartMapping struct {
	comparison

	X      string     `json:"x"`      // column; the first of times, else of text, else of numbers
	Y      columnList `json:"y"`      // columns; all numbers that are left
	Series string     `json:"series"` // column whose values name the series; of text, if one is left and there is one y
}

// columnList is a name or a list of names.
type columnList []string

var errColumns = errors.New("neither a name nor a list of names")

// UnmarshalJSON takes both.
func (l *columnList) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*l = nil
		if one != "" {
			*l = columnList{one}
		}
		return nil
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil {
		return errColumns
	}
	*l = many
	return nil
}

type chartShape struct {
	X         axis     `json:"x"`
	Y         axis     `json:"y"`
	Series    []series `json:"series"`
	Previous  []series `json:"previous,omitempty"`
	Truncated bool     `json:"truncated,omitempty"`
}

// axis types.
const (
	axisTime     = "time"
	axisNumber   = "number"
	axisCategory = "category"
)

type axis struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type series struct {
	Name   string  `json:"name"`
	Points []point `json:"points"`
}

type point struct {
	X any      `json:"x"`
	Y *float64 `json:"y"`
}

func (m *chartMapping) check() string {
	switch {
	case slices.Contains(m.Y, ""):
		return "Every column of y has a name."
	case m.Series != "" && len(m.Y) > 1:
		return "A mapping with series has one y."
	}
	return ""
}

// columns of a chart in a frame.
type chartColumns struct {
	x, series *Column
	y         []*Column
}

func (m *chartMapping) columns(f *Frame) (c chartColumns, err error) {
	if m.X != "" {
		if c.x, err = f.named("x", m.X, []ColumnKind{Time, Text, Integer, Number, Bool}); err != nil {
			return c, err
		}
	} else if c.x, err = m.defaultX(f); err != nil {
		return c, err
	}
	for _, name := range m.Y {
		y, err := f.named("y", name, numeric)
		if err != nil {
			return c, err
		}
		c.y = append(c.y, y)
	}
	if m.Series != "" {
		if c.series, err = f.named("series", m.Series, scalar); err != nil {
			return c, err
		}
	}
	if len(c.y) > 0 {
		return c, nil
	}
	for i := range f.Columns {
		if y := &f.Columns[i]; slices.Contains(numeric, y.Kind) && y != c.x && y != c.series {
			c.y = append(c.y, y)
		}
	}
	switch {
	case len(c.y) == 0:
		return c, f.missing("A column of numbers (y) is missing.")
	case c.series != nil:
		c.y = c.y[:1]
	case len(c.y) == 1:
		c.series = f.first(words, c.x)
	}
	return c, nil
}

func (m *chartMapping) defaultX(f *Frame) (*Column, error) {
	for _, kinds := range [][]ColumnKind{{Time}, {Text}, {Bool}} {
		if c := f.first(kinds); c != nil {
			return c, nil
		}
	}
	// Of numbers only, the first is x: another is needed for y.
	if c := f.first(numeric); c != nil && f.first(numeric, c) != nil {
		return c, nil
	}
	return nil, f.missing("A column of times or text (x) is missing.")
}

func (m *chartMapping) shape(frame, before *Frame) (any, error) {
	c, err := m.columns(frame)
	if err != nil {
		return nil, err
	}
	out := chartShape{X: axis{Name: c.x.Name, Type: axisOf(c.x.Kind)}, Y: axis{Name: c.y[0].Name, Type: axisNumber}, Truncated: frame.Truncated}
	out.Series = c.points(frame.Rows())
	if before != nil {
		// The same columns as now, whatever the defaults would make of an empty frame.
		again := &chartMapping{X: c.x.Name, comparison: m.comparison}
		for _, y := range c.y {
			again.Y = append(again.Y, y.Name)
		}
		if c.series != nil {
			again.Series = c.series.Name
		}
		earlier, err := again.columns(before)
		if err != nil {
			return nil, fmt.Errorf("the period before: %w", err)
		}
		out.Previous = earlier.points(before.Rows())
	}
	return out, nil
}

func axisOf(k ColumnKind) string {
	switch k {
	case Time:
		return axisTime
	case Integer, Number:
		return axisNumber
	}
	return axisCategory
}

// points makes the series, in the order in which they first appear. Rows
// without x are left out.
func (c *chartColumns) points(rows int) []series {
	out := []series{}
	if c.series == nil {
		for _, y := range c.y {
			s := series{Name: y.Name, Points: make([]point, 0, rows)}
			for row := range rows {
				s.Points = c.add(s.Points, y, row)
			}
			out = append(out, s)
		}
		return out
	}
	index := map[string]int{}
	for row := range rows {
		name := ""
		if t := text(c.series.Values[row]); t != nil {
			name = *t
		}
		at, ok := index[name]
		if !ok {
			at = len(out)
			index[name] = at
			out = append(out, series{Name: name, Points: []point{}})
		}
		out[at].Points = c.add(out[at].Points, c.y[0], row)
	}
	return out
}

func (c *chartColumns) add(points []point, y *Column, row int) []point {
	x := c.x.Values[row]
	if x == nil {
		return points
	}
	if b, ok := x.(bool); ok {
		x = *text(b)
	}
	return append(points, point{X: cell(x), Y: number(y.Values[row])})
}

// pieMapping makes slices of a whole.
type pieMapping struct {
	alone

	Label string `json:"label"` // column; the first of text, else the first that is not the value
	Value string `json:"value"` // column; the first of numbers
}

type pieShape struct {
	Slices    []slice  `json:"slices"`
	Total     *float64 `json:"total"`
	Truncated bool     `json:"truncated,omitempty"`
}

type slice struct {
	Label   string   `json:"label"`
	Value   float64  `json:"value"`
	Percent *float64 `json:"percent"` // null where the whole is not above 0
}

func (m *pieMapping) check() string { return "" }

func (m *pieMapping) shape(frame, _ *Frame) (any, error) {
	label, err := frame.optional("label", m.Label, scalar)
	if err != nil {
		return nil, err
	}
	value, err := frame.required("value", m.Value, numeric, label)
	if err != nil {
		return nil, err
	}
	if label == nil {
		label = frame.first(words, value)
	}
	if label == nil {
		label = frame.first(scalar, value)
	}
	if label == nil {
		return nil, frame.missing("A column of text (label) is missing.")
	}
	out := pieShape{Slices: []slice{}, Truncated: frame.Truncated}
	whole := 0.0
	for row := range frame.Rows() {
		n, ok := float(value.Values[row])
		if !ok {
			continue
		}
		s := slice{Value: n}
		if t := text(label.Values[row]); t != nil {
			s.Label = *t
		}
		out.Slices = append(out.Slices, s)
		whole += n
	}
	out.Total = finite(whole)
	for i := range out.Slices {
		if whole > 0 && out.Slices[i].Value >= 0 {
			out.Slices[i].Percent = finite(out.Slices[i].Value / whole * 100)
		}
	}
	return out, nil
}
