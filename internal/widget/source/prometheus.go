package source

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/widget"
)

// dialLimit bounds a probe by HTTP.
const dialLimit = 10 * time.Second

// prometheusQuery is the query of the kind prometheus.
type prometheusQuery struct {
	// Query is PromQL. ${setting.NAME}, ${user_id}, … stand inside quotes, and
	// what they stand for is quoted; ${period_seconds} stands anywhere.
	Query string `json:"query"`
	// Type is range, the default, over the period, or instant, at its end.
	Type string `json:"type"`
	// Step is the distance of two points in seconds; one that gives about 300
	// points when 0.
	Step int64 `json:"step"`
}

type prometheusPlan struct {
	q     prometheusQuery
	text  []promPiece
	needs widget.Uses
}

// promPiece is a part of PromQL, with how a value is quoted there.
type promPiece struct {
	piece
	quote func(string) string
}

func parsePrometheus(query []byte) (plan, error) {
	p := &prometheusPlan{}
	if err := decode(query, &p.q); err != nil {
		return nil, err
	}
	switch p.q.Type {
	case "":
		p.q.Type = "range"
	case "range", "instant":
	default:
		return nil, badQuery("type is range or instant")
	}
	if strings.TrimSpace(p.q.Query) == "" {
		return nil, badQuery("query is empty")
	}
	if p.q.Step < 0 || p.q.Step > 365*24*3600 {
		return nil, badQuery("step is a number of seconds")
	}
	names, err := p.parse()
	if err != nil {
		return nil, err
	}
	p.needs, err = usesOf(names)
	// Without parameters it still depends on the period: that is what it is
	// asked about.
	p.needs.Period = true
	return p, err
}

// matchesPattern: the text before a quote says that a regular expression stands in it.
var matchesPattern = regexp.MustCompile(`[=!]~\s*$`)

// parse cuts PromQL into strings and code. A value in a string is escaped for
// its quotes, and for a regular expression where it stands in one; a value in
// code has to be a number.
func (p *prometheusPlan) parse() (names []string, err error) {
	rest, code := p.q.Query, ""
	take := func(text string, quote func(string) string, inCode bool) error {
		t, err := parseTemplate(text)
		if err != nil {
			return err
		}
		for _, one := range t {
			if inCode && one.name != "" && one.name != "period_seconds" {
				return badQuery("${%s} stands outside quotes", one.name)
			}
			p.text = append(p.text, promPiece{one, quote})
		}
		names = append(names, t.names()...)
		return nil
	}
	for rest != "" {
		at := strings.IndexAny(rest, "\"'`#")
		if at < 0 {
			return names, take(rest, asIs, true)
		}
		code = rest[:at]
		if err := take(code, asIs, true); err != nil {
			return nil, err
		}
		if rest[at] == '#' { // a comment
			rest = rest[at+lineEnd(rest[at:]):]
			continue
		}
		end := promStringEnd(rest[at:])
		if end < 0 {
			return nil, badQuery("a quote does not end")
		}
		quote := promQuote(rest[at], matchesPattern.MatchString(code))
		if err := take(rest[at:at+end], quote, false); err != nil {
			return nil, err
		}
		rest = rest[at+end:]
	}
	return names, nil
}

// promStringEnd is how long the string at the beginning of s is; -1 if it does not end.
func promStringEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[0] != '`':
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return -1
}

func promQuote(q byte, pattern bool) func(string) string {
	return func(s string) string {
		if pattern {
			s = regexp.QuoteMeta(s)
		}
		switch q {
		case '`': // nothing is escaped in it, and nothing ends it but itself
			return strings.ReplaceAll(s, "`", "")
		case '\'':
			inner := strconv.Quote(s)
			// Each quote is escaped that is its own, and no other.
			return strings.NewReplacer(`\"`, `"`, "'", `\'`).Replace(inner[1 : len(inner)-1])
		}
		inner := strconv.Quote(s)
		return inner[1 : len(inner)-1]
	}
}

func (p *prometheusPlan) uses() widget.Uses { return p.needs }

// promPoints is how many points a range has when no step is given.
const promPoints = 300

