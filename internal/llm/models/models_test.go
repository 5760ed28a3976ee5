package models_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/llmtest"
	"github.com/bdash/bdash/internal/llm/models"
	"github.com/bdash/bdash/internal/llm/price"
	"github.com/bdash/bdash/internal/llm/script"
)

// observed keeps what Models tell of calls.
type observed struct {
	mu    sync.Mutex
	calls []models.Call
}

func (o *observed) see(c models.Call) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c.First, c.Total = 0, 0
	o.calls = append(o.calls, c)
}

func (o *observed) ends() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []string
	for _, c := range o.calls {
		all = append(all, fmt.Sprintf("%s %s %s x%d", c.Provider, c.Model, c.End, c.Asked))
	}
	return strings.Join(all, "; ")
}

func ask(t *testing.T, m llm.Model, name string) string {
	t.Helper()
	return llmtest.Collect(t.Context(), m, llm.Request{Model: name, Messages: []llm.Message{{Role: llm.User, Text: "hello world"}}, MaxTokens: 1000})
}

func fail(kind llm.ErrorKind, after time.Duration) script.Turn {
	return script.Fail(&llm.Error{Kind: kind, Provider: "p", RetryAfter: after, Message: "m"})
}

var full = script.Join(script.Text("Hi"), script.Usage(llm.Usage{Input: 3, Output: 1}), script.Finish(llm.Stop))

const fullText = "text \"Hi\"\nusage input=3 cached=0 output=1 reasoning=0\nfinish stop\n"

func TestWhoIsAsked(t *testing.T) {
	t.Parallel()
	echo := func(who string) llm.Model {
		return script.Func(func(r llm.Request) script.Turn {
			return script.Join(script.Text(who+":"+r.Model), script.Usage(llm.Usage{Input: 1}))
		})
	}
	some := models.New(models.Config{
		Default:   &models.Provider{Name: "openai", Model: echo("default")},
		Providers: []models.Provider{{Name: "anthropic", Model: echo("anthropic")}, {Name: "ollama", Model: echo("ollama")}},
		Demo:      echo("demo"), Prices: price.Shipped(),
	})
	named := models.New(models.Config{Providers: []models.Provider{{Name: "ollama", Model: echo("ollama")}}, Demo: echo("demo"), Prices: price.Shipped()})
	none := models.New(models.Config{Demo: echo("demo"), Prices: price.Shipped()})
	tests := []struct {
		m    *models.Models
		name string
		want string
	}{
		{some, "gpt-4o", "default:gpt-4o"}, {some, "anthropic/claude-x", "anthropic:claude-x"}, {some, "ollama/llama3:8b", "ollama:llama3:8b"},
		{some, "meta-llama/Llama-3", "default:meta-llama/Llama-3"}, {some, "ollama/", "default:ollama/"}, {some, "demo", "default:demo"},
		{named, "ollama/a/b", "ollama:a/b"}, {named, "demo", "demo:demo"}, {named, "gpt-4", ""},
		{none, "gpt-4", "demo:gpt-4"}, {none, "anthropic/claude", "demo:anthropic/claude"}, {none, "", "demo:"},
	}
	for _, test := range tests {
		if test.name == "demo" && test.m == some {
			test.want = "demo:demo"
		}
		got := ask(t, test.m, test.name)
		if test.want == "" && !strings.Contains(got, `error refused provider=none status=0 "no provider is configured`) ||
			test.want != "" && !strings.Contains(got, fmt.Sprintf("text %q", test.want)) {
			t.Errorf("%q: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestTriesAgainBeforeTheFirstEventOnly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		turns []script.Turn
		want  string
		ends  string
		waits time.Duration // at least
	}{
		{"twice broken", []script.Turn{fail(llm.Broken, 0), fail(llm.Unreachable, 0), full}, fullText, "p p/m stop x3", 500 * time.Millisecond},
		{"three times broken", []script.Turn{fail(llm.Broken, 0), fail(llm.Broken, 0), fail(llm.Broken, 0), full}, "error broken provider=p status=0 \"m\"\n", "p p/m broken x3", 0},
		{"a provider that asks for time", []script.Turn{fail(llm.RateLimited, 7*time.Second), full}, fullText, "p p/m stop x2", 7 * time.Second},
		{"for too much time", []script.Turn{fail(llm.RateLimited, time.Minute), full}, "error rate-limited provider=p status=0 \"m\" retry-after=1m0s\n", "p p/m rate_limited x1", 0},
		{"refused", []script.Turn{fail(llm.Refused, 0), full}, "error refused provider=p status=0 \"m\"\n", "p p/m refused x1", 0},
		{"too long", []script.Turn{fail(llm.ContextTooLong, 0), full}, "error context-too-long provider=p status=0 \"m\"\n", "p p/m context_too_long x1", 0},
		{"after the first event", []script.Turn{script.Join(script.Text("Hello"), fail(llm.Broken, 0)), full},
			"text \"Hello\"\nusage input=10 cached=0 output=1 reasoning=0 estimated\nerror broken provider=p status=0 \"m\"\n", "p p/m broken x1", 0},
		{"an error of no kind", []script.Turn{script.Fail(errors.New("secret")), fail(llm.Refused, 0)}, "error refused provider=p status=0 \"m\"\n", "p p/m refused x2", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var o observed
				m := models.New(models.Config{Providers: []models.Provider{{Name: "p", Model: script.New(test.turns...)}}, Prices: price.Shipped(), Observe: o.see})
				began := time.Now()
				if diff := cmp.Diff(test.want, ask(t, m, "p/m")); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if got := o.ends(); got != test.ends {
					t.Errorf("observed %s, want %s", got, test.ends)
				}
				if waited := time.Since(began); waited < test.waits || waited > test.waits+20*time.Second {
					t.Errorf("waited %v, want %v or somewhat more", waited, test.waits)
				}
			})
		})
	}
}

