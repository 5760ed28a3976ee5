package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

func revisionOf(r *db.ViewRevision) dashboard.Revision {
	return dashboard.Revision{
		ViewID: r.ViewID, Number: r.Number, Name: r.Name, Description: r.Description, WidgetsConfig: json.RawMessage(r.WidgetsConfig),
		IsDefault: r.IsDefault, ChangedBy: r.ChangedBy, KeyID: r.KeyID, Reason: r.Reason, Summary: json.RawMessage(r.Summary),
		Restored: r.Restored, CreatedAt: r.CreatedAt,
	}
}

// insertRevision stores the state of a view that was just written.
func insertRevision(ctx context.Context, tx *Tx, v *dashboard.View, edit dashboard.Edit, summary json.RawMessage) error {
	arg := db.InsertRevisionParams{
		ViewID: v.ID, Number: v.Version, Name: v.Name, Description: v.Description, WidgetsConfig: string(v.WidgetsConfig),
		IsDefault: v.IsDefault, ChangedBy: &edit.UserID, Reason: edit.Reason, Summary: string(summary), CreatedAt: v.UpdatedAt,
	}
	if edit.KeyID != 0 {
		arg.KeyID = &edit.KeyID
	}
	if edit.Restores != 0 {
		arg.Restored = &edit.Restores
	}
	if err := tx.InsertRevision(ctx, arg); err != nil {
		return err
	}
	oldest := v.Version - dashboard.KeptRevisions
	if oldest < 1 {
		return nil
	}
	return tx.MarkSurplus(ctx, db.MarkSurplusParams{ViewID: v.ID, Number: oldest})
}

// pastOf gives the revisions of a view inside a transaction.
func pastOf(ctx context.Context, tx *Tx, v *dashboard.View) dashboard.Past {
	return func(number int64) (dashboard.Revision, error) {
		if number == v.Version { // there may be no revision yet
			return dashboard.Revision{
				ViewID: v.ID, Number: number, Name: v.Name, Description: v.Description, WidgetsConfig: v.WidgetsConfig, IsDefault: v.IsDefault,
			}, nil
		}
		row, err := tx.RevisionByNumber(ctx, db.RevisionByNumberParams{ViewID: v.ID, Number: number})
		if IsNoRows(err) {
			return dashboard.Revision{}, dashboard.ErrStale
		}
		return revisionOf(&row), err
	}
}

// Revision implements dashboard.Store.
func (s *Dashboards) Revision(ctx context.Context, viewID, number int64) (dashboard.Revision, error) {
	row, err := s.DB.R().RevisionByNumber(ctx, db.RevisionByNumberParams{ViewID: viewID, Number: number})
	if err != nil {
		return dashboard.Revision{}, viewFault(err)
	}
	return revisionOf(&row), nil
}

var revisionList = ListSpec{
	Columns: "view_id, number, name, description, is_default, changed_by, key_id, reason, summary, restored, created_at",
	From:    "view_revisions",
	Where:   "view_id = $1",
	ID:      "number",
	Order:   orderKeysOf(map[string]bool{"number": false}),
	Default: []page.Order{{Field: "number", Desc: true}},
}

// Revisions implements dashboard.Store.
func (s *Dashboards) Revisions(ctx context.Context, v dashboard.View, req page.Request) (page.Result[dashboard.Revision], error) {
	if v.Version == 1 {
		if err := s.DB.W().EnsureFirstRevision(ctx, v.ID); err != nil {
			return page.Result[dashboard.Revision]{}, err
		}
	}
	spec := revisionList
	spec.Args = []any{v.ID}
	return ListPage(ctx, s.DB.ReadDBTX(), spec, req, scanRevision)
}

func scanRevision(rows pgx.Rows) (dashboard.Revision, error) {
	var r dashboard.Revision
	var summary string
	err := rows.Scan(&r.ViewID, &r.Number, &r.Name, &r.Description, &r.IsDefault, &r.ChangedBy, &r.KeyID, &r.Reason, &summary,
		&r.Restored, &r.CreatedAt)
	r.Summary = json.RawMessage(summary)
	return r, err
}

// Sweep implements dashboard.Store.
func (s *Dashboards) Sweep(ctx context.Context, revisions, shares time.Time, limit int) (int, error) {
	n, err := s.DB.W().SweepRevisions(ctx, db.SweepRevisionsParams{Before: revisions, AtMost: int32(limit)})
	if err != nil {
		return 0, err
	}
	m, err := s.DB.W().SweepShares(ctx, db.SweepSharesParams{Before: shares, AtMost: int32(limit)})
	return int(max(n, m)), err
}
