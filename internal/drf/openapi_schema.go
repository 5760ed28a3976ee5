package drf

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// variant is which side of a serializer a schema shows.
type variant uint8

const (
	read  variant = iota // answers: every field that is shown
	write                // POST, PUT: every field that is taken
	patch                // PATCH: the same, none required
)

// schemaName is drf-spectacular's naming, which client generators know.
func (v variant) schemaName(name string) string {
	switch v {
	case write:
		return strings.TrimSuffix(name, "Request") + "Request"
	case patch:
		return "Patched" + strings.TrimSuffix(name, "Request") + "Request"
	default:
		return name
	}
}

// schema registers a named schema. The same name may be registered again with
// the same content only.
func (b *openAPI) schema(name string, schema Value) {
	if old, ok := b.schemas[name]; ok {
		if string(old.AppendJSON(nil)) != string(schema.AppendJSON(nil)) {
			b.problem("two schemas with the name %s", name)
		}
		return
	}
	b.schemas[name] = schema
}

// described registers a variant of d with an example, and returns its name.
func (b *openAPI) described(d Describer, v variant) string {
	name := v.schemaName(d.Name())
	properties, example := object{}, object{}
	var required []string
	for _, f := range d.FieldInfos() {
		if v == read && f.WriteOnly || v != read && f.ReadOnly {
			continue
		}
		properties.set(f.Name, b.fieldSchema(d, f, v))
		if v == read && !f.OmitNull || v == write && f.Required {
			required = append(required, f.Name)
		}
		// A body to begin with: what must be there, and what was thought worth
		// an example.
		if v == read || v == write && f.Required || f.Example != "" {
			example.set(f.Name, b.fieldExample(d, f, v))
		}
	}
	schema := object{}
	schema.text("type", "object")
	schema.set("properties", properties.value())
	if len(required) > 0 {
		schema.set("required", words(required))
	}
	b.schema(name, schema.value())
	b.samples[name] = example.value()
	return name
}

// page registers the envelope around a list of name, and returns its name.
func (b *openAPI) page(name string) string {
	link := func(text string) Value {
		return DictOf(Pair{"type", words([]string{"string", "null"})}, Pair{"format", String("uri")}, Pair{"description", String(text)})
	}
	properties := DictOf(
		Pair{"count", DictOf(Pair{"type", String("integer")}, Pair{"description", String("Items on all pages.")})},
		Pair{"next", link("The next page; null on the last.")},
		Pair{"previous", link("The page before; null on the first.")},
		Pair{"results", DictOf(Pair{"type", String("array")}, Pair{"items", reference("schemas", name)})},
	)
	page := "Paginated" + name + "List"
	b.schema(page, DictOf(Pair{"type", String("object")}, Pair{"properties", properties},
		Pair{"required", words([]string{"count", "next", "previous", "results"})}))
	b.samples[page] = DictOf(Pair{"count", Int("1")}, Pair{"next", Null()}, Pair{"previous", Null()},
		Pair{"results", ListOf(b.samples[name])})
	return page
}

// example refers to the sample of a schema as a component.
func (b *openAPI) example(name string) Value {
	b.examples[name] = DictOf(Pair{"value", b.samples[name]})
	return reference("examples", name)
}

// fieldSchema is the schema of one field.
func (b *openAPI) fieldSchema(d Describer, f FieldInfo, v variant) Value {
	schema := object{}
	if f.Schema != "" {
		replacement := b.parse(f.Schema, d.Name()+"."+f.Name+": schema")
		for name, value := range replacement.Members() {
			schema.set(name, value)
		}
	} else {
		b.typed(&schema, f, v)
	}
	schema.text("description", f.Help)
	if v == read && f.ReadOnly {
		schema.set("readOnly", Bool(true))
	}
	if v != read && f.WriteOnly {
		schema.set("writeOnly", Bool(true))
	}
	if f.Example != "" {
		schema.set("examples", ListOf(b.parse(f.Example, d.Name()+"."+f.Name+": example")))
	}
	return schema.value()
}

