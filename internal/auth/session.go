// Package auth signs users in and keeps them signed in: access and refresh
// tokens, their rotation and the detection of reuse, sessions, API keys.
//
// A session is one login. Its access tokens are believed only as long as the
// session and the account stand, and that is asked of the store on every
// request: signing out, a new password, deactivation and deletion count from
// the next request on, on every instance.
package auth

import (
	"context"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// Session is one login.
type Session struct {
	ID     string // random, 32 hex digits: the claim "sid"
	UserID int64
	// Refresh is the refresh token that may be used now; Previous is the jti
	// that it replaced at RotatedAt ("" before the first rotation).
	Refresh   Refresh
	Previous  string
	RotatedAt *time.Time
	// Origin is the jti of the Django refresh token that the session was
	// exchanged for; "" for a login.
	Origin string
	// RichClaims: tokens carry email, role and status.
	RichClaims    bool
	IP, UserAgent string
	CreatedAt     time.Time
	LastSeenAt    time.Time
	// ExpiresAt is when the refresh token does.
	ExpiresAt time.Time
	// EndedAt is nil while the session lives; EndReason says what ended it.
	EndedAt   *time.Time
	EndReason string
}

// Refresh is what a refresh token is made from: with the key it is always the
// same token again. Times are Unix seconds.
type Refresh struct {
	JTI           string
	IssuedAt, Exp int64
}

// Reasons for the end of a session.
const (
	EndLogout   = "logout"
	EndReuse    = "refresh_token_reuse"
	EndPassword = "password_changed"
	EndClosed   = "account_closed"
	EndRevoked  = "revoked"
)

// Access is who stands behind a token or key, and where they stand now.
type Access struct {
	User account.User
	// SessionID is "" for tokens without a session and for API keys.
	SessionID string
	// Ended: the session was ended.
	Ended bool
	// Denied: this very token was signed out (tokens without a session).
	Denied bool
	// Key is the API key that was used; nil without one.
	Key *Key
	// PreferencesVersion is the version of the user's preferences; 0 before
	// there are any.
	PreferencesVersion int64
	// WidgetEpoch moves with every write that the answer of a widget may show.
	WidgetEpoch int64
}

// Actor is the one who asks.
func (a *Access) Actor() identity.Actor {
	actor := a.User.Actor()
	actor.SessionID = a.SessionID
	if a.Key != nil {
		actor.KeyID, actor.Scopes = a.Key.ID, a.Key.Scopes
	}
	return actor
}

// Key is an API key as stored: the secret itself is not.
type Key struct {
	ID     int64
	UserID int64
	Name   string
	// Prefix is the beginning of the secret, to tell keys apart.
	Prefix     string
	Hash       string
	Scopes     []identity.Scope
	ExpiresAt  *time.Time
	LastUsedAt *time.Time
	CreatedAt  time.Time
}

// Rotation is the outcome of asking for a refresh token's successor.
type Rotation struct {
	Session Session
	User    account.User
	// Reused: the token was rotated away before, longer than the grace ago or
	// not last; the session was ended.
	Reused bool
}

// Store keeps sessions and keys. Each method is one unit of work.
type Store interface {
	// AccessBySession looks up a session and its user: fault.NotFound when the
	// session does not exist.
	AccessBySession(ctx context.Context, sid string) (Access, error)
	// AccessByUser looks up a user for a token without a session, and whether
	// that token was denied. fault.NotFound when the user does not exist.
	AccessByUser(ctx context.Context, userID int64, jti string) (Access, error)
	// AccessByKey looks up an API key by its hash. fault.NotFound.
	AccessByKey(ctx context.Context, hash string) (Access, error)
	// Living looks up which of the sessions and keys are good now.
	Living(ctx context.Context, sessions []string, keys []int64, now time.Time) (Living, error)

	// Start stores a session for a user whose password hash is still the one
	// that was verified and who may sign in; upgraded, when not empty, replaces
	// the hash. ErrCredentials when the account changed meanwhile.
	Start(ctx context.Context, s Session, verified, upgraded string) error
	// Exchange stores a session for a Django refresh token, once; a second time
	// within the grace gives the same session. issued is the token's iat.
	Exchange(ctx context.Context, s Session, issued time.Time, tokenExpires time.Time, now time.Time, grace time.Duration) (Rotation, error)
	// Rotate replaces the session's refresh token jti by next. The token that
	// was rotated away last gives, within the grace, the successor it got;
	// anything else is reuse and ends the session. fault.NotFound for a session
	// that is unknown or has ended.
	Rotate(ctx context.Context, sid, jti string, next Refresh, now time.Time, grace time.Duration) (Rotation, error)
	// End ends one session of the user. fault.NotFound.
	End(ctx context.Context, userID int64, sid, reason string, now time.Time) error
	// EndAll ends every session of the user, except keep, and voids tokens
	// without a session.
	EndAll(ctx context.Context, userID int64, keep, reason string, now time.Time) error
	// Deny refuses one token without a session until it expires.
	Deny(ctx context.Context, userID int64, jti string, expires time.Time) error
	// ChangePassword replaces the hash if it is still verified and the account
	// open, ends every session, voids older tokens and links to reset the
	// password, and stores the new session. ErrCredentials.
	ChangePassword(ctx context.Context, s Session, verified, hash string, now time.Time, mails ...account.Mail) error
	// ResetPassword consumes a reset token: sets the hash, ends every session
	// and voids older tokens; the address counts as verified, and if it was not
	// before, the API keys made until then are deleted. account.ErrBadLink.
	ResetPassword(ctx context.Context, tokenHash, passwordHash string, now time.Time, mails ...account.Mail) (account.User, error)
	// ResetUser is the account that a reset token is for, without consuming it.
	// account.ErrBadLink.
	ResetUser(ctx context.Context, tokenHash string, now time.Time) (account.User, error)
	// Sessions lists the user's living sessions, newest first.
	Sessions(ctx context.Context, userID int64, now time.Time) ([]Session, error)
	// Seen notes when sessions and keys were last used.
	Seen(ctx context.Context, sessions map[string]time.Time, keys map[int64]time.Time) error

	// Keys lists the user's API keys, newest first.
	Keys(ctx context.Context, userID int64) ([]Key, error)
	// CreateKey gives the key back with its id.
	CreateKey(ctx context.Context, k Key) (Key, error)
	// DeleteKey: fault.NotFound.
	DeleteKey(ctx context.Context, userID, id int64) error

	// AddTicket stores a one-use ticket for the event doors.
	AddTicket(ctx context.Context, hash string, userID int64, sid string, expires, now time.Time) error
	// UseTicket consumes a ticket. fault.NotFound.
	UseTicket(ctx context.Context, hash string, now time.Time) (Access, error)
	// Sweep deletes what has expired, at most limit rows of each kind, and
	// tells how many.
	Sweep(ctx context.Context, now time.Time, limit int) (int, error)
}

// Errors of this room.
var (
	// ErrCredentials never tells whether the account or the password is wrong.
	ErrCredentials = fault.New(fault.Invalid, "auth.bad_credentials", "Unable to log in with provided credentials.")
	// ErrUnverified: signing in waits for the e-mail address to be verified; the
	// link was mailed again. It reads like ErrCredentials: who registers an
	// address must not learn by signing in whether somebody else has it.
	ErrUnverified = fault.New(fault.Invalid, "auth.unverified", "Unable to log in with provided credentials.")
	// ErrOldPassword: the current password was not given correctly.
	ErrOldPassword = fault.New(fault.Invalid, "auth.wrong_password", "Invalid password")
	// ErrToken and its like are what a token can be refused for.
	ErrToken        = fault.New(fault.Unauthenticated, "token_not_valid", "Token is invalid or expired")
	ErrTokenType    = fault.New(fault.Unauthenticated, "token_wrong_type", "Token has wrong type")
	ErrTokenNoType  = fault.New(fault.Unauthenticated, "token_no_type", "Token has no type")
	ErrTokenNoExp   = fault.New(fault.Unauthenticated, "token_no_exp", "Token has no 'exp' claim")
	ErrTokenNoID    = fault.New(fault.Unauthenticated, "token_no_id", "Token has no id")
	ErrTokenNoUser  = fault.New(fault.Unauthenticated, "token_no_user", "Token contained no recognizable user identification")
	ErrUserNotFound = fault.New(fault.Unauthenticated, "user_not_found", "User not found")
	ErrUserInactive = fault.New(fault.Unauthenticated, "user_inactive", "User is inactive")
	// ErrKey: an API key that is unknown, expired or whose owner is gone.
	ErrKey = fault.New(fault.Unauthenticated, "api_key_not_valid", "API key is invalid or expired")
	// ErrByKey: something that an API key may never do.
	ErrByKey = fault.New(fault.Forbidden, "auth.by_key", "An API key cannot do this: sign in.")
	// ErrNotFound: no such session or key.
	ErrNotFound = fault.New(fault.NotFound, "auth.not_found", "Not found.")
)
