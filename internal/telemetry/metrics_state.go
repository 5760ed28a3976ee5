package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// PoolStats tells of one pool of database connections.
type PoolStats struct {
	// Name of the pool: "postgres", or "reader" and "writer" on SQLite.
	Name string
	// Max is how many connections there may be, Open how many there are, InUse
	// how many of those run something.
	Max, Open, InUse int
	// Waits counts requests for a connection that found none free, Waited how
	// long all of them waited together.
	Waits  uint64
	Waited time.Duration
}

// CacheStats tells of the cache, since it was made.
type CacheStats struct {
	// Hits and Misses count look-ups; a failed one is a miss as well.
	Hits, Misses uint64
	// Failures counts operations that could not reach Redis.
	Failures uint64
	// Bytes is what the values in this process weigh.
	Bytes uint64
}

// snapshot is a collector that reads all its values at one moment, so that
// they fit together.
type snapshot struct {
	descs   []*prometheus.Desc
	collect func(out chan<- prometheus.Metric)
}

// Describe implements prometheus.Collector.
func (s snapshot) Describe(out chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s snapshot) Collect(out chan<- prometheus.Metric) { s.collect(out) }

func poolCollector(read func() []PoolStats) prometheus.Collector {
	var (
		open   = prometheus.NewDesc("bdash_database_connections", "Open connections to the database, by pool and state.", []string{"pool", "state"}, nil)
		most   = prometheus.NewDesc("bdash_database_connections_max", "Most connections that the pool opens.", []string{"pool"}, nil)
		waits  = prometheus.NewDesc("bdash_database_waits_total", "Times that no connection was free.", []string{"pool"}, nil)
		waited = prometheus.NewDesc("bdash_database_wait_seconds_total", "Time spent waiting for a connection.", []string{"pool"}, nil)
	)
	return snapshot{
		descs: []*prometheus.Desc{open, most, waits, waited},
		collect: func(out chan<- prometheus.Metric) {
			for _, p := range read() {
				out <- gauge(open, float64(p.InUse), p.Name, "in_use")
				out <- gauge(open, float64(max(p.Open-p.InUse, 0)), p.Name, "idle")
				out <- gauge(most, float64(p.Max), p.Name)
				out <- counter(waits, float64(p.Waits), p.Name)
				out <- counter(waited, p.Waited.Seconds(), p.Name)
			}
		},
	}
}

func cacheCollector(read func() CacheStats) prometheus.Collector {
	var (
		lookups  = prometheus.NewDesc("bdash_cache_lookups_total", "Look-ups in the cache, by result; a failure is a miss.", []string{"result"}, nil)
		failures = prometheus.NewDesc("bdash_cache_failures_total", "Operations of the cache that could not reach Redis.", nil, nil)
		size     = prometheus.NewDesc("bdash_cache_size_bytes", "What the values cached in this process weigh; 0 with Redis.", nil, nil)
	)
	return snapshot{
		descs: []*prometheus.Desc{lookups, failures, size},
		collect: func(out chan<- prometheus.Metric) {
			s := read()
			out <- counter(lookups, float64(s.Hits), "hit")
			out <- counter(lookups, float64(s.Misses), "miss")
			out <- counter(failures, float64(s.Failures))
			out <- gauge(size, float64(s.Bytes))
		},
	}
}

func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func counter(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}
