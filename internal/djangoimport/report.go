package djangoimport

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Kind says what a Note is about.
type Kind string

// The kinds, in the order in which a report prints them.
const (
	// NotTaken: the row stays behind.
	NotTaken Kind = "not_taken"
	// Changed: the row was taken, but differs from what Django held.
	Changed Kind = "changed"
	// Notable: the row was taken as it is, but bdash treats it otherwise.
	Notable Kind = "notable"
	// TableNotTaken: a whole table stays behind; Count is its number of rows.
	TableNotTaken Kind = "table_not_taken"
)

var kinds = []Kind{NotTaken, Changed, Notable, TableNotTaken}

// maxExamples is how many rows a Note names.
const maxExamples = 10

// Report says what an import did, or would do. Nothing is left behind or
// altered without a Note.
type Report struct {
	// Source is where the rows came from, without credentials.
	Source string `json:"source"`
	// DryRun: nothing was written.
	DryRun bool `json:"dry_run"`
	// Complete: the import came to its end. An import that was cut short can
	// be run again and goes on where it stopped.
	Complete bool    `json:"complete"`
	Tables   []Table `json:"tables"`
	Notes    []Note  `json:"notes"`
}

// Table counts the rows of one table of bdash. Source is the sum of the
// others, except that Source counts rows not yet reached, too, when the import
// was cut short.
type Table struct {
	Name   string `json:"name"`
	Source int64  `json:"source"`
	// Taken rows are new in bdash.
	Taken int64 `json:"taken"`
	// Updated rows were taken by an earlier import and changed in Django since.
	Updated int64 `json:"updated"`
	// Unchanged rows were taken by an earlier import.
	Unchanged int64 `json:"unchanged"`
	// ChangedInBdash rows were taken by an earlier import, changed in bdash
	// since, and were left alone.
	ChangedInBdash int64 `json:"changed_in_bdash"`
	// DeletedInBdash rows were taken by an earlier import, deleted in bdash
	// since, and stay deleted.
	DeletedInBdash int64 `json:"deleted_in_bdash"`
	// Skipped rows cannot be taken; a Note says why.
	Skipped int64 `json:"skipped"`
}

// Note gives one reason and the rows it holds for.
type Note struct {
	Kind   Kind   `json:"kind"`
	Table  string `json:"table"`
	Reason string `json:"reason"`
	// Count is the number of rows; -1 if they may not be read.
	Count int64 `json:"count"`
	// Examples are the first of them, ten at most.
	Examples []Example `json:"examples,omitempty"`
}

// Example is one row of a Note. Detail may be empty.
type Example struct {
	ID     int64  `json:"id"`
	Detail string `json:"detail,omitempty"`
}

// Find gives the note with the reason, or nil.
func (r Report) Find(table, reason string) *Note {
	for i := range r.Notes {
		if r.Notes[i].Table == table && r.Notes[i].Reason == reason {
			return &r.Notes[i]
		}
	}
	return nil
}

// Table gives the counts of a table; zero if it is not in the report.
func (r Report) Table(name string) Table {
	for _, t := range r.Tables {
		if t.Name == name {
			return t
		}
	}
	return Table{Name: name}
}

// WriteJSON writes the report as one indented JSON object.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// WriteText writes the report for people.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Import of %s", r.Source)
	switch {
	case !r.Complete:
		b.WriteString(" (cut short: run it again to go on)")
	case r.DryRun:
		b.WriteString(" (dry run: nothing was written)")
	}
	b.WriteString("\n\n")
	r.writeCounts(&b)
	for _, k := range kinds {
		r.writeNotes(&b, k)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Report) writeCounts(b *strings.Builder) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "table\tin Django\ttaken\tupdated\tunchanged\tchanged in bdash\tdeleted in bdash\tskipped\t")
	for _, t := range r.Tables {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", t.Name, t.Source,
			t.Taken, t.Updated, t.Unchanged, t.ChangedInBdash, t.DeletedInBdash, t.Skipped)
	}
	_ = tw.Flush() // a strings.Builder does not fail
}

var headings = map[Kind]string{
	NotTaken:      "Rows that were not taken",
	Changed:       "Rows that differ from what Django held",
	Notable:       "Rows that bdash treats otherwise than Django did",
	TableNotTaken: "Tables that were not taken",
}

func (r Report) writeNotes(b *strings.Builder, k Kind) {
	var reasons []string
	byReason := map[string][]Note{}
	for _, n := range r.Notes {
		if n.Kind != k {
			continue
		}
		if _, ok := byReason[n.Reason]; !ok {
			reasons = append(reasons, n.Reason)
		}
		byReason[n.Reason] = append(byReason[n.Reason], n)
	}
	if len(reasons) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", headings[k])
	for _, reason := range reasons {
		fmt.Fprintf(b, "  %s\n", reason)
		for _, n := range byReason[reason] {
			fmt.Fprintf(b, "    %s: %s%s\n", n.Table, rowCount(n.Count), exampleText(n))
		}
	}
}

func rowCount(n int64) string {
	switch n {
	case 1:
		return "1 row"
	case unreadable:
		return "not readable for this database user"
	}
	return fmt.Sprintf("%d rows", n)
}

func exampleText(n Note) string {
	if len(n.Examples) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(", id ")
	for i, e := range n.Examples {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d", e.ID)
		if e.Detail != "" {
			fmt.Fprintf(&b, " (%s)", e.Detail)
		}
	}
	if n.Count > int64(len(n.Examples)) {
		b.WriteString(", …")
	}
	return b.String()
}

// finding is what is to be said of one row.
type finding struct {
	kind   Kind
	table  string
	reason string
	id     int64
	detail string
	// whole findings are about a table or a column with so many rows.
	whole bool
	rows  int64
}

// ledger collects counts and findings of a run.
type ledger struct {
	tables map[string]*Table
	order  []string
	notes  map[noteKey]*Note
}

type noteKey struct {
	kind          Kind
	table, reason string
}

func newLedger() *ledger {
	return &ledger{tables: map[string]*Table{}, notes: map[noteKey]*Note{}}
}

// table gives the counters of a table, made at first sight.
func (l *ledger) table(name string) *Table {
	t, ok := l.tables[name]
	if !ok {
		t = &Table{Name: name}
		l.tables[name] = t
		l.order = append(l.order, name)
	}
	return t
}

func (l *ledger) add(findings ...finding) {
	for _, f := range findings {
		key := noteKey{f.kind, f.table, f.reason}
		n, ok := l.notes[key]
		if !ok {
			n = &Note{Kind: f.kind, Table: f.table, Reason: f.reason}
			l.notes[key] = n
		}
		if f.whole {
			n.Count = f.rows
			continue
		}
		n.Count++
		if len(n.Examples) < maxExamples && (f.id != 0 || f.detail != "") {
			n.Examples = append(n.Examples, Example{ID: f.id, Detail: f.detail})
		}
	}
}

// fill writes what was collected into r, in a settled order.
func (l *ledger) fill(r *Report) {
	rank := map[string]int{}
	for i, name := range l.order {
		rank[name] = i + 1
		r.Tables = append(r.Tables, *l.tables[name])
	}
	for _, n := range l.notes {
		slices.SortStableFunc(n.Examples, func(a, b Example) int { return cmp.Compare(a.ID, b.ID) })
		r.Notes = append(r.Notes, *n)
	}
	slices.SortFunc(r.Notes, func(a, b Note) int {
		return cmp.Or(
			cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
			cmp.Compare(rank[a.Table], rank[b.Table]),
			cmp.Compare(a.Table, b.Table),
			cmp.Compare(a.Reason, b.Reason),
		)
	})
}
