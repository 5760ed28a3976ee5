// Package price knows what models cost and how much they read.
//
// A Table is dated and names its source; one is shipped, and an operator's
// file can stand over it. Amounts are whole billionths of a US dollar (nanos):
// a price is nanos per million tokens, so that every price that vendors print
// is exact, and what a call costs is rounded up to a whole nano.
package price

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/llm"
)

// Nano is the number of nanos in a US dollar.
const Nano = 1_000_000_000

const million = 1_000_000

// Entry is what is known of a model.
type Entry struct {
	// Model is the name; a "*" in it stands for any text without a slash.
	Model string
	// Vendor is who offers it: "openai", "anthropic"; "" for others.
	Vendor string
	// Context is how many tokens fit, question and answer together; 0 is unknown.
	Context int64
	// MaxOutput is the longest answer in tokens; 0 is unknown.
	MaxOutput int64
	// Input, Cached and Output are nanos per million tokens. Cached is for input
	// that the provider had kept; thoughts are paid as output.
	Input, Cached, Output int64
}

// Free reports whether the model costs nothing.
func (e Entry) Free() bool { return e.Input == 0 && e.Cached == 0 && e.Output == 0 }

// Cost is what a call costs in nanos, rounded up. Impossible counts (negative,
// more cached than input) cost as the nearest possible ones.
func (e Entry) Cost(u llm.Usage) int64 {
	input, output := max(u.Input, 0), max(u.Output, 0)
	cached := min(max(u.Cached, 0), input)
	var hi, lo uint64
	for _, part := range [...][2]int64{{input - cached, e.Input}, {cached, e.Cached}, {output, e.Output}} {
		h, l := bits.Mul64(uint64(part[0]), uint64(part[1])) //nolint:gosec // neither is negative
		var carry uint64
		lo, carry = bits.Add64(lo, l, 0)
		hi += h + carry
	}
	return perMillion(hi, lo)
}

// Dearer is the entry that costs, for every kind of token, what the dearer of
// the two costs; it reads what both read.
func (e Entry) Dearer(other Entry) Entry {
	e.Input, e.Cached, e.Output = max(e.Input, other.Input), max(e.Cached, other.Cached), max(e.Output, other.Output)
	e.Context, e.MaxOutput = least(e.Context, other.Context), least(e.MaxOutput, other.MaxOutput)
	return e
}

