package job

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
)

const (
	keepSucceeded = 24 * time.Hour
	keepFailed    = 7 * 24 * time.Hour

	// fetchPause is the least time between two looks at a queue. A queue of n
	// workers starts at most n short jobs in it: with River's own 100 ms and four
	// workers that is 40 a second.
	fetchPause = 20 * time.Millisecond

	defaultPoll   = time.Second
	defaultRescue = 2 * time.Minute
)

// Config says how a Client works.
type Config struct {
	// Pool or SQLite is the application's database; exactly one is set. SQLite
	// is the application's writer, limited to one open connection.
	Pool   *pgxpool.Pool
	SQLite *sql.DB
	// Logger gets failed attempts and River's warnings; nil is slog.Default().
	Logger *slog.Logger
	// Workers is needed to run jobs. A client that only inserts takes the same
	// registry if it can: for the kinds' MaxAttempts, and to have unknown kinds
	// refused.
	Workers *Workers
	// Queues maps each queue to work to the number of jobs it runs at a time.
	// Without any, the client only inserts.
	Queues map[string]int
	// Periodic jobs are queued by one started client among all.
	Periodic []Periodic
	// PollOnly, on PostgreSQL, does without LISTEN: for poolers in transaction
	// mode. New jobs then wait for up to PollInterval.
	PollOnly bool
	// PollInterval is how often queues are looked at when nothing wakes them; 0
	// is one second.
	PollInterval time.Duration
	// RescueAfter is how long a job may be running before its process counts as
	// dead and the job is given to another; 0 is two minutes. Kinds with a
	// longer time-out are left alone until that has passed.
	RescueAfter time.Duration
	// Updated is told of each job with an owner that this client runs: when an
	// attempt begins, and when its end is stored; and of a waiting one that it
	// cancels. It must not wait. nil tells nobody.
	Updated func(ownerID int64, e Updated)
}

// Client queues jobs, tells how they stand, and, once started, runs them. All
// methods are safe for concurrent use.
type Client struct {
	cfg    Config
	log    *slog.Logger
	pg     *river.Client[pgx.Tx]
	lite   *river.Client[*sql.Tx]
	river  riverClient // the one of the two that is set
	pilot  *wakePilot  // SQLite only
	forget []string    // kinds with Forget

	life     sync.Mutex // one Start or Stop at a time
	running  bool       // guarded by life
	sweeper  *sweeper   // set while running; guarded by life
	telling  func()     // stops telling of tasks; set while running; guarded by life
	stopping atomic.Bool

	// wake is held for writing while River starts: a queue must not be woken
	// while it is being set up. awake is guarded by it.
	wake  sync.RWMutex
	awake bool
}

// riverClient is what both River clients share.
type riverClient interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	JobGet(ctx context.Context, id int64) (*rivertype.JobRow, error)
	JobDelete(ctx context.Context, id int64) (*rivertype.JobRow, error)
	SubscribeConfig(config *river.SubscribeConfig) (<-chan *river.Event, func())
}

// New checks the configuration and makes a client. It touches no database:
// Migrate makes the tables, Start begins to work.
func New(cfg Config) (*Client, error) {
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	cfg.PollInterval = cmp.Or(cfg.PollInterval, defaultPoll)
	cfg.RescueAfter = cmp.Or(cfg.RescueAfter, defaultRescue)
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, log: cfg.Logger}
	var err error
	rc := c.riverConfig()
	if cfg.SQLite != nil {
		c.pilot = &wakePilot{}
		c.lite, err = river.NewClient(&sqliteDriver{Driver: riversqlite.New(cfg.SQLite), pilot: c.pilot}, rc)
		c.river = c.lite
	} else {
		c.pg, err = river.NewClient(riverpgxv5.New(cfg.Pool), rc)
		c.river = c.pg
	}
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return c, nil
}

