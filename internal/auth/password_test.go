package auth_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

func TestChangePassword(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, other := t.Context(), w.another()
		u := w.user("ann", nil)
		_, here := w.session(u)
		_, there := w.session(u)
		must(t, "RequestReset", w.Accounts.RequestReset(ctx, u.Email))
		link := tokenOf(t, w.mails.take()[0])
		actor := w.who(here.Access)

		_, err := w.ChangePassword(ctx, actor, "wrong", newPass, browser)
		wantErr(t, "with a wrong password", err, auth.ErrOldPassword)
		_, err = w.ChangePassword(ctx, actor, goodPass, "12345678", browser)
		f, ok := fault.As(err)
		if !ok || f.Kind != fault.Invalid || len(f.Fields) != 2 || f.Fields[0].Name != "new_password" {
			t.Errorf("a weak password: %v", err)
		}
		w.alive(there.Access, nil)

		tokens, err := w.ChangePassword(ctx, actor, goodPass, newPass, browser)
		must(t, "ChangePassword", err)
		for _, old := range []auth.Tokens{here, there} {
			w.alive(old.Access, auth.ErrToken)
			other.alive(old.Access, auth.ErrToken)
			w.refuseRefresh(old.Refresh, auth.ErrToken)
		}
		other.alive(tokens.Access, nil)
		other.refresh(tokens.Refresh)
		w.refuseLogin(u.Email, goodPass, auth.ErrCredentials)
		w.login(u.Email, newPass)
		mails := w.mails.take()
		if len(mails) != 1 || mails[0].Template != account.MailChanged || mails[0].To != u.Email ||
			mails[0].Link != "https://board.example.com/auth/forgot-password" || !mails[0].At.Equal(w.db.Now()) {
			t.Errorf("mails: %+v", mails)
		}
		wantErr(t, "a link from before", w.ResetPassword(ctx, link, goodPass), account.ErrBadLink)
	})
}

// The account may be closed while its password is being changed.
func TestChangePasswordOfClosedAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		_, err := w.Accounts.Store.Update(t.Context(), u.ID, account.Update{IsActive: ptr(false)}, w.db.Now())
		must(t, "deactivate", err)
		_, err = w.ChangePassword(t.Context(), u.Actor(), goodPass, newPass, browser)
		wantErr(t, "ChangePassword", err, auth.ErrOldPassword)
		if n := w.count("SELECT count(*) FROM sessions"); n != 0 {
			t.Errorf("%d sessions of a closed account", n)
		}
	})
}

// Sign-ins with the old password that run beside the change leave no session
// that lives, whichever comes first.
func TestLoginRacesChangePassword(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := w.another()
		u := w.user("ann", nil)
		const logins = 50
		var in atomic.Int32
		var tokens [logins]auth.Tokens
		var changed auth.Tokens
		some := make(chan struct{})
		together(logins+1, func(i int) {
			if i == logins {
				<-some // in the middle of it
				var err error
				if changed, err = w.ChangePassword(t.Context(), u.Actor(), goodPass, newPass, browser); err != nil {
					t.Errorf("ChangePassword: %v", err)
				}
				return
			}
			on := w
			if i%2 == 1 {
				on = other
			}
			_, got, err := on.Login(t.Context(), u.Email, goodPass, browser)
			switch {
			case err == nil:
				tokens[i] = got
			case !errors.Is(err, auth.ErrCredentials):
				t.Errorf("Login: %v", err)
			}
			if in.Add(1) == 5 {
				close(some)
			}
		})
		for _, old := range tokens {
			if old.Access != "" {
				w.alive(old.Access, auth.ErrToken)
				other.alive(old.Access, auth.ErrToken)
				w.refuseRefresh(old.Refresh, auth.ErrToken)
			}
		}
		w.alive(changed.Access, nil)
		if n := w.count("SELECT count(*) FROM sessions WHERE ended_at IS NULL"); n != 1 {
			t.Errorf("%d living sessions, want 1", n)
		}
	})
}

