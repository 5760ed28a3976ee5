package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/oracle"
	"github.com/bdash/bdash/internal/password"
)

func TestLogin(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("Ann", func(u *account.User) { u.Email = "Ann.Jürgens@example.com" })
		for _, address := range []string{u.Email, "ann.jürgens@example.com", "ANN.JÜRGENS@EXAMPLE.COM", " Ann.Ju\u0308rgens@example.com "} {
			got, tokens, err := w.Login(t.Context(), address, goodPass, browser)
			must(t, address, err)
			if got.ID != u.ID || got.Email != u.Email {
				t.Errorf("Login(%s) signs in user %d, %s", address, got.ID, got.Email)
			}
			if a := w.who(tokens.Access); a.UserID != u.ID || a.SessionID == "" || a.ByKey() {
				t.Errorf("Login(%s): the actor is %+v", address, a)
			}
			if names, _ := members(t, payloadOf(t, tokens.Access)); strings.Join(names, " ") != "token_type exp iat jti user_id sid" {
				t.Errorf("claims %v", names)
			}
		}
		sessions, err := w.Sessions(t.Context(), u.Actor())
		must(t, "Sessions", err)
		if len(sessions) != 4 || sessions[0].IP != browser.IP || sessions[0].UserAgent != browser.UserAgent {
			t.Errorf("sessions: %+v", sessions)
		}
		if stored, _ := w.Accounts.Store.ByID(t.Context(), u.ID); stored.LastLogin == nil || !stored.LastLogin.Equal(w.db.Now()) {
			t.Errorf("last login is %v", stored.LastLogin)
		}
		w.refuseLogin(u.Email, goodPass+"x", auth.ErrCredentials)
		w.refuseLogin(u.Email, "", auth.ErrCredentials)
		w.refuseLogin("nobody@example.com", goodPass, auth.ErrCredentials)
		w.refuseLogin("", goodPass, auth.ErrCredentials)
	})
}

func TestTokenByUsername(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("Ann", func(u *account.User) { u.Role = identity.Editor })
		_, tokens, err := w.Token(t.Context(), "Ann", goodPass, browser)
		must(t, "Token", err)
		_, byEmail, err := w.TokenByEmail(t.Context(), "ANN@example.com", goodPass, browser)
		must(t, "TokenByEmail", err)
		for _, token := range []string{tokens.Access, tokens.Refresh, byEmail.Access, byEmail.Refresh} {
			names, values := members(t, payloadOf(t, token))
			if strings.Join(names, " ") != "token_type exp iat jti user_id email role status sid" || values["email"] != u.Email || values["role"] != "editor" || values["status"] != "active" {
				t.Errorf("claims %v: %v", names, values)
			}
		}
		// The claims stay rich when the session goes on.
		_, next, err := w.Refresh(t.Context(), tokens.Refresh, browser)
		must(t, "Refresh", err)
		if _, values := members(t, payloadOf(t, next.Refresh)); values["role"] != "editor" {
			t.Errorf("the successor's claims: %v", values)
		}
		for _, name := range []string{"ann", "Ann ", "", "nobody"} {
			_, _, err = w.Token(t.Context(), name, goodPass, browser)
			wantErr(t, "Token as "+name, err, auth.ErrCredentials)
		}
	})
}

// Several imported accounts may have one address.
func TestLoginSharedAddress(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		claimed := w.user("claimed", func(u *account.User) { u.Email = "max@example.com" })
		twin := func(name, email string, joined time.Duration, active bool) account.User {
			u := w.user(name, nil)
			w.exec(`UPDATE users SET email = $1, email_key = $2, email_claim = NULL, date_joined = $3, is_active = $4 WHERE id = $5`,
				email, "max@example.com", w.db.Now().Add(joined), active, u.ID)
			return u
		}
		newer := twin("newer", "Max@example.com", time.Hour, true)
		closed := twin("closed", "MAX@example.com", 2*time.Hour, false)
		for address, want := range map[string]account.User{
			"max@example.com": claimed,
			"Max@example.com": newer,
			"mAx@example.com": newer, // no exact match: the open one that joined last
		} {
			got, _, err := w.Login(t.Context(), address, goodPass, browser)
			must(t, address, err)
			if got.ID != want.ID {
				t.Errorf("Login(%s) signs in %d, want %d", address, got.ID, want.ID)
			}
		}
		w.refuseLogin("MAX@example.com", goodPass, auth.ErrCredentials) // exactly the closed one
		if got, _, err := w.Token(t.Context(), "newer", goodPass, browser); err != nil || got.ID != newer.ID {
			t.Errorf("Token(newer): %d, %v", got.ID, err)
		}
		// Nobody may join them, and they may go on as they are.
		_, err := w.Accounts.Store.Create(t.Context(), account.User{Username: "x", Email: "maX@example.com", Role: identity.User, Status: identity.Active}, false, nil)
		wantErr(t, "a further account", err, account.ErrEmailTaken)
		_, err = w.Accounts.Store.Update(t.Context(), newer.ID, account.Update{Email: ptr("MAX@Example.com"), Bio: ptr("x")}, w.db.Now())
		must(t, "a twin changes the case of its address", err)
		_, err = w.Accounts.Store.Update(t.Context(), closed.ID, account.Update{Email: ptr("other@example.com")}, w.db.Now())
		must(t, "a twin takes another address", err)
		_, err = w.Accounts.Store.Update(t.Context(), closed.ID, account.Update{Email: ptr("Max@example.com")}, w.db.Now())
		wantErr(t, "and cannot come back", err, account.ErrEmailTaken)
	})
}

func TestLoginRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.user("off", func(u *account.User) { u.IsActive = false })
		w.user("inactive", func(u *account.User) { u.Status = identity.Inactive })
		w.user("unusable", func(u *account.User) { u.PasswordHash = "!0OYssrAwBJo6rMwOYyBxhj0JnfgN2PgrFfvneE5H" })
		w.user("empty", func(u *account.User) { u.PasswordHash = "" })
		w.user("pending", func(u *account.User) { u.Status, u.EmailVerifiedAt = identity.Pending, nil })
		for _, name := range []string{"off", "inactive", "unusable", "empty"} {
			w.refuseLogin(name+"@example.com", goodPass, auth.ErrCredentials)
		}
		w.refuseLogin("empty@example.com", "", auth.ErrCredentials)
		w.login("pending@example.com", goodPass)

		w.Settings.VerificationRequired = true
		w.refuseLogin("pending@example.com", goodPass, auth.ErrUnverified)
		w.refuseLogin("pending@example.com", "wrong", auth.ErrCredentials) // tells nothing without the password
		_, err := w.Accounts.Store.Update(t.Context(), mustUser(t, w, "pending").ID, account.Update{Status: ptr(identity.Active)}, w.db.Now())
		must(t, "an administrator vouches", err)
		w.login("pending@example.com", goodPass)
	})
}

func mustUser(t *testing.T, w *world, username string) account.User {
	t.Helper()
	u, err := w.Accounts.Store.ByUsername(t.Context(), username)
	must(t, "ByUsername "+username, err)
	return u
}

// A hash that Django made is replaced at sign-in, and those who sign in at that
// very moment are not turned away.
func TestLoginUpgradesHash(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c, err := oracle.LoadCrypto()
		must(t, "LoadCrypto", err)
		var old oracle.CryptoHash
		for _, h := range c.Hashes {
			if h.Kind == "pbkdf2_sha256" && h.Valid && strings.Contains(h.Encoded, "$150000$") {
				old = h
			}
		}
		u := w.user("old", func(u *account.User) { u.PasswordHash = old.Encoded })
		w.refuseLogin(u.Email, old.Password+"x", auth.ErrCredentials)
		if got := mustUser(t, w, "old").PasswordHash; got != old.Encoded {
			t.Error("a refused sign-in changed the hash")
		}
		errs := make([]error, 12)
		together(len(errs), func(i int) { _, _, errs[i] = w.Login(t.Context(), u.Email, old.Password, browser) })
		for i, err := range errs {
			if err != nil {
				t.Errorf("sign-in %d: %v", i, err)
			}
		}
		hash := mustUser(t, w, "old").PasswordHash
		if !strings.HasPrefix(hash, "argon2$argon2id$") {
			t.Errorf("the hash is %q", hash)
		}
		w.login(u.Email, old.Password)
		if mustUser(t, w, "old").PasswordHash != hash {
			t.Error("a hash of our own was replaced")
		}
		if stored := mustUser(t, w, "old"); stored.TokensValidAfter != nil {
			t.Error("the upgrade voids tokens")
		}
	})
}

// A full queue is told as such, not as a wrong password.
func TestLoginBusy(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		w.Hasher = password.NewHasher(password.Options{MaxConcurrent: 1, MaxWaiting: -1})
		errs := make([]error, 8)
		together(len(errs), func(i int) { _, _, errs[i] = w.Login(t.Context(), u.Email, goodPass, browser) })
		in := 0
		for _, err := range errs {
			switch {
			case err == nil:
				in++
			case !errors.Is(err, password.ErrBusy):
				t.Errorf("Login: %v", err)
			}
		}
		if in == 0 {
			t.Error("nobody got in")
		}
	})
}

// A refused sign-in takes at least the floor, and gives up with its caller.
func TestLoginFailureFloor(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.user("ann", nil)
		w.Now = time.Now
		w.Settings.FailureFloor = 300 * time.Millisecond
		for _, address := range []string{"ann@example.com", "nobody@example.com"} {
			began := time.Now()
			w.refuseLogin(address, "wrong", auth.ErrCredentials)
			if took := time.Since(began); took < w.Settings.FailureFloor {
				t.Errorf("%s: refused after %v", address, took)
			}
		}
		w.Settings.FailureFloor = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, _, err := w.Login(ctx, "ann@example.com", "wrong", browser)
		if !errors.Is(err, auth.ErrCredentials) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Login: %v", err)
		}
	})
}

func TestLoginLongUserAgent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		_, tokens, err := w.Login(t.Context(), u.Email, goodPass, auth.Client{IP: "::1", UserAgent: strings.Repeat("é", 5000)})
		must(t, "Login", err)
		sessions, err := w.Sessions(t.Context(), w.who(tokens.Access))
		must(t, "Sessions", err)
		if got := sessions[0].UserAgent; got != strings.Repeat("é", 300) {
			t.Errorf("the user agent is %d bytes", len(got))
		}
	})
}
