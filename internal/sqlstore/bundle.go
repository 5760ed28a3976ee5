package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/theme"
	"github.com/bdash/bdash/internal/widget"
)

// errDry ends the transaction of a dry run.
var errDry = errors.New("dry run")

// Import implements dashboard.ImportStore. A dry run does the same and takes it
// back.
func (s *Dashboards) Import(ctx context.Context, edit dashboard.Edit, in dashboard.Import) (out dashboard.Imported, err error) {
	err = s.inUserTx(ctx, edit.UserID, func(tx *Tx) error {
		out = dashboard.Imported{}
		for _, w := range in.Widgets {
			id, err := importWidget(ctx, tx, &in.View, w)
			if err != nil {
				return widgetFault(err)
			}
			out.WidgetIDs = append(out.WidgetIDs, id)
		}
		if in.Theme != nil {
			if err := s.importTheme(ctx, tx, &in, &out); err != nil {
				return themeFault(err)
			}
		}
		names, err := tx.ViewNames(ctx, edit.UserID)
		if err != nil {
			return err
		}
		v := in.View
		if slices.Contains(names, v.Name) {
			v.Name = dashboard.CopyName(v.Name, func(name string) bool { return slices.Contains(names, name) })
		}
		v.WidgetsConfig = in.Layout(out.WidgetIDs)
		if out.View, err = insertView(ctx, tx, v, edit); err == nil && in.Dry {
			return errDry
		}
		return err
	})
	if errors.Is(err, errDry) {
		out.View.ID, out.ThemeID, err = 0, 0, nil
		clear(out.WidgetIDs)
	}
	return out, err
}

func importWidget(ctx context.Context, tx *Tx, v *dashboard.View, w dashboard.BundledWidget) (int64, error) {
	row, err := tx.InsertWidget(ctx, db.InsertWidgetParams{
		Name: w.Name, WidgetType: w.WidgetType, Description: w.Description, ConfigSchema: string(w.ConfigSchema),
		CreatedBy: v.UserID, SearchText: SearchText(w.Name, w.Description), CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
		Source: cmp.Or(w.Source, widget.SourcePush), Query: textOrNil(w.Query), Mapping: textOrNil(w.Mapping),
		CacheTTL: w.CacheTTL, RefreshEvery: w.RefreshEvery, Variant: w.Variant,
	})
	return row.ID, err
}

// importTheme uses a theme of the user that is the same, or stores a new one
// under a free name.
func (s *Dashboards) importTheme(ctx context.Context, tx *Tx, in *dashboard.Import, out *dashboard.Imported) error {
	userID, t := in.View.UserID, in.Theme
	if n, err := tx.MoveThemes(ctx, userID); err != nil {
		return err
	} else if n == 0 {
		return theme.ErrNotFound // the user was deleted just now
	}
	tx.AfterCommit(func() { s.DB.forgetAccess(userID) })
	same, err := tx.SameTheme(ctx, db.SameThemeParams{
		UserID: userID, Name: t.Name, ColorMode: t.ColorMode, Colors: string(t.Colors), BorderRadius: t.BorderRadius,
	})
	if err == nil && samePalettes(same.Palettes, t.Palettes) {
		out.ThemeID, out.ThemeName = same.ID, same.Name
		return nil
	}
	if err != nil && !IsNoRows(err) {
		return err
	}
	names, err := tx.ThemeNames(ctx, userID)
	if err != nil {
		return err
	}
	made, err := insertTheme(ctx, tx, theme.Theme{
		UserID: userID, Name: theme.FreeName(t.Name, maxThemeName, func(name string) bool { return slices.Contains(names, name) }),
		Description: t.Description, ColorMode: t.ColorMode, Colors: t.Colors, Palettes: t.Palettes, BorderRadius: t.BorderRadius,
		CreatedAt: in.View.CreatedAt, UpdatedAt: in.View.UpdatedAt,
	})
	out.ThemeID, out.ThemeName, out.ThemeMade = made.ID, made.Name, true
	return err
}

func samePalettes(stored *string, palettes json.RawMessage) bool {
	return string(rawOrNil(stored)) == string(palettes)
}
