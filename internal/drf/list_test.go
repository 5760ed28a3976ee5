package drf_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/drf"
)

func TestListQuery(t *testing.T) {
	t.Parallel()
	filters := []drf.Filter{{Field: "mode", Choices: []string{"light", "dark"}}, {Field: "active", Boolean: true}, {Field: "kind"}}
	asc := func(f string) drf.Ordering { return drf.Ordering{Field: f} }
	desc := func(f string) drf.Ordering { return drf.Ordering{Field: f, Desc: true} }
	cases := []struct {
		query string
		want  drf.ListQuery
		err   string
	}{
		{"", drf.ListQuery{Number: 1, Size: 20}, ""},
		{"page=3&page_size=7", drf.ListQuery{Number: 3, Size: 7}, ""},
		{"page=last&page_size=1000", drf.ListQuery{Number: 1, Last: true, Size: 50}, ""},
		{"page=0", drf.ListQuery{}, "404 Invalid page."},
		{"page=4294967296", drf.ListQuery{}, "404 Invalid page."},
		{"ordering=name", drf.ListQuery{Number: 1, Size: 20, Ordering: []drf.Ordering{asc("name")}}, ""},
		{"ordering=-name,+id,%20id%20,nope,,name", drf.ListQuery{Number: 1, Size: 20, Ordering: []drf.Ordering{desc("name"), asc("id")}}, ""},
		{"ordering=--name,-,name-,-%20name", drf.ListQuery{Number: 1, Size: 20}, ""},
		{"ordering=nope", drf.ListQuery{Number: 1, Size: 20}, ""},
		{"ordering=name;drop", drf.ListQuery{Number: 1, Size: 20}, ""},
		{"search=red,%20blue++green%00", drf.ListQuery{Number: 1, Size: 20, Search: []string{"red", "blue", "green"}}, ""},
		{"search=+", drf.ListQuery{Number: 1, Size: 20, Search: []string{}}, ""},
		{"mode=dark&active=on&kind=x&other=1", drf.ListQuery{Number: 1, Size: 20, Filters: map[string]string{"mode": "dark", "active": "true", "kind": "x"}}, ""},
		{"mode=&active=&kind=", drf.ListQuery{Number: 1, Size: 20}, ""},
		{"mode=Dark&active=maybe&kind=%00", drf.ListQuery{}, `invalid input; mode: "Dark" is not a valid choice.; active: Must be a valid boolean.; kind: Null characters are not allowed.`},
	}
	for _, c := range cases {
		var got drf.ListQuery
		var err error
		view := &drf.View{Auth: drf.AuthIgnored, Methods: []drf.Method{{Verb: http.MethodGet, Handler: func(w http.ResponseWriter, r *drf.Request) error {
			got, err = drf.Pages{Default: 20, Max: 50}.ListQuery(r, []string{"id", "name"}, filters)
			return r.NoContent(w)
		}}}}
		send(t, newSite().Handler(view), http.MethodGet, "/?"+c.query, "")
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("ListQuery(%q): error %v, want %s", c.query, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("ListQuery(%q): %v", c.query, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("ListQuery(%q) (-want +got):\n%s", c.query, diff)
		}
	}
}

func TestPageOfNothing(t *testing.T) {
	t.Parallel()
	view := &drf.View{Auth: drf.AuthIgnored, Methods: []drf.Method{{Verb: http.MethodGet, Handler: func(w http.ResponseWriter, r *drf.Request) error {
		return drf.RespondPage(w, r, drf.PageInfo{Number: 1, Size: 20}, nil, noteFields().Append)
	}}}}
	got := send(t, newSite().Handler(view), http.MethodGet, "/", "")
	if want := `{"count":0,"next":null,"previous":null,"results":[]}`; got.body != want {
		t.Errorf("body %s, want %s", got.body, want)
	}
}

// A HEAD is answered like a GET, without the body and with its length.
func TestHead(t *testing.T) {
	t.Parallel()
	handler := newSite().Handler(noteView())
	get := send(t, handler, http.MethodGet, "/api/notes/", "", "Authorization: Bearer ann")
	head := send(t, handler, http.MethodHead, "/api/notes/", "", "Authorization: Bearer ann")
	if head.status != get.status || head.body != "" || head.header.Get("Content-Length") != get.header.Get("Content-Length") {
		t.Errorf("HEAD: %d with %d bytes and Content-Length %s, want %d, 0, %s", head.status, len(head.body), head.header.Get("Content-Length"), get.status, get.header.Get("Content-Length"))
	}
}

func TestNoContentHasNoType(t *testing.T) {
	t.Parallel()
	view := &drf.View{Auth: drf.AuthIgnored, Methods: []drf.Method{{Verb: http.MethodDelete, Handler: func(w http.ResponseWriter, r *drf.Request) error { return r.NoContent(w) }}}}
	got := send(t, newSite().Handler(view), http.MethodDelete, "/", "")
	if got.status != http.StatusNoContent || got.body != "" || got.header.Get("Content-Type") != "" {
		t.Errorf("%d %q %q, want 204 without body and type", got.status, got.body, got.header.Get("Content-Type"))
	}
}

// OPTIONS leaves "actions" out where a view says so, and fields that are hidden.
func TestMetadata(t *testing.T) {
	t.Parallel()
	s := drf.NewSerializer[struct{}, struct{}]("Thing")
	s.Char("shown", drf.Opt{Required: true, Label: "As said"}, nil, func(*struct{}, string) {})
	s.Char("hidden", drf.Opt{Hidden: true}, nil, func(*struct{}, string) {})
	s.Char("set_by_us", drf.Opt{Required: true}, func(*struct{}) string { return "" }, nil)
	fields := `{"shown":{"type":"string","required":true,"read_only":false,"label":"As said"},"set_by_us":{"type":"string","required":false,"read_only":true,"label":"Set by us"}}`
	cases := []struct {
		name  string
		verbs []string
		meta  drf.Describer
		when  func(*drf.Request) bool
		want  string
	}{
		{"POST and PUT in that order", []string{"PUT", "POST", "PATCH"}, s, nil, `,"actions":{"POST":` + fields + `,"PUT":` + fields + `}`},
		{"PATCH alone has none", []string{"PATCH"}, s, nil, ""},
		{"nothing to describe", []string{"POST"}, nil, nil, ""},
		{"not for this request", []string{"PUT"}, s, func(*drf.Request) bool { return false }, ""},
	}
	for _, c := range cases {
		view := &drf.View{Name: "N", Description: "D", Auth: drf.AuthIgnored, Metadata: c.meta, MetadataFor: c.when, Methods: methodsOf(drf.Operation{}, c.verbs...)}
		got := send(t, newSite().Handler(view), http.MethodOptions, "/", "")
		_, rest, ok := strings.Cut(got.body, `"multipart/form-data"]`)
		if !ok || rest != c.want+"}" {
			t.Errorf("%s: OPTIONS says %s, want …%s}", c.name, got.body, c.want)
		}
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, encoded string }{
		{"", ""},
		{"b=2&a=1", "a=1&b=2"},
		{"a=2&b&a=1", "a=2&a=1&b="},
		{"a=%C3%A4+%26~'", "a=%C3%A4+%26~%27"},
		{"a=%zz%&%", "%25=&a=%25zz%25"},
		{"a=%ff", "a=%EF%BF%BD"},
		{"a=b=c", "a=b%3Dc"},
	} {
		if got := drf.ParseQuery(c.raw).Encode(); got != c.encoded {
			t.Errorf("ParseQuery(%q).Encode() = %q, want %q", c.raw, got, c.encoded)
		}
	}
	q := drf.ParseQuery("a=1&b=2&a=3")
	if v, ok := q.Last("a"); v != "3" || !ok {
		t.Errorf("Last(a) = %q, %v, want the last", v, ok)
	}
	if v, ok := q.Last("c"); v != "" || ok {
		t.Errorf("Last(c) = %q, %v, want nothing", v, ok)
	}
	if got := q.Set("a", "9").Encode(); got != "a=9&b=2" {
		t.Errorf("Set(a, 9) = %s, want a=9&b=2", got)
	}
	if got := q.Without("a").Encode(); got != "b=2" {
		t.Errorf("Without(a) = %s, want b=2", got)
	}
	if n := len(drf.ParseQuery(strings.Repeat("a=1&", 5000))); n != 1000 {
		t.Errorf("%d pairs are kept, want 1000", n)
	}
}

func TestParseInt(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{
		"0": 0, "-0": 0, "+7": 7, " 7\n": 7, "007": 7, "1_000": 1000, "٣": 3, "１２": 12, "𝟗": 9, "9223372036854775807": 1<<63 - 1, "-9223372036854775808": -1 << 63, "\u3000 4": 4,
	} {
		if got, ok := drf.ParseInt(s); !ok || got != want {
			t.Errorf("ParseInt(%q) = %d, %v, want %d", s, got, ok, want)
		}
	}
	for _, s := range []string{"", " ", "+", "-", "_1", "1_", "1__0", "1.0", "1e3", "0x1", "++1", "9223372036854775808", "-9223372036854775809", "½", "²", "1 2"} {
		if got, ok := drf.ParseInt(s); ok {
			t.Errorf("ParseInt(%q) = %d, want none", s, got)
		}
	}
}
