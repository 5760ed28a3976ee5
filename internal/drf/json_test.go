package drf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bdash/bdash/internal/drf"
)

// python.json holds inputs with what Python 3.11, Django 3.2.25 and DRF 3.14.0 make of
// them. Inputs are bytes, written one code point per byte.
func loadPython(tb testing.TB, section string, into any) {
	tb.Helper()
	data, err := os.ReadFile("testdata/python.json")
	if err != nil {
		tb.Fatal(err)
	}
	var sections map[string]json.RawMessage
	if err := json.Unmarshal(data, &sections); err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(sections[section], into); err != nil {
		tb.Fatal(err)
	}
}

func byteText(s string) []byte {
	var out []byte
	for _, r := range s {
		out = append(out, byte(r))
	}
	return out
}

type jsonCase struct {
	In       string   `json:"in"`
	Error    string   `json:"error"`
	Type     string   `json:"type"`
	Repr     string   `json:"repr"`
	Str      *string  `json:"str"`
	JSON     *string  `json:"json"`
	Problems []string `json:"problems"`
}

func TestParseJSONLikePython(t *testing.T) {
	t.Parallel()
	var cases []jsonCase
	loadPython(t, "json", &cases)
	if len(cases) < 300 {
		t.Fatalf("only %d recorded cases", len(cases))
	}
	for _, c := range cases {
		in := byteText(c.In)
		v, err := drf.ParseJSON(in, drf.ParseOptions{})
		if c.Error != "" {
			var parseErr *drf.ParseError
			if !errors.As(err, &parseErr) || parseErr.Message != c.Error {
				t.Errorf("ParseJSON(%.60q) error = %v, want %s", in, err, c.Error)
			}
			continue
		}
		if err != nil {
			t.Errorf("ParseJSON(%.60q) error = %v, want none", in, err)
			continue
		}
		checkJSONCase(t, c, v)
	}
}

func checkJSONCase(t *testing.T, c jsonCase, v drf.Value) {
	t.Helper()
	if got := drf.PyTypeName(v); got != c.Type {
		t.Errorf("PyTypeName(%.60q) = %s, want %s", c.In, got, c.Type)
	}
	// The recording interpreter and Go know different versions of Unicode, but no
	// input uses a character assigned in between.
	if got := drf.PyRepr(v); got != c.Repr {
		t.Errorf("PyRepr(%.60q) = %s, want %s", c.In, got, c.Repr)
	}
	if c.Str != nil && drf.PyStr(v) != *c.Str {
		t.Errorf("PyStr(%.60q) = %s, want %s", c.In, drf.PyStr(v), *c.Str)
	}
	if c.JSON != nil && string(v.AppendJSON(nil)) != *c.JSON {
		t.Errorf("AppendJSON(%.60q) = %s, want %s", c.In, v.AppendJSON(nil), *c.JSON)
	}
	if got, want := v.HasNonFinite(), slices.Contains(c.Problems, "nonfinite"); got != want {
		t.Errorf("HasNonFinite(%.60q) = %v, want %v", c.In, got, want)
	}
	want := ""
	for _, p := range []string{"surrogate", "nul"} {
		if slices.Contains(c.Problems, p) {
			want = p
		}
	}
	if got := v.Problem(); got != want {
		t.Errorf("Problem(%.60q) = %q, want %q", c.In, got, want)
	}
	if v.Raw() {
		t.Errorf("Raw(%.60q) = true", c.In)
	}
}

