package drf_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bdash/bdash/internal/drf"
)

func handled(http.ResponseWriter, *drf.Request) error { return nil }

// methodsOf declares verbs with one documentation.
func methodsOf(doc drf.Operation, verbs ...string) []drf.Method {
	var list []drf.Method
	for _, verb := range verbs {
		list = append(list, drf.Method{Verb: verb, Handler: handled, Doc: doc})
	}
	return list
}

// petFields has a field of every kind, shown and taken.
func petFields() *drf.Serializer[struct{}, struct{}] {
	type none = struct{}
	owner := drf.Shape("Owner", drf.FieldInfo{Name: "name"}, drf.FieldInfo{Name: "mail", Type: "email"})
	s := drf.NewSerializer[none, none]("Pet")
	s.Int("id", drf.Opt{}, 0, 0, func(*none) int64 { return 1 }, nil)
	s.Char("name", drf.Opt{Required: true, Max: 100, Help: "What it answers to.", Example: `"Rex"`}, func(*none) string { return "Rex" }, func(*none, string) {})
	s.Char("note", drf.Opt{Blank: true}, func(*none) string { return "" }, func(*none, string) {})
	s.Char("code", drf.Opt{Min: 9, Max: 12}, nil, func(*none, string) {})
	s.Email("vet", drf.Opt{}, func(*none) string { return "v@e.t" }, func(*none, string) {})
	s.URLOrNull("photo", drf.Opt{Max: 200}, func(*none) *string { return nil }, func(*none, *string) {})
	s.Choice("kind", drf.Opt{Null: true}, []drf.Choice{{Value: "cat", Label: "Cat"}, {Value: "dog", Label: "Dog"}}, func(*none) string { return "cat" }, func(*none, string) {})
	s.Strings("tricks", drf.Opt{}, []drf.Choice{{Value: "sit"}, {Value: "roll"}}, func(*none) []string { return nil }, func(*none, []string) {})
	s.Bool("chipped", drf.Opt{}, func(*none) bool { return true }, func(*none, bool) {})
	s.Int("age", drf.Opt{}, 0, 40, func(*none) int64 { return 3 }, func(*none, int64) {})
	s.Int("serial", drf.Opt{}, -1<<63, 1<<63-1, func(*none) int64 { return 3 }, func(*none, int64) {})
	s.IntOrNull("mother_id", drf.Opt{}, func(*none) *int64 { return nil })
	s.Float("weight", drf.Opt{}, func(*none) float64 { return 2.5 }, func(*none, float64) {})
	s.JSON("extra", drf.Opt{}, func(*none) json.RawMessage { return nil }, func(*none, json.RawMessage) {})
	s.JSON("colors", drf.Opt{Schema: `{"type":"object","additionalProperties":{"type":"string"}}`, Example: `{"tail":"white"}`}, func(*none) json.RawMessage { return nil }, func(*none, json.RawMessage) {})
	s.Char("secret", drf.Opt{Format: "password"}, nil, func(*none, string) {})
	s.Object("owner", drf.Opt{Of: owner}, func(dst []byte, _ *none) []byte { return append(dst, "{}"...) })
	s.Object("walkers", drf.Opt{Of: owner, Many: true}, func(dst []byte, _ *none) []byte { return append(dst, "[]"...) })
	s.Time("born", drf.Opt{}, nil)
	return s
}

