package gateway_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"
)

// raw sends bytes as they are and gives all answers.
func raw(t testing.TB, address, request string) []*http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, request)
	var all []*http.Response
	in := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return all
		}
		body, _ := io.ReadAll(res.Body)
		res.Body = io.NopCloser(strings.NewReader(string(body)))
		all = append(all, res)
	}
}

// TestNoSpellingOfAPIReachesTheFrontend: whatever a server might read as /api
// is answered here, in JSON.
func TestNoSpellingOfAPIReachesTheFrontend(t *testing.T) {
	t.Parallel()
	n := newNext(t).start(t)
	g := front(t, n, false)
	for _, target := range []string{
		"/api", "/api/", "/api/auth/unknown", "/api/auth/unknown/", "//api/auth/login", "///api//auth", "/./api/auth", "/en/../api/auth/login",
		"/en/../../api", "/%61pi/auth/login", "/%61%70%69", "/%2561pi/auth", "/%252561pi/x", "/%25252561pi/x", "/%2525252525252561pi", "/API/auth/login",
		"/Api", "/aPi/x", "/%2fapi/auth", "/%2e/api", "/%2e%2e/api", "/en/%2e%2e/api", "/en/..%2fapi/x", "/en%2f..%2fapi", "/en/%252e%252e/api",
		"/api%2fauth%2flogin", "/api%2Fauth", "/api;x=1/auth", "/api;/auth", "/;x/api", "/%09/api", "/%0aapi/auth", "/ap%00i/auth", "/api%20/auth",
		"/%5capi/auth", "/\\api\\auth", "/en/..;/api/auth", "/api%3fx=1", "/api%23x", "/api/../api/auth/login", "/api/./auth/login", "/api//auth/login", "/api/%2e%2e/api/auth",
		"/socket.io/", "/socket.io", "/SOCKET.IO/?transport=polling",
		"http://localhost:3000/api/auth/login", "http://evil.example/api/auth/login", "http://evil.example//api",
		"/_next/image?url=%2Fapi%2Fusers&w=64&q=75", "/_next/image?url=/%2561pi/users&w=64&q=75", "/_next/image?w=64&url=http://localhost:3000/api/x",
		"/_next//image?url=//api/x", "/_next/image?url=/en&url=/api/x", "/_next/image?url=/%5Capi", "/_next/image?url=/api/users?;&w=64", "/_next/image?%75rl=/api;x", "/_NEXT/image?url=/api",
	} {
		for _, header := range []string{"", "X-HTTP-Method-Override: PUT\r\n"} {
			all := raw(t, g.Listener.Addr().String(), "GET "+target+" HTTP/1.1\r\nHost: x\r\n"+header+"Connection: close\r\n\r\n")
			if len(all) != 1 {
				t.Errorf("%q: %d answers", target, len(all))
				continue
			}
			body, _ := io.ReadAll(all[0].Body)
			if status := all[0].StatusCode; status != http.StatusNotFound && status != http.StatusBadRequest && status != http.StatusMethodNotAllowed {
				t.Errorf("%q: status %d, %.80q", target, status, body)
			} else if status == http.StatusNotFound && !json.Valid(body) {
				t.Errorf("%q: %.80q is not JSON", target, body)
			}
		}
	}
	if seen := n.requests(); len(seen) > 0 {
		t.Errorf("%d requests reached the frontend's server, the first is %q", len(seen), seen[0].RequestURI)
	}
}

func TestPagesThatOnlyLookLikeTheAPI(t *testing.T) {
	t.Parallel()
	n := newNext(t).start(t)
	g := front(t, n, false)
	for _, target := range []string{
		"/", "/en", "/apis", "/apiary/x", "/en/api", "/en/api-docs?next=/api/x", "/_next/static/chunks/api.js", "/_next/image?url=%2Flogo.png&w=64&q=75",
		"/en/%E2%9C%93", "/a%2fb", "/ar/dashboard/users?search=%2Fapi%2F", "/100%25",
	} {
		all := raw(t, g.Listener.Addr().String(), "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if len(all) != 1 || all[0].StatusCode != http.StatusOK || n.last(t).RequestURI != target {
			t.Errorf("%q did not pass as it is: %d answers, the frontend's server saw %q", target, len(all), n.last(t).RequestURI)
		}
	}
}

// TestSmuggling: requests inside of requests, and headers that would make one
// request another.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	n := newNext(t).start(t)
	g := front(t, n, false)
	const inner = "GET /api/auth/login HTTP/1.1\r\nHost: x\r\nX-Smuggled: 1\r\n\r\n"
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(inner), inner)
	for _, request := range []string{
		"POST /en HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
		"POST /en HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n" + inner,
		"POST /en HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc" + inner,
		"POST /en HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + inner,
		"POST /en HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n" + inner,
		"GET /en HTTP/1.1\r\nHost: x\r\nContent-Length: " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner,
		"GET /en HTTP/1.1\r\nHost: x\r\n\r\n" + inner,
		"GET /en HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n" + inner,
		"GET /en HTTP/1.1\r\nHost: x\r\nX-Middleware-Rewrite: /api/auth/login\r\nX-Invoke-Path: /api/auth/login\r\nX-Matched-Path: /api/x\r\nX-Original-Url: /api/x\r\n" +
			"X-Rewrite-Url: /api/x\r\nX-Middleware-Subrequest: middleware\r\nX-Http-Method-Override: PUT\r\n\r\n",
		"CONNECT /api/auth/login HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT localhost:3000 HTTP/1.1\r\nHost: localhost:3000\r\n\r\n",
		"TRACE /en HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET api/auth/login HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /en HTTP/1.1\r\nHost: x/api/auth/login?\r\n\r\n",
		"GET http://x/en HTTP/1.1\r\nHost: y\r\n\r\n",
		"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		// The last request ends the connection, where what is before did not.
		raw(t, g.Listener.Addr().String(), request+"GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	}
	for _, r := range n.requests() {
		if strings.Contains(path.Clean(r.URL.Path), "api") || r.Header.Get("X-Smuggled") != "" {
			t.Errorf("%s %q reached the frontend's server", r.Method, r.RequestURI)
		}
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Middleware") || strings.HasPrefix(name, "X-Invoke") || strings.HasPrefix(name, "Http2") ||
				name == "X-Original-Url" || name == "X-Rewrite-Url" || name == "X-Matched-Path" || name == "X-Http-Method-Override" || name == "Upgrade" {
				t.Errorf("the header %s reached the frontend's server", name)
			}
		}
	}
}

// FuzzPlace: what reaches the frontend's server is no spelling of /api, as a
// decoder of its own reads it.
func FuzzPlace(f *testing.F) {
	for _, p := range []string{"/api", "/%61pi", "/en/../api", "/a%2f..%2fapi", "//x/api", "/en", "/%"} {
		f.Add(p)
	}
	n := newNext(f).start(f)
	g := front(f, n, false)
	f.Fuzz(func(t *testing.T, target string) {
		if !strings.HasPrefix(target, "/") || strings.ContainsAny(target, " \r\n\t?#") {
			return
		}
		before := len(n.requests())
		raw(t, g.Listener.Addr().String(), "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		for _, r := range n.requests()[before:] {
			p := r.RequestURI
			for range 3 {
				cleaned := strings.ToLower(path.Clean("/" + strings.ReplaceAll(p, "\\", "/")))
				if cleaned == "/api" || strings.HasPrefix(cleaned, "/api/") {
					t.Fatalf("%q reached the frontend's server, which may read it as %q", target, p)
				}
				if decoded, err := url.PathUnescape(p); err == nil {
					p = decoded
				}
			}
		}
	})
}