// typed fills the schema with what follows from the field's type.
func (b *openAPI) typed(schema *object, f FieldInfo, v variant) {
	format := ""
	switch f.Type {
	case "field": // any JSON, null included
		return
	case "nested object":
		b.nested(schema, f, v)
		return
	case "":
		if f.Of != nil {
			b.nested(schema, f, v)
			return
		}
		schema.set("type", typeName("string", f.Null))
	case "integer":
		schema.set("type", typeName("integer", f.Null))
		format = integerFormat(f)
	case "float":
		schema.set("type", typeName("number", f.Null))
		format = "double"
	case "boolean":
		schema.set("type", typeName("boolean", f.Null))
	case "multiple choice":
		schema.set("type", typeName("array", f.Null))
		schema.set("items", DictOf(Pair{"type", String("string")}, Pair{"enum", choiceValues(f, false)}))
	default:
		schema.set("type", typeName("string", f.Null))
		format = map[string]string{"email": "email", "url": "uri", "datetime": "date-time"}[f.Type]
	}
	schema.text("format", firstOf(f.Format, format))
	if f.Type == "choice" {
		schema.set("enum", choiceValues(f, f.Null))
	}
	limits(schema, f, v)
}

// limits are promises about input. What is read may be older than they are.
func limits(schema *object, f FieldInfo, v variant) {
	if v == read {
		return
	}
	switch f.Type {
	case "string", "email", "url", "":
		minimum := f.Min
		if minimum == 0 && !f.Blank {
			minimum = 1
		}
		if minimum > 0 {
			schema.set("minLength", Int(strconv.Itoa(minimum)))
		}
		if f.Max > 0 {
			schema.set("maxLength", Int(strconv.Itoa(f.Max)))
		}
	case "integer":
		if f.MinValue != nil && *f.MinValue != math.MinInt64 {
			schema.set("minimum", Int(strconv.FormatInt(*f.MinValue, 10)))
		}
		if f.MaxValue != nil && *f.MaxValue != math.MaxInt64 {
			schema.set("maximum", Int(strconv.FormatInt(*f.MaxValue, 10)))
		}
	}
}

func integerFormat(f FieldInfo) string {
	if f.MinValue != nil && f.MaxValue != nil && *f.MinValue >= math.MinInt32 && *f.MaxValue <= math.MaxInt32 {
		return "int32"
	}
	return "int64"
}

func (b *openAPI) nested(schema *object, f FieldInfo, v variant) {
	item := DictOf(Pair{"type", typeName("object", f.Null && !f.Many)})
	if f.Of != nil {
		item = reference("schemas", b.described(f.Of, v))
	}
	switch {
	case f.Many:
		schema.set("type", typeName("array", f.Null))
		schema.set("items", item)
	case f.Null && f.Of != nil:
		schema.set("anyOf", ListOf(item, DictOf(Pair{"type", String("null")})))
	default:
		for name, value := range item.Members() {
			schema.set(name, value)
		}
	}
}

func typeName(name string, null bool) Value {
	if null {
		return words([]string{name, "null"})
	}
	return String(name)
}

func choiceValues(f FieldInfo, null bool) Value {
	var list []Value
	for _, c := range f.Choices {
		list = append(list, String(c.Value))
	}
	if null {
		list = append(list, Null())
	}
	return ListOf(list...)
}

