// Package djangoimport takes over a database that the guide's Django backend
// filled: users with their password hashes, themes, dashboard views,
// preferences, widgets and their data, agents, conversations, and the tokens
// that were revoked. Ids and times are kept.
//
// The source is read in one snapshot and never changed. The target is written
// in batches, parents before children, each batch in a transaction with a
// record of what it took (imported_rows). An import that is cut short leaves
// whole batches behind and goes on when it is run again.
//
// A repeated import takes what is new and what changed in Django since. The
// record holds a fingerprint of each row as it was written: a row that looks
// different now was changed in bdash and is left alone, and one that was
// deleted in bdash stays deleted. Rows that disappeared from Django stay. A
// target that holds other rows with the ids of the source is refused before
// anything is written.
//
// Whatever is not taken, and whatever changes on the way, stands in the Report
// with its reason.
package djangoimport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bdash/bdash/internal/sqlstore"
)

// batchRows is how many rows a transaction writes, unless Options say
// otherwise.
const batchRows = 500

// Options say what to import, where to, and how.
type Options struct {
	// From names the source: the path of an SQLite file, sqlite://PATH, or a
	// postgres:// URL.
	From string
	// Target is the migrated database of bdash. bdash may be serving from it.
	Target *sqlstore.DB
	// TrustRoles takes a Django role=admin without is_superuser for an
	// administrator. Django gave such users no power, so that without it they
	// become editors.
	TrustRoles bool
	// DryRun does everything but the commit. On SQLite it keeps other writers
	// waiting meanwhile.
	DryRun bool
	// MessageZone is the zone of the times in chat messages, which carry none:
	// TIME_ZONE in Django's settings. nil means UTC, Django's default.
	MessageZone *time.Location
	// BatchSize is the number of rows in a transaction; 0 means 500.
	BatchSize int
	// Progress hears how far the import is; may be nil.
	Progress Progress
}

// errDryRun rolls a dry run back.
var errDryRun = errors.New("dry run")

// Run imports. The report tells what happened up to an error, too; after one
// nothing is half-written, and Run can be called again. The error is a
// *ConflictError if the target holds other rows with the ids of the source,
// and wraps ErrNotGuide if the source is not the guide's database. Two imports
// into one target must not run at the same time: the second may fail.
func Run(ctx context.Context, opts Options) (Report, error) {
	if opts.MessageZone == nil {
		opts.MessageZone = time.UTC
	}
	if opts.BatchSize <= 0 {
		opts.BatchSize = batchRows
	}
	src, err := openSource(ctx, opts.From)
	if err != nil {
		return Report{DryRun: opts.DryRun}, err
	}
	defer func() { _ = src.close() }() // it was only read

	var im *run
	if opts.DryRun {
		err = opts.Target.InTx(ctx, func(tx *sqlstore.Tx) error {
			// InTx may call this again, so that everything starts afresh.
			im = newRun(opts, src)
			im.q = tx.DBTX()
			im.inTx = func(_ context.Context, fn func(dbtx) error) error { return fn(tx.DBTX()) }
			if err := im.all(ctx); err != nil {
				return err
			}
			return errDryRun
		})
		if errors.Is(err, errDryRun) {
			err = nil
		}
	} else {
		im = newRun(opts, src)
		im.q = opts.Target.ReadDBTX()
		im.inTx = func(ctx context.Context, fn func(dbtx) error) error {
			return opts.Target.InTx(ctx, func(tx *sqlstore.Tx) error {
				if err := fn(tx.DBTX()); err != nil {
					return err
				}
				return tx.BumpWidgetEpoch(ctx) // for a bdash that runs meanwhile
			})
		}
		err = im.all(ctx)
	}
	report := Report{Source: src.name(), DryRun: opts.DryRun, Complete: err == nil}
	if im != nil {
		im.ledger.fill(&report)
	}
	if err != nil {
		return report, fmt.Errorf("import from Django: %w", err)
	}
	return report, nil
}

