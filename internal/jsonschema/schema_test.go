package jsonschema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/jsonschema"
)

func mustCompile(t testing.TB, schema string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.Compile(json.RawMessage(schema))
	if err != nil {
		t.Fatalf("Compile(%.200s): %v", schema, err)
	}
	return s
}

func TestValidate(t *testing.T) {
	t.Parallel()
	const list = `{"type":"object","required":["limit"],"properties":{"limit":{"type":"integer","minimum":1,"maximum":100},
		"sort":{"enum":["date","name"]},"tags":{"type":"array","items":{"type":"string","pattern":"^[a-z]+$"},"uniqueItems":true}},"additionalProperties":false}`
	tests := []struct {
		name, schema, value string
		want                []jsonschema.Problem
	}{
		{"fits", list, `{"limit":5,"sort":"date","tags":["a","b"]}`, nil},
		{"empty schema", `{}`, `[1,"x",null]`, nil},
		{"true", `true`, `1`, nil},
		{"missing", list, `{}`, []jsonschema.Problem{{Message: "missing property 'limit'"}}},
		{"several, by path", list, `{"limit":0,"tags":["A"]}`, []jsonschema.Problem{
			{Path: "/limit", Message: "minimum: got 0, want 1"}, {Path: "/tags/0", Message: "'A' does not match pattern '^[a-z]+$'"}}},
		{"escaped path", `{"properties":{"a/b~c":{"type":"null"}}}`, `{"a/b~c":1}`, []jsonschema.Problem{{Path: "/a~1b~0c", Message: "got number, want null"}}},
		{"inner reference", `{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}`, `1`, []jsonschema.Problem{{Message: "got number, want string"}}},
		{"recursive", `{"type":"object","properties":{"next":{"$ref":"#"}},"additionalProperties":false}`, `{"next":{"next":{"x":1}}}`,
			[]jsonschema.Problem{{Path: "/next/next", Message: "additional properties 'x' not allowed"}}},
		{"2020-12 keyword", `{"prefixItems":[{"type":"string"}],"items":false}`, `["a",1]`, []jsonschema.Problem{{Path: "/1", Message: "false schema"}}},
		{"unevaluated", `{"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false}`, `{"a":1,"b":2}`, []jsonschema.Problem{{Path: "/b", Message: "false schema"}}},
		{"older draft", `{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"string"}],"additionalItems":false}`, `["a","b"]`,
			[]jsonschema.Problem{{Message: "last 1 additionalItem(s) not allowed"}}},
		{"not JSON", `{}`, `{`, []jsonschema.Problem{{Message: "not valid JSON"}}},
		{"refers to itself", `{"$ref":"#"}`, `{}`, []jsonschema.Problem{{Message: `both /$ref and  resolve to "#" causing reference cycle`}}},
		{"two values", `{}`, `1 2`, []jsonschema.Problem{{Message: "not valid JSON"}}},
		{"huge exponent", `{"maximum":1}`, `1e999999999`, []jsonschema.Problem{{Message: "a number is too large or too long"}}},
		{"deep", `{}`, strings.Repeat("[", 200) + strings.Repeat("]", 200), []jsonschema.Problem{{Message: "nested more than 100 levels deep"}}},
		{"long", `{}`, `"` + strings.Repeat("x", jsonschema.MaxValue) + `"`, []jsonschema.Problem{{Message: "longer than 65536 bytes"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := mustCompile(t, tt.schema).Validate(json.RawMessage(tt.value))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Validate(%.100s) (-want +got):\n%s", tt.value, diff)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, schema, want string }{
		{"no JSON", `{`, "not valid JSON"},
		{"no schema", `[]`, "got array, want boolean or object"},
		{"wrong type word", `{"properties":{"a":{"type":"strin"}}}`, "at /properties/a/type: "},
		{"bad pattern", `{"pattern":"("}`, "/pattern"},
		{"remote reference", `{"$ref":"https://example.org/s.json"}`, "references to other documents are not followed"},
		{"file reference", `{"$ref":"file:///etc/passwd"}`, "references to other documents are not followed"},
		{"sibling reference", `{"$ref":"other.json"}`, "references to other documents are not followed"},
		{"remote dialect", `{"$schema":"https://example.org/meta"}`, "references to other documents are not followed"},
		{"dangling reference", `{"$ref":"#/$defs/none"}`, "none"},
		{"dynamic reference", `{"$dynamicRef":"#a","$defs":{"a":{"$dynamicAnchor":"a"}}}`, "not supported"},
		{"long", `{"description":"` + strings.Repeat("x", jsonschema.MaxSchema) + `"}`, "longer than 65536 bytes"},
		{"many parts", `{"enum":[` + strings.Repeat("[],", 3000) + `1]}`, "more than 2000 objects"},
		{"deep", strings.Repeat(`{"not":`, 150) + "{}" + strings.Repeat("}", 150), "nested more than 100 levels"},
		{"huge number", `{"maximum":1e999999999}`, "too large or too long"},
		{"large pattern", `{"pattern":"((a{50}){20})+b{500}"}`, "pattern"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := jsonschema.Compile(json.RawMessage(tt.schema))
			var refused *jsonschema.Error
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Compile(%.100s) = %v, want *Error with %q", tt.schema, err, tt.want)
			}
			if strings.Contains(err.Error(), "bdash:") {
				t.Errorf("Compile(%.100s) tells of its own names: %v", tt.schema, err)
			}
		})
	}
}

// Each of these asks for far more steps than can be taken. None may hold a
// processor: the check gives up, and says so.
func TestHostileSchemas(t *testing.T) {
	t.Parallel()
	doubling := func(top, keyword, leaf string) string {
		var b strings.Builder
		b.WriteString(`{` + top + `,"$defs":{`)
		for i := range 60 {
			fmt.Fprintf(&b, `"d%d":`, i)
			fmt.Fprintf(&b, keyword, i+1, i+1)
			b.WriteByte(',')
		}
		return b.String() + `"d60":` + leaf + `}}`
	}
	const first = `"$ref":"#/$defs/d0"`
	numbers := make([]string, 2500)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("%d.5", i)
	}
	nested := strings.Repeat(`{"a":`, 60) + `1` + strings.Repeat(`}`, 60)
	tests := []struct{ name, schema, value string }{
		{"all of", doubling(first, `{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, `{"type":"number"}`), `1`},
		{"any of, failing", doubling(first, `{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, `false`), `1`},
		{"hidden in not", doubling(`"not":{`+first+`}`, `{"dependencies":{"a":{"$ref":"#/$defs/d%d"},"b":{"$ref":"#/$defs/d%d"}}}`, `false`), `{"a":1,"b":1}`},
		{"doubling along the value", `{"allOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"a":{"$ref":"#"}}}]}`, nested},
		{"large enum of numbers", `{"items":{"enum":[` + strings.Join(numbers, ",") + `]}}`, `[` + strings.Repeat("9,", 30000) + `1]`},
		{"patterns over a long text", `{"items":{"allOf":[` + strings.Repeat(`{"pattern":"(a|b|ab){90}c$"},`, 8) + `{}]}}`,
			`["` + strings.Repeat("ab", 30000) + `"` + strings.Repeat(`,"a"`, 1000) + `]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := mustCompile(t, tt.schema)
			done := make(chan []jsonschema.Problem, 1)
			go func() { done <- s.Validate(json.RawMessage(tt.value)) }()
			select {
			case got := <-done:
				want := []jsonschema.Problem{{Message: "the schema is too intricate to check this value"}}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("Validate (-want +got):\n%s", diff)
				}
			case <-time.After(time.Minute):
				t.Fatal("Validate still works after a minute")
			}
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	schema := `{"type":"object","properties":{"n":{"type":"integer"}},"title":"concurrent"}`
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			s, err := jsonschema.Compile(json.RawMessage(schema))
			if err != nil {
				t.Errorf("Compile: %v", err)
				return
			}
			value, want := `{"n":1}`, 0
			if i%2 == 1 {
				value, want = `{"n":"x"}`, 1
			}
			if got := s.Validate(json.RawMessage(value)); len(got) != want {
				t.Errorf("Validate(%s) = %v, want %d problems", value, got, want)
			}
		})
	}
	wg.Wait()
}

func FuzzCompileAndValidate(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"a":{"minimum":1}}}`), []byte(`{"a":0}`))
	f.Add([]byte(`{"$ref":"#"}`), []byte(`1`))
	f.Add([]byte(`{"multipleOf":1e-300}`), []byte(`1e300`))
	f.Add([]byte(`{"patternProperties":{"^a":false},"propertyNames":{"maxLength":2}}`), []byte(`{"abc":[]}`))
	f.Fuzz(func(_ *testing.T, schema, value []byte) {
		s, err := jsonschema.Compile(schema)
		if err == nil {
			s.Validate(value)
		}
	})
}

func ExampleCompile() {
	s, err := jsonschema.Compile(json.RawMessage(`{"properties": {"limit": {"type": "integer"}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range s.Validate(json.RawMessage(`{"limit": "ten"}`)) {
		fmt.Println(p)
	}
	// Output: /limit: got string, want integer
}
