package sqlstore

import (
	"context"
	"time"

	"github.com/bdash/bdash/internal/preference"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Preferences implements preference.Store.
type Preferences struct{ DB *DB }

func preferencesOf(r *db.UserPreference) preference.Preferences {
	return preference.Preferences{
		UserID: r.UserID, Locale: r.Locale, ThemeMode: r.ThemeMode, ActiveThemeID: r.ActiveThemeID,
		SidebarCollapsed: r.SidebarCollapsed, ActiveDashboardView: r.ActiveDashboardView, TimeZone: r.TimeZone,
		Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func preferencesFault(err error) error {
	switch {
	case IsNoRows(err):
		return preference.ErrNone
	case IsForeignKey(err): // the user was deleted just now
		return preference.ErrNotFound.Because(err)
	}
	return err
}

// Of implements preference.Store.
func (s *Preferences) Of(ctx context.Context, userID int64) (preference.Preferences, error) {
	row, err := s.DB.R().PreferencesOf(ctx, userID)
	return preferencesOf(&row), preferencesFault(err)
}

// Create implements preference.Store.
func (s *Preferences) Create(ctx context.Context, p preference.Preferences) (stored preference.Preferences, err error) {
	err = s.DB.InTx(ctx, func(tx *Tx) error {
		err := tx.CreatePreferences(ctx, db.CreatePreferencesParams{
			UserID: p.UserID, Locale: p.Locale, ThemeMode: p.ThemeMode, SidebarCollapsed: p.SidebarCollapsed,
			TimeZone: p.TimeZone, Now: p.CreatedAt,
		})
		if err != nil {
			return err
		}
		// The row may be another request's: it is there now either way.
		row, err := tx.PreferencesOf(ctx, p.UserID)
		stored = preferencesOf(&row)
		tx.AfterCommit(func() { s.DB.forgetAccess(p.UserID) })
		return err
	})
	return stored, preferencesFault(err)
}

// Update implements preference.Store.
func (s *Preferences) Update(ctx context.Context, userID int64, d preference.Draft, now time.Time) (preference.Preferences, error) {
	row, err := s.DB.W().UpdatePreferences(ctx, preferencesChange(userID, d, now))
	// Also after an error: a context that ends late does not undo the write.
	s.DB.forgetAccess(userID)
	return preferencesOf(&row), preferencesFault(err)
}

// Merge implements preference.Store.
func (s *Preferences) Merge(
	ctx context.Context, userID int64, change func(preference.Preferences) (preference.Draft, error), now time.Time,
) (merged preference.Preferences, err error) {
	err = s.DB.InTx(ctx, func(tx *Tx) error {
		row, err := tx.LockPreferences(ctx, userID)
		if err != nil {
			return err
		}
		d, err := change(preferencesOf(&row))
		if err != nil {
			return err
		}
		row, err = tx.UpdatePreferences(ctx, preferencesChange(userID, d, now))
		merged = preferencesOf(&row)
		return err
	})
	s.DB.forgetAccess(userID)
	return merged, preferencesFault(err)
}

func preferencesChange(userID int64, d preference.Draft, now time.Time) db.UpdatePreferencesParams {
	arg := db.UpdatePreferencesParams{UserID: userID, Now: now}
	arg.SetLocale, arg.Locale = given(d.Locale)
	arg.SetThemeMode, arg.ThemeMode = given(d.ThemeMode)
	arg.SetActiveThemeID, arg.ActiveThemeID = given(d.ActiveThemeID)
	arg.SetSidebarCollapsed, arg.SidebarCollapsed = given(d.SidebarCollapsed)
	arg.SetActiveDashboardView, arg.ActiveDashboardView = given(d.ActiveDashboardView)
	arg.SetTimeZone, arg.TimeZone = given(d.TimeZone)
	return arg
}

// given is what a change says of one field: whether it is set, and to what.
func given[T any](change *T) (set bool, value T) {
	if change == nil {
		return false, value
	}
	return true, *change
}