// run is one import under way. Not safe for concurrent use.
type run struct {
	opts   Options
	src    source
	engine sqlstore.Engine
	now    time.Time
	// q reads the target; inTx writes it. In a dry run both are the one
	// transaction that is rolled back at the end.
	q    dbtx
	inTx func(context.Context, func(dbtx) error) error

	schema map[string][]string
	order  []*tableState
	states map[string]*tableState
	ledger *ledger

	// What the survey found.
	owners                    map[string]candidate // by e-mail key
	shared                    map[string]bool      // e-mail keys of several accounts
	activeThemes, activeViews map[int64]contender  // by owner
}

// tableState is how far a table is.
type tableState struct {
	spec *tableSpec
	// columns are those that the source has of the ones that are read; index
	// finds them.
	columns []string
	index   map[string]int
	// rows are the sound ones of the source, by id.
	rows []surveyed
	// doubled ids occur more than once; only the first row is taken.
	doubled map[int64]bool
	total   int64
	done    int64
	// entries is the number of rows that earlier imports took.
	entries int64
	// present holds the ids of rows that are in the target and stem from this
	// source.
	present map[int64]bool
}

func newRun(opts Options, src source) *run {
	im := &run{
		opts: opts, src: src, engine: opts.Target.Engine(), now: opts.Target.Now(),
		states: map[string]*tableState{}, ledger: newLedger(),
		owners: map[string]candidate{}, shared: map[string]bool{},
		activeThemes: map[int64]contender{}, activeViews: map[int64]contender{},
	}
	for _, spec := range tableSpecs() {
		st := &tableState{spec: spec, present: map[int64]bool{}, doubled: map[int64]bool{}}
		im.order = append(im.order, st)
		im.states[spec.name] = st
		im.ledger.table(spec.name)
		if spec.messages {
			im.ledger.table(messagesTable)
		}
	}
	im.ledger.table(deniedTable)
	return im
}

// all is the whole import: look at everything, refuse or write.
func (im *run) all(ctx context.Context) error {
	if err := im.checkSchema(ctx); err != nil {
		return err
	}
	for _, st := range im.order {
		if err := im.survey(ctx, st); err != nil {
			return err
		}
	}
	if err := im.guard(ctx); err != nil {
		return err
	}
	if err := im.raiseSequences(ctx); err != nil {
		return err
	}
	for _, st := range im.order {
		if err := im.takeTable(ctx, st); err != nil {
			return fmt.Errorf("%s: %w", st.spec.name, err)
		}
	}
	return im.denyTokens(ctx)
}

// takeTable brings a table over: first the changes of rows taken earlier, then
// the new ones, which may need a name that a change sets free.
func (im *run) takeTable(ctx context.Context, st *tableState) error {
	if st.entries > 0 {
		if err := im.updateRows(ctx, st); err != nil {
			return err
		}
	}
	if err := im.insertRows(ctx, st); err != nil {
		return err
	}
	im.step(st, st.total-st.done)
	return nil
}

// step reports that n more rows have been looked at.
func (im *run) step(st *tableState, n int64) {
	st.done += n
	if im.opts.Progress != nil && (n > 0 || st.total == 0) {
		im.opts.Progress.Step(st.spec.name, st.done, st.total)
	}
}

// parent reads a foreign key. ok is false, with a finding, if the row it names
// is not in bdash, or is there but is not Django's.
func (im *run) parent(r *reader, column, table string) (id int64, ok bool) {
	what := map[string]string{"users": "user", "widgets": "widget", "ai_agents": "agent"}[table]
	a := map[string]string{"user": "a user", "widget": "a widget", "agent": "an agent"}[what]
	v := r.raw(column)
	if v == nil {
		r.say(NotTaken, "belongs to no "+what, "")
		return 0, false
	}
	id, isInt := parseInt(*v)
	st := im.states[table]
	switch {
	case !isInt || !st.holds(id):
		r.say(NotTaken, "belongs to "+a+" that does not exist", what+" "+show(*v))
		return 0, false
	case !st.present[id]:
		r.say(NotTaken, "belongs to "+a+" that was not taken or was deleted in bdash", what+" "+show(*v))
		return 0, false
	}
	return id, true
}
