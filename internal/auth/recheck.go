package auth

import (
	"context"
	"slices"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// Origin is who began something that goes on without a request: a session, an
// API key, or (neither) a token that a Django deployment signed.
type Origin struct {
	UserID    int64
	SessionID string
	KeyID     int64
	// Since is when it began.
	Since time.Time
}

// Recheck finds who an Origin is now. ErrUserNotFound, ErrUserInactive,
// ErrToken when the session has ended, ErrKey when the key is gone or has
// expired.
func (s *Service) Recheck(ctx context.Context, o Origin) (identity.Actor, error) {
	var a Access
	var err error
	if o.SessionID != "" {
		a, err = s.Store.AccessBySession(ctx, o.SessionID)
	} else {
		a, err = s.Store.AccessByUser(ctx, o.UserID, "")
	}
	switch {
	case fault.KindOf(err) == fault.NotFound && o.SessionID != "":
		return identity.Actor{}, ErrToken
	case fault.KindOf(err) == fault.NotFound:
		return identity.Actor{}, ErrUserNotFound
	case err != nil:
		return identity.Actor{}, err
	case a.User.ID != o.UserID:
		return identity.Actor{}, ErrToken
	case !a.User.MaySignIn():
		return identity.Actor{}, ErrUserInactive
	case a.Ended:
		return identity.Actor{}, ErrToken
	case o.KeyID == 0 && o.SessionID == "" && a.User.TokensValidAfter != nil && o.Since.Before(*a.User.TokensValidAfter):
		return identity.Actor{}, ErrToken
	}
	if o.KeyID != 0 {
		keys, err := s.Store.Keys(ctx, o.UserID)
		if err != nil {
			return identity.Actor{}, err
		}
		i := slices.IndexFunc(keys, func(k Key) bool { return k.ID == o.KeyID })
		if i < 0 || keys[i].ExpiresAt != nil && !s.Now().Before(*keys[i].ExpiresAt) {
			return identity.Actor{}, ErrKey
		}
		a.Key = &keys[i]
	}
	return a.Actor(), nil
}
