package widget

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/bdash/bdash/internal/fault"
)

// Shape names the form of the data that a type of widget shows; docs/widgets.md
// describes each, and Schema gives it as JSON Schema.
type Shape string

// The shapes.
const (
	ShapeStats    Shape = "stats"
	ShapeChart    Shape = "chart"
	ShapePie      Shape = "chart-pie"
	ShapeTable    Shape = "table" // also of a custom widget without a variant
	ShapeCalendar Shape = "calendar"
	ShapeList     Shape = "list"
	ShapeFeed     Shape = "activity-feed"
	ShapeActions  Shape = "quick-actions"
)

// shaper makes one shape of frames.
type shaper interface {
	// check looks at the mapping by itself; "" is nothing wrong.
	check() string
	// shape makes the data; before is the period before, or nil.
	shape(frame, before *Frame) (any, error)
	// compares tells whether the shape shows the period before.
	compares() bool
}

// shapers make an empty mapping of each shape.
var shapers = map[Shape]func() shaper{
	ShapeStats:    func() shaper { return &statsMapping{} },
	ShapeChart:    func() shaper { return &chartMapping{} },
	ShapePie:      func() shaper { return &pieMapping{} },
	ShapeTable:    func() shaper { return &tableMapping{} },
	ShapeCalendar: func() shaper { return &calendarMapping{} },
	ShapeList:     func() shaper { return &listMapping{} },
	ShapeFeed:     func() shaper { return &feedMapping{} },
	ShapeActions:  func() shaper { return &actionsMapping{} },
}

// Shapes are all shapes, in the order of the documentation.
var Shapes = []Shape{ShapeStats, ShapeChart, ShapePie, ShapeTable, ShapeCalendar, ShapeList, ShapeFeed, ShapeActions}

// ShapeOf is the shape of a widget's data.
func ShapeOf(widgetType, variant string) Shape {
	switch variant {
	case "":
	case "chart-line", "chart-bar": // drawn differently, and the same here
		return ShapeChart
	default:
		return Shape(variant)
	}
	if widgetType == "custom" {
		return ShapeTable
	}
	return Shape(widgetType)
}

// empties are the shapes of nothing.
var empties = map[Shape]any{
	ShapeStats:    statsShape{Sparkline: []*float64{}},
	ShapeChart:    chartShape{X: axis{Type: axisCategory}, Y: axis{Type: axisNumber}, Series: []series{}},
	ShapePie:      pieShape{Slices: []slice{}},
	ShapeTable:    tableShape{Columns: []tableHead{}, Rows: [][]any{}},
	ShapeCalendar: calendarShape{Events: []event{}},
	ShapeList:     listShape{Items: []listItem{}},
	ShapeFeed:     feedShape{Items: []feedItem{}},
	ShapeActions:  actionsShape{Actions: []action{}},
}

//go:embed shapes/*.json
var shapeFiles embed.FS

// Schema is the JSON Schema (2020-12) of a shape; nil for an unknown one.
func (s Shape) Schema() json.RawMessage {
	if _, ok := shapers[s]; !ok {
		return nil
	}
	data, err := shapeFiles.ReadFile("shapes/" + string(s) + ".json")
	if err != nil {
		panic("widget: no schema of shape " + string(s)) // a test reads them all
	}
	return bytes.TrimSpace(data)
}

// CheckMapping says what is wrong with a mapping for the shape; "" is nothing.
// Whether a frame has the columns is seen when there is one.
func (s Shape) CheckMapping(mapping json.RawMessage) string {
	_, message := s.mapping(mapping)
	return message
}

// mappingProblem tells that the mapping which the widget will have is none of
// the shape that it will have.
func mappingProblem(w *Widget, d Draft) []fault.Field {
	if d.Mapping == nil && d.WidgetType == nil && d.Variant == nil {
		return nil
	}
	kind, variant, mapping := w.WidgetType, w.Variant, w.Mapping
	set(&kind, d.WidgetType)
	set(&variant, d.Variant)
	if d.Mapping != nil {
		mapping = orNil(d.Mapping)
	}
	shape := ShapeOf(kind, deref(variant))
	if _, known := shapers[shape]; !known || mapping == nil || mapping[0] != '{' {
		return nil // told elsewhere
	}
	if message := shape.CheckMapping(mapping); message != "" {
		return problem("mapping", "widget.mapping", message)
	}
	return nil
}

// mapping reads a mapping; none, null and {} leave everything to the defaults.
func (s Shape) mapping(raw json.RawMessage) (shaper, string) {
	make, ok := shapers[s]
	if !ok {
		return nil, fmt.Sprintf("There is no shape %q.", string(s))
	}
	m := make()
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return m, ""
	}
	if raw[0] != '{' {
		return nil, "A mapping is an object."
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		return nil, mappingMessage(s, err)
	}
	return m, m.check()
}

