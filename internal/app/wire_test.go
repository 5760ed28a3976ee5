package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/oracle"
)

// Tokens that nobody but the server may have made, in the header and in bodies.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	victim, p := s.Person(t, identity.User), s.Person(t, identity.Admin)
	head, claims, _ := strings.Cut(p.Access, ".")
	claims, signature, _ := strings.Cut(claims, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(claims)
	if err != nil {
		t.Fatal(err)
	}
	good := string(decoded)
	if got := forge(`{"alg":"HS256","typ":"JWT"}`, good, oracle.SecretKey); got != p.Access {
		t.Fatalf("forge makes %s, want the server's own %s", got, p.Access)
	}
	for name, token := range map[string]string{
		"no signature":        head + "." + claims + ".",
		"alg none":            forge(`{"alg":"none","typ":"JWT"}`, good, oracle.SecretKey),
		"alg none, unsigned":  strings.TrimRight(forge(`{"alg":"None"}`, good, ""), "."),
		"another algorithm":   forge(`{"alg":"HS512","typ":"JWT"}`, good, oracle.SecretKey),
		"an asymmetric one":   forge(`{"alg":"RS256","typ":"JWT"}`, good, oracle.SecretKey),
		"another key":         forge(`{"alg":"HS256","typ":"JWT"}`, good, "another key"),
		"an empty key":        forge(`{"alg":"HS256","typ":"JWT"}`, good, ""),
		"another user":        head + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(good, fmt.Sprintf(`"user_id":%d`, p.ID), fmt.Sprintf(`"user_id":%d`, victim.ID), 1))) + "." + signature,
		"another session":     signed(strings.Replace(good, p.SessionID, strings.Repeat("0", 32), 1)),
		"not its session's":   signed(strings.Replace(good, fmt.Sprintf(`"user_id":%d`, p.ID), fmt.Sprintf(`"user_id":%d`, victim.ID), 1)),
		"nobody's session":    signed(strings.Replace(good, fmt.Sprintf(`"user_id":%d`, p.ID), `"user_id":987654321`, 1)),
		"user abc":            signed(regexp.MustCompile(`"user_id":\d+`).ReplaceAllString(good, `"user_id":"abc"`)),
		"a session of NUL":    signed(regexp.MustCompile(`"sid":"\w+"`).ReplaceAllString(good, `"sid":"\u0000"`)),
		"no exp":              signed(regexp.MustCompile(`"exp":\d+,`).ReplaceAllString(good, ``)),
		"expired":             signed(regexp.MustCompile(`"exp":\d+`).ReplaceAllString(good, `"exp":1`)),
		"exp that is text":    signed(regexp.MustCompile(`"exp":\d+`).ReplaceAllString(good, `"exp":"soon"`)),
		"exp that is a list":  signed(regexp.MustCompile(`"exp":\d+`).ReplaceAllString(good, `"exp":[9999999999]`)),
		"issued in future":    signed(regexp.MustCompile(`"iat":\d+`).ReplaceAllString(good, `"iat":9999999999`)),
		"a refresh token":     p.Refresh,
		"claims that are not": signed(`[]`),
		"claims that are JSX": signed(`{"exp":`),
		"no dots":             "abc", "dots": "..", "long": strings.Repeat("a", 20_000), "bytes": "\x80\xff.\x80.\x80",
		"unknown API key": "bdash_AAAAAAAAAAAAAAAAAAAAAAAAAA", "empty API key": "bdash_", "API key of bytes": "bdash_\xff",
	} {
		got := s.Do(t, token, "GET", me, "")
		if got.Status != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") != `Bearer realm="api"` {
			t.Errorf("%s: GET %s = %d %s, want 401 with a challenge", name, me, got.Status, got.Body)
		}
		if name == "a refresh token" || strings.ContainsAny(token, "\x80\xff") {
			continue
		}
		for path, field := range map[string]string{"/api/auth/verify/": "token", "/api/auth/refresh/": "refresh"} {
			if got := s.Do(t, "", "POST", path, `{"`+field+`":"`+token+`"}`); got.Status != http.StatusUnauthorized {
				t.Errorf("%s: POST %s = %d %s, want 401", name, path, got.Status, got.Body)
			}
		}
	}
	s.Expect(t, http.StatusOK, p.Access, "GET", me, "") // none of it has hurt the session
}

// signed signs claims with the server's key.
func signed(claims string) string {
	return forge(`{"alg":"HS256","typ":"JWT"}`, claims, oracle.SecretKey)
}

