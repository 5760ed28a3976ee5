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
	// Create gives the view back with its id. ErrNameTaken.
	Create(ctx context.Context, v View) (View, error)
	// Update reads the view, lets change work on it, and writes it, with no
	// other write of the user in between. ErrNotFound, ErrNameTaken, and what
	// change returns.
	Update(ctx context.Context, userID, id int64, change func(*View) error) (View, error)
	// ChangeActive is Update of the active view. If none is active, that
	// becomes the default or else the newest one; if there is none at all,
	// first is stored, or ErrNoView when that is nil. A nil change writes
	// nothing more.
	ChangeActive(ctx context.Context, userID int64, first *View, change func(*View) error) (View, error)
	// Duplicate stores a copy that is neither active nor default, under the
	// name that CopyName gives. ErrNotFound.
	Duplicate(ctx context.Context, userID, id int64, now time.Time) (View, error)
	// Delete: ErrNotFound.
	Delete(ctx context.Context, userID, id int64) error
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
	// ErrForbidden: role layouts are changed by administrators.
	ErrForbidden = fault.New(fault.Forbidden, "view.forbidden", "You do not have permission to perform this action.")
)

// Service is the room.
type Service struct {
	Store   Store
	Widgets Widgets
	Now     func() time.Time
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
	if err := s.checkDraft(ctx, actor, d); err != nil {
		return View{}, err
	}
	now := s.now()
	v := View{UserID: actor.UserID, WidgetsConfig: json.RawMessage("[]"), CreatedAt: now}
	d.apply(&v, now)
	return s.Store.Create(ctx, v)
}

// Update changes a view. ErrNotFound, ErrNameTaken, ErrLayout.
func (s *Service) Update(ctx context.Context, actor identity.Actor, id int64, d Draft) (View, error) {
	if err := s.checkDraft(ctx, actor, d); err != nil {
		return View{}, err
	}
	now := s.now()
	return s.Store.Update(ctx, actor.UserID, id, func(v *View) error {
		d.apply(v, now)
		return nil
	})
}

// Activate makes the view the actor's active one. ErrNotFound.
func (s *Service) Activate(ctx context.Context, actor identity.Actor, id int64) (View, error) {
	active := true
	return s.Update(ctx, actor, id, Draft{IsActive: &active})
}

// Duplicate makes a copy of a view, which is not active. ErrNotFound.
func (s *Service) Duplicate(ctx context.Context, actor identity.Actor, id int64) (View, error) {
	return s.Store.Duplicate(ctx, actor.UserID, id, s.now())
}

// Delete removes a view. ErrNotFound.
func (s *Service) Delete(ctx context.Context, actor identity.Actor, id int64) error {
	return s.Store.Delete(ctx, actor.UserID, id)
}

// Layout is the actor's active view. If none is active it is made so; if there
// is none at all, one is made from the layout of the actor's role.
func (s *Service) Layout(ctx context.Context, actor identity.Actor) (View, error) {
	v, err := s.Store.Active(ctx, actor.UserID)
	if errors.Is(err, ErrNoView) {
		return s.changeActive(ctx, actor, nil)
	}
	return v, err
}

// PutLayout changes the actor's active view, which comes into being as by
// Layout. Whether it is active or default cannot be changed by it.
// ErrNameTaken, ErrLayout.
func (s *Service) PutLayout(ctx context.Context, actor identity.Actor, d Draft) (View, error) {
	if err := s.checkDraft(ctx, actor, d); err != nil {
		return View{}, err
	}
	d.IsActive, d.IsDefault = nil, nil
	now := s.now()
	return s.changeActive(ctx, actor, func(v *View) error {
		d.apply(v, now)
		return nil
	})
}

// changeActive makes the first view only for users who need one: that takes
// several lookups.
func (s *Service) changeActive(ctx context.Context, actor identity.Actor, change func(*View) error) (View, error) {
	v, err := s.Store.ChangeActive(ctx, actor.UserID, nil, change)
	if !errors.Is(err, ErrNoView) {
		return v, err
	}
	first, err := s.firstView(ctx, actor)
	if err != nil {
		return View{}, fmt.Errorf("make the first view of user %d: %w", actor.UserID, err)
	}
	return s.Store.ChangeActive(ctx, actor.UserID, &first, change)
}

func (s *Service) checkDraft(ctx context.Context, actor identity.Actor, d Draft) error {
	if d.WidgetsConfig == nil {
		return nil
	}
	return s.checkLayout(ctx, actor, d.WidgetsConfig)
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
