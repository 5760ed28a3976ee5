package djangoimport

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// surveyed is what is remembered of every row of the source.
type surveyed struct {
	id int64
	// identity tells it apart from another row of the same id; 0: unknown.
	identity uint64
}

func byID(a surveyed, id int64) int { return cmp.Compare(a.id, id) }

// holds reports whether the source has a sound row of this id.
func (st *tableState) holds(id int64) bool {
	_, ok := slices.BinarySearchFunc(st.rows, id, byID)
	return ok
}

// identityOf sums up the values of the identity columns.
func identityOf(values []any) uint64 {
	if values == nil {
		return 0
	}
	h := fnv.New64a()
	for _, v := range values {
		hashValue(h, v)
	}
	return h.Sum64() | 1 // never the value for unknown
}

// untaken says why a table stays behind; empty for a table that is taken.
func untaken(table string) string {
	switch table {
	case "auth_group", "auth_group_permissions", "auth_permission", "users_groups", "users_user_permissions":
		return "groups and permissions: bdash has the roles admin, editor and user instead"
	case "django_admin_log":
		return "Django's admin log: bdash keeps an audit trail of its own from now on"
	case "django_session":
		return "Django's browser sessions: they are good for its admin site only"
	case "django_content_type", "django_migrations", "django_site":
		return "Django's own bookkeeping: bdash has no use for it"
	case outstandingTable:
		return "tokens that Django issued: bdash knows them by their signature until they expire"
	case blacklistTable:
		return ""
	}
	switch {
	case strings.HasPrefix(table, "django_celery_"), strings.HasPrefix(table, "celery_"), strings.HasPrefix(table, "djcelery_"):
		return "Celery's schedules and results: bdash has its own jobs"
	case slices.ContainsFunc(tableSpecs(), func(t *tableSpec) bool { return t.name == table }):
		return ""
	}
	return "belongs to another app, which bdash does not know"
}

// checkSchema makes sure that this is the guide's database and notes every
// table and column that is missing or not taken.
func (im *run) checkSchema(ctx context.Context) error {
	var err error
	if im.schema, err = im.src.tables(ctx); err != nil {
		return err
	}
	if err := im.recognise(); err != nil {
		return err
	}
	for _, table := range sortedKeys(im.schema) {
		reason := untaken(table)
		if reason == "" {
			continue
		}
		n, err := im.src.count(ctx, table)
		if err != nil {
			return fmt.Errorf("count the rows of %s: %w", table, err)
		}
		im.ledger.add(finding{kind: TableNotTaken, table: table, reason: reason, whole: true, rows: n})
	}
	for _, st := range im.order {
		if err := im.checkColumns(ctx, st); err != nil {
			return err
		}
	}
	return nil
}

// recognise refuses other databases, naming what they are as far as possible.
func (im *run) recognise() error {
	has := func(table string) bool { _, ok := im.schema[table]; return ok }
	switch {
	case has("imported_rows") && has("denied_tokens"):
		return fmt.Errorf("%s is a database of bdash itself: %w", im.src.name(), ErrNotGuide)
	case has("users"):
		return nil
	case has("auth_user"):
		return fmt.Errorf("%s keeps its users in auth_user, Django's own user model, and has no table users: %w",
			im.src.name(), ErrNotGuide)
	case len(im.schema) == 0:
		return fmt.Errorf("%s holds no tables: %w", im.src.name(), ErrNotGuide)
	}
	return fmt.Errorf("%s has no table users: %w", im.src.name(), ErrNotGuide)
}

