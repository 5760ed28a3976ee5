package drf_test

import (
	"testing"
	"unicode/utf8"

	"github.com/bdash/bdash/internal/drf"
)

func TestAcceptsLikeDRF(t *testing.T) {
	t.Parallel()
	var cases []struct {
		Accept *string
		OK     bool
		Indent int
	}
	loadPython(t, "accept", &cases)
	if len(cases) < 100 {
		t.Fatalf("only %d recorded cases", len(cases))
	}
	for _, c := range cases {
		accept, present := "", c.Accept != nil
		if present {
			accept = *c.Accept
		}
		if ok, indent := drf.Accepts(accept, present); ok != c.OK || indent != c.Indent {
			t.Errorf("Accepts(%q, %v) = %v, %d, want %v, %d", accept, present, ok, indent, c.OK, c.Indent)
		}
	}
}

// Not parallel: allocations of other tests would be counted.
func TestNegotiationDoesNotAllocate(t *testing.T) {
	for _, accept := range []string{
		"*/*", "application/json", "application/json, text/plain, */*", "application/json; indent=4",
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
	} {
		if n := testing.AllocsPerRun(100, func() { drf.Accepts(accept, true) }); n != 0 {
			t.Errorf("Accepts(%q) allocates %v times", accept, n)
		}
	}
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8", "multipart/form-data; boundary=x"} {
		if n := testing.AllocsPerRun(100, func() { drf.ParserFor(contentType) }); n != 0 {
			t.Errorf("ParserFor(%q) allocates %v times", contentType, n)
		}
	}
}

func TestParserForLikeDRF(t *testing.T) {
	t.Parallel()
	var cases []struct {
		ContentType string `json:"content_type"`
		Parser      string
		Charset     string
	}
	loadPython(t, "parsers", &cases)
	names := map[drf.Parser]string{drf.ParserJSON: "json", drf.ParserForm: "form", drf.ParserMultipart: "multipart"}
	for _, c := range cases {
		parser, charset, ok := drf.ParserFor(c.ContentType)
		got := ""
		if ok {
			got = names[parser]
		}
		if got != c.Parser || charset != c.Charset {
			t.Errorf("ParserFor(%q) = %q, %q, want %q, %q", c.ContentType, got, charset, c.Parser, c.Charset)
		}
	}
}

func TestDecodeCharsetLikePython(t *testing.T) {
	t.Parallel()
	var cases []struct {
		Charset, In string
		Text, Error *string
	}
	loadPython(t, "charsets", &cases)
	if len(cases) < 100 {
		t.Fatalf("only %d recorded cases", len(cases))
	}
	for _, c := range cases {
		got, err := drf.DecodeCharset(byteText(c.In), c.Charset)
		if c.Text != nil {
			if err != nil || string(got) != *c.Text {
				t.Errorf("DecodeCharset(%q, %s) = %q, %v, want %q", c.In, c.Charset, got, err, *c.Text)
			}
			continue
		}
		// Invalid UTF-8 is left to ParseJSON.
		if err == nil && utf8.Valid(got) {
			t.Errorf("DecodeCharset(%q, %s) = %q, want an error", c.In, c.Charset, got)
		}
	}
}

func TestDecodeCharsetUnknown(t *testing.T) {
	t.Parallel()
	if _, err := drf.DecodeCharset([]byte("{}"), "klingon"); err == nil || err.Error() != "unknown encoding: klingon" {
		t.Errorf("error = %v, want unknown encoding: klingon", err)
	}
	if got, err := drf.DecodeCharset([]byte("{}"), ""); err != nil || string(got) != "{}" {
		t.Errorf("DecodeCharset without a charset = %q, %v", got, err)
	}
}

// The body of the recorded exchange in Latin-1.
func TestCharsetRecorded(t *testing.T) {
	t.Parallel()
	_, charset, ok := drf.ParserFor("application/json; charset=iso-8859-1")
	if !ok {
		t.Fatal("no parser")
	}
	body, err := drf.DecodeCharset([]byte("{\"name\": \"caf\xe9\"}"), charset)
	if err != nil {
		t.Fatal(err)
	}
	if got := parseJSON(t, string(body)).Member("name").Text(); got != "café" {
		t.Errorf("name = %q, want café", got)
	}
}

func FuzzAccepts(f *testing.F) {
	for _, s := range []string{"*/*", "application/json; indent=4", `text/html;a=",application/json`, ";;=", "application/json; indent*=utf-8'en'4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ok, indent := drf.Accepts(s, true); indent < 0 || indent > 8 || indent > 0 && !ok {
			t.Fatalf("Accepts(%q) = %v, %d", s, ok, indent)
		}
		if _, charset, ok := drf.ParserFor(s); ok {
			if _, err := drf.DecodeCharset(nil, charset); err != nil {
				t.Fatalf("ParserFor(%q) gives charset %q: %v", s, charset, err)
			}
		}
	})
}
