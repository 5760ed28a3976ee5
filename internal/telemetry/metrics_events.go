package telemetry

import "github.com/prometheus/client_golang/prometheus"

// EventStats tells of events and those who listen to them, since the start.
type EventStats struct {
	// Open are the listeners of this process, by their door.
	Open map[string]int
	// Published events, and how often they were Delivered: once for each
	// listener; Recovered to those who came back. Dropped could not be published.
	Published, Delivered, Recovered, Dropped uint64
	// Resets were sent in place of events; CutOff listeners were too slow.
	Resets, CutOff uint64
}

func eventCollector(read func() EventStats) prometheus.Collector {
	var (
		open   = prometheus.NewDesc("bdash_event_listeners", "Listeners to events, by door.", []string{"door"}, nil)
		events = prometheus.NewDesc("bdash_events_total", "Events: published, delivered to a listener, recovered by one who came back, dropped because the broker was away.", []string{"outcome"}, nil)
		resets = prometheus.NewDesc("bdash_event_resets_total", "Times that listeners were told to load anew.", nil, nil)
		cutOff = prometheus.NewDesc("bdash_event_listeners_cut_off_total", "Listeners that were too slow.", nil, nil)
	)
	return snapshot{
		descs: []*prometheus.Desc{open, events, resets, cutOff},
		collect: func(out chan<- prometheus.Metric) {
			s := read()
			for door, n := range s.Open {
				out <- gauge(open, float64(n), door)
			}
			out <- counter(events, float64(s.Published), "published")
			out <- counter(events, float64(s.Delivered), "delivered")
			out <- counter(events, float64(s.Recovered), "recovered")
			out <- counter(events, float64(s.Dropped), "dropped")
			out <- counter(resets, float64(s.Resets))
			out <- counter(cutOff, float64(s.CutOff))
		},
	}
}
