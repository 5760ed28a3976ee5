package drf

import (
	"regexp"
	"strconv"
	"time"
)

// Time declares a time that is only shown.
func (s *Serializer[T, D]) Time(name string, o Opt, get func(*T) time.Time) {
	s.add(name, "datetime", o, func(dst []byte, t *T) []byte { return AppendTime(dst, get(t)) }, nil)
}

// TimeOrNull declares a time that may be null. A nil get makes it write-only, a
// nil set read-only. Times without an offset are taken for UTC.
func (s *Serializer[T, D]) TimeOrNull(name string, o Opt, get func(*T) *time.Time, set func(*D, *time.Time)) {
	o.Null = true
	var encode func([]byte, *T) []byte
	if get != nil {
		encode = func(dst []byte, t *T) []byte {
			if p := get(t); p != nil {
				return AppendTime(dst, *p)
			}
			return append(dst, "null"...)
		}
	}
	var decode func(*D, Value) []string
	if set != nil {
		decode = func(d *D, v Value) []string {
			if v.Kind() == KindNull {
				set(d, nil)
				return nil
			}
			t, message := parseTime(v)
			if message != "" {
				return []string{message}
			}
			set(d, &t)
			return nil
		}
	}
	s.add(name, "datetime", o, encode, decode)
}

// timeText is what Django's parse_datetime reads: one or two digits where ISO
// 8601 wants two, a blank for the T, a comma for the point, up to twelve digits
// of a second of which six count. A line break at the end does not matter.
var timeText = regexp.MustCompile(`^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})[T ]([0-9]{1,2}):([0-9]{1,2})` +
	`(?::([0-9]{1,2})(?:[.,]([0-9]{1,6})[0-9]{0,6})?)?` +
	`(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?\n?$`)

// parseTime reads a time as DRF's DateTimeField does, in UTC when the text has
// no offset. message is "" when that went well.
func parseTime(v Value) (t time.Time, message string) {
	if v.Kind() != KindString {
		return time.Time{}, msgDateTime
	}
	m := timeText.FindStringSubmatch(v.Text())
	if m == nil {
		return time.Time{}, msgDateTime
	}
	var n [7]int
	for i := range n {
		digits := m[i+1]
		if i == 6 { // of a second
			digits = (digits + "000000")[:6]
		}
		n[i], _ = strconv.Atoi(digits) // digits only, or nothing, which is 0
	}
	offset, ok := parseOffset(m[8])
	if !ok || n[0] < 1 {
		return time.Time{}, msgDateTime
	}
	t = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6]*1000, time.UTC)
	// time.Date carries over what is too large: then something else comes out.
	if t.Month() != time.Month(n[1]) || t.Day() != n[2] || t.Hour() != n[3] || t.Minute() != n[4] || t.Second() != n[5] {
		return time.Time{}, msgDateTime
	}
	t = t.Add(-offset)
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, msgTimeRange
	}
	return t, ""
}

// parseOffset reads "", Z, +02, +0230 and +02:30. Offsets of a day and more do
// not exist; minutes may be more than 59.
func parseOffset(s string) (time.Duration, bool) {
	if s == "" || s == "Z" {
		return 0, true
	}
	hours, _ := strconv.Atoi(s[1:3])
	minutes := 0
	if len(s) > 3 {
		minutes, _ = strconv.Atoi(s[len(s)-2:])
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, offset.Abs() < 24*time.Hour
}
