package oracle_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/oracle"
)

func TestRunAcceptsTheContract(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		opts oracle.Options
	}{
		{"without AI", oracle.Options{}},
		{"with AI", oracle.Options{WithAI: true}},
		{"throttles", oracle.Options{Throttles: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var scenarios []oracle.Scenario
			for _, s := range load(t) {
				if s.Throttled() == c.opts.Throttles {
					scenarios = append(scenarios, s)
				}
			}
			p := newPlayback(t, scenarios, c.opts.WithAI)
			oracle.Run(t, p.URL, c.opts)
			if len(p.script) > 0 {
				t.Errorf("%d exchanges were not sent, the first is %q", len(p.script), p.script[0].exchange.Name)
			}
		})
	}
}

// A server that still answers like Django differs in every deviation, and nowhere else.
func TestRunReportsEveryDeviation(t *testing.T) {
	t.Parallel()
	for _, throttled := range []bool{false, true} {
		var scenarios []oracle.Scenario
		var want, got []string
		for _, s := range load(t) {
			if s.Throttled() == throttled {
				scenarios = append(scenarios, s)
			}
		}
		for _, s := range scenarios {
			for _, e := range s.Exchanges {
				if _, d, err := s.Want(e.Index); err != nil {
					t.Fatal(err)
				} else if d != nil && !d.NotSent {
					want = append(want, fmt.Sprint(s.Name, " ", e.Index))
				}
			}
		}
		p := newPlayback(t, scenarios, true)
		p.django = true
		r := &oracle.Replayer{BaseURL: p.URL, WithAI: true}
		for _, s := range scenarios {
			for _, d := range r.Run(t.Context(), s) {
				got = append(got, fmt.Sprint(d.Scenario, " ", d.Index))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Run() against the recording (-deviations +reported):\n%s", diff)
		}
	}
}

func TestUnused(t *testing.T) {
	t.Parallel()
	scenarios := pick(t, "10_")
	p := newPlayback(t, append(scenarios, scenarios...), false)
	r := &oracle.Replayer{BaseURL: p.URL}
	if got := r.Unused(scenarios); len(got) != 7 || !strings.Contains(got[0], "used 0 times") {
		t.Errorf("Unused() before Run = %q, want the 7 deviations of the scenario", got)
	}
	r.Run(t.Context(), scenarios[0])
	if got := r.Unused(scenarios); len(got) != 0 {
		t.Errorf("Unused() after Run = %q, want none", got)
	}
	r.Run(t.Context(), scenarios[0])
	if got := r.Unused(scenarios); len(got) != 7 || !strings.Contains(got[0], "used 2 times") {
		t.Errorf("Unused() after two runs = %q, want the 7 deviations of the scenario", got)
	}
}

func TestRequestsAreSentAsRecorded(t *testing.T) {
	t.Parallel()
	scenarios := pick(t, "01_", "02_", "15_")
	p := newPlayback(t, scenarios, false)
	r := &oracle.Replayer{BaseURL: p.URL}
	for _, s := range scenarios {
		for _, d := range r.Run(t.Context(), s) {
			t.Error(d)
		}
	}
	bodies := make(map[string]seen)
	for _, got := range p.seen {
		bodies[fmt.Sprint(got.scenario[:2], " ", got.index)] = got
	}
	for at, want := range map[string]string{
		"01 22": `{"a": `, "01 24": "{\"a\": \"\xff\"}", "01 25": `[]`, "01 26": `"hello"`, "01 27": `null`, "01 29": ``,
		"02 25": ``, "15 21": "\ufeff" + `{"name": "bom"}`, "15 20": "{\"name\": \"caf\xe9\"}",
	} {
		if got := bodies[at].body; got != want {
			t.Errorf("body of %s = %q, want %q", at, got, want)
		}
	}
	if accept, sent := bodies["15 16"].header["Accept"]; !sent || accept[0] != "" {
		t.Errorf("Accept of 15 16 = %q, %v, want an empty header", accept, sent)
	}
	if accept, sent := bodies["15 19"].header["Accept"]; sent {
		t.Errorf("Accept of 15 19 = %q, want none", accept)
	}
}

func TestSignsInAgain(t *testing.T) {
	t.Parallel()
	scenarios := pick(t, "06_")
	p := newPlayback(t, scenarios, false)
	r := &oracle.Replayer{BaseURL: p.URL}
	for _, d := range r.Run(t.Context(), scenarios[0]) {
		t.Error(d)
	}
	var tokens []string
	for _, s := range p.seen {
		tokens = append(tokens, s.header.Get("Authorization"))
	}
	want := []string{
		"Bearer signed-in-1", "Bearer signed-in-2", "Bearer signed-in-3", "Bearer signed-in-4",
		"Bearer signed-in-4", // the one that was just logged out
		"Bearer signed-in-5", "Bearer signed-in-6",
	}
	if !slices.Equal(tokens, want) {
		t.Errorf("06_auth_logout sent %q, want %q", tokens, want)
	}
	if !strings.Contains(p.seen[1].body, `"refresh-2"`) {
		t.Errorf("06_auth_logout 2 sent %s, want the new refresh token", p.seen[1].body)
	}
}

func TestFillersUseUpTheLimits(t *testing.T) {
	t.Parallel()
	scenarios := pick(t, "70_")
	p := newPlayback(t, scenarios, false)
	r := &oracle.Replayer{BaseURL: p.URL}
	for _, d := range r.Run(t.Context(), scenarios[0]) {
		t.Error(d)
	}
	if got, want := len(p.seen), 17+98+998; got != want {
		t.Errorf("70_throttling sent %d requests, want %d", got, want)
	}
}

func TestHandMadeTokens(t *testing.T) {
	t.Parallel()
	scenarios := pick(t, "03_", "05_") // the second needs a token that the first captures
	p := newPlayback(t, scenarios, false)
	now := time.Unix(1_800_000_000, 0)
	r := &oracle.Replayer{BaseURL: p.URL, Now: func() time.Time { return now }}
	for _, s := range scenarios {
		r.Run(t.Context(), s) // differs: the playback's clock is another one
	}
	tokens := make(map[int]string)
	for _, s := range p.seen {
		if s.scenario != scenarios[1].Name {
			continue
		}
		tokens[s.index] = strings.TrimPrefix(s.header.Get("Authorization"), "Bearer ")
	}
	base := func(change map[string]any, without ...string) map[string]any {
		c := map[string]any{"token_type": "access", "exp": 1_800_003_600., "iat": 1_800_000_000., "user_id": 2.}
		for k, v := range change {
			c[k] = v
		}
		for _, name := range without {
			delete(c, name)
		}
		return c
	}
	for index, want := range map[int]map[string]any{
		16: base(map[string]any{"exp": 1_799_999_990.}),
		18: base(map[string]any{"token_type": "refresh"}),
		21: base(map[string]any{"exp": nil}),
		22: base(nil, "exp"),
		23: base(map[string]any{"iat": 1_800_000_500.}),
		24: base(map[string]any{"nbf": 1_800_000_500.}),
		25: base(nil, "token_type"),
		26: base(map[string]any{"token_type": "sliding"}),
		27: base(map[string]any{"user_id": "2"}),
		28: base(map[string]any{"user_id": "abc"}),
		29: base(map[string]any{"user_id": 99999.}),
		30: base(map[string]any{"user_id": 4.}),
		31: base(map[string]any{"exp": 1_800_003_600.5}),
		33: base(map[string]any{"user_id": 4.}),
	} {
		header, got := parts(t, tokens[index])
		delete(got, "jti")
		if fmt.Sprint(got) != fmt.Sprint(want) || header["alg"] != "HS256" {
			t.Errorf("token of 05 %d = %v %v, want %v", index, header, got, want)
		}
	}
	for index, want := range map[int]string{19: "none", 20: "HS512", 32: "HS256"} {
		header, _ := parts(t, tokens[index])
		if header["alg"] != want || (index == 32) != (header["typ"] == "") {
			t.Errorf("header of 05 %d = %v, want alg %s", index, header, want)
		}
	}
	if !strings.HasSuffix(tokens[19], ".") {
		t.Errorf("token of 05 19 = %s, want no signature", tokens[19])
	}
}

func parts(t *testing.T, token string) (header map[string]string, claims map[string]any) {
	t.Helper()
	split := strings.Split(token, ".")
	if len(split) != 3 {
		t.Fatalf("token %q has not three parts", token)
	}
	for i, into := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(split[i])
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatalf("token %q: %v", token, err)
		}
	}
	return header, claims
}

