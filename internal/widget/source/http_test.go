package source_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/widget"
	"github.com/bdash/bdash/internal/widget/source"
)

func httpPlace(t testing.TB, handler http.HandlerFunc) *place {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return &place{&source.Registry{Dialer: local()}, datasource.Connection{
		Kind: widget.SourceHTTP, Settings: datasource.Settings{URL: s.URL + "/base"},
	}}
}

func TestHTTPRequest(t *testing.T) {
	t.Parallel()
	p := httpPlace(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answer, _ := json.Marshal(map[string]any{
			"method": r.Method, "path": r.URL.EscapedPath(), "query": r.URL.RawQuery, "body": string(body),
			"auth": r.Header.Get("Authorization"), "key": r.Header.Get("X-Key"), "mine": r.Header.Get("X-Mine"), "fixed": r.Header.Get("X-Fixed"),
		})
		_, _ = w.Write(answer)
	})
	p.conn.Settings.Headers = map[string]string{"X-Fixed": "f"}
	p.conn.Secrets.Token = "top-secret"
	f := p.fetch(t, `{"method":"POST","path":"/of/${setting.name}","query":{"from":"${period_from}","n":"${setting.limit}"},
		"headers":{"X-Mine":"user ${user_id}"},"body":{"id":"${user_id}","text":"is ${user_email}","list":["${setting.on}",1],"literal":"$${x}"}}`)
	wantRows(t, f, "auth:text body:text fixed:text key:text method:text mine:text path:text query:text",
		`"Bearer top-secret" "{\"id\":7,\"list\":[true,1],\"literal\":\"${x}\",\"text\":\"is eve@example.com\"}" "f" "" "POST" "user 7" "/base/of/O%27Brien%3B%20--" "from=2026-03-01T00%3A00%3A00Z&n=2"`)
	p.conn.Settings.TokenHeader = "X-Key"
	wantRows(t, p.fetch(t, `{"result":"{auth: auth, key: key}"}`), "auth:text key:text", `"" "top-secret"`)
	p.conn.Settings.TokenHeader, p.conn.Secrets = "", datasource.Secrets{Password: "pw"}
	p.conn.Settings.Username = "bob"
	wantRows(t, p.fetch(t, `{"result":"auth"}`), "value:text", `"Basic Ym9iOnB3"`)
}

