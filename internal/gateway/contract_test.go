package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

// each runs test against a whole bdash with a gateway, on each engine.
func each(t *testing.T, env []string, test func(t *testing.T, g *gate)) {
	t.Helper()
	n := newNext(t).start(t)
	apptest.Each(t, apptest.Options{Env: append([]string{"FRONTEND_UPSTREAM=" + n.URL}, env...)}, func(t *testing.T, s *apptest.Server) {
		test(t, &gate{Server: s, next: n})
	})
}

// client calls gateways.
var client = &http.Client{Timeout: time.Minute}

// gate is a running gateway, and a browser before it.
type gate struct {
	*apptest.Server
	next   *next
	token  string
	cookie string
	// header are further headers of each request.
	header map[string]string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// call sends what the frontend would; the body is JSON text or nothing.
func (g *gate) call(t testing.TB, method, path, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.GatewayURL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" || strings.HasPrefix(path, "/api/themes") {
		r.Header.Set("Content-Type", "application/json")
	}
	if g.token != "" {
		r.Header.Set("Authorization", "Bearer "+g.token)
	}
	if g.cookie != "" {
		r.Header.Set("Cookie", g.cookie)
	}
	for name, value := range g.header {
		r.Header.Set(name, value)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.body); err != nil || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s %s: %q, %.200q is no JSON object", method, path, res.Header.Get("Content-Type"), raw)
		}
	}
	if a.status >= 400 {
		checkProblem(t, path, a)
	}
	return a
}

// checkProblem: every failure satisfies every reader of the frontend.
func checkProblem(t testing.TB, path string, a answer) {
	t.Helper()
	message, isText := a.body["message"].(string)
	if a.body["success"] != false || !isText || message == "" {
		t.Errorf("%s: %d %s has no success and message", path, a.status, a.raw)
	}
	if strings.HasPrefix(path, "/api/themes") {
		if text, ok := a.body["error"].(string); !ok || text == "" {
			t.Errorf("%s: %d %s: error is no string", path, a.status, a.raw)
		}
		return
	}
	e, _ := a.body["error"].(map[string]any)
	if code, ok := e["code"].(string); !ok || code == "" || e["message"] != message {
		t.Errorf("%s: %d %s: error is no object with code and message", path, a.status, a.raw)
	}
}

// want calls and checks the status.
func (g *gate) want(t testing.TB, status int, method, path, body string) answer {
	t.Helper()
	a := g.call(t, method, path, body)
	if a.status != status {
		t.Errorf("%s %s %.200s = %d %.300s, want %d", method, path, body, a.status, a.raw, status)
	}
	return a
}

// at walks into a body: "data.user.name".
func (a answer) at(path string) any {
	var v any = a.body
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// as is the gate for somebody who signed in.
func (g *gate) as(t testing.TB, role identity.Role) (*gate, apptest.Person) {
	t.Helper()
	p := g.Person(t, role)
	return &gate{Server: g.Server, next: g.next, token: p.Access}, p
}

// browser signs in as the page does: it keeps token and cookie.
func (g *gate) browser(t testing.TB, email string) *gate {
	t.Helper()
	a := g.want(t, 200, "POST", "/api/auth/login", `{"email":"`+email+`","password":"`+apptest.Password+`"}`)
	token, _ := a.at("data.token").(string)
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	return &gate{Server: g.Server, next: g.next, token: token, cookie: cookie}
}

// checkUser: what the users page draws without a crash.
func checkUser(t testing.TB, v any) {
	t.Helper()
	u, ok := v.(map[string]any)
	if !ok {
		t.Errorf("%v is no user", v)
		return
	}
	for _, name := range []string{"id", "name", "email", "role", "status", "createdAt", "updatedAt"} {
		if text, ok := u[name].(string); !ok || strings.TrimSpace(text) == "" {
			t.Errorf("%s of %v is no text", name, u)
		}
	}
	switch u["avatar"].(type) {
	case nil, string:
	default:
		t.Errorf("avatar of %v", u)
	}
	if text, _ := u["createdAt"].(string); !strings.HasSuffix(text, "Z") {
		t.Errorf("createdAt %q is not UTC with a Z", text)
	}
}
