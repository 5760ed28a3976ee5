package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ModelCall tells of one call of a language model.
type ModelCall struct {
	// Provider is a name from the settings, "" if nobody was asked.
	Provider string
	// End is how it ended, a word of a fixed list: "stop", "timeout" …
	End                   string
	Input, Cached, Output int64 // tokens; Cached is part of Input
	// First is how long the first event took, 0 if there was none.
	First, Total time.Duration
}

// modelMetrics count calls of language models.
type modelMetrics struct {
	calls  *prometheus.CounterVec
	tokens *prometheus.CounterVec
	first  *prometheus.HistogramVec
	took   *prometheus.HistogramVec
}

// thinking are the upper bounds of the buckets for answers of models, in
// seconds.
var thinking = []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}

func newModelMetrics(registry *prometheus.Registry) *modelMetrics {
	m := &modelMetrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bdash_model_calls_total", Help: "Calls of language models, by provider and how they ended.",
		}, []string{"provider", "end"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bdash_model_tokens_total", Help: "Tokens used, by provider and kind (input without cached, cached, output).",
		}, []string{"provider", "kind"}),
		first: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bdash_model_first_event_seconds", Help: "Time until an answer began, tries and pauses included.", Buckets: thinking,
		}, []string{"provider"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bdash_model_call_seconds", Help: "Time until a call ended.", Buckets: thinking,
		}, []string{"provider"}),
	}
	registry.MustRegister(m.calls, m.tokens, m.first, m.took)
	return m
}

// ModelCall counts a call of a language model.
func (m *Metrics) ModelCall(c ModelCall) {
	if m == nil {
		return
	}
	if c.Provider == "" {
		c.Provider = Other
	}
	m.models.calls.WithLabelValues(c.Provider, c.End).Inc()
	m.models.took.WithLabelValues(c.Provider).Observe(c.Total.Seconds())
	if c.First > 0 {
		m.models.first.WithLabelValues(c.Provider).Observe(c.First.Seconds())
	}
	for kind, n := range map[string]int64{"input": c.Input - c.Cached, "cached": c.Cached, "output": c.Output} {
		if n > 0 {
			m.models.tokens.WithLabelValues(c.Provider, kind).Add(float64(n))
		}
	}
}
