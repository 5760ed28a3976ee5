package widget

import (
	"time"

	"github.com/bdash/bdash/internal/fault"
)

// Period is how far back a widget looks: whole calendar days, today included.
type Period string

// Periods are the values of a Period, shortest first.
var Periods = []string{"1d", "7d", "30d", "90d", "1y"}

// DefaultPeriod is that of a query which asks for a period when neither the
// request nor the settings name one.
const DefaultPeriod Period = "30d"

// ErrPeriod is for a period that is none of Periods.
var ErrPeriod = fault.New(fault.Invalid, "widget.period", "Choose one of 1d, 7d, 30d, 90d, 1y.")

// ParsePeriod reads the word of a request; "" is no choice. ErrPeriod, with its
// field.
func ParsePeriod(word string) (Period, error) {
	if word == "" || Period(word).known() {
		return Period(word), nil
	}
	e := ErrPeriod.Because(nil)
	e.Fields = []fault.Field{{Name: "period", Code: e.Code, Message: `"` + word + `" is not a valid choice. ` + e.Message}}
	return "", e
}

func (p Period) known() bool {
	_, days := p.length()
	return days != 0 || p == "1y"
}

// length is the period in years and days, of which one is zero.
func (p Period) length() (years, days int) {
	switch p {
	case "1d":
		return 0, 1
	case "7d":
		return 0, 7
	case "30d":
		return 0, 30
	case "90d":
		return 0, 90
	case "1y":
		return 1, 0
	}
	return 0, 0
}

// Spans gives the period that ends with the day of now, and the one of the same
// calendar length before it. Both are cut at the beginnings of days in the
// zone, so a day on which the clocks change is 23 or 25 hours of them. The
// current one ends with the day that is running, so it is the same all day.
func (p Period) Spans(now time.Time, zone *time.Location) (current, before Span) {
	y, m, d := now.In(zone).Date()
	years, days := p.length()
	end := startOfDay(y, m, d+1, zone)
	middle := startOfDay(y-years, m, d+1-days, zone)
	first := startOfDay(y-2*years, m, d+1-2*days, zone)
	return Span{From: middle.UTC(), To: end.UTC(), Zone: zone}, Span{From: first.UTC(), To: middle.UTC(), Zone: zone}
}

// startOfDay is the first instant of a date. time.Date alone does not promise
// it: where clocks change at midnight, 00:00 exists twice or not at all, and a
// whole day may be missing (Samoa, 2011-12-30), which begins when the next does.
func startOfDay(y int, m time.Month, d int, zone *time.Location) time.Time {
	noon := time.Date(y, m, d, 12, 0, 0, 0, time.UTC) // to have the date in its usual form
	y, m, d = noon.Date()
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	begin, end := t.ZoneBounds()
	if before(t, y, m, d) && !end.IsZero() { // 00:00 was skipped: the day begins with the change
		return end
	}
	if begin.IsZero() {
		return t
	}
	if ty, tm, td := t.Date(); ty != y || tm != m || td != d || t.Hour() != 0 { // skipped, and taken as later
		return begin
	}
	// 00:00 may exist once more, before the change.
	_, offset := begin.Add(-1).Zone()
	earlier := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Add(-time.Duration(offset) * time.Second)
	if earlier.Before(begin) && earlier.Before(t) {
		return earlier.In(zone)
	}
	return t
}

// before tells whether t's date lies before the given one.
func before(t time.Time, y int, m time.Month, d int) bool {
	ty, tm, td := t.Date()
	if ty != y {
		return ty < y
	}
	if tm != m {
		return tm < m
	}
	return td < d
}
