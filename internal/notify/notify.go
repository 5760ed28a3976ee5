// Package notify holds what users are told: short messages with a link, read
// or unread, that other rooms leave for a user.
//
// A notification is stored once and belongs to one user. It is information
// only: nothing is decided by it, and what it tells of may be gone by the time
// it is read.
package notify

import (
	"context"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

// Notification is one message to one user.
type Notification struct {
	ID     int64
	UserID int64
	// Kind says what it is about, for the client to choose a picture and for
	// filters: "task.failed". One of no fixed list.
	Kind  string
	Title string
	Body  string
	// Link is a path of the frontend ("/dashboard") or an http(s) address;
	// empty is none.
	Link string
	// ReadAt is when it was first marked as read; nil: unread.
	ReadAt    *time.Time
	CreatedAt time.Time
}

// Read reports whether the user has read it.
func (n *Notification) Read() bool { return n.ReadAt != nil }

// Message is what a room has to tell. Kind and Title are needed.
type Message struct{ Kind, Title, Body, Link string }

// Limits of a message, in characters; longer texts are cut.
const (
	MaxKind  = 50
	MaxTitle = 200
	MaxBody  = 4000
	MaxLink  = 500
)

// Store keeps notifications. Each method is one unit of work and touches rows
// of the one user only.
type Store interface {
	// List orders by any field, and filters by kind and is_read.
	List(ctx context.Context, userID int64, req page.Request) (page.Result[Notification], error)
	// ByID: ErrNotFound, also for other users' notifications.
	ByID(ctx context.Context, userID, id int64) (Notification, error)
	// Mark keeps the time of the first reading. ErrNotFound.
	Mark(ctx context.Context, userID, id int64, read bool, now time.Time) (Notification, error)
	// MarkAll tells how many were unread.
	MarkAll(ctx context.Context, userID int64, now time.Time) (int64, error)
	Unread(ctx context.Context, userID int64) (int64, error)
	// Add gives the notification back with its id. ErrNoUser.
	Add(ctx context.Context, n Notification) (Notification, error)
	// Delete: ErrNotFound.
	Delete(ctx context.Context, userID, id int64) error
}

// Errors of this room.
var (
	ErrNotFound = fault.New(fault.NotFound, "notification.not_found", "Not found.")
	// ErrNoUser: there is no such user (any more).
	ErrNoUser = fault.New(fault.NotFound, "notification.no_user", "Not found.")
	// ErrMessage: a message without kind or title, or with a link that leads
	// elsewhere than to a page.
	ErrMessage = fault.New(fault.Invalid, "notification.message", "A notification needs a kind, a title, and a link that is a path or an http(s) address.")
)

// Events is told, after the commit, of each new notification. It must not wait.
type Events interface {
	NotificationNew(ctx context.Context, userID int64, e New)
}

// New is the event that there is a notification; its text is read from the
// list.
type New struct {
	NotificationID int64  `json:"notification_id"`
	Kind           string `json:"kind"`
}

// Service is the room.
type Service struct {
	Store Store
	Now   func() time.Time
	// Events is told of new notifications; nil tells nobody.
	Events Events
}

// List is one page of the actor's notifications, newest first.
func (s *Service) List(ctx context.Context, actor identity.Actor, req page.Request) (page.Result[Notification], error) {
	return s.Store.List(ctx, actor.UserID, req)
}

// ByID is one of the actor's notifications. ErrNotFound.
func (s *Service) ByID(ctx context.Context, actor identity.Actor, id int64) (Notification, error) {
	return s.Store.ByID(ctx, actor.UserID, id)
}

// MarkRead marks one as read or as unread. ErrNotFound.
func (s *Service) MarkRead(ctx context.Context, actor identity.Actor, id int64, read bool) (Notification, error) {
	return s.Store.Mark(ctx, actor.UserID, id, read, s.now())
}

// MarkAllRead marks all of the actor's as read and tells how many were unread.
func (s *Service) MarkAllRead(ctx context.Context, actor identity.Actor) (int64, error) {
	return s.Store.MarkAll(ctx, actor.UserID, s.now())
}

// Unread is the number of the actor's unread notifications.
func (s *Service) Unread(ctx context.Context, actor identity.Actor) (int64, error) {
	return s.Store.Unread(ctx, actor.UserID)
}

// Delete removes one. ErrNotFound.
func (s *Service) Delete(ctx context.Context, actor identity.Actor, id int64) error {
	return s.Store.Delete(ctx, actor.UserID, id)
}

// Add leaves a message for a user: for other rooms, which have decided that
// the user is to know. Long texts are cut. ErrMessage, ErrNoUser.
func (s *Service) Add(ctx context.Context, userID int64, m Message) (Notification, error) {
	n := Notification{
		UserID: userID, Kind: clean(m.Kind, MaxKind), Title: clean(m.Title, MaxTitle), Body: clean(m.Body, MaxBody),
		Link: m.Link, CreatedAt: s.now(),
	}
	if n.Kind == "" || n.Title == "" || !safeLink(n.Link) {
		return Notification{}, ErrMessage
	}
	added, err := s.Store.Add(ctx, n)
	if err == nil && s.Events != nil {
		s.Events.NotificationNew(ctx, userID, New{NotificationID: added.ID, Kind: added.Kind})
	}
	return added, err
}

// clean makes text that both engines store and that has at most limit
// characters: messages are made from other systems' words, such as the error
// of a data source.
func clean(text string, limit int) string {
	text = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", ""))
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return strings.TrimSpace(string([]rune(text)[:limit-1])) + "…"
}

// safeLink refuses what a client must not be led to by a click: other schemes
// ("javascript:"), and addresses that look like paths ("//host", "/\host").
func safeLink(link string) bool {
	if link == "" {
		return true
	}
	if len(link) > MaxLink || strings.ContainsAny(link, "\\\x00\t\r\n") || !utf8.ValidString(link) {
		return false
	}
	u, err := url.Parse(link)
	if err != nil {
		return false
	}
	if u.Scheme == "" {
		return u.Host == "" && strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "//")
	}
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }
