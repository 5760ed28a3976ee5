package sqlstore

import (
	"context"
	"time"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

func shareOf(r *db.ViewShare) dashboard.Share {
	return dashboard.Share{
		ID: r.ID, ViewID: r.ViewID, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, Visits: r.Visits, LastVisitAt: r.LastVisitAt,
	}
}

// CreateShare implements dashboard.ShareStore.
func (s *Dashboards) CreateShare(ctx context.Context, sh dashboard.Share, hash string, most int) (created dashboard.Share, err error) {
	err = s.DB.InTx(ctx, func(tx *Tx) error {
		// Takes the lock of the view: its links are made one after the other.
		if n, err := tx.LockView(ctx, sh.ViewID); err != nil {
			return err
		} else if n == 0 {
			return dashboard.ErrNotFound // the view was deleted just now
		}
		n, err := tx.CountShares(ctx, db.CountSharesParams{ViewID: sh.ViewID, Now: sh.CreatedAt})
		if err != nil {
			return err
		}
		if n >= int64(most) {
			return dashboard.ErrShares
		}
		row, err := tx.InsertShare(ctx, db.InsertShareParams{ViewID: sh.ViewID, Hash: hash, CreatedAt: sh.CreatedAt, ExpiresAt: sh.ExpiresAt})
		created = shareOf(&row)
		return err
	})
	return created, err
}

// Shares implements dashboard.ShareStore.
func (s *Dashboards) Shares(ctx context.Context, viewID int64) ([]dashboard.Share, error) {
	rows, err := s.DB.R().SharesOf(ctx, viewID)
	shares := make([]dashboard.Share, len(rows))
	for i := range rows {
		shares[i] = shareOf(&rows[i])
	}
	return shares, err
}

// DeleteShare implements dashboard.ShareStore.
func (s *Dashboards) DeleteShare(ctx context.Context, viewID, id int64) error {
	n, err := s.DB.W().DeleteShare(ctx, db.DeleteShareParams{ID: id, ViewID: viewID})
	if err == nil && n == 0 {
		return dashboard.ErrNotFound
	}
	return err
}

// Shared implements dashboard.ShareStore.
func (s *Dashboards) Shared(ctx context.Context, hash string, now time.Time, visit bool) (dashboard.Visited, error) {
	row, err := s.DB.R().ShareByHash(ctx, db.ShareByHashParams{Hash: hash, Now: now})
	if err != nil {
		return dashboard.Visited{}, viewFault(err)
	}
	if visit {
		if err := s.DB.W().CountVisit(ctx, db.CountVisitParams{ID: row.ViewShare.ID, Now: &now}); err != nil {
			return dashboard.Visited{}, err
		}
	}
	v := viewOf(&row.DashboardView)
	return dashboard.Visited{
		Share: shareOf(&row.ViewShare), View: v,
		Owner: identity.Actor{UserID: v.UserID, Role: identity.Role(row.Role), Status: identity.Status(row.Status), Email: row.Email},
	}, nil
}
