package drf_test

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/drf"
)

// decodeNote decodes JSON text into a draft and tells what was sent.
func decodeNote(t *testing.T, body string, mode drf.Mode) string {
	t.Helper()
	v, err := drf.ParseJSON([]byte(body), drf.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var d noteDraft
	if err := noteFields().DecodeValue(v, &d, mode); err != nil {
		return err.Error()
	}
	return string(d.echo(nil))
}

func TestDecodeAbsentNullBlank(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body string
		mode drf.Mode
		want string
	}{
		{`{}`, drf.Whole, "invalid input; title: This field is required."},
		{`{}`, drf.Partial, `{}`},
		{`{"title":null}`, drf.Whole, "invalid input; title: This field may not be null."},
		{`{"title":null}`, drf.Partial, "invalid input; title: This field may not be null."},
		{`{"title":""}`, drf.Partial, "invalid input; title: This field may not be blank."},
		{`{"title":" \t "}`, drf.Partial, "invalid input; title: This field may not be blank."},
		{`{"title":"ab","mood":null}`, drf.Whole, "invalid input; mood: This field may not be null."},
		{`{"title":" ab ","link":null,"due":null,"id":"x","unknown":[]}`, drf.Whole, `{"title":"ab"}`},
		{`{"title":[],"stars":[],"done":{}}`, drf.Partial, "invalid input; title: Not a valid string.; done: Must be a valid boolean.; stars: A valid integer is required."},
		{`{"title":"ab","title":"cd"}`, drf.Whole, `{"title":"cd"}`},
		{`{"due":"yesterday","extra":null}`, drf.Partial, "invalid input; due: Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].; extra: This field may not be null."},
		{`[]`, drf.Whole, "invalid input; non_field_errors: Invalid data. Expected a dictionary, but got list."},
		{`null`, drf.Partial, "invalid input; non_field_errors: No data provided"},
	} {
		if got := decodeNote(t, c.body, c.mode); got != c.want {
			t.Errorf("Decode(%s, %v) = %s, want %s", c.body, c.mode, got, c.want)
		}
	}
}

func TestCheckRunsAfterTheFields(t *testing.T) {
	t.Parallel()
	s := noteFields().Check(func(d *noteDraft, partial bool) error {
		if !partial && d.stars == nil {
			return drf.Invalid(drf.NonField, "No stars.")
		}
		return nil
	})
	for _, c := range []struct {
		body string
		mode drf.Mode
		want string
	}{
		{`{"title":"a"}`, drf.Whole, "invalid input; title: Ensure this field has at least 2 characters."},
		{`{"title":"ab"}`, drf.Whole, "invalid input; non_field_errors: No stars."},
		{`{"title":"ab"}`, drf.Partial, "<nil>"},
	} {
		v, err := drf.ParseJSON([]byte(c.body), drf.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := "<nil>"
		if err := s.DecodeValue(v, &noteDraft{}, c.mode); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("DecodeValue(%s, %v) = %s, want %s", c.body, c.mode, got, c.want)
		}
	}
}

// everything has a member of every kind to show.
type everything struct {
	text  string
	opt   *string
	n     int64
	on    *int64
	f     float64
	b     bool
	raw   json.RawMessage
	at    time.Time
	oat   *time.Time
	words []string
}

func everythingFields() *drf.Serializer[everything, struct{}] {
	s := drf.NewSerializer[everything, struct{}]("Everything")
	s.Char("text", drf.Opt{}, func(e *everything) string { return e.text }, nil)
	s.Char("hidden", drf.Opt{}, nil, func(*struct{}, string) {})
	s.CharOrNull("opt", drf.Opt{}, func(e *everything) *string { return e.opt }, nil)
	s.Int("n", drf.Opt{}, 0, 0, func(e *everything) int64 { return e.n }, nil)
	s.IntOrNull("on", drf.Opt{}, func(e *everything) *int64 { return e.on })
	s.Float("f", drf.Opt{}, func(e *everything) float64 { return e.f }, nil)
	s.Bool("b", drf.Opt{}, func(e *everything) bool { return e.b }, nil)
	s.JSON("raw", drf.Opt{}, func(e *everything) json.RawMessage { return e.raw }, nil)
	s.Time("at", drf.Opt{}, func(e *everything) time.Time { return e.at })
	s.TimeOrNull("oat", drf.Opt{}, func(e *everything) *time.Time { return e.oat }, nil)
	s.Strings("words", drf.Opt{}, nil, func(e *everything) []string { return e.words }, nil)
	s.Object("object", drf.Opt{}, func(dst []byte, e *everything) []byte { return append(dst, `{"n":1}`...) })
	return s
}

