package gateway_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		g.AddUser(t, "ann@example.com", identity.User)
		a := g.want(t, 200, "POST", "/api/auth/login", `{"email":"ANN@example.com","password":"`+apptest.Password+`"}`)
		checkUser(t, a.at("data.user"))
		token, _ := a.at("data.token").(string)
		if a.body["success"] != true || token == "" || a.body["token"] != token || a.at("user.email") != "ann@example.com" {
			t.Errorf("login = %s", a.raw)
		}
		cookie := a.header.Get("Set-Cookie")
		for _, want := range []string{"bdash=" + token + ";", "Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=86400"} {
			if !strings.Contains(cookie, want) {
				t.Errorf("cookie %q lacks %s", cookie, want)
			}
		}
		if strings.Contains(cookie, "Secure") {
			t.Errorf("cookie %q over plain http", cookie)
		}
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control = %q", got)
		}
		signed := g.browser(t, "ann@example.com")
		checkUser(t, signed.want(t, 200, "GET", "/api/auth/me", "").at("data"))
		signed.want(t, 200, "HEAD", "/api/auth/me", "")

		for _, body := range []string{
			`{"email":"ann@example.com","password":"wrong-password"}`, `{"email":"nobody@example.com","password":"wrong-password"}`,
		} {
			if a := g.want(t, 401, "POST", "/api/auth/login", body); a.header.Get("Set-Cookie") != "" || a.body["message"] != "The e-mail address or the password is wrong." {
				t.Errorf("a refused login: %s", a.raw)
			}
		}
		for _, body := range []string{
			``, `{}`, `[]`, `null`, `"x"`, `{`, `{"email":"ann@example.com"}`, `{"email":null,"password":null}`, `{"email":{"a":1},"password":["x"]}`,
			`{"email":"ann@example.com","password":""}`, `{"email":"no address","password":"x"}`, "{\"email\":\"a\\u0000@b.c\",\"password\":\"x\\u0000\"}", `{"email":"a@b.c","password":"` + strings.Repeat("x", 2000) + `"}`,
		} {
			g.want(t, 400, "POST", "/api/auth/login", body)
		}
		g.want(t, 413, "POST", "/api/auth/login", `{"email":"`+strings.Repeat("x", 2<<20)+`"}`)
		g.header = map[string]string{"Content-Type": "text/plain"}
		g.want(t, 415, "POST", "/api/auth/login", `{"email":"ann@example.com","password":"`+apptest.Password+`"}`)
		// A page of another site signs nobody in.
		for _, header := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}} {
			g.header = header
			g.want(t, 403, "POST", "/api/auth/login", `{"email":"ann@example.com","password":"`+apptest.Password+`"}`)
		}
		g.header = map[string]string{"Origin": g.GatewayURL, "Sec-Fetch-Site": "same-origin", "X-Csrf-Token": "0123"}
		g.want(t, 200, "POST", "/api/auth/login", `{"email":"ann@example.com","password":"`+apptest.Password+`"}`)
		// What the page still holds of a former session does not stand in the way.
		g.header, g.token, g.cookie = nil, "expired", "bdash=expired"
		g.want(t, 200, "POST", "/api/auth/login", `{"email":"ann@example.com","password":"`+apptest.Password+`"}`)
	})
}

func TestLoginErrorsThatTheFrontendShows(t *testing.T) {
	t.Parallel()
	each(t, []string{"GATEWAY_LOGIN_ERRORS=200", "THROTTLE_LOGIN=2/min"}, func(t *testing.T, g *gate) {
		for _, body := range []string{`{"email":"nobody@example.com","password":"wrong"}`, `{"email":"nobody@example.com","password":"wrong"}`, `{}`} {
			a := g.want(t, 200, "POST", "/api/auth/login", body)
			if message, _ := a.body["message"].(string); a.body["success"] != false || message == "" || a.body["data"] != nil {
				t.Errorf("a refused login: %s", a.raw)
			}
		}
		if a := g.want(t, 429, "POST", "/api/auth/login", `{"email":"nobody@example.com","password":"wrong"}`); a.header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After: %s", a.raw)
		}
	})
}

// TestOneCountOfSignIns: what the API counted, the gateway knows.
func TestOneCountOfSignIns(t *testing.T) {
	t.Parallel()
	each(t, []string{"THROTTLE_LOGIN=2/min"}, func(t *testing.T, g *gate) {
		for range 2 {
			res, err := client.Post(g.URL+"/api/auth/login/", "application/json", strings.NewReader(`{"email":"ann@example.com","password":"wrong"}`))
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
		}
		g.want(t, 429, "POST", "/api/auth/login", `{"email":"ann@example.com","password":"wrong"}`)
	})
}

func TestTheCookieOnHTTPS(t *testing.T) {
	t.Parallel()
	each(t, []string{"TRUSTED_PROXIES=127.0.0.1"}, func(t *testing.T, g *gate) {
		g.AddUser(t, "ann@example.com", identity.User)
		g.header = map[string]string{"X-Forwarded-Proto": "https"}
		a := g.want(t, 200, "POST", "/api/auth/login", `{"email":"ann@example.com","password":"`+apptest.Password+`"}`)
		cookie := a.header.Get("Set-Cookie")
		if !strings.HasPrefix(cookie, "__Host-bdash=") || !strings.Contains(cookie, "Secure") || !strings.Contains(cookie, "Path=/;") || strings.Contains(cookie, "Domain") {
			t.Errorf("cookie = %q", cookie)
		}
	})
}

