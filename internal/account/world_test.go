package account_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/password"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

const goodPass = "correct-horse-9"

var hasher = password.NewHasher(password.Options{MaxWaiting: 400})

// outbox keeps what was committed.
type outbox struct {
	mu    sync.Mutex
	mails []account.Mail
}

func (o *outbox) QueueTx(_ context.Context, tx *sqlstore.Tx, mails ...account.Mail) error {
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

// world is the room over a database.
type world struct {
	*account.Service
	t     *testing.T
	url   string
	db    *sqlstore.DB
	now   *atomic.Int64 // Unix nanoseconds
	mails *outbox
}

// each runs test on a fresh database of every engine.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		now := &atomic.Int64{}
		now.Store(time.Date(2030, 5, 6, 7, 8, 9, 123_456_000, time.UTC).UnixNano())
		test(t, openWorld(t, url, now, &outbox{}))
	})
}

func openWorld(t *testing.T, url string, now *atomic.Int64, mails *outbox) *world {
	t.Helper()
	clock := func() time.Time { return time.Unix(0, now.Load()).UTC() }
	db, err := sqlstore.Open(t.Context(), url, sqlstore.Options{Logger: slog.New(slog.DiscardHandler), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	service := &account.Service{
		Store: &sqlstore.Accounts{DB: db, Mails: mails}, Hasher: hasher, Now: clock,
		Settings: account.Settings{Registration: account.Open, FrontendURL: "https://board.example.com/"},
	}
	return &world{Service: service, t: t, url: url, db: db, now: now, mails: mails}
}

// another is a second instance over the same database.
func (w *world) another() *world {
	w.t.Helper()
	return openWorld(w.t, w.url, w.now, w.mails)
}

func (w *world) pass(d time.Duration) { w.now.Add(int64(d)) }

// user stores an open account without hashing anything; change may be nil.
func (w *world) user(name string, change func(*account.User)) account.User {
	w.t.Helper()
	now := w.db.Now()
	u := account.User{
		Username: name, Email: name + "@example.com", EmailVerifiedAt: &now, PasswordHash: "!", Role: identity.User, Status: identity.Active,
		IsActive: true, PreferredLocale: "en", ThemeMode: "system", DateJoined: now, CreatedAt: now, UpdatedAt: now,
	}
	if change != nil {
		change(&u)
	}
	u, err := w.Store.Create(w.t.Context(), u, false, nil)
	must(w.t, "create "+name, err)
	return u
}

func (w *world) admin(name string) account.User {
	w.t.Helper()
	return w.user(name, func(u *account.User) { u.Role = identity.Admin })
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

// mail takes the only mail that was queued.
func (w *world) mail(template account.MailTemplate, to string) account.Mail {
	w.t.Helper()
	mails := w.mails.take()
	if len(mails) != 1 || mails[0].Template != template || mails[0].To != to {
		w.t.Fatalf("mails %+v, want %s to %s", mails, template, to)
	}
	return mails[0]
}

func tokenOf(t *testing.T, m account.Mail) string {
	t.Helper()
	u, err := url.Parse(m.Link)
	must(t, "parse the link", err)
	return u.Query().Get("token")
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