func TestRunReportsFailures(t *testing.T) {
	t.Parallel()
	scenarios := pick(t, "10_")
	exchanges := len(scenarios[0].Exchanges)

	gone := &oracle.Replayer{BaseURL: "http://127.0.0.1:1"}
	if got := gone.Run(t.Context(), scenarios[0]); len(got) != exchanges || !strings.Contains(got[0].String(), "sign in alice") {
		t.Errorf("Run() without a server = %v, want all %d exchanges", got, exchanges)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := newPlayback(t, scenarios, false)
	stopped := &oracle.Replayer{BaseURL: p.URL}
	if got := stopped.Run(ctx, scenarios[0]); len(got) != exchanges {
		t.Errorf("Run() with an ended context = %v, want all %d exchanges", got, exchanges)
	}

	// Without its capture, an exchange is not sent with a hole in its path.
	p = newPlayback(t, scenarios, false)
	p.mutate = func(_ string, index int, a *answer) {
		if index == 1 {
			a.status = http.StatusBadRequest
		}
	}
	lost := &oracle.Replayer{BaseURL: p.URL}
	differences := lost.Run(t.Context(), scenarios[0])
	found := false
	for _, d := range differences {
		found = found || d.Index == 5 && strings.Contains(d.String(), "nothing was captured for {{th1}}")
	}
	if !found {
		t.Errorf("Run() = %v, want exchange 5 to miss {{th1}}", differences)
	}
}

// withLength gives 204 answers the Content-Length that net/http's server never sends.
type withLength struct{ http.RoundTripper }

func (w withLength) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusNoContent {
		resp.Header.Set("Content-Length", "0")
	}
	return resp, err
}

func TestNoLengthOnA204(t *testing.T) {
	t.Parallel()
	scenarios := pick(t, "10_")
	p := newPlayback(t, scenarios, false)
	r := &oracle.Replayer{BaseURL: p.URL, Client: &http.Client{Transport: withLength{http.DefaultTransport}}}
	var reported []string
	for _, d := range r.Run(t.Context(), scenarios[0]) {
		reported = append(reported, fmt.Sprint(d.Index, d.Problems))
	}
	want := []string{
		`15 [header content-length: is "0" on a 204, want none]`,
		`17 [header content-length: is "0" on a 204, want none]`,
	}
	if diff := cmp.Diff(want, reported); diff != "" {
		t.Errorf("Run() with lengths (-want +got):\n%s", diff)
	}
}
