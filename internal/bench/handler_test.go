//go:build bench && linux

package bench_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// BenchmarkHandler is bdash's own share of a request, without the connection:
// the place for a profile of it.
func BenchmarkHandler(b *testing.B) {
	handler := inProcess(b, sqltest.URL(b))
	server := httptest.NewServer(handler)
	defer server.Close()
	token := populate(b, &caller{base: server.URL}, "handler@example.com")
	for _, sc := range scenarios {
		b.Run(sc.name, func(b *testing.B) {
			ask := asker(handler, sc, token)
			b.ReportAllocs()
			for b.Loop() {
				if status := ask(); status != http.StatusOK {
					b.Fatalf("%s = %d, want 200", sc.name, status)
				}
			}
		})
	}
}

// asker sends one and the same request to a handler, with no connection in
// between.
func asker(handler http.Handler, sc scenario, token string) func() (status int) {
	r := httptest.NewRequest(sc.method, sc.path, nil)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	body := strings.NewReader(sc.body)
	if sc.body != "" {
		r.Header.Set("Content-Type", "application/json")
		r.Body, r.ContentLength = io.NopCloser(body), int64(len(sc.body))
	}
	w := &discard{header: http.Header{}}
	return func() int {
		clear(w.header)
		body.Reset(sc.body)
		handler.ServeHTTP(w, r)
		return w.status
	}
}

// discard is an answer that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
