package drf_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/drf"
)

// observed is what an observer was told, without the time.
type observed struct {
	View, Method string
	Status       int
}

// watch gathers what a site's observer is told.
type watch struct {
	mu    sync.Mutex
	asked []string
	all   []observed
	took  []time.Duration
}

func (o *watch) observer(v *drf.View) drf.Observer {
	o.asked = append(o.asked, v.Path)
	return func(method string, status int, took time.Duration) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.all = append(o.all, observed{v.Path, method, status})
		o.took = append(o.took, took)
	}
}

// endings is a view whose handlers end in every way that there is: by what the
// query says.
func endings() *drf.View {
	handler := func(w http.ResponseWriter, r *drf.Request) error {
		switch r.URL.RawQuery {
		case "json":
			return r.RespondJSON(w, http.StatusCreated, []byte(`{}`))
		case "none":
			return r.NoContent(w)
		case "fields":
			return drf.Invalid("name", "This field is required.")
		case "missing":
			return drf.ErrNotFound
		case "mapped":
			return errors.New("taken")
		case "unknown":
			return errors.New("?")
		case "panic":
			panic("boom")
		case "abort":
			panic(http.ErrAbortHandler)
		case "stream":
			r.WriteStatus(w, http.StatusAccepted)
			_, err := io.WriteString(w, "data: x\n\n")
			return err
		case "broken stream":
			r.WriteStatus(w, http.StatusAccepted)
			panic("boom")
		case "silent":
			return nil
		}
		_, err := io.WriteString(w, "by hand")
		return err
	}
	return &drf.View{Path: "endings/", Auth: drf.AuthOptional, Methods: []drf.Method{
		{Verb: http.MethodGet, Handler: handler}, {Verb: http.MethodPost, Handler: handler},
	}}
}

func watched(o *watch) *drf.Site {
	return &drf.Site{
		Observe: o.observer,
		Authenticate: func(r *http.Request) (any, error) {
			if r.Header.Get("Authorization") == "bad" {
				return nil, &drf.Error{Status: http.StatusUnauthorized, Detail: "No."}
			}
			return nil, nil
		},
		Throttle: func(r *drf.Request) (time.Duration, bool) { return time.Second, r.Header.Get("X-Often") == "" },
		MapError: func(_ *drf.Request, err error) error {
			if err.Error() == "taken" {
				return &drf.Error{Status: http.StatusConflict, Detail: "Taken."}
			}
			return nil
		},
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, query, header string // "Name: value"
		want                  int
		panics                bool
	}{
		{http.MethodGet, "json", "", 201, false},
		{http.MethodHead, "json", "", 201, false},
		{http.MethodGet, "none", "", 204, false},
		{http.MethodPost, "fields", "", 400, false},
		{http.MethodGet, "missing", "", 404, false},
		{http.MethodGet, "mapped", "", 409, false},
		{http.MethodGet, "unknown", "", 500, false},
		{http.MethodGet, "panic", "", 500, true},
		{http.MethodGet, "abort", "", 500, true},
		{http.MethodGet, "stream", "", 202, false},
		{http.MethodGet, "broken stream", "", 202, true},
		{http.MethodGet, "silent", "", 200, false},
		{http.MethodGet, "by hand", "", 200, false},
		{http.MethodGet, "json", "Accept: image/png", 406, false},
		{http.MethodGet, "format=xml", "", 404, false},
		{http.MethodGet, "json", "Authorization: bad", 401, false},
		{http.MethodGet, "json", "X-Often: yes", 429, false},
		{http.MethodDelete, "json", "", 405, false},
		{"BREW", "json", "", 405, false},
		{http.MethodOptions, "", "", 200, false},
	} {
		o := &watch{}
		h := watched(o).Handler(endings())
		r := httptest.NewRequest(c.method, "/", nil)
		r.URL.RawQuery = c.query
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		panicked := serveRecovered(h, w, r)
		if panicked != c.panics {
			t.Errorf("%s %q: panicked %t, want %t", c.method, c.query, panicked, c.panics)
		}
		if !panicked && w.Code != c.want {
			t.Errorf("%s %q: answered %d, want %d", c.method, c.query, w.Code, c.want)
		}
		if diff := cmp.Diff([]observed{{"endings/", c.method, c.want}}, o.all); diff != "" {
			t.Errorf("%s %q %s: observed (-want +got):\n%s", c.method, c.query, c.header, diff)
		}
	}
}

func serveRecovered(h http.Handler, w http.ResponseWriter, r *http.Request) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	h.ServeHTTP(w, r)
	return false
}

// The observer is asked for when the handler is made, not for each request, and
// the time is that of the handler.
func TestObserveTime(t *testing.T) {
	t.Parallel()
	o := &watch{}
	var inside time.Duration
	h := watched(o).Handler(&drf.View{Path: "slow/", Methods: []drf.Method{{
		Verb: http.MethodGet, Handler: func(w http.ResponseWriter, r *drf.Request) error {
			began := time.Now()
			for range 1000 {
				inside = time.Since(began)
			}
			return r.NoContent(w)
		},
	}}, Auth: drf.AuthIgnored})
	for range 3 {
		before := time.Now()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		whole := time.Since(before)
		took := o.took[len(o.took)-1]
		if took < inside || took > whole {
			t.Errorf("took %v, want between %v and %v", took, inside, whole)
		}
	}
	if diff := cmp.Diff([]string{"slow/"}, o.asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
}

// A site may leave some views unobserved.
func TestObserveNobody(t *testing.T) {
	t.Parallel()
	site := &drf.Site{Observe: func(*drf.View) drf.Observer { return nil }}
	for _, s := range []*drf.Site{site, {}} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/?json", nil)
		s.Handler(endings()).ServeHTTP(w, r)
		if w.Code != http.StatusCreated {
			t.Errorf("answered %d, want 201", w.Code)
		}
	}
}

// Being observed costs a request no allocation.
func TestObserveAllocatesNothing(t *testing.T) {
	count := func(site *drf.Site) float64 {
		h := site.Handler(endings())
		r := httptest.NewRequest(http.MethodGet, "/?none", nil)
		w := httptest.NewRecorder()
		return testing.AllocsPerRun(200, func() { h.ServeHTTP(w, r) })
	}
	with := count(&drf.Site{Observe: func(*drf.View) drf.Observer { return func(string, int, time.Duration) {} }})
	if without := count(&drf.Site{}); with != without {
		t.Errorf("%v allocations observed, %v not", with, without)
	}
}