func forge(head, claims, key string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Requests that net/http refuses do not reach the API, and the server lives on.
func TestAbsurdRequests(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	const get = "GET /api/auth/me/ HTTP/1.1\r\nHost: x\r\n"
	for name, test := range map[string]struct {
		text   string
		status int
	}{
		"a header of 1 MiB":       {get + "X-Long: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"100,000 headers":         {get + strings.Repeat("X-Many: x\r\n", 100_000) + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"a path of 1 MiB":         {"GET /" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"NUL in the path":         {"GET /api/\x00/ HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusBadRequest},
		"NUL in a header":         {get + "Authorization: Bearer \x00\r\n\r\n", http.StatusBadRequest},
		"no HTTP":                 {"\x16\x03\x01\x02\r\n\r\n", http.StatusBadRequest},
		"two lengths":             {"POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", http.StatusBadRequest},
		"no Host":                 {"GET /api/auth/me/ HTTP/1.1\r\n\r\n", http.StatusBadRequest},
		"a Host that is none":     {"GET /api/auth/me/ HTTP/1.1\r\nHost: a b\r\n\r\n", http.StatusBadRequest},
		"an absolute address":     {"GET http://evil.example/api/auth/me/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", http.StatusUnauthorized},
		"OPTIONS of the server":   {"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", http.StatusOK},
		"a length that is not so": {"POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{", http.StatusRequestEntityTooLarge},
		"a header of 32 KiB":      {get + "Connection: close\r\nX-Long: " + strings.Repeat("x", 32<<10) + "\r\n\r\n", http.StatusUnauthorized},
	} {
		if got := s.Raw(t, test.text); got.Status != test.status {
			t.Errorf("%s: answer = %d %.200s, want %d", name, got.Status, got.Body, test.status)
		}
	}
	s.Expect(t, http.StatusOK, "", "GET", "/healthz", "")
}

var everyAnswer = map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY"}

// The guide's security headers stand on every answer, good or bad.
func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	p := s.Person(t, identity.User)
	for _, path := range []string{me, "/api/", "/api/nothing/", "/api/themes", "/api/themes/x/", "/healthz", "/readyz", "/api/docs/", "/api/schema/", "/api/auth/login/"} {
		for _, token := range []string{"", p.Access, "bad"} {
			got := s.Do(t, token, "GET", path, "")
			for name, want := range everyAnswer {
				if got.Header.Get(name) != want {
					t.Errorf("GET %s: %s = %q, want %q", path, name, got.Header.Get(name), want)
				}
			}
			for _, name := range []string{"Server", "X-Powered-By", "Strict-Transport-Security", "Set-Cookie"} {
				if got.Header.Get(name) != "" {
					t.Errorf("GET %s: %s = %q, want none", path, name, got.Header.Get(name))
				}
			}
		}
	}
}

// A request's id is the client's, if it looks like one, or a new one.
func TestRequestID(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	if got := send(t, s, "GET", me, "", "X-Request-ID: abc-123").Header.Get("X-Request-ID"); got != "abc-123" {
		t.Errorf("X-Request-ID = %q, want the client's", got)
	}
	seen := map[string]bool{}
	for _, sent := range []string{"", "a b", "<script>", strings.Repeat("x", 5000), "ä", "\x80"} {
		got := send(t, s, "GET", "/api/nothing/", "", "X-Request-ID: "+sent).Header.Get("X-Request-ID")
		if got == "" || got == sent || seen[got] {
			t.Errorf("X-Request-ID for %.20q = %q, want a new one", sent, got)
		}
		seen[got] = true
	}
}

// What a proxy says of the client counts only from a trusted one; the host it
// names never does.
func TestProxyHeaders(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		trusted string
		headers []string
		ip      string
		https   bool
	}{
		{"", nil, "127.0.0.1", false},
		{"", []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https"}, "127.0.0.1", false},
		{"10.0.0.0/8", []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https"}, "127.0.0.1", false},
		{"127.0.0.1", []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https"}, "203.0.113.9", true},
		{"127.0.0.1", []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: http"}, "203.0.113.9", false},
		// From the right: what stands left of the first untrusted address is made up.
		{"127.0.0.1,10.0.0.0/8", []string{"X-Forwarded-For: 1.1.1.1, 203.0.113.9, 10.1.2.3"}, "203.0.113.9", false},
		{"127.0.0.1,10.0.0.0/8", []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 10.1.2.3"}, "203.0.113.9", false},
		{"127.0.0.1", []string{"X-Forwarded-For: nonsense"}, "127.0.0.1", false},
		{"127.0.0.1", []string{"X-Forwarded-For: ::ffff:203.0.113.9"}, "203.0.113.9", false},
		{"127.0.0.1", []string{"X-Forwarded-For: 2001:db8::1%eth0"}, "2001:db8::1", false},
	} {
		s := apptest.Start(t, apptest.Options{Env: []string{"TRUSTED_PROXIES=" + test.trusted}})
		u := s.AddUser(t, "dora@example.com", identity.User)
		headers := append([]string{"Content-Type: " + jsonType, "Host: api.example.org", "X-Forwarded-Host: evil.example"}, test.headers...)
		login := send(t, s, "POST", "/api/auth/login/", `{"email":"`+u.Email+`","password":"`+apptest.Password+`"}`, headers...)
		tokens, _ := login.JSON(t)["tokens"].(map[string]any)
		bearer := fmt.Sprint("Authorization: Bearer ", tokens["access"])
		if got := string(send(t, s, "GET", "/api/auth/sessions/", "", bearer).Body); !strings.Contains(got, `"ip":"`+test.ip+`"`) {
			t.Errorf("TRUSTED_PROXIES=%s, %q: sessions %s, want the address %s", test.trusted, test.headers, got, test.ip)
		}
		root := send(t, s, "GET", "/api/", "", append(headers, bearer)...)
		want, hsts := "http://api.example.org/api/themes/", ""
		if test.https {
			want, hsts = "https://api.example.org/api/themes/", "max-age=31536000; includeSubDomains; preload"
		}
		if got := root.JSON(t)["themes"]; got != want {
			t.Errorf("TRUSTED_PROXIES=%s, %q: link %v, want %s", test.trusted, test.headers, got, want)
		}
		if got := root.Header.Get("Strict-Transport-Security"); got != hsts {
			t.Errorf("TRUSTED_PROXIES=%s, %q: Strict-Transport-Security = %q, want %q", test.trusted, test.headers, got, hsts)
		}
	}
}

// Pages of allowed origins may read answers, and nobody else's.
func TestCORS(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		env     []string
		allowed []string
		refused []string
	}{
		{nil, []string{"http://localhost:3000", "http://localhost:3001"}, []string{"http://localhost:3002", "https://localhost:3000", "null", "http://evil.example", "http://localhost:3000.evil.example"}},
		{[]string{"FRONTEND_URL=https://app.example.org", "CORS_ALLOWED_ORIGINS=https://admin.example.org"},
			[]string{"https://app.example.org", "https://admin.example.org"},
			[]string{"http://localhost:3000", "http://app.example.org", "https://app.example.org:8443", "https://evil.example", "https://xapp.example.org", "null"}},
	} {
		s := apptest.Start(t, apptest.Options{Env: test.env})
		for _, origin := range test.allowed {
			h := send(t, s, "GET", me, "", "Origin: "+origin).Header
			if h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "true" ||
				h.Get("Access-Control-Expose-Headers") != "ETag, X-Request-ID, Retry-After" || !strings.Contains(h.Get("Vary"), "Origin") {
				t.Errorf("%q: answer to the page of %s has %v, want it readable", test.env, origin, h)
			}
			got := send(t, s, "OPTIONS", "/api/themes/", "", "Origin: "+origin, "Access-Control-Request-Method: PATCH", "Access-Control-Request-Headers: if-match")
			if got.Status != http.StatusOK || got.Header.Get("Access-Control-Allow-Origin") != origin || !strings.Contains(got.Header.Get("Access-Control-Allow-Methods"), "PATCH") {
				t.Errorf("%q: preflight of %s = %d %v, want 200 with PATCH allowed", test.env, origin, got.Status, got.Header)
			}
			for _, name := range []string{"authorization", "content-type", "if-match", "last-event-id", "x-client-id"} {
				if !strings.Contains(got.Header.Get("Access-Control-Allow-Headers"), name) {
					t.Errorf("preflight allows %s, want also %s", got.Header.Get("Access-Control-Allow-Headers"), name)
				}
			}
		}
		for _, origin := range test.refused {
			for _, got := range []apptest.Answer{
				send(t, s, "GET", me, "", "Origin: "+origin),
				send(t, s, "OPTIONS", "/api/themes/", "", "Origin: "+origin, "Access-Control-Request-Method: PATCH"),
			} {
				for name := range got.Header {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%q: answer to the page of %s has %s: %s, want no CORS header", test.env, origin, name, got.Header.Get(name))
					}
				}
			}
		}
	}
}
