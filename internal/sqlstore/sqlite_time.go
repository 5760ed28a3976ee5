package sqlstore

import (
	"fmt"
	"time"
)

// Times are text of one width in SQLite, always UTC, always six digits of
// fraction: 2006-01-02 15:04:05.000000+00:00. So they sort and compare as
// text, and two equal times are equal texts. (The driver's own formats drop
// trailing zeros: 05.1 and 05.100000 would be different.) The zone is written
// out for the sake of everybody who opens the file with another tool.
const sqliteTimeLayout = "2006-01-02 15:04:05.000000-07:00"

// Other forms that are understood when read: written by the packages that use
// Writer on their own, by SQLite's date functions, or by a Django deployment.
// All of them mean UTC when they name no zone.
var sqliteTimeLayouts = []string{
	"2006-01-02 15:04:05.999999999-07:00",
	"2006-01-02T15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04",
	"2006-01-02",
}

// formatSQLiteTime gives the text for t. The year must have four digits, or
// texts would not sort.
func formatSQLiteTime(t time.Time) (string, error) {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return "", fmt.Errorf("time %v is outside the years 0 to 9999", t)
	}
	buf := make([]byte, 0, len(sqliteTimeLayout))
	return string(t.AppendFormat(buf, sqliteTimeLayout)), nil
}

// parseSQLiteTime reads any of the forms above, in UTC cut to microseconds.
func parseSQLiteTime(s string) (time.Time, error) {
	if t, ok := parseFixedTime(s); ok {
		return t, nil
	}
	for _, layout := range sqliteTimeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, fmt.Errorf("cannot read %q as a time", s)
}

// parseFixedTime reads the form that formatSQLiteTime writes. A list reads it
// dozens of times; time.Parse takes ten times as long.
func parseFixedTime(s string) (time.Time, bool) {
	if len(s) != len(sqliteTimeLayout) || s[4] != '-' || s[7] != '-' || s[10] != ' ' ||
		s[13] != ':' || s[16] != ':' || s[19] != '.' || s[26:] != "+00:00" {
		return time.Time{}, false
	}
	ok := true
	number := func(from, to int) (n int) {
		for _, c := range []byte(s[from:to]) {
			if c < '0' || c > '9' {
				ok = false
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day := number(0, 4), number(5, 7), number(8, 10)
	hour, minute, second := number(11, 13), number(14, 16), number(17, 19)
	micro := number(20, 26)
	if !ok || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, micro*1000, time.UTC)
	return t, t.Day() == day // 30 February becomes 1 March: let time.Parse refuse it
}
