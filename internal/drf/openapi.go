package drf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Info is what OpenAPI says of an API as a whole.
type Info struct {
	Title, Version, Description string
	// License is an SPDX identifier: "MIT".
	License string
	// Servers are where the paths of the views begin; none is "/".
	Servers []ServerURL
	// Security are the ways to say who is asking, all of them HTTP bearer
	// tokens. Each is good for every view that wants credentials.
	Security []SecurityScheme
	// Tags describe and order View.Tag. Tags without a description are listed
	// after these.
	Tags []Tag
	// Pages is how lists are cut.
	Pages Pages
}

// ServerURL is a place of the API: a URL, or a path of the server that serves
// the document.
type ServerURL struct{ URL, Text string }

// SecurityScheme is a kind of bearer token. Format is a hint: "JWT".
type SecurityScheme struct{ Name, Format, Text string }

// Tag describes a group of operations.
type Tag struct{ Name, Text string }

// Document is an OpenAPI 3.1 description. The same declarations give the same
// bytes. A Document is immutable and safe for concurrent use.
type Document struct {
	root Value
	err  error
}

// JSON is the document as JSON, indented by two spaces.
func (d *Document) JSON() []byte {
	var out bytes.Buffer
	// AppendJSON writes valid JSON whatever the value holds.
	_ = json.Indent(&out, d.root.AppendJSON(nil), "", "  ")
	out.WriteByte('\n')
	return out.Bytes()
}

// YAML is the document as YAML 1.2, in block style.
func (d *Document) YAML() []byte { return appendYAML(nil, d.root) }

// Err tells of declarations that contradict each other: two operations with
// one id, two schemas with one name, examples that are not JSON. The document
// is complete all the same, with the first of each. Test that it is nil.
func (d *Document) Err() error { return d.err }

// OpenAPI describes the views. It may be called before or after they were
// given to Site.Handler, and keeps nothing of them.
func OpenAPI(info Info, views []*View) *Document {
	b := &openAPI{info: info, schemas: map[string]Value{}, samples: map[string]Value{}, examples: map[string]Value{}, responses: map[int]bool{}, ids: map[string]string{}}
	if b.info.Pages == (Pages{}) {
		b.info.Pages = Pages{Default: 20, Max: 100}
	}
	paths := b.paths(views)
	root := object{}
	root.text("openapi", "3.1.1")
	root.set("info", b.infoObject())
	root.set("servers", b.servers())
	root.set("tags", b.tags(views))
	root.set("paths", paths)
	root.set("components", b.components())
	return &Document{root: root.value(), err: errors.Join(b.problems...)}
}

// openAPI is a document in the making.
type openAPI struct {
	info      Info
	schemas   map[string]Value
	samples   map[string]Value  // a value for each schema
	examples  map[string]Value  // the samples that some operation refers to
	responses map[int]bool      // the error statuses that some operation refers to
	ids       map[string]string // operationId -> "GET themes/"
	problems  []error
}

func (b *openAPI) problem(format string, args ...any) {
	b.problems = append(b.problems, fmt.Errorf("openapi: "+format, args...))
}

func (b *openAPI) infoObject() Value {
	info := object{}
	info.text("title", b.info.Title)
	info.text("version", b.info.Version)
	info.text("description", b.info.Description)
	if b.info.License != "" {
		license := object{}
		license.text("name", b.info.License)
		license.text("identifier", b.info.License)
		info.set("license", license.value())
	}
	return info.value()
}

func (b *openAPI) servers() Value {
	servers := b.info.Servers
	if len(servers) == 0 {
		servers = []ServerURL{{URL: "/"}}
	}
	var list []Value
	for _, s := range servers {
		server := object{}
		server.text("url", s.URL)
		server.text("description", s.Text)
		list = append(list, server.value())
	}
	return ListOf(list...)
}

func (b *openAPI) tags(views []*View) Value {
	tags := slices.Clone(b.info.Tags)
	for _, v := range views {
		name := v.tag()
		if !slices.ContainsFunc(tags, func(t Tag) bool { return t.Name == name }) {
			tags = append(tags, Tag{Name: name})
		}
	}
	var list []Value
	for _, t := range tags {
		tag := object{}
		tag.text("name", t.Name)
		tag.text("description", t.Text)
		list = append(list, tag.value())
	}
	return ListOf(list...)
}

// paths keeps the order of the views. Ids are given out first: they depend on
// each other.
func (b *openAPI) paths(views []*View) Value {
	names := b.operationIDs(views)
	paths := object{}
	for i, v := range views {
		item := object{}
		if parameters := b.pathParameters(v); len(parameters) > 0 {
			item.set("parameters", ListOf(parameters...))
		}
		for j := range v.Methods {
			item.set(strings.ToLower(v.Methods[j].Verb), b.operation(v, &v.Methods[j], names[i][j]))
		}
		path := "/" + v.Path
		if paths.has(path) {
			b.problem("two views for the path %s", path)
			continue
		}
		paths.set(path, item.value())
	}
	return paths.value()
}

func (b *openAPI) pathParameters(v *View) []Value {
	var list []Value
	for segment := range strings.SplitSeq(v.Path, "/") {
		name, ok := paramName(segment)
		if !ok {
			continue
		}
		p := Param{Name: name, Integer: name == "id" || strings.HasSuffix(name, "_id")}
		if i := slices.IndexFunc(v.Params, func(p Param) bool { return p.Name == name }); i >= 0 {
			p = v.Params[i]
		}
		p.Required = true
		list = append(list, b.parameter(p, "path"))
	}
	for _, p := range v.Params {
		if !strings.Contains(v.Path, "{"+p.Name+"}") {
			b.problem("%s has no parameter %s", v.Path, p.Name)
		}
	}
	return list
}