func TestEncode(t *testing.T) {
	t.Parallel()
	text, n := "x", int64(-1)
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.FixedZone("", 3600))
	for _, c := range []struct {
		in   everything
		want string
	}{
		{everything{}, `{"text":"","opt":null,"n":0,"on":null,"f":0.0,"b":false,"raw":null,"at":"0001-01-01T00:00:00Z","oat":null,"words":[],"object":{"n":1}}`},
		{everything{"é\u2028\"\n", &text, math.MaxInt64, &n, 1e16, true, json.RawMessage(`{"z":1,"a":2}`), at, &at, []string{"a", "b"}},
			`{"text":"é\u2028\"\n","opt":"x","n":9223372036854775807,"on":-1,"f":1e+16,"b":true,"raw":{"z":1,"a":2},"at":"2026-01-02T02:04:05.678901Z","oat":"2026-01-02T02:04:05.678901Z","words":["a","b"],"object":{"n":1}}`},
		{everything{f: math.NaN(), at: at.Truncate(time.Second)}, `{"text":"","opt":null,"n":0,"on":null,"f":null,"b":false,"raw":null,"at":"2026-01-02T02:04:05Z","oat":null,"words":[],"object":{"n":1}}`},
		{everything{f: math.Inf(-1), text: "\xff"}, `{"text":"` + "\uFFFD" + `","opt":null,"n":0,"on":null,"f":null,"b":false,"raw":null,"at":"0001-01-01T00:00:00Z","oat":null,"words":[],"object":{"n":1}}`},
	} {
		got := everythingFields().Append(nil, &c.in)
		if string(got) != c.want {
			t.Errorf("Append(%+v) = %s, want %s", c.in, got, c.want)
		}
		if !json.Valid(got) {
			t.Errorf("Append(%+v) is not JSON: %s", c.in, got)
		}
	}
}