func TestHTTPRows(t *testing.T) {
	t.Parallel()
	p := httpPlace(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"items":[{"day":"2026-03-01","n":1,"ok":true},{"day":"2026-03-02","n":2.5,"tags":["a"]},{"day":null}],
			"pairs":[[1,"a"],[2]],"flat":[3,4],"mixed":[1,"a"],"none":[],"unix":[{"t":1772404200}],"big":[9007199254740993]}`)
	})
	for query, want := range map[string]string{
		`{"result":"items"}`: "day:time n:number ok:bool tags:json\n2026-03-01T00:00:00Z 1 true NULL\n2026-03-02T00:00:00Z 2.5 NULL [\"a\"]\nNULL NULL NULL NULL",
		`{"result":"items[?n > ` + "`2`" + `].{d: day, n: n}"}`: "d:time n:number\n2026-03-02T00:00:00Z 2.5",
		`{"result":"pairs"}`:                         "column_1:integer column_2:text\n1 \"a\"\n2 NULL",
		`{"result":"pairs","columns":["id","name"]}`: "id:integer name:text\n1 \"a\"\n2 NULL",
		`{"result":"flat"}`:                          "value:integer\n3\n4",
		`{"result":"mixed"}`:                         "value:text\n\"1\"\n\"a\"",
		`{"result":"none"}`:                          "",
		`{"result":"missing"}`:                       "",
		`{"result":"length(items)"}`:                 "value:integer\n3",
		`{"result":"unix","types":{"t":"time"}}`:     "t:time\n2026-03-01T22:30:00Z",
		`{"result":"items[0]","types":{"n":"text"}}`: "day:time n:text ok:bool\n2026-03-01T00:00:00Z \"1\" true",
		`{"result":"sum(flat)"}`:                     "value:integer\n7",
	} {
		if got := rows(p.fetch(t, query)); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", query, got, want)
		}
	}
	for query, words := range map[string]string{
		`{"result":"[items, flat]"}`: "", `{"result":"[items[0], flat]"}`: "mixes", `{"result":"items","types":{"x":"time"}}`: "x", `{"result":"sum(items)"}`: "result",
		`{"result":"items","types":{"ok":"time"}}`: "ok",
	} {
		if _, err := p.ask(t, query); words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
			t.Errorf("%s: %v, want %q", query, err, words)
		}
	}
}

func TestHTTPQueriesAreChecked(t *testing.T) {
	t.Parallel()
	r := &source.Registry{}
	for query, words := range map[string]string{
		`{"method":"DELETE"}`: "GET or POST", `{"path":"a?b"}`: "path", `{"headers":{"Authorization":"x"}}`: "cannot be set",
		`{"headers":{"Host":"x"}}`: "cannot be set", `{"headers":{"X-Forwarded-For":"x"}}`: "cannot be set", `{"headers":{"a b":"x"}}`: "cannot be set",
		`{"body":1}`: "GET has no body", `{"result":"[?"}`: "JMESPath", `{"result":"join('', ['a'])"}`: "", `{"query":{"a":"${nope}"}}`: "nope",
		`{"query":{"a":"${user_id"}}`: "without }", `{"types":{"a":"date"}}`: "date", `{"pth":"x"}`: "pth", `[]`: "", `{"result":"` + strings.Repeat("a", 5000) + `"}`: "longer",
	} {
		_, err := r.Uses(widget.SourceHTTP, []byte(query))
		if words != "" {
			wantCode(t, query, err, widget.CodeQuery, words)
		}
	}
	u, err := r.Uses(widget.SourceHTTP, []byte(`{"method":"POST","path":"${setting.b}","query":{"x":"${setting.a} ${setting.b}"},"body":["${user_role}"]}`))
	if err != nil || !u.User || u.Period || fmt.Sprint(u.Settings) != "[a b]" {
		t.Errorf("Uses = %+v, %v", u, err)
	}
}

func TestHTTPStaysBelowItsURL(t *testing.T) {
	t.Parallel()
	p := httpPlace(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%q", r.URL.EscapedPath()) })
	for _, path := range []string{"../secret", "/../secret", "a/../../secret", "%2e%2e/secret", "..%2fsecret/../../x"} {
		query, _ := json.Marshal(map[string]string{"path": path})
		f, err := p.ask(t, string(query))
		if err == nil && (!strings.HasPrefix(fmt.Sprint(f.Columns[0].Values[0]), "/base/") || strings.Contains(fmt.Sprint(f.Columns[0].Values[0]), "/../")) {
			t.Errorf("%s reached %v", path, f.Columns[0].Values)
		}
	}
	ask := asked(`{"path":"of/${setting.p}"}`)
	ask.Settings = json.RawMessage(`{"p":"../../secret"}`)
	if f, err := p.Fetch(t.Context(), p.conn, ask); err != nil || f.Columns[0].Values[0] != "/base/of/..%2F..%2Fsecret" {
		t.Errorf("a setting climbed: %v, %v", rows(f), err)
	}
	ask = asked(`{"headers":{"X-A":"${setting.p}"}}`)
	ask.Settings = json.RawMessage(`{"p":"a\r\nX-B: c"}`)
	_, err := p.Fetch(t.Context(), p.conn, ask)
	wantCode(t, "a header that breaks out", err, widget.CodeQuery, "control character")
}

func TestHTTPFailures(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	p := httpPlace(t, func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.URL.Path, "/base/") {
		case "endless":
			chunk := strings.Repeat(" ", 1<<16)
			for range 1 << 14 { // 1 GB
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		case "loop":
			http.Redirect(w, r, "/base/loop", http.StatusFound)
		case "inside":
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		case "401":
			w.WriteHeader(http.StatusUnauthorized)
		case "403":
			w.WriteHeader(http.StatusForbidden)
		case "500":
			w.WriteHeader(http.StatusInternalServerError)
		case "text":
			fmt.Fprint(w, "<html>")
		case "wide":
			var b strings.Builder
			for i := range 600 {
				fmt.Fprintf(&b, `,"c%d":1`, i)
			}
			fmt.Fprint(w, "{"+b.String()[1:]+"}")
		case "silent":
			<-release
		}
	})
	defer close(release)
	before := heap()
	for path, want := range map[string]widget.SourceCode{
		"endless": widget.CodeTooLarge, "loop": widget.CodeResponse, "inside": widget.CodeBlocked, "401": widget.CodeAuth, "403": widget.CodePermission,
		"500": widget.CodeResponse, "text": widget.CodeResponse, "wide": widget.CodeResponse,
	} {
		_, err := p.ask(t, `{"path":"`+path+`"}`)
		wantCode(t, path, err, want, "")
	}
	if grown := heap() - before; grown > 32<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	ask := asked(`{"path":"silent"}`)
	ask.Limits.Timeout = 100 * time.Millisecond
	_, err := p.Fetch(t.Context(), p.conn, ask)
	wantCode(t, "silent", err, widget.CodeTimeout, "")
	for target, want := range map[string]widget.SourceCode{
		fmt.Sprintf("http://127.0.0.1:%d", closedPort(t)): widget.CodeRefused, "http://10.0.0.1": widget.CodeBlocked, "http://[::ffff:10.0.0.1]": widget.CodeBlocked,
		strings.Replace(p.conn.Settings.URL, "http:", "https:", 1): widget.CodeTLS,
	} {
		c := p.conn
		c.Settings.URL = target
		_, err := p.Probe(t.Context(), c)
		wantCode(t, target, err, want, "")
	}
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "1") }))
	defer secure.Close()
	p.conn.Settings.URL = secure.URL
	_, err = p.Probe(t.Context(), p.conn)
	wantCode(t, "an unknown certificate", err, widget.CodeTLS, "certificate")
	p.conn.Settings.TLS = datasource.TLSRequire
	if _, err := p.Probe(t.Context(), p.conn); err != nil {
		t.Errorf("any certificate: %v", err)
	}
}

func TestStatic(t *testing.T) {
	t.Parallel()
	p := &place{&source.Registry{}, datasource.Connection{Kind: widget.SourceStatic}}
	wantRows(t, p.fetch(t, `{"columns":["day","n"],"rows":[["2026-03-01",1],["2026-03-02",2.5]]}`), "day:time n:number",
		"2026-03-01T00:00:00Z 1", "2026-03-02T00:00:00Z 2.5")
	wantRows(t, p.fetch(t, `{"rows":[{"b":1,"a":"x"},{"a":"y"}]}`), "a:text b:integer", `"x" 1`, `"y" NULL`)
	for query, words := range map[string]string{
		`{}`: "rows", `{"rows":{}}`: "rows", `{"rows":[1],"types":{"value":"day"}}`: "day", `{"rows":[["x"]],"types":{"column_1":"number"}}`: "column_1", `{"rws":[]}`: "rws",
	} {
		_, err := p.Uses(widget.SourceStatic, []byte(query))
		wantCode(t, query, err, widget.CodeQuery, words)
	}
}