// The same without the price of hashing, where the two meet most closely.
func TestStartRacesNewPassword(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, other := t.Context(), w.another()
		boss := w.admin("boss")
		for name, change := range map[string]func(u account.User) error{
			"reset": func(u account.User) error {
				must := w.Accounts.Store.AddLink(ctx, account.Link{Hash: account.HashToken(u.Username), Purpose: account.ResetPassword, UserID: u.ID,
					EmailKey: account.EmailKey(u.Email), ExpiresAt: w.db.Now().Add(time.Hour), CreatedAt: w.db.Now()})
				_, err := w.Store.ResetPassword(ctx, account.HashToken(u.Username), "!new", w.db.Now())
				return errors.Join(must, err)
			},
			"admin": func(u account.User) error {
				_, err := w.Accounts.Store.Update(ctx, u.ID, account.Update{PasswordHash: ptr("!new")}, w.db.Now())
				return err
			},
			"closed": func(u account.User) error {
				_, err := w.Accounts.Store.Update(ctx, u.ID, account.Update{Status: ptr(identity.Inactive)}, w.db.Now())
				return err
			},
			"deleted": func(u account.User) error { return w.Accounts.Store.Delete(ctx, u.ID, boss.ID) },
		} {
			u := w.user(name, nil)
			together(21, func(i int) {
				if i == 10 {
					if err := change(u); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					return
				}
				on := []*world{w, other}[i%2]
				now := w.db.Now()
				err := on.Store.Start(ctx, auth.Session{ID: fmt.Sprint(name, i), UserID: u.ID, Refresh: auth.Refresh{JTI: fmt.Sprint(name, i)},
					CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(longLife)}, u.PasswordHash, "")
				if err != nil && !errors.Is(err, auth.ErrCredentials) {
					t.Errorf("%s: Start: %v", name, err)
				}
			})
			if n := w.count("SELECT count(*) FROM sessions WHERE user_id = $1 AND ended_at IS NULL", u.ID); n != 0 {
				t.Errorf("%s: %d sessions live", name, n)
			}
		}
	})
}

// tokenOf reads the token in a mail's link.
func tokenOf(t *testing.T, m account.Mail) string {
	t.Helper()
	u, err := url.Parse(m.Link)
	must(t, "parse the link", err)
	token := u.Query().Get("token")
	if len(token) < 20 {
		t.Fatalf("the link %q has the token %q", m.Link, token)
	}
	return token
}

// reset asks for a link and gives its token.
func (w *world) reset(email string) string {
	w.t.Helper()
	must(w.t, "RequestReset", w.Accounts.RequestReset(w.t.Context(), email))
	mails := w.mails.take()
	if len(mails) != 1 || mails[0].Template != account.MailReset {
		w.t.Fatalf("mails: %+v", mails)
	}
	return tokenOf(w.t, mails[0])
}

func TestResetPassword(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, other := t.Context(), w.another()
		u := w.user("ann", func(u *account.User) { u.Email, u.EmailVerifiedAt = "Ann@example.com", nil })
		_, tokens := w.session(u)
		django := w.django(u, auth.AccessToken, "d1")
		w.clock.Add(time.Second)

		must(t, "RequestReset", w.Accounts.RequestReset(ctx, "ANN@EXAMPLE.COM"))
		mails := w.mails.take()
		// To the address of the account, not to the one that was typed.
		if len(mails) != 1 || mails[0].To != "Ann@example.com" || !mails[0].ExpiresAt.Equal(w.db.Now().Add(account.ResetLifetime)) {
			t.Fatalf("mails: %+v", mails)
		}
		link := tokenOf(t, mails[0])
		if n := w.count("SELECT count(*) FROM one_time_tokens WHERE hash = $1", link); n != 0 {
			t.Error("the token is stored as it is")
		}
		if err := w.ResetPassword(ctx, link, "password"); fault.KindOf(err) != fault.Invalid || errors.Is(err, account.ErrBadLink) {
			t.Errorf("a weak password: %v", err)
		}
		must(t, "ResetPassword", w.ResetPassword(ctx, link, newPass))
		w.alive(tokens.Access, auth.ErrToken)
		other.alive(tokens.Access, auth.ErrToken)
		other.alive(django, auth.ErrToken)
		w.refuseRefresh(tokens.Refresh, auth.ErrToken)
		w.refuseLogin(u.Email, goodPass, auth.ErrCredentials)
		w.login(u.Email, newPass)
		if mustUser(t, w, "ann").EmailVerifiedAt == nil {
			t.Error("who reads the mail has the address")
		}
		if mails := w.mails.take(); len(mails) != 1 || mails[0].Template != account.MailChanged {
			t.Errorf("mails: %+v", mails)
		}
		wantErr(t, "the link again", w.ResetPassword(ctx, link, goodPass), account.ErrBadLink)
		w.login(u.Email, newPass)
	})
}

