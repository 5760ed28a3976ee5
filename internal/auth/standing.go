package auth

import (
	"context"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// Events is told, after the commit, that something a user was let in by has
// ended or changed: sessions, API keys, tokens, the account. It must not wait.
type Events interface {
	AccessChanged(ctx context.Context, userID int64)
}

// changed tells Events; err is what the change ended with.
func (s *Service) changed(ctx context.Context, userID int64, err error) error {
	if err == nil && s.Events != nil {
		s.Events.AccessChanged(ctx, userID)
	}
	return err
}

// Pass is what a long connection was let in by: with it Standing tells whether
// the connection may go on. It holds no secret.
type Pass struct {
	UserID int64
	// SessionID, KeyID or, for a token without a session, Token; the others are
	// zero.
	SessionID string
	KeyID     int64
	Token     string // jti
	// IssuedAt and Expires are those of Token; IssuedAt in Unix seconds.
	IssuedAt int64
	Expires  time.Time
	// Admin: the bearer was an administrator.
	Admin bool
}

// Pass notes what let the bearer of a credential in; raw is the token or key,
// or empty for a ticket. A session's access token may expire meanwhile: the
// session goes on.
func (s *Service) Pass(a *Access, raw string) (Pass, error) {
	p := Pass{UserID: a.User.ID, SessionID: a.SessionID, Admin: a.Actor().IsAdmin()}
	switch {
	case a.Key != nil:
		p.KeyID = a.Key.ID
	case a.SessionID == "":
		claims, err := s.Keys.Parse(raw, AccessToken)
		if err != nil {
			return p, err
		}
		p.Token, p.IssuedAt, p.Expires = claims.JTI, claims.IssuedAt, claims.Expires
	}
	return p, nil
}

// Bearer finds who stands behind an access token or an API key with the scope
// read: for connections that only listen. Errors are those of Authenticate and
// AuthenticateKey, and ErrScope.
func (s *Service) Bearer(ctx context.Context, raw string) (Access, error) {
	if !IsKey(raw) {
		return s.Authenticate(ctx, raw)
	}
	a, err := s.AuthenticateKey(ctx, raw)
	if err == nil && !a.Actor().May(identity.ScopeRead) {
		return a, ErrScope
	}
	return a, err
}

// ErrScope refuses an API key that may not read.
var ErrScope = fault.New(fault.Forbidden, "auth.scope", `This API key does not have the scope "read".`)

// Standing is what has become of a pass.
type Standing uint8

// The standings.
const (
	Ended   Standing = iota // the session, key, token or account is no longer good
	Good                    // as it was
	Changed                 // good, but the bearer has become an administrator, or is none any more
)

// Living are the sessions and keys, of those asked for, that are good now.
type Living struct {
	Sessions map[string]account.User // by id; of the user only ID, Role, Status and IsActive
	Keys     map[int64]Access        // by id; of the key only ID and Scopes
}

// Standing tells what has become of the passes, in their order. It reads all
// sessions in one statement, and all keys.
func (s *Service) Standing(ctx context.Context, passes []Pass) ([]Standing, error) {
	var sessions []string
	var keys []int64
	for i := range passes {
		if id := passes[i].SessionID; id != "" {
			sessions = append(sessions, id)
		}
		if id := passes[i].KeyID; id != 0 {
			keys = append(keys, id)
		}
	}
	living, err := s.Store.Living(ctx, sessions, keys, s.now())
	if err != nil {
		return nil, err
	}
	out := make([]Standing, len(passes))
	for i := range passes {
		if out[i], err = s.standing(ctx, &passes[i], living); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) standing(ctx context.Context, p *Pass, living Living) (Standing, error) {
	var a Access
	var found bool
	switch {
	case p.SessionID != "":
		a.User, found = living.Sessions[p.SessionID]
	case p.KeyID != 0:
		a, found = living.Keys[p.KeyID]
	default:
		// Tokens that Django signed: few, and soon gone.
		var err error
		a, err = s.access(ctx, Claims{JTI: p.Token, UserID: p.UserID, IssuedAt: p.IssuedAt, Expires: p.Expires})
		if kind := fault.KindOf(err); kind == fault.Unauthenticated || kind == fault.NotFound {
			return Ended, nil
		}
		if err != nil {
			return Ended, err
		}
		found = s.Now().Before(p.Expires)
	}
	switch {
	case !found || a.User.ID != p.UserID || !a.User.MaySignIn():
		return Ended, nil
	case a.Actor().IsAdmin() != p.Admin:
		return Changed, nil
	}
	return Good, nil
}
