package auth

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/password"
)

// Grace is how long the refresh token that was rotated away last still gives
// the successor it got: two tabs, or an answer that was lost on the way.
const Grace = 10 * time.Second

// Settings of the room.
type Settings struct {
	AccessLifetime, RefreshLifetime time.Duration
	// VerificationRequired: who has not verified the address may not sign in.
	VerificationRequired bool
	// FailureFloor is the least time that a refused sign-in takes, so that an
	// account with a slow old hash cannot be told from one that does not exist.
	FailureFloor time.Duration
}

// Service is the room.
type Service struct {
	Store    Store
	Accounts *account.Service
	Hasher   *password.Hasher
	Keys     *Keyring
	Settings Settings
	Now      func() time.Time
	// Events is told when access ends; nil tells nobody.
	Events Events
	seen   seenTracker
}

// Client is where a sign-in comes from.
type Client struct{ IP, UserAgent string }

// Tokens are what a sign-in gives.
type Tokens struct{ Access, Refresh string }

// Login signs in with an e-mail address. ErrCredentials for whatever is
// wrong; ErrUnverified, password.ErrBusy.
func (s *Service) Login(ctx context.Context, email, pass string, c Client) (account.User, Tokens, error) {
	return s.signIn(ctx, pass, c, false, func() (account.User, error) { return s.Accounts.Store.ByEmail(ctx, email) })
}

// Token signs in with a username; its tokens carry email, role and status.
func (s *Service) Token(ctx context.Context, username, pass string, c Client) (account.User, Tokens, error) {
	return s.signIn(ctx, pass, c, true, func() (account.User, error) { return s.Accounts.Store.ByUsername(ctx, username) })
}

// TokenByEmail is Token for clients that send the address.
func (s *Service) TokenByEmail(ctx context.Context, email, pass string, c Client) (account.User, Tokens, error) {
	return s.signIn(ctx, pass, c, true, func() (account.User, error) { return s.Accounts.Store.ByEmail(ctx, email) })
}

func (s *Service) signIn(ctx context.Context, pass string, c Client, rich bool, find func() (account.User, error)) (account.User, Tokens, error) {
	began := s.Now()
	u, tokens, err := s.trySignIn(ctx, pass, c, rich, find)
	if errors.Is(err, ErrCredentials) || errors.Is(err, ErrUnverified) {
		password.HoldBack(ctx, s.Now().Sub(began), s.Settings.FailureFloor)
	}
	return u, tokens, err
}

// signInTries bounds how often a sign-in looks at an account that keeps
// changing under it.
const signInTries = 3

// errChanged: the account is no longer what was verified.
var errChanged = errors.New("account changed during the sign-in")

// trySignIn looks again when the account changed between the verification and
// the start of the session: mostly another sign-in has upgraded the hash of the
// same password.
func (s *Service) trySignIn(ctx context.Context, pass string, c Client, rich bool, find func() (account.User, error)) (account.User, Tokens, error) {
	for range signInTries {
		u, tokens, err := s.signInOnce(ctx, pass, c, rich, find)
		if !errors.Is(err, errChanged) {
			return u, tokens, err
		}
	}
	return account.User{}, Tokens{}, ErrCredentials
}

