package drf_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/bdash/bdash/internal/drf"
)

func TestPyFloatLikePython(t *testing.T) {
	t.Parallel()
	var cases []struct{ Bits, Repr string }
	loadPython(t, "floats", &cases)
	if len(cases) < 100 {
		t.Fatalf("only %d recorded cases", len(cases))
	}
	for _, c := range cases {
		bits, err := strconv.ParseUint(c.Bits, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := drf.PyFloat(math.Float64frombits(bits)); got != c.Repr {
			t.Errorf("PyFloat(%s) = %s, want %s", c.Bits, got, c.Repr)
		}
	}
}

func TestPyRepr(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value           drf.Value
		repr, str, name string
	}{
		{drf.Value{}, "None", "None", "NoneType"},
		{drf.Null(), "None", "None", "NoneType"},
		{drf.Bool(true), "True", "True", "bool"},
		{drf.Bool(false), "False", "False", "bool"},
		{drf.Int("12345678901234567890"), "12345678901234567890", "12345678901234567890", "int"},
		{drf.Float(math.Inf(1)), "inf", "inf", "float"},
		{drf.String("it's"), `"it's"`, "it's", "str"},
		{drf.String(`it's "x"`), `'it\'s "x"'`, `it's "x"`, "str"},
		{drf.String("\x7f\u00ad\u2028\U000e0001é\u00a0"), `'\x7f\xad\u2028\U000e0001é\xa0'`, "\x7f\u00ad\u2028\U000e0001é\u00a0", "str"},
		{drf.ListOf(drf.Int("1"), drf.String("a"), drf.ListOf()), "[1, 'a', []]", "[1, 'a', []]", "list"},
		{drf.DictOf(drf.Pair{Name: "k", Value: drf.Float(1.5)}, drf.Pair{Name: "l", Value: drf.Null()}), "{'k': 1.5, 'l': None}", "{'k': 1.5, 'l': None}", "dict"},
		{drf.File("a.txt", "text/plain"), "<InMemoryUploadedFile: a.txt (text/plain)>", "a.txt", "InMemoryUploadedFile"},
	} {
		if got := drf.PyRepr(c.value); got != c.repr {
			t.Errorf("PyRepr = %s, want %s", got, c.repr)
		}
		if got := drf.PyStr(c.value); got != c.str {
			t.Errorf("PyStr = %s, want %s", got, c.str)
		}
		if got := drf.PyTypeName(c.value); got != c.name {
			t.Errorf("PyTypeName = %s, want %s", got, c.name)
		}
	}
}
