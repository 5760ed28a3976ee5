package widget

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// float is a value of a numeric column; false for NULL.
func float(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// cell is a value as JSON shows it: times in UTC by RFC 3339.
func cell(v any) any {
	switch t := v.(type) {
	case time.Time:
		return t.UTC().Format(time.RFC3339Nano)
	case json.RawMessage:
		if len(t) == 0 {
			return nil
		}
	}
	return v
}

// text is a value as words; nil for NULL.
func text(v any) *string {
	var s string
	switch t := v.(type) {
	case nil:
		return nil
	case string:
		s = t
	case int64:
		s = strconv.FormatInt(t, 10)
	case float64:
		s = strconv.FormatFloat(t, 'f', -1, 64)
	case bool:
		s = strconv.FormatBool(t)
	case time.Time:
		s = t.UTC().Format(time.RFC3339Nano)
	default:
		return nil
	}
	return &s
}

// layouts are the forms of a time in a text column. SQLite keeps times so.
var layouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04", time.DateOnly}

// moment is a value of a column of times; a text without a zone is in UTC. date
// tells that it names a day only. nil for NULL.
func moment(v any) (t *time.Time, date, ok bool) {
	switch x := v.(type) {
	case nil:
		return nil, false, true
	case time.Time:
		x = x.UTC()
		return &x, false, true
	case string:
		for _, layout := range layouts {
			if parsed, err := time.Parse(layout, strings.TrimSpace(x)); err == nil {
				parsed = parsed.UTC()
				return &parsed, layout == time.DateOnly, true
			}
		}
	}
	return nil, false, false
}

// moments reads a whole column of times.
func moments(part string, c *Column) (times []*time.Time, dates []bool, err error) {
	if c == nil {
		return nil, nil, nil
	}
	times, dates = make([]*time.Time, len(c.Values)), make([]bool, len(c.Values))
	for i, v := range c.Values {
		t, date, ok := moment(v)
		if !ok {
			return nil, nil, &SourceError{Code: CodeShape,
				Message: fmt.Sprintf("The column %q (%s) has the wrong type: times are needed, and row %d holds other text.", c.Name, part, i+1)}
		}
		times[i], dates[i] = t, date
	}
	return times, dates, nil
}

// link is an address that a client may lead to by a click: http(s), mail, or a
// path; nil for everything else ("javascript:", "//host").
func link(v any) *string {
	s, ok := v.(string)
	if !ok || s == "" || len(s) > 2000 || strings.ContainsAny(s, "\\\x00\t\r\n ") {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil
	}
	switch u.Scheme {
	case "":
		if u.Host != "" || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") {
			return nil
		}
	case "http", "https":
		if u.Host == "" {
			return nil
		}
	case "mailto":
	default:
		return nil
	}
	return &s
}

// at is a column's value in a row; nil without a column.
func (c *Column) at(row int) any {
	if c == nil {
		return nil
	}
	return c.Values[row]
}
