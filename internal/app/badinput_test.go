package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

const jsonType = "application/json"

// send sends a request with headers, "Name: value" each.
func send(t *testing.T, s *apptest.Server, method, path, body string, headers ...string) apptest.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Add(name, value)
	}
	return apptest.Send(t, req)
}

const (
	limit    = 1 << 20 // bytes of a body
	required = "This field is required."
)

// nested is JSON text of n lists inside each other.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// Bodies that cannot be stored. What is answered names what is wrong, and
// nothing is written.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		p := s.Person(t, identity.Admin)
		for _, test := range []struct {
			name, method, path, mediaType, body string
			status                              int
			want                                string // a part of the answer
		}{
			{"not JSON", "POST", "themes/", jsonType, `{"name":`, 400, `"detail":"JSON parse error - `},
			{"text after it", "POST", "themes/", jsonType, `{} x`, 400, `"detail":"JSON parse error - Extra data`},
			{"NaN", "POST", "themes/", jsonType, `{"name":NaN}`, 400, `"detail":"JSON parse error - `},
			{"invalid UTF-8", "POST", "themes/", jsonType, "{\"name\":\"\xff\"}", 400, `"detail":"JSON parse error - `},
			{"a list", "POST", "themes/", jsonType, `[]`, 400, `Invalid data. Expected a dictionary, but got list.`},
			{"a text", "PATCH", "user/preferences/", jsonType, `"x"`, 400, `Invalid data. Expected a dictionary, but got str.`},
			{"a number", "PUT", "dashboard/layout/", jsonType, `1`, 400, `Invalid data. Expected a dictionary, but got int.`},
			{"null", "POST", "ai/agents/", jsonType, `null`, 400, `No data provided`},
			{"nothing", "POST", "themes/", jsonType, ``, 400, required},
			{"101 levels", "POST", "dashboard/views/", jsonType, `{"name":"x","widgets_config":` + nested(100) + `}`, 400, `nesting depth`},
			{"100,000 levels", "POST", "themes/", jsonType, nested(100_000), 400, `nesting depth`},
			{"a number without end", "POST", "ai/agents/", jsonType, `{"max_tokens":` + strings.Repeat("9", 5000) + `}`, 400, `"`},
			{"an infinite number", "POST", "ai/agents/", jsonType, `{"name":"x","agent_type":"custom","system_prompt":"x","temperature":1e999}`, 400, `"temperature":["`},
			{"a number beyond the column", "POST", "ai/agents/", jsonType, `{"name":"x","agent_type":"custom","system_prompt":"x","max_tokens":99999999999999999999}`, 400, `"max_tokens":["`},
			{"a name that is a list", "POST", "themes/", jsonType, `{"name":[],"color_mode":"dark"}`, 400, `{"name":["Not a valid string."]}`},
			{"a name that is true", "POST", "themes/", jsonType, `{"name":true,"color_mode":"dark"}`, 400, `{"name":["Not a valid string."]}`},
			{"a name that is blank", "POST", "themes/", jsonType, `{"name":" ","color_mode":"dark"}`, 400, `{"name":["This field may not be blank."]}`},
			{"a name that is null", "POST", "themes/", jsonType, `{"name":null,"color_mode":"dark"}`, 400, `{"name":["This field may not be null."]}`},
			{"a name that is too long", "POST", "themes/", jsonType, `{"name":"` + strings.Repeat("x", 101) + `","color_mode":"dark"}`, 400, `{"name":["Ensure this field has no more than 100 characters."]}`},
			{"NUL as colours", "POST", "themes/", jsonType, `{"name":"a","color_mode":"dark","colors":"\u0000"}`, 400, `{"colors":["Missing required color: background"]}`},
			{"surrogate as layout", "POST", "dashboard/views/", jsonType, `{"name":"a","widgets_config":"\ud800"}`, 400, `{"widgets_config":["Surrogate characters are not allowed."]}`},
			{"NUL in a name", "POST", "themes/", jsonType, `{"name":"a\u0000b","color_mode":"dark"}`, 400, `{"name":["Null characters are not allowed."]}`},
			{"NUL in a colour", "POST", "themes/", jsonType, colours("#fff\\u0000"), 400, `{"colors":["`},
			{"NUL in a colour that is not checked", "POST", "themes/", jsonType, `{"name":"x","color_mode":"dark","colors":{"\u0000":1}}`, 400, `{"colors":["`},
			{"a lone surrogate", "POST", "themes/", jsonType, `{"name":"a\ud800","color_mode":"dark"}`, 400, `{"name":["`},
			{"a lone surrogate in a layout", "POST", "dashboard/views/", jsonType, `{"name":"x","widgets_config":["\udfff"]}`, 400, `{"widgets_config":["`},
			{"no such choice", "POST", "themes/", jsonType, `{"name":"x","color_mode":"pink"}`, 400, `{"color_mode":["\"pink\" is not a valid choice."]}`},
			{"no boolean", "POST", "themes/", jsonType, `{"name":"x","color_mode":"dark","is_active":"perhaps"}`, 400, `{"is_active":["Must be a valid boolean."]}`},
			{"colours that are a list", "POST", "themes/", jsonType, `{"name":"x","color_mode":"dark","colors":[]}`, 400, `{"colors":["Missing required color: background"]}`},
			{"colours that are true", "POST", "themes/", jsonType, `{"name":"x","color_mode":"dark","colors":true}`, 400, `{"colors":["Missing required color: background"]}`},
			{"no colour", "POST", "themes/", jsonType, colours("red; } body { display: none"), 400, `{"colors":["Invalid color for background: red; } body { display: none"]}`},
			{"no JSON Schema", "POST", "widgets/", jsonType, `{"name":"x","widget_type":"stats","config_schema":{"type":"nonsense"}}`, 400, `{"config_schema":["Not a valid JSON Schema`},
			{"unknown user", "PATCH", "users/987654321/", jsonType, `{`, 404, `{"detail":"Not found."}`},
			{"unknown theme", "PUT", "themes/active/", jsonType, `{"theme_id":987654321}`, 400, `object does not exist`},
			{"an id that is text", "PUT", "themes/active/", jsonType, `{"theme_id":"x"}`, 400, `{"theme_id":["A valid integer is required."]}`},
			{"a date that is none", "POST", "auth/api-keys/", jsonType, `{"name":"k","scopes":["read"],"expires_at":"tomorrow"}`, 400, `{"expires_at":["`},
			{"a time in the year 99999", "POST", "auth/api-keys/", jsonType, `{"name":"k","scopes":["read"],"expires_at":"99999-01-01T00:00:00Z"}`, 400, `{"expires_at":["`},
			{"scopes that are no list", "POST", "auth/api-keys/", jsonType, `{"name":"k","scopes":"read"}`, 400, `{"scopes":["`},
			{"unknown scope", "POST", "auth/api-keys/", jsonType, `{"name":"k","scopes":["everything"]}`, 400, `is not a valid choice`},
			{"a form without boundary", "POST", "themes/", "multipart/form-data", "--b--", 400, `"detail":"Multipart form parse error`},
			{"a text file", "POST", "themes/", "text/plain", `x`, 415, `{"detail":"Unsupported media type \"text/plain\" in request."}`},
			{"no media type", "POST", "themes/", "", `{}`, 415, `{"detail":"Unsupported media type`},
		} {
			t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				headers := []string{"Authorization: Bearer " + p.Access}
				if test.mediaType != "" {
					headers = append(headers, "Content-Type: "+test.mediaType)
				}
				got := send(t, s, test.method, "/api/"+test.path, test.body, headers...)
				if got.Status != test.status || !strings.Contains(string(got.Body), test.want) || !json.Valid(got.Body) {
					t.Errorf("%s %s %.100q = %d %s, want %d with %s", test.method, test.path, test.body, got.Status, got.Body, test.status, test.want)
				}
			})
		}
	})
}