// The bodies and answers of the recorded exchanges.
func TestParseJSONRecorded(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a": `:            "Expecting value: line 1 column 7 (char 6)",
		`{'a': 1}`:          "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
		"{\"a\": \"\xff\"}": "'utf-8' codec can't decode byte 0xff in position 7: invalid start byte",
		`{"a": NaN}`:        "Out of range float values are not JSON compliant: 'NaN'",
		"\ufeff{\"name\": \"bom\"}": "Unexpected UTF-8 BOM (decode using utf-8-sig): " +
			"line 1 column 1 (char 0)",
	} {
		_, err := drf.ParseJSON([]byte(in), drf.ParseOptions{})
		if want = "JSON parse error - " + want; err == nil || err.Error() != want {
			t.Errorf("ParseJSON(%q) error = %v, want %s", in, err, want)
		}
	}
	v := parseJSON(t, `{"name": "first", "name": "dupkey last", "n": [1e2, 1.0, 12345678901234567890, 0.1, -0.0, 1E-7]}`)
	const want = `{"name":"dupkey last","n":[100.0,1.0,12345678901234567890,0.1,-0.0,1e-07]}`
	if got := string(v.AppendJSON(nil)); got != want {
		t.Errorf("AppendJSON = %s, want %s", got, want)
	}
	if v.HasNonFinite() || !parseJSON(t, `{"n":[0.1,1e400]}`).HasNonFinite() {
		t.Error("HasNonFinite does not find 1e400, and only that")
	}
}

func parseJSON(tb testing.TB, text string) drf.Value {
	tb.Helper()
	v, err := drf.ParseJSON([]byte(text), drf.ParseOptions{})
	if err != nil {
		tb.Fatalf("ParseJSON(%q) error = %v", text, err)
	}
	return v
}

func TestParseJSONDepth(t *testing.T) {
	t.Parallel()
	nested := func(n int) []byte {
		return []byte(strings.Repeat(`[{"a":`, n/2) + strings.Repeat("[", n%2) + "0" + strings.Repeat("]", n%2) + strings.Repeat("}]", n/2))
	}
	for _, c := range []struct {
		depth, limit int
		ok           bool
	}{{100, 0, true}, {101, 0, false}, {100000, 0, false}, {3, 3, true}, {4, 3, false}, {500, 1000, true}} {
		_, err := drf.ParseJSON(nested(c.depth), drf.ParseOptions{MaxDepth: c.limit})
		if (err == nil) != c.ok {
			t.Errorf("depth %d under limit %d: error = %v", c.depth, c.limit, err)
		}
	}
	_, err := drf.ParseJSON(nested(101), drf.ParseOptions{})
	if want := "JSON parse error - Exceeded the maximum nesting depth of 100."; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
	// Depth is nesting, not the number of containers.
	parseJSON(t, "["+strings.Repeat("[],", 1000)+"[]]")
}

// Many names, few distinct: both ways of finding duplicates agree, and a hostile body
// does not cost quadratic time (this one would take minutes).
func TestParseJSONManyNames(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 100, 128, 129, 200000} {
		var b strings.Builder
		b.WriteByte('{')
		for i := range n {
			fmt.Fprintf(&b, `"k%d":%d,"k0":%d,`, i, i, i)
		}
		b.WriteString(`"last":0}`)
		v := parseJSON(t, b.String())
		if v.Len() != n+1 || v.Member("k0").Text() != strconv.Itoa(n-1) || v.Member("last").Text() != "0" {
			t.Errorf("%d names: Len() = %d, k0 = %s", n, v.Len(), v.Member("k0").Text())
		}
		for name := range v.Members() {
			if name != "k0" {
				t.Errorf("first name = %s, want k0", name)
			}
			break
		}
	}
}

