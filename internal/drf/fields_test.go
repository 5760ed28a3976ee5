package drf_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/drf"
)

// fieldDraft takes what a serializer of the one field "f" decodes.
type fieldDraft struct {
	set   bool
	value any
}

func put[T any](d *fieldDraft, v T) { d.set, d.value = true, v }

func putPointer[T any](d *fieldDraft, v *T) {
	d.set, d.value = true, nil
	if v != nil {
		d.value = *v
	}
}

var fieldChoices = []drf.Choice{{Value: "light", Label: "Light"}, {Value: "dark", Label: "Dark"}, {Value: "1", Label: "One"}, {Value: "None", Label: "x"}, {Value: "True", Label: "y"}}

type fieldSerializer = drf.Serializer[fieldDraft, fieldDraft]

// declareField declares f as testdata/fields.json names it.
var declareField = map[string]func(s *fieldSerializer, o drf.Opt){
	"char": func(s *fieldSerializer, o drf.Opt) {
		o.Max, o.Min = 10, 2
		s.Char("f", o, nil, put[string])
	},
	"char_blank": func(s *fieldSerializer, o drf.Opt) {
		o.Max, o.Blank = 10, true
		s.Char("f", o, nil, put[string])
	},
	"char_raw": func(s *fieldSerializer, o drf.Opt) {
		o.Max, o.Raw = 10, true
		s.Char("f", o, nil, put[string])
	},
	"char_null": func(s *fieldSerializer, o drf.Opt) { s.CharOrNull("f", o, nil, putPointer[string]) },
	"char_null_blank": func(s *fieldSerializer, o drf.Opt) {
		o.Blank = true
		s.CharOrNull("f", o, nil, putPointer[string])
	},
	"email": func(s *fieldSerializer, o drf.Opt) {
		o.Max = 254
		s.Email("f", o, nil, put[string])
	},
	"url": func(s *fieldSerializer, o drf.Opt) {
		o.Max, o.Blank = 200, true
		s.URLOrNull("f", o, nil, putPointer[string])
	},
	"choice": func(s *fieldSerializer, o drf.Opt) { s.Choice("f", o, fieldChoices, nil, put[string]) },
	"bool":   func(s *fieldSerializer, o drf.Opt) { s.Bool("f", o, nil, put[bool]) },
	"int":    func(s *fieldSerializer, o drf.Opt) { s.Int("f", o, -5, 100, nil, put[int64]) },
	"int64":  func(s *fieldSerializer, o drf.Opt) { s.Int("f", o, -1<<63, 1<<63-1, nil, put[int64]) },
	"float":  func(s *fieldSerializer, o drf.Opt) { s.Float("f", o, nil, put[float64]) },
	"json":   func(s *fieldSerializer, o drf.Opt) { s.JSON("f", o, nil, put[json.RawMessage]) },
	"json_null": func(s *fieldSerializer, o drf.Opt) {
		o.Null = true
		s.JSON("f", o, nil, put[json.RawMessage])
	},
	"datetime": func(s *fieldSerializer, o drf.Opt) { s.TimeOrNull("f", o, nil, putPointer[time.Time]) },
	"multi":    func(s *fieldSerializer, o drf.Opt) { s.Strings("f", o, fieldChoices, nil, put[[]string]) },
}

// recordedInput is a body: JSON text, or the values of f in a form.
type recordedInput struct {
	Required, Partial bool
	Body              string
	Form              []string
}

type recordedResult struct {
	Errors []string
	Absent bool
	Value  any
	Inputs []int
}

func (in recordedInput) parse(t *testing.T) drf.Value {
	t.Helper()
	var v drf.Value
	var err error
	if in.Body != "" {
		v, err = drf.ParseJSON([]byte(in.Body), drf.ParseOptions{})
	} else {
		v, err = drf.ParseForm([]byte(url.Values{"f": in.Form}.Encode()))
	}
	if err != nil {
		t.Fatalf("cannot parse %+v: %v", in, err)
	}
	return v
}

