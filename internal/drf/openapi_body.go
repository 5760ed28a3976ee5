package drf

import "net/http"

// formTypes are the media types of bodies besides JSON. Lists and objects are
// JSON text in a form field.
var formTypes = []string{"application/x-www-form-urlencoded", "multipart/form-data"}

// requestBody is the body in every format that parsers read.
func (b *openAPI) requestBody(v *View, doc *Operation) (Value, bool) {
	if !doc.hasBody() {
		return Value{}, false
	}
	schema, example := b.bodySchema(v, doc)
	media := object{}
	media.set("schema", schema)
	if doc.InExample != "" {
		media.set("example", b.parse(doc.InExample, v.Path+": body example"))
	} else if example.Kind() != KindAbsent {
		media.set("examples", example)
	}
	content := object{}
	content.set(jsonType[0], media.value())
	for _, t := range formTypes {
		content.set(t, DictOf(Pair{"schema", schema}))
	}
	body := object{}
	body.set("required", Bool(needsBody(doc)))
	body.set("content", content.value())
	return body.value(), true
}

// needsBody tells whether an empty body, which is an empty object, is refused.
func needsBody(doc *Operation) bool {
	if doc.In == nil || doc.PartialIn {
		return false
	}
	for _, f := range doc.In.FieldInfos() {
		if f.Required && !f.ReadOnly {
			return true
		}
	}
	return false
}

func (b *openAPI) bodySchema(v *View, doc *Operation) (schema, examples Value) {
	if doc.In == nil {
		return inferred(b.parse(doc.InExample, v.Path+": body example")), Value{}
	}
	side := write
	if doc.PartialIn {
		side = patch
	}
	name := b.described(doc.In, side)
	schema = reference("schemas", name)
	list := object{}
	list.set(name, b.example(name))
	if doc.InOr != nil {
		other := b.described(doc.InOr, side)
		schema = DictOf(Pair{"anyOf", ListOf(schema, reference("schemas", other))})
		list.set(other, b.example(other))
	}
	return schema, list.value()
}

// answer is the content of the success; false is none.
func (b *openAPI) answer(v *View, m *Method) (Value, bool) {
	doc := &m.Doc
	mediaType := firstOf(doc.Produces, jsonType[0])
	media := object{}
	switch {
	case doc.Status == http.StatusNoContent:
		return Value{}, false
	case doc.Out != nil:
		schema, example := b.answerSchema(doc)
		media.set("schema", schema)
		if doc.Example == "" {
			media.set("examples", example)
		}
	case doc.Example != "" && doc.Produces == "":
		media.set("schema", inferred(b.parse(doc.Example, v.Path+": example")))
	case doc.Produces != "":
		media.set("schema", DictOf(Pair{"type", String("string")}))
	default:
		return Value{}, false
	}
	switch {
	case doc.Example == "":
	case doc.Produces != "" && doc.Out == nil:
		media.text("example", doc.Example)
	default:
		media.set("example", b.parse(doc.Example, v.Path+": example"))
	}
	return DictOf(Pair{mediaType, media.value()}), true
}

func (b *openAPI) answerSchema(doc *Operation) (schema, examples Value) {
	name := b.described(doc.Out, read)
	switch {
	case doc.List:
		name = b.page(name)
	case doc.Array:
		schema = DictOf(Pair{"type", String("array")}, Pair{"items", reference("schemas", name)})
		return schema, DictOf(Pair{name, DictOf(Pair{"value", ListOf(b.samples[name])})})
	}
	return reference("schemas", name), DictOf(Pair{name, b.example(name)})
}
