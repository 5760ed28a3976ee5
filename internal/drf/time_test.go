package drf_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/drf"
)

// Times are written by hand; package time says what is right.
func TestAppendTime(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	times := []time.Time{
		{}, time.Unix(0, 0), time.Unix(0, 1), time.Unix(0, 999), time.Unix(0, 1000), time.Unix(0, 999_999_999),
		time.Date(2026, 1, 2, 3, 4, 5, 120_000_000, paris), time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 5000, time.UTC),
		time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(987, 6, 5, 4, 3, 2, 1000, time.UTC),
	}
	const until = 253402300800 // the year 10000
	for range 1000 {
		times = append(times, time.Unix(rand.Int64N(until), rand.Int64N(1e9)))
	}
	for _, at := range times {
		layout := `"2006-01-02T15:04:05.000000Z"`
		if at.Nanosecond() < 1000 {
			layout = `"2006-01-02T15:04:05Z"`
		}
		if got, want := string(drf.AppendTime(nil, at)), at.UTC().Format(layout); got != want {
			t.Errorf("AppendTime(%v) = %s, want %s", at, got, want)
		}
	}
}