func (s *Service) signInOnce(ctx context.Context, pass string, c Client, rich bool, find func() (account.User, error)) (account.User, Tokens, error) {
	u, err := find()
	if fault.KindOf(err) == fault.NotFound {
		if err := s.Hasher.VerifyDummy(ctx, pass); err != nil {
			return u, Tokens{}, err
		}
		return u, Tokens{}, ErrCredentials
	}
	if err != nil {
		return u, Tokens{}, err
	}
	ok, upgrade, err := s.Hasher.Verify(ctx, pass, u.PasswordHash)
	if err != nil {
		return u, Tokens{}, err
	}
	if !ok || !u.MaySignIn() {
		return u, Tokens{}, ErrCredentials
	}
	if s.Settings.VerificationRequired && u.EmailVerifiedAt == nil && u.Status == identity.Pending {
		if err := s.Accounts.ResendVerification(ctx, u.ID); err != nil {
			return u, Tokens{}, err
		}
		return u, Tokens{}, ErrUnverified
	}
	upgraded := ""
	if upgrade {
		if upgraded, err = s.Hasher.Hash(ctx, pass); err != nil {
			return u, Tokens{}, err
		}
	}
	session := s.newSession(u.ID, c, rich)
	err = s.Store.Start(ctx, session, u.PasswordHash, upgraded)
	if errors.Is(err, ErrCredentials) {
		return u, Tokens{}, errChanged
	}
	if err != nil {
		return u, Tokens{}, err
	}
	return u, s.tokens(&session, &u, session.Refresh.IssuedAt), nil
}

func (s *Service) newSession(userID int64, c Client, rich bool) Session {
	now := s.now()
	refresh := s.newRefresh(now)
	return Session{
		ID: randomID(), UserID: userID, Refresh: refresh, RichClaims: rich,
		IP: c.IP, UserAgent: truncate(c.UserAgent, 300),
		CreatedAt: now, LastSeenAt: now, ExpiresAt: time.Unix(refresh.Exp, 0).UTC(),
	}
}

func (s *Service) newRefresh(now time.Time) Refresh {
	return Refresh{JTI: randomID(), IssuedAt: now.Unix(), Exp: now.Add(s.Settings.RefreshLifetime).Unix()}
}

// tokens makes the session's refresh token and a new access token.
func (s *Service) tokens(session *Session, u *account.User, issued int64) Tokens {
	expires := s.Now().Add(s.Settings.AccessLifetime)
	return Tokens{
		Access:  s.Keys.Access(session, u, randomID(), issued, expires),
		Refresh: s.Keys.Refresh(session, u),
	}
}

// Refresh exchanges a refresh token for its successor and an access token.
// ErrToken when it is invalid, reused, or its session or account is closed.
func (s *Service) Refresh(ctx context.Context, raw string, c Client) (account.User, Tokens, error) {
	claims, err := s.Keys.Parse(raw, RefreshToken)
	if err != nil {
		return account.User{}, Tokens{}, err
	}
	now := s.now()
	var r Rotation
	if claims.Session == "" {
		r, err = s.exchange(ctx, claims, c, now)
	} else {
		r, err = s.Store.Rotate(ctx, claims.Session, claims.JTI, s.newRefresh(now), now, Grace)
	}
	if r.Reused {
		_ = s.changed(ctx, r.User.ID, err)
	}
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return account.User{}, Tokens{}, ErrToken
	case err != nil:
		return account.User{}, Tokens{}, err
	case r.Reused || !r.User.MaySignIn() || r.User.ID != claims.UserID:
		return account.User{}, Tokens{}, ErrToken
	}
	return r.User, s.tokens(&r.Session, &r.User, claims.IssuedAt), nil
}

// Renew gives the session of an access token another one, for clients that keep
// no refresh token. It does not outlive the session, whose end is told with it.
// ErrToken, also for tokens without a session.
func (s *Service) Renew(ctx context.Context, raw string) (token string, ends time.Time, err error) {
	claims, err := s.Keys.Parse(raw, AccessToken)
	if err != nil {
		return "", time.Time{}, err
	}
	if claims.Session == "" {
		return "", time.Time{}, ErrToken
	}
	a, err := s.access(ctx, claims)
	if err != nil {
		return "", time.Time{}, err
	}
	living, err := s.Store.Sessions(ctx, a.User.ID, s.now())
	if err != nil {
		return "", time.Time{}, err
	}
	for i := range living {
		if session := &living[i]; session.ID == claims.Session {
			expires := s.Now().Add(s.Settings.AccessLifetime)
			if expires.After(session.ExpiresAt) {
				expires = session.ExpiresAt
			}
			return s.Keys.Access(session, &a.User, randomID(), s.now().Unix(), expires), session.ExpiresAt, nil
		}
	}
	return "", time.Time{}, ErrToken
}