func (im *run) checkColumns(ctx context.Context, st *tableState) error {
	spec := st.spec
	has, ok := im.schema[spec.name]
	if !ok {
		im.ledger.add(finding{
			kind: TableNotTaken, table: spec.name, whole: true,
			reason: "the source has no such table: nothing to take",
		})
		return nil
	}
	n, err := im.src.count(ctx, spec.name)
	if err != nil {
		return fmt.Errorf("count the rows of %s: %w", spec.name, err)
	}
	if n == unreadable {
		return fmt.Errorf("the table %s may not be read by this database user", spec.name)
	}
	st.total = n
	for _, c := range spec.needs {
		if !slices.Contains(has, c) {
			return fmt.Errorf("the table %s of %s has no column %s: %w", spec.name, im.src.name(), c, ErrNotGuide)
		}
	}
	reads := spec.reads()
	st.index = map[string]int{}
	for _, c := range reads {
		if !slices.Contains(has, c) {
			im.ledger.add(finding{
				kind: Notable, table: spec.name, whole: true, rows: n,
				reason: "the source has no column " + c + ": " + instead(spec.name, c),
			})
			continue
		}
		st.index[c] = len(st.columns)
		st.columns = append(st.columns, c)
	}
	for _, c := range has {
		if !slices.Contains(reads, c) {
			im.ledger.add(finding{
				kind: NotTaken, table: spec.name, whole: true, rows: n,
				reason: "the column " + c + " is unknown to bdash and stays behind",
			})
		}
	}
	return nil
}

// instead tells what a missing column is replaced by.
func instead(table, column string) string {
	switch {
	case table == "users" && column == "created_at":
		return "date_joined stands in"
	case column == "updated_at":
		return "the time of creation stands in"
	}
	return "rows get its default"
}

// survey looks at every row of a table: which ids there are, which are sound,
// and what only shows in all rows together.
func (im *run) survey(ctx context.Context, st *tableState) error {
	counts := im.ledger.table(st.spec.name)
	counts.Source = st.total
	err := im.each(ctx, st, func(r *reader, problem string) error {
		if problem != "" {
			counts.Skipped++
			r.say(NotTaken, problem, r.shown("id"))
			im.ledger.add(r.findings...)
			return nil
		}
		if st.spec.survey != nil {
			st.spec.survey(im, r)
		}
		st.rows = append(st.rows, surveyed{r.id, identityOf(st.spec.identify(r))})
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(st.rows, func(a, b surveyed) int { return cmp.Compare(a.id, b.id) })
	unique := st.rows[:0]
	for i, row := range st.rows {
		if i > 0 && row.id == unique[len(unique)-1].id {
			st.doubled[row.id] = true
			counts.Skipped++
			im.ledger.add(finding{kind: NotTaken, table: st.spec.name, id: row.id, reason: "an earlier row has the same id"})
			continue
		}
		unique = append(unique, row)
	}
	st.rows = unique
	return nil
}

// maxID is the highest id that is taken. New rows get ids above those that are
// there: one row at the end of all numbers would be the last of its table.
const maxID = 1 << 62

// each calls fn for every row of the table. problem is why the row has no
// usable id, or empty.
func (im *run) each(ctx context.Context, st *tableState, fn func(r *reader, problem string) error) error {
	if len(st.columns) == 0 {
		return nil
	}
	return im.src.each(ctx, st.spec.name, st.columns, "id", func(values []*string) error {
		r := &reader{table: st.spec.name, columns: st.index, values: values}
		v := r.raw("id")
		if v == nil {
			return fn(r, "has no id")
		}
		id, ok := parseInt(*v)
		switch {
		case !ok:
			return fn(r, "its id is not a whole number")
		case id <= 0:
			r.id = id
			return fn(r, "its id is not positive: such ids belong to what is built in")
		case id > maxID:
			r.id = id
			return fn(r, "its id is so large that few would be left for new rows")
		}
		r.id = id
		return fn(r, "")
	})
}

// pages calls fn with the sound rows of the table, a batch at a time.
func (im *run) pages(ctx context.Context, st *tableState, fn func([]*reader) error) error {
	page := make([]*reader, 0, im.opts.BatchSize)
	seen := map[int64]bool{}
	err := im.each(ctx, st, func(r *reader, problem string) error {
		if problem != "" {
			return nil // the survey counted it
		}
		if st.doubled[r.id] {
			if seen[r.id] {
				return nil
			}
			seen[r.id] = true
		}
		page = append(page, r)
		if len(page) < im.opts.BatchSize {
			return nil
		}
		full := page
		page = make([]*reader, 0, im.opts.BatchSize)
		return fn(full)
	})
	if err != nil || len(page) == 0 {
		return err
	}
	return fn(page)
}

// span is the range of ids of a page.
func span(page []*reader) (lo, hi int64) {
	lo, hi = page[0].id, page[0].id
	for _, r := range page {
		lo, hi = min(lo, r.id), max(hi, r.id)
	}
	return lo, hi
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
