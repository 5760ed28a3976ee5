// Package audit keeps a record of what matters for security: who did what,
// when, and from where.
//
// Entries are appended, never changed (the database refuses it), and removed
// only when they are older than the time they are kept. An entry is written
// right after what it tells of; a server that is killed between the two has
// done the one and not noted the other.
package audit

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

// Entry is one thing that was done, or tried.
type Entry struct {
	ID int64
	At time.Time
	// ActorID is nil for nobody and for commands.
	ActorID *int64
	// ActorName is the actor's e-mail address at that time; of a failed sign-in
	// the name that was tried.
	ActorName string
	Via       Via
	// Action is one of a fixed list: "auth.login", "user.update".
	Action  string
	Outcome Outcome
	// TargetKind and TargetID say what it was done to; empty for the actor.
	TargetKind, TargetID string
	IP, RequestID        string
	// Detail is a JSON object: which fields changed, from what to what. It never
	// holds a secret.
	Detail json.RawMessage
}

// Via is how the actor came in.
type Via string

// The ways. The zero value is nobody.
const (
	Session Via = "session"
	APIKey  Via = "api_key"
	Command Via = "command" // bdash on the server itself
)

// Outcome is how it went.
type Outcome string

// The outcomes.
const (
	OK     Outcome = "ok"
	Failed Outcome = "failed"
)

// Limits of an entry's texts, in bytes; longer ones are cut.
const (
	maxText   = 300
	maxDetail = 8 << 10
)

// Query is a part of the record.
type Query struct {
	// Page orders by any field and filters by actor, action, outcome, via,
	// target_kind, target_id and ip.
	Page page.Request
	// Since is inclusive, Until exclusive; nil is open.
	Since, Until *time.Time
}

// Store keeps entries. Each method is one unit of work.
type Store interface {
	// Append stores the entry under an id of its own.
	Append(ctx context.Context, e Entry) error
	List(ctx context.Context, q Query) (page.Result[Entry], error)
	// After gives up to limit entries of the query with ids above id, by id; the
	// page of the query counts for its filters only.
	After(ctx context.Context, q Query, id int64, limit int) ([]Entry, error)
	// Sweep removes at most batch of the entries before that time.
	Sweep(ctx context.Context, before time.Time, batch int) (int64, error)
}

// ErrForbidden says that the record is for administrators.
var ErrForbidden = fault.New(fault.Forbidden, "audit.forbidden", "You do not have permission to perform this action.")

// Service is the room. Safe for concurrent use.
type Service struct {
	Store Store
	Now   func() time.Time
}

// Record appends an entry, at the present time. Texts that are too long are
// cut; a detail that is too long is left out.
func (s *Service) Record(ctx context.Context, e Entry) error {
	e.At = s.Now().UTC().Truncate(time.Microsecond)
	for _, text := range []*string{&e.ActorName, &e.TargetID, &e.IP, &e.RequestID} {
		*text = cut(*text)
	}
	if len(e.Detail) == 0 || len(e.Detail) > maxDetail {
		e.Detail = json.RawMessage("{}")
	}
	return s.Store.Append(ctx, e)
}

func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	// At the border of a character: the rest must stay valid UTF-8.
	end := maxText
	for end > 0 && text[end]&0xc0 == 0x80 {
		end--
	}
	return text[:end]
}

// List is one page of the record, newest first. ErrForbidden.
func (s *Service) List(ctx context.Context, actor identity.Actor, q Query) (page.Result[Entry], error) {
	if !actor.IsAdmin() {
		return page.Result[Entry]{}, ErrForbidden
	}
	return s.Store.List(ctx, q)
}

// exportBatch is how many entries Export reads at a time.
const exportBatch = 500

// Export hands every entry of the query to each, oldest first, in batches.
// ErrForbidden, and what each returns.
func (s *Service) Export(ctx context.Context, actor identity.Actor, q Query, each func([]Entry) error) error {
	if !actor.IsAdmin() {
		return ErrForbidden
	}
	var last int64
	for {
		entries, err := s.Store.After(ctx, q, last, exportBatch)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := each(entries); err != nil {
			return err
		}
		last = entries[len(entries)-1].ID
	}
}

// sweepBatch bounds one transaction of Sweep.
const sweepBatch = 1000

// Sweep removes what is older than keep.
func (s *Service) Sweep(ctx context.Context, keep time.Duration) error {
	for {
		n, err := s.Store.Sweep(ctx, s.Now().UTC().Add(-keep), sweepBatch)
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