func (cfg *Config) validate() error {
	switch {
	case (cfg.Pool == nil) == (cfg.SQLite == nil):
		return errors.New("jobs: exactly one of Pool and SQLite must be set")
	case cfg.SQLite != nil && cfg.SQLite.Stats().MaxOpenConnections != 1:
		return errors.New("jobs: the SQLite writer must be limited to one open connection")
	case len(cfg.Queues) > 0 && cfg.Workers == nil:
		return errors.New("jobs: queues need workers")
	case cfg.Workers != nil && cfg.Workers.err != nil:
		return cfg.Workers.err
	}
	seen := map[string]bool{}
	for _, p := range cfg.Periodic {
		if p.ID == "" || p.Every < time.Second || p.Make == nil || seen[p.ID] {
			return fmt.Errorf("jobs: periodic job %q needs an id of its own, an interval of a second or more, and Make", p.ID)
		}
		seen[p.ID] = true
	}
	return nil
}

func (c *Client) riverConfig() *river.Config {
	rc := &river.Config{
		CancelledJobRetentionPeriod: keepSucceeded,
		CompletedJobRetentionPeriod: keepSucceeded,
		DiscardedJobRetentionPeriod: keepFailed,
		FetchCooldown:               min(fetchPause, c.cfg.PollInterval),
		FetchPollInterval:           c.cfg.PollInterval,
		Hooks:                       []rivertype.Hook{&hook{log: c.log, stopping: &c.stopping, begin: c.cfg.tell}},
		// Every kind has a time-out of its own; this one is for rows whose kind
		// nobody knows. It must not exceed RescueStuckJobsAfter.
		JobTimeout:           min(defaultTimeout, c.cfg.RescueAfter),
		Logger:               slog.New(quiet{c.log.Handler()}),
		MaxAttempts:          defaultMaxAttempts,
		PollOnly:             c.cfg.PollOnly,
		RescueStuckJobsAfter: c.cfg.RescueAfter,
	}
	if w := c.cfg.Workers; w != nil {
		rc.Workers = w.river
		for kind, opts := range w.kinds {
			if opts.Forget {
				c.forget = append(c.forget, kind)
			}
		}
	}
	if len(c.cfg.Queues) == 0 {
		return rc
	}
	rc.Queues = map[string]river.QueueConfig{}
	for name, workers := range c.cfg.Queues {
		rc.Queues[name] = river.QueueConfig{MaxWorkers: workers}
	}
	for _, p := range c.cfg.Periodic {
		rc.PeriodicJobs = append(rc.PeriodicJobs, c.periodic(p))
	}
	return rc
}

// periodic turns a schedule into River's words.
func (c *Client) periodic(p Periodic) *river.PeriodicJob {
	return river.NewPeriodicJob(aligned(p.Every), func() (river.JobArgs, *river.InsertOpts) {
		in := p.Make()
		// The change of the scheduling process must not double a firing.
		in.Opts.UniqueKey = "periodic:" + p.ID
		args, opts, err := c.prepare(in)
		if err != nil {
			c.log.Error("periodic job is not valid", "schedule", p.ID, "error", err)
			return nil, nil
		}
		return args, opts
	}, &river.PeriodicJobOpts{ID: p.ID, RunOnStart: p.RunOnStart})
}

// aligned fires at the multiples of an interval, counted from the zero time in
// UTC.
type aligned time.Duration

func (a aligned) Next(t time.Time) time.Time {
	return t.UTC().Truncate(time.Duration(a)).Add(time.Duration(a))
}

// prepare checks an insert and turns it into River's words.
func (c *Client) prepare(in Insert) (river.JobArgs, *river.InsertOpts, error) {
	switch {
	case in.Args == nil:
		return nil, nil, errors.New("insert job: no arguments")
	case in.Opts.MaxAttempts < 0 || in.Opts.OwnerID < 0:
		return nil, nil, fmt.Errorf("insert job %q: attempts and owner must not be negative", in.Args.Kind())
	}
	metadata, err := json.Marshal(meta{OwnerID: in.Opts.OwnerID})
	if err != nil {
		return nil, nil, fmt.Errorf("insert job %q: %w", in.Args.Kind(), err)
	}
	attempts := in.Opts.MaxAttempts
	if attempts == 0 && c.cfg.Workers != nil {
		attempts = c.cfg.Workers.kinds[in.Args.Kind()].MaxAttempts
	}
	return payload{Args: in.Args, uniqueKey: in.Opts.UniqueKey}, &river.InsertOpts{
		Queue: in.Opts.Queue, MaxAttempts: attempts, ScheduledAt: in.Opts.ScheduledAt, Metadata: metadata,
	}, nil
}