func TestRepeatedFormFields(t *testing.T) {
	t.Parallel()
	v, err := drf.ParseForm([]byte("a=1&b=2&a=3&a=4"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{"a": {"1", "3", "4"}, "b": {"2"}} {
		member := v.Member(name)
		var got []string
		for _, x := range member.All() {
			got = append(got, x.Text())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s.All() (-want +got):\n%s", name, diff)
		}
		if last := want[len(want)-1]; member.Text() != last {
			t.Errorf("%s is %q, want the last value %q", name, member.Text(), last)
		}
	}
}

func TestErrorsBecomeAnswers(t *testing.T) {
	t.Parallel()
	errTaken := errors.New("taken")
	cases := []struct {
		name   string
		err    error
		status int
		body   string
		header string // "Name: value"
	}{
		{"an Error", &drf.Error{Status: 409, Detail: "Busy.", Code: "busy", Extra: `"n":1`}, 409, `{"detail":"Busy.","code":"busy","n":1}`, ""},
		{"a body of its own", &drf.Error{Status: 400, Body: []byte(`{"error":"x"}`)}, 400, `{"error":"x"}`, ""},
		{"a wrapped Error", errors.Join(errors.New("reading"), drf.ErrNotFound), 404, `{"detail":"Not found."}`, ""},
		{"field errors in order", fieldErrors("b", "1", "a", "2", "b", "3"), 400, `{"b":["1","3"],"a":["2"]}`, ""},
		{"401 challenges", drf.ErrNotAuthenticated, 401, `{"detail":"Authentication credentials were not provided."}`, `Www-Authenticate: Bearer realm="api"`},
		{"a wait is rounded up", drf.ErrThrottled(1100 * time.Millisecond), 429, `{"detail":"Request was throttled. Expected available in 2 seconds."}`, "Retry-After: 2"},
		{"one second", drf.ErrThrottled(time.Second), 429, `{"detail":"Request was throttled. Expected available in 1 second."}`, "Retry-After: 1"},
		{"what the site maps", errTaken, 400, `{"name":["taken"]}`, ""},
		{"what nobody knows", errors.New("secret"), 500, `{"detail":"A server error occurred."}`, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var logged error
			site := newSite()
			site.MapError = func(_ *drf.Request, err error) error {
				if errors.Is(err, errTaken) {
					return drf.Invalid("name", "taken")
				}
				return nil
			}
			site.LogError = func(_ *drf.Request, err error) { logged = err }
			view := &drf.View{Auth: drf.AuthIgnored, Methods: []drf.Method{{Verb: http.MethodGet, Handler: func(http.ResponseWriter, *drf.Request) error { return c.err }}}}
			got := send(t, site.Handler(view), http.MethodGet, "/", "")
			if got.status != c.status || got.body != c.body {
				t.Errorf("answer %d %s, want %d %s", got.status, got.body, c.status, c.body)
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok && got.header.Get(name) != value {
				t.Errorf("%s: %q, want %q", name, got.header.Get(name), value)
			}
			if (logged != nil) != (c.status >= 500) {
				t.Errorf("logged %v with status %d", logged, c.status)
			}
		})
	}
}

func fieldErrors(pairs ...string) *drf.FieldErrors {
	e := &drf.FieldErrors{}
	for i := 0; i < len(pairs); i += 2 {
		e.Add(pairs[i], pairs[i+1])
	}
	return e
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	handler := newSite().Handler(noteView())
	body := `{"title":"` + strings.Repeat("x", 1<<16) + `"}`
	want := `{"detail":"The request body is larger than 65536 bytes."}`
	for name, headers := range map[string][]string{"in whole": nil, "chunked": {"Transfer-Encoding: chunked"}} {
		got := send(t, handler, http.MethodPost, "/api/notes/", body, append(headers, "Content-Type: application/json", "Authorization: Bearer ann")...)
		if got.status != http.StatusRequestEntityTooLarge || got.body != want {
			t.Errorf("%s: %d %s, want 413 %s", name, got.status, got.body, want)
		}
	}
	// The media type does not matter before the size does.
	if got := send(t, handler, http.MethodPost, "/api/notes/", body, "Content-Type: text/plain", "Authorization: Bearer ann"); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("text/plain: %d, want 413", got.status)
	}
}

// FuzzBody sends any bytes with any content type: the answer is a 2xx or a 4xx
// in JSON.
func FuzzBody(f *testing.F) {
	for _, contentType := range []string{"application/json", "application/json; charset=utf-16", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain", "", "*/*", "a/b;c=\"", "application/json; charset=\xff"} {
		for _, body := range []string{
			"", "{}", `{"title":"abc","stars":1e400,"extra":{"a":[1,null]},"labels":["a"],"due":"2026-01-02T03:04:05Z","link":"http://a.co","weight":1}`, "null", "[[[", `{"title":"\ud800\u0000"}`,
			"title=abc&labels=a&labels=b&extra=%7B%7D", "--b\r\nContent-Disposition: form-data; name=\"title\"; filename=\"x\"\r\n\r\nabc\r\n--b--", "\xff\xfe{\x00}\x00",
		} {
			f.Add([]byte(body), contentType, true)
		}
	}
	whole := newSite().Handler(noteView())
	partial := newSite().Handler(&drf.View{Path: "notes/", Methods: []drf.Method{{Verb: http.MethodPost, Handler: func(w http.ResponseWriter, r *drf.Request) error {
		var d noteDraft
		if err := noteFields().Decode(r, &d, drf.Partial); err != nil {
			return err
		}
		return r.Respond(w, http.StatusOK, d.echo)
	}}}})
	f.Fuzz(func(t *testing.T, body []byte, contentType string, all bool) {
		handler := partial
		if all {
			handler = whole
		}
		got := send(t, handler, http.MethodPost, "/api/notes/", string(body), "Authorization: Bearer ann", "Content-Type:"+contentType)
		checkFuzzed(t, got)
	})
}

func checkFuzzed(t *testing.T, got answer) {
	t.Helper()
	if got.status < 200 || got.status >= 500 || got.status/100 == 3 {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	if !json.Valid([]byte(got.body)) {
		t.Errorf("the answer is not JSON: %q", got.body)
	}
}

// FuzzQuery sends any query string: the answer is a 200, 400 or 404 in JSON, and
// its links can be followed.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"", "page=2", "page=last&page_size=3", "ordering=-id,,title&search=%00a", "page_size=99999999999999999999", "page=%D9%A2&%zz=1", "format=json", "a=1&a=2&&=&=x", "page=1;2", "x=%ff%fe", "page=-1_0"} {
		f.Add(q)
	}
	handler := newSite().Handler(noteView())
	f.Fuzz(func(t *testing.T, query string) {
		if strings.Contains(query, "#") {
			query, _, _ = strings.Cut(query, "#")
		}
		got := send(t, handler, http.MethodGet, "/api/notes/?"+query, "", "Authorization: Bearer ann")
		checkFuzzed(t, got)
		if got.status != http.StatusOK {
			return
		}
		var page struct{ Next, Previous *string }
		if err := json.Unmarshal([]byte(got.body), &page); err != nil {
			t.Fatal(err)
		}
		for _, link := range []*string{page.Next, page.Previous} {
			if link == nil {
				continue
			}
			target, err := url.Parse(*link)
			if err != nil {
				t.Fatalf("link %q: %v", *link, err)
			}
			if again := send(t, handler, http.MethodGet, "/api/notes/?"+target.RawQuery, "", "Authorization: Bearer ann"); again.status != http.StatusOK {
				t.Errorf("link %q leads to %d", *link, again.status)
			}
		}
	})
}
