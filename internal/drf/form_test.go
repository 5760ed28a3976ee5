package drf_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/drf"
)

type formCase struct {
	In          string               `json:"in"`
	Charset     string               `json:"charset"`
	ContentType string               `json:"content_type"`
	Error       string               `json:"error"`
	Dict        [][2]json.RawMessage `json:"dict"`
}

// describe writes a form as the recorded cases do: pairs of name and value, in order.
func describe(tb testing.TB, v drf.Value) string {
	tb.Helper()
	if v.Kind() != drf.KindDict || !v.Raw() {
		tb.Fatalf("form is kind %d, Raw() = %v, want a raw dict", v.Kind(), v.Raw())
	}
	var b strings.Builder
	for name, member := range v.Members() {
		if !member.Raw() {
			tb.Errorf("member %q is not Raw", name)
		}
		switch member.Kind() {
		case drf.KindString:
			fmt.Fprintf(&b, "%q = %q\n", name, member.Text())
		case drf.KindFile:
			fmt.Fprintf(&b, "%q = %s\n", name, drf.PyRepr(member))
		default:
			tb.Errorf("member %q is of kind %d", name, member.Kind())
		}
	}
	return b.String()
}

func (c formCase) want(tb testing.TB) string {
	tb.Helper()
	var b strings.Builder
	for _, pair := range c.Dict {
		var name, text string
		var file struct{ File, Type string }
		if err := json.Unmarshal(pair[0], &name); err != nil {
			tb.Fatal(err)
		}
		if err := json.Unmarshal(pair[1], &text); err == nil {
			fmt.Fprintf(&b, "%q = %q\n", name, text)
		} else if err := json.Unmarshal(pair[1], &file); err == nil {
			fmt.Fprintf(&b, "%q = <InMemoryUploadedFile: %s (%s)>\n", name, file.File, file.Type)
		} else {
			tb.Fatal(err)
		}
	}
	return b.String()
}

func (c formCase) check(t *testing.T, v drf.Value, err error) {
	t.Helper()
	if c.Error != "" {
		var formErr *drf.FormError
		if !errors.As(err, &formErr) || formErr.Message != c.Error {
			t.Errorf("%.200q (%s): error = %v, want %s", c.In, c.ContentType, err, c.Error)
		}
		return
	}
	if err != nil {
		t.Errorf("%.200q (%s): error = %v, want none", c.In, c.ContentType, err)
		return
	}
	if diff := cmp.Diff(c.want(t), describe(t, v)); diff != "" {
		t.Errorf("%.300q (%s%s) (-want +got):\n%s", c.In, c.ContentType, c.Charset, diff)
	}
}

func TestParseFormLikeDjango(t *testing.T) {
	t.Parallel()
	var cases []formCase
	loadPython(t, "forms", &cases)
	if len(cases) < 200 {
		t.Fatalf("only %d recorded cases", len(cases))
	}
	for _, c := range cases {
		v, err := drf.ParseFormCharset(byteText(c.In), c.Charset)
		c.check(t, v, err)
		if c.Charset == "" {
			v, err = drf.ParseForm(byteText(c.In))
			c.check(t, v, err)
		}
	}
}

func TestParseMultipartLikeDjango(t *testing.T) {
	t.Parallel()
	var cases []formCase
	loadPython(t, "multipart", &cases)
	if len(cases) < 100 {
		t.Fatalf("only %d recorded cases", len(cases))
	}
	for _, c := range cases {
		// A header with bytes outside ASCII reaches Django decoded as Latin-1.
		v, err := drf.ParseMultipart(byteText(c.In), c.ContentType)
		c.check(t, v, err)
	}
}

func TestParseFormLimit(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("a=1&", 999)
	if v, err := drf.ParseForm([]byte(body + "b=2")); err != nil || v.Len() != 2 {
		t.Errorf("1000 fields: %d members, error = %v", v.Len(), err)
	}
	if _, err := drf.ParseForm([]byte(body + "b=2&")); err == nil || err.Error() != "Too many fields" {
		t.Errorf("1001 fields: error = %v, want Too many fields", err)
	}
}

func TestParseMultipartLimits(t *testing.T) {
	t.Parallel()
	const head = "--B\r\nContent-Disposition: form-data; name=a"
	parse := func(extra string, n int) (drf.Value, error) {
		return drf.ParseMultipart([]byte(strings.Repeat(head+extra+"\r\n\r\n1\r\n", n)+"--B--\r\n"), "multipart/form-data; boundary=B")
	}
	for _, c := range []struct {
		extra string
		n     int
		want  string
	}{
		{"", 1000, ""}, {"", 1001, "Too many fields"},
		{"; filename=x", 100, ""}, {"; filename=x", 101, "Too many files"}, {"; filename=..", 101, "Too many files"},
	} {
		_, err := parse(c.extra, c.n)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%d parts %q: error = %v, want %q", c.n, c.extra, err, c.want)
		}
	}
}

// The multipart body and the answers of the recorded exchanges.
func TestParseMultipartRecorded(t *testing.T) {
	t.Parallel()
	v, err := drf.ParseMultipart([]byte("--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nMulti\r\n"+
		"--B\r\nContent-Disposition: form-data; name=\"color_mode\"\r\n\r\ndark\r\n--B--\r\n"), "multipart/form-data; boundary=B")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(t, v), "\"name\" = \"Multi\"\n\"color_mode\" = \"dark\"\n"; got != want {
		t.Errorf("members:\n%swant:\n%s", got, want)
	}
	_, err = drf.ParseMultipart([]byte("x"), "multipart/form-data")
	if want := "Multipart form parse error - Invalid boundary in multipart: None"; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
}

func FuzzParseForm(f *testing.F) {
	var cases []formCase
	loadPython(f, "forms", &cases)
	for _, c := range cases {
		f.Add(byteText(c.In), c.Charset)
	}
	f.Fuzz(func(t *testing.T, data []byte, charset string) {
		v, err := drf.ParseFormCharset(data, charset)
		if err != nil {
			var formErr *drf.FormError
			if !errors.As(err, &formErr) {
				t.Fatalf("error %v is no *FormError", err)
			}
			return
		}
		checkForm(t, v)
	})
}

func FuzzParseMultipart(f *testing.F) {
	var cases []formCase
	loadPython(f, "multipart", &cases)
	for _, c := range cases {
		f.Add(byteText(c.In), c.ContentType)
	}
	f.Fuzz(func(t *testing.T, data []byte, contentType string) {
		v, err := drf.ParseMultipart(data, contentType)
		if err != nil {
			var formErr *drf.FormError
			if !errors.As(err, &formErr) {
				t.Fatalf("error %v is no *FormError", err)
			}
			if !utf8.ValidString(err.Error()) {
				t.Fatalf("error %q is not UTF-8", err)
			}
			return
		}
		checkForm(t, v)
	})
}

// checkForm asserts what holds of every form: distinct names, text that is UTF-8.
func checkForm(t *testing.T, v drf.Value) {
	t.Helper()
	seen := map[string]bool{}
	for name, member := range v.Members() {
		if seen[name] {
			t.Fatalf("name %q twice", name)
		}
		seen[name] = true
		if !member.Raw() || !utf8.ValidString(name) || !utf8.ValidString(member.Text()) {
			t.Fatalf("member %q = %q: not raw, or not UTF-8", name, member.Text())
		}
	}
	if text := v.AppendJSON(nil); !json.Valid(text) {
		t.Fatalf("AppendJSON = %q: not valid JSON", text)
	}
}