func TestResetLinkVoid(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u := w.user("ann", nil)
		update := func(c account.Update) {
			t.Helper()
			_, err := w.Accounts.Store.Update(ctx, u.ID, c, w.db.Now())
			must(t, "Update", err)
		}
		refused := func(when, token string) {
			t.Helper()
			for range 2 {
				wantErr(t, when, w.ResetPassword(ctx, token, newPass), account.ErrBadLink)
				wantErr(t, when+", with a weak password", w.ResetPassword(ctx, token, "1"), account.ErrBadLink)
			}
		}
		first := w.reset(u.Email)
		second := w.reset(u.Email)
		refused("a newer one was asked for", first)
		w.clock.Add(account.ResetLifetime)
		refused("expired", second)

		token := w.reset(u.Email)
		update(account.Update{Email: ptr("ann2@example.com")})
		refused("the address changed", token)
		update(account.Update{Email: ptr(u.Email)})

		token = w.reset(u.Email)
		update(account.Update{IsActive: ptr(false)})
		refused("closed", token)
		must(t, "RequestReset", w.Accounts.RequestReset(ctx, u.Email))
		must(t, "RequestReset", w.Accounts.RequestReset(ctx, "nobody@example.com"))
		if mails := w.mails.take(); len(mails) != 0 {
			t.Errorf("mails to nobody: %+v", mails)
		}
		update(account.Update{IsActive: ptr(true)})
		refused("closed and opened", token)

		token = w.reset(u.Email)
		update(account.Update{PasswordHash: ptr(u.PasswordHash)})
		refused("an administrator set a password", token)

		token = w.reset(u.Email)
		must(t, "Delete", w.Accounts.Store.Delete(ctx, u.ID, w.admin("boss").ID))
		refused("deleted", token)
		refused("never was", "nonsense")
		refused("empty", "")
		w.login("boss@example.com", goodPass)
	})
}

// One link, many clicks: one password.
func TestResetPasswordConcurrently(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		token := w.reset(u.Email)
		errs := make([]error, 20)
		together(len(errs), func(i int) {
			_, errs[i] = w.Store.ResetPassword(t.Context(), account.HashToken(token), fmt.Sprint("!", i), w.db.Now())
		})
		winner := slices.Index(errs, nil)
		if winner < 0 {
			t.Fatalf("nobody won: %v", errs)
		}
		for i, err := range errs {
			if i != winner {
				wantErr(t, fmt.Sprint("click ", i), err, account.ErrBadLink)
			}
		}
		if got := mustUser(t, w, "ann").PasswordHash; got != fmt.Sprint("!", winner) {
			t.Errorf("the hash is %q, want that of %d", got, winner)
		}
	})
}

// Whoever registers somebody else's address may sign in and make API keys
// before it is proven. Once the owner takes the account over, they are void.
func TestResetTakesOverAnUnprovenAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		unproven := w.user("ann", func(u *account.User) { u.EmailVerifiedAt = nil })
		proven := w.user("bob", nil)
		for _, tc := range []struct {
			user account.User
			want error
		}{{unproven, auth.ErrKey}, {proven, nil}} {
			_, key, err := w.CreateKey(ctx, tc.user.Actor(), auth.KeyDraft{Name: "k", Scopes: []identity.Scope{identity.ScopeRead}})
			must(t, "CreateKey", err)
			_, err = w.AuthenticateKey(ctx, key) // remembered from now on
			must(t, "AuthenticateKey", err)
			must(t, "ResetPassword", w.ResetPassword(ctx, w.reset(tc.user.Email), newPass))
			w.mails.take()
			_, err = w.AuthenticateKey(ctx, key)
			wantErr(t, tc.user.Username+": the key from before the reset", err, tc.want)
		}
	})
}
