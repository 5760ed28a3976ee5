package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/notify"
)

// notificationChange is the body of PATCH notifications/{id}/.
type notificationChange struct{ read *bool }

var notificationFields = declareNotification()

func declareNotification() *drf.Serializer[notify.Notification, notificationChange] {
	s := drf.NewSerializer[notify.Notification, notificationChange]("Notification")
	s.Int("id", drf.Opt{}, 0, 0, func(n *notify.Notification) int64 { return n.ID }, nil)
	s.Char("kind", drf.Opt{Help: "What it is about.", Example: `"task.failed"`}, func(n *notify.Notification) string { return n.Kind }, nil)
	s.Char("title", drf.Opt{}, func(n *notify.Notification) string { return n.Title }, nil)
	s.Char("body", drf.Opt{}, func(n *notify.Notification) string { return n.Body }, nil)
	s.Char("link", drf.Opt{Help: "A path of the frontend or an http(s) address; empty for none."}, func(n *notify.Notification) string { return n.Link }, nil)
	s.Bool("is_read", drf.Opt{}, (*notify.Notification).Read, func(d *notificationChange, v bool) { d.read = &v })
	s.TimeOrNull("read_at", drf.Opt{}, func(n *notify.Notification) *time.Time { return n.ReadAt }, nil)
	s.Time("created_at", drf.Opt{}, func(n *notify.Notification) time.Time { return n.CreatedAt })
	return s
}

var (
	notificationOrderings = []string{"id", "kind", "title", "body", "link", "is_read", "read_at", "created_at"}
	notificationFilters   = []drf.Filter{{Field: "kind"}, {Field: "is_read", Boolean: true}}
)

func (s *Server) listNotifications(w http.ResponseWriter, r *drf.Request) error {
	req, err := pageRequest(r, notificationOrderings, notificationFilters)
	if err != nil {
		return err
	}
	res, err := s.Notify.List(r.Context(), actor(r), req)
	if err != nil {
		return err
	}
	return respondPage(w, r, notificationFields, res)
}

func (s *Server) retrieveNotification(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	n, err := s.Notify.ByID(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	return notificationFields.Respond(w, r, http.StatusOK, &n)
}

// patchNotification marks as read or unread; a body without is_read changes
// nothing.
func (s *Server) patchNotification(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	n, err := s.Notify.ByID(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	var d notificationChange
	if err := notificationFields.Decode(r, &d, drf.Partial); err != nil {
		return err
	}
	if d.read != nil {
		if n, err = s.Notify.MarkRead(r.Context(), actor(r), id, *d.read); err != nil {
			return err
		}
	}
	return notificationFields.Respond(w, r, http.StatusOK, &n)
}

func (s *Server) deleteNotification(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if err := s.Notify.Delete(r.Context(), actor(r), id); err != nil {
		return err
	}
	return r.NoContent(w)
}

func (s *Server) unreadNotifications(w http.ResponseWriter, r *drf.Request) error {
	n, err := s.Notify.Unread(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return respondCount(w, r, `{"unread":`, n)
}

func (s *Server) markAllNotifications(w http.ResponseWriter, r *drf.Request) error {
	n, err := s.Notify.MarkAllRead(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return respondCount(w, r, `{"marked":`, n)
}

// respondCount writes an object of one number; open is its text up to there.
func respondCount(w http.ResponseWriter, r *drf.Request, open string, n int64) error {
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		return append(strconv.AppendInt(append(dst, open...), n, 10), '}')
	})
}
