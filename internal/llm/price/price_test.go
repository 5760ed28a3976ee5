package price_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/price"
)

func TestShippedTable(t *testing.T) {
	t.Parallel()
	table := price.Shipped()
	if table.Date.IsZero() || table.Date.After(time.Now()) || table.Source == "" {
		t.Errorf("Date %v, Source %q", table.Date, table.Source)
	}
	for model, want := range map[string]int64{ // a million in, half of it cached, and a million out
		"gpt-4o": 2500 + 1250 + 20000, "gpt-4o-2024-08-06": 2500 + 1250 + 20000, "gpt-4o-mini": 150 + 75 + 1200,
		"gpt-4": 30000 + 30000 + 120000, "claude-sonnet-4-5-20250929": 3000 + 300 + 30000, "claude-3-5-haiku-latest": 800 + 80 + 8000, "demo": 0,
	} {
		e, ok := table.Of(model)
		if got := e.Cost(llm.Usage{Input: 2_000_000, Cached: 1_000_000, Output: 2_000_000}); !ok || got != want*1_000_000 || e.Context == 0 || e.MaxOutput == 0 {
			t.Errorf("%s: %d nanos, %+v, %v; want %d", model, got, e, ok, want*1_000_000)
		}
	}
	for _, model := range []string{"", "gpt", "gpt-4o-2024", "gpt-4o-audio-preview", "ollama/llama3"} {
		if e, ok := table.Of(model); ok {
			t.Errorf("%q has a price: %+v", model, e)
		}
	}
}

func TestCostIsRoundedUpAndBounded(t *testing.T) {
	t.Parallel()
	e := price.Entry{Input: 1, Cached: 0, Output: 500_000}
	tests := []struct {
		usage llm.Usage
		want  int64
	}{
		{llm.Usage{}, 0},
		{llm.Usage{Input: 1}, 1},
		{llm.Usage{Input: 1, Cached: 1}, 0},
		{llm.Usage{Input: 1, Cached: 5}, 0},
		{llm.Usage{Input: 1, Output: 2}, 2}, // one rounding for all
		{llm.Usage{Input: -1, Cached: -1, Output: -1}, 0},
		{llm.Usage{Input: math.MaxInt64}, math.MaxInt64/1_000_000 + 1},
	}
	for _, test := range tests {
		if got := e.Cost(test.usage); got != test.want {
			t.Errorf("Cost(%+v) = %d, want %d", test.usage, got, test.want)
		}
	}
	dear := price.Entry{Input: math.MaxInt64, Output: math.MaxInt64}
	if got := dear.Cost(llm.Usage{Input: math.MaxInt64, Output: math.MaxInt64}); got != math.MaxInt64 {
		t.Errorf("the dearest call costs %d", got)
	}
}

func TestOutputForIsWhatCanBePaid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := price.Entry{Input: rapid.Int64Range(0, 1e12).Draw(t, "input price"), Output: rapid.Int64Range(1, 1e12).Draw(t, "output price")}
		nanos, input := rapid.Int64Range(0, 1e15).Draw(t, "nanos"), rapid.Int64Range(0, 1e7).Draw(t, "input")
		n := e.OutputFor(nanos, input)
		if n < 0 || n > 0 && e.Cost(llm.Usage{Input: input, Output: n}) > nanos {
			t.Fatalf("%d tokens cost more than %d", n, nanos)
		}
		if n < math.MaxInt64 && e.Cost(llm.Usage{Input: input, Output: n + 1}) <= nanos {
			t.Fatalf("%d tokens, and one more could be paid", n)
		}
	})
}

func TestReadAndOver(t *testing.T) {
	t.Parallel()
	own, err := price.Read(strings.NewReader(`{"date":"2026-02-03","source":"contract","models":[
		{"model":"gpt-4o","input":1.5,"output":"2"},{"model":"ollama/*","input":"0","output":"0"},{"model":"ollama/big-*","input":"1","output":"1"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	table := own.Over(price.Shipped())
	for model, want := range map[string]int64{"gpt-4o": 1.5e9 + 2e9, "gpt-4o-mini": 75e6 + 6e8, "ollama/llama3:8b": 0, "ollama/big-one": 1e9 + 1e9} {
		e, ok := table.Of(model)
		if got := e.Cost(llm.Usage{Input: 1_000_000, Cached: 1_000_000, Output: 1_000_000}); !ok || got != want {
			t.Errorf("%s: %d, %v; want %d", model, got, ok, want)
		}
	}
	if _, ok := table.Of("ollama/a/b"); ok {
		t.Error("a star reaches over a slash")
	}
	for _, bad := range []string{
		``, `[]`, `{"models":[]}`, `{"date":"today","models":[]}`, `{"date":"2026-01-01","modells":[]}`,
		`{"date":"2026-01-01","models":[{"model":"","input":"1","output":"1"}]}`,
		`{"date":"2026-01-01","models":[{"model":"x","input":"-1","output":"1"}]}`,
		`{"date":"2026-01-01","models":[{"model":"x","input":"1"}]}`,
		`{"date":"2026-01-01","models":[{"model":"x","context":-1,"input":"1","output":"1"}]}`,
		`{"date":"2026-01-01","models":[{"model":"[x*","input":"1","output":"1"}]}`,
		`{"date":"2026-01-01","models":[{"model":"x","input":"1","output":"1"},{"model":"x","input":"1","output":"1"}]}`,
		strings.Repeat(" ", 5<<20),
	} {
		if _, err := price.Read(strings.NewReader(bad)); err == nil {
			t.Errorf("Read(%.60q) took it", bad)
		}
	}
}

func TestDearer(t *testing.T) {
	t.Parallel()
	got := price.Entry{Model: "a", Context: 10, Input: 1, Cached: 5, Output: 3}.Dearer(price.Entry{Model: "b", Context: 8, MaxOutput: 4, Input: 2, Output: 2})
	if want := (price.Entry{Model: "a", Context: 8, MaxOutput: 4, Input: 2, Cached: 5, Output: 3}); got != want {
		t.Errorf("Dearer = %+v, want %+v", got, want)
	}
}

func TestDollars(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0": 0, "1": 1e9, "0.0125": 12_500_000, "000.000000001": 1, "1000000": 1e15, "3.50": 35e8} {
		if got, err := price.ParseUSD(text); err != nil || got != want {
			t.Errorf("ParseUSD(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "+1", "1e3", ".5", "1.", "1,5", " 1", "NaN", "0x10", "1000000.000000001", "0.0000000001", "99999999", "1_0", "١"} {
		if got, err := price.ParseUSD(text); !errors.Is(err, price.ErrAmount) {
			t.Errorf("ParseUSD(%q) = %d, %v; want ErrAmount", text, got, err)
		}
	}
	for nanos, want := range map[int64]string{0: "0.00", 1: "0.000000001", 1e9: "1.00", 12_500_000: "0.0125", 35e8: "3.50", -5e8: "-0.50"} {
		if got := price.FormatUSD(nanos); got != want {
			t.Errorf("FormatUSD(%d) = %q, want %q", nanos, got, want)
		}
	}
}
