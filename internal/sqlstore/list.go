package sqlstore

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

// ListSpec describes a list that callers may order, filter, search and page.
// Everything in it is written by us: what a request asks for only ever chooses
// among these texts, and its values travel as parameters.
type ListSpec struct {
	// Columns is the select list: "t.id, t.name".
	Columns string
	// From is the table with its joins. Each row of the list must come once.
	From string
	// Where is the condition that always holds, such as "t.user_id = $1"; it
	// counts its parameters from $1. Empty means all rows.
	Where string
	// Args are the parameters of Where.
	Args []any
	// ID is the unique, never null column that decides between equal rows.
	ID string
	// Order says what the fields that may be ordered by are.
	Order map[string]OrderKey
	// Default is the order of a request that names no known field. Empty means
	// by ID.
	Default []page.Order
	// Filters says what the fields that may be filtered by are.
	Filters map[string]Filter
	// Search is the column made by SearchText. Empty means that the list cannot
	// be searched, and a search is ignored.
	Search string
}

// OrderKey is something to order by. Text sorts by its bytes (the PostgreSQL
// column must be declared COLLATE "C"), false before true, NULL after all else:
// descending order turns all of that round.
type OrderKey struct {
	Expr string
	// Nullable adds the expression that puts NULL in the same place on both
	// engines. An index that is to serve the order must have it too:
	// "(last_used IS NULL) DESC, last_used DESC".
	Nullable bool
	// Reversed turns the direction round: the field sorts by something that its
	// owner lists downwards.
	Reversed bool
}

// Filter is an exact condition on one column.
type Filter struct {
	Expr string
	// Parse turns the text of the request into the value to compare with; an
	// error means that no row matches. nil compares as text.
	Parse func(string) (any, error)
}

// FilterBool reads a boolean as Django REST framework's filters do.
func FilterBool(s string) (any, error) {
	switch strings.ToLower(s) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return nil, strconv.ErrSyntax
}

// FilterInt reads a whole number.
func FilterInt(s string) (any, error) { return strconv.ParseInt(s, 10, 64) }

// ListPage fetches one page and the number of rows on all pages, in one
// statement where that is possible. It fails with page.ErrInvalid if there is no
// such page. scan reads one row, all of Columns in their order. Fields that
// spec does not know are ignored.
func ListPage[T any](
	ctx context.Context, q db.DBTX, spec ListSpec, req page.Request, scan func(pgx.Rows) (T, error),
) (page.Result[T], error) {
	res := page.Result[T]{Items: []T{}, Size: req.Size}
	if req.Size < 1 {
		return res, errors.New("list: a page must hold at least one row")
	}
	l := newListQuery(spec, req)
	if req.Last {
		if err := l.count(ctx, q, &res.Count); err != nil {
			return res, err
		}
		req.Number, req.Last = page.Pages(res.Count, req.Size), false
	}
	// A number this large is beyond any list, and its offset beyond an int64.
	if req.Number < 1 || int64(req.Number) > math.MaxInt64/int64(req.Size) {
		return res, page.ErrInvalid
	}
	err := fetchPage(ctx, q, l, req, &res, scan)
	if err != nil {
		return res, err
	}
	if len(res.Items) == 0 && req.Number > 1 { // no row carried the count
		if err := l.count(ctx, q, &res.Count); err != nil {
			return res, err
		}
	}
	res.Number, _, err = req.Resolve(res.Count)
	return res, err
}

func fetchPage[T any](
	ctx context.Context, q db.DBTX, l *listQuery, req page.Request, res *page.Result[T], scan func(pgx.Rows) (T, error),
) error {
	args := append(l.args[:len(l.args):len(l.args)],
		int64(req.Size), (int64(req.Number)-1)*int64(req.Size))
	inner, err := q.Query(ctx, l.pageText(), args...)
	if err != nil {
		return err
	}
	defer inner.Close()
	res.Count = 0
	rows := &countedRows{Rows: inner, count: &res.Count}
	large := false
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return err
		}
		if !large && rows.size > largePage {
			if large = takeLargePage(ctx); !large {
				return ErrBusy
			}
		}
		res.Items = append(res.Items, item)
	}
	return rows.Err()
}

// countedRows hides the first column, the number of all rows, from scan.
type countedRows struct {
	pgx.Rows
	count *int
	dests []any
	size  int // of the texts that were read, in bytes
}

func (r *countedRows) Scan(dest ...any) error {
	if len(dest) == 1 {
		if s, ok := dest[0].(pgx.RowScanner); ok {
			return s.ScanRow(r)
		}
	}
	r.dests = append(append(r.dests[:0], r.count), dest...)
	err := r.Rows.Scan(r.dests...)
	for _, d := range dest {
		switch d := d.(type) {
		case *string:
			r.size += len(*d)
		case **string:
			if *d != nil {
				r.size += len(**d)
			}
		}
	}
	return err
}

