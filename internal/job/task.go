package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/bdash/bdash/internal/fault"
)

// Texts for owners where the worker gave none.
const (
	textFailed  = "The task failed."
	textTimeout = "The task took too long."
	textLost    = "The server stopped while the task was running."
)

// keyOwnerError is where the owner's text lives in a job's metadata.
const keyOwnerError = "owner_error"

// meta is the part of a job's metadata that this package reads or writes.
type meta struct {
	OwnerID    int64       `json:"owner_id,omitempty"`
	OwnerError *ownerError `json:"owner_error,omitempty"`
	// CancelledAt is River's own mark of a job that was cancelled from outside.
	CancelledAt string `json:"cancel_attempted_at,omitempty"`
}

// ownerError remembers which attempt it belongs to, so that the text of an
// earlier attempt is not shown for a later one that left none.
type ownerError struct {
	Attempt int    `json:"attempt"`
	Text    string `json:"text"`
}

// readMeta reads what it can; metadata that was tampered with reads as empty.
func readMeta(raw []byte) meta {
	var m meta
	if err := json.Unmarshal(raw, &m); err != nil {
		return meta{}
	}
	return m
}

// Task tells how a job stands: ErrNotFound if there is none of that id. Jobs
// that succeeded are kept for 24 hours, failed ones for 7 days. Whether the
// asker is its owner is the caller's business. Safe for concurrent use.
func (c *Client) Task(ctx context.Context, id int64) (Task, error) {
	row, err := c.river.JobGet(ctx, id)
	if err != nil {
		if errors.Is(err, river.ErrNotFound) {
			return Task{}, ErrNotFound
		}
		return Task{}, fmt.Errorf("task %d: %w", id, err)
	}
	return taskOf(row), nil
}

func taskOf(row *rivertype.JobRow) Task {
	m := readMeta(row.Metadata)
	t := Task{
		ID: row.ID, Kind: row.Kind, State: stateOf(row.State, m),
		Attempt: row.Attempt, MaxAttempts: row.MaxAttempts,
		CreatedAt: row.CreatedAt.UTC(), ScheduledAt: row.ScheduledAt.UTC(), OwnerID: m.OwnerID,
	}
	if row.FinalizedAt != nil {
		t.FinishedAt = row.FinalizedAt.UTC()
	}
	if t.State != Succeeded && t.State != Cancelled {
		t.Error = errorOf(row, m)
	}
	return t
}

func stateOf(s rivertype.JobState, m meta) State {
	switch s {
	case rivertype.JobStateRunning:
		return Running
	case rivertype.JobStateCompleted:
		return Succeeded
	case rivertype.JobStateDiscarded:
		return Failed
	case rivertype.JobStateCancelled:
		// River calls both "cancelled": the user's wish and the worker's
		// verdict that trying again is no use.
		if m.CancelledAt == "" {
			return Failed
		}
		return Cancelled
	default: // available, pending, scheduled, retryable
		return Queued
	}
}

// errorOf never repeats what stands in the row's errors: those are for
// operators and may name anything.
func errorOf(row *rivertype.JobRow, m meta) string {
	if len(row.Errors) == 0 {
		return ""
	}
	last := row.Errors[len(row.Errors)-1]
	switch {
	case m.OwnerError != nil && m.OwnerError.Attempt == last.Attempt:
		return m.OwnerError.Text
	case last.Error == "Stuck job rescued by JobRescuer": // River's own words
		return textLost
	default:
		return textFailed
	}
}

// ownerText finds the words for the owner in what a worker returned.
func ownerText(err error) string {
	var p *panicError
	if errors.As(err, &p) {
		return textFailed
	}
	if f, ok := fault.As(err); ok && f.Kind != fault.Internal && f.Message != "" {
		return f.Message
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return textTimeout
	}
	return textFailed
}
