package dashboard

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

// KeptRevisions is how many revisions of a view are kept however old they are,
// and KeptFor how long all others are.
const (
	KeptRevisions = 50
	KeptFor       = 90 * 24 * time.Hour
)

// MaxReason is the length of a reason, in characters.
const MaxReason = 200

// Revision is a saved state of a view. That the view is the active one is no
// part of it: that says something of the user, not of the view.
type Revision struct {
	ViewID int64
	// Number counts the view's revisions from 1, without a gap.
	Number            int64
	Name, Description string
	// WidgetsConfig is nil in a list.
	WidgetsConfig json.RawMessage
	IsDefault     bool
	// ChangedBy is the user who saved it; nil if that is not known: the user is
	// gone, or the view is older than revisions.
	ChangedBy *int64
	// KeyID is the API key that was used; nil for a person.
	KeyID *int64
	// Reason is what the client said; may be empty.
	Reason string
	// Summary is what changed against the revision before: a Summary as JSON.
	Summary json.RawMessage
	// Restored is the revision that was restored by this one, or nil.
	Restored  *int64
	CreatedAt time.Time
}

// Edit is who changes a view, and why.
type Edit struct {
	UserID int64
	// KeyID is the API key that is used; 0 for none.
	KeyID  int64
	Reason string
	// Restores is the revision that is restored; 0 for none.
	Restores int64
}

func editOf(actor identity.Actor, reason string) Edit {
	return Edit{UserID: actor.UserID, KeyID: actor.KeyID, Reason: reason}
}

// Past gives an earlier revision of the view that is being changed. ErrStale
// when there is none of the number (any more).
type Past func(number int64) (Revision, error)

// Change works on a view that is about to be written. It may run more than
// once.
type Change func(v *View, past Past) error

// SameState tells whether nothing that a revision holds differs.
func (v *View) SameState(other *View) bool {
	return v.Name == other.Name && v.Description == other.Description && v.IsDefault == other.IsDefault &&
		string(v.WidgetsConfig) == string(other.WidgetsConfig)
}

// revision is the view's present state as a revision, of which only the state
// is known.
func (v *View) revision() Revision {
	return Revision{
		ViewID: v.ID, Number: v.Version, Name: v.Name, Description: v.Description, WidgetsConfig: v.WidgetsConfig,
		IsDefault: v.IsDefault, Summary: json.RawMessage("{}"), CreatedAt: v.UpdatedAt,
	}
}

// view is the state of a revision.
func (r *Revision) view() View {
	return View{
		ID: r.ViewID, Version: r.Number, Name: r.Name, Description: r.Description, WidgetsConfig: r.WidgetsConfig, IsDefault: r.IsDefault,
	}
}

// Revisions is one page of the revisions of one of the actor's views, without
// their layouts. ErrNotFound.
func (s *Service) Revisions(ctx context.Context, actor identity.Actor, viewID int64, req page.Request) (page.Result[Revision], error) {
	v, err := s.Store.ByID(ctx, actor.UserID, viewID)
	if err != nil {
		return page.Result[Revision]{}, err
	}
	return s.Store.Revisions(ctx, v, req)
}

// Revision is one revision of one of the actor's views. ErrNotFound.
func (s *Service) Revision(ctx context.Context, actor identity.Actor, viewID, number int64) (Revision, error) {
	v, err := s.Store.ByID(ctx, actor.UserID, viewID)
	if err != nil {
		return Revision{}, err
	}
	return s.revisionOf(ctx, &v, number)
}

// revisionOf also gives the present state of a view that has no revision yet.
func (s *Service) revisionOf(ctx context.Context, v *View, number int64) (Revision, error) {
	r, err := s.Store.Revision(ctx, v.ID, number)
	if err == ErrNotFound && number == v.Version { //nolint:errorlint // the store returns the value itself
		return v.revision(), nil
	}
	return r, err
}

// Diff is what differs between two revisions of one of the actor's views; to
// is 0 for the present one. ErrNotFound.
func (s *Service) Diff(ctx context.Context, actor identity.Actor, viewID, from, to int64) (Diff, error) {
	v, err := s.Store.ByID(ctx, actor.UserID, viewID)
	if err != nil {
		return Diff{}, err
	}
	if to == 0 {
		to = v.Version
	}
	before, err := s.revisionOf(ctx, &v, from)
	if err != nil {
		return Diff{}, err
	}
	after, err := s.revisionOf(ctx, &v, to)
	if err != nil {
		return Diff{}, err
	}
	a, b := before.view(), after.view()
	d := Compare(&a, &b)
	d.From, d.To = from, to
	return d, nil
}

// Restore makes a view what it was at a revision, which is a new revision: what
// was saved since stays. The layout comes back as it was, also where a widget
// is gone. ErrNotFound, ErrNameTaken.
func (s *Service) Restore(ctx context.Context, actor identity.Actor, viewID, number int64, reason string) (View, error) {
	edit := editOf(actor, reason)
	edit.Restores = number
	now := s.now()
	return s.save(ctx, func(n *note) (View, error) {
		return s.Store.Update(ctx, edit, viewID, func(v *View, past Past) error {
			n.before = *v
			r, err := past(number)
			if err == ErrStale { //nolint:errorlint // the store returns the value itself
				return ErrNotFound
			}
			if err != nil {
				return err
			}
			v.Name, v.Description, v.WidgetsConfig, v.IsDefault, v.UpdatedAt = r.Name, r.Description, r.WidgetsConfig, r.IsDefault, now
			return nil
		})
	})
}

// Sweep deletes at most limit revisions that are neither among the
// newest of their view nor young enough, and as many links that have expired
// long ago. It gives how many of one kind it deleted at most: less than limit
// means that nothing is left to do.
func (s *Service) Sweep(ctx context.Context, limit int) (int, error) {
	now := s.now()
	return s.Store.Sweep(ctx, now.Add(-KeptFor), now.Add(-keptShares), limit)
}
