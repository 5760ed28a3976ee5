package drf_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/drf"
)

func TestValueAccessors(t *testing.T) {
	t.Parallel()
	v := drf.DictOf(
		drf.Pair{Name: "s", Value: drf.String("x")},
		drf.Pair{Name: "l", Value: drf.ListOf(drf.Int("1"), drf.Null())},
		drf.Pair{Name: "b", Value: drf.Bool(true)},
		drf.Pair{Name: "s", Value: drf.Float(2.5)},
	)
	if got := v.Len(); got != 3 {
		t.Errorf("Len() = %d, want 3", got)
	}
	if got := v.Member("s"); got.Kind() != drf.KindFloat || got.Float() != 2.5 {
		t.Errorf("Member(s) = %s, want the last value 2.5", drf.PyRepr(got))
	}
	if got := v.Member("nope").Kind(); got != drf.KindAbsent {
		t.Errorf("Member(nope).Kind() = %d, want KindAbsent", got)
	}
	if got := v.Member("l").List(); len(got) != 2 || got[0].Text() != "1" || got[1].Kind() != drf.KindNull {
		t.Errorf("Member(l).List() = %v, want 1 and null", got)
	}
	if !v.Member("b").Bool() || drf.Bool(false).Bool() || drf.Int("1").Bool() {
		t.Error("Bool() is not true for the bool true alone")
	}
	var names []string
	for name := range v.Members() {
		names = append(names, name)
	}
	if want := []string{"s", "l", "b"}; !slices.Equal(names, want) {
		t.Errorf("Members() = %q, want %q: first position of each name", names, want)
	}
	for range v.Members() {
		break // must stop quietly
	}
	if v.Raw() {
		t.Error("Raw() = true for a value that did not come from a form")
	}
}

// What a kind does not have must be empty, not a panic: fields ask before they look.
func TestValueAccessorsOfOtherKinds(t *testing.T) {
	t.Parallel()
	for _, v := range []drf.Value{{}, drf.Null(), drf.Bool(true), drf.Int("1"), drf.Float(1), drf.String("x"), drf.File("a", "b"), drf.ListOf(), drf.DictOf()} {
		if v.Len() != 0 || len(v.List()) != 0 || v.Member("x").Kind() != drf.KindAbsent {
			t.Errorf("kind %d has elements or members", v.Kind())
		}
		for name := range v.Members() {
			t.Errorf("kind %d yields member %q", v.Kind(), name)
		}
	}
	if got := drf.String("12").Float(); got != 0 {
		t.Errorf("Float() of a string = %v, want 0", got)
	}
	if got := drf.Int("1" + string(slices.Repeat([]byte{'0'}, 400))).Float(); !math.IsInf(got, 1) {
		t.Errorf("Float() of 10^400 = %v, want +Inf", got)
	}
}

func TestValueProblem(t *testing.T) {
	t.Parallel()
	const lone = "a\xED\xA0\x80" // U+D800 as WTF-8
	for _, c := range []struct {
		name    string
		value   drf.Value
		problem string
	}{
		{"plain", drf.ListOf(drf.String("ok")), ""},
		{"hangul is no surrogate", drf.String("\uD7FF힣"), ""},
		{"nul below", drf.ListOf(drf.DictOf(drf.Pair{Name: "k", Value: drf.String("a\x00")})), "nul"},
		{"nul in a name", drf.DictOf(drf.Pair{Name: "\x00"}), "nul"},
		{"surrogate", drf.String(lone), "surrogate"},
		{"surrogate in a name", drf.ListOf(drf.DictOf(drf.Pair{Name: lone})), "surrogate"},
		{"a dropped value does not count", drf.DictOf(drf.Pair{Name: "k", Value: drf.String("\x00")}, drf.Pair{Name: "k"}), ""},
	} {
		if got := c.value.Problem(); got != c.problem {
			t.Errorf("%s: Problem() = %q, want %q", c.name, got, c.problem)
		}
	}
	if r, ok := drf.String(lone).Surrogate(); r != 0xD800 || !ok {
		t.Errorf("Surrogate() = %U, %v, want U+D800", r, ok)
	}
	if r, ok := drf.String("plain").Surrogate(); ok {
		t.Errorf("Surrogate() of plain text = %U", r)
	}
	if !drf.ListOf(drf.Float(math.Inf(-1))).HasNonFinite() || !drf.Float(math.NaN()).HasNonFinite() || drf.Float(1e308).HasNonFinite() {
		t.Error("HasNonFinite() does not tell infinities and NaN from numbers")
	}
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                     `""`,
		"plain":                `"plain"`,
		"<b>&'/":               `"<b>&'/"`,
		"\"\\":                 `"\"\\"`,
		"\n\r\t\b\f\x00\x1f":   `"\n\r\t\b\f\u0000\u001f"`,
		"\x7f\u00a0\u0085é漢😀":  "\"\x7f\u00a0\u0085é漢😀\"",
		"a\u2028b\u2029":       `"a\u2028b\u2029"`,
		"\u2027\u202a":         "\"\u2027\u202a\"",
		"x\xED\xA0\x80y":       "\"x\uFFFDy\"",
		"x\xff\xfe":            "\"x\uFFFD\uFFFD\"",
		"cut \xE2\x80":         "\"cut \uFFFD\uFFFD\"",
		"\uFFFD stays\uFFFD\n": "\"\uFFFD stays\uFFFD\\n\"",
	} {
		if got := string(drf.AppendString([]byte("x:"), in)); got != "x:"+want {
			t.Errorf("AppendString(%q) = %s, want %s", in, got, want)
		}
	}
}

// Not parallel: allocations of other tests would be counted.
func TestAppendStringDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { buf = drf.AppendString(buf[:0], "naïve\n\"text\"\u2028") }); n != 0 {
		t.Errorf("AppendString allocates %v times into a large enough buffer", n)
	}
}

func TestAppendJSONIsAlwaysJSON(t *testing.T) {
	t.Parallel()
	v := drf.ListOf(drf.Value{}, drf.Null(), drf.Bool(false), drf.Int("-0"), drf.Float(math.Inf(1)), drf.Float(math.NaN()),
		drf.Float(100), drf.File("a.txt", "text/plain"), drf.DictOf(drf.Pair{Name: "\xED\xB0\x80", Value: drf.ListOf()}))
	const want = `[null,null,false,0,null,null,100.0,"a.txt",{"` + "\uFFFD" + `":[]}]`
	got := v.AppendJSON(nil)
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("AppendJSON (-want +got):\n%s", diff)
	}
	if !json.Valid(got) || !utf8.Valid(got) {
		t.Errorf("AppendJSON = %q, not valid JSON", got)
	}
}