// InsertTxPG queues a job in tx and returns its id. The job can start as soon
// as tx commits. After an error tx must be rolled back.
func (c *Client) InsertTxPG(ctx context.Context, tx pgx.Tx, in Insert) (int64, error) {
	if c.pg == nil {
		return 0, errors.New("insert job: the client is not on PostgreSQL")
	}
	args, opts, err := c.prepare(in)
	if err != nil {
		return 0, err
	}
	res, err := c.pg.InsertTx(ctx, tx, args, opts)
	if err != nil {
		return 0, fmt.Errorf("insert job %q: %w", args.Kind(), err)
	}
	return res.Job.ID, nil
}

// InsertTxSQLite queues a job in tx, which belongs to Config.SQLite, and
// returns its id. The job can start as soon as tx commits. After an error tx
// must be rolled back.
func (c *Client) InsertTxSQLite(ctx context.Context, tx *sql.Tx, in Insert) (int64, error) {
	if c.lite == nil {
		return 0, errors.New("insert job: the client is not on SQLite")
	}
	args, opts, err := c.prepare(in)
	if err != nil {
		return 0, err
	}
	res, err := c.lite.InsertTx(ctx, tx, args, opts)
	if err != nil {
		return 0, fmt.Errorf("insert job %q: %w", args.Kind(), err)
	}
	// The queue may be woken before the commit: its fetch needs the connection
	// that tx holds, so it waits for tx to end and then sees the row.
	c.wakeQueue(ctx, res)
	return res.Job.ID, nil
}

// Insert queues a job in a transaction of its own and returns its id.
func (c *Client) Insert(ctx context.Context, in Insert) (int64, error) {
	if c.pg != nil {
		return c.insertPG(ctx, in)
	}
	tx, err := c.cfg.SQLite.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("insert job: %w", err)
	}
	id, err := c.InsertTxSQLite(ctx, tx, in)
	if err != nil {
		return 0, errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("insert job: %w", err)
	}
	return id, nil
}

func (c *Client) insertPG(ctx context.Context, in Insert) (int64, error) {
	args, opts, err := c.prepare(in)
	if err != nil {
		return 0, err
	}
	res, err := c.pg.Insert(ctx, args, opts)
	if err != nil {
		return 0, fmt.Errorf("insert job %q: %w", args.Kind(), err)
	}
	return res.Job.ID, nil
}

// wakeQueue makes the job's queue fetch now if this client runs it.
func (c *Client) wakeQueue(ctx context.Context, res *rivertype.JobInsertResult) {
	// While Start holds the lock there is nothing to wake: a starting queue
	// fetches by itself.
	if !c.wake.TryRLock() {
		return
	}
	defer c.wake.RUnlock()
	if c.awake && res.Job.State == rivertype.JobStateAvailable {
		c.pilot.fetch(ctx, []*rivertype.JobInsertResult{res})
	}
}

// Cancel stops a job: a waiting one never runs, a running one has its context
// ended (within about two seconds where there is no LISTEN) and is not tried
// again. A job in a final state is left as it is. ErrNotFound if there is none.
func (c *Client) Cancel(ctx context.Context, id int64) error {
	var err error
	if c.pg != nil {
		_, err = c.pg.JobCancel(ctx, id)
	} else {
		err = c.cancelSQLite(ctx, id)
	}
	switch {
	case errors.Is(err, river.ErrNotFound):
		return ErrNotFound
	case err != nil:
		return fmt.Errorf("cancel job %d: %w", id, err)
	}
	if row, err := c.river.JobGet(ctx, id); err == nil && row.State == rivertype.JobStateCancelled {
		c.cfg.tell(row)
	}
	return c.emptyArgs(ctx, id)
}

// cancelSQLite avoids JobCancel: outside a transaction that one tells the
// local queue over a channel, and waits for ever if the queue is not running.
func (c *Client) cancelSQLite(ctx context.Context, id int64) error {
	tx, err := c.cfg.SQLite.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := c.lite.JobCancelTx(ctx, tx, id); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
