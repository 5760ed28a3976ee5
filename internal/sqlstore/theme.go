package sqlstore

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/theme"
)

// Themes implements theme.Store.
type Themes struct{ DB *DB }

// maxThemeName is the length of a theme's name, in characters.
const maxThemeName = 100

func themeOf(r *db.Theme) theme.Theme {
	return theme.Theme{
		ID: r.ID, UserID: r.UserID, Name: r.Name, Description: r.Description, ColorMode: r.ColorMode,
		Colors: json.RawMessage(r.Colors), Palettes: rawOrNil(r.Palettes), BorderRadius: r.BorderRadius,
		IsActive: r.IsActive, IsDefault: r.IsDefault, SourceID: r.SourceID, ClientID: textOr(r.ClientID), Document: rawOrNil(r.Document),
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func textOr(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func rawOrNil(s *string) json.RawMessage {
	if s == nil {
		return nil
	}
	return json.RawMessage(*s)
}

func textOrNil(raw json.RawMessage) *string {
	if len(raw) == 0 {
		return nil
	}
	s := string(raw)
	return &s
}

func themeFault(err error) error {
	switch {
	case Violates(err, "themes_user_name_key"):
		return fieldFault(theme.ErrNameTaken, "name", err)
	case Violates(err, "themes_client_id_key"):
		return theme.ErrClientIDTaken.Because(err)
	case IsNoRows(err):
		return theme.ErrNotFound
	}
	return err
}

// ByID implements theme.Store.
func (s *Themes) ByID(ctx context.Context, userID, id int64) (theme.Theme, error) {
	row, err := s.DB.R().ThemeByID(ctx, db.ThemeByIDParams{ID: id, UserID: userID})
	return themeOf(&row), themeFault(err)
}

// Active implements theme.Store.
func (s *Themes) Active(ctx context.Context, userID int64) (theme.Theme, error) {
	row, err := s.DB.R().ActiveTheme(ctx, userID)
	if IsNoRows(err) {
		return theme.Theme{}, theme.ErrNoActive
	}
	return themeOf(&row), err
}

// All implements theme.Store.
func (s *Themes) All(ctx context.Context, userID int64) ([]theme.Theme, error) {
	rows, err := s.DB.R().ThemesOf(ctx, userID)
	if err != nil {
		return nil, err
	}
	all := make([]theme.Theme, len(rows))
	for i := range rows {
		all[i] = themeOf(&rows[i])
	}
	return all, nil
}

// ByClientID implements theme.Store.
func (s *Themes) ByClientID(ctx context.Context, userID int64, clientID string) (theme.Theme, error) {
	row, err := s.DB.R().ThemeByClientID(ctx, db.ThemeByClientIDParams{UserID: userID, ClientID: &clientID})
	return themeOf(&row), themeFault(err)
}

// BrowserTheme implements theme.Store.
func (s *Themes) BrowserTheme(ctx context.Context, userID int64) (string, error) {
	id, err := s.DB.R().BrowserTheme(ctx, userID)
	return id, themeFault(err)
}

// ChooseBrowserTheme implements theme.Store.
func (s *Themes) ChooseBrowserTheme(ctx context.Context, userID int64, clientID string) error {
	return s.inUserTx(ctx, userID, func(tx *Tx) error {
		if err := tx.DeactivateThemes(ctx, db.DeactivateThemesParams{UserID: userID}); err != nil {
			return err
		}
		return tx.SetBrowserTheme(ctx, db.SetBrowserThemeParams{ID: userID, BrowserTheme: clientID})
	})
}

const themeColumns = `id, user_id, name, description, color_mode, colors, palettes, border_radius, is_active, is_default,
	source_id, client_id, document, created_at, updated_at`

var themeList = ListSpec{
	Columns: themeColumns,
	From:    "themes",
	Where:   "user_id = $1",
	ID:      "id",
	Order: orderKeysOf(map[string]bool{
		"id": false, "name": false, "description": false, "color_mode": false, "colors": false, "border_radius": false,
		"is_active": false, "is_default": false, "created_at": false, "updated_at": false,
	}),
	Default: []page.Order{{Field: "is_active", Desc: true}, {Field: "created_at", Desc: true}},
	Filters: map[string]Filter{
		"color_mode": {Expr: "color_mode"},
		"is_active":  {Expr: "is_active", Parse: FilterBool},
		"is_default": {Expr: "is_default", Parse: FilterBool},
	},
	Search: "search_text",
}

// List implements theme.Store.
func (s *Themes) List(ctx context.Context, userID int64, req page.Request) (page.Result[theme.Theme], error) {
	spec := themeList
	spec.Args = []any{userID}
	return ListPage(ctx, s.DB.ReadDBTX(), spec, req, scanTheme)
}

func scanTheme(rows pgx.Rows) (theme.Theme, error) {
	var t theme.Theme
	var colors string
	var palettes, clientID, document *string
	err := rows.Scan(&t.ID, &t.UserID, &t.Name, &t.Description, &t.ColorMode, &colors, &palettes, &t.BorderRadius,
		&t.IsActive, &t.IsDefault, &t.SourceID, &clientID, &document, &t.CreatedAt, &t.UpdatedAt)
	t.ClientID, t.Document = textOr(clientID), rawOrNil(document)
	t.Colors, t.Palettes = json.RawMessage(colors), rawOrNil(palettes)
	return t, err
}

// inUserTx runs fn with the user's themes locked and their version moved, and
// makes requests that follow see the new version.
func (s *Themes) inUserTx(ctx context.Context, userID int64, fn func(*Tx) error) error {
	err := s.DB.InTx(ctx, func(tx *Tx) error {
		if n, err := tx.MoveThemes(ctx, userID); err != nil {
			return err
		} else if n == 0 {
			return theme.ErrNotFound // the user was deleted just now
		}
		tx.AfterCommit(func() { s.DB.forgetAccess(userID) })
		return fn(tx)
	})
	return themeFault(err)
}

// insertTheme also switches the others off when the new one is active.
func insertTheme(ctx context.Context, tx *Tx, t theme.Theme) (theme.Theme, error) {
	if t.IsActive {
		if err := tx.DeactivateThemes(ctx, db.DeactivateThemesParams{UserID: t.UserID}); err != nil {
			return theme.Theme{}, err
		}
	}
	row, err := tx.InsertTheme(ctx, db.InsertThemeParams{
		UserID: t.UserID, Name: t.Name, Description: t.Description, ColorMode: t.ColorMode, Colors: string(t.Colors),
		Palettes: textOrNil(t.Palettes), BorderRadius: t.BorderRadius, IsActive: t.IsActive, IsDefault: t.IsDefault,
		SourceID: t.SourceID, SearchText: SearchText(t.Name, t.Description), ClientID: textOrNil([]byte(t.ClientID)),
		Document: textOrNil(t.Document), CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt,
	})
	return themeOf(&row), err
}

func updateTheme(ctx context.Context, tx *Tx, t theme.Theme) (theme.Theme, error) {
	if t.IsActive {
		err := tx.DeactivateThemes(ctx, db.DeactivateThemesParams{UserID: t.UserID, But: t.ID})
		if err != nil {
			return theme.Theme{}, err
		}
	}
	row, err := tx.UpdateTheme(ctx, db.UpdateThemeParams{
		ID: t.ID, UserID: t.UserID, Name: t.Name, Description: t.Description, ColorMode: t.ColorMode, Colors: string(t.Colors),
		Palettes: textOrNil(t.Palettes), BorderRadius: t.BorderRadius, IsActive: t.IsActive, IsDefault: t.IsDefault,
		SearchText: SearchText(t.Name, t.Description), Document: textOrNil(t.Document), UpdatedAt: t.UpdatedAt,
	})
	return themeOf(&row), err
}

// Create implements theme.Store.
func (s *Themes) Create(ctx context.Context, t theme.Theme) (created theme.Theme, err error) {
	err = s.inUserTx(ctx, t.UserID, func(tx *Tx) error {
		created, err = insertTheme(ctx, tx, t)
		return err
	})
	return created, err
}

// Update implements theme.Store.
func (s *Themes) Update(ctx context.Context, userID, id int64, change func(*theme.Theme) error) (updated theme.Theme, err error) {
	err = s.inUserTx(ctx, userID, func(tx *Tx) error {
		row, err := tx.ThemeByID(ctx, db.ThemeByIDParams{ID: id, UserID: userID})
		if err != nil {
			return err
		}
		t := themeOf(&row)
		if err := change(&t); err != nil {
			return err
		}
		updated, err = updateTheme(ctx, tx, t)
		return err
	})
	return updated, err
}

// Activate implements theme.Store.
func (s *Themes) Activate(ctx context.Context, userID, id int64, now time.Time) (theme.Theme, error) {
	return s.Update(ctx, userID, id, func(t *theme.Theme) error {
		t.IsActive, t.UpdatedAt = true, now
		return nil
	})
}

// ActivateCopy implements theme.Store.
func (s *Themes) ActivateCopy(ctx context.Context, t theme.Theme, now time.Time) (active theme.Theme, err error) {
	err = s.inUserTx(ctx, t.UserID, func(tx *Tx) error {
		row, err := tx.ThemeCopy(ctx, db.ThemeCopyParams{UserID: t.UserID, SourceID: t.SourceID})
		if err == nil {
			own := themeOf(&row)
			own.IsActive, own.UpdatedAt = true, now
			active, err = updateTheme(ctx, tx, own)
			return err
		}
		if !IsNoRows(err) {
			return err
		}
		names, err := tx.ThemeNames(ctx, t.UserID)
		if err != nil {
			return err
		}
		t.Name = theme.FreeName(t.Name, maxThemeName, func(name string) bool { return slices.Contains(names, name) })
		active, err = insertTheme(ctx, tx, t)
		return err
	})
	return active, err
}

// Delete implements theme.Store.
func (s *Themes) Delete(ctx context.Context, userID, id int64) error {
	return s.inUserTx(ctx, userID, func(tx *Tx) error {
		row, err := tx.ThemeByID(ctx, db.ThemeByIDParams{ID: id, UserID: userID})
		if err != nil {
			return err
		}
		if row.IsActive { // then the browser's default is, not what was before
			if err := tx.SetBrowserTheme(ctx, db.SetBrowserThemeParams{ID: userID}); err != nil {
				return err
			}
		}
		_, err = tx.DeleteTheme(ctx, db.DeleteThemeParams{ID: id, UserID: userID})
		return err
	})
}
