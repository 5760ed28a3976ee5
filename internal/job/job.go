// Package job is River behind a few words: work that is done later, once, and
// tried again when it fails. It is the only package that knows River.
//
// A job is a row in the application's own database. InsertTxPG and
// InsertTxSQLite write that row in the caller's transaction: it commits with
// the data or not at all. Any process that runs a started Client with the
// kind's worker takes it from there; a process that only inserts makes a
// Client without queues.
//
// Delivery is at least once. A job runs once when all goes well; it runs again
// after an error, and after its process died without a word (the row is taken
// over when RescueAfter has passed). Workers therefore have to stand being run
// twice. Order is not promised.
//
// On SQLite the Client shares the application's only writer connection: never
// call a method of Client that takes no transaction while holding one, it would
// wait for itself.
package job

import (
	"time"

	"github.com/bdash/bdash/internal/fault"
)

// DefaultQueue is where a job goes that names no queue.
const DefaultQueue = "default"

// ErrNotFound is returned for an id that no job has (any more).
var ErrNotFound = fault.New(fault.NotFound, "task.not_found", "Not found.")

// Args is what a job is about. It is stored as JSON until the job's row is
// deleted, so it should name things by id rather than carry them; a kind that
// cannot avoid a secret sets KindOpts.Forget.
type Args interface {
	// Kind is the stable name of this sort of job, for example "mail.send".
	// It is called on the zero value too.
	Kind() string
}

// Insert is a job to be queued.
type Insert struct {
	Args Args
	Opts InsertOpts
}

// InsertOpts are the choices made per job; the zero value runs it at once.
type InsertOpts struct {
	// Queue defaults to DefaultQueue. A queue that no client works only fills.
	Queue string
	// MaxAttempts counts the first try; 0 takes what the kind registered.
	MaxAttempts int
	// ScheduledAt is the earliest time to run; zero is now. Times ahead are
	// looked at every five seconds.
	ScheduledAt time.Time
	// UniqueKey, if set, allows only one unfinished job of this kind and key. An
	// insert beside an unfinished one adds nothing and returns the id of that
	// one, whoever its owner is.
	UniqueKey string
	// OwnerID is the user whose task this is; 0 is the server's own.
	OwnerID int64
}

// Job is what a worker gets.
type Job[T Args] struct {
	ID   int64
	Args T
	// Attempt is 1 on the first try.
	Attempt     int
	MaxAttempts int
	// OwnerID is 0 for the server's own jobs.
	OwnerID     int64
	CreatedAt   time.Time
	ScheduledAt time.Time
}

// State is where a task stands, in the words of the API.
type State string

// The states of a task. Succeeded, Failed and Cancelled are final.
const (
	Queued    State = "queued" // waiting: for a worker, its time, or the next try
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"    // out of attempts, or not worth another
	Cancelled State = "cancelled" // by Client.Cancel
)

// Task is what may be told about a job.
type Task struct {
	ID      int64
	Kind    string
	State   State
	Attempt int
	// MaxAttempts counts the first try.
	MaxAttempts int
	// Error is why the last attempt failed, in words that are safe for the
	// owner; empty when nothing failed or the job succeeded in the end.
	Error       string
	CreatedAt   time.Time
	ScheduledAt time.Time
	// FinishedAt is zero until the state is final.
	FinishedAt time.Time
	OwnerID    int64
}

// Periodic is a job that is queued again and again by one of the running
// clients. A firing that finds the last one unfinished is dropped.
type Periodic struct {
	// ID names the schedule; it is unique within a Client.
	ID string
	// Every is the interval, at least one second. Firings are aligned to it in
	// UTC (every hour is on the hour), so restarts do not push them back.
	Every time.Duration
	// RunOnStart also fires when a client takes over the schedule.
	RunOnStart bool
	// Make builds the job; it must not block. Its UniqueKey is ignored.
	Make func() Insert
}