// colours is a theme whose background is the value, as it stands in JSON text.
func colours(background string) string {
	return `{"name":"x","color_mode":"dark","colors":{"background":"` + background + `","foreground":"#000","primary":"#000","secondary":"#000","muted":"#000","accent":"#000","destructive":"#000"}}`
}

// Nothing of a refused body is stored.
func TestNothingHalfWritten(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		p := s.Person(t, identity.User)
		made := s.Expect(t, http.StatusCreated, p.Access, "POST", "/api/themes/", strings.Replace(colours("#123456"), `"x"`, `"first"`, 1))
		path := "/api/themes/" + fmt.Sprint(made.JSON(t)["id"]) + "/"
		for _, body := range []string{
			`{"name":"second","color_mode":"pink"}`, `{"name":"second","colors":{}}`, `{"name":"second","border_radius":7,"is_active":[]}`,
			`{"name":"second","colors":{"background":"\u0000"}}`, `{"name":"second"`,
		} {
			s.Expect(t, http.StatusBadRequest, p.Access, "PATCH", path, body)
		}
		if got := s.Do(t, p.Access, "GET", path, ""); string(got.Body) != string(made.Body) {
			t.Errorf("after refused changes the theme is %s, want %s", got.Body, made.Body)
		}
	})
}

// Of equal keys the last wins.
func TestDuplicateKeys(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	p := s.Person(t, identity.User)
	got := s.Expect(t, http.StatusCreated, p.Access, "POST", "/api/themes/", `{"name":"a","color_mode":"dark","name":"b"}`)
	if name := got.JSON(t)["name"]; name != "b" {
		t.Errorf("name = %v, want b", name)
	}
}

// Bodies up to 1 MiB are read, also those whose length is not told before.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	p := s.Person(t, identity.User)
	// A layout that is one long text: of n bytes in all.
	body := func(n int) string {
		const head, tail = `{"widgets_config":"`, `"}`
		return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
	}
	for _, test := range []struct {
		size   int
		status int
	}{{limit, http.StatusOK}, {limit + 1, http.StatusRequestEntityTooLarge}, {4 * limit, http.StatusRequestEntityTooLarge}} {
		for _, chunked := range []bool{false, true} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL+"/api/dashboard/layout/", strings.NewReader(body(test.size)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", jsonType)
			req.Header.Set("Authorization", "Bearer "+p.Access)
			if chunked {
				req.ContentLength = -1
			}
			got := apptest.Send(t, req)
			if got.Status != test.status {
				t.Errorf("PUT of %d bytes, chunked %t = %d %.200s, want %d", test.size, chunked, got.Status, got.Body, test.status)
			}
			if want := fmt.Sprintf(`{"detail":"The request body is larger than %d bytes."}`, limit); test.status != http.StatusOK && string(got.Body) != want {
				t.Errorf("PUT of %d bytes = %s, want %s", test.size, got.Body, want)
			}
		}
	}
}

// A nesting of 100 levels is read and stored.
func TestNestingLimit(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	p := s.Person(t, identity.User)
	// The body's own object is one of the levels.
	got := s.Expect(t, http.StatusOK, p.Access, "PUT", "/api/dashboard/layout/", `{"widgets_config":`+nested(99)+`}`)
	if !strings.Contains(string(got.Body), nested(99)) {
		t.Errorf("layout = %s, want the lists that were sent", got.Body)
	}
	s.Expect(t, http.StatusBadRequest, p.Access, "PUT", "/api/dashboard/layout/", `{"widgets_config":`+nested(100)+`}`)
}

// Paths and queries that lead nowhere, whoever asks.
func TestBadPaths(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		p := s.Person(t, identity.Admin)
		for _, test := range []struct {
			method, path string
			status       int
			want         string // the whole body; "" for an empty one
		}{
			{"GET", "/", 404, notFound}, {"GET", "/nothing", 404, notFound}, {"GET", "/api/nothing/", 404, notFound},
			{"GET", "//api/themes/", 404, notFound}, {"GET", "/api//themes/", 404, notFound}, {"GET", "/api/themes//", 404, notFound},
			{"GET", "/api/./themes/", 404, notFound}, {"GET", "/api/x/../themes/", 404, notFound}, {"GET", "/api/themes/..", 404, notFound},
			{"GET", "/api/%2e%2e/healthz", 404, notFound}, {"GET", "/api%2Fthemes%2F", 404, notFound}, {"GET", "/api/themes/1%2F2/", 404, notFound},
			{"GET", "/api/themes/1%2F", 404, notFound}, {"GET", "/api/themes%2F", 404, notFound}, {"GET", "/api/themes/1%2f%2F", 404, notFound},
			{"GET", "/api/docs/../themes/", 404, notFound}, {"GET", "/api/docs/%2e%2e%2fthemes/", 404, notFound},
			{"GET", "/api/themes.json", 404, notFound}, {"GET", "/API/themes/", 404, notFound}, {"GET", "/admin/", 404, notFound},
			{"GET", "/api/themes/x/", 404, notFound}, {"GET", "/api/themes/%00/", 404, notFound}, {"GET", "/api/themes/1%00/", 404, notFound},
			{"GET", "/api/themes/%FF/", 404, notFound}, {"GET", "/api/themes/1e3/", 404, notFound}, {"GET", "/api/themes/99999999999999999999999/", 404, notFound},
			{"GET", "/api/themes/-9223372036854775808/", 404, notFound}, {"GET", "/api/themes/9223372036854775807/", 404, notFound},
			{"DELETE", "/api/auth/sessions/%00/", 404, notFound}, {"DELETE", "/api/auth/sessions/%ff/", 404, notFound},
			{"GET", "/api/dashboard/defaults/%00/", 404, notFound}, {"PUT", "/api/dashboard/defaults/nobody/", 404, notFound},
			{"GET", "/api/themes/?page=0", 404, invalidPage}, {"GET", "/api/themes/?page=-1", 404, invalidPage}, {"GET", "/api/themes/?page=2", 404, invalidPage},
			{"GET", "/api/themes/?page=1" + strings.Repeat("0", 30), 404, invalidPage}, {"GET", "/api/themes/?page=x", 404, invalidPage},
			{"GET", "/api/themes/?page=%00", 404, invalidPage}, {"GET", "/api/themes/?page=9223372036854775807", 404, invalidPage},
			{"GET", "/api/themes/?page_size=1000000000", 200, noRows}, {"GET", "/api/themes/?page_size=-1", 200, noRows}, {"GET", "/api/themes/?page_size=1e3", 200, noRows},
			{"GET", "/api/themes/?search=%00&ordering=%00,-name%27--", 200, noRows}, {"GET", "/api/themes/?search=%ff%fe", 200, noRows},
			{"GET", "/api/notifications/?kind=%00", 400, `{"kind":["Null characters are not allowed."]}`}, {"GET", "/api/notifications/?kind=%ff", 200, noRows},
			{"GET", "/api/themes/?color_mode=pink", 400, `{"color_mode":["\"pink\" is not a valid choice."]}`},
			{"GET", "/api/themes/?color_mode=%00", 400, `{"color_mode":["Null characters are not allowed."]}`},
			{"GET", "/api/themes/?is_active=perhaps", 400, `{"is_active":["Must be a valid boolean."]}`},
			{"GET", "/api/themes/?format=xml", 404, notFound}, {"GET", "/api/themes/?%zz;;=&&", 200, noRows},
			{"GET", "/api/themes/?search=" + strings.Repeat("x", 20_000), 200, noRows},
		} {
			got := s.Do(t, p.Access, test.method, test.path, "")
			if got.Status != test.status || string(got.Body) != test.want {
				t.Errorf("%s %.100s = %d %s, want %d %s", test.method, test.path, got.Status, got.Body, test.status, test.want)
			}
		}
	})
}

const (
	notFound    = `{"detail":"Not found."}`
	invalidPage = `{"detail":"Invalid page."}`
	noRows      = `{"count":0,"next":null,"previous":null,"results":[]}`
)