func mappingMessage(s Shape, err error) string {
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Sprintf("A mapping of shape %q has no %s.", string(s), name)
	}
	if typed, ok := err.(*json.UnmarshalTypeError); ok && typed.Field != "" { //nolint:errorlint // what Decode gives is not wrapped
		return fmt.Sprintf("%q has the wrong type in a mapping of shape %q.", typed.Field, string(s))
	}
	return fmt.Sprintf("Not a mapping of shape %q.", string(s))
}

// Form makes the shape's data of a frame, as JSON. before is the frame of the
// period before, or nil. What does not fit is a *SourceError of CodeShape that
// names the column.
func (s Shape) Form(mapping json.RawMessage, frame, before *Frame) (json.RawMessage, error) {
	m, message := s.mapping(mapping)
	if message != "" {
		return nil, &SourceError{Code: CodeShape, Message: "The widget's mapping is not valid.", Detail: message}
	}
	if len(frame.Columns) == 0 { // an empty list of a source that has no schema
		return json.Marshal(empties[s])
	}
	if !m.compares() || before != nil && before.Rows() == 0 {
		before = nil
	}
	data, err := m.shape(frame, before)
	if err != nil {
		return nil, err
	}
	return json.Marshal(data)
}

// Compares tells whether data of the shape shows the period before, so that it
// has to be asked for. A mapping with `"compare": false` does without.
func (s Shape) Compares(mapping json.RawMessage) bool {
	m, message := s.mapping(mapping)
	return message == "" && m.compares()
}

// CodeShape says that the frame has not the columns that the widget needs.
const CodeShape SourceCode = "shape"

// comparison is the part of a mapping that shapes with a period before share.
type comparison struct {
	// Compare asks for the period before; absent is yes.
	Compare *bool `json:"compare"`
}

func (c comparison) compares() bool { return c.Compare == nil || *c.Compare }

// alone is for shapes without a period before.
type alone struct{}

func (alone) compares() bool { return false }

// Kinds that several columns take.
var (
	numeric = []ColumnKind{Number, Integer}
	words   = []ColumnKind{Text}
	instant = []ColumnKind{Time, Text} // text must be a date, or a date with time
	scalar  = []ColumnKind{Text, Integer, Number, Bool, Time}
)

// kindNames are the words for a reader.
var kindNames = map[ColumnKind]string{
	Integer: "whole numbers", Number: "numbers", Text: "text", Time: "times", Bool: "yes and no", JSON: "JSON",
}

// named finds the column that the mapping names for a part of the shape.
func (f *Frame) named(part, name string, kinds []ColumnKind) (*Column, error) {
	c := f.Column(name)
	if c == nil {
		return nil, f.missing(fmt.Sprintf("The column %q (%s) is missing.", name, part))
	}
	if !slices.Contains(kinds, c.Kind) {
		return nil, &SourceError{Code: CodeShape, Message: fmt.Sprintf("The column %q (%s) has the wrong type: it holds %s, and %s are needed.",
			name, part, kindNames[c.Kind], kindNames[kinds[0]])}
	}
	return c, nil
}

// missing tells the owner which columns there are.
func (f *Frame) missing(message string) error {
	names := make([]string, 0, len(f.Columns))
	for _, c := range f.Columns {
		names = append(names, fmt.Sprintf("%q (%s)", c.Name, kindNames[c.Kind]))
	}
	detail := message + " The query gives no columns."
	if len(names) > 0 {
		detail = message + " The query gives " + strings.Join(names, ", ") + "."
	}
	return &SourceError{Code: CodeShape, Message: message, Detail: detail}
}

// first is the first column of one of the kinds, besides those that are taken.
// Kinds are tried in order.
func (f *Frame) first(kinds []ColumnKind, taken ...*Column) *Column {
	for i := range f.Columns {
		c := &f.Columns[i]
		if slices.Contains(kinds, c.Kind) && !slices.Contains(taken, c) {
			return c
		}
	}
	return nil
}

// optional is the column that the mapping names, or else the one of the part's
// own name if its kind will do; nil for none.
func (f *Frame) optional(part, name string, kinds []ColumnKind) (*Column, error) {
	if name != "" {
		return f.named(part, name, kinds)
	}
	if c := f.Column(part); c != nil && slices.Contains(kinds, c.Kind) {
		return c, nil
	}
	return nil, nil //nolint:nilnil // no column is no fault
}

// required is optional, or else the first column of the kinds.
func (f *Frame) required(part, name string, kinds []ColumnKind, taken ...*Column) (*Column, error) {
	c, err := f.optional(part, name, kinds)
	if c != nil || err != nil {
		return c, err
	}
	if c = f.first(kinds, taken...); c != nil {
		return c, nil
	}
	return nil, f.missing(fmt.Sprintf("A column of %s (%s) is missing.", kindNames[kinds[0]], part))
}