// least is the smaller of two limits, where 0 is unknown.
func least(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// OutputFor is how many tokens of output the amount buys after the input.
func (e Entry) OutputFor(nanos, input int64) int64 {
	if e.Output == 0 {
		if e.Cost(llm.Usage{Input: input}) > nanos {
			return 0
		}
		return math.MaxInt64
	}
	// nanos*10^6 - input*Input, and how often Output goes into that.
	hi, lo := bits.Mul64(uint64(max(nanos, 0)), million)                         //nolint:gosec // not negative
	usedHi, usedLo := bits.Mul64(uint64(max(input, 0)), uint64(max(e.Input, 0))) //nolint:gosec // not negative
	lo, borrow := bits.Sub64(lo, usedLo, 0)
	hi, borrow = bits.Sub64(hi, usedHi, borrow)
	if borrow != 0 {
		return 0
	}
	if hi >= uint64(e.Output) { //nolint:gosec // not negative
		return math.MaxInt64
	}
	n, _ := bits.Div64(hi, lo, uint64(e.Output)) //nolint:gosec // not negative
	return int64(min(n, math.MaxInt64))          //nolint:gosec // bounded just here
}

func perMillion(hi, lo uint64) int64 {
	if hi >= million {
		return math.MaxInt64
	}
	n, rest := bits.Div64(hi, lo, million)
	if rest > 0 {
		n++
	}
	if n > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(n)
}

// Table is a dated list of prices. Safe for concurrent use.
type Table struct {
	// Date is when the prices were read, Source where.
	Date   time.Time
	Source string

	entries  map[string]Entry
	patterns []Entry // with a star; the longest first
	under    *Table
}

//go:embed prices.json
var shipped []byte

// Shipped is the table that comes with this version.
func Shipped() *Table {
	t, err := Read(bytes.NewReader(shipped))
	if err != nil {
		panic("the shipped price table: " + err.Error()) // a test reads it
	}
	return t
}

// file is the form of a table on disk.
type file struct {
	Date   string `json:"date"`
	Source string `json:"source"`
	Models []struct {
		Model     string      `json:"model"`
		Vendor    string      `json:"vendor"`
		Context   int64       `json:"context"`
		MaxOutput int64       `json:"max_output"`
		Input     json.Number `json:"input"`
		Cached    json.Number `json:"cached_input"`
		Output    json.Number `json:"output"`
	} `json:"models"`
}

// maxFile bounds a table on disk.
const maxFile = 4 << 20

// Read reads a table: {"date", "source", "models": [{"model", "vendor",
// "context", "max_output", "input", "cached_input", "output"}]}, prices in US dollars per
// million tokens. Without cached_input cached tokens cost as others. The error
// names the model at fault.
func Read(r io.Reader) (*Table, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, errors.New("more than 4 MiB")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var f file
	if err := dec.Decode(&f); err != nil {
		return nil, err
	}
	t := &Table{Source: f.Source, entries: make(map[string]Entry, len(f.Models))}
	if t.Date, err = time.Parse(time.DateOnly, f.Date); err != nil {
		return nil, errors.New(`"date" must be a day such as 2026-01-31`)
	}
	for _, m := range f.Models {
		e := Entry{Model: m.Model, Vendor: m.Vendor, Context: m.Context, MaxOutput: m.MaxOutput}
		if m.Model == "" || m.Context < 0 || m.MaxOutput < 0 {
			return nil, fmt.Errorf("model %q: it needs a name, and sizes that are not negative", m.Model)
		}
		if m.Cached == "" {
			m.Cached = m.Input
		}
		for _, p := range []struct {
			name string
			text json.Number
			to   *int64
		}{{"input", m.Input, &e.Input}, {"cached_input", m.Cached, &e.Cached}, {"output", m.Output, &e.Output}} {
			if *p.to, err = ParseUSD(p.text.String()); err != nil {
				return nil, fmt.Errorf("model %q: %s is %q: %w", m.Model, p.name, p.text, err)
			}
		}
		if err := t.add(e); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(t.patterns, func(a, b Entry) int { return len(b.Model) - len(a.Model) })
	return t, nil
}

func (t *Table) add(e Entry) error {
	if !strings.Contains(e.Model, "*") {
		if _, twice := t.entries[e.Model]; twice {
			return fmt.Errorf("model %q stands twice", e.Model)
		}
		t.entries[e.Model] = e
		return nil
	}
	if _, err := path.Match(e.Model, ""); err != nil || strings.ContainsAny(e.Model, `?[\`) {
		return fmt.Errorf("model %q: only * may stand for other text", e.Model)
	}
	t.patterns = append(t.patterns, e)
	return nil
}

// Over is this table where it knows a model, and the other one elsewhere.
func (t *Table) Over(other *Table) *Table {
	c := *t
	c.under = other
	return &c
}

// Entries are the models of a vendor that the table names, in no order; none
// for "".
func (t *Table) Entries(vendor string) []Entry {
	var list []Entry
	for ; t != nil && vendor != ""; t = t.under {
		for _, e := range t.entries {
			if e.Vendor == vendor {
				list = append(list, e)
			}
		}
	}
	return list
}

// dated is what vendors append to the name of a model for one edition of it.
var dated = regexp.MustCompile(`-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$`)

// Of finds a model: by its name, by its name without a trailing date or
// "-latest", then by the longest pattern that fits.
func (t *Table) Of(model string) (Entry, bool) {
	for ; t != nil; t = t.under {
		for _, name := range []string{model, dated.ReplaceAllString(model, "")} {
			if e, ok := t.entries[name]; ok {
				return e, true
			}
		}
		for _, e := range t.patterns {
			if ok, _ := path.Match(e.Model, model); ok {
				return e, true
			}
		}
	}
	return Entry{}, false
}

// ErrAmount says that a text is no amount of dollars.
var ErrAmount = errors.New("not an amount of US dollars from 0 to 1000000 with at most nine decimals")

// maxUSD bounds every amount, so that sums stay far from the end of an int64.
const maxUSD = 1_000_000

// ParseUSD reads a plain decimal number of US dollars, such as "1" or "0.0125",
// as nanos. ErrAmount.
func ParseUSD(text string) (nanos int64, err error) {
	whole, frac, dot := strings.Cut(text, ".")
	if whole == "" || (dot && frac == "") || len(whole) > 7 || len(frac) > 9 || strings.Trim(whole+frac, "0123456789") != "" {
		return 0, ErrAmount
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 9-len(frac)), 10, 64)
	if err != nil || n > maxUSD*Nano {
		return 0, ErrAmount
	}
	return n, nil
}

// FormatUSD writes nanos as dollars, with at least two decimals and no more
// than are needed.
func FormatUSD(nanos int64) string {
	sign := ""
	if nanos < 0 {
		sign, nanos = "-", -nanos
	}
	text := fmt.Sprintf("%s%d.%09d", sign, nanos/Nano, nanos%Nano)
	trimmed := strings.TrimRight(text, "0")
	if dot := strings.IndexByte(text, '.'); len(trimmed) < dot+3 {
		return text[:dot+3]
	}
	return trimmed
}
