package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/bdash/bdash/internal/widget"
)

// Figures gives bdash's own figures as frames.
type Figures struct{ DB *DB }

// maxDays bounds how many days a figure is cut into: a span of more is cut at
// its beginning.
const maxDays = 400

// days cuts a span by the calendar of its zone: each day's beginning, and the
// end of the last.
func days(span widget.Span) []time.Time {
	zone := span.Zone
	if zone == nil {
		zone = time.UTC
	}
	from := span.From.In(zone)
	if oldest := span.To.In(zone).AddDate(0, 0, -maxDays); from.Before(oldest) {
		from = oldest
	}
	marks := []time.Time{from}
	for n := 1; ; n++ {
		next := time.Date(from.Year(), from.Month(), from.Day()+n, 0, 0, 0, 0, zone)
		if !next.Before(span.To) {
			return append(marks, span.To)
		}
		marks = append(marks, next)
	}
}

// daily is a figure with one row for each day: a statement that takes the
// day's beginning ($1) and its end ($2) and gives the numbers.
type daily struct {
	columns []widget.Column
	text    string
}

var dailies = map[string]daily{
	"users": {[]widget.Column{{Name: "new", Kind: widget.Integer}, {Name: "total", Kind: widget.Integer}},
		`SELECT (SELECT count(*) FROM users WHERE date_joined >= $1 AND date_joined < $2), (SELECT count(*) FROM users WHERE date_joined < $2)`},
	"sessions": {[]widget.Column{{Name: "new", Kind: widget.Integer}, {Name: "active", Kind: widget.Integer}},
		`SELECT (SELECT count(*) FROM sessions WHERE created_at >= $1 AND created_at < $2),
		        (SELECT count(*) FROM sessions WHERE created_at < $2 AND last_seen_at >= $1)`},
	"ai": {[]widget.Column{{Name: "calls", Kind: widget.Integer}, {Name: "input_tokens", Kind: widget.Integer},
		{Name: "output_tokens", Kind: widget.Integer}, {Name: "cost_nanos", Kind: widget.Integer}},
		`SELECT count(*), CAST(COALESCE(sum(input_tokens), 0) AS BIGINT), CAST(COALESCE(sum(output_tokens), 0) AS BIGINT),
		        CAST(COALESCE(sum(cost_nanos), 0) AS BIGINT) FROM ai_usage WHERE created_at >= $1 AND created_at < $2`},
}

// nanosPerUSD turns billionths into dollars.
const nanosPerUSD = 1e9

// Daily gives a figure that is counted by day: "users", "sessions" or "ai".
func (s *Figures) Daily(ctx context.Context, name string, span widget.Span) (widget.Frame, error) {
	d, ok := dailies[name]
	if !ok {
		return widget.Frame{}, fmt.Errorf("no figure %q", name)
	}
	f := widget.Frame{Columns: append([]widget.Column{{Name: "day", Kind: widget.Time}}, d.columns...)}
	marks := days(span)
	numbers, into := make([]int64, len(d.columns)), make([]any, len(d.columns))
	for i := range numbers {
		into[i] = &numbers[i]
	}
	for i := range len(marks) - 1 {
		if err := s.DB.ReadDBTX().QueryRow(ctx, d.text, marks[i].UTC(), marks[i+1].UTC()).Scan(into...); err != nil {
			return widget.Frame{}, fmt.Errorf("figure %s: %w", name, err)
		}
		f.Columns[0].Values = append(f.Columns[0].Values, marks[i].UTC())
		for j, n := range numbers {
			f.Columns[j+1].Values = append(f.Columns[j+1].Values, n)
		}
	}
	if c := f.Column("cost_nanos"); c != nil {
		c.Name, c.Kind = "cost_usd", widget.Number
		for i, v := range c.Values {
			c.Values[i] = float64(v.(int64)) / nanosPerUSD
		}
	}
	return f, nil
}

// Jobs gives how many background jobs there are in each state now, finished
// ones that are kept included.
func (s *Figures) Jobs(ctx context.Context) (widget.Frame, error) {
	f := widget.Frame{Columns: []widget.Column{{Name: "state", Kind: widget.Text, Values: []any{}}, {Name: "jobs", Kind: widget.Integer, Values: []any{}}}}
	rows, err := s.DB.ReadDBTX().Query(ctx, "SELECT CAST(state AS TEXT), count(*) FROM river_job GROUP BY 1 ORDER BY 1")
	if err != nil {
		return f, fmt.Errorf("figure jobs: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var state string
		var n int64
		if err := rows.Scan(&state, &n); err != nil {
			return f, err
		}
		f.Columns[0].Values, f.Columns[1].Values = append(f.Columns[0].Values, state), append(f.Columns[1].Values, n)
	}
	return f, rows.Err()
}