func TestTimeLimits(t *testing.T) {
	t.Parallel()
	after := func(d time.Duration) script.Turn {
		c := make(chan struct{})
		time.AfterFunc(d, func() { close(c) })
		return script.Wait(c)
	}
	tests := []struct {
		name string
		turn func(never chan struct{}) script.Turn
		want string
		took time.Duration
	}{
		{"no first event", func(never chan struct{}) script.Turn { return script.Wait(never) }, "error timeout provider=p status=0 \"no answer in time\"\n", 10 * time.Second},
		{"stalls", func(never chan struct{}) script.Turn { return script.Join(script.Text("Hello"), script.Wait(never)) },
			"text \"Hello\"\nusage input=10 cached=0 output=1 reasoning=0 estimated\nerror timeout provider=p status=0 \"the answer stopped coming\"\n", 5 * time.Second},
		{"takes too long", func(never chan struct{}) script.Turn {
			t := script.Turn{}
			for i := range 30 {
				t = append(t, script.Join(after(time.Duration(i)*time.Second), script.Text("x "))...)
			}
			return t
		}, "error timeout provider=p status=0 \"the answer took too long\"\n", 20 * time.Second},
		{"in time", func(never chan struct{}) script.Turn {
			return script.Join(after(9*time.Second), full[:1], after(13*time.Second), full[1:])
		}, fullText, 13 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := models.New(models.Config{
					Providers: []models.Provider{{Name: "p", Model: script.New(test.turn(make(chan struct{})))}}, Prices: price.Shipped(),
					Limits: models.Limits{First: 10 * time.Second, Idle: 5 * time.Second, Total: 20 * time.Second},
				})
				began := time.Now()
				if got := ask(t, m, "p/m"); !strings.HasSuffix(got, test.want) {
					t.Errorf("got %s, want %s", got, test.want)
				}
				if took := time.Since(began); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
			})
		})
	}
}

// The reader's own time does not count as the provider's.
func TestASlowReaderIsNoIdleProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := models.New(models.Config{Providers: []models.Provider{{Name: "p", Model: script.New(full)}}, Prices: price.Shipped(), Limits: models.Limits{First: time.Second, Idle: time.Second}})
		for _, err := range m.Stream(t.Context(), llm.Request{Model: "p/m"}) {
			if err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute) //nolint:forbidigo // in the bubble's time: nothing waits
		}
	})
}

func TestBreakerAndFallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o observed
		bad := script.Func(func(llm.Request) script.Turn { return fail(llm.Unreachable, 0) })
		m := models.New(models.Config{
			Providers: []models.Provider{{Name: "p", Model: bad}, {Name: "q", Model: script.Func(func(llm.Request) script.Turn { return full })}},
			Prices:    price.Shipped(), Fallback: "q/other", Observe: o.see,
		})
		for range 3 {
			usage := llm.Usage{}
			for e, err := range m.Stream(t.Context(), llm.Request{Model: "p/m"}) {
				if err != nil {
					t.Errorf("with a fallback: %v", err)
				}
				if e.Kind == llm.UsageReport {
					usage = e.Usage
				}
			}
			if want := (llm.Usage{Input: 3, Output: 1, Model: "q/other"}); usage != want {
				t.Errorf("usage %+v, want %+v", usage, want)
			}
		}
		asked := len(bad.Requests())
		if asked != 6 {
			t.Errorf("the provider was asked %d times before it was left alone, want 6", asked)
		}
		want := "p p/m unreachable x3; q q/other stop x1; p p/m unreachable x3; q q/other stop x1; p p/m unreachable x0; q q/other stop x1"
		if got := o.ends(); got != want {
			t.Errorf("observed %s, want %s", got, want)
		}
		time.Sleep(11 * time.Second) //nolint:forbidigo // in the bubble's time: nothing waits
		ask(t, m, "p/m")
		if got := len(bad.Requests()); got != 7 {
			t.Errorf("after a while it was asked %d times in all, want one probe", got)
		}
	})
}

