package auth

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// KeyPrefix starts every API key, so that a leaked one is recognised.
const KeyPrefix = "bdash_"

// TicketLifetime is how long a ticket for the event doors may be used.
const TicketLifetime = 30 * time.Second

// IsKey reports whether a bearer credential is an API key.
func IsKey(raw string) bool { return strings.HasPrefix(raw, KeyPrefix) }

// AuthenticateKey finds who stands behind an API key. ErrKey, ErrUserInactive.
func (s *Service) AuthenticateKey(ctx context.Context, raw string) (Access, error) {
	a, err := s.Store.AccessByKey(ctx, account.HashToken(raw))
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return a, ErrKey
	case err != nil:
		return a, err
	case a.Key.ExpiresAt != nil && !s.Now().Before(*a.Key.ExpiresAt):
		return a, ErrKey
	case !a.User.MaySignIn():
		return a, ErrUserInactive
	}
	s.seen.key(a.Key.ID, s.Now)
	return a, nil
}

// KeyDraft is what a new API key is made from.
type KeyDraft struct {
	Name      string
	Scopes    []identity.Scope
	ExpiresAt *time.Time
}

// ListKeys lists the actor's own API keys. ErrByKey.
func (s *Service) ListKeys(ctx context.Context, actor identity.Actor) ([]Key, error) {
	if actor.ByKey() {
		return nil, ErrByKey
	}
	return s.Store.Keys(ctx, actor.UserID)
}

// CreateKey makes an API key; its secret is given this once. The scope admin
// is for administrators. ErrByKey, field faults.
func (s *Service) CreateKey(ctx context.Context, actor identity.Actor, d KeyDraft) (k Key, secret string, err error) {
	if actor.ByKey() {
		return Key{}, "", ErrByKey
	}
	if slices.Contains(d.Scopes, identity.ScopeAdmin) && actor.Role != identity.Admin {
		return Key{}, "", fault.Fields(fault.Field{Name: "scopes", Code: "auth.scope_admin", Message: "Only an administrator can make a key with the scope admin."})
	}
	if d.ExpiresAt != nil && !s.Now().Before(*d.ExpiresAt) {
		return Key{}, "", fault.Fields(fault.Field{Name: "expires_at", Code: "auth.expired", Message: "Must be in the future."})
	}
	secret = KeyPrefix + rand.Text()
	k, err = s.Store.CreateKey(ctx, Key{
		UserID: actor.UserID, Name: d.Name, Prefix: secret[:len(KeyPrefix)+6], Hash: account.HashToken(secret),
		Scopes: d.Scopes, ExpiresAt: d.ExpiresAt, CreatedAt: s.now(),
	})
	return k, secret, err
}

// DeleteKey deletes one of the actor's own API keys. ErrByKey, ErrNotFound.
func (s *Service) DeleteKey(ctx context.Context, actor identity.Actor, id int64) error {
	if actor.ByKey() {
		return ErrByKey
	}
	return s.changed(ctx, actor.UserID, s.Store.DeleteKey(ctx, actor.UserID, id))
}

// Ticket makes a one-use ticket for the event doors, bound to the session.
// ErrByKey; ErrToken for tokens without a session.
func (s *Service) Ticket(ctx context.Context, actor identity.Actor) (ticket string, expires time.Time, err error) {
	if actor.ByKey() {
		return "", time.Time{}, ErrByKey
	}
	if actor.SessionID == "" {
		return "", time.Time{}, ErrToken
	}
	now := s.now()
	expires = now.Add(TicketLifetime)
	ticket = rand.Text()
	return ticket, expires, s.Store.AddTicket(ctx, account.HashToken(ticket), actor.UserID, actor.SessionID, expires, now)
}

// RedeemTicket finds who a ticket was made for and voids it. ErrToken.
func (s *Service) RedeemTicket(ctx context.Context, ticket string) (Access, error) {
	a, err := s.Store.UseTicket(ctx, account.HashToken(ticket), s.now())
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return a, ErrToken
	case err != nil:
		return a, err
	case !a.User.MaySignIn():
		return a, ErrUserInactive
	case a.Ended:
		return a, ErrToken
	}
	return a, nil
}
