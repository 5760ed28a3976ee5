package sqlstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/notify"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Notifications implements notify.Store.
type Notifications struct{ DB *DB }

func notificationOf(r *db.Notification) notify.Notification {
	return notify.Notification{
		ID: r.ID, UserID: r.UserID, Kind: r.Kind, Title: r.Title, Body: r.Body, Link: r.Link,
		ReadAt: r.ReadAt, CreatedAt: r.CreatedAt,
	}
}

func notificationFault(err error) error {
	switch {
	case IsNoRows(err):
		return notify.ErrNotFound
	case IsForeignKey(err):
		return notify.ErrNoUser.Because(err)
	}
	return err
}

// isRead is a condition of both engines; the column read_at itself is a time.
const isRead = "(read_at IS NOT NULL)"

var notificationList = ListSpec{
	Columns: "id, user_id, kind, title, body, link, read_at, created_at",
	From:    "notifications",
	Where:   "user_id = $1",
	ID:      "id",
	Order: map[string]OrderKey{
		"id": {Expr: "id"}, "kind": {Expr: "kind"}, "title": {Expr: "title"}, "body": {Expr: "body"}, "link": {Expr: "link"},
		"is_read": {Expr: isRead}, "read_at": {Expr: "read_at", Nullable: true}, "created_at": {Expr: "created_at"},
	},
	Default: []page.Order{{Field: "created_at", Desc: true}},
	Filters: map[string]Filter{"kind": {Expr: "kind"}, "is_read": {Expr: isRead, Parse: FilterBool}},
}

// List implements notify.Store.
func (s *Notifications) List(ctx context.Context, userID int64, req page.Request) (page.Result[notify.Notification], error) {
	spec := notificationList
	spec.Args = []any{userID}
	return ListPage(ctx, s.DB.ReadDBTX(), spec, req, func(rows pgx.Rows) (notify.Notification, error) {
		var n notify.Notification
		err := rows.Scan(&n.ID, &n.UserID, &n.Kind, &n.Title, &n.Body, &n.Link, &n.ReadAt, &n.CreatedAt)
		return n, err
	})
}

// ByID implements notify.Store.
func (s *Notifications) ByID(ctx context.Context, userID, id int64) (notify.Notification, error) {
	row, err := s.DB.R().NotificationByID(ctx, db.NotificationByIDParams{ID: id, UserID: userID})
	return notificationOf(&row), notificationFault(err)
}

// Mark implements notify.Store.
func (s *Notifications) Mark(ctx context.Context, userID, id int64, read bool, now time.Time) (notify.Notification, error) {
	row, err := s.DB.W().MarkNotification(ctx, db.MarkNotificationParams{ID: id, UserID: userID, Read: read, Now: &now})
	return notificationOf(&row), notificationFault(err)
}

// MarkAll implements notify.Store.
func (s *Notifications) MarkAll(ctx context.Context, userID int64, now time.Time) (int64, error) {
	return s.DB.W().MarkAllNotifications(ctx, db.MarkAllNotificationsParams{UserID: userID, ReadAt: &now})
}

// Unread implements notify.Store.
func (s *Notifications) Unread(ctx context.Context, userID int64) (int64, error) {
	return s.DB.R().UnreadNotifications(ctx, userID)
}

// Add implements notify.Store.
func (s *Notifications) Add(ctx context.Context, n notify.Notification) (notify.Notification, error) {
	row, err := s.DB.W().InsertNotification(ctx, db.InsertNotificationParams{
		UserID: n.UserID, Kind: n.Kind, Title: n.Title, Body: n.Body, Link: n.Link, CreatedAt: n.CreatedAt,
	})
	return notificationOf(&row), notificationFault(err)
}

// Delete implements notify.Store.
func (s *Notifications) Delete(ctx context.Context, userID, id int64) error {
	n, err := s.DB.W().DeleteNotification(ctx, db.DeleteNotificationParams{ID: id, UserID: userID})
	if err == nil && n == 0 {
		return notify.ErrNotFound
	}
	return err
}