func TestNoFallbackForWhatNobodyCanAnswer(t *testing.T) {
	t.Parallel()
	for name, turn := range map[string]script.Turn{
		"refused": fail(llm.Refused, 0), "too long": fail(llm.ContextTooLong, 0), "begun": script.Join(script.Text("Hello"), fail(llm.Broken, 0)),
	} {
		other := script.New(full)
		m := models.New(models.Config{
			Providers: []models.Provider{{Name: "p", Model: script.New(turn)}, {Name: "q", Model: other}}, Prices: price.Shipped(), Fallback: "q/other",
		})
		if got := ask(t, m, "p/m"); !strings.Contains(got, "error") || len(other.Requests()) != 0 {
			t.Errorf("%s: %s", name, got)
		}
	}
	alone := models.New(models.Config{Providers: []models.Provider{{Name: "q", Model: script.New(full)}}, Prices: price.Shipped(), Fallback: "q/other"})
	if got := ask(t, alone, "gpt-4"); got != fullText {
		t.Errorf("a model without a provider: %s", got)
	}
}

func TestCancelledBetweenTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o observed
		m := models.New(models.Config{
			Providers: []models.Provider{{Name: "p", Model: script.New(fail(llm.RateLimited, 9*time.Second), full)}, {Name: "q", Model: script.New(full)}},
			Prices:    price.Shipped(), Fallback: "q/other", Observe: o.see,
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		mine := errors.New("mine")
		time.AfterFunc(time.Second, func() { cancel(mine) })
		began := time.Now()
		got := llmtest.Collect(ctx, m, llm.Request{Model: "p/m"})
		if got != "error mine\n" || time.Since(began) != time.Second || o.ends() != "p p/m cancelled x1" {
			t.Errorf("got %s after %v; observed %s", got, time.Since(began), o.ends())
		}
	})
}

// What was used is told when a reader cancels and keeps reading.
func TestCancelledInTheMiddle(t *testing.T) {
	t.Parallel()
	never := make(chan struct{})
	m := models.New(models.Config{Providers: []models.Provider{{Name: "p", Model: script.New(script.Join(script.Text("hello world"), script.Wait(never)))}}, Prices: price.Shipped()})
	ctx, cancel := context.WithCancel(t.Context())
	var lines []string
	for e, err := range m.Stream(ctx, llm.Request{Model: "p/m"}) {
		cancel()
		if err != nil {
			lines = append(lines, err.Error())
			continue
		}
		lines = append(lines, strings.TrimSpace(llmtest.Line(e)))
	}
	cancel()
	want := []string{`text "hello world"`, "usage input=4 cached=0 output=2 reasoning=0 estimated", "context canceled"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMaxTokensFitTheModel(t *testing.T) {
	t.Parallel()
	model := script.New(full)
	m := models.New(models.Config{Default: &models.Provider{Name: "openai", Model: model}, Prices: price.Shipped()})
	llmtest.Collect(t.Context(), m, llm.Request{Model: "gpt-3.5-turbo", MaxTokens: 100_000})
	if got := model.Requests()[0].MaxTokens; got != 4096 {
		t.Errorf("asked for %d tokens", got)
	}
}

func TestPricesAndList(t *testing.T) {
	t.Parallel()
	table, err := price.Read(strings.NewReader(`{"date":"2026-01-01","source":"x","models":[
		{"model":"demo","input":0,"output":0,"context":9},{"model":"a","vendor":"v","input":1,"output":2,"context":5},
		{"model":"b","vendor":"v","input":3,"output":4},{"model":"c","input":9,"output":9},{"model":"p/a","input":7,"output":7}]}`))
	if err != nil {
		t.Fatal(err)
	}
	m := models.New(models.Config{
		Default:   &models.Provider{Name: "openai", Vendor: "v", Models: []string{"a", "mine"}},
		Providers: []models.Provider{{Name: "p", Models: []string{"a", "c"}}, {Name: "local", Free: true, Models: []string{"c"}}},
		Prices:    table, Fallback: "p/x",
	})
	got := []string{}
	for _, i := range m.List() {
		got = append(got, fmt.Sprintf("%s %s %d %d %v", i.Provider, i.Model, i.Entry.Input/1e9, i.Entry.Context, i.Priced))
	}
	want := []string{"demo demo 0 9 true", "local local/c 0 0 true", "openai a 1 5 true", "openai b 3 0 true", "openai mine 0 0 false",
		"p p/a 7 0 true", "p p/c 9 0 true", "p p/x 0 0 false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	offline := models.New(models.Config{Prices: table})
	if e, ok := offline.Price("gpt-4"); !ok || !e.Free() || e.Context != 9 || !offline.Offline() {
		t.Errorf("offline: %+v, %v", e, ok)
	}
	if _, ok := models.New(models.Config{Providers: []models.Provider{{Name: "p"}}, Prices: table}).Price("a"); ok {
		t.Error("a model without a provider has a price")
	}
}
