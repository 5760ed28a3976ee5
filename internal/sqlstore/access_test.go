package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/preference"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// noMail is an outbox for tests that are not about mails.
type noMail struct{}

func (noMail) QueueTx(context.Context, *sqlstore.Tx, ...account.Mail) error { return nil }

// accessHandle is one process's view of accounts and sessions.
type accessHandle struct {
	accounts *sqlstore.Accounts
	auth     *sqlstore.Auth
	prefs    *sqlstore.Preferences
}

func openAccess(t *testing.T, url string) accessHandle {
	t.Helper()
	d := reopen(t, url)
	return accessHandle{&sqlstore.Accounts{DB: d, Mails: noMail{}}, &sqlstore.Auth{DB: d, Mails: noMail{}}, &sqlstore.Preferences{DB: d}}
}

// subject is a user as the reference model knows it: what a look-up must say.
type subject struct {
	user     account.User
	sid, jti string
	origin   string // the session that jti was exchanged for
	key      auth.Key
	ended    bool
	denied   bool
	hasKey   bool
	version  int64
	serial   int // makes ids of its own
}

var accessTime = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func newSubject(t *testing.T, h accessHandle, name string) *subject {
	t.Helper()
	u, err := h.accounts.Create(t.Context(), account.User{
		Username: name, Email: name + "@example.com", PasswordHash: "!", Role: identity.User, Status: identity.Active, IsActive: true,
		DateJoined: accessTime, CreatedAt: accessTime, UpdatedAt: accessTime,
	}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &subject{user: u}
	for _, do := range []func(context.Context, accessHandle) error{s.start, s.newToken, s.newKey} {
		if err := do(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *subject) next() string {
	s.serial++
	return fmt.Sprintf("%d-%d", s.user.ID, s.serial)
}

func (s *subject) start(ctx context.Context, h accessHandle) error {
	id := s.next()
	err := h.auth.Start(ctx, auth.Session{ID: id, UserID: s.user.ID, Refresh: auth.Refresh{JTI: "r" + id}, CreatedAt: accessTime,
		LastSeenAt: accessTime, ExpiresAt: accessTime.Add(time.Hour)}, s.user.PasswordHash, "")
	if !s.user.MaySignIn() {
		if errors.Is(err, auth.ErrCredentials) {
			return nil
		}
		return fmt.Errorf("a closed account signed in: %w", err)
	}
	s.sid, s.ended = id, false
	return err
}

func (s *subject) end(ctx context.Context, h accessHandle) error {
	err := h.auth.End(ctx, s.user.ID, s.sid, auth.EndLogout, accessTime)
	if s.ended && errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	s.ended = true
	return err
}

func (s *subject) endAll(ctx context.Context, h accessHandle) error {
	at := accessTime.Add(time.Duration(s.serial) * time.Second)
	s.ended, s.user.TokensValidAfter = true, &at
	return h.auth.EndAll(ctx, s.user.ID, "", auth.EndLogout, at)
}

func (s *subject) newToken(context.Context, accessHandle) error {
	s.jti, s.origin, s.denied = s.next(), "", false
	return nil
}

func (s *subject) deny(ctx context.Context, h accessHandle) error {
	s.denied = true
	return h.auth.Deny(ctx, s.user.ID, s.jti, accessTime.Add(time.Hour))
}

// exchange denies the token too.
func (s *subject) exchange(ctx context.Context, h accessHandle) error {
	id := s.next()
	r, err := h.auth.Exchange(ctx, auth.Session{ID: id, UserID: s.user.ID, Origin: s.jti, Refresh: auth.Refresh{JTI: "r" + id},
		CreatedAt: accessTime, LastSeenAt: accessTime, ExpiresAt: accessTime.Add(time.Hour)},
		accessTime.Add(time.Hour), accessTime.Add(time.Hour), accessTime, 0)
	if r.Reused && err == nil && s.origin != "" {
		s.ended = s.ended || s.sid == s.origin
		return nil
	}
	if s.denied || !s.user.MaySignIn() {
		if fault.KindOf(err) == fault.NotFound {
			return nil
		}
		return fmt.Errorf("a token that does not count was exchanged: %w", err)
	}
	s.sid, s.origin, s.ended, s.denied = id, id, false, true
	return err
}

func (s *subject) newKey(ctx context.Context, h accessHandle) (err error) {
	hash := s.next()
	s.key, err = h.auth.CreateKey(ctx, auth.Key{UserID: s.user.ID, Name: "k", Hash: hash, Scopes: []identity.Scope{identity.ScopeRead}, CreatedAt: accessTime})
	s.hasKey = true
	return err
}

func (s *subject) deleteKey(ctx context.Context, h accessHandle) error {
	err := h.auth.DeleteKey(ctx, s.user.ID, s.key.ID)
	if !s.hasKey && errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	s.hasKey = false
	return err
}

func (s *subject) update(ctx context.Context, h accessHandle, c account.Update) (err error) {
	before := s.user
	s.user, err = h.accounts.Update(ctx, s.user.ID, c, accessTime)
	if before.MaySignIn() && !s.user.MaySignIn() {
		s.ended = true
	}
	return err
}

func (s *subject) status(ctx context.Context, h accessHandle) error {
	return s.update(ctx, h, account.Update{Status: ptr([]identity.Status{identity.Active, identity.Inactive, identity.Pending}[s.serial%3])})
}

func (s *subject) role(ctx context.Context, h accessHandle) error {
	return s.update(ctx, h, account.Update{Role: ptr([]identity.Role{identity.Editor, identity.User}[s.serial%2])})
}

func (s *subject) password(ctx context.Context, h accessHandle) error {
	s.ended = true
	return s.update(ctx, h, account.Update{PasswordHash: ptr("!" + s.next())})
}

func (s *subject) preferences(ctx context.Context, h accessHandle) error {
	if s.version == 0 {
		p, err := h.prefs.Create(ctx, preference.Preferences{UserID: s.user.ID, CreatedAt: accessTime})
		s.version = p.Version
		return err
	}
	p, err := h.prefs.Update(ctx, s.user.ID, preference.Draft{Locale: ptr(s.next())}, accessTime)
	s.version = p.Version
	return err
}

// check asks one handle for all it knows of the subject.
func (s *subject) check(ctx context.Context, h accessHandle) error {
	bySession, err := h.auth.AccessBySession(ctx, s.sid)
	if err != nil || bySession.Ended != s.ended || bySession.SessionID != s.sid {
		return fmt.Errorf("session %s: ended is %v, want %v; %w", s.sid, bySession.Ended, s.ended, err)
	}
	byUser, err := h.auth.AccessByUser(ctx, s.user.ID, s.jti)
	if err != nil || byUser.Denied != s.denied {
		return fmt.Errorf("token %s: denied is %v, want %v; %w", s.jti, byUser.Denied, s.denied, err)
	}
	byKey, err := h.auth.AccessByKey(ctx, s.key.Hash)
	if s.hasKey != (err == nil) {
		return fmt.Errorf("key: %w, want one: %v", err, s.hasKey)
	}
	for _, a := range []auth.Access{bySession, byUser, byKey} {
		if a.User.ID == 0 {
			continue // the key is gone
		}
		u := a.User
		if u.Status != s.user.Status || u.Role != s.user.Role || u.PasswordHash != s.user.PasswordHash || a.PreferencesVersion != s.version {
			return fmt.Errorf("user %+v with preferences %d, want %+v with %d", u, a.PreferencesVersion, s.user, s.version)
		}
		if (u.TokensValidAfter == nil) != (s.user.TokensValidAfter == nil) || u.TokensValidAfter != nil && !u.TokensValidAfter.Equal(*s.user.TokensValidAfter) {
			return fmt.Errorf("tokens valid after %v, want %v", u.TokensValidAfter, s.user.TokensValidAfter)
		}
	}
	return nil
}

// Whoever of two processes writes, and whoever asks: an answer after an
// acknowledged write is never the one from before it.
func TestAccessFollowsWrites(t *testing.T) {
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		handles := []accessHandle{openAccess(t, url), openAccess(t, url)}
		subjects := make([]*subject, 3)
		for i := range subjects {
			subjects[i] = newSubject(t, handles[i%2], fmt.Sprint("user", i))
		}
		names := []string{"start", "end", "endAll", "newToken", "deny", "exchange", "newKey", "deleteKey", "status", "role", "password", "preferences"}
		seed := uint64(time.Now().UnixNano())
		random := rand.New(rand.NewPCG(seed, 0))
		var past []string
		for step := range 300 {
			i, by := random.IntN(len(subjects)), random.IntN(2)
			s := subjects[i]
			actions := []func(context.Context, accessHandle) error{s.start, s.end, s.endAll, s.newToken, s.deny, s.exchange, s.newKey, s.deleteKey, s.status, s.role, s.password, s.preferences}
			n := random.IntN(len(actions))
			past = append(past, fmt.Sprintf("%s of %d by %d", names[n], i, by))
			if err := actions[n](ctx, handles[by]); err != nil {
				t.Fatalf("seed %d, step %d, %s: %v", seed, step, past[step], err)
			}
			for _, asked := range []int{random.IntN(2), by, 1 - by} {
				other := subjects[random.IntN(len(subjects))]
				for _, subject := range []*subject{s, other} {
					if err := subject.check(ctx, handles[asked]); err != nil {
						t.Fatalf("seed %d, handle %d, after %v: %v", seed, asked, past[max(0, step-8):], err)
					}
				}
			}
		}
	})
}

// The same under fire: writers and readers on both sides at once.
func TestAccessFollowsWritesConcurrently(t *testing.T) {
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		handles := []accessHandle{openAccess(t, url), openAccess(t, url)}
		s := newSubject(t, handles[0], "ann")
		var acknowledged atomic.Int64
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var wg sync.WaitGroup
		var reads atomic.Int64
		for i := range 4 {
			wg.Go(func() {
				store := handles[i%2].auth
				for ctx.Err() == nil {
					least := acknowledged.Load()
					a, err := store.AccessBySession(t.Context(), s.sid)
					if err != nil {
						t.Errorf("AccessBySession: %v", err)
						return
					}
					if got, _ := strconv.ParseInt(a.User.Bio, 10, 64); got < least {
						t.Errorf("handle %d says %d after %d was acknowledged", i%2, got, least)
						return
					}
					reads.Add(1)
				}
			})
		}
		for n := range int64(150) {
			_, err := handles[rand.IntN(2)].accounts.Update(t.Context(), s.user.ID, account.Update{Bio: ptr(fmt.Sprint(n + 1))}, accessTime)
			if err != nil {
				t.Fatal(err)
			}
			acknowledged.Store(n + 1)
		}
		stop()
		wg.Wait()
		if reads.Load() == 0 {
			t.Error("nobody read")
		}
	})
}

// Everybody who opens a database sees the same installation.
func TestInstallationID(t *testing.T) {
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		handles := []*sqlstore.DB{reopen(t, url), reopen(t, url)}
		got := make([]string, 20)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() {
				id, err := handles[i%2].InstallationID(t.Context())
				if err != nil {
					t.Errorf("InstallationID: %v", err)
				}
				got[i] = id
			})
		}
		wg.Wait()
		for _, id := range got {
			if id != got[0] || len(id) < 20 {
				t.Fatalf("installation ids %q", got)
			}
		}
		if id, err := reopen(t, url).InstallationID(t.Context()); err != nil || id != got[0] {
			t.Errorf("opened again: %q, %v; want %q", id, err, got[0])
		}
	})
	if a, err := sqltest.Open(t).InstallationID(t.Context()); err != nil || a == "" {
		t.Errorf("InstallationID: %q, %v", a, err)
	} else if b, _ := sqltest.Open(t).InstallationID(t.Context()); a == b {
		t.Error("two databases with one id")
	}
}
