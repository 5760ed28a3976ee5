package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/widget"
)

// perSource is how many questions one process puts to one data source at a
// time: a dashboard of many widgets must not take all connections of a
// database. The built-in kinds share one gate.
const perSource = 4

// gates let perSource questions through to each data source.
type gates struct {
	mu   sync.Mutex
	open map[int64]chan struct{}
}

// enter waits for a place; leave gives it back.
func (g *gates) enter(ctx context.Context, id int64) (leave func(), err error) {
	g.mu.Lock()
	if g.open == nil {
		g.open = map[int64]chan struct{}{}
	}
	gate, ok := g.open[id]
	if !ok {
		gate = make(chan struct{}, perSource)
		g.open[id] = gate
	}
	g.mu.Unlock()
	select {
	case gate <- struct{}{}:
		return func() { <-gate }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// verdictLife is how long a look at a role's privileges counts: rights are
// granted behind bdash's back.
const verdictLife = time.Hour

// verdicts remember which versions of data sources may be used.
type verdicts struct {
	mu   sync.Mutex
	seen map[int64]verdict
}

type verdict struct {
	version int64
	until   time.Time
}

func (v *verdicts) fine(d *Datasource, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	seen, ok := v.seen[d.ID]
	return ok && seen.version == d.Version && now.Before(seen.until)
}

func (v *verdicts) remember(d *Datasource, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seen == nil {
		v.seen = map[int64]verdict{}
	}
	v.seen[d.ID] = verdict{d.Version, now.Add(verdictLife)}
}

// Uses implements widget.Sources.
func (s *Service) Uses(kind string, query json.RawMessage) (widget.Uses, error) {
	return s.Connector.Uses(kind, query)
}

// Fetch implements widget.Sources: it asks a data source, or a built-in kind,
// within the limits. Who may ask is the caller's affair.
func (s *Service) Fetch(ctx context.Context, ask widget.Ask) (widget.Frame, error) {
	ask.Limits = ask.Limits.Bounded()
	ctx, cancel := context.WithTimeout(ctx, ask.Limits.Timeout)
	defer cancel()
	frame, err := s.fetch(ctx, ask)
	var refused *widget.SourceError
	if err != nil && !errors.As(err, &refused) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return widget.Frame{}, &widget.SourceError{Code: widget.CodeTimeout, Message: "The source did not answer in time.",
			Detail: fmt.Sprintf("no answer within %s", ask.Limits.Timeout), Err: err}
	}
	return frame, err
}

func (s *Service) fetch(ctx context.Context, ask widget.Ask) (widget.Frame, error) {
	c := Connection{Kind: ask.Kind}
	var d Datasource
	if ask.DatasourceID != 0 {
		var err error
		if d, c, err = s.connection(ctx, ask.DatasourceID); err != nil {
			return widget.Frame{}, err
		}
		if ask.Kind != "" && ask.Kind != d.Kind {
			return widget.Frame{}, gone(nil)
		}
		ask.Kind = d.Kind
	}
	leave, err := s.gates.enter(ctx, ask.DatasourceID)
	if err != nil {
		return widget.Frame{}, err
	}
	defer leave()
	if d.ID != 0 && sql(d.Kind) && !s.known.fine(&d, s.now()) {
		if err := s.judge(ctx, &d, c); err != nil {
			return widget.Frame{}, err
		}
	}
	return s.Connector.Fetch(ctx, c, ask)
}

func sql(kind string) bool { return kind == widget.SourcePostgreSQL || kind == widget.SourceMySQL }

// judge looks at what the role may do before it is used for the first time in
// a while.
func (s *Service) judge(ctx context.Context, d *Datasource, c Connection) error {
	report, err := s.Connector.Probe(ctx, c)
	if err != nil {
		return err
	}
	if missing := unconfirmed(report.Privileges, d.Privileged); len(missing) > 0 {
		return &widget.SourceError{Code: widget.CodePrivileged, Message: "The data source is not set up safely.",
			Detail: "the role can do more than read, and nobody confirmed it: " + strings.Join(missing, ", ")}
	}
	s.known.remember(d, s.now())
	return nil
}

func (s *Service) connection(ctx context.Context, id int64) (Datasource, Connection, error) {
	d, err := s.Store.ByID(ctx, id)
	if fault.KindOf(err) == fault.NotFound {
		return d, Connection{}, gone(err)
	}
	if err != nil {
		return d, Connection{}, err
	}
	secrets, err := s.open(&d)
	if err != nil {
		return d, Connection{}, &widget.SourceError{Code: widget.CodeSettings, Message: "The data source is not set up.",
			Detail: "its secrets were sealed with a key that is neither SECRET_KEY nor in SECRET_KEY_FALLBACKS: enter them again", Err: err}
	}
	return d, Connection{Kind: d.Kind, Settings: d.Settings, Secrets: secrets}, nil
}

func gone(err error) error {
	return &widget.SourceError{Code: widget.CodeGone, Message: "The data source does not exist any more.", Err: err}
}

// TestResult is what a test found out.
type TestResult struct {
	Report
	// Unconfirmed are the privileges for which the data source is not used.
	Unconfirmed []string
	Took        time.Duration
	// Problem is what failed; nil when the connection works.
	Problem *widget.SourceError
}

// Test connects to a data source and says precisely what fails. ErrForbidden,
// ErrNotFound.
func (s *Service) Test(ctx context.Context, actor identity.Actor, id int64) (TestResult, error) {
	d, err := s.ByID(ctx, actor, id)
	if err != nil {
		return TestResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	start := time.Now()
	var report Report
	_, c, err := s.connection(ctx, id)
	if err == nil {
		report, err = s.Connector.Probe(ctx, c)
	}
	res := TestResult{Report: report, Took: time.Since(start), Unconfirmed: unconfirmed(report.Privileges, d.Privileged)}
	switch {
	case errors.As(err, &res.Problem):
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		res.Problem = &widget.SourceError{Code: widget.CodeTimeout, Message: "The source did not answer in time.",
			Detail: fmt.Sprintf("no answer within %s", probeTimeout), Err: err}
	case err != nil:
		return TestResult{}, err
	case len(res.Unconfirmed) > 0:
		res.Problem = &widget.SourceError{Code: widget.CodePrivileged, Message: "The role can do more than read, and nobody confirmed it.",
			Detail: strings.Join(res.Unconfirmed, ", ")}
	}
	return res, nil
}

// Preview runs a query as a widget would, with the limits of a preview, and
// gives the frame. ErrForbidden, ErrNotFound; *widget.SourceError.
func (s *Service) Preview(ctx context.Context, actor identity.Actor, id int64, ask widget.Ask) (widget.Frame, error) {
	d, err := s.ByID(ctx, actor, id)
	if err != nil {
		return widget.Frame{}, err
	}
	ask.Kind, ask.DatasourceID, ask.User = d.Kind, d.ID, actor
	if _, err := s.Uses(d.Kind, ask.Query); err != nil {
		return widget.Frame{}, err
	}
	return s.Fetch(ctx, ask)
}
