package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// maxBody bounds what is read of one answer, in bytes. The longest recorded one is far below.
const maxBody = 16 << 20

// requestTimeout bounds one exchange. Signing in costs 600,000 rounds of PBKDF2, which the race detector slows down.
const requestTimeout = 2 * time.Minute

// A Replayer sends scenarios to one server and keeps what survives from one to the next: captured ids, and which
// recorded id and time stands for which real one. Run the scenarios in the order of [Load]. It is not safe for
// concurrent use, and one server can be replayed to once: the scenarios change its data.
type Replayer struct {
	BaseURL   string // origin, without a trailing slash
	SecretKey string // the server's signing key; "" means [SecretKey]
	// Now is the clock that tokens are made and judged by; nil means time.Now.
	Now func() time.Time
	// Client sends the requests; nil means one that does not compress. Redirects are never followed.
	Client *http.Client
	// WithAI also sends the exchanges under /api/ai/, which are left out otherwise.
	WithAI bool

	values map[string]string // placeholders captured or made
	bound  bindings
	used   map[place]int
	client *http.Client
	sent   int
	left   int // AI exchanges left out
}

// A Difference is one exchange that was not answered as it had to be.
type Difference struct {
	Scenario string
	Index    int
	Name     string
	Problems []string // what was expected and what came, one sentence each
}

func (d Difference) String() string {
	return fmt.Sprintf("%s %d %q:\n  %s", d.Scenario, d.Index, d.Name, strings.Join(d.Problems, "\n  "))
}

// Run replays one scenario and returns one entry for every exchange that differs. It stops early when ctx ends, with
// the rest of the scenario reported as not sent.
func (r *Replayer) Run(ctx context.Context, s Scenario) []Difference {
	r.start()
	var diffs []Difference
	for _, e := range s.Exchanges {
		if e.AI() && !r.WithAI {
			r.left++
			continue
		}
		if problems := r.exchange(ctx, s, e); len(problems) > 0 {
			diffs = append(diffs, Difference{Scenario: s.Name, Index: e.Index, Name: e.Name, Problems: problems})
		}
	}
	return diffs
}

// start prepares the replayer and forgets the sign-ins of the scenario before: every scenario signs in afresh.
func (r *Replayer) start() {
	if r.values == nil {
		r.values = make(map[string]string)
		r.used = make(map[place]int)
		r.bound = newBindings()
		c := http.Client{Timeout: requestTimeout, Transport: &http.Transport{DisableCompression: true}}
		if r.Client != nil {
			c = *r.Client
		}
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		r.client = &c
	}
	for name := range signIns {
		r.forget(name)
	}
}

func (r *Replayer) forget(user string) {
	delete(r.values, user+"_access")
	delete(r.values, user+"_refresh")
}

func (r *Replayer) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *Replayer) key() string {
	if r.SecretKey != "" {
		return r.SecretKey
	}
	return SecretKey
}

// Sent returns how many recorded exchanges were sent, without sign-ins and fillers.
func (r *Replayer) Sent() int { return r.sent }

// LeftOut returns how many exchanges under /api/ai/ were left out because WithAI is off.
func (r *Replayer) LeftOut() int { return r.left }

// Unused returns a sentence for every deviation of the given scenarios that was not used exactly once so far.
func (r *Replayer) Unused(scenarios []Scenario) []string {
	var unused []string
	for _, s := range scenarios {
		for _, e := range s.Exchanges {
			at := place{s.Name, e.Index}
			if deviationAt[at] == nil || e.AI() && !r.WithAI {
				continue
			}
			if n := r.used[at]; n != 1 {
				unused = append(unused, fmt.Sprintf("deviation %s %d %q was used %d times, want once", s.Name, e.Index, e.Name, n))
			}
		}
	}
	return unused
}

// exchange sends one exchange and returns what is wrong with the answer.
func (r *Replayer) exchange(ctx context.Context, s Scenario, e Exchange) []string {
	at := place{s.Name, e.Index}
	want, deviation, err := s.Want(e.Index)
	if err != nil {
		return []string{err.Error()}
	}
	if deviation != nil {
		r.used[at]++
		if deviation.NotSent {
			return nil
		}
	}
	if user := freshSignIns[at]; user != "" {
		r.forget(user)
	}
	got, err := r.send(ctx, e)
	if err != nil {
		return []string{err.Error()}
	}
	r.sent++
	c := comparison{replayer: r, scenario: s, exchange: e, want: want, got: got}
	c.run()
	if want.Status < http.StatusBadRequest {
		c.capture(e.Captures)
	}
	if deviation != nil {
		c.capture(deviation.Captures)
	}
	if f, ok := fillers[at]; ok {
		c.problems = append(c.problems, r.fill(ctx, s, f)...)
	}
	return c.problems
}

// A reply is what came back.
type reply struct {
	status int
	header http.Header
	body   []byte
}