// petViews use every way to declare an operation.
func petViews() []*drf.View {
	pet := petFields()
	filters := []drf.Filter{{Field: "kind", Choices: []string{"cat", "dog"}}, {Field: "chipped", Boolean: true}, {Field: "vet"}}
	return []*drf.View{
		{Path: "", Name: "Api Root", Auth: drf.AuthIgnored, Methods: methodsOf(drf.Operation{Example: `{"pets":"http://localhost/pets/","n":1,"x":1.5,"ok":true,"list":[1],"none":null,"empty":{}}`}, http.MethodGet)},
		{Path: "pets/", Name: "Pet List", Tag: "pets", Methods: []drf.Method{
			{Verb: http.MethodGet, Doc: drf.Operation{Out: pet, List: true, Params: drf.ListParams([]string{"id", "name"}, "the name", filters)}},
			{Verb: http.MethodPost, Doc: drf.Operation{In: pet, Out: pet, Status: http.StatusCreated, Errors: []int{http.StatusConflict}}},
		}},
		{Path: "pets/{id}/", Name: "Pet Instance", Description: "One pet.", Tag: "pets", Methods: []drf.Method{
			{Verb: http.MethodGet, Doc: drf.Operation{Out: pet}},
			{Verb: http.MethodPut, Doc: drf.Operation{In: pet, Out: pet}},
			{Verb: http.MethodPatch, Doc: drf.Operation{In: pet, PartialIn: true, Out: pet}},
			{Verb: http.MethodDelete},
		}},
		{Path: "pets/{id}/feed-now/", Name: "Feed now", Tag: "pets", Methods: methodsOf(drf.Operation{InExample: `{"grams":50}`, Example: `{"fed":true}`, Errors: []int{http.StatusBadGateway, 599}}, http.MethodPost)},
		{Path: "pets/{pet_id}/walks/{day}/", Name: "Walk", Tag: "pets", Auth: drf.AuthOptional, Params: []drf.Param{{Name: "day", Enum: []string{"monday", "friday"}, Text: "A day."}},
			Methods: methodsOf(drf.Operation{Out: drf.Shape("Walk", drf.FieldInfo{Name: "km", Type: "float"}), Array: true, Security: []string{"session"}}, http.MethodGet)},
		{Path: "pets/{id}/voice/", Name: "Voice", Tag: "pets", Methods: methodsOf(drf.Operation{Produces: "text/event-stream", Example: "data: woof\n\n"}, http.MethodGet)},
		{Path: "login/", Name: "Login", Auth: drf.AuthIgnored, Methods: methodsOf(drf.Operation{
			In: drf.Shape("Login", drf.FieldInfo{Name: "name", Opt: drf.Opt{Required: true}}), InOr: drf.Shape("LoginByKeyRequest", drf.FieldInfo{Name: "key", Opt: drf.Opt{Required: true}}),
			Out: drf.Shape("Tokens", drf.FieldInfo{Name: "pet", Opt: drf.Opt{Of: pet, Null: true}})}, http.MethodPost)},
	}
}

func petInfo() drf.Info {
	return drf.Info{
		Title: "Pets", Version: "1", Description: "Pets:\n\n- cats\n- dogs", License: "MIT",
		Security: []drf.SecurityScheme{{Name: "session", Format: "JWT", Text: "A session."}, {Name: "key"}},
		Tags:     []drf.Tag{{Name: "pets", Text: "Pets."}},
		Pages:    drf.Pages{Default: 10, Max: 50},
	}
}