func (p *prometheusPlan) fetch(ctx context.Context, r *Registry, c datasource.Connection, ask widget.Ask) (widget.Frame, error) {
	vals, err := valuesOf(ask)
	if err != nil {
		return widget.Frame{}, err
	}
	var b strings.Builder
	for _, one := range p.text {
		s, err := template{one.piece}.fill(vals, one.quote)
		if err != nil {
			return widget.Frame{}, err
		}
		b.WriteString(s)
	}
	api, err := r.prometheus(c, ask.Limits)
	if err != nil {
		return widget.Frame{}, err
	}
	// Prometheus stops by itself, too: a connection that is gone does not stop it.
	timeout := promv1.WithTimeout(ask.Limits.Timeout)
	var value model.Value
	if p.q.Type == "instant" {
		value, _, _, err = api.Query(ctx, b.String(), ask.Span.To, timeout)
	} else {
		step := time.Duration(p.q.Step) * time.Second
		if step == 0 {
			step = max((ask.Span.To.Sub(ask.Span.From) / promPoints).Round(time.Second), time.Second)
		}
		value, _, _, err = api.QueryRange(ctx, b.String(), promv1.Range{Start: ask.Span.From, End: ask.Span.To, Step: step}, timeout)
	}
	if err != nil {
		return widget.Frame{}, promError(err)
	}
	return promFrame(value, ask.Limits)
}

func (r *Registry) prometheus(c datasource.Connection, limits widget.Limits) (promv1.API, error) {
	client, origin, err := r.client(c, limits)
	if err != nil {
		return nil, err
	}
	made, err := promapi.NewClient(promapi.Config{Address: origin.String(), Client: client})
	if err != nil {
		return nil, badSettings("url: %s", err)
	}
	return promv1.NewAPI(made), nil
}

// promError tells what the server says from what the line says.
func promError(err error) error {
	var e *promv1.Error
	if !errors.As(err, &e) {
		return err
	}
	code := widget.CodeResponse
	switch e.Type {
	case promv1.ErrBadData, promv1.ErrExec:
		code = widget.CodeQuery
	case promv1.ErrTimeout, promv1.ErrCanceled:
		code = widget.CodeTimeout
	case promv1.ErrClient:
		// The client makes this of a 4xx whose body is not Prometheus' own.
		switch {
		case strings.Contains(e.Msg, "401"):
			code = widget.CodeAuth
		case strings.Contains(e.Msg, "403"):
			code = widget.CodePermission
		}
	}
	return &widget.SourceError{Code: code, Message: messages[code], Detail: strings.TrimSpace(e.Msg), Err: err}
}

// promFrame: one row for each point, with time, value and the labels.
func promFrame(value model.Value, limits widget.Limits) (widget.Frame, error) {
	var matrix model.Matrix
	switch x := value.(type) {
	case model.Matrix:
		matrix = x
	case model.Vector:
		for _, s := range x {
			if s.Histogram == nil {
				matrix = append(matrix, &model.SampleStream{Metric: s.Metric, Values: []model.SamplePair{{Timestamp: s.Timestamp, Value: s.Value}}})
			}
		}
	case *model.Scalar:
		matrix = model.Matrix{{Values: []model.SamplePair{{Timestamp: x.Timestamp, Value: x.Value}}}}
	default:
		return widget.Frame{}, wrongAnswer("the query gives a %s: a number, a vector or a matrix can be shown", value.Type())
	}
	labels := map[string]bool{}
	for _, s := range matrix {
		for name := range s.Metric {
			labels[string(name)] = true
		}
	}
	if len(labels) > maxColumns {
		return widget.Frame{}, wrongAnswer("the series have more than %d labels", maxColumns)
	}
	names := slices.Sorted(maps.Keys(labels))
	b := newBuilder(limits, false, append([]string{"time", "value"}, names...)...)
	b.columns[0].hint, b.columns[1].hint = widget.Time, widget.Number
	for _, s := range matrix {
		row := make([]any, 2+len(names))
		for i, name := range names {
			if label, ok := s.Metric[model.LabelName(name)]; ok {
				row[2+i] = string(label)
			}
		}
		for _, point := range s.Values {
			row[0], row[1] = point.Timestamp.Time(), nil
			if f := float64(point.Value); !math.IsNaN(f) && !math.IsInf(f, 0) {
				row[1] = f
			}
			if !b.add(row) {
				return b.frame(nil)
			}
		}
	}
	return b.frame(nil)
}

func probePrometheus(ctx context.Context, r *Registry, c datasource.Connection) (datasource.Report, error) {
	client, origin, err := r.client(c, widget.Limits{Bytes: probeWire, Timeout: dialLimit}.Bounded())
	if err != nil {
		return datasource.Report{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, origin.JoinPath("api/v1/status/buildinfo").String(), nil)
	if err != nil {
		return datasource.Report{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return datasource.Report{}, err
	}
	defer func() { _ = res.Body.Close() }()
	if err := checkStatus(res.StatusCode); err != nil {
		return datasource.Report{}, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return datasource.Report{}, err
	}
	var answer struct {
		Status string `json:"status"`
		Data   struct {
			Version string `json:"version"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		return datasource.Report{}, wrongAnswer("this is no Prometheus")
	}
	return datasource.Report{Server: strings.TrimSpace("Prometheus " + answer.Data.Version)}, nil
}