// The scanner is pooled: a value must not change when its input buffer or the scanner
// are used again.
func TestParseJSONKeepsNothing(t *testing.T) {
	t.Parallel()
	data := []byte(`{"name":"first","list":[1,"two",{"k":"v"}]}`)
	v, err := drf.ParseJSON(data, drf.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := string(data)
	for i := range data {
		data[i] = 'x'
	}
	for range 10 {
		parseJSON(t, `[["other","values"],{"a":"b"},1,2,3,4,5,6]`)
		_, _ = drf.ParseJSON([]byte(`[1,[2,{"a":`), drf.ParseOptions{})
	}
	if got := string(v.AppendJSON(nil)); got != want {
		t.Errorf("value became %s, want %s", got, want)
	}
}

func FuzzParseJSON(f *testing.F) {
	var cases []jsonCase
	loadPython(f, "json", &cases)
	for _, c := range cases {
		f.Add(byteText(c.In))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := drf.ParseJSON(data, drf.ParseOptions{})
		// encoding/json replaces invalid UTF-8, and has other limits.
		if utf8.Valid(data) && (err == nil) != json.Valid(data) && !overLimit(err) {
			t.Fatalf("ParseJSON(%q) error = %v, json.Valid = %v", data, err, json.Valid(data))
		}
		if err != nil {
			return
		}
		first := v.AppendJSON(nil)
		if !json.Valid(first) || !utf8.Valid(first) {
			t.Fatalf("AppendJSON(%q) = %q: not valid JSON", data, first)
		}
		again, err := drf.ParseJSON(first, drf.ParseOptions{})
		if err != nil {
			t.Fatalf("AppendJSON(%q) = %q: does not read back: %v", data, first, err)
		}
		// Two names that differ only in lone surrogates become one when written.
		if v.Problem() != "surrogate" {
			if second := again.AppendJSON(nil); !bytes.Equal(first, second) {
				t.Fatalf("AppendJSON(%q) = %q, then %q", data, first, second)
			}
			checkAgainstStandard(t, data, v)
		}
		if !utf8.ValidString(drf.PyRepr(v)) {
			t.Fatalf("PyRepr(%q) is not UTF-8", data)
		}
	})
}

func overLimit(err error) bool {
	var parseErr *drf.ParseError
	return errors.As(err, &parseErr) && strings.HasPrefix(parseErr.Message, "Exceed")
}

// checkAgainstStandard compares strings and numbers with those of encoding/json.
func checkAgainstStandard(t *testing.T, data []byte, v drf.Value) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var want any
	if err := decoder.Decode(&want); err != nil {
		t.Fatalf("Decode(%q) error = %v", data, err)
	}
	if !equalStandard(v, want) {
		t.Fatalf("ParseJSON(%q) = %s, encoding/json reads %v", data, drf.PyRepr(v), want)
	}
}

func equalStandard(v drf.Value, want any) bool {
	switch want := want.(type) {
	case nil:
		return v.Kind() == drf.KindNull
	case bool:
		return v.Kind() == drf.KindBool && v.Bool() == want
	case string:
		return v.Kind() == drf.KindString && v.Text() == want
	case json.Number:
		f, _ := strconv.ParseFloat(want.String(), 64)
		return v.Float() == f && v.HasNonFinite() == (v.Kind() == drf.KindFloat && math.IsInf(f, 0))
	case []any:
		return v.Kind() == drf.KindList && slices.EqualFunc(v.List(), want, equalStandard)
	case map[string]any:
		if v.Kind() != drf.KindDict || v.Len() != len(want) {
			return false
		}
		for name, member := range v.Members() {
			if other, ok := want[name]; !ok || !equalStandard(member, other) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

const smallBody = `{"name": "My theme", "color_mode": "dark", "is_default": true}`

// themeBody is a theme of about 3 kB, as the frontend saves it.
func themeBody() []byte {
	var b strings.Builder
	b.WriteString(`{"name": "Ocean", "description": "Deep blues", "color_mode": "dark", "colors": {`)
	for i := range 60 {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `"color-name-%d": "hsl(%d, %d%%, 50%%)"`, i, i*6, i)
	}
	b.WriteString(`}, "border_radius": "0.5rem", "shadows": [{"x": 1, "y": 2.5, "blur": 4}, {"x": 0, "y": 1, "blur": 3}], "is_default": false}`)
	return []byte(b.String())
}

func BenchmarkParseJSON(b *testing.B) {
	for _, c := range []struct {
		name string
		data []byte
	}{{"small", []byte(smallBody)}, {"theme", themeBody()}} {
		b.Run(c.name+"/drf", func(b *testing.B) {
			b.SetBytes(int64(len(c.data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := drf.ParseJSON(c.data, drf.ParseOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/encoding-json-raw", func(b *testing.B) {
			b.SetBytes(int64(len(c.data)))
			b.ReportAllocs()
			for b.Loop() {
				var m map[string]json.RawMessage
				if err := json.NewDecoder(bytes.NewReader(c.data)).Decode(&m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	data := themeBody()
	v := parseJSON(b, string(data))
	buf := make([]byte, 0, 2*len(data))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		buf = v.AppendJSON(buf[:0])
	}
}
