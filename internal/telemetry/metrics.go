package telemetry

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Other is the label of what has no name of its own: a request that reached no
// view, a method that HTTP does not know. Labels come from fixed lists only, so
// that no client can make the metrics grow.
const Other = "other"

// MetricsConfig says what the metrics read. A nil function leaves its metrics
// out; the others are called once per scrape, from any goroutine, and should
// answer without waiting.
type MetricsConfig struct {
	// Version of bdash, for bdash_build_info.
	Version string
	// Pools tells of the connections to the database.
	Pools func() []PoolStats
	// Cache tells of the cache.
	Cache func() CacheStats
	// Events tells of events and their listeners.
	Events func() EventStats
	// PasswordsWaiting is how many password computations wait for their turn.
	PasswordsWaiting func() int
	// Throttles are the names that Refused is called with.
	Throttles []string
}

// Metrics counts what the process does, for Prometheus, in a registry of its
// own. It is safe for concurrent use. Make it with NewMetrics.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	inFlight atomic.Int64

	refused      map[string]prometheus.Counter // by throttle; not changed after NewMetrics
	refusedOther prometheus.Counter

	models *modelMetrics

	mu     sync.Mutex
	routes map[string]*Route
}

// latencies are the upper bounds of the histogram's buckets, in seconds. Most
// answers come within a millisecond or two; password checks take tens.
var latencies = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// NewMetrics registers everything. It panics when two metrics have one name,
// which only a change of this package can cause.
func NewMetrics(cfg MetricsConfig) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bdash_http_requests_total", Help: "Requests answered, by view, method and status.",
		}, []string{"view", "method", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bdash_http_request_duration_seconds", Help: "Time from the view's start to the end of its answer.", Buckets: latencies,
		}, []string{"view", "method"}),
		routes: map[string]*Route{},
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.took,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "bdash_build_info", Help: "Always 1; the labels tell what runs.",
			ConstLabels: prometheus.Labels{"version": cfg.Version, "go_version": runtime.Version()},
		}, func() float64 { return 1 }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "bdash_http_requests_in_flight", Help: "Requests that are being answered.",
		}, func() float64 { return float64(m.inFlight.Load()) }),
	)
	m.registerThrottles(cfg.Throttles)
	m.models = newModelMetrics(m.registry)
	if cfg.Pools != nil {
		m.registry.MustRegister(poolCollector(cfg.Pools))
	}
	if cfg.Cache != nil {
		m.registry.MustRegister(cacheCollector(cfg.Cache))
	}
	if cfg.Events != nil {
		m.registry.MustRegister(eventCollector(cfg.Events))
	}
	if cfg.PasswordsWaiting != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "bdash_password_computations_waiting", Help: "Password checks and changes that wait for a processor.",
		}, func() float64 { return float64(cfg.PasswordsWaiting()) }))
	}
	return m
}

// registerThrottles makes the counters of refusals, all of them at zero: an
// alert on a rate needs the value from before the first refusal.
func (m *Metrics) registerThrottles(names []string) {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bdash_throttle_refusals_total", Help: "Requests refused because there were too many, by throttle.",
	}, []string{"throttle"})
	m.registry.MustRegister(vec)
	m.refused = make(map[string]prometheus.Counter, len(names))
	for _, name := range names {
		m.refused[name] = vec.WithLabelValues(name)
	}
	m.refusedOther = vec.WithLabelValues(Other)
}

// Gatherer is where a scrape reads.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Refused counts a request that a throttle refused. A name that is not among
// MetricsConfig.Throttles counts as Other.
func (m *Metrics) Refused(throttle string) {
	if c, ok := m.refused[throttle]; ok {
		c.Inc()
		return
	}
	m.refusedOther.Inc()
}

// Began counts a request as being answered, until Ended.
func (m *Metrics) Began() { m.inFlight.Add(1) }

// Ended takes back one Began.
func (m *Metrics) Ended() { m.inFlight.Add(-1) }

// Route gives the place where the requests of a view are counted. view comes
// from the program's own declarations, never from a request; "" is shown as
// "/", because Prometheus takes an empty label for a missing one. Calls with
// the same view give the same Route.
func (m *Metrics) Route(view string) *Route {
	if view == "" {
		view = "/"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.routes[view]
	if !ok {
		r = &Route{metrics: m, view: view}
		m.routes[view] = r
	}
	return r
}
