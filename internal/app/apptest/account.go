package apptest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/identity"
)

// Password is what AddUser and Person set.
const Password = "correct-horse-battery"

// AddUser makes an open account with the password Password.
func (s *Server) AddUser(t testing.TB, email string, role identity.Role) account.User {
	t.Helper()
	admin := identity.Actor{UserID: 1 << 60, Role: identity.Admin}
	u, err := s.App.API.Accounts.Create(t.Context(), admin, account.Draft{
		Email: email, Password: Password, Role: role, Status: identity.Active, IsActive: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Person is an open account that is signed in.
type Person struct {
	account.User
	Tokens
	SessionID string
}

// hashed is the hash of Password: hashing it for each of many accounts would
// take most of the time of a test.
var hashed struct {
	once sync.Once
	hash string
	err  error
}

var people atomic.Int64

// Person makes an account that has not proved its address, and signs it in.
// It is quick: for tests that need many.
func (s *Server) Person(t testing.TB, role identity.Role) Person {
	t.Helper()
	service := s.App.API.Auth
	hashed.once.Do(func() { hashed.hash, hashed.err = service.Hasher.Hash(t.Context(), Password) })
	if hashed.err != nil {
		t.Fatal(hashed.err)
	}
	email := fmt.Sprintf("person-%d@example.com", people.Add(1))
	now := s.App.API.Accounts.Now().UTC().Truncate(time.Microsecond)
	u, err := s.App.API.Accounts.Store.Create(t.Context(), account.User{
		Username: email, Email: email, PasswordHash: hashed.hash, Role: role, Status: identity.Active, IsActive: true,
		PreferredLocale: "en", ThemeMode: "system", DateJoined: now, CreatedAt: now, UpdatedAt: now,
	}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := Person{User: u}
	p.SessionID, p.Tokens = s.SignIn(t, u)
	return p
}

// SignIn opens a session for an account of Person.
func (s *Server) SignIn(t testing.TB, u account.User) (sid string, tokens Tokens) {
	t.Helper()
	service := s.App.API.Auth
	now := service.Now().UTC().Truncate(time.Microsecond)
	expires := now.Add(service.Settings.RefreshLifetime)
	session := auth.Session{
		ID: randomHex(), UserID: u.ID, IP: "127.0.0.1", UserAgent: "apptest", CreatedAt: now, LastSeenAt: now, ExpiresAt: expires,
		Refresh: auth.Refresh{JTI: randomHex(), IssuedAt: now.Unix(), Exp: expires.Unix()},
	}
	if err := service.Store.Start(t.Context(), session, u.PasswordHash, ""); err != nil {
		t.Fatal(err)
	}
	return session.ID, Tokens{
		Access:  service.Keys.Access(&session, &u, randomHex(), now.Unix(), now.Add(service.Settings.AccessLifetime)),
		Refresh: service.Keys.Refresh(&session, &u),
	}
}

func randomHex() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// AddKey makes an API key for an account; scopes are separated by spaces.
func (s *Server) AddKey(t testing.TB, u account.User, scopes string) (id int64, key string) {
	t.Helper()
	draft := auth.KeyDraft{Name: scopes}
	for word := range strings.FieldsSeq(scopes) {
		draft.Scopes = append(draft.Scopes, identity.Scope(word))
	}
	k, secret, err := s.App.API.Auth.CreateKey(t.Context(), u.Actor(), draft)
	if err != nil {
		t.Fatal(err)
	}
	return k.ID, secret
}