// exchange turns a Django refresh token into a session.
func (s *Service) exchange(ctx context.Context, claims Claims, c Client, now time.Time) (Rotation, error) {
	session := s.newSession(claims.UserID, c, claims.Rich)
	session.Origin, session.Previous, session.RotatedAt = claims.JTI, claims.JTI, &now
	return s.Store.Exchange(ctx, session, time.Unix(claims.IssuedAt, 0), claims.Expires, now, Grace)
}

// VerifyToken checks a token of either type as Authenticate would.
func (s *Service) VerifyToken(ctx context.Context, raw string) error {
	claims, err := s.Keys.Parse(raw, AccessToken)
	if errors.Is(err, ErrTokenType) {
		claims, err = s.Keys.Parse(raw, RefreshToken)
		if err == nil && claims.Session != "" {
			return s.verifyRefresh(ctx, claims)
		}
	}
	if err != nil {
		return ErrToken
	}
	if _, err = s.access(ctx, claims); fault.KindOf(err) == fault.Unauthenticated {
		return ErrToken
	}
	return err
}

// verifyRefresh accepts only the refresh token that may be used now.
func (s *Service) verifyRefresh(ctx context.Context, claims Claims) error {
	if _, err := s.access(ctx, claims); err != nil {
		if fault.KindOf(err) == fault.Unauthenticated {
			return ErrToken
		}
		return err
	}
	sessions, err := s.Store.Sessions(ctx, claims.UserID, s.now())
	if err != nil {
		return err
	}
	for i := range sessions {
		if sessions[i].ID == claims.Session && sessions[i].Refresh.JTI == claims.JTI {
			return nil
		}
	}
	return ErrToken
}

// Authenticate finds who stands behind an access token. Errors: ErrToken and
// its like, ErrUserNotFound, ErrUserInactive.
func (s *Service) Authenticate(ctx context.Context, raw string) (Access, error) {
	claims, err := s.Keys.Parse(raw, AccessToken)
	if err != nil {
		return Access{}, err
	}
	return s.access(ctx, claims)
}

func (s *Service) access(ctx context.Context, claims Claims) (Access, error) {
	var a Access
	var err error
	if claims.Session != "" {
		a, err = s.Store.AccessBySession(ctx, claims.Session)
		if fault.KindOf(err) == fault.NotFound {
			return a, s.missingSession(ctx, claims)
		}
	} else {
		a, err = s.Store.AccessByUser(ctx, claims.UserID, claims.JTI)
		if fault.KindOf(err) == fault.NotFound {
			return a, ErrUserNotFound
		}
	}
	switch {
	case err != nil:
		return a, err
	case a.User.ID != claims.UserID:
		return a, ErrToken
	case !a.User.MaySignIn():
		return a, ErrUserInactive
	case a.Ended || a.Denied:
		return a, ErrToken
	case claims.Session == "" && tooOld(claims, &a.User):
		return a, ErrToken
	}
	s.seen.session(claims.Session, s.Now)
	return a, nil
}

// missingSession tells a deleted account from a session that never was.
func (s *Service) missingSession(ctx context.Context, claims Claims) error {
	_, err := s.Accounts.Store.ByID(ctx, claims.UserID)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return ErrUserNotFound
	case err != nil:
		return err
	}
	return ErrToken
}

func tooOld(c Claims, u *account.User) bool {
	return u.TokensValidAfter != nil && time.Unix(c.IssuedAt, 0).Before(*u.TokensValidAfter)
}

// Logout ends the session of an access token, or denies the token when it has
// none; all ends every session of the user.
func (s *Service) Logout(ctx context.Context, actor identity.Actor, raw string, all bool) error {
	if actor.ByKey() {
		return ErrByKey
	}
	if all {
		return s.changed(ctx, actor.UserID, s.Store.EndAll(ctx, actor.UserID, "", EndLogout, s.now()))
	}
	if actor.SessionID != "" {
		err := s.Store.End(ctx, actor.UserID, actor.SessionID, EndLogout, s.now())
		if fault.KindOf(err) == fault.NotFound {
			return nil // ended by somebody else just now
		}
		return s.changed(ctx, actor.UserID, err)
	}
	claims, err := s.Keys.Parse(raw, AccessToken)
	if err != nil {
		return err
	}
	return s.changed(ctx, actor.UserID, s.Store.Deny(ctx, actor.UserID, claims.JTI, claims.Expires))
}

// ChangePassword replaces the actor's password, ends every session and signs
// in anew. ErrOldPassword, ErrByKey, field faults of the new password.
func (s *Service) ChangePassword(ctx context.Context, actor identity.Actor, oldPass, newPass string, c Client) (Tokens, error) {
	if actor.ByKey() {
		return Tokens{}, ErrByKey
	}
	u, err := s.Accounts.Store.ByID(ctx, actor.UserID)
	if err != nil {
		return Tokens{}, err
	}
	ok, _, err := s.Hasher.Verify(ctx, oldPass, u.PasswordHash)
	if err != nil {
		return Tokens{}, err
	}
	if !ok {
		return Tokens{}, ErrOldPassword
	}
	if err := account.CheckPassword("new_password", newPass, about(&u)); err != nil {
		return Tokens{}, err
	}
	hash, err := s.Hasher.Hash(ctx, newPass)
	if err != nil {
		return Tokens{}, err
	}
	session := s.newSession(u.ID, c, false)
	now := s.now()
	err = s.Store.ChangePassword(ctx, session, u.PasswordHash, hash, now, s.Accounts.PasswordNotice(&u, now))
	if errors.Is(err, ErrCredentials) {
		return Tokens{}, ErrOldPassword
	}
	if s.changed(ctx, u.ID, err) != nil {
		return Tokens{}, err
	}
	return s.tokens(&session, &u, session.Refresh.IssuedAt), nil
}

// ResetPassword sets a new password by the token of a mail and ends every
// session. account.ErrBadLink, field faults of the new password.
func (s *Service) ResetPassword(ctx context.Context, token, newPass string) error {
	hash := account.HashToken(token)
	u, err := s.Store.ResetUser(ctx, hash, s.now())
	if err != nil {
		return err
	}
	if err := account.CheckPassword("new_password", newPass, about(&u)); err != nil {
		return err
	}
	encoded, err := s.Hasher.Hash(ctx, newPass)
	if err != nil {
		return err
	}
	now := s.now()
	_, err = s.Store.ResetPassword(ctx, hash, encoded, now, s.Accounts.PasswordNotice(&u, now))
	return s.changed(ctx, u.ID, err)
}

func about(u *account.User) *account.Draft {
	return &account.Draft{Email: u.Email, Username: u.Username, FirstName: u.FirstName, LastName: u.LastName}
}

// Sessions lists the actor's own living sessions. ErrByKey.
func (s *Service) Sessions(ctx context.Context, actor identity.Actor) ([]Session, error) {
	if actor.ByKey() {
		return nil, ErrByKey
	}
	return s.Store.Sessions(ctx, actor.UserID, s.now())
}

// EndSession ends one of the actor's own sessions. ErrNotFound, ErrByKey.
func (s *Service) EndSession(ctx context.Context, actor identity.Actor, sid string) error {
	if actor.ByKey() {
		return ErrByKey
	}
	if !isRandomID(sid) { // it stood in a path: anything, also what no database takes
		return ErrNotFound
	}
	return s.changed(ctx, actor.UserID, s.Store.End(ctx, actor.UserID, sid, EndRevoked, s.now()))
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// randomID is 128 random bits in hex, as simplejwt's uuid4().hex looks.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// isRandomID reports whether id could be one of randomID.
func isRandomID(id string) bool {
	_, err := hex.DecodeString(id)
	return err == nil && len(id) == 32
}

func truncate(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
