package sqlstore

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Dashboards implements dashboard.Store.
type Dashboards struct{ DB *DB }

func viewOf(r *db.DashboardView) dashboard.View {
	return dashboard.View{
		ID: r.ID, UserID: r.UserID, Name: r.Name, Description: r.Description, WidgetsConfig: json.RawMessage(r.WidgetsConfig),
		IsDefault: r.IsDefault, IsActive: r.IsActive, Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func viewFault(err error) error {
	switch {
	case Violates(err, "dashboard_views_user_name_key"):
		return fieldFault(dashboard.ErrNameTaken, "name", err)
	case IsNoRows(err):
		return dashboard.ErrNotFound
	}
	return err
}

// ByID implements dashboard.Store.
func (s *Dashboards) ByID(ctx context.Context, userID, id int64) (dashboard.View, error) {
	row, err := s.DB.R().ViewByID(ctx, db.ViewByIDParams{ID: id, UserID: userID})
	return viewOf(&row), viewFault(err)
}

// Active implements dashboard.Store.
func (s *Dashboards) Active(ctx context.Context, userID int64) (dashboard.View, error) {
	row, err := s.DB.R().ActiveView(ctx, userID)
	if IsNoRows(err) {
		return dashboard.View{}, dashboard.ErrNoView
	}
	return viewOf(&row), err
}

var viewList = ListSpec{
	Columns: "id, user_id, name, description, widgets_config, is_default, is_active, version, created_at, updated_at",
	From:    "dashboard_views",
	Where:   "user_id = $1",
	ID:      "id",
	Order: orderKeysOf(map[string]bool{
		"id": false, "name": false, "description": false, "widgets_config": false, "is_default": false, "is_active": false,
		"created_at": false, "updated_at": false,
	}),
	Default: []page.Order{{Field: "is_active", Desc: true}, {Field: "created_at", Desc: true}},
	Filters: map[string]Filter{
		"is_active":  {Expr: "is_active", Parse: FilterBool},
		"is_default": {Expr: "is_default", Parse: FilterBool},
	},
	Search: "search_text",
}

// List implements dashboard.Store.
func (s *Dashboards) List(ctx context.Context, userID int64, req page.Request) (page.Result[dashboard.View], error) {
	spec := viewList
	spec.Args = []any{userID}
	return ListPage(ctx, s.DB.ReadDBTX(), spec, req, scanView)
}

func scanView(rows pgx.Rows) (dashboard.View, error) {
	var v dashboard.View
	var config string
	err := rows.Scan(&v.ID, &v.UserID, &v.Name, &v.Description, &config, &v.IsDefault, &v.IsActive, &v.Version, &v.CreatedAt, &v.UpdatedAt)
	v.WidgetsConfig = json.RawMessage(config)
	return v, err
}

// inUserTx runs fn with the user's row locked, so that changes of a user's
// views come one after the other.
func (s *Dashboards) inUserTx(ctx context.Context, userID int64, fn func(*Tx) error) error {
	return viewFault(s.DB.InTx(ctx, func(tx *Tx) error {
		if n, err := tx.LockUser(ctx, userID); err != nil {
			return err
		} else if n == 0 {
			return dashboard.ErrNotFound // the user was deleted just now
		}
		if err := fn(tx); err != nil {
			return err
		}
		tx.AfterCommit(func() { s.DB.forgetAccess(userID) })
		return tx.BumpViews(ctx, userID) // what is kept of the views is a thing of the past
	}))
}

// insertView also switches the others off when the new one is active, and
// stores the first revision.
func insertView(ctx context.Context, tx *Tx, v dashboard.View, edit dashboard.Edit) (dashboard.View, error) {
	if v.IsActive {
		if err := tx.DeactivateViews(ctx, db.DeactivateViewsParams{UserID: v.UserID}); err != nil {
			return dashboard.View{}, err
		}
	}
	row, err := tx.InsertView(ctx, db.InsertViewParams{
		UserID: v.UserID, Name: v.Name, Description: v.Description, WidgetsConfig: string(v.WidgetsConfig),
		IsDefault: v.IsDefault, IsActive: v.IsActive, SearchText: SearchText(v.Name, v.Description),
		CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	})
	if err != nil {
		return dashboard.View{}, err
	}
	created := viewOf(&row)
	return created, insertRevision(ctx, tx, &created, edit, dashboard.CreatedSummary)
}

// updateView writes v in place of before, and stores a revision if its state is
// another one.
func updateView(ctx context.Context, tx *Tx, before, v *dashboard.View, edit dashboard.Edit) (dashboard.View, error) {
	if v.IsActive {
		if err := tx.DeactivateViews(ctx, db.DeactivateViewsParams{UserID: v.UserID, But: v.ID}); err != nil {
			return dashboard.View{}, err
		}
	}
	changed := !v.SameState(before)
	if changed {
		if v.Version == 1 {
			if err := tx.EnsureFirstRevision(ctx, v.ID); err != nil {
				return dashboard.View{}, err
			}
		}
		v.Version++
	}
	row, err := tx.UpdateView(ctx, db.UpdateViewParams{
		ID: v.ID, UserID: v.UserID, Name: v.Name, Description: v.Description, WidgetsConfig: string(v.WidgetsConfig),
		IsDefault: v.IsDefault, IsActive: v.IsActive, SearchText: SearchText(v.Name, v.Description), UpdatedAt: v.UpdatedAt,
		Version: v.Version,
	})
	if err != nil {
		return dashboard.View{}, err
	}
	updated := viewOf(&row)
	if changed {
		err = insertRevision(ctx, tx, &updated, edit, dashboard.Summarize(before, &updated))
	}
	return updated, err
}

// Create implements dashboard.Store.
func (s *Dashboards) Create(ctx context.Context, v dashboard.View, edit dashboard.Edit) (created dashboard.View, err error) {
	err = s.inUserTx(ctx, v.UserID, func(tx *Tx) error {
		created, err = insertView(ctx, tx, v, edit)
		return err
	})
	return created, err
}

// Update implements dashboard.Store.
func (s *Dashboards) Update(
	ctx context.Context, edit dashboard.Edit, id int64, change dashboard.Change,
) (updated dashboard.View, err error) {
	err = s.inUserTx(ctx, edit.UserID, func(tx *Tx) error {
		row, err := tx.ViewByID(ctx, db.ViewByIDParams{ID: id, UserID: edit.UserID})
		if err != nil {
			return err
		}
		before := viewOf(&row)
		v := before
		if err := change(&v, pastOf(ctx, tx, &before)); err != nil {
			return err
		}
		updated, err = updateView(ctx, tx, &before, &v, edit)
		return err
	})
	return updated, err
}

// ChangeActive implements dashboard.Store.
func (s *Dashboards) ChangeActive(
	ctx context.Context, edit dashboard.Edit, first *dashboard.View, change dashboard.Change,
) (active dashboard.View, err error) {
	err = s.inUserTx(ctx, edit.UserID, func(tx *Tx) error {
		before, stored, err := activeView(ctx, tx, edit.UserID)
		if err != nil {
			return err
		}
		exists := before.ID != 0
		if !exists {
			if first == nil {
				return dashboard.ErrNoView
			}
			before = *first
		}
		v := before
		if change != nil {
			if err := change(&v, pastOf(ctx, tx, &before)); err != nil {
				return err
			}
		}
		switch {
		case !exists:
			active, err = insertView(ctx, tx, v, edit)
		case stored && change == nil:
			active = v
		default:
			active, err = updateView(ctx, tx, &before, &v, edit)
		}
		return err
	})
	return active, err
}

// activeView is the view that is active, or that shall be: the default or else
// the newest one. stored tells whether the database has it so. A zero View
// means that the user has none.
func activeView(ctx context.Context, tx *Tx, userID int64) (v dashboard.View, stored bool, err error) {
	row, err := tx.ActiveView(ctx, userID)
	if err == nil {
		return viewOf(&row), true, nil
	}
	if !IsNoRows(err) {
		return v, false, err
	}
	row, err = tx.NewestView(ctx, userID)
	if IsNoRows(err) {
		return v, false, nil
	}
	v = viewOf(&row)
	v.IsActive = true
	return v, false, err
}

// Duplicate implements dashboard.Store.
func (s *Dashboards) Duplicate(
	ctx context.Context, edit dashboard.Edit, id int64, now time.Time,
) (duplicate dashboard.View, err error) {
	userID := edit.UserID
	err = s.inUserTx(ctx, userID, func(tx *Tx) error {
		row, err := tx.ViewByID(ctx, db.ViewByIDParams{ID: id, UserID: userID})
		if err != nil {
			return err
		}
		names, err := tx.ViewNames(ctx, userID)
		if err != nil {
			return err
		}
		v := viewOf(&row)
		v.Name = dashboard.CopyName(v.Name, func(name string) bool { return slices.Contains(names, name) })
		v.IsActive, v.IsDefault, v.CreatedAt, v.UpdatedAt = false, false, now, now
		duplicate, err = insertView(ctx, tx, v, edit)
		return err
	})
	return duplicate, err
}

// Delete implements dashboard.Store.
func (s *Dashboards) Delete(ctx context.Context, userID, id int64, may func(*dashboard.View) error) error {
	return s.inUserTx(ctx, userID, func(tx *Tx) error {
		row, err := tx.ViewByID(ctx, db.ViewByIDParams{ID: id, UserID: userID})
		if err != nil {
			return err
		}
		v := viewOf(&row)
		if err := may(&v); err != nil {
			return err
		}
		n, err := tx.DeleteView(ctx, db.DeleteViewParams{ID: id, UserID: userID})
		if err == nil && n == 0 {
			err = dashboard.ErrNotFound
		}
		return err
	})
}

// RoleLayout implements dashboard.Store.
func (s *Dashboards) RoleLayout(ctx context.Context, role identity.Role) (dashboard.RoleLayout, error) {
	row, err := s.DB.R().RoleLayout(ctx, string(role))
	if err != nil {
		return dashboard.RoleLayout{}, viewFault(err)
	}
	return dashboard.RoleLayout{Role: role, WidgetsConfig: json.RawMessage(row.WidgetsConfig), UpdatedAt: &row.UpdatedAt}, nil
}

// PutRoleLayout implements dashboard.Store.
func (s *Dashboards) PutRoleLayout(ctx context.Context, l dashboard.RoleLayout, by int64) error {
	_, err := s.DB.W().PutRoleLayout(ctx, db.PutRoleLayoutParams{
		Role: string(l.Role), WidgetsConfig: string(l.WidgetsConfig), UpdatedBy: &by, UpdatedAt: *l.UpdatedAt,
	})
	if IsForeignKey(err) { // the administrator was deleted just now
		return dashboard.ErrForbidden
	}
	return err
}
