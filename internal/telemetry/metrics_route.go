package telemetry

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// methods are those that are counted by name; the last is for all others.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", Other}

// methodOf is the place of a method in methods. HTTP's methods are
// case-sensitive (RFC 9110, section 9.1): "get" is another one.
func methodOf(name string) int {
	switch name {
	case "GET":
		return 0
	case "HEAD":
		return 1
	case "POST":
		return 2
	case "PUT":
		return 3
	case "PATCH":
		return 4
	case "DELETE":
		return 5
	case "OPTIONS":
		return 6
	}
	return len(methods) - 1
}

// statuses are those that bdash answers with. Others are counted under their
// number too, a little slower.
var statuses = [...]int{
	200, 201, 202, 204, 206, 301, 302, 304,
	400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 429,
	500, 502, 503, 504,
}

// statusLimit is above every status that HTTP defines a class for (RFC 9110,
// section 15).
const statusLimit = 600

// statusPlaces holds 1 + the place of a status in statuses; 0 is none.
var statusPlaces = func() (places [statusLimit]uint8) {
	for i, status := range statuses {
		places[status] = uint8(i + 1)
	}
	return places
}()

// Route counts the requests of one view. It is safe for concurrent use.
type Route struct {
	metrics *Metrics
	view    string
	// cells hold the resolved counters, so that counting a request looks up
	// no labels. Each is made when it is first needed.
	cells [len(methods)][len(statuses)]atomic.Pointer[cell]
}

// cell is what one method and status of a view count in.
type cell struct {
	requests prometheus.Counter
	took     prometheus.Observer
}

// Observe counts one answered request. It does not allocate, except for the
// first request of each method and status.
func (r *Route) Observe(method string, status int, took time.Duration) {
	m := methodOf(method)
	place := 0
	if status >= 0 && status < statusLimit {
		place = int(statusPlaces[status])
	}
	if place == 0 {
		r.resolve(m, status).observe(took)
		return
	}
	slot := &r.cells[m][place-1]
	c := slot.Load()
	if c == nil {
		// Two goroutines may both come here; they get the same counters.
		c = r.resolve(m, status)
		slot.Store(c)
	}
	c.observe(took)
}

func (r *Route) resolve(method, status int) *cell {
	label := Other
	if status >= 100 && status < statusLimit {
		label = strconv.Itoa(status)
	}
	return &cell{
		requests: r.metrics.requests.WithLabelValues(r.view, methods[method], label),
		took:     r.metrics.took.WithLabelValues(r.view, methods[method]),
	}
}

func (c *cell) observe(took time.Duration) {
	c.requests.Inc()
	c.took.Observe(took.Seconds())
}