// fieldExample is the declared example, or one that fits the type.
func (b *openAPI) fieldExample(d Describer, f FieldInfo, v variant) Value {
	if f.Example != "" {
		return b.parse(f.Example, d.Name()+"."+f.Name+": example")
	}
	switch f.Type {
	case "integer":
		return exampleInteger(f)
	case "float":
		return Float(0.5)
	case "boolean":
		return Bool(false)
	case "datetime":
		return String("2026-01-02T03:04:05.678901Z")
	case "email":
		return String("user@example.com")
	case "url":
		return String("https://example.com/")
	case "field":
		if f.Null {
			return Null()
		}
		return DictOf()
	case "choice", "multiple choice":
		return exampleChoice(f)
	case "nested object":
		return b.nestedExample(f, v)
	case "":
		if f.Of != nil {
			return b.nestedExample(f, v)
		}
	}
	return String(fitText("string", f))
}

func exampleInteger(f FieldInfo) Value {
	n := int64(1)
	if f.MinValue != nil {
		n = max(n, *f.MinValue)
	}
	if f.MaxValue != nil {
		n = min(n, *f.MaxValue)
	}
	return Int(strconv.FormatInt(n, 10))
}

func exampleChoice(f FieldInfo) Value {
	var list []Value
	if len(f.Choices) > 0 {
		list = append(list, String(f.Choices[0].Value))
	}
	switch {
	case f.Type == "multiple choice":
		return ListOf(list...)
	case len(list) == 0:
		return Null()
	default:
		return list[0]
	}
}

func (b *openAPI) nestedExample(f FieldInfo, v variant) Value {
	example := DictOf()
	if f.Of != nil {
		example = b.samples[b.described(f.Of, v)]
	}
	if f.Many {
		return ListOf(example)
	}
	return example
}

// fitText makes s as long as the field wants it.
func fitText(s string, f FieldInfo) string {
	for f.Min > len(s) {
		s += "-" + s
	}
	if f.Max > 0 && len(s) > f.Max {
		s = s[:f.Max]
	}
	return s
}

// parse reads JSON text out of a declaration.
func (b *openAPI) parse(text, where string) Value {
	v, err := ParseJSON([]byte(text), ParseOptions{})
	if err != nil {
		b.problem("%s: %w", where, err)
		return Null()
	}
	return v
}

// inferred is a schema for a value like v: it tells the types of what is
// there, requires nothing and allows more.
func inferred(v Value) Value {
	schema := object{}
	switch v.Kind() {
	case KindBool:
		schema.text("type", "boolean")
	case KindInt:
		schema.text("type", "integer")
	case KindFloat:
		schema.text("type", "number")
	case KindString:
		schema.text("type", "string")
	case KindList:
		schema.text("type", "array")
		items := DictOf()
		if alike(v.List()) {
			items = inferred(v.List()[0])
		}
		schema.set("items", items)
	case KindDict:
		properties := object{}
		for name, member := range v.Members() {
			properties.set(name, inferred(member))
		}
		schema.text("type", "object")
		if v.Len() > 0 {
			schema.set("properties", properties.value())
		}
	}
	return schema.value()
}

// alike tells whether there are items and all are of one kind; others can be
// of any.
func alike(items []Value) bool {
	for _, item := range items {
		if item.Kind() != items[0].Kind() {
			return false
		}
	}
	return len(items) > 0
}

// object is a dict in the making.
type object []Pair

func (o *object) set(name string, v Value) { *o = append(*o, Pair{name, v}) }

// text leaves out what is empty.
func (o *object) text(name, s string) {
	if s != "" {
		o.set(name, String(s))
	}
}

func (o *object) has(name string) bool {
	return slices.ContainsFunc(*o, func(p Pair) bool { return p.Name == name })
}

func (o *object) value() Value { return DictOf(*o...) }

func words(list []string) Value {
	out := make([]Value, len(list))
	for i, s := range list {
		out[i] = String(s)
	}
	return ListOf(out...)
}

func reference(kind, name string) Value {
	return DictOf(Pair{"$ref", String("#/components/" + kind + "/" + name)})
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}

func sortedDict(m map[string]Value) Value {
	o := object{}
	for _, name := range sortedKeys(m) {
		o.set(name, m[name])
	}
	return o.value()
}

func firstOf(list ...string) string { return cmp.Or(list...) }
