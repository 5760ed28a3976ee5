// Package models chooses the provider that answers, and stands between it and
// everybody who asks.
//
// A model is named as agents name it: "anthropic/claude-…" is asked of the
// provider of that name, a name without a provider's prefix of the default one.
// With no provider at all the offline model answers to every name.
//
// What a provider does badly is mended as far as nothing was said yet: a call
// is tried again after a pause, not tried at all for a while after many
// failures, and at last given to the fallback model. After the first event an
// error is the end. Every call is watched by time limits, and a stream without
// counts of tokens gets them here.
package models

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/price"
)

// Demo is the name of the offline model.
const Demo = "demo"

// Provider is an endpoint.
type Provider struct {
	// Name is the prefix of its models' names.
	Name  string
	Model llm.Model
	// Free: its models cost nothing, whatever the table says.
	Free bool
	// Vendor is whose models it offers, as the price table names vendors; "" if
	// that is not known.
	Vendor string
	// Models are names without the prefix that are known to be there.
	Models []string
}

// Limits are time limits of a call; 0 is none.
type Limits struct {
	// First is how long the first event may take, Idle each further one, Total
	// all of them.
	First, Idle, Total time.Duration
}

// Call is what Observe is told of.
type Call struct {
	// Provider is "" if nobody was asked.
	Provider, Model string
	// End is "stop", "length" … (llm.FinishReason), the kind of an error
	// ("timeout" …), or "cancelled".
	End   string
	Usage llm.Usage
	// Asked is how often the provider was.
	Asked int
	// First is how long the first event took, 0 if there was none.
	First, Total time.Duration
}

// Config of Models.
type Config struct {
	// Default answers to names without a provider's prefix; nil: nobody does.
	Default   *Provider
	Providers []Provider
	// Demo is the offline model.
	Demo   llm.Model
	Prices *price.Table
	// Fallback is a model's full name, asked when the one that was wanted does
	// not answer; "" is none.
	Fallback string
	Limits   Limits
	// Pause is the first pause before a call is tried again; it doubles. 0 is
	// half a second.
	Pause time.Duration
	// Observe is told of every call when it ends. May be nil.
	Observe func(Call)
}

// Models is the way to every model. Safe for concurrent use.
type Models struct {
	cfg       Config
	standard  *endpoint
	demo      *endpoint
	endpoints map[string]*endpoint
}

type endpoint struct {
	Provider
	retry   retrypolicy.RetryPolicy[any]
	breaker circuitbreaker.CircuitBreaker[any]
}

// Tries, pauses and when a provider is left alone.
const (
	maxTries     = 3
	firstPause   = 500 * time.Millisecond
	longestPause = 8 * time.Second
	// longestWait is the longest Retry-After that is waited for; the user waits
	// as well.
	longestWait  = 10 * time.Second
	failuresOpen = 6
	openFor      = 10 * time.Second
)

// New makes Models; nothing is asked of anybody.
func New(cfg Config) *Models {
	cfg.Pause = cmp.Or(cfg.Pause, firstPause)
	m := &Models{cfg: cfg, endpoints: map[string]*endpoint{}}
	for _, p := range cfg.Providers {
		m.endpoints[p.Name] = m.endpoint(p)
	}
	if cfg.Default != nil {
		m.standard = m.endpoint(*cfg.Default)
	}
	m.demo = m.endpoint(Provider{Name: Demo, Model: cfg.Demo, Free: true, Models: []string{Demo}})
	return m
}

func (m *Models) endpoint(p Provider) *endpoint {
	return &endpoint{
		Provider: p,
		retry: retrypolicy.NewBuilder[any]().
			HandleIf(func(_ any, err error) bool { return again(err) }).
			WithMaxAttempts(maxTries).ReturnLastFailure().
			WithDelayFunc(m.pause).
			Build(),
		breaker: circuitbreaker.NewBuilder[any]().
			HandleIf(func(_ any, err error) bool { return counts(err) }).
			WithFailureThreshold(failuresOpen).WithSuccessThreshold(1).WithDelay(openFor).
			Build(),
	}
}

// pause is what the provider asked for, or doubles each time, spread by chance.
func (m *Models) pause(exec failsafe.ExecutionAttempt[any]) time.Duration {
	var e *llm.Error
	if errors.As(exec.LastError(), &e) && e.RetryAfter > 0 {
		return e.RetryAfter
	}
	d := min(m.cfg.Pause<<min(max(exec.Attempts()-1, 0), 10), longestPause)
	return d/2 + rand.N(d) //nolint:gosec // spreads load
}

// errBegan is an error after the first event: nothing can be mended any more.
type errBegan struct{ error }

// Unwrap gives the cause.
func (e errBegan) Unwrap() error { return e.error }

// again tells whether another try can help.
func again(err error) bool {
	var e *llm.Error
	if errors.As(err, new(errBegan)) || !errors.As(err, &e) || e.RetryAfter > longestWait {
		return false
	}
	return e.Kind == llm.Unreachable || e.Kind == llm.RateLimited || e.Kind == llm.Broken
}

// counts tells whether the error says that the provider is not well.
func counts(err error) bool {
	var e *llm.Error
	return errors.As(err, &e) && (e.Kind == llm.Unreachable || e.Kind == llm.Broken || e.Kind == llm.Timeout)
}

// otherMayAnswer tells whether to ask the fallback model.
func otherMayAnswer(err error) bool {
	var e *llm.Error
	if errors.As(err, new(errBegan)) || !errors.As(err, &e) {
		return false
	}
	return counts(err) || e.Kind == llm.RateLimited || errors.Is(err, errNoProvider)
}

var errNoProvider = errors.New("no provider offers the model")

// find gives the provider of a full name, and the provider's own name for it.
func (m *Models) find(name string) (*endpoint, string) {
	prefix, rest, ok := strings.Cut(name, "/")
	if e := m.endpoints[prefix]; ok && e != nil && rest != "" {
		return e, rest
	}
	switch {
	case m.Offline(), name == Demo:
		return m.demo, name
	case m.standard != nil && name != "":
		return m.standard, name
	}
	return nil, ""
}

// Offline reports whether there is no provider, so that the offline model
// answers to every name.
func (m *Models) Offline() bool { return m.standard == nil && len(m.endpoints) == 0 }

// Price implements budget.Prices: what a model costs that an agent names so,
// and its sizes. false: nobody knows, or there is no such provider.
func (m *Models) Price(name string) (price.Entry, bool) {
	e, own := m.find(name)
	if e == nil {
		return price.Entry{}, false
	}
	if e == m.demo {
		own = Demo
	}
	known, ok := m.cfg.Prices.Of(name)
	if !ok || e == m.demo {
		known, ok = m.cfg.Prices.Of(own)
	}
	if e.Free {
		known.Input, known.Cached, known.Output, known.Cached, ok = 0, 0, 0, 0, true
	}
	known.Model = name
	return known, ok
}

// Info is a model that can be used.
type Info struct {
	// Model is the full name.
	Model    string
	Provider string
	Entry    price.Entry
	Priced   bool
}

// List is what is known to be there: models that settings name, and those of
// the price table for providers whose vendor is known. By provider and name.
func (m *Models) List() []Info {
	var list []Info
	seen := map[string]bool{}
	add := func(e *endpoint, own string) {
		name := own
		if e != m.standard && e != m.demo {
			name = e.Name + "/" + own
		}
		if own == "" || seen[name] {
			return
		}
		seen[name] = true
		entry, ok := m.Price(name)
		list = append(list, Info{Model: name, Provider: e.Name, Entry: entry, Priced: ok})
	}
	all := []*endpoint{m.demo}
	if m.standard != nil {
		all = append(all, m.standard)
	}
	for _, e := range m.endpoints {
		all = append(all, e)
	}
	for _, e := range all {
		for _, own := range e.Models {
			add(e, own)
		}
		for _, entry := range m.cfg.Prices.Entries(e.Vendor) {
			add(e, entry.Model)
		}
	}
	if e, own := m.find(m.cfg.Fallback); m.cfg.Fallback != "" && e != nil {
		add(e, own)
	}
	slices.SortFunc(list, func(a, b Info) int { return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Model, b.Model)) })
	return list
}

// Stream implements llm.Model; req.Model is a full name. Usage.Model names the
// fallback model if that answered. There is always a usage before the finish,
// and before an error if something was said.
func (m *Models) Stream(ctx context.Context, req llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		name := req.Model
		err := m.ask(ctx, req, name, "", yield)
		if err != nil && m.cfg.Fallback != "" && m.cfg.Fallback != name && ctx.Err() == nil && otherMayAnswer(err) {
			// What the first one said is in its own observation.
			if second := m.ask(ctx, req, m.cfg.Fallback, m.cfg.Fallback, yield); second != nil {
				err = second
			} else {
				err = nil
			}
		}
		if err != nil {
			var began errBegan
			if errors.As(err, &began) {
				err = began.error
			}
			yield(llm.Event{}, err)
		}
	}
}

// ask asks one model, as often as makes sense. nil: the answer is complete, or
// the reader has left.
func (m *Models) ask(ctx context.Context, req llm.Request, name, answered string, yield func(llm.Event, error) bool) error {
	e, own := m.find(name)
	if e == nil {
		return m.observed(&call{Call: Call{Model: name}, began: time.Now()}, &llm.Error{
			Kind: llm.Refused, Provider: "none", Err: errNoProvider,
			Message: fmt.Sprintf("no provider is configured for the model %q", name),
		})
	}
	req.Model = own
	if entry, ok := m.Price(name); ok && entry.MaxOutput > 0 && req.MaxTokens > entry.MaxOutput {
		req.MaxTokens = entry.MaxOutput // more is refused by every vendor
	}
	c := &call{Call: Call{Provider: e.Name, Model: name}, began: time.Now(), req: &req, limits: m.cfg.Limits, answered: answered, yield: yield}
	err := failsafe.With[any](e.retry, e.breaker).WithContext(ctx).Run(func() error {
		c.Asked++
		return c.once(ctx, e.Model)
	})
	switch {
	case errors.Is(err, circuitbreaker.ErrOpen):
		err = &llm.Error{Kind: llm.Unreachable, Provider: e.Name, Message: "left alone for a while after several failures", Err: err, RetryAfter: e.breaker.RemainingDelay()}
	case ctx.Err() != nil && err != nil && !errors.As(err, new(errBegan)):
		err = context.Cause(ctx) // also between two tries
	}
	return m.observed(c, err)
}

func (m *Models) observed(c *call, err error) error {
	if m.cfg.Observe != nil {
		c.Total = time.Since(c.began)
		c.End = endOf(c, err)
		m.cfg.Observe(c.Call)
	}
	return err
}

var kindNames = map[llm.ErrorKind]string{
	llm.Unreachable: "unreachable", llm.Timeout: "timeout", llm.RateLimited: "rate_limited",
	llm.ContextTooLong: "context_too_long", llm.Refused: "refused", llm.Broken: "broken",
}

func endOf(c *call, err error) string {
	var e *llm.Error
	switch {
	case errors.As(err, &e):
		return kindNames[e.Kind]
	case err != nil, c.reason == "":
		return "cancelled"
	}
	return string(c.reason)
}
