//go:build bench && linux

package bench_test

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// sample is one turn of one process.
type sample struct {
	requests int
	took     time.Duration
	cpu      time.Duration
}

func (s sample) each() float64 { return float64(s.cpu) / float64(s.requests) }
func (s sample) rate() float64 { return float64(s.requests) / s.took.Seconds() }

// comparison collects the rounds of one scenario.
type comparison struct {
	bdash, twin   []sample
	works, speeds []float64
}

func (c *comparison) add(bdash, twin sample) {
	c.bdash, c.twin = append(c.bdash, bdash), append(c.twin, twin)
	c.works = append(c.works, twin.each()/bdash.each())
	c.speeds = append(c.speeds, bdash.rate()/twin.rate())
}

// work is bdash's requests per processor second over the twin's: the median
// over the rounds.
func (c *comparison) work() float64 { return median(c.works) }

// print writes the row of the scenario: the ratios with their quartiles, then
// what they were made of.
func (c *comparison) print(sc scenario) {
	verdict := "ok"
	if c.work() < sc.bar {
		verdict = "MISSED"
	}
	low, high := quartiles(c.works)
	fmt.Fprintf(os.Stdout, "%-18s %5.2f  %.3f   %.2f    %.1f µs, twin %.1f µs; %.0f, twin %.0f  (work quartiles %.3f to %.3f) %s\n",
		sc.name, sc.bar, c.work(), median(c.speeds),
		median(each(c.bdash, sample.each))/1e3, median(each(c.twin, sample.each))/1e3,
		median(each(c.bdash, sample.rate)), median(each(c.twin, sample.rate)), low, high, verdict)
}

func each(samples []sample, f func(sample) float64) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = f(s)
	}
	return out
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

func quartiles(v []float64) (low, high float64) {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/4], v[len(v)*3/4]
}
