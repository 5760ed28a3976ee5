package djangoimport

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// nanos is how many billionths a unit has.
const nanos = 1_000_000_000

// costScale is the step of Django's total_cost, numeric(10,4), in billionths.
const costScale = nanos / 10_000

// parseInt reads a whole number, also one that SQLite kept as 3.0.
func parseInt(s string) (int64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// parseBool reads what the two engines print, and what is like it.
func parseBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "1", "true", "t", "1.0":
		return true, true
	case "0", "false", "f", "0.0":
		return false, true
	}
	return false, false
}

// timeLayouts are tried in turn. Go accepts a fraction of any length after the
// seconds without being told.
var timeLayouts = []string{
	"2006-01-02 15:04:05",
	"2006-01-02 15:04:05Z07",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05Z0700",
	"2006-01-02 15:04:05Z07:00:00",
	"2006-01-02 15:04",
	"2006-01-02",
}

// parseTime reads a time as the databases print it or as isoformat() does. One
// without a zone is in the given zone. The result is UTC, cut to microseconds.
func parseTime(s string, zone *time.Location) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if len(s) > 10 && (s[10] == 'T' || s[10] == 't') {
		s = s[:10] + " " + s[11:]
	}
	// "… 12:00:00 +02:00" is what some tools write.
	if cut := strings.LastIndexAny(s, " "); cut > 10 {
		s = s[:cut] + s[cut+1:]
	}
	for _, layout := range timeLayouts {
		t, err := time.ParseInLocation(layout, s, zone)
		if err != nil {
			continue
		}
		t = t.UTC().Truncate(time.Microsecond)
		// Neither Python nor JSON's date-time goes beyond.
		return t, t.Year() >= 1 && t.Year() <= 9999
	}
	return time.Time{}, false
}

// isoFormat prints a time without zone as Python's isoformat() does.
func isoFormat(t time.Time) string {
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05")
	}
	return t.Format("2006-01-02T15:04:05.000000")
}

// parseCost turns a decimal number into billionths, rounded to four decimals
// as Django's column is. exact tells whether nothing was rounded away but the
// noise of a binary fraction: SQLite keeps decimals as those, and Django rounds
// them when it reads.
func parseCost(s string) (value int64, exact, ok bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > math.MaxInt64/nanos-1 {
		return 0, false, false
	}
	// The magnitude is known to be small now, but "1e-999999999" is small too,
	// and would be written out in full by big.Rat.
	if f == 0 || math.Abs(f) < 1e-300 {
		return 0, f == 0, true
	}
	r, good := new(big.Rat).SetString(s)
	if !good {
		return 0, false, false
	}
	steps := new(big.Rat).Mul(r, big.NewRat(nanos/costScale, 1))
	rounded, good := new(big.Int).SetString(steps.FloatString(0), 10)
	if !good {
		return 0, false, false
	}
	rest := new(big.Rat).Sub(steps, new(big.Rat).SetInt(rounded))
	exact = rest.Abs(rest).Cmp(big.NewRat(1, 1_000_000)) < 0
	return rounded.Int64() * costScale, exact, true
}

// cleanText makes s fit for both engines: PostgreSQL stores neither invalid
// UTF-8 nor NUL. changed tells whether anything had to be replaced.
func cleanText(s string) (clean string, changed bool) {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s, false
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.ReplaceAll(s, "\x00", "\uFFFD"), true
}

// clip cuts s to at most n characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// show quotes a value for a report, shortened.
func show(s string) string {
	const most = 40
	if short := clip(s, most); len(short) < len(s) {
		return fmt.Sprintf("%q…", short)
	}
	return fmt.Sprintf("%q", s)
}