// paramName takes the name out of "{name}" or "{name...}".
func paramName(segment string) (string, bool) {
	name, ok := strings.CutPrefix(segment, "{")
	if !ok {
		return "", false
	}
	name = strings.TrimSuffix(strings.TrimSuffix(name, "}"), "...")
	return name, name != "$"
}

func (b *openAPI) parameter(p Param, in string) Value {
	schema := object{}
	switch {
	case p.Ordering:
		items := object{}
		items.text("type", "string")
		items.set("enum", words(bothWays(p.Enum)))
		schema.text("type", "array")
		schema.set("items", items.value())
	case p.Integer:
		schema.text("type", "integer")
		schema.text("format", "int64")
	case p.Boolean:
		schema.text("type", "boolean")
	default:
		schema.text("type", "string")
		if len(p.Enum) > 0 {
			schema.set("enum", words(p.Enum))
		}
	}
	return parameterObject(p, in, schema.value())
}

func parameterObject(p Param, in string, schema Value) Value {
	o := object{}
	o.text("name", p.Name)
	o.text("in", in)
	o.text("description", p.Text)
	if p.Required {
		o.set("required", Bool(true))
	}
	if p.Ordering {
		o.text("style", "form")
		o.set("explode", Bool(false))
	}
	o.set("schema", schema)
	return o.value()
}

func bothWays(names []string) []string {
	out := make([]string, 0, 2*len(names))
	for _, n := range names {
		out = append(out, n, "-"+n)
	}
	return out
}

// pageParameters are those of every list.
func (b *openAPI) pageParameters() []Value {
	number := object{}
	number.text("type", "integer")
	number.set("minimum", Int("1"))
	last := object{}
	last.text("type", "string")
	last.set("enum", words([]string{"last"}))
	page := object{}
	page.set("oneOf", ListOf(number.value(), last.value()))
	size := object{}
	size.text("type", "integer")
	size.set("minimum", Int("1"))
	size.set("maximum", Int(strconv.Itoa(b.info.Pages.Max)))
	size.set("default", Int(strconv.Itoa(b.info.Pages.Default)))
	return []Value{
		parameterObject(Param{Name: "page", Text: "The number of the page, from 1, or `last`."}, "query", page.value()),
		parameterObject(Param{Name: "page_size", Text: fmt.Sprintf("Items on a page; more than %d is %d.", b.info.Pages.Max, b.info.Pages.Max)}, "query", size.value()),
	}
}

func (b *openAPI) operation(v *View, m *Method, id string) Value {
	doc := &m.Doc
	op := object{}
	op.set("tags", words([]string{v.tag()}))
	summary := doc.Summary
	if summary == "" {
		summary = summaryOf(v, m)
	}
	op.text("summary", summary)
	op.text("description", firstOf(doc.Text, v.Description, sentence(summary)))
	op.text("operationId", id)
	var parameters []Value
	if doc.List {
		parameters = b.pageParameters()
	}
	for _, p := range doc.Params {
		parameters = append(parameters, b.parameter(p, "query"))
	}
	if len(parameters) > 0 {
		op.set("parameters", ListOf(parameters...))
	}
	if body, ok := b.requestBody(v, doc); ok {
		op.set("requestBody", body)
	}
	op.set("responses", b.responsesOf(v, m))
	op.set("security", b.security(v, doc))
	return op.value()
}

func (b *openAPI) security(v *View, doc *Operation) Value {
	list := []Value{}
	if v.Auth == AuthIgnored {
		return ListOf()
	}
	if v.Auth == AuthOptional {
		list = append(list, DictOf())
	}
	for _, s := range b.info.Security {
		if doc.Security == nil || slices.Contains(doc.Security, s.Name) {
			list = append(list, DictOf(Pair{s.Name, ListOf()}))
		}
	}
	return ListOf(list...)
}

func (b *openAPI) components() Value {
	components := object{}
	components.set("schemas", sortedDict(b.schemas))
	responses := object{}
	for _, status := range sortedKeys(b.responses) {
		responses.set(errorName(status), errorResponse(status))
	}
	components.set("responses", responses.value())
	components.set("examples", sortedDict(b.examples))
	schemes := object{}
	for _, s := range b.info.Security {
		scheme := object{}
		scheme.text("type", "http")
		scheme.text("scheme", "bearer")
		scheme.text("bearerFormat", s.Format)
		scheme.text("description", s.Text)
		schemes.set(s.Name, scheme.value())
	}
	components.set("securitySchemes", schemes.value())
	return components.value()
}

// responsesOf lists the success and every error that can follow from the
// declaration.
func (b *openAPI) responsesOf(v *View, m *Method) Value {
	doc := &m.Doc
	responses := object{}
	status := doc.Status
	content, ok := b.answer(v, m)
	if status == 0 {
		status = http.StatusNoContent
		if ok {
			status = http.StatusOK
		}
	}
	success := object{}
	success.text("description", successText(status))
	if ok {
		success.set("content", content)
	}
	responses.set(strconv.Itoa(status), success.value())
	for _, e := range errorsOf(v, doc) {
		if e == status {
			continue
		}
		b.responses[e] = true
		b.needErrorSchemas(e)
		responses.set(strconv.Itoa(e), reference("responses", errorName(e)))
	}
	return responses.value()
}
