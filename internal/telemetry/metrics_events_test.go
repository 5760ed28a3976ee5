package telemetry_test

import (
	"testing"

	"github.com/bdash/bdash/internal/telemetry"
)

func TestEventMetrics(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics(telemetry.MetricsConfig{Events: func() telemetry.EventStats {
		return telemetry.EventStats{Open: map[string]int{"sse": 3}, Published: 5, Delivered: 15, Recovered: 2, Dropped: 1, Resets: 4, CutOff: 6}
	}})
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, v := range f.GetMetric() {
			got[f.GetName()] += v.GetCounter().GetValue() + v.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"bdash_event_listeners": 3, "bdash_events_total": 5 + 15 + 2 + 1, "bdash_event_resets_total": 4, "bdash_event_listeners_cut_off_total": 6,
	} {
		if got[name] != want {
			t.Errorf("%s = %v, want %v", name, got[name], want)
		}
	}
}
