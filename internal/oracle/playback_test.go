package oracle_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/oracle"
)

// An answer is what the playback is about to send; a mutation may change it.
type answer struct {
	status int
	header http.Header
	body   any    // decoded; nil is an empty body
	text   string // sent instead of body when not ""
}

// seen is a request as it arrived.
type seen struct {
	scenario string
	index    int
	header   http.Header
	body     string
}

// playback is a server that answers the next exchange of its script as bdash has to, with new tokens, ids and times.
type playback struct {
	*httptest.Server
	mutate func(scenario string, index int, a *answer)
	django bool // answer as recorded, without the deviations

	mu      sync.Mutex
	script  []step
	values  map[string]string
	signIns int
	seen    []seen
}

type step struct {
	scenario oracle.Scenario
	exchange oracle.Exchange
}

// newPlayback makes a server for the scenarios, which have to be replayed in this order, with the same withAI.
func newPlayback(t *testing.T, scenarios []oracle.Scenario, withAI bool) *playback {
	t.Helper()
	p := &playback{values: make(map[string]string)}
	for _, s := range scenarios {
		for _, e := range s.Exchanges {
			_, d, err := s.Want(e.Index)
			if err != nil {
				t.Fatal(err)
			}
			if e.AI() && !withAI || d != nil && d.NotSent {
				continue
			}
			p.script = append(p.script, step{s, e})
			if s.Throttled() && e.Index == 1 {
				p.repeat(step{s, e}, 98)
			}
			if s.Throttled() && e.Index == 11 {
				p.repeat(step{s, s.Exchanges[9]}, 998)
			}
		}
	}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *playback) repeat(s step, times int) {
	for range times {
		p.script = append(p.script, s)
	}
}

var hole = regexp.MustCompile(`\\\{\\\{\w+\\\}\\\}`)

// fits reports whether a text is the recorded one with its placeholders filled.
func fits(recorded, got string) bool {
	if !strings.Contains(recorded, "{{") {
		return recorded == got // also for bodies that are not UTF-8, which a pattern cannot hold
	}
	pattern := hole.ReplaceAllString(regexp.QuoteMeta(recorded), `[^"/]+`)
	return regexp.MustCompile(`^(?s)` + pattern + `$`).MatchString(got)
}

func (p *playback) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if len(p.script) > 0 {
		next := p.script[0]
		if e := next.exchange; req.Method == e.Method && fits(e.Path, req.RequestURI) && fits(string(e.Body), string(text)) {
			p.script = p.script[1:]
			p.seen = append(p.seen, seen{next.scenario.Name, e.Index, req.Header, string(text)})
			p.reply(w, req, next)
			return
		}
	}
	if req.URL.Path == "/api/auth/login/" && bytes.Contains(text, []byte("-pass-123")) {
		p.signIns++
		_, _ = fmt.Fprintf(w, `{"tokens":{"access":"signed-in-%d","refresh":"refresh-%d"}}`, p.signIns, p.signIns)
		return
	}
	http.Error(w, "not the next request of the script: "+req.Method+" "+req.RequestURI, http.StatusTeapot)
}

func (p *playback) reply(w http.ResponseWriter, req *http.Request, s step) {
	want, d, err := s.scenario.Want(s.exchange.Index)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if p.django {
		want, d = s.exchange.Answer, nil
	}
	a := answer{status: want.Status, header: make(http.Header)}
	for name, value := range want.Header {
		if name != "content-length" {
			a.header.Set(name, value)
		}
	}
	if want.Body != nil {
		a.body = p.live("", decoded(want.Body))
	}
	captures := maps.Clone(s.exchange.Captures)
	if d != nil {
		captures = maps.Clone(d.Captures)
	}
	for name, path := range captures {
		value := a.body
		for key := range strings.SplitSeq(path, ".") {
			value = value.(map[string]any)[key]
		}
		p.values[name] = fmt.Sprint(value)
	}
	if p.mutate != nil {
		p.mutate(s.scenario.Name, s.exchange.Index, &a)
	}
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	if req.Method != http.MethodHead && (a.body != nil || a.text != "") {
		_, _ = io.WriteString(w, a.write(strings.Contains(req.Header.Get("Accept"), "indent=4")))
	}
}

