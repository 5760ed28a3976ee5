package dashboard

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// How long links are good, and how long they are listed afterwards.
const (
	DefaultShareTTL = 7 * 24 * time.Hour
	MaxShareTTL     = 365 * 24 * time.Hour
	keptShares      = 30 * 24 * time.Hour
)

// maxShares limits the links of a view that are good at the same time.
const maxShares = 100

// Share is a link by which anybody may look at a view.
type Share struct {
	ID, ViewID int64
	// Token is known only when the link is made: its hash is stored.
	Token     string
	CreatedAt time.Time
	ExpiresAt time.Time
	// Visits counts how often the view was looked at, LastVisitAt is when that
	// was the last time, or nil.
	Visits      int64
	LastVisitAt *time.Time
}

// ShareStore keeps links.
type ShareStore interface {
	// CreateShare gives the link back with its id, unless the view has most
	// links already that have not expired. ErrNotFound when there is no such
	// view, ErrShares.
	CreateShare(ctx context.Context, sh Share, hash string, most int) (Share, error)
	// Shares are the links of a view, newest first.
	Shares(ctx context.Context, viewID int64) ([]Share, error)
	// DeleteShare: ErrNotFound.
	DeleteShare(ctx context.Context, viewID, id int64) error
	// Shared finds a good link: not expired, of a user who may sign in. It
	// counts the visit if that is asked for. ErrNotFound.
	Shared(ctx context.Context, hash string, now time.Time, visit bool) (Visited, error)
}

// Visited is what a link leads to.
type Visited struct {
	Share Share
	View  View
	// Owner is the user whose view it is.
	Owner identity.Actor
}

// Seen is a widget of a shared view, as its owner sees it.
type Seen struct {
	// InstanceID is that of the item of the layout; empty if it has none.
	InstanceID                    string
	ID                            int64
	Key                           *string
	Name, WidgetType, Description string
	// Personal widgets ask their source who is looking: they are not shown.
	Personal bool
	// Data is nil when there is none.
	Data      json.RawMessage
	FetchedAt time.Time
	ExpiresAt time.Time
	Stale     bool
}

// SharedData shows widgets as their owner sees them.
type SharedData interface {
	// SharedData gives the widgets that the items name (by id), in the same
	// places, with what is stored for the owner and the item's settings: no
	// source is ever asked. The ID is 0 where the owner sees none.
	SharedData(ctx context.Context, owner identity.Actor, items []Item) ([]Seen, error)
}

// Shown is a shared view.
type Shown struct {
	View View
	// ExpiresAt is when the link expires.
	ExpiresAt time.Time
	Widgets   []Seen
	// Omitted counts the items of the layout that are left out.
	Omitted int
}

// Errors of links.
var (
	// ErrShareTTL names the field expires_in.
	ErrShareTTL = fault.New(fault.Invalid, "share.ttl", "A link is good for at least a minute and at most a year.")
	// ErrShares: a view has too many links.
	ErrShares = fault.New(fault.Conflict, "share.many", fmt.Sprintf("A view may have at most %d links.", maxShares))
)

// CreateShare makes a link to one of the actor's views, good for ttl; 0 is
// DefaultShareTTL. The token is shown this once. ErrNotFound, ErrShareTTL,
// ErrShares.
func (s *Service) CreateShare(ctx context.Context, actor identity.Actor, viewID int64, ttl time.Duration) (Share, error) {
	if _, err := s.Store.ByID(ctx, actor.UserID, viewID); err != nil {
		return Share{}, err
	}
	if ttl == 0 {
		ttl = DefaultShareTTL
	}
	if ttl < time.Minute || ttl > MaxShareTTL {
		e := ErrShareTTL.Because(nil)
		e.Fields = []fault.Field{{Name: "expires_in", Code: e.Code, Message: e.Message}}
		return Share{}, e
	}
	now := s.now()
	token := newToken()
	sh, err := s.Shares.CreateShare(ctx, Share{ViewID: viewID, CreatedAt: now, ExpiresAt: now.Add(ttl)}, hashToken(token), maxShares)
	sh.Token = token
	return sh, err
}

// ListShares are the links to one of the actor's views. ErrNotFound.
func (s *Service) ListShares(ctx context.Context, actor identity.Actor, viewID int64) ([]Share, error) {
	if _, err := s.Store.ByID(ctx, actor.UserID, viewID); err != nil {
		return nil, err
	}
	return s.Shares.Shares(ctx, viewID)
}

// DeleteShare revokes a link, at once. ErrNotFound.
func (s *Service) DeleteShare(ctx context.Context, actor identity.Actor, viewID, id int64) error {
	if _, err := s.Store.ByID(ctx, actor.UserID, viewID); err != nil {
		return err
	}
	return s.Shares.DeleteShare(ctx, viewID, id)
}

// Shared is what a link shows to anybody: the view and its widgets as the owner
// sees them, without those whose query asks who is looking. visit counts it.
// ErrNotFound for a token that is not good (any more).
func (s *Service) Shared(ctx context.Context, token string, visit bool) (Shown, error) {
	if len(token) != tokenLength {
		return Shown{}, ErrNotFound
	}
	v, err := s.Shares.Shared(ctx, hashToken(token), s.now(), visit)
	if err != nil {
		return Shown{}, err
	}
	shown := Shown{View: v.View, ExpiresAt: v.Share.ExpiresAt, Widgets: []Seen{}}
	elements, items := split(v.View.WidgetsConfig)
	if len(items) > maxItems { // an imported layout was never checked
		items = items[:maxItems]
	}
	known, err := s.lookUp(ctx, v.Owner, items)
	if err != nil {
		return Shown{}, err
	}
	left := map[int]bool{}
	var asked []Item
	var at []int // the place in the layout of each that is asked for
	for i := range items {
		if w, _ := known.find(&items[i]); w != nil {
			one := items[i].public()
			one.WidgetID = w.ID
			asked, at = append(asked, one), append(at, items[i].index)
		} else {
			left[items[i].index] = true
		}
	}
	if len(asked) > 0 && s.Data != nil {
		seen, err := s.Data.SharedData(ctx, v.Owner, asked)
		if err != nil {
			return Shown{}, fmt.Errorf("data of a shared view: %w", err)
		}
		for i := range seen {
			if seen[i].ID == 0 || seen[i].Personal {
				left[at[i]] = true
				continue
			}
			seen[i].InstanceID = asked[i].InstanceID
			shown.Widgets = append(shown.Widgets, seen[i])
		}
	}
	if shown.Omitted = len(left); shown.Omitted > 0 {
		shown.View.WidgetsConfig = without(elements, left)
	}
	return shown, nil
}

// without writes the elements of a layout but some.
func without(elements []json.RawMessage, left map[int]bool) json.RawMessage {
	kept := make([]json.RawMessage, 0, len(elements))
	for i, e := range elements {
		if !left[i] {
			kept = append(kept, e)
		}
	}
	return appendList(nil, kept)
}

// tokenLength is that of 256 bits in base64.
const tokenLength = 43

func newToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// hashToken is what is stored of a token. It needs no salt: tokens are random.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
