package widget

import (
	"context"
	"encoding/json"
	"time"
)

// Slot is one way in which the data of a widget can differ: by what is asked,
// for whom, and about which time. Its data is shared by all for whom it is the
// same.
type Slot struct {
	WidgetID int64
	// Key is a hash of all that the data depends on, the query included: a
	// widget that is changed has other slots.
	Key string
	// UserID is as whom the source is asked; nil: it is the same for everybody.
	UserID *int64
	// Ask is what is asked besides the query, to ask again.
	Ask json.RawMessage
}

// Result is what a slot holds.
type Result struct {
	Slot

	// Data is the last good data; nil before there are any.
	Data json.RawMessage
	// FetchedAt and ExpiresAt are nil without Data.
	FetchedAt, ExpiresAt *time.Time
	// Failures counts the fetches that failed since; Error (for everybody) and
	// Detail (for who may change the widget) are of the last one.
	Failures      int64
	Error, Detail string
	// NextTry is the earliest time of the next fetch after a failure.
	NextTry *time.Time
	// LeaseUntil is set while somebody fetches.
	LeaseUntil *time.Time
	ViewedAt   time.Time
}

// fresh tells whether the data need no fetch at now.
func (r *Result) fresh(now time.Time) bool { return r.ExpiresAt != nil && now.Before(*r.ExpiresAt) }

// waiting tells whether a failure forbids a fetch at now.
func (r *Result) waiting(now time.Time) bool { return r.NextTry != nil && now.Before(*r.NextTry) }

// leased tells whether somebody is fetching at now.
func (r *Result) leased(now time.Time) bool { return r.LeaseUntil != nil && now.Before(*r.LeaseUntil) }

// Failure is why a fetch failed.
type Failure struct {
	Error, Detail string
	NextTry       time.Time
}

// Results keeps what sources answered. Each method is one unit of work. A lease
// is a word that nobody else has.
type Results interface {
	// Result: ErrNoData when there is no such slot.
	Result(ctx context.Context, widgetID int64, key string) (Result, error)
	// Lease gives the right to fetch a slot to one caller at a time, until that
	// calls Put, Fail or Release, or the time is over; the slot is made if there
	// is none. ok is false while another has it. ErrNotFound when the widget or
	// the user is gone.
	Lease(ctx context.Context, s Slot, lease string, now, until time.Time) (r Result, ok bool, err error)
	// Release gives a lease back. One that was lost already is no error.
	Release(ctx context.Context, s Slot, lease string) error
	// Put stores new data and ends the lease: ErrLost if that was over and
	// another began.
	Put(ctx context.Context, s Slot, lease string, data json.RawMessage, fetched, expires time.Time) (Result, error)
	// Fail stores why there is no new data and ends the lease: ErrLost. first
	// tells that the widget had no failing slot before, as far as its owner was
	// told.
	Fail(ctx context.Context, s Slot, lease string, f Failure, now time.Time) (r Result, first bool, err error)
	// Touch writes down that somebody looked at the slot at now, unless somebody
	// did after the given time.
	Touch(ctx context.Context, widgetID int64, key string, after, now time.Time) error
	// Watched gives the slots of a widget that are the same for everybody or
	// the user's, and that somebody looked at after viewed; the last first, most
	// at once.
	Watched(ctx context.Context, widgetID, userID int64, viewed time.Time, most int) ([]Slot, error)
	// Scheduled gives the slots of widgets with RefreshEvery that somebody
	// looked at after viewed and that are to be fetched at now; most at once.
	Scheduled(ctx context.Context, viewed, now time.Time, most int) ([]Slot, error)
	// Drop forgets a slot.
	Drop(ctx context.Context, widgetID int64, key string) error
	// Sweep forgets slots that nobody looked at since, most at once, and tells
	// how many.
	Sweep(ctx context.Context, before time.Time, most int) (int, error)
	// Thin leaves each widget so many slots, those that were looked at last.
	Thin(ctx context.Context, most int) error
}
