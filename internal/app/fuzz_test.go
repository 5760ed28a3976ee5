package app_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// handler is a whole server in memory with somebody who is signed in.
type handler struct {
	http.Handler
	token string
}

// newHandler takes a database URL; "" is a new SQLite file.
func newHandler(t testing.TB, database string) handler {
	t.Helper()
	s := apptest.Open(t, apptest.Options{Database: database})
	p := s.Person(t, identity.Admin)
	for _, id := range []int{-1, -2} {
		if _, err := s.App.API.Themes.Activate(t.Context(), p.Actor(), int64(id)); err != nil {
			t.Fatal(err)
		}
	}
	return handler{s.App.API.Handler(), p.Access}
}

// serve answers the text of a request, as it comes over the network; nil for
// one that net/http itself refuses.
func (h handler) serve(text string) (*http.Request, *httptest.ResponseRecorder) {
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return nil, nil
	}
	req.RemoteAddr = "192.0.2.1:1234"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return req, w
}

// checkAnswer is what holds for every answer to whatever request: it is no
// server error, and it is JSON or empty, unless it describes the API.
func checkAnswer(t *testing.T, req *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code >= http.StatusInternalServerError || w.Code < http.StatusOK {
		t.Fatalf("%s %s = %d %s", req.Method, req.URL, w.Code, w.Body)
	}
	if described := strings.Contains(req.URL.Path, "/docs/") || strings.Contains(req.URL.Path, "/schema/"); described && w.Code < 300 {
		return
	}
	if body := w.Body.Bytes(); len(body) > 0 && !json.Valid(body) {
		t.Fatalf("%s %s = %d with a body that is not JSON: %q", req.Method, req.URL, w.Code, body)
	}
	if w.Header().Get("X-Request-Id") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("%s %s lacks headers of every answer: %v", req.Method, req.URL, w.Header())
	}
}

