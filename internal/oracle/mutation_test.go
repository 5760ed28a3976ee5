package oracle_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/oracle"
)

// at returns the value at a dotted path of a body, where "0" is the first item of a list.
func at(body any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		switch v := body.(type) {
		case map[string]any:
			body = v[step]
		case []any:
			body = v[step[0]-'0']
		}
	}
	return body
}

func object(a *answer, path string) map[string]any {
	if path == "" {
		return a.body.(map[string]any)
	}
	return at(a.body, path).(map[string]any)
}

// put returns a mutation that sets a key of the object at path.
func put(path, key string, value any) func(*answer) {
	return func(a *answer) { object(a, path)[key] = value }
}

func header(name, value string) func(*answer) {
	return func(a *answer) {
		if value == "" {
			a.header.Del(name)
			return
		}
		a.header.Set(name, value)
	}
}

func status(code int) func(*answer) { return func(a *answer) { a.status = code } }

func rewrite(old, new string) func(*answer) {
	return func(a *answer) { a.text = strings.Replace(a.write(false), old, new, 1) }
}

func swapRows(i, j int) func(*answer) {
	return func(a *answer) {
		rows := object(a, "")["results"].([]any)
		rows[i], rows[j] = rows[j], rows[i]
	}
}

// token changes the claims of the token at a path and signs it again.
func token(path, key, secret string, change func(map[string]any)) func(*answer) {
	return func(a *answer) {
		holder := object(a, path)
		c := tokenClaims(holder[key].(string))
		change(c)
		holder[key] = signed(c, secret)
	}
}

type mutation struct {
	name     string
	scenario string // prefix
	before   string // prefix of a scenario that has to run first
	index    int
	mutate   func(*answer)
	problem  string // part of what must be reported; "" when nothing may be
}

var answerMutations = []mutation{
	{"wrong status", "10_", "", 2, status(200), "status 200, want 201"},
	{"recorded answer instead of the deviation", "10_", "", 1, put("", "is_system", true), "$.is_system is true, want false"},
	{"recorded status instead of the deviation", "01_", "", 10, status(400), "status 400, want 200"},
	{"allow names fewer", "10_", "", 2, header("Allow", "GET, POST"), "header allow"},
	{"allow is missing", "10_", "", 2, header("Allow", ""), "header allow"},
	{"allow names more", "10_", "", 2, header("Allow", "GET, POST, PATCH, HEAD, OPTIONS"), ""},
	{"vary lacks one", "10_", "", 2, header("Vary", "Accept"), "header vary"},
	{"vary names more", "10_", "", 2, header("Vary", "Accept, Cookie, Origin"), "header vary"},
	{"vary in another order and case", "10_", "", 2, header("Vary", "origin, Accept"), ""},
	{"content type", "10_", "", 2, header("Content-Type", "application/json; charset=utf-8"), "header content-type"},
	{"content type on a 204", "10_", "", 15, header("Content-Type", "application/json"), "header content-type"},
	{"no challenge", "05_", "03_", 5, header("Www-Authenticate", ""), "header www-authenticate"},
	{"challenge where there was none", "05_", "03_", 1, header("Www-Authenticate", "Bearer"), "header www-authenticate"},
	{"absolute location", "60_", "", 1, header("Location", "http://127.0.0.1/api/themes/"), "header location"},
	{"body on a redirect", "60_", "", 1, rewrite("null", "<a>"), "want none"},
	{"retry in the slack", "70_", "", 3, func(a *answer) {
		a.header.Set("Retry-After", "3541")
		object(a, "")["detail"] = "Request was throttled. Expected available in 3541 seconds."
	}, ""},
	{"retry too late", "70_", "", 3, header("Retry-After", "3700"), "header retry-after"},
	{"retry says another number", "70_", "", 3, header("Retry-After", "3599"), "Retry-After says 3599"},
	{"throttle's words", "70_", "", 3, put("", "detail", "Too many requests."), "$.detail"},
	{"a filler is throttled", "70_", "", 1, nil, "filler"},
	{"credentials for everybody", "50_", "21_", 5, header("Access-Control-Allow-Credentials", "true"), "header access-control-allow-credentials"},
	{"origin for everybody", "50_", "21_", 6, header("Access-Control-Allow-Origin", "http://localhost:3000/"), "header access-control-allow-origin"},
	{"preflight allows too few headers", "50_", "21_", 2, header("Access-Control-Allow-Headers", "authorization"), "header access-control-allow-headers"},
	{"security header is missing", "50_", "21_", 1, header("X-Frame-Options", ""), "header x-frame-options"},
}

