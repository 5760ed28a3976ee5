package api_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/bdash/bdash/internal/api"
)

// newDocs is a server without services: the description needs none.
func newDocs() http.Handler {
	return (&api.Server{Log: slog.New(slog.DiscardHandler), Options: api.Options{Version: "1.2.3"}}).Handler()
}

func ask(t *testing.T, h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestSchemaNegotiation(t *testing.T) {
	t.Parallel()
	h := newDocs()
	cases := []struct {
		target, accept string
		status         int
		contentType    string
	}{
		{"/api/schema/", "", 200, "application/json"},
		{"/api/v1/schema/", "*/*", 200, "application/json"},
		{"/api/schema/?format=json", "application/yaml", 200, "application/json"},
		{"/api/schema/?format=yaml", "application/json", 200, "application/yaml; charset=utf-8"},
		{"/api/schema/?format=xml", "", 404, "application/json"},
		{"/api/schema/", "application/json", 200, "application/json"},
		{"/api/schema/", "application/yaml", 200, "application/yaml; charset=utf-8"},
		{"/api/schema/", "text/yaml", 200, "text/yaml; charset=utf-8"},
		{"/api/schema/", "text/*", 200, "text/yaml; charset=utf-8"},
		{"/api/schema/", "application/vnd.oai.openapi", 200, "application/vnd.oai.openapi; charset=utf-8"},
		{"/api/schema/", "application/vnd.oai.openapi+json", 200, "application/vnd.oai.openapi+json"},
		{"/api/schema/", "application/yaml;q=0.5, application/json;q=0.4", 200, "application/yaml; charset=utf-8"},
		{"/api/schema/", "text/html,application/xhtml+xml,*/*;q=0.8", 200, "application/json"},
		{"/api/schema/", "text/html", 406, "application/json"},
		{"/api/schema/", "application/json;q=0", 406, "application/json"},
		{"/api/schema/", ";;;, application/json;q=x", 406, "application/json"},
	}
	for _, c := range cases {
		var headers []string
		if c.accept != "" {
			headers = []string{"Accept: " + c.accept}
		}
		w := ask(t, h, http.MethodGet, c.target, headers...)
		if w.Code != c.status || w.Header().Get("Content-Type") != c.contentType {
			t.Errorf("GET %s, Accept %q: %d %s, want %d %s", c.target, c.accept, w.Code, w.Header().Get("Content-Type"), c.status, c.contentType)
		}
	}
}

func TestSchemaFormatsAgree(t *testing.T) {
	t.Parallel()
	h := newDocs()
	var fromJSON, fromYAML any
	if err := json.Unmarshal(ask(t, h, http.MethodGet, "/api/schema/").Body.Bytes(), &fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(ask(t, h, http.MethodGet, "/api/schema/?format=yaml").Body.Bytes(), &fromYAML); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(fromJSON)
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(want) {
		t.Error("JSON and YAML describe different APIs")
	}
	if !strings.Contains(string(want), `"version":"1.2.3"`) {
		t.Error("the document does not name the version")
	}
}

func TestSchemaRevalidation(t *testing.T) {
	t.Parallel()
	h := newDocs()
	first := ask(t, h, http.MethodGet, "/api/schema/")
	tag := first.Header().Get("Etag")
	if tag == "" || first.Header().Get("Cache-Control") == "" {
		t.Fatalf("headers %v have no entity tag or cache control", first.Header())
	}
	if w := ask(t, h, http.MethodGet, "/api/schema/", "If-None-Match: "+tag); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("the same tag: %d with %d bytes, want 304 without", w.Code, w.Body.Len())
	}
	if w := ask(t, h, http.MethodGet, "/api/schema/?format=yaml", "If-None-Match: "+tag); w.Code != http.StatusOK {
		t.Errorf("the tag of the other format: %d, want 200", w.Code)
	}
	if w := ask(t, h, http.MethodHead, "/api/schema/"); w.Code != http.StatusOK || w.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: %d, Content-Length %q", w.Code, w.Header().Get("Content-Length"))
	}
	w := ask(t, h, http.MethodPost, "/api/schema/")
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" || w.Body.String() != `{"detail":"Method \"POST\" not allowed."}` {
		t.Errorf("POST: %d, Allow %q, %s", w.Code, w.Header().Get("Allow"), w.Body)
	}
}

var linked = regexp.MustCompile(`(?:src|href)="([^"]+)"`)

// TestDocsPageIsComplete follows every link of the page: what it loads must come
// from here, and with the type that a browser wants under nosniff.
func TestDocsPageIsComplete(t *testing.T) {
	t.Parallel()
	h := newDocs()
	types := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".png": "image/png", "json": "application/json", "yaml": "application/yaml; charset=utf-8"}
	for _, prefix := range []string{"/api/docs/", "/api/v1/docs/"} {
		page := ask(t, h, http.MethodGet, prefix)
		if page.Code != http.StatusOK || page.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("GET %s: %d %s", prefix, page.Code, page.Header().Get("Content-Type"))
		}
		policy := page.Header().Get("Content-Security-Policy")
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("Content-Security-Policy: %s", policy)
		}
		if strings.Contains(page.Body.String(), "//") {
			t.Error("the page names another server")
		}
		if strings.Contains(page.Body.String(), "<style") || strings.Contains(page.Body.String(), "<script>") {
			t.Error("the page holds a script or a style that its policy forbids")
		}
		links := linked.FindAllStringSubmatch(page.Body.String(), -1)
		if len(links) < 6 {
			t.Fatalf("only %d links in the page", len(links))
		}
		for _, link := range links {
			base, err := url.Parse(prefix)
			if err != nil {
				t.Fatal(err)
			}
			target, err := base.Parse(link[1])
			if err != nil {
				t.Fatal(err)
			}
			w := ask(t, h, http.MethodGet, target.String())
			want := types[target.String()[strings.LastIndexAny(target.String(), ".=")+1:]]
			if want == "" {
				want = types[target.Path[strings.LastIndexByte(target.Path, '.'):]]
			}
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != want || w.Body.Len() == 0 {
				t.Errorf("GET %s: %d %q with %d bytes, want 200 %q", target, w.Code, w.Header().Get("Content-Type"), w.Body.Len(), want)
			}
		}
	}
}

func TestDocsAssets(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newDocs())
	t.Cleanup(server.Close)
	// The transport asks for gzip and unpacks it: the content must be the same
	// as for a client that does not take gzip.
	zipped := fetch(t, server, "/api/docs/swagger-ui.css", "")
	plain := fetch(t, server, "/api/docs/swagger-ui.css", "identity")
	if len(plain) == 0 || zipped != plain {
		t.Errorf("%d bytes by gzip, %d without, want the same", len(zipped), len(plain))
	}
	h := newDocs()
	for coding, want := range map[string]string{"gzip": "gzip", "br, GZIP;q=0.5": "gzip", "*": "gzip", "gzip;q=0": "", "br": "", "gzip; q=no": ""} {
		if got := ask(t, h, http.MethodGet, "/api/docs/swagger-ui.css", "Accept-Encoding: "+coding).Header().Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: Content-Encoding %q, want %q", coding, got, want)
		}
	}
	for _, target := range []string{"/api/docs/nothing.js", "/api/docs/index.html/x", "/api/docs/..%2fdocs.go"} {
		if w := ask(t, h, http.MethodGet, target); w.Code != http.StatusNotFound {
			t.Errorf("GET %s: %d, want 404", target, w.Code)
		}
	}
	if w := ask(t, h, http.MethodDelete, "/api/docs/"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d, want 405", w.Code)
	}
}

func fetch(t *testing.T, server *httptest.Server, path, coding string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if coding != "" {
		r.Header.Set("Accept-Encoding", coding)
	}
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
