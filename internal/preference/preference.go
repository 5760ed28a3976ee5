// Package preference holds what each user prefers: language, light or dark,
// time zone, and where the dashboard was left.
//
// A user has exactly one set of preferences. It comes into being when it is
// first looked at or written, however many requests do that at once.
package preference

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the binary must know every zone on machines that have no zone files

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// Preferences are those of one user.
type Preferences struct {
	UserID int64
	// Locale is a language tag, kept as the user gave it: "en", "pt-BR".
	Locale string
	// ThemeMode is "light", "dark" or "system".
	ThemeMode string
	// ActiveThemeID is the client's own note, never looked up here: nil and ""
	// are different values.
	ActiveThemeID    *string
	SidebarCollapsed bool
	// ActiveDashboardView is the client's own note, as ActiveThemeID.
	ActiveDashboardView string
	// TimeZone is an IANA name: "Europe/Paris".
	TimeZone string
	// Version moves with every write, from 1: part of cache keys.
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Draft is a change; nil leaves a field as it is.
type Draft struct {
	Locale, ThemeMode   *string
	ActiveThemeID       **string // points to nil to clear it
	SidebarCollapsed    *bool
	ActiveDashboardView *string
	TimeZone            *string
	// Base is the state that the client started from: what was saved since is
	// merged, or is a Conflict. nil: the last write wins.
	Base *Base
}

// Store keeps preferences. Each method is one unit of work.
type Store interface {
	// Of: ErrNone before the user has any.
	Of(ctx context.Context, userID int64) (Preferences, error)
	// Create stores p unless the user has preferences already, and gives what
	// is stored then. ErrNotFound when there is no such user.
	Create(ctx context.Context, p Preferences) (Preferences, error)
	// Update writes the fields of d and no others, in one statement: changes of
	// different fields at the same time are all kept. ErrNone before the user
	// has any.
	Update(ctx context.Context, userID int64, d Draft, now time.Time) (Preferences, error)
	// Merge is Update of what change makes of the present state, with no other
	// write in between. ErrNone, and what change returns.
	Merge(ctx context.Context, userID int64, change func(Preferences) (Draft, error), now time.Time) (Preferences, error)
}

// Errors of this room.
var (
	// ErrNotFound: the user was deleted just now.
	ErrNotFound = fault.New(fault.NotFound, "preference.not_found", "Not found.")
	// ErrNone stays between the store and the service.
	ErrNone = fault.New(fault.NotFound, "preference.none", "Not found.")
	// ErrConflict is what a Conflict matches.
	ErrConflict = fault.New(fault.Conflict, "preference.conflict", "The preferences were changed elsewhere in the same places.")
	// ErrStale: the state that the client started from is not known.
	ErrStale = fault.New(fault.Precondition, "preference.stale",
		"If-Match names no state of these preferences. Read them again and repeat the change.")
	// ErrTimeZone matches the faults of an unknown time zone.
	ErrTimeZone = fault.New(fault.Invalid, "preference.time_zone", "Unknown time zone.")
)

// Service is the room.
type Service struct {
	Store Store
	Now   func() time.Time
}

// Of is what the actor prefers: the defaults at first sight.
func (s *Service) Of(ctx context.Context, actor identity.Actor) (Preferences, error) {
	p, err := s.Store.Of(ctx, actor.UserID)
	if errors.Is(err, ErrNone) {
		return s.Store.Create(ctx, initial(actor.UserID, s.now()))
	}
	return p, err
}

// Update changes the actor's preferences. An empty draft only moves UpdatedAt.
// ErrTimeZone, with its field; with a Base also a Conflict and ErrStale.
func (s *Service) Update(ctx context.Context, actor identity.Actor, d Draft) (Preferences, error) {
	if d.TimeZone != nil {
		if err := checkTimeZone(*d.TimeZone); err != nil {
			return Preferences{}, err
		}
	}
	now := s.now()
	p, err := s.write(ctx, actor.UserID, d, now)
	if !errors.Is(err, ErrNone) {
		return p, err
	}
	if _, err := s.Store.Create(ctx, initial(actor.UserID, now)); err != nil {
		return Preferences{}, err
	}
	return s.write(ctx, actor.UserID, d, now)
}

func (s *Service) write(ctx context.Context, userID int64, d Draft, now time.Time) (Preferences, error) {
	if d.Base == nil {
		return s.Store.Update(ctx, userID, d, now)
	}
	return s.Store.Merge(ctx, userID, d.over, now)
}

// initial is what a user starts with: the guide's defaults.
func initial(userID int64, now time.Time) Preferences {
	return Preferences{UserID: userID, Locale: "en", ThemeMode: "system", TimeZone: "UTC", Version: 1, CreatedAt: now, UpdatedAt: now}
}

func checkTimeZone(name string) error {
	// LoadLocation takes "" for UTC and "Local" for the server's own zone, which
	// says nothing about the user.
	if name != "" && name != "Local" && !strings.ContainsRune(name, 0) {
		if _, err := time.LoadLocation(name); err == nil {
			return nil
		}
	}
	e := ErrTimeZone.Because(nil)
	e.Fields = []fault.Field{{Name: "time_zone", Code: e.Code, Message: fmt.Sprintf("%q is not a known time zone.", name)}}
	return e
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }
