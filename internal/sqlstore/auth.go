package sqlstore

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Auth implements auth.Store.
type Auth struct {
	DB    *DB
	Mails Outbox
}

// purposeTicket marks tickets for the event doors among one-time tokens.
const purposeTicket = "ticket"

// AccessBySession implements auth.Store.
func (s *Auth) AccessBySession(ctx context.Context, sid string) (auth.Access, error) {
	key := accessKey{kind: bySession, text: sid}
	a, generation, ok := s.DB.access.get(key)
	if ok {
		return a, nil
	}
	row, err := s.DB.R().AccessBySession(ctx, sid)
	if err != nil {
		return a, authFault(err)
	}
	a = auth.Access{User: userOf(&row.User), SessionID: sid, Ended: row.EndedAt != nil, PreferencesVersion: row.PreferencesVersion, WidgetEpoch: row.WidgetEpoch}
	s.DB.access.put(key, a, generation)
	return a, nil
}

// AccessByUser implements auth.Store.
func (s *Auth) AccessByUser(ctx context.Context, userID int64, jti string) (auth.Access, error) {
	key := accessKey{kind: byUser, user: userID, text: jti}
	a, generation, ok := s.DB.access.get(key)
	if ok {
		return a, nil
	}
	row, err := s.DB.R().AccessByUser(ctx, db.AccessByUserParams{ID: userID, JTI: jti})
	if err != nil {
		return a, authFault(err)
	}
	a = auth.Access{User: userOf(&row.User), Denied: row.Denied, PreferencesVersion: row.PreferencesVersion, WidgetEpoch: row.WidgetEpoch}
	s.DB.access.put(key, a, generation)
	return a, nil
}

// AccessByKey implements auth.Store.
func (s *Auth) AccessByKey(ctx context.Context, hash string) (auth.Access, error) {
	key := accessKey{kind: byKey, text: hash}
	a, generation, ok := s.DB.access.get(key)
	if ok {
		return a, nil
	}
	row, err := s.DB.R().AccessByKey(ctx, hash)
	if err != nil {
		return a, authFault(err)
	}
	k := keyOf(&row.APIKey)
	a = auth.Access{User: userOf(&row.User), Key: &k, PreferencesVersion: row.PreferencesVersion, WidgetEpoch: row.WidgetEpoch}
	s.DB.access.put(key, a, generation)
	return a, nil
}

func authFault(err error) error {
	if IsNoRows(err) {
		return auth.ErrNotFound
	}
	return err
}

func sessionOf(r *db.Session) auth.Session {
	s := auth.Session{
		ID: r.ID, UserID: r.UserID, Refresh: auth.Refresh{JTI: r.RefreshJTI, IssuedAt: r.RefreshIat, Exp: r.RefreshExp},
		RotatedAt: r.RotatedAt, RichClaims: r.RichClaims, IP: r.IP, UserAgent: r.UserAgent,
		CreatedAt: r.CreatedAt, LastSeenAt: r.LastSeenAt, ExpiresAt: r.ExpiresAt, EndedAt: r.EndedAt, EndReason: r.EndReason,
	}
	if r.PreviousJTI != nil {
		s.Previous = *r.PreviousJTI
	}
	if r.OriginJTI != nil {
		s.Origin = *r.OriginJTI
	}
	return s
}

func insertSession(ctx context.Context, tx *Tx, s auth.Session) error {
	return tx.InsertSession(ctx, db.InsertSessionParams{
		ID: s.ID, UserID: s.UserID, RefreshJTI: s.Refresh.JTI, RefreshIat: s.Refresh.IssuedAt, RefreshExp: s.Refresh.Exp,
		PreviousJTI: orNil(s.Previous), RotatedAt: s.RotatedAt, OriginJTI: orNil(s.Origin), RichClaims: s.RichClaims,
		IP: s.IP, UserAgent: s.UserAgent, CreatedAt: s.CreatedAt, LastSeenAt: s.LastSeenAt, ExpiresAt: s.ExpiresAt,
	})
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Start implements auth.Store.
func (s *Auth) Start(ctx context.Context, session auth.Session, verified, upgraded string) error {
	if upgraded == "" {
		upgraded = verified
	}
	return s.DB.InTx(ctx, func(tx *Tx) error {
		n, err := tx.TouchSignIn(ctx, db.TouchSignInParams{
			ID: session.UserID, Verified: verified, Password: upgraded, Now: &session.CreatedAt,
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return auth.ErrCredentials
		}
		tx.AfterCommit(func() { s.DB.forgetAccess(session.UserID) })
		return insertSession(ctx, tx, session)
	})
}

// Rotate implements auth.Store.
func (s *Auth) Rotate(ctx context.Context, sid, jti string, next auth.Refresh, now time.Time, grace time.Duration) (auth.Rotation, error) {
	var r auth.Rotation
	err := s.DB.InTx(ctx, func(tx *Tx) error {
		row, err := tx.RotateSession(ctx, db.RotateSessionParams{
			ID: sid, Presented: jti, Now: &now, RefreshJTI: next.JTI, RefreshIat: next.IssuedAt, RefreshExp: next.Exp,
			ExpiresAt: time.Unix(next.Exp, 0).UTC(),
		})
		switch {
		case err == nil:
			r, err = s.rotation(ctx, tx, &row, false)
		case IsNoRows(err):
			r, err = s.rotatedAway(ctx, tx, sid, jti, now, grace)
		}
		return err
	})
	return r, authFault(err)
}

// rotatedAway decides over a refresh token that is not the current one.
func (s *Auth) rotatedAway(ctx context.Context, tx *Tx, sid, jti string, now time.Time, grace time.Duration) (auth.Rotation, error) {
	row, err := tx.SessionByID(ctx, sid)
	if err != nil {
		return auth.Rotation{}, err
	}
	return s.reused(ctx, tx, &row, jti, now, grace)
}

// reused gives the successor within the grace, and ends the session otherwise.
func (s *Auth) reused(ctx context.Context, tx *Tx, row *db.Session, jti string, now time.Time, grace time.Duration) (auth.Rotation, error) {
	if row.EndedAt != nil {
		return auth.Rotation{}, auth.ErrNotFound
	}
	inGrace := row.PreviousJTI != nil && *row.PreviousJTI == jti && row.RotatedAt != nil && now.Sub(*row.RotatedAt) <= grace
	if inGrace {
		return s.rotation(ctx, tx, row, false)
	}
	_, err := tx.EndSession(ctx, db.EndSessionParams{ID: row.ID, UserID: row.UserID, Now: &now, Reason: auth.EndReuse})
	if err != nil {
		return auth.Rotation{}, err
	}
	tx.AfterCommit(func() { s.DB.forgetAccess(row.UserID) })
	return s.rotation(ctx, tx, row, true)
}

func (s *Auth) rotation(ctx context.Context, tx *Tx, row *db.Session, reused bool) (auth.Rotation, error) {
	user, err := tx.UserByID(ctx, row.UserID)
	if err != nil {
		return auth.Rotation{}, err
	}
	return auth.Rotation{Session: sessionOf(row), User: userOf(&user), Reused: reused}, nil
}

// errRefused undoes an exchange that must not happen.
var errRefused = errors.New("refused")

// Exchange implements auth.Store.
func (s *Auth) Exchange(ctx context.Context, session auth.Session, issued, tokenExpires, now time.Time, grace time.Duration) (auth.Rotation, error) {
	var r auth.Rotation
	err := s.DB.InTx(ctx, func(tx *Tx) error {
		// The lock orders the exchange with a change of password, and with
		// another exchange of the same token.
		if n, err := tx.LockUser(ctx, session.UserID); err != nil {
			return err
		} else if n == 0 {
			return auth.ErrNotFound
		}
		row, err := tx.SessionByOrigin(ctx, &session.Origin)
		if err == nil {
			r, err = s.reused(ctx, tx, &row, session.Origin, now, grace)
			return err
		}
		if !IsNoRows(err) {
			return err
		}
		user, err := tx.UserByID(ctx, session.UserID)
		if err != nil {
			return err
		}
		u := userOf(&user)
		if !u.MaySignIn() || u.TokensValidAfter != nil && issued.Before(*u.TokensValidAfter) {
			return errRefused
		}
		fresh, err := tx.DenyToken(ctx, db.DenyTokenParams{JTI: session.Origin, ExpiresAt: tokenExpires})
		if err != nil {
			return err
		}
		if fresh == 0 {
			return errRefused
		}
		r = auth.Rotation{Session: session, User: u}
		tx.AfterCommit(func() { s.DB.forgetAccess(u.ID) }) // the token is denied now
		return insertSession(ctx, tx, session)
	})
	if errors.Is(err, errRefused) {
		return r, auth.ErrNotFound
	}
	return r, authFault(err)
}

// End implements auth.Store.
func (s *Auth) End(ctx context.Context, userID int64, sid, reason string, now time.Time) error {
	n, err := s.DB.W().EndSession(ctx, db.EndSessionParams{ID: sid, UserID: userID, Now: &now, Reason: reason})
	s.DB.forgetAccess(userID)
	if err == nil && n == 0 {
		return auth.ErrNotFound
	}
	return err
}

// EndAll implements auth.Store.
func (s *Auth) EndAll(ctx context.Context, userID int64, keep, reason string, now time.Time) error {
	return s.DB.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.VoidTokens(ctx, db.VoidTokensParams{ID: userID, Now: &now}); err != nil {
			return err
		}
		if _, err := tx.EndSessions(ctx, db.EndSessionsParams{UserID: userID, Keep: keep, Now: &now, Reason: reason}); err != nil {
			return err
		}
		tx.AfterCommit(func() { s.DB.forgetAccess(userID) })
		return nil
	})
}

// Deny implements auth.Store.
func (s *Auth) Deny(ctx context.Context, userID int64, jti string, expires time.Time) error {
	_, err := s.DB.W().DenyToken(ctx, db.DenyTokenParams{JTI: jti, ExpiresAt: expires})
	s.DB.forgetAccess(userID)
	return err
}

// ChangePassword implements auth.Store.
func (s *Auth) ChangePassword(ctx context.Context, session auth.Session, verified, hash string, now time.Time, mails ...account.Mail) error {
	return s.DB.InTx(ctx, func(tx *Tx) error {
		n, err := tx.SetPassword(ctx, db.SetPasswordParams{ID: session.UserID, Verified: verified, Password: hash, Now: &now})
		if err != nil {
			return err
		}
		if n == 0 {
			return auth.ErrCredentials
		}
		if err := s.endAndForget(ctx, tx, session.UserID, auth.EndPassword, now); err != nil {
			return err
		}
		if err := insertSession(ctx, tx, session); err != nil {
			return err
		}
		return s.Mails.QueueTx(ctx, tx, mails...)
	})
}

// endAndForget is what a new password does to all that the old one let in.
func (s *Auth) endAndForget(ctx context.Context, tx *Tx, userID int64, reason string, now time.Time) error {
	tx.AfterCommit(func() { s.DB.forgetAccess(userID) })
	if _, err := tx.EndSessions(ctx, db.EndSessionsParams{UserID: userID, Now: &now, Reason: reason}); err != nil {
		return err
	}
	return voidResets(ctx, tx, userID)
}

// ResetUser implements auth.Store.
func (s *Auth) ResetUser(ctx context.Context, tokenHash string, now time.Time) (account.User, error) {
	link, err := s.DB.R().LinkByHash(ctx, db.LinkByHashParams{Hash: tokenHash, Purpose: string(account.ResetPassword), Now: now})
	if IsNoRows(err) {
		return account.User{}, account.ErrBadLink
	}
	if err != nil {
		return account.User{}, err
	}
	row, err := s.DB.R().UserByID(ctx, link.UserID)
	u, err := oneUser(row, err)
	switch {
	case errors.Is(err, account.ErrNotFound):
		return account.User{}, account.ErrBadLink
	case err != nil:
		return account.User{}, err
	case row.EmailKey != link.EmailKey || !u.MaySignIn():
		return account.User{}, account.ErrBadLink
	}
	return u, nil
}

// ResetPassword implements auth.Store.
func (s *Auth) ResetPassword(ctx context.Context, tokenHash, passwordHash string, now time.Time, mails ...account.Mail) (account.User, error) {
	var u account.User
	err := s.DB.InTx(ctx, func(tx *Tx) error {
		link, err := tx.TakeLink(ctx, db.TakeLinkParams{Hash: tokenHash, Purpose: string(account.ResetPassword), Now: now})
		if err != nil {
			return err
		}
		if err := forgetUnproven(ctx, tx, link.UserID); err != nil {
			return err
		}
		row, err := tx.ResetPassword(ctx, db.ResetPasswordParams{
			ID: link.UserID, EmailKey: link.EmailKey, Password: passwordHash, Now: &now,
		})
		if err != nil {
			return err
		}
		u = userOf(&row)
		if err := s.endAndForget(ctx, tx, u.ID, auth.EndPassword, now); err != nil {
			return err
		}
		return s.Mails.QueueTx(ctx, tx, mails...)
	})
	if IsNoRows(err) {
		return u, account.ErrBadLink
	}
	return u, err
}

// forgetUnproven deletes the API keys of an account whose address nobody has
// proven to read yet: they are of whoever registered it, and the one who does
// read it now takes the account over.
func forgetUnproven(ctx context.Context, tx *Tx, userID int64) error {
	user, err := tx.UserByID(ctx, userID)
	if err != nil || user.EmailVerifiedAt != nil {
		return err
	}
	for { // the list is cut at a number
		keys, err := tx.KeysOf(ctx, userID)
		if err != nil || len(keys) == 0 {
			return err
		}
		for i := range keys {
			if _, err := tx.DeleteKey(ctx, db.DeleteKeyParams{ID: keys[i].ID, UserID: userID}); err != nil {
				return err
			}
		}
	}
}

// Sessions implements auth.Store.
func (s *Auth) Sessions(ctx context.Context, userID int64, now time.Time) ([]auth.Session, error) {
	rows, err := s.DB.R().SessionsOf(ctx, db.SessionsOfParams{UserID: userID, Now: now})
	if err != nil {
		return nil, err
	}
	out := make([]auth.Session, len(rows))
	for i := range rows {
		out[i] = sessionOf(&rows[i])
	}
	return out, nil
}

// Seen implements auth.Store.
func (s *Auth) Seen(ctx context.Context, sessions map[string]time.Time, keys map[int64]time.Time) error {
	return s.DB.InTx(ctx, func(tx *Tx) error {
		// In order, so that two instances cannot wait for each other.
		for _, id := range slices.Sorted(maps.Keys(sessions)) {
			if err := tx.SeenSession(ctx, db.SeenSessionParams{ID: id, At: sessions[id]}); err != nil {
				return err
			}
		}
		for _, id := range slices.Sorted(maps.Keys(keys)) {
			at := keys[id]
			if err := tx.SeenKey(ctx, db.SeenKeyParams{ID: id, At: &at}); err != nil {
				return err
			}
		}
		return nil
	})
}

func keyOf(r *db.APIKey) auth.Key {
	var scopes []identity.Scope
	for word := range strings.FieldsSeq(r.Scopes) {
		scopes = append(scopes, identity.Scope(word))
	}
	return auth.Key{
		ID: r.ID, UserID: r.UserID, Name: r.Name, Prefix: r.Prefix, Hash: r.Hash, Scopes: scopes,
		ExpiresAt: r.ExpiresAt, LastUsedAt: r.LastUsedAt, CreatedAt: r.CreatedAt,
	}
}

// Keys implements auth.Store.
func (s *Auth) Keys(ctx context.Context, userID int64) ([]auth.Key, error) {
	rows, err := s.DB.R().KeysOf(ctx, userID)
	if err != nil {
		return nil, err
	}
	out := make([]auth.Key, len(rows))
	for i := range rows {
		out[i] = keyOf(&rows[i])
	}
	return out, nil
}

// CreateKey implements auth.Store.
func (s *Auth) CreateKey(ctx context.Context, k auth.Key) (auth.Key, error) {
	words := make([]string, len(k.Scopes))
	for i, scope := range k.Scopes {
		words[i] = string(scope)
	}
	row, err := s.DB.W().InsertKey(ctx, db.InsertKeyParams{
		UserID: k.UserID, Name: k.Name, Prefix: k.Prefix, Hash: k.Hash, Scopes: strings.Join(words, " "),
		ExpiresAt: k.ExpiresAt, CreatedAt: k.CreatedAt,
	})
	if err != nil {
		return k, err
	}
	return keyOf(&row), nil
}

// DeleteKey implements auth.Store.
func (s *Auth) DeleteKey(ctx context.Context, userID, id int64) error {
	n, err := s.DB.W().DeleteKey(ctx, db.DeleteKeyParams{ID: id, UserID: userID})
	s.DB.forgetAccess(userID)
	if err == nil && n == 0 {
		return auth.ErrNotFound
	}
	return err
}

// AddTicket implements auth.Store.
func (s *Auth) AddTicket(ctx context.Context, hash string, userID int64, sid string, expires, now time.Time) error {
	return s.DB.W().InsertLink(ctx, db.InsertLinkParams{
		Hash: hash, Purpose: purposeTicket, UserID: userID, SessionID: orNil(sid), ExpiresAt: expires, CreatedAt: now,
	})
}

// UseTicket implements auth.Store.
func (s *Auth) UseTicket(ctx context.Context, hash string, now time.Time) (auth.Access, error) {
	link, err := s.DB.W().TakeLink(ctx, db.TakeLinkParams{Hash: hash, Purpose: purposeTicket, Now: now})
	if err != nil {
		return auth.Access{}, authFault(err)
	}
	if link.SessionID == nil {
		return auth.Access{}, auth.ErrNotFound
	}
	return s.AccessBySession(ctx, *link.SessionID)
}

// Sweep implements auth.Store.
func (s *Auth) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	// Ended sessions stay until they would have expired: a reused token of
	// theirs must still be known.
	var total int64
	for _, sweep := range []func() (int64, error){
		func() (int64, error) {
			return s.DB.W().SweepSessions(ctx, db.SweepSessionsParams{Before: now, AtMost: int32(limit)})
		},
		func() (int64, error) {
			return s.DB.W().SweepDenied(ctx, db.SweepDeniedParams{Before: now, AtMost: int32(limit)})
		},
		func() (int64, error) {
			return s.DB.W().SweepLinks(ctx, db.SweepLinksParams{Before: now, AtMost: int32(limit)})
		},
	} {
		n, err := sweep()
		if err != nil {
			return int(total), err
		}
		total += n
	}
	return int(total), nil
}
