// Package theme holds the users' themes: colours, the one active theme of each
// user, import, and the built-in themes.
//
// Built-in themes have no owner and negative ids, are the same for everybody
// and cannot be changed. Activating one makes a copy that belongs to the user.
package theme

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

// Theme is one theme.
type Theme struct {
	// ID is negative for built-in themes.
	ID          int64
	UserID      int64
	Name        string
	Description string
	ColorMode   string // "light" or "dark"
	// Colors is a JSON object; the palette of ColorMode where there are two.
	Colors json.RawMessage
	// Palettes is {"light": {…}, "dark": {…}} for a theme that carries both,
	// empty otherwise.
	Palettes     json.RawMessage
	BorderRadius string
	IsActive     bool
	// IsDefault is the user's own mark.
	IsDefault bool
	// SourceID is the built-in theme that this is a copy of.
	SourceID *int64
	// ClientID is the id that the browser gave the theme; "" for one that no
	// browser made (ClientIDOf).
	ClientID string
	// Document is the theme as the browser holds it, nil without one
	// (DocumentOf).
	Document  json.RawMessage
	CreatedAt time.Time
	UpdatedAt time.Time
}

// BuiltIn reports whether the theme comes with bdash.
func (t *Theme) BuiltIn() bool { return t.ID < 0 }

// Draft is a new theme or a change of one; nil leaves a field as it is.
type Draft struct {
	Name, Description, ColorMode, BorderRadius *string
	Colors, Palettes                           json.RawMessage
	// ClearPalettes removes the second palette.
	ClearPalettes       bool
	IsActive, IsDefault *bool
}

// Store keeps themes. Each method is one unit of work and leaves at most one
// active theme per user.
type Store interface {
	// ByID: ErrNotFound, also for other users' themes.
	ByID(ctx context.Context, userID, id int64) (Theme, error)
	// Active: ErrNoActive.
	Active(ctx context.Context, userID int64) (Theme, error)
	// List orders by any field of themes/.
	List(ctx context.Context, userID int64, req page.Request) (page.Result[Theme], error)
	// Create gives the theme back with its id. ErrNameTaken, ErrClientIDTaken.
	Create(ctx context.Context, t Theme) (Theme, error)
	// Update reads the theme, lets change work on it, and writes it, with no
	// other write of the user in between. ErrNotFound, ErrNameTaken, and what
	// change returns.
	Update(ctx context.Context, userID, id int64, change func(*Theme) error) (Theme, error)
	// Activate: ErrNotFound.
	Activate(ctx context.Context, userID, id int64, now time.Time) (Theme, error)
	// ActivateCopy activates the user's copy of a built-in theme; it is made
	// from t if there is none, under a free name.
	ActivateCopy(ctx context.Context, t Theme, now time.Time) (Theme, error)
	// All themes of the user, oldest first.
	All(ctx context.Context, userID int64) ([]Theme, error)
	// ByClientID: ErrNotFound.
	ByClientID(ctx context.Context, userID int64, clientID string) (Theme, error)
	// BrowserTheme is what ChooseBrowserTheme set last, or "".
	BrowserTheme(ctx context.Context, userID int64) (string, error)
	// ChooseBrowserTheme leaves no stored theme active, and notes which of the
	// browser's own is.
	ChooseBrowserTheme(ctx context.Context, userID int64, clientID string) error
	// Delete: ErrNotFound. Without an active theme there is no choice of the
	// browser's either.
	Delete(ctx context.Context, userID, id int64) error
}

// Errors of this room.
var (
	ErrNotFound = fault.New(fault.NotFound, "theme.not_found", "Not found.")
	ErrNoActive = fault.New(fault.NotFound, "theme.no_active", "No active theme")
	// ErrNameTaken: the user has another theme of that name.
	ErrNameTaken = fault.New(fault.Invalid, "theme.name_taken", "theme with this name already exists.")
	// ErrBuiltIn: built-in themes cannot be changed.
	ErrBuiltIn = fault.New(fault.Forbidden, "theme.built_in", "Built-in themes cannot be changed.")
)

// Events is told, after the commit, what has become of a user's themes. It must
// not wait.
type Events interface {
	ThemeUpdated(ctx context.Context, userID int64, e Updated)
}

// Updated is the event that a theme was changed.
type Updated struct {
	ThemeID int64 `json:"theme_id"`
	// Change is one of the constants below. An activated theme may be new.
	Change    string    `json:"change"`
	UpdatedAt time.Time `json:"updated_at"`
}

// What may happen to a theme.
const (
	Created   = "created"
	Edited    = "updated"
	Activated = "activated"
	Deleted   = "deleted"
)

// Service is the room.
type Service struct {
	Store Store
	Now   func() time.Time
	// Events is told of changes; nil tells nobody.
	Events Events
}

// tell gives back what a change ended with, and tells Events of its success.
func (s *Service) tell(ctx context.Context, change string, t Theme, err error) (Theme, error) {
	if err == nil && s.Events != nil {
		s.Events.ThemeUpdated(ctx, t.UserID, Updated{ThemeID: t.ID, Change: change, UpdatedAt: t.UpdatedAt})
	}
	return t, err
}

// List is one page of the actor's own themes.
func (s *Service) List(ctx context.Context, actor identity.Actor, req page.Request) (page.Result[Theme], error) {
	return s.Store.List(ctx, actor.UserID, req)
}

// ByID is one of the actor's themes, or a built-in one. ErrNotFound.
func (s *Service) ByID(ctx context.Context, actor identity.Actor, id int64) (Theme, error) {
	if id < 0 {
		return builtIn(id)
	}
	return s.Store.ByID(ctx, actor.UserID, id)
}

// Active is the actor's active theme. ErrNoActive.
func (s *Service) Active(ctx context.Context, actor identity.Actor) (Theme, error) {
	return s.Store.Active(ctx, actor.UserID)
}

// Create stores a new theme. ErrNameTaken; a field fault of the colours.
func (s *Service) Create(ctx context.Context, actor identity.Actor, d Draft) (Theme, error) {
	t, err := s.Prepare(actor, d)
	if err != nil {
		return Theme{}, err
	}
	created, err := s.Store.Create(ctx, t)
	return s.tell(ctx, Created, created, err)
}

// Prepare is the theme that Create would store, unless something is wrong with
// its colours. Nothing is stored.
func (s *Service) Prepare(actor identity.Actor, d Draft) (Theme, error) {
	now := s.now()
	t := Theme{UserID: actor.UserID, Colors: json.RawMessage("{}"), BorderRadius: "0.5rem", CreatedAt: now}
	if err := s.apply(&t, d, now); err != nil {
		return Theme{}, err
	}
	return t, nil
}

// Update changes a theme. ErrNotFound, ErrNameTaken, ErrBuiltIn; a field fault
// of the colours.
func (s *Service) Update(ctx context.Context, actor identity.Actor, id int64, d Draft) (Theme, error) {
	if err := writable(id); err != nil {
		return Theme{}, err
	}
	now := s.now()
	updated, err := s.Store.Update(ctx, actor.UserID, id, func(t *Theme) error { return s.apply(t, d, now) })
	return s.tell(ctx, Edited, updated, err)
}

func writable(id int64) error {
	if id >= 0 {
		return nil
	}
	if _, err := builtIn(id); err != nil {
		return err
	}
	return ErrBuiltIn
}

// apply changes t as the draft says and checks what was changed.
func (s *Service) apply(t *Theme, d Draft, now time.Time) error {
	modeChanged := d.ColorMode != nil && *d.ColorMode != t.ColorMode
	set(&t.Name, d.Name)
	set(&t.Description, d.Description)
	set(&t.ColorMode, d.ColorMode)
	set(&t.BorderRadius, d.BorderRadius)
	set(&t.IsActive, d.IsActive)
	set(&t.IsDefault, d.IsDefault)
	t.UpdatedAt = now
	if d.Colors != nil {
		if err := checkColors("colors", d.Colors); err != nil {
			return err
		}
		t.Colors = d.Colors
	}
	if d.ClearPalettes {
		t.Palettes = nil
	}
	if d.Palettes != nil {
		if err := checkPalettes(d.Palettes); err != nil {
			return err
		}
		t.Palettes = d.Palettes
	}
	if err := settlePalettes(t, d.Colors != nil, d.Palettes != nil || modeChanged); err != nil {
		return err
	}
	follow(t, &d, d.Colors != nil || d.Palettes != nil)
	return nil
}

func set[T any](to *T, change *T) {
	if change != nil {
		*to = *change
	}
}

// Activate makes the theme the actor's active one. For a built-in theme that
// is the actor's own copy of it. ErrNotFound.
func (s *Service) Activate(ctx context.Context, actor identity.Actor, id int64) (Theme, error) {
	if id >= 0 {
		active, err := s.Store.Activate(ctx, actor.UserID, id, s.now())
		return s.tell(ctx, Activated, active, err)
	}
	t, err := builtIn(id)
	if err != nil {
		return Theme{}, err
	}
	now := s.now()
	t.UserID, t.SourceID, t.ID = actor.UserID, &id, 0
	t.IsActive, t.CreatedAt, t.UpdatedAt = true, now, now
	active, err := s.Store.ActivateCopy(ctx, t, now)
	return s.tell(ctx, Activated, active, err)
}

// Delete removes a theme. ErrNotFound, ErrBuiltIn.
func (s *Service) Delete(ctx context.Context, actor identity.Actor, id int64) error {
	if err := writable(id); err != nil {
		return err
	}
	err := s.Store.Delete(ctx, actor.UserID, id)
	_, err = s.tell(ctx, Deleted, Theme{ID: id, UserID: actor.UserID, UpdatedAt: s.now()}, err)
	return err
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// FreeName is name, or name with the first number from 2 that no other name
// takes. The result has at most limit characters.
func FreeName(name string, limit int, taken func(string) bool) string {
	candidate := name
	for n := 2; taken(candidate); n++ {
		suffix := fmt.Sprintf(" %d", n)
		base := []rune(name)
		if room := limit - len(suffix); len(base) > room {
			base = base[:room]
		}
		candidate = strings.TrimRight(string(base), " ") + suffix
	}
	return candidate
}
