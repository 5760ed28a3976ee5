package widget_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/widget"
)

func TestParsePeriod(t *testing.T) {
	t.Parallel()
	for _, word := range append([]string{""}, widget.Periods...) {
		if p, err := widget.ParsePeriod(word); err != nil || string(p) != word {
			t.Errorf("ParsePeriod(%q) = %q, %v", word, p, err)
		}
	}
	for _, word := range []string{"2d", "1D", " 1d", "y", "1y;", "7"} {
		if _, err := widget.ParsePeriod(word); !errors.Is(err, widget.ErrPeriod) {
			t.Errorf("ParsePeriod(%q) = %v, want ErrPeriod", word, err)
		}
	}
}

// What a period covers: first and last instant in UTC, and where the one before
// it begins. The zones are those that change their clocks at midnight, skip
// midnight, or skip a day.
func TestSpans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ period, zone, now, before, from, to string }{
		{"1d", "UTC", "2026-03-04T05:06:07Z", "2026-03-03T00:00:00Z", "2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z"},
		{"7d", "UTC", "2026-03-04T05:06:07Z", "2026-02-19T00:00:00Z", "2026-02-26T00:00:00Z", "2026-03-05T00:00:00Z"},
		{"30d", "UTC", "2026-03-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z", "2026-03-02T00:00:00Z"},
		{"1y", "UTC", "2026-03-04T05:06:07Z", "2024-03-05T00:00:00Z", "2025-03-05T00:00:00Z", "2026-03-05T00:00:00Z"},
		{"1y", "UTC", "2024-02-28T10:00:00Z", "2022-03-01T00:00:00Z", "2023-03-01T00:00:00Z", "2024-02-29T00:00:00Z"},
		// the user's day, not the server's
		{"1d", "Pacific/Auckland", "2026-03-04T12:00:00Z", "2026-03-03T11:00:00Z", "2026-03-04T11:00:00Z", "2026-03-05T11:00:00Z"},
		{"1d", "America/New_York", "2026-03-04T03:00:00Z", "2026-03-02T05:00:00Z", "2026-03-03T05:00:00Z", "2026-03-04T05:00:00Z"},
		// 23 and 25 hours
		{"1d", "Europe/Paris", "2026-03-29T10:00:00Z", "2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"1d", "Europe/Paris", "2026-10-25T10:00:00Z", "2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		{"7d", "Europe/Paris", "2026-03-31T10:00:00Z", "2026-03-17T23:00:00Z", "2026-03-24T23:00:00Z", "2026-03-31T22:00:00Z"},
		// no 00:00 on the day of the change: it begins at 01:00
		{"1d", "Africa/Cairo", "2025-04-25T10:00:00Z", "2025-04-23T22:00:00Z", "2025-04-24T22:00:00Z", "2025-04-25T21:00:00Z"},
		{"1d", "America/Asuncion", "2023-10-01T12:00:00Z", "2023-09-30T04:00:00Z", "2023-10-01T04:00:00Z", "2023-10-02T03:00:00Z"},
		// 00:00 twice: the day begins with the first
		{"1d", "America/Havana", "2024-11-03T15:00:00Z", "2024-11-02T04:00:00Z", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"},
		// 24:00 becomes 23:00 of the same day
		{"1d", "Africa/Cairo", "2025-10-30T15:00:00Z", "2025-10-28T21:00:00Z", "2025-10-29T21:00:00Z", "2025-10-30T22:00:00Z"},
		// the day before does not exist
		{"1d", "Pacific/Apia", "2011-12-31T09:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
		// half-hour changes
		{"1d", "Australia/Lord_Howe", "2026-04-05T02:00:00Z", "2026-04-03T13:00:00Z", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		current, before := widget.Period(c.period).Spans(now, zone)
		got := [3]string{before.From.Format(time.RFC3339), current.From.Format(time.RFC3339), current.To.Format(time.RFC3339)}
		if want := [3]string{c.before, c.from, c.to}; got != want {
			t.Errorf("%s in %s at %s: %v, want %v", c.period, c.zone, c.now, got, want)
		}
		if !before.To.Equal(current.From) {
			t.Errorf("%s in %s: the period before ends at %v, want %v", c.period, c.zone, before.To, current.From)
		}
	}
}

// Whatever the zone and the day: periods are in order, hold now, and every day
// begins where the day before ends.
func TestSpansHoldNow(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Paris", "America/Havana", "Africa/Cairo", "Asia/Beirut", "America/Sao_Paulo", "Asia/Gaza",
		"Pacific/Apia", "America/Asuncion", "America/Scoresbysund", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		var last widget.Span
		for now := time.Date(2008, 1, 1, 12, 0, 0, 0, zone); now.Year() < 2030; now = now.AddDate(0, 0, 1) {
			day, _ := widget.Period("1d").Spans(now, zone)
			if now.Before(day.From) || !now.Before(day.To) {
				t.Fatalf("%s: the day of %v is %v to %v", name, now, day.From, day.To)
			}
			if !last.To.IsZero() && !last.To.Equal(day.From) && day != last {
				t.Fatalf("%s: the day of %v begins at %v, the one before ended at %v", name, now, day.From, last.To)
			}
			last = day
		}
	}
}