var bodyMutations = []mutation{
	{"missing key", "10_", "", 2, func(a *answer) { delete(object(a, ""), "border_radius") }, "$.border_radius is missing"},
	{"extra key", "10_", "", 2, put("", "palette", nil), "$.palette is null, want no such key"},
	{"extra key that is allowed", "10_", "", 2, put("", "source_id", nil), ""},
	{"extra key that is allowed elsewhere", "10_", "", 2, put("", "bio", ""), "$.bio"},
	{"extra key inside stored JSON", "10_", "", 1, put("colors", "source_id", 1), "$.colors.source_id"},
	{"null for a text", "10_", "", 2, put("", "description", nil), `$.description is null, want ""`},
	{"text for a boolean", "10_", "", 2, put("", "is_active", "false"), `$.is_active is "false"`},
	{"list for an object", "10_", "", 2, put("", "colors", []any{}), "$.colors is [], want an object"},
	{"other words", "10_", "", 14, put("", "detail", "No theme"), "$.detail"},
	{"id is a text", "10_", "", 2, put("", "id", "1048"), `$.id is "1048"`},
	{"id of the seed for a new row", "10_", "", 2, put("", "id", json.Number("46")), "want the id of a new theme"},
	{"id changes", "10_", "", 5, put("", "id", json.Number("1099")), "want 1047 as before"},
	{"id of another row", "10_", "", 2, put("", "id", json.Number("1047")), "which was another theme before"},
	{"seed id", "14_", "", 18, put("", "id", json.Number("2")), "want 1 from the seed"},
	{"seed time", "14_", "", 18, put("", "created_at", "2024-01-02T03:04:05.123457Z"), "from the seed"},
	{"time without Z", "10_", "", 2, put("", "created_at", "2031-05-06T07:06:52.997909"), "in the form of"},
	{"time with an offset", "10_", "", 2, put("", "created_at", "2031-05-06T07:06:52.997909+00:00"), "in the form of"},
	{"time in milliseconds", "10_", "", 2, put("", "created_at", "2031-05-06T07:06:52.997Z"), "in the form of"},
	{"time with a fraction of zeros", "10_", "", 2, put("", "created_at", "2031-05-06T07:06:52.000000Z"), "in the form of"},
	{"time of no day", "10_", "", 2, put("", "created_at", "2031-15-06T07:06:52.997909Z"), "in the form of"},
	{"time without a fraction", "10_", "", 2, put("", "created_at", "2031-05-06T07:06:52Z"), ""},
	{"created_at moves", "10_", "", 5, put("", "created_at", "2031-05-06T08:00:00Z"), "as before"},
	{"updated_at stays", "10_", "", 7, put("", "updated_at", "2031-05-06T07:06:53.206706Z"), "want it to have moved"},
	{"rows in another order", "13_", "", 1, swapRows(3, 4), "$.results[3].id"},
	{"row is missing", "13_", "", 1, func(a *answer) {
		o := object(a, "")
		o["results"] = o["results"].([]any)[1:]
	}, "has 19 items, want 20"},
	{"rows that tie in another order", "13_", "", 27, swapRows(3, 4), ""},
	{"row twice among ties", "13_", "", 27, func(a *answer) {
		rows := object(a, "")["results"].([]any)
		rows[1] = rows[0]
	}, "and once"},
	{"row differs among ties", "13_", "", 27, put("results.0", "name", "x"), "$.results[0].name"},
	{"count among ties", "13_", "", 27, put("", "count", json.Number("44")), "$.count is 44"},
	{"link without the host", "13_", "", 1, put("", "next", "/api/themes/?page=2"), "$.next"},
	{"link believes X-Forwarded-Proto", "13_", "", 33, func(a *answer) {
		o := object(a, "")
		o["next"] = strings.Replace(o["next"].(string), "http:", "https:", 1)
	}, "$.next"},
	{"search finds everything", "13_", "", 17, put("", "count", json.Number("45")), "$.count is 45"},
	{"integer for a float", "11_", "10_", 55, func(a *answer) {
		object(a, "colors")["n"].([]any)[1] = json.Number("1")
	}, "$.colors.n[1] is 1, want 1.0"},
	{"float written otherwise", "11_", "10_", 55, func(a *answer) {
		object(a, "colors")["n"].([]any)[5] = json.Number("0.0000001")
	}, ""},
	{"large integer is rounded", "11_", "10_", 55, func(a *answer) {
		object(a, "colors")["n"].([]any)[2] = json.Number("12345678901234567000")
	}, "$.colors.n[2]"},
	{"absurd exponent", "11_", "10_", 55, func(a *answer) {
		object(a, "colors")["n"].([]any)[0] = json.Number("1e999999999999")
	}, "$.colors.n[0]"},
	{"another colour's text", "11_", "10_", 10, put("", "colors", []any{"Invalid color: null"}), "and more"},
	{"parser's words", "11_", "10_", 58, put("", "detail", "JSON parse error - unexpected end"), ""},
	{"no parser's words", "11_", "10_", 58, put("", "detail", "JSON parse error - "), "and a reason"},
	{"an error too many", "11_", "10_", 3, put("", "colors", []any{"This field is required."}), "$.colors"},
	{"errors of a field", "11_", "10_", 3, put("", "name", []any{"This field is required.", "x"}), "$.name has 2 items"},
}

