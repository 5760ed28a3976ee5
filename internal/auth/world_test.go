package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/password"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

const (
	secret     = "the-key-of-these-tests"
	goodPass   = "correct-horse-9"
	newPass    = "staple-battery-8"
	accessLife = 24 * time.Hour
	longLife   = 7 * 24 * time.Hour // of refresh tokens
	second     = time.Second
)

var hasher = password.NewHasher(password.Options{MaxWaiting: 400})

// goodHash is computed once: tests that need users do not test the hasher.
var goodHash = sync.OnceValue(func() string {
	hash, err := hasher.Hash(context.Background(), goodPass)
	if err != nil {
		panic(err)
	}
	return hash
})

// clock stands still until it is moved.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2030, 5, 6, 7, 8, 9, 123_456_000, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time      { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) Add(d time.Duration) { c.ns.Add(int64(d)) }

var errOutbox = errors.New("the outbox is broken")

// outbox keeps what was committed.
type outbox struct {
	broken atomic.Bool

	mu    sync.Mutex
	mails []account.Mail
}

func (o *outbox) QueueTx(_ context.Context, tx *sqlstore.Tx, mails ...account.Mail) error {
	if o.broken.Load() {
		return errOutbox
	}
	tx.AfterCommit(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.mails = append(o.mails, mails...)
	})
	return nil
}

// take gives the mails that were queued since the last call.
func (o *outbox) take() []account.Mail {
	o.mu.Lock()
	defer o.mu.Unlock()
	mails := o.mails
	o.mails = nil
	return mails
}

// world is one instance of the server's rooms over a database.
type world struct {
	*auth.Service
	t     *testing.T
	url   string
	db    *sqlstore.DB
	clock *clock
	mails *outbox
}

// each runs test on a fresh database of every engine.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, url string) { test(t, openWorld(t, url, newClock(), &outbox{})) })
}

func openWorld(t *testing.T, url string, c *clock, mails *outbox) *world {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), url, sqlstore.Options{Logger: slog.New(slog.DiscardHandler), Clock: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	accounts := &account.Service{
		Store: &sqlstore.Accounts{DB: db, Mails: mails}, Hasher: hasher, Now: c.Now,
		Settings: account.Settings{Registration: account.Open, FrontendURL: "https://board.example.com/"},
	}
	service := &auth.Service{
		Store: &sqlstore.Auth{DB: db, Mails: mails}, Accounts: accounts, Hasher: hasher,
		Keys: auth.NewKeyring(c.Now, secret), Now: c.Now,
		Settings: auth.Settings{AccessLifetime: accessLife, RefreshLifetime: longLife},
	}
	return &world{Service: service, t: t, url: url, db: db, clock: c, mails: mails}
}

// another is a second instance over the same database.
func (w *world) another() *world {
	w.t.Helper()
	return openWorld(w.t, w.url, w.clock, w.mails)
}

// user makes an open account with goodPass; change may be nil.
func (w *world) user(name string, change func(*account.User)) account.User {
	w.t.Helper()
	now := w.db.Now()
	u := account.User{
		Username: name, Email: name + "@example.com", EmailVerifiedAt: &now, PasswordHash: goodHash(),
		Role: identity.User, Status: identity.Active, IsActive: true,
		PreferredLocale: "en", ThemeMode: "system", DateJoined: now, CreatedAt: now, UpdatedAt: now,
	}
	if change != nil {
		change(&u)
	}
	u, err := w.Accounts.Store.Create(w.t.Context(), u, false, nil)
	if err != nil {
		w.t.Fatalf("create %s: %v", name, err)
	}
	return u
}

func (w *world) admin(name string) account.User {
	w.t.Helper()
	return w.user(name, func(u *account.User) { u.Role = identity.Admin })
}

var browser = auth.Client{IP: "192.0.2.7", UserAgent: "browser"}

// session starts a session without the price of a password.
func (w *world) session(u account.User) (auth.Session, auth.Tokens) {
	w.t.Helper()
	now := w.db.Now()
	n := sessionsMade.Add(1)
	s := auth.Session{
		ID: fmt.Sprintf("%032x", n), UserID: u.ID, CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(longLife),
		Refresh: auth.Refresh{JTI: fmt.Sprintf("%032x", 1<<32+n), IssuedAt: now.Unix(), Exp: now.Add(longLife).Unix()},
	}
	if err := w.Store.Start(w.t.Context(), s, u.PasswordHash, ""); err != nil {
		w.t.Fatalf("start a session: %v", err)
	}
	return s, auth.Tokens{
		Access:  w.Keys.Access(&s, &u, fmt.Sprintf("%032x", 2<<32+n), now.Unix(), now.Add(accessLife)),
		Refresh: w.Keys.Refresh(&s, &u),
	}
}

var sessionsMade atomic.Int64

// alive checks what Authenticate says of an access token.
func (w *world) alive(token string, want error) {
	w.t.Helper()
	if _, err := w.Authenticate(w.t.Context(), token); !errors.Is(err, want) {
		w.t.Errorf("Authenticate: %v, want %v", err, want)
	}
}

// who authenticates and gives the actor.
func (w *world) who(token string) identity.Actor {
	w.t.Helper()
	a, err := w.Authenticate(w.t.Context(), token)
	if err != nil {
		w.t.Fatalf("Authenticate: %v", err)
	}
	return a.Actor()
}

func (w *world) login(email, pass string) auth.Tokens {
	w.t.Helper()
	_, tokens, err := w.Login(w.t.Context(), email, pass, browser)
	if err != nil {
		w.t.Fatalf("Login(%s): %v", email, err)
	}
	return tokens
}

func (w *world) refuseLogin(email, pass string, want error) {
	w.t.Helper()
	_, tokens, err := w.Login(w.t.Context(), email, pass, browser)
	if !errors.Is(err, want) || tokens != (auth.Tokens{}) {
		w.t.Errorf("Login(%s): %v with tokens %v, want %v and none", email, err, tokens != auth.Tokens{}, want)
	}
}

func (w *world) exec(text string, args ...any) {
	w.t.Helper()
	if _, err := w.db.WriteDBTX().Exec(w.t.Context(), text, args...); err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
}

// count runs a query that answers with one number.
func (w *world) count(text string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.ReadDBTX().QueryRow(w.t.Context(), text, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	return n
}

// together runs f n times at once, and waits.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func ptr[T any](v T) *T { return &v }