// TestFieldsLikeDRF compares every kind of field with what DRF 3.14 on Django
// 3.2 made of the same input.
func TestFieldsLikeDRF(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/fields.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Inputs []recordedInput
		Kinds  map[string][]recordedResult
	}
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	if len(recorded.Kinds) != len(declareField) {
		t.Fatalf("%d kinds are recorded, %d declared", len(recorded.Kinds), len(declareField))
	}
	for kind, results := range recorded.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for _, want := range results {
				for _, i := range want.Inputs {
					in := recorded.Inputs[i]
					got, want := decodeField(t, kind, in), want
					if message := refused(kind, in, want); message != "" {
						want = recordedResult{Errors: []string{message}}
					}
					if diff := compareField(kind, got, want); diff != "" {
						t.Errorf("%s of %s (-want +got):\n%s", kind, jsonText(in), diff)
					}
				}
			}
		})
	}
}

// refused is the message for what DRF takes and this package does not, on
// purpose: what neither JSON nor the databases can hold, over which Django
// stumbles after validation.
func refused(kind string, in recordedInput, want recordedResult) string {
	if want.Errors != nil {
		return ""
	}
	text := in.Body + strings.Join(in.Form, "")
	switch {
	case kind == "float" && (want.Value == "inf" || want.Value == "nan"):
		return "A valid number is required."
	case !strings.HasPrefix(kind, "json"):
		return ""
	case strings.Contains(text, `\u0000`):
		return "Null characters are not allowed."
	case strings.Contains(text, `\ud800`), strings.Contains(text, `\udfff`):
		return "Surrogate characters are not allowed."
	case want.Value == "Infinity":
		return "Value must be valid JSON."
	default:
		return ""
	}
}

func decodeField(t *testing.T, kind string, in recordedInput) recordedResult {
	t.Helper()
	s := drf.NewSerializer[fieldDraft, fieldDraft]("Field")
	declareField[kind](s, drf.Opt{Required: in.Required})
	mode := drf.Whole
	if in.Partial {
		mode = drf.Partial
	}
	var d fieldDraft
	err := s.DecodeValue(in.parse(t), &d, mode)
	if err != nil {
		return recordedResult{Errors: messagesOf(t, err, "f")}
	}
	return recordedResult{Absent: !d.set, Value: recordable(d.value)}
}

// messagesOf reads the messages of one field from the answer's body.
func messagesOf(t *testing.T, err error, field string) []string {
	t.Helper()
	var fields *drf.FieldErrors
	if !errors.As(err, &fields) {
		t.Fatalf("error %v is no FieldErrors", err)
	}
	var body map[string][]string
	if err := json.Unmarshal(fields.AppendJSON(nil), &body); err != nil {
		t.Fatal(err)
	}
	return body[field]
}

// recordable writes a value as the recording does.
func recordable(v any) any {
	switch v := v.(type) {
	case int64:
		return drf.PyStr(drf.Int(jsonText(v)))
	case float64:
		return drf.PyFloat(v)
	case time.Time:
		text := v.Format("2006-01-02T15:04:05.000000")
		return strings.TrimSuffix(text, ".000000") + "+00:00"
	case json.RawMessage:
		return exactJSON(string(v))
	case []string:
		sorted := slices.Sorted(slices.Values(v))
		out := make([]any, len(sorted))
		for i, s := range sorted {
			out[i] = s
		}
		return out
	default:
		return v
	}
}

// exactJSON decodes JSON without rounding numbers.
func exactJSON(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var decoded any
	if err := d.Decode(&decoded); err != nil {
		return "not JSON: " + text
	}
	return decoded
}

func jsonText(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

func compareField(kind string, got, want recordedResult) string {
	want.Inputs = nil
	if text, ok := want.Value.(string); ok && strings.HasPrefix(kind, "json") {
		want.Value = exactJSON(text)
	}
	if text, ok := got.Value.(string); ok {
		got.Value = strings.ToValidUTF8(text, "\uFFFD")
	}
	return cmp.Diff(want, got)
}