func (r *countedRows) FieldDescriptions() []pgconn.FieldDescription {
	if fields := r.Rows.FieldDescriptions(); len(fields) > 0 {
		return fields[1:]
	}
	return nil
}

func (r *countedRows) Values() ([]any, error) {
	values, err := r.Rows.Values()
	if err != nil || len(values) == 0 {
		return nil, err
	}
	return values[1:], nil
}

func (r *countedRows) RawValues() [][]byte {
	if values := r.Rows.RawValues(); len(values) > 0 {
		return values[1:]
	}
	return nil
}

// listQuery is a list with a request's conditions and order.
type listQuery struct {
	columns string
	source  string // FROM … WHERE …
	order   string
	args    []any
}

func newListQuery(spec ListSpec, req page.Request) *listQuery {
	l := &listQuery{columns: spec.Columns, order: orderBy(spec, req.Ordering)}
	l.args = append(l.args, spec.Args...)
	var where []string
	if spec.Where != "" {
		where = append(where, "("+spec.Where+")")
	}
	where = l.filter(where, spec.Filters, req.Filters)
	if spec.Search != "" && req.Search != "" {
		where = l.search(where, spec.Search, req.Search)
	}
	l.source = "FROM " + spec.From
	if len(where) > 0 {
		l.source += " WHERE " + strings.Join(where, " AND ")
	}
	return l
}

// matchesNothing is a condition; neither engine looks at a row for it.
const matchesNothing = "1 = 0"

// arg adds a parameter and gives its placeholder.
func (l *listQuery) arg(v any) string {
	l.args = append(l.args, v)
	return "$" + strconv.Itoa(len(l.args))
}

// filter adds the conditions in the order of the allow-list's sorted names, so
// that equal requests are equal statements and are prepared once.
func (l *listQuery) filter(where []string, allowed map[string]Filter, asked map[string]string) []string {
	for _, name := range sortedKeys(asked) {
		f, ok := allowed[name]
		if !ok {
			continue
		}
		var value any = asked[name]
		if f.Parse != nil {
			v, err := f.Parse(asked[name])
			if err != nil {
				return append(where, matchesNothing)
			}
			value = v
		}
		// PostgreSQL refuses such text; it could not have been stored either.
		if s, isText := value.(string); isText && (!utf8.ValidString(s) || strings.ContainsRune(s, 0)) {
			return append(where, matchesNothing)
		}
		where = append(where, f.Expr+" = "+l.arg(value))
	}
	return where
}

func (l *listQuery) search(where []string, column, text string) []string {
	patterns, none := searchPatterns(text)
	if none {
		return append(where, matchesNothing)
	}
	for _, p := range patterns {
		// Both sides are folded by Go, so it is no matter that SQLite's LIKE
		// takes ASCII letters of either case for the same.
		where = append(where, column+" LIKE "+l.arg(p)+` ESCAPE '\'`)
	}
	return where
}

// pageText has two parameters more: the limit and the offset. The count is a
// subquery, which both engines run once; a window function would keep them from
// stopping at the limit.
func (l *listQuery) pageText() string {
	n := len(l.args)
	return "SELECT (SELECT count(*) " + l.source + "), " + l.columns + " " + l.source +
		" ORDER BY " + l.order +
		" LIMIT $" + strconv.Itoa(n+1) + " OFFSET $" + strconv.Itoa(n+2)
}

func (l *listQuery) count(ctx context.Context, q db.DBTX, n *int) error {
	return q.QueryRow(ctx, "SELECT count(*) "+l.source, l.args...).Scan(n)
}

// orderBy is total: the ID decides in the end, in the direction of the first
// key, so that a descending list is the ascending one read backwards.
func orderBy(spec ListSpec, asked []page.Order) string {
	keys, total := orderKeys(spec, asked)
	if len(keys) == 0 {
		keys, total = orderKeys(spec, spec.Default)
	}
	if !total {
		direction := " ASC"
		if len(keys) > 0 && strings.HasSuffix(keys[0], " DESC") {
			direction = " DESC"
		}
		keys = append(keys, spec.ID+direction)
	}
	return strings.Join(keys, ", ")
}

// orderKeys gives the keys of the known fields. total is set when the ID is
// among them: what comes after it decides nothing.
func orderKeys(spec ListSpec, asked []page.Order) (keys []string, total bool) {
	seen := make(map[string]bool, len(asked))
	for _, o := range asked {
		key, ok := spec.Order[o.Field]
		if !ok || seen[key.Expr] {
			continue
		}
		seen[key.Expr] = true
		direction := " ASC"
		if o.Desc != key.Reversed {
			direction = " DESC"
		}
		if key.Nullable {
			keys = append(keys, "("+key.Expr+" IS NULL)"+direction)
		}
		keys = append(keys, key.Expr+direction)
		if key.Expr == spec.ID {
			return keys, true
		}
	}
	return keys, false
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
