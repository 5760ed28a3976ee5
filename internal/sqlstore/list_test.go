package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore"
)

// listed is a list over the samples table: text is searched in opt_txt.
var listed = sqlstore.ListSpec{
	Columns: "s.id, s.txt",
	From:    "samples s",
	Where:   "s.num >= $1 OR s.num = $2",
	Args:    []any{int64(10), int64(5)},
	ID:      "s.id",
	Order: map[string]sqlstore.OrderKey{
		"id": {Expr: "s.id"}, "name": {Expr: "s.txt"}, "flag": {Expr: "s.flag"}, "at": {Expr: "s.at"},
		"seen": {Expr: "s.opt_at", Nullable: true},
	},
	Default: []page.Order{{Field: "flag", Desc: true}, {Field: "at", Desc: true}},
	Filters: map[string]sqlstore.Filter{
		"name": {Expr: "s.txt"}, "flag": {Expr: "s.flag", Parse: sqlstore.FilterBool},
		"number": {Expr: "s.num", Parse: sqlstore.FilterInt},
	},
	Search: "s.opt_txt",
}

type listItem struct {
	ID   int64
	Name string
}

func scanItem(r pgx.Rows) (it listItem, err error) { return it, r.Scan(&it.ID, &it.Name) }

func fill(t *testing.T, d *sqlstore.DB) {
	t.Helper()
	for i, s := range []struct {
		name, text string
		flag       bool
		seen       *time.Time
	}{
		{"beta", sqlstore.SearchText("Größe 100%", "a_b"), true, nil},
		{"alpha", sqlstore.SearchText("GRÖSSE", `back\slash`), false, ptr(sampleTime)},
		{"Alpha", sqlstore.SearchText("dark blue"), true, ptr(sampleTime.Add(time.Second))},
		{"émile", sqlstore.SearchText("blue, dark"), false, nil},
		{"Zoe", sqlstore.SearchText("axb", "100"), true, ptr(sampleTime)},
		{"zoe", sqlstore.SearchText("ÉMILE Zola"), false, ptr(sampleTime.Add(time.Second))},
	} {
		mustExec(t, d.WriteDBTX(), `INSERT INTO samples (id, txt, opt_txt, num, flag, ratio, at, opt_at, doc)
			VALUES ($1, $2, $3, $4, $5, 0, $6, $7, '')`,
			int64(i+1), s.name, s.text, int64(i+10), s.flag, sampleTime.Add(time.Duration(i/2)*time.Hour), s.seen)
	}
	mustInsert(t, d.WriteDBTX(), 100, 1, "another's") // outside of Where
}

func TestListPageOrder(t *testing.T) {
	t.Parallel()
	order := func(fields ...string) (keys []page.Order) {
		for _, f := range fields {
			name, desc := strings.CutPrefix(f, "-")
			keys = append(keys, page.Order{Field: name, Desc: desc})
		}
		return keys
	}
	tests := []struct {
		name string
		keys []page.Order
		want []int64
	}{
		{"default", nil, []int64{5, 3, 1, 6, 4, 2}},
		{"only unknown fields", order("nothing", "-s.id; DROP TABLE samples"), []int64{5, 3, 1, 6, 4, 2}},
		{"id", order("id"), []int64{1, 2, 3, 4, 5, 6}},
		{"id descending", order("-id"), []int64{6, 5, 4, 3, 2, 1}},
		{"text by bytes", order("name"), []int64{3, 5, 2, 1, 6, 4}},
		{"text descending", order("-name"), []int64{4, 6, 1, 2, 5, 3}},
		{"ties by id", order("flag"), []int64{2, 4, 6, 1, 3, 5}},
		{"ties by id descending", order("-flag"), []int64{5, 3, 1, 6, 4, 2}},
		{"two keys", order("flag", "-at"), []int64{6, 4, 2, 5, 3, 1}},
		{"null last", order("seen"), []int64{2, 5, 3, 6, 1, 4}},
		{"null first descending", order("-seen"), []int64{4, 1, 6, 3, 5, 2}},
		{"first mention counts", order("-id", "id", "name"), []int64{6, 5, 4, 3, 2, 1}},
		{"an unknown field among known", order("nothing", "name", "x"), []int64{3, 5, 2, 1, 6, 4}},
	}
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		fill(t, d)
		for _, tt := range tests {
			req := page.Request{Number: 1, Size: 10, Ordering: tt.keys}
			res, err := sqlstore.ListPage(t.Context(), d.ReadDBTX(), listed, req, scanItem)
			if got := ids(res.Items); err != nil || !slices.Equal(got, tt.want) || res.Count != 6 {
				t.Errorf("%s: %v of %d, %v; want %v of 6", tt.name, got, res.Count, err, tt.want)
			}
		}
	})
}

func ids(items []listItem) []int64 {
	out := []int64{}
	for _, it := range items {
		out = append(out, it.ID)
	}
	return out
}

func TestListPageFilterAndSearch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		search  string
		filters map[string]string
		want    []int64
	}{
		{"", nil, []int64{1, 2, 3, 4, 5, 6}},
		{"  \t\n", nil, []int64{1, 2, 3, 4, 5, 6}},
		{"GRÖSSE", nil, []int64{2}},
		{"größe", nil, []int64{1}},
		{"émile", nil, []int64{6}},
		{"dark BLUE", nil, []int64{3, 4}},
		{"dark,blue", nil, []int64{3, 4}},
		{`"dark blue"`, nil, []int64{3}},
		{`'blue, dark'`, nil, []int64{4}},
		{`"dark blue`, nil, []int64{}},
		{"blue nothing", nil, []int64{}},
		{"100%", nil, []int64{1}},
		{"100", nil, []int64{1, 5}},
		{"a_b", nil, []int64{1}},
		{`k\s`, nil, []int64{2}},
		{`\`, nil, []int64{2}},
		{"axb 100", nil, []int64{5}},
		{"axb100", nil, []int64{}},
		{"d\x00ark", nil, []int64{3, 4}},
		{"\xff", nil, []int64{}},
		{strings.Repeat("x", 60_000), nil, []int64{}},
		{strings.Repeat("%", 10_000), nil, []int64{}},
		{strings.Repeat("dark ", 20_000), nil, []int64{3, 4}},
		{words(5000), nil, []int64{}},
		{"'; DROP TABLE samples; --", nil, []int64{}},
		{"", map[string]string{"name": "Alpha"}, []int64{3}},
		{"", map[string]string{"name": "Alp%"}, []int64{}},
		{"", map[string]string{"name": ""}, []int64{}},
		{"", map[string]string{"name": "a\x00"}, []int64{}},
		{"", map[string]string{"name": "\xff"}, []int64{}},
		{"", map[string]string{"flag": "true"}, []int64{1, 3, 5}},
		{"", map[string]string{"flag": "False"}, []int64{2, 4, 6}},
		{"", map[string]string{"flag": "perhaps"}, []int64{}},
		{"", map[string]string{"number": "12"}, []int64{3}},
		{"", map[string]string{"number": "99999999999999999999"}, []int64{}},
		{"", map[string]string{"nothing": "x", "id": "1"}, []int64{1, 2, 3, 4, 5, 6}},
		{"blue", map[string]string{"flag": "1", "name": "Alpha"}, []int64{3}},
	}
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		fill(t, d)
		for _, tt := range tests {
			req := page.Request{
				Number: 1, Size: 10, Ordering: []page.Order{{Field: "id"}}, Search: tt.search, Filters: tt.filters,
			}
			res, err := sqlstore.ListPage(t.Context(), d.ReadDBTX(), listed, req, scanItem)
			if got := ids(res.Items); err != nil || !slices.Equal(got, tt.want) || res.Count != len(tt.want) {
				t.Errorf("search %.40q, filters %q: %v of %d, %v; want %v", tt.search, tt.filters, got, res.Count, err, tt.want)
			}
		}
	})
}

// words gives n different words.
func words(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "w%d ", i)
	}
	return b.String()
}

func TestListPageNumbers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		req     page.Request
		want    []int64
		number  int
		invalid bool
	}{
		{req: page.Request{Number: 1, Size: 4}, want: []int64{1, 2, 3, 4}, number: 1},
		{req: page.Request{Number: 2, Size: 4}, want: []int64{5, 6}, number: 2},
		{req: page.Request{Last: true, Size: 4}, want: []int64{5, 6}, number: 2},
		{req: page.Request{Last: true, Number: 77, Size: 3}, want: []int64{4, 5, 6}, number: 2},
		{req: page.Request{Number: 1, Size: math.MaxInt}, want: []int64{1, 2, 3, 4, 5, 6}, number: 1},
		{req: page.Request{Number: 3, Size: 3}, invalid: true},
		{req: page.Request{Number: 0, Size: 3}, invalid: true},
		{req: page.Request{Number: -1, Size: 3}, invalid: true},
		{req: page.Request{Number: math.MinInt, Size: 3}, invalid: true},
		{req: page.Request{Number: math.MaxInt, Size: 1}, invalid: true},
		{req: page.Request{Number: math.MaxInt, Size: 100}, invalid: true},
		{req: page.Request{Number: math.MaxInt/100 + 1, Size: 100}, invalid: true},
		{req: page.Request{Number: 2, Size: math.MaxInt}, invalid: true},
	}
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		empty, err := sqlstore.ListPage(t.Context(), d.ReadDBTX(), listed, page.Request{Number: 1, Size: 5}, scanItem)
		if want := (page.Result[listItem]{Items: []listItem{}, Number: 1, Size: 5}); err != nil || !cmp.Equal(empty, want) {
			t.Errorf("empty list: %+v, %v", empty, err)
		}
		last, err := sqlstore.ListPage(t.Context(), d.ReadDBTX(), listed, page.Request{Last: true, Size: 5}, scanItem)
		if err != nil || last.Number != 1 || last.Items == nil {
			t.Errorf("last page of an empty list: %+v, %v", last, err)
		}
		fill(t, d)
		for _, tt := range tests {
			tt.req.Ordering = []page.Order{{Field: "id"}}
			res, err := sqlstore.ListPage(t.Context(), d.ReadDBTX(), listed, tt.req, scanItem)
			if tt.invalid {
				if !errors.Is(err, page.ErrInvalid) {
					t.Errorf("%+v: %v, want ErrInvalid", tt.req, err)
				}
				continue
			}
			if err != nil || !slices.Equal(ids(res.Items), tt.want) || res.Count != 6 || res.Number != tt.number || res.Size != tt.req.Size {
				t.Errorf("%+v: %+v, %v; want %v on page %d", tt.req, res, err, tt.want, tt.number)
			}
		}
		if _, err := sqlstore.ListPage(t.Context(), d.ReadDBTX(), listed, page.Request{Number: 1}, scanItem); err == nil {
			t.Error("a page of no rows was fetched")
		}
	})
}

// Errors of the database and of scan come through, and pgx's collectors see the
// columns that were asked for.
func TestListPageScan(t *testing.T) {
	t.Parallel()
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		fill(t, d)
		req := page.Request{Number: 1, Size: 2, Ordering: []page.Order{{Field: "id"}}}
		named := func(r pgx.Rows) (listItem, error) { return pgx.RowToStructByPos[listItem](r) }
		res, err := sqlstore.ListPage(t.Context(), d.ReadDBTX(), listed, req, named)
		if want := []listItem{{1, "beta"}, {2, "alpha"}}; err != nil || !cmp.Equal(res.Items, want) {
			t.Errorf("by position: %v, %v; want %v", res.Items, err, want)
		}
		values := func(r pgx.Rows) ([]any, error) { return r.Values() }
		all, err := sqlstore.ListPage(t.Context(), d.ReadDBTX(), listed, req, values)
		if want := [][]any{{int64(1), "beta"}, {int64(2), "alpha"}}; err != nil || !cmp.Equal(all.Items, want) {
			t.Errorf("Values: %v, %v; want %v", all.Items, err, want)
		}
		refuse := func(pgx.Rows) (int, error) { return 0, errRefused }
		if _, err := sqlstore.ListPage(t.Context(), d.ReadDBTX(), listed, req, refuse); !errors.Is(err, errRefused) {
			t.Errorf("scan's error: %v", err)
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := sqlstore.ListPage(done, d.ReadDBTX(), listed, req, scanItem); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		wrong := listed
		wrong.From = "nowhere s"
		if _, err := sqlstore.ListPage(t.Context(), d.ReadDBTX(), wrong, req, scanItem); err == nil {
			t.Error("a list over a missing table succeeded")
		}
		mustInsert(t, d.WriteDBTX(), 200, 200, "every connection is free again")
	})
}