var textMutations = []mutation{
	{"white space", "10_", "", 2, rewrite(`,"`, `, "`), "white space"},
	{"trailing newline", "10_", "", 2, func(a *answer) { a.text = a.write(false) + "\n" }, "white space"},
	{"escaped HTML", "10_", "", 3, rewrite("</script>", `\u003c/script>`), `escapes \u003c`},
	{"escaped letters", "10_", "", 3, rewrite("Тема", `\u0422ема`), `escapes \u0422`},
	{"backslash before a u is no escape", "10_", "", 3, nil, ""},
	{"not JSON", "10_", "", 2, func(a *answer) { a.text = "<html>" }, "not JSON"},
	{"two values", "10_", "", 2, func(a *answer) { a.text = a.write(false) + a.write(false) }, "more than one"},
	{"compact where indented was asked for", "15_", "", 13, func(a *answer) { a.text = a.write(false) }, "white space"},
	{"body on a 204", "10_", "", 15, func(a *answer) { a.status, a.text = 200, "{}" }, "status 200"},
}

var tokenMutations = []mutation{
	{"another key", "01_", "", 1, token("tokens", "access", "other", func(map[string]any) {}), "signature"},
	{"no session", "01_", "", 1, token("tokens", "access", oracle.SecretKey, func(c map[string]any) { delete(c, "sid") }), "has the claims"},
	{"empty session", "01_", "", 1, token("tokens", "access", oracle.SecretKey, func(c map[string]any) { c["sid"] = "" }), "has sid"},
	{"claim too many", "01_", "", 1, token("tokens", "access", oracle.SecretKey, func(c map[string]any) { c["email"] = "x" }), "has the claims"},
	{"wrong type", "01_", "", 1, token("tokens", "access", oracle.SecretKey, func(c map[string]any) { c["token_type"] = "refresh" }), "has token_type"},
	{"wrong user", "01_", "", 1, token("tokens", "access", oracle.SecretKey, func(c map[string]any) { c["user_id"] = 2 }), "user_id is 2, want 1"},
	{"wrong life", "01_", "", 1, token("tokens", "refresh", oracle.SecretKey, func(c map[string]any) { c["exp"] = c["iat"] }), "lives 0 s"},
	{"jti is no uuid", "01_", "", 1, token("tokens", "access", oracle.SecretKey, func(c map[string]any) { c["jti"] = "1" }), "has jti"},
	{"not a token", "01_", "", 1, put("tokens", "access", "abc"), "not a token"},
	{"role is a lie", "03_", "02_", 1, token("", "access", oracle.SecretKey, func(c map[string]any) { c["role"] = "admin" }), "has role"},
	{"no rotation", "04_", "03_", 1, func(a *answer) { delete(object(a, ""), "refresh") }, "$.refresh is missing"},
	{"another successor", "04_", "03_", 3, token("", "refresh", oracle.SecretKey, func(c map[string]any) { c["exp"] = 1 }), "want the value of {{alice_successor}}"},
	{"access token as refresh token", "04_", "03_", 2, func(a *answer) { object(a, "")["refresh"] = object(a, "")["access"] }, "$.refresh"},
}

func TestEveryMutationIsReported(t *testing.T) {
	t.Parallel()
	for _, table := range [][]mutation{answerMutations, bodyMutations, textMutations, tokenMutations} {
		for _, m := range table {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				checkMutation(t, m)
			})
		}
	}
}

func checkMutation(t *testing.T, m mutation) {
	t.Helper()
	prefixes := []string{m.scenario}
	if m.before != "" {
		prefixes = append(prefixes, m.before)
	}
	scenarios := pick(t, prefixes...)
	p := newPlayback(t, scenarios, false)
	mutated := 0
	p.mutate = func(scenario string, index int, a *answer) {
		if !strings.HasPrefix(scenario, m.scenario) || index != m.index {
			return
		}
		mutated++
		switch {
		case m.mutate != nil:
			m.mutate(a)
		case m.problem == "filler" && mutated == 50:
			a.status = http.StatusTooManyRequests
		}
	}
	r := &oracle.Replayer{BaseURL: p.URL}
	var report []string
	for _, s := range scenarios {
		for _, d := range r.Run(t.Context(), s) {
			if strings.HasPrefix(s.Name, m.scenario) && d.Index == m.index {
				report = append(report, d.String())
			}
		}
	}
	got := strings.Join(report, "\n")
	switch {
	case mutated == 0:
		t.Errorf("%s %d was not sent", m.scenario, m.index)
	case m.problem == "" && got != "":
		t.Errorf("Run() reports %s, want nothing", got)
	case !strings.Contains(got, m.problem):
		t.Errorf("Run() reports %q, want %q in it", got, m.problem)
	}
}
