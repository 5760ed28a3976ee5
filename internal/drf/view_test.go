package drf_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/drf"
)

// exchange is a request and the answer that a DRF 3.14 site gave to it.
type exchange struct {
	Method, URL, Sent, Body string
	Headers, Answer         map[string]string
	Status                  int
}

// TestViewsLikeDRF replays recorded exchanges: pages and their links, the order
// of the steps, negotiation, OPTIONS, body formats.
func TestViewsLikeDRF(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/views.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded []exchange
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	if len(recorded) < 100 {
		t.Fatalf("only %d exchanges", len(recorded))
	}
	handler := newSite().Handler(noteView())
	for _, x := range recorded {
		got := send(t, handler, x.Method, x.URL, x.Sent, sortedLines(x.Headers)...)
		if got.status != x.Status {
			t.Errorf("%s %s %q %v: status %d, want %d", x.Method, x.URL, x.Sent, x.Headers, got.status, x.Status)
		}
		headers := map[string]string{}
		for _, name := range []string{"Allow", "Vary", "Www-Authenticate", "Retry-After", "Content-Type"} {
			if v := got.header.Get(name); v != "" {
				headers[strings.Replace(name, "Www", "WWW", 1)] = v
			}
		}
		if diff := cmp.Diff(x.Answer, headers); diff != "" {
			t.Errorf("%s %s %q %v: headers (-want +got):\n%s", x.Method, x.URL, x.Sent, x.Headers, diff)
		}
		if got.body != x.Body && x.Method != http.MethodHead {
			t.Errorf("%s %s %q %v: body\n%s\nwant\n%s", x.Method, x.URL, x.Sent, x.Headers, got.body, x.Body)
		}
	}
}

// Deep in a value indentation costs hundreds of bytes for each element: what
// somebody stored once must not be answered as half a gigabyte.
func TestIndentationIsBounded(t *testing.T) {
	t.Parallel()
	const depth = 98
	value := func(elements int) string {
		return strings.Repeat("[", depth) + strings.Repeat("0,", elements-1) + "0" + strings.Repeat("]", depth)
	}
	for _, c := range []struct {
		elements int
		indented bool
	}{{1000, true}, {500_000, false}} {
		body := value(c.elements)
		site := &drf.Site{Vary: "Accept"}
		h := site.Handler(&drf.View{Path: "x/", Methods: []drf.Method{{Verb: http.MethodGet, Handler: func(w http.ResponseWriter, r *drf.Request) error {
			return r.RespondJSON(w, http.StatusOK, []byte(body))
		}}}})
		got := send(t, h, "GET", "/x/", "", "Accept: application/json; indent=8")
		if indented := strings.Contains(got.body, "\n        "); indented != c.indented {
			t.Errorf("%d elements: indented = %v, want %v (%d bytes)", c.elements, indented, c.indented, len(got.body))
		}
		if !c.indented && got.body != body {
			t.Errorf("%d elements: %d bytes, want the %d as they were", c.elements, len(got.body), len(body))
		}
	}
}
