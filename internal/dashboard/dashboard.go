// Package dashboard holds the users' dashboard views: which widgets stand
// where, the one active view of each user, and the layout that users of a role
// start with.
//
// The layout of a view is whatever JSON the client stores. Items that name a
// widget are checked when they are written (layout.go); everything else is
// kept as it was sent.
package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

// View is one dashboard view.
type View struct {
	ID          int64
	UserID      int64
	Name        string
	Description string
	// WidgetsConfig is any JSON value but null; a layout is a list of items.
	WidgetsConfig json.RawMessage
	// IsDefault is the user's own mark; several views may have it.
	IsDefault bool
	IsActive  bool
	// Version is the number of the newest revision, from 1.
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// MaxName is the length of a view's name, in characters.
const MaxName = 100

// Draft is a new view or a change of one; nil leaves a field as it is.
type Draft struct {
	Name, Description   *string
	WidgetsConfig       json.RawMessage
	IsDefault, IsActive *bool
	// Reason is kept with the revision; may be empty.
	Reason string
	// Base is the state that the client started from: what was saved since is
	// merged, or is a Conflict. nil: the last write wins.
	Base *Base
}

// Store keeps views and role layouts. Each method is one unit of work and
// leaves at most one active view per user, whatever runs at the same time.
type Store interface {
	// ByID: ErrNotFound, also for other users' views.
	ByID(ctx context.Context, userID, id int64) (View, error)
	// Active: ErrNoView.
	Active(ctx context.Context, userID int64) (View, error)
	// List orders by any field of views/.
	List(ctx context.Context, userID int64, req page.Request) (page.Result[View], error)
	// Create gives the view back with its id, and stores its first revision.
	// ErrNameTaken.
	Create(ctx context.Context, v View, edit Edit) (View, error)
	// Update reads the view, lets change work on it, and writes it, with no
	// other write of the user in between. If its state is another one then, it
	// is stored as a revision, too. ErrNotFound, ErrNameTaken, and what change
	// returns.
	Update(ctx context.Context, edit Edit, id int64, change Change) (View, error)
	// ChangeActive is Update of the active view. If none is active, that
	// becomes the default or else the newest one; if there is none at all,
	// first is stored, or ErrNoView when that is nil. A nil change writes
	// nothing more.
	ChangeActive(ctx context.Context, edit Edit, first *View, change Change) (View, error)
	// Duplicate stores a copy that is neither active nor default, under the
	// name that CopyName gives. ErrNotFound.
	Duplicate(ctx context.Context, edit Edit, id int64, now time.Time) (View, error)
	// Delete removes a view with its revisions and links, unless may returns an
	// error. ErrNotFound, and what may returns.
	Delete(ctx context.Context, userID, id int64, may func(*View) error) error
	// Revisions are those of a view without their layouts, newest first. A view
	// that is older than revisions gets its first one.
	Revisions(ctx context.Context, v View, req page.Request) (page.Result[Revision], error)
	// Revision: ErrNotFound.
	Revision(ctx context.Context, viewID, number int64) (Revision, error)
	// Sweep deletes at most limit surplus revisions from before the one time
	// and as many links that expired before the other. It gives the larger of
	// the two numbers.
	Sweep(ctx context.Context, revisions, shares time.Time, limit int) (int, error)
	// RoleLayout: ErrNotFound when the role has none of its own.
	RoleLayout(ctx context.Context, role identity.Role) (RoleLayout, error)
	// PutRoleLayout replaces the layout of l.Role.
	PutRoleLayout(ctx context.Context, l RoleLayout, by int64) error
}

// Errors of this room.
var (
	ErrNotFound = fault.New(fault.NotFound, "view.not_found", "Not found.")
	// ErrNoView stays between the store and the service.
	ErrNoView = fault.New(fault.NotFound, "view.none", "Not found.")
	// ErrNameTaken: the user has another view of that name.
	ErrNameTaken = fault.New(fault.Invalid, "view.name_taken", "dashboard view with this name already exists.")
	// ErrLayout: a layout that cannot be stored; its fields say what and where.
	ErrLayout = fault.New(fault.Invalid, "view.layout", "The layout is not valid.")
	// ErrConflict is what a Conflict matches.
	ErrConflict = fault.New(fault.Conflict, "view.conflict", "The view was changed by someone else in the same places.")
	// ErrStale: the state that the client started from is not known.
	ErrStale = fault.New(fault.Precondition, "view.stale",
		"If-Match names no state of this view that is still known. Read the view again and repeat the change.")
	// ErrMoved: a delete whose If-Match is not the present state.
	ErrMoved = fault.New(fault.Precondition, "view.moved", "The view has changed since it was read. Read it again.")
	// ErrForbidden: role layouts are changed by administrators.
	ErrForbidden = fault.New(fault.Forbidden, "view.forbidden", "You do not have permission to perform this action.")
)

// Service is the room.
type Service struct {
	Store   Store
	Shares  ShareStore
	Widgets Widgets
	// Data is what shared views show; nil shows none.
	Data SharedData
	// Imports and Neighbours are needed for bundles.
	Imports    ImportStore
	Neighbours Neighbours
	// Events is told of changes; nil tells nobody.
	Events Events
	Now    func() time.Time
}

// Events is told of what was committed.
type Events interface {
	// DashboardUpdated: the view was changed, or deleted (version 0).
	DashboardUpdated(ctx context.Context, userID, viewID, version int64)
}

// List is one page of the actor's own views.
func (s *Service) List(ctx context.Context, actor identity.Actor, req page.Request) (page.Result[View], error) {
	return s.Store.List(ctx, actor.UserID, req)
}

// ByID is one of the actor's views. ErrNotFound.
func (s *Service) ByID(ctx context.Context, actor identity.Actor, id int64) (View, error) {
	return s.Store.ByID(ctx, actor.UserID, id)
}

// Create stores a new view, with an empty layout if the draft has none.
// ErrNameTaken, ErrLayout.
func (s *Service) Create(ctx context.Context, actor identity.Actor, d Draft) (View, error) {
	if _, err := s.checkDraft(ctx, actor, d); err != nil {
		return View{}, err
	}
	now := s.now()
	v := View{UserID: actor.UserID, WidgetsConfig: json.RawMessage("[]"), CreatedAt: now}
	d.apply(&v, now)
	return s.save(ctx, func(*note) (View, error) { return s.Store.Create(ctx, v, editOf(actor, d.Reason)) })
}

// Update changes a view. ErrNotFound, ErrNameTaken, ErrLayout; with a Base also
// a Conflict and ErrStale.
func (s *Service) Update(ctx context.Context, actor identity.Actor, id int64, d Draft) (View, error) {
	return s.change(ctx, actor, d, func(change Change) (View, error) {
		return s.Store.Update(ctx, editOf(actor, d.Reason), id, change)
	})
}

// Activate makes the view the actor's active one. ErrNotFound.
func (s *Service) Activate(ctx context.Context, actor identity.Actor, id int64) (View, error) {
	active := true
	return s.Update(ctx, actor, id, Draft{IsActive: &active})
}

// Duplicate makes a copy of a view, which is not active. ErrNotFound.
func (s *Service) Duplicate(ctx context.Context, actor identity.Actor, id int64) (View, error) {
	return s.save(ctx, func(*note) (View, error) { return s.Store.Duplicate(ctx, editOf(actor, ""), id, s.now()) })
}

// Delete removes a view. ErrNotFound; with a Base ErrMoved when the view is not
// that state any more.
func (s *Service) Delete(ctx context.Context, actor identity.Actor, id int64, base *Base) error {
	err := s.Store.Delete(ctx, actor.UserID, id, func(v *View) error {
		if base != nil && !base.Any && (base.ViewID != id || base.Version != v.Version) {
			return ErrMoved
		}
		return nil
	})
	if err == nil && s.Events != nil {
		s.Events.DashboardUpdated(ctx, actor.UserID, id, 0)
	}
	return err
}

// Layout is the actor's active view. If none is active it is made so; if there
// is none at all, one is made from the layout of the actor's role.
func (s *Service) Layout(ctx context.Context, actor identity.Actor) (View, error) {
	v, err := s.Store.Active(ctx, actor.UserID)
	if errors.Is(err, ErrNoView) {
		return s.save(ctx, func(*note) (View, error) { return s.changeActive(ctx, actor, "", nil) })
	}
	return v, err
}

// PutLayout changes the actor's active view, which comes into being as by
// Layout. Whether it is active or default cannot be changed by it. Errors of
// Update, but ErrNotFound.
func (s *Service) PutLayout(ctx context.Context, actor identity.Actor, d Draft) (View, error) {
	d.IsActive, d.IsDefault = nil, nil
	return s.change(ctx, actor, d, func(change Change) (View, error) {
		return s.changeActive(ctx, actor, d.Reason, change)
	})
}

// changeActive makes the first view only for users who need one: that takes
// several lookups.
func (s *Service) changeActive(ctx context.Context, actor identity.Actor, reason string, change Change) (View, error) {
	edit := editOf(actor, reason)
	v, err := s.Store.ChangeActive(ctx, edit, nil, change)
	if !errors.Is(err, ErrNoView) {
		return v, err
	}
	first, err := s.firstView(ctx, actor)
	if err != nil {
		return View{}, fmt.Errorf("make the first view of user %d: %w", actor.UserID, err)
	}
	return s.Store.ChangeActive(ctx, edit, &first, change)
}

// apply changes v as the draft says.
func (d Draft) apply(v *View, now time.Time) {
	set(&v.Name, d.Name)
	set(&v.Description, d.Description)
	set(&v.IsDefault, d.IsDefault)
	set(&v.IsActive, d.IsActive)
	if d.WidgetsConfig != nil {
		v.WidgetsConfig = d.WidgetsConfig
	}
	v.UpdatedAt = now
}

func set[T any](to *T, change *T) {
	if change != nil {
		*to = *change
	}
}

// CopyName is "name (copy)", or with a number from 2 the first that is not
// taken: "name (copy 2)". The result has at most MaxName characters.
func CopyName(name string, taken func(string) bool) string {
	suffix := " (copy)"
	for n := 2; ; n++ {
		base := []rune(name)
		if room := MaxName - len(suffix); len(base) > room {
			base = base[:room]
		}
		if candidate := strings.TrimRight(string(base), " ") + suffix; !taken(candidate) {
			return candidate
		}
		suffix = fmt.Sprintf(" (copy %d)", n)
	}
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }
