package oracle

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Options chooses what [Run] replays and against what kind of server. The zero value replays everything but the AI and
// throttling exchanges.
type Options struct {
	// SecretKey is the server's signing key; "" means [SecretKey].
	SecretKey string
	// Throttles replays the throttling scenario and nothing else. It needs a server of its own, freshly imported, with
	// THROTTLE_ANON=100/hour, THROTTLE_USER=1000/hour and THROTTLE_LOGIN empty, and sends about 1100 requests.
	Throttles bool
	// WithAI also replays the exchanges under /api/ai/. The server then needs OPENAI_BASE_URL at a stand-in that answers
	// POST /chat/completions with "Echo (N messages): <last message>", where N counts the system prompt, and a usage of
	// 10 + 5 tokens; with status 500 and {"error":{"message":"stub failure","type":"server_error"}} when the last
	// message contains FAIL; after two seconds when it contains SLOW.
	WithAI bool
	// Now is the clock that tokens are made and judged by; nil means time.Now.
	Now func() time.Time
	// Client sends the requests; nil means a client of its own.
	Client *http.Client
}

// Run replays the recorded scenarios against a running bdash and makes one subtest for every exchange. A server can be
// used for one Run only. The whole replay happens whatever -run selects, since exchanges depend on earlier ones.
// Run also fails when a deviation was not used exactly once.
func Run(t *testing.T, baseURL string, opts Options) {
	t.Helper()
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	r := &Replayer{
		BaseURL: baseURL, SecretKey: opts.SecretKey, Now: opts.Now, Client: opts.Client, WithAI: opts.WithAI,
	}
	var scenarios []Scenario
	for _, s := range all {
		if s.Throttled() == opts.Throttles {
			scenarios = append(scenarios, s)
		}
	}
	for _, s := range scenarios {
		differences := make(map[int]Difference)
		for _, d := range r.Run(t.Context(), s) {
			differences[d.Index] = d
		}
		t.Run(s.Name, func(t *testing.T) { report(t, r, s, differences) })
	}
	if opts.Client == nil && r.client != nil {
		r.client.CloseIdleConnections()
	}
	for _, sentence := range r.Unused(scenarios) {
		t.Error(sentence)
	}
	t.Logf("%d exchanges sent, %d AI exchanges left out", r.Sent(), r.LeftOut())
}

// report makes the subtests of one scenario. Exchanges that are not sent have none.
func report(t *testing.T, r *Replayer, s Scenario, differences map[int]Difference) {
	t.Helper()
	for _, e := range s.Exchanges {
		d := deviationAt[place{s.Name, e.Index}]
		if e.AI() && !r.WithAI || d != nil && d.NotSent {
			continue
		}
		t.Run(fmt.Sprintf("%02d %s", e.Index, e.Name), func(t *testing.T) {
			if difference, ok := differences[e.Index]; ok {
				t.Error(difference)
			}
		})
	}
}