// A path without its slash is redirected when there is one with it: to a
// relative address, whatever the method and the Host header.
func TestSlashRedirect(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	for path, want := range map[string]string{
		"/api": "/api/", "/api/v1": "/api/v1/", "/api/themes": "/api/themes/", "/api/themes?page=2&x=%2F": "/api/themes/?page=2&x=%2F",
		"/api/themes/1": "/api/themes/1/", "/api/v1/auth/login": "/api/v1/auth/login/", "/api/themes/a%20b": "/api/themes/a%20b/",
		"/api/themes/%2B1": "/api/themes/+1/", "/api/themes/1;a=%5B%5d": "/api/themes/1%3Ba%3D%5B%5D/", "/api/themes/%c3%a9%25?a=%c3": "/api/themes/%C3%A9%25/?a=%c3",
		"/api/themes/%7E-_.!*'()@:$,&": "/api/themes/~-_.!*'()@:$,&/",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
			got := send(t, s, method, path, "", "Host: evil.example")
			if got.Status != http.StatusMovedPermanently || got.Header.Get("Location") != want || len(got.Body) > 0 {
				t.Errorf("%s %s = %d to %q with %q, want 301 to %q", method, path, got.Status, got.Header.Get("Location"), got.Body, want)
			}
		}
	}
	for _, path := range []string{"/healthz/", "/nothing", "/api/nothing", "/%2F%2Fevil.example", "/api/themes/1/nothing"} {
		if got := s.Do(t, "", "GET", path, ""); got.Status != http.StatusNotFound {
			t.Errorf("GET %s = %d to %q, want 404", path, got.Status, got.Header.Get("Location"))
		}
	}
}

// Every view answers a method that it does not have with 405 and the ones that
// it has, to whoever may ask.
func TestWrongMethods(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	p := s.Person(t, identity.Admin)
	for _, v := range s.App.API.Views() {
		path := "/api/" + strings.NewReplacer("{id}", "1", "{role}", "user").Replace(v.Path)
		allow := strings.Join(v.AllowedMethods(), ", ")
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"} {
			if strings.Contains(allow, method) {
				continue
			}
			got := s.Do(t, p.Access, method, path, "")
			want := fmt.Sprintf(`{"detail":"Method \"%s\" not allowed."}`, method)
			if got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") != allow || string(got.Body) != want {
				t.Errorf("%s %s = %d %s, Allow %q; want 405 %s, Allow %q", method, path, got.Status, got.Body, got.Header.Get("Allow"), want, allow)
			}
		}
		got := s.Do(t, p.Access, "OPTIONS", path, "")
		if got.Status != http.StatusOK || got.JSON(t)["name"] != v.Name || v.Name == "" || got.Header.Get("Allow") != allow {
			t.Errorf("OPTIONS %s = %d %s, want 200 with the name %q", path, got.Status, got.Body, v.Name)
		}
	}
}

// What a client accepts, if it says so, must be JSON or the page that browsers
// ask for.
func TestAccept(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	p := s.Person(t, identity.User)
	for accept, status := range map[string]int{
		"": 200, "*/*": 200, "application/json": 200, "application/*": 200, "text/html": 200, "text/html, */*;q=0.1": 200,
		"application/json; indent=4": 200, "APPLICATION/JSON": 200, "image/png, application/json": 200,
		"application/xml": 406, "image/*": 406, "text/csv;q=1": 406, "nonsense": 406,
	} {
		var headers []string
		if accept != "" {
			headers = append(headers, "Accept: "+accept)
		}
		got := send(t, s, "GET", me, "", append(headers, "Authorization: Bearer "+p.Access)...)
		if got.Status != status || got.Header.Get("Content-Type") != jsonType || !json.Valid(got.Body) {
			t.Errorf("GET with Accept %q = %d %s %s, want %d and JSON", accept, got.Status, got.Header.Get("Content-Type"), got.Body, status)
		}
		// Before anything else, as in DRF.
		if got = send(t, s, "PUT", me, "{", headers...); status == 406 && got.Status != 406 {
			t.Errorf("PUT by nobody with Accept %q = %d, want 406", accept, got.Status)
		}
	}
}