func (a *answer) write(indented bool) string {
	if a.text != "" {
		return a.text
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if indented {
		enc.SetIndent("", "    ")
	}
	if err := enc.Encode(a.body); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

var (
	recordedToken = regexp.MustCompile(`^eyJ[\w-]+\.([\w-]+)\.[\w-]+$`)
	recordedTime  = regexp.MustCompile(`^2026-11-22T15:(06:3[789]|06:[45]|07)`)
)

// live turns an expected value into one that a living server would send.
func (p *playback) live(key string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, member := range v {
			out[k] = p.live(k, member)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			out = append(out, p.live(key, item))
		}
		return out
	case json.Number:
		// Rows made during the replay get other ids than in the recording; 46 is the highest id of the seed.
		if n, err := v.Int64(); err == nil && key == "id" && n > 46 {
			return json.Number(fmt.Sprint(n + 1000))
		}
		return v
	case string:
		return p.liveText(v)
	}
	return value
}

func (p *playback) liveText(text string) string {
	switch {
	case text == "‹text›":
		return "some words"
	case text == "‹cost›":
		return "0.0006"
	case strings.HasPrefix(text, "‹text: "):
		return strings.TrimSuffix(strings.TrimPrefix(text, "‹text: "), "›") + "some words"
	case strings.HasPrefix(text, "‹token refresh "):
		c := map[string]any{"token_type": "refresh", "iat": 0, "exp": 30 * 24 * 3600}
		for pair := range strings.FieldsSeq(strings.TrimSuffix(strings.TrimPrefix(text, "‹token refresh "), "›")) {
			name, value, _ := strings.Cut(pair, "=")
			c[name] = value
			if name == "user_id" {
				c[name] = json.Number(value)
			}
		}
		return mint(c, oracle.SecretKey)
	case strings.HasPrefix(text, "{{"):
		return p.values[strings.Trim(text, "{}")]
	case recordedToken.MatchString(text):
		return mint(tokenClaims(text), oracle.SecretKey)
	case recordedTime.MatchString(text):
		return strings.Replace(text, "2026-11-22T15", "2031-05-06T07", 1)
	}
	return strings.Replace(text, "http://127.0.0.1:8102", p.URL, 1)
}

func tokenClaims(token string) map[string]any {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		panic(err)
	}
	return decoded(payload).(map[string]any)
}

// mint makes a token issued now with the life of the given claims, and a session.
func mint(c map[string]any, key string) string {
	whole := func(v any) int64 {
		var n int64
		fmt.Sscan(fmt.Sprint(v), &n)
		return n
	}
	life := whole(c["exp"]) - whole(c["iat"])
	c = maps.Clone(c)
	c["iat"], c["exp"] = time.Now().Unix(), time.Now().Unix()+life
	if c["sid"] == nil {
		c["sid"] = "5f0c"
	}
	c["jti"] = strings.Repeat("0a", 16)
	return signed(c, key)
}

func signed(c map[string]any, key string) string {
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(payload)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func decoded(text []byte) any {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		panic(err)
	}
	return v
}

func compact(t *testing.T, text []byte) []byte {
	t.Helper()
	if text == nil {
		return nil
	}
	b, err := json.Marshal(decoded(text)) // keys sorted
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pick returns the named scenarios in order.
func pick(t *testing.T, names ...string) []oracle.Scenario {
	t.Helper()
	var picked []oracle.Scenario
	for _, s := range load(t) {
		for _, name := range names {
			if strings.HasPrefix(s.Name, name) {
				picked = append(picked, s)
			}
		}
	}
	return picked
}