func TestLogout(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		g.AddUser(t, "ann@example.com", identity.User)
		b := g.browser(t, "ann@example.com")
		a := b.want(t, 200, "POST", "/api/auth/logout", "")
		if !regexp.MustCompile(`^bdash=;.*Max-Age=0`).MatchString(a.header.Get("Set-Cookie")) {
			t.Errorf("the cookie stays: %q", a.header.Get("Set-Cookie"))
		}
		b.want(t, 401, "GET", "/api/auth/me", "")
		b.want(t, 200, "POST", "/api/auth/logout", "") // once more, with a token that is over
		(&gate{Server: g.Server}).want(t, 200, "POST", "/api/auth/logout", "")
	})
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	n := newNext(t).start(t)
	s := apptest.Start(t, apptest.Options{Env: []string{"FRONTEND_UPSTREAM=" + n.URL, "JWT_EXPIRATION_HOURS=1", "JWT_REFRESH_EXPIRATION_DAYS=1"}, Frozen: true})
	g := &gate{Server: s}
	p := s.Person(t, identity.User)
	b := &gate{Server: s, token: p.Access}
	a := b.want(t, 200, "POST", "/api/auth/refresh", "")
	token, _ := a.at("data.token").(string)
	if token == "" || token == p.Access || a.at("data.expiresIn") != 3600.0 || !strings.HasPrefix(a.header.Get("Set-Cookie"), "bdash="+token) {
		t.Errorf("refresh = %s, %q", a.raw, a.header.Get("Set-Cookie"))
	}
	// By a refresh token in the body, as the integration guide has it.
	a = g.want(t, 200, "POST", "/api/auth/refresh", `{"refreshToken":"`+p.Refresh+`"}`)
	if a.at("data.token") == nil || a.at("data.refreshToken") == nil {
		t.Errorf("refresh = %s", a.raw)
	}
	for _, body := range []string{"", "{}", `{"refreshToken":""}`, `{"refreshToken":"nonsense"}`, `{"refreshToken":"` + p.Access + `"}`} {
		g.want(t, 401, "POST", "/api/auth/refresh", body)
	}
	g.want(t, 400, "POST", "/api/auth/refresh", `{"refreshToken":{}}`)
	// A cookie is not enough: it counts for themes only.
	(&gate{Server: s, cookie: "bdash=" + token}).want(t, 401, "POST", "/api/auth/refresh", "")
	// A token that was renewed again and again does not outlive the session.
	s.Clock.Advance(50 * time.Minute)
	b.token = token
	for range 40 {
		a := b.call(t, "POST", "/api/auth/refresh", "")
		if a.status != 200 {
			break
		}
		b.token, _ = a.at("data.token").(string)
		s.Clock.Advance(50 * time.Minute)
	}
	b.want(t, 401, "POST", "/api/auth/refresh", "")
	b.want(t, 401, "GET", "/api/auth/me", "")
}

func TestRegisterAndReset(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, g *gate) {
		a := g.want(t, 201, "POST", "/api/auth/register", `{"email":"carol@example.com","password":"carol-pass-123","name":"  Carol van  Dyck "}`)
		checkUser(t, a.at("data"))
		if a.at("data.name") != "Carol van  Dyck" || a.at("data.status") != "pending" || a.at("data.role") != "user" {
			t.Errorf("register = %s", a.raw)
		}
		g.want(t, 400, "POST", "/api/auth/register", `{"email":"carol@example.com","password":"carol-pass-123","name":"Carol"}`)
		if a := g.want(t, 400, "POST", "/api/auth/register", `{"email":"dan@example.com","password":"short"}`); a.at("error.details.password") == nil {
			t.Errorf("a short password: %s", a.raw)
		}
		g.want(t, 400, "POST", "/api/auth/register", `{"email":"dan@example.com","password":"dan-pass-1234","name":"`+strings.Repeat("x", 200)+`"}`)
		g.want(t, 400, "POST", "/api/auth/register", `{"email":"dan@example.com","password":"dan-pass-1234","name":{}}`)
		known := g.want(t, 200, "POST", "/api/auth/forgot-password", `{"email":"carol@example.com"}`)
		unknown := g.want(t, 200, "POST", "/api/auth/forgot-password", `{"email":"nobody@example.com"}`)
		if known.raw != unknown.raw {
			t.Errorf("the answers differ: %s, %s", known.raw, unknown.raw)
		}
		g.want(t, 400, "POST", "/api/auth/forgot-password", `{}`)
		g.want(t, 400, "POST", "/api/auth/reset-password", `{"token":"nonsense","password":"another-pass-123"}`)
		token := g.WaitMail(t, "carol@example.com", 2).Token
		g.want(t, 400, "POST", "/api/auth/reset-password", `{"token":"`+token+`","password":"123"}`)
		g.want(t, 200, "POST", "/api/auth/reset-password", `{"token":"`+token+`","password":"another-pass-123"}`)
		g.want(t, 200, "POST", "/api/auth/login", `{"email":"carol@example.com","password":"another-pass-123"}`)
	})
}