// FuzzThemeImport sends bodies to the door that takes themes from files. What
// is accepted must come back as it was sent.
func FuzzThemeImport(f *testing.F) {
	for _, body := range []string{
		`{"name":"A","color_mode":"light"}`,
		`{"name":"A","color_mode":"dark","colors":{"background":"#fff","foreground":"#000","primary":"red","secondary":"hsl(1 2% 3%)","muted":"rgb(0 0 0 / 50%)","accent":"transparent","destructive":"oklch(0.5 0.1 20)","extra":[1,{"a":null}]}}`,
		`{"name":"A","color_mode":"dark","colors":[]}`,
		`{"name":"A","color_mode":"dark","colors":true,"palettes":{"light":{},"dark":3}}`,
		`{"name":"\ud800","color_mode":"light","colors":{"background":"\u0000"}}`,
		`{"name":"a","name":"b","color_mode":"light","is_active":"yes","is_system":1}`,
		`[]`, `null`, `"x"`, `{"name":1e999}`, `{"name":`, strings.Repeat("[", 200), "\xff\xfe", "",
	} {
		f.Add(body)
	}
	h := newHandler(f, "")
	f.Fuzz(func(t *testing.T, body string) {
		req := httptest.NewRequest(http.MethodPost, "/api/themes/import_theme/", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+h.token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		checkAnswer(t, req, w)
		if w.Code == http.StatusCreated {
			h.roundTrip(t, w.Body.Bytes())
		}
	})
}

// roundTrip reads the theme again, and deletes it.
func (h handler) roundTrip(t *testing.T, created []byte) {
	t.Helper()
	var theme struct{ ID json.Number }
	if err := json.Unmarshal(created, &theme); err != nil {
		t.Fatal(err)
	}
	line := " /api/themes/" + theme.ID.String() + "/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + h.token + "\r\n\r\n"
	if _, w := h.serve("GET" + line); w.Code != http.StatusOK || w.Body.String() != string(created) {
		t.Fatalf("GET of the imported theme = %d %s, want %s", w.Code, w.Body, created)
	}
	if _, w := h.serve("DELETE" + line); w.Code != http.StatusNoContent {
		t.Fatalf("DELETE of the imported theme = %d %s", w.Code, w.Body)
	}
}

// lists are the views that take page, page_size, ordering, search and filters.
var lists = []string{"themes/", "dashboard/views/", "widgets/", "ai/agents/", "notifications/", "users/"}

// queries are where FuzzQuery starts.
var queries = []string{
	"", "page=1&page_size=2", "page=last", "page=0", "page=-1", "page=1000000000000000000000000000000", "page=%00",
	"page_size=1000000000", "page_size=0", "page_size=x", "ordering=-name,id,,--id,nothing", "ordering=%00",
	"search=%00", "search=%ff%fe", "search=a%20b,c", "search=%25_%5C'%22", "search=" + strings.Repeat("a+", 500),
	"is_active=true&is_system=true", "is_active=maybe", "is_system=true&page=2", "color_mode=pink", "role=admin&status=active",
	"widget_type=stats&is_public=1", "kind=%00", "kind=x", "format=json", "format=html", "format=%00", "&&&=;=%", "%zz=1", "a=1;b=2",
}

// FuzzQuery sends query strings to each list.
func FuzzQuery(f *testing.F) {
	for _, query := range queries {
		f.Add(query)
	}
	h := newHandler(f, "")
	f.Fuzz(func(t *testing.T, query string) {
		for _, list := range lists {
			h.check(t, "GET", "/api/"+list+"?"+query, "", "", bearer, "")
		}
	})
}

// bearer is the Authorization header of somebody who is signed in.
const bearer = "Bearer {token}"

// anyRequests are where FuzzRequest starts: method, path, Accept, Content-Type,
// Authorization, body.
var anyRequests = [][6]string{
	{"GET", "/api/themes/", "application/json", "", bearer, ""},
	{"POST", "/api/themes/", "*/*", "application/json", bearer, `{"name":"A","color_mode":"light"}`},
	{"POST", "/api/themes/", "text/html", "application/x-www-form-urlencoded; charset=utf-8", bearer, "name=A&color_mode=light&colors=%7B%7D&x=%zz"},
	{"POST", "/api/themes/", "", "multipart/form-data; boundary=b", bearer, "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nA\r\n--b--\r\n"},
	{"POST", "/api/widgets/", "application/xml", "application/json; charset=utf-16", bearer, `{}`},
	{"POST", "/api/widgets/", "", "application/json", bearer, `{"name":"w","widget_type":"stats","config_schema":{"$ref":"#"}}`},
	{"PATCH", "/api/themes/1/", "application/json; indent=4", "application/json; charset=nonsense", bearer, `{"colors":[1]}`},
	{"PUT", "/api/dashboard/layout/", ";q=,/", "text/plain", bearer, `x`},
	{"PUT", "/api/dashboard/layout/", "", "application/json", bearer, `{"widgets_config":[{"widget_id":1,"position":{"x":1e99}}]}`},
	{"PUT", "/api/widgets/1/data/", "", "application/json", bearer, `{"data":{"a":1},"cache_ttl":99999999999999999999}`},
	{"DELETE", "/api/ai/agents/99999999999999999999999999/", "", "", bearer, ""},
	{"GET", "/api/themes/-9223372036854775808/", "", "", bearer, ""},
	{"OPTIONS", "*", "", "", bearer, ""}, {"OPTIONS", "/api/themes/1/", "", "", bearer, ""},
	{"HEAD", "/api/v1/", "", "", bearer, ""}, {"TRACE", "/api/", "", "", "Basic x", ""}, {"CONNECT", "/api/", "", "", "", ""},
	{"GET", "//api/", "", "", bearer, ""}, {"GET", "/api/../healthz", "", "", "", ""}, {"GET", "/api%2fthemes%2f", "", "", "", ""},
	{"GET", "/api/auth/sessions/%00/", "", "", bearer, ""}, {"DELETE", "/api/auth/sessions/%ff%fe/", "", "", bearer, ""},
	{"GET", "/api/dashboard/defaults/%00/", "", "", bearer, ""}, {"GET", "http://other/api/", "", "", bearer, ""},
	{"POST", "/api/auth/login/", "", "application/json", "", `{"email":"a@b.c","password":"x"}`},
	{"POST", "/api/auth/refresh/", "", "application/json", "", `{"refresh":"eyJhbGciOiJub25lIn0.e30."}`},
	{"POST", "/api/auth/verify-email/", "", "application/json", "", `{"token":"\u0000"}`},
	{"GET", "/api/auth/me/", "", "", "Bearer a b", ""}, {"GET", "/api/auth/me/", "", "", "Bearer bdash_\xff", ""},
	{"GET", "/api/auth/me/", "", "", "Bearer \x80.\x80.", ""}, {"GET", "/api/schema/?format=yaml", "*/*;q=0", "", "", ""},
	{"GET", "/api/docs/..%2f", "", "", "", ""}, {"GET", "/readyz", "", "", "", ""},
}

// FuzzRequest sends anything anywhere; {token} in the Authorization header
// stands for a good one.
func FuzzRequest(f *testing.F) {
	for _, r := range anyRequests {
		f.Add(r[0], r[1], r[2], r[3], r[4], r[5])
	}
	h := newHandler(f, "")
	if _, w := h.serve(h.text("GET", "/api/themes/", "", "", bearer, "")); w == nil || w.Code != http.StatusOK {
		f.Fatal("a plain request does not work")
	}
	f.Fuzz(func(t *testing.T, method, path, accept, contentType, authorization, body string) {
		h.check(t, method, path, accept, contentType, authorization, body)
	})
}

// The fuzz targets run on SQLite; what they start from runs on every engine.
func TestFuzzSeeds(t *testing.T) {
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, database string) {
		h := newHandler(t, database)
		for _, query := range queries {
			for _, list := range lists {
				h.check(t, "GET", "/api/"+list+"?"+query, "", "", bearer, "")
			}
		}
		for _, r := range anyRequests {
			h.check(t, r[0], r[1], r[2], r[3], r[4], r[5])
		}
	})
}

// check sends a request and looks at the answer, if net/http takes it at all.
func (h handler) check(t *testing.T, method, path, accept, contentType, authorization, body string) {
	t.Helper()
	if req, w := h.serve(h.text(method, path, accept, contentType, authorization, body)); req != nil {
		checkAnswer(t, req, w)
	}
}

// text is a request as it comes over the network. Headers that are "" are left
// out; line ends inside of them start further headers.
func (h handler) text(method, path, accept, contentType, authorization, body string) string {
	var b strings.Builder
	b.WriteString(method + " " + path + " HTTP/1.1\r\nHost: x\r\n")
	authorization = strings.ReplaceAll(authorization, "{token}", h.token)
	for _, header := range [][2]string{{"Accept", accept}, {"Content-Type", contentType}, {"Authorization", authorization}} {
		if header[1] != "" {
			b.WriteString(header[0] + ": " + header[1] + "\r\n")
		}
	}
	return b.String() + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}