var placeholder = regexp.MustCompile(`\{\{(\w+)\}\}`)

// send fills the placeholders of an exchange and sends it.
func (r *Replayer) send(ctx context.Context, e Exchange) (reply, error) {
	path, err := r.expand(ctx, e.Path)
	if err != nil {
		return reply{}, err
	}
	var body []byte
	if e.Body != nil {
		text, err := r.expand(ctx, string(e.Body))
		if err != nil {
			return reply{}, err
		}
		body = []byte(text)
	}
	header := make(http.Header)
	for name, value := range e.Header {
		if value, err = r.expand(ctx, value); err != nil {
			return reply{}, err
		}
		header.Set(name, value)
	}
	return r.do(ctx, e.Method, path, header, body)
}

// expand replaces the placeholders in text. It signs users in as their tokens are first needed.
func (r *Replayer) expand(ctx context.Context, text string) (string, error) {
	var failed error
	out := placeholder.ReplaceAllStringFunc(text, func(found string) string {
		value, err := r.value(ctx, found[2:len(found)-2])
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("not sent: %w", err))
		}
		return value
	})
	return out, failed
}

func (r *Replayer) do(ctx context.Context, method, path string, header http.Header, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.BaseURL+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, fmt.Errorf("not sent: %w", err)
	}
	if body == nil {
		req.Body, req.GetBody = http.NoBody, nil
	}
	req.Header = header
	resp, err := r.client.Do(req)
	if err != nil {
		return reply{}, fmt.Errorf("no answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to the end; nothing is left to fail
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return reply{}, fmt.Errorf("no answer: read body: %w", err)
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: text}, nil
}

// signIns are the users that sign in as "<name>@example.com" with "<name>-pass-123" when their tokens are first needed
// in a scenario. carol is registered by 02_auth_register.
var signIns = map[string]bool{
	"admin": true, "alice": true, "bob": true, "carol": true, "gone": true, "pager": true, "pat": true,
}

// value returns what stands for a placeholder: captured, signed in for, or made by hand.
func (r *Replayer) value(ctx context.Context, name string) (string, error) {
	if v, ok := r.values[name]; ok {
		return v, nil
	}
	if h, ok := handMadeTokens[name]; ok {
		token, err := h.make(r.now(), r.key())
		if err != nil {
			return "", err
		}
		r.values[name] = token
		return token, nil
	}
	user, kind, ok := strings.Cut(name, "_")
	if !ok || !signIns[user] || kind != "access" && kind != "refresh" {
		return "", fmt.Errorf("nothing was captured for {{%s}}", name)
	}
	if err := r.signIn(ctx, user); err != nil {
		return "", err
	}
	return r.values[name], nil
}

func (r *Replayer) signIn(ctx context.Context, user string) error {
	body := fmt.Sprintf(`{"email":"%s@example.com","password":"%s-pass-123"}`, user, user)
	header := http.Header{"Accept": {"*/*"}, "Content-Type": {"application/json"}}
	got, err := r.do(ctx, http.MethodPost, "/api/auth/login/", header, []byte(body))
	if err != nil {
		return fmt.Errorf("sign in %s: %w", user, err)
	}
	var answer struct {
		Tokens struct{ Access, Refresh string }
	}
	err = json.Unmarshal(got.body, &answer)
	if got.status != http.StatusOK || err != nil || answer.Tokens.Access == "" || answer.Tokens.Refresh == "" {
		return fmt.Errorf("sign in %s: status %d, body %s", user, got.status, short(got.body))
	}
	r.values[user+"_access"], r.values[user+"_refresh"] = answer.Tokens.Access, answer.Tokens.Refresh
	return nil
}

// A filler repeats an earlier exchange to use up a rate limit between two numbered ones.
type filler struct {
	times  int
	repeat int // index of the exchange to repeat
}

// fillers stand behind the exchange that they follow: with them the next numbered anonymous request is the 100th, the
// next signed-in one the 1001st.
var fillers = map[place]filler{
	{throttling, 1}:  {times: 98, repeat: 1},
	{throttling, 11}: {times: 998, repeat: 10},
}

// fill sends a filler's requests. Each must be answered like the exchange that it repeats; the first that is not ends it.
func (r *Replayer) fill(ctx context.Context, s Scenario, f filler) []string {
	e := s.Exchanges[f.repeat-1]
	for i := range f.times {
		got, err := r.send(ctx, e)
		if err != nil {
			return []string{fmt.Sprintf("filler %d of %d: %v", i+1, f.times, err)}
		}
		if got.status != e.Answer.Status {
			return []string{fmt.Sprintf("filler %d of %d: status %d, want %d", i+1, f.times, got.status, e.Answer.Status)}
		}
	}
	return nil
}

// short cuts a body for a message.
func short(body []byte) string {
	const limit = 300
	if len(body) <= limit {
		return string(body)
	}
	return string(body[:limit]) + "…"
}