func decoded(t *testing.T, doc *drf.Document) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(doc.JSON(), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// at walks down a decoded document.
func at(t *testing.T, node any, path ...string) any {
	t.Helper()
	for i, name := range path {
		object, ok := node.(map[string]any)
		if !ok || object[name] == nil {
			t.Fatalf("nothing at %s", strings.Join(path[:i+1], " > "))
		}
		node = object[name]
	}
	return node
}

func TestOpenAPIOperations(t *testing.T) {
	t.Parallel()
	doc := drf.OpenAPI(petInfo(), petViews())
	if err := doc.Err(); err != nil {
		t.Fatal(err)
	}
	type operation struct {
		ID, Summary string
		Statuses    []string
		Security    any
	}
	session, key := map[string]any{"session": []any{}}, map[string]any{"key": []any{}}
	both := []any{session, key}
	want := map[string]operation{
		"/ get":                           {"root_retrieve", "Get the api root", []string{"200", "405", "406", "429", "503"}, []any{}},
		"/pets/ get":                      {"pets_list", "List pets", []string{"200", "400", "401", "403", "404", "405", "406", "429", "503"}, both},
		"/pets/ post":                     {"pets_create", "Create a pet", []string{"201", "400", "401", "403", "405", "406", "409", "413", "415", "429", "503"}, both},
		"/pets/{id}/ get":                 {"pets_retrieve", "Get a pet", []string{"200", "401", "403", "404", "405", "406", "429", "503"}, both},
		"/pets/{id}/ put":                 {"pets_update", "Replace a pet", []string{"200", "400", "401", "403", "404", "405", "406", "413", "415", "429", "503"}, both},
		"/pets/{id}/ patch":               {"pets_partial_update", "Update a pet", []string{"200", "400", "401", "403", "404", "405", "406", "413", "415", "429", "503"}, both},
		"/pets/{id}/ delete":              {"pets_destroy", "Delete a pet", []string{"204", "401", "403", "404", "405", "406", "429", "503"}, both},
		"/pets/{id}/feed-now/ post":       {"pets_feed_now", "Feed now", []string{"200", "400", "401", "403", "404", "405", "406", "413", "415", "429", "502", "503", "599"}, both},
		"/pets/{pet_id}/walks/{day}/ get": {"pets_walks_list", "List walks", []string{"200", "401", "404", "405", "406", "429", "503"}, []any{map[string]any{}, session}},
		"/pets/{id}/voice/ get":           {"pets_voice_retrieve", "Get the voice", []string{"200", "401", "403", "404", "405", "406", "429", "503"}, both},
		"/login/ post":                    {"login", "Login", []string{"200", "400", "405", "406", "413", "415", "429", "503"}, []any{}},
	}
	got := map[string]operation{}
	for path, item := range at(t, decoded(t, doc), "paths").(map[string]any) {
		for verb, op := range item.(map[string]any) {
			if verb == "parameters" {
				continue
			}
			op := op.(map[string]any)
			got[path+" "+verb] = operation{op["operationId"].(string), op["summary"].(string), slices.Sorted(maps.Keys(op["responses"].(map[string]any))), op["security"]}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

func TestOpenAPISchemas(t *testing.T) {
	t.Parallel()
	doc := decoded(t, drf.OpenAPI(petInfo(), petViews()))
	schemas := at(t, doc, "components", "schemas").(map[string]any)
	wantNames := []string{"Error", "FieldErrors", "LoginByKeyRequest", "LoginRequest", "Owner", "PaginatedPetList", "PatchedPetRequest", "Pet", "PetRequest", "Tokens", "Walk"}
	if diff := cmp.Diff(wantNames, slices.Sorted(maps.Keys(schemas))); diff != "" {
		t.Errorf("schemas (-want +got):\n%s", diff)
	}
	property := func(schema, name string) string { return jsonText(at(t, schemas, schema, "properties", name)) }
	for _, c := range []struct{ schema, name, want string }{
		{"Pet", "id", `{"format":"int64","readOnly":true,"type":"integer"}`},
		{"Pet", "name", `{"description":"What it answers to.","examples":["Rex"],"type":"string"}`},
		{"PetRequest", "name", `{"description":"What it answers to.","examples":["Rex"],"maxLength":100,"minLength":1,"type":"string"}`},
		{"PetRequest", "note", `{"type":"string"}`},
		{"PetRequest", "code", `{"maxLength":12,"minLength":9,"type":"string","writeOnly":true}`},
		{"PetRequest", "secret", `{"format":"password","minLength":1,"type":"string","writeOnly":true}`},
		{"Pet", "vet", `{"format":"email","type":"string"}`},
		{"PatchedPetRequest", "photo", `{"format":"uri","maxLength":200,"minLength":1,"type":["string","null"]}`},
		{"Pet", "kind", `{"enum":["cat","dog",null],"type":["string","null"]}`},
		{"Pet", "tricks", `{"items":{"enum":["sit","roll"],"type":"string"},"type":"array"}`},
		{"Pet", "chipped", `{"type":"boolean"}`},
		{"PetRequest", "age", `{"format":"int32","maximum":40,"minimum":0,"type":"integer"}`},
		{"PetRequest", "serial", `{"format":"int64","type":"integer"}`},
		{"Pet", "mother_id", `{"format":"int64","readOnly":true,"type":["integer","null"]}`},
		{"Pet", "weight", `{"format":"double","type":"number"}`},
		{"Pet", "extra", `{}`},
		{"Pet", "colors", `{"additionalProperties":{"type":"string"},"examples":[{"tail":"white"}],"type":"object"}`},
		{"Pet", "owner", `{"$ref":"#/components/schemas/Owner","readOnly":true}`},
		{"Pet", "walkers", `{"items":{"$ref":"#/components/schemas/Owner"},"readOnly":true,"type":"array"}`},
		{"Pet", "born", `{"format":"date-time","readOnly":true,"type":"string"}`},
		{"Tokens", "pet", `{"anyOf":[{"$ref":"#/components/schemas/Pet"},{"type":"null"}]}`},
		{"PaginatedPetList", "results", `{"items":{"$ref":"#/components/schemas/Pet"},"type":"array"}`},
	} {
		if got := property(c.schema, c.name); got != c.want {
			t.Errorf("%s.%s = %s, want %s", c.schema, c.name, got, c.want)
		}
	}
	for schema, want := range map[string]any{"PetRequest": []any{"name"}, "PaginatedPetList": []any{"count", "next", "previous", "results"}} {
		if diff := cmp.Diff(want, at(t, schemas, schema, "required")); diff != "" {
			t.Errorf("%s.required (-want +got):\n%s", schema, diff)
		}
	}
	if required, ok := schemas["PatchedPetRequest"].(map[string]any)["required"]; ok {
		t.Errorf("PatchedPetRequest requires %v", required)
	}
	if n := len(at(t, schemas, "Pet", "required").([]any)); n != 17 {
		t.Errorf("Pet requires %d members, want the 17 that are always shown", n)
	}
}

func TestOpenAPIParameters(t *testing.T) {
	t.Parallel()
	doc := decoded(t, drf.OpenAPI(petInfo(), petViews()))
	var got []string
	for _, p := range append(at(t, doc, "paths", "/pets/", "get", "parameters").([]any), at(t, doc, "paths", "/pets/{pet_id}/walks/{day}/", "parameters").([]any)...) {
		p := p.(map[string]any)
		delete(p, "description")
		got = append(got, jsonText(p))
	}
	want := []string{
		`{"in":"query","name":"page","schema":{"oneOf":[{"minimum":1,"type":"integer"},{"enum":["last"],"type":"string"}]}}`,
		`{"in":"query","name":"page_size","schema":{"default":10,"maximum":50,"minimum":1,"type":"integer"}}`,
		`{"explode":false,"in":"query","name":"ordering","schema":{"items":{"enum":["id","-id","name","-name"],"type":"string"},"type":"array"},"style":"form"}`,
		`{"in":"query","name":"search","schema":{"type":"string"}}`,
		`{"in":"query","name":"kind","schema":{"enum":["cat","dog"],"type":"string"}}`,
		`{"in":"query","name":"chipped","schema":{"type":"boolean"}}`,
		`{"in":"query","name":"vet","schema":{"type":"string"}}`,
		`{"in":"path","name":"pet_id","required":true,"schema":{"format":"int64","type":"integer"}}`,
		`{"in":"path","name":"day","required":true,"schema":{"enum":["monday","friday"],"type":"string"}}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}

// TestOpenAPIExamplesAreValid holds every example against the schema beside it,
// and finds references to nothing on the way.
func TestOpenAPIExamplesAreValid(t *testing.T) {
	t.Parallel()
	text := drf.OpenAPI(petInfo(), petViews()).JSON()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("mem:///doc.json", parsed); err != nil {
		t.Fatal(err)
	}
	checked := 0
	check := func(pointer string, example any) {
		schema, err := compiler.Compile("mem:///doc.json#" + pointer)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(example); err != nil {
			t.Errorf("example at %s: %v", pointer, err)
		}
		checked++
	}
	var walk func(pointer string, node any)
	walk = func(pointer string, node any) {
		switch node := node.(type) {
		case []any:
			for i, child := range node {
				walk(pointer+"/"+jsonText(i), child)
			}
		case map[string]any:
			if target, ok := node["$ref"].(string); ok {
				resolve(t, parsed, target)
			}
			if _, ok := node["schema"]; ok {
				if example, ok := node["example"]; ok {
					check(pointer+"/schema", example)
				}
				for _, example := range asMap(node["examples"]) {
					if target, ok := asMap(example)["$ref"].(string); ok {
						example = resolve(t, parsed, target)
					}
					check(pointer+"/schema", asMap(example)["value"])
				}
			}
			for name, child := range node {
				walk(pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(name), child)
			}
		}
	}
	walk("", parsed)
	if checked < 30 {
		t.Errorf("only %d examples", checked)
	}
}

func asMap(node any) map[string]any {
	m, _ := node.(map[string]any)
	return m
}

// resolve follows a reference within the document.
func resolve(t *testing.T, doc any, target string) any {
	t.Helper()
	rest, ok := strings.CutPrefix(target, "#/")
	if !ok {
		t.Fatalf("%s leads out of the document", target)
	}
	return at(t, doc, strings.Split(rest, "/")...)
}

func TestOpenAPIIsDeterministic(t *testing.T) {
	t.Parallel()
	first := drf.OpenAPI(petInfo(), petViews())
	for range 10 {
		again := drf.OpenAPI(petInfo(), petViews())
		if !bytes.Equal(first.JSON(), again.JSON()) || !bytes.Equal(first.YAML(), again.YAML()) {
			t.Fatal("equal declarations gave different documents")
		}
	}
}

func TestOpenAPIProblems(t *testing.T) {
	t.Parallel()
	get := func(doc drf.Operation) []drf.Method { return methodsOf(doc, http.MethodGet) }
	one := drf.Shape("Thing", drf.FieldInfo{Name: "a"})
	cases := []struct {
		name  string
		views []*drf.View
		want  string
	}{
		{"the same id twice", []*drf.View{{Path: "a/", Methods: get(drf.Operation{ID: "x"})}, {Path: "b/", Methods: get(drf.Operation{ID: "x"})}}, "GET a/ and GET b/ have the operation id x"},
		{"ids that follow from paths are told apart", []*drf.View{{Path: "a/", Methods: get(drf.Operation{})}, {Path: "a/{id}/", Methods: get(drf.Operation{})}}, ""},
		{"the same path twice", []*drf.View{{Path: "a/", Methods: get(drf.Operation{ID: "x"})}, {Path: "a/", Methods: get(drf.Operation{ID: "y"})}}, "two views for the path /a/"},
		{"two things of one name", []*drf.View{{Path: "a/", Methods: get(drf.Operation{Out: one})}, {Path: "b/", Methods: get(drf.Operation{Out: drf.Shape("Thing", drf.FieldInfo{Name: "b"})})}}, "two schemas with the name Thing"},
		{"the same thing twice", []*drf.View{{Path: "a/", Methods: get(drf.Operation{Out: one})}, {Path: "b/", Methods: get(drf.Operation{Out: drf.Shape("Thing", drf.FieldInfo{Name: "a"})})}}, ""},
		{"an example that is not JSON", []*drf.View{{Path: "a/", Methods: get(drf.Operation{Example: "{"})}}, "a/: example: JSON parse error"},
		{"a field's example that is not JSON", []*drf.View{{Path: "a/", Methods: get(drf.Operation{Out: drf.Shape("T", drf.FieldInfo{Name: "a", Opt: drf.Opt{Example: "x"}})})}}, "T.a: example: JSON parse error"},
		{"a parameter that the path does not have", []*drf.View{{Path: "a/", Params: []drf.Param{{Name: "id"}}, Methods: get(drf.Operation{})}}, "a/ has no parameter id"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			doc := drf.OpenAPI(drf.Info{Title: "x", Version: "1"}, c.views)
			switch err := doc.Err(); {
			case c.want == "" && err != nil:
				t.Errorf("Err() = %v, want nil", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("Err() = %v, want %q", err, c.want)
			}
			if !json.Valid(doc.JSON()) {
				t.Error("the document is not JSON")
			}
		})
	}
}
