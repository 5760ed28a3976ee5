package auth_test

import (
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/identity"
)

// What an administrator does counts from the next request on, on every
// instance, for sessions, API keys and Django's tokens alike.
func TestRevocationIsImmediate(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, other := t.Context(), w.another()
		boss, u := w.admin("boss"), w.user("ann", nil)
		_, tokens := w.session(u)
		django := w.django(u, auth.AccessToken, "d1")
		_, key, err := w.CreateKey(ctx, u.Actor(), auth.KeyDraft{Name: "k", Scopes: []identity.Scope{identity.ScopeRead}})
		must(t, "CreateKey", err)
		both := func(when string, want identity.Actor, session, token, byKey error) {
			t.Helper()
			for i, on := range []*world{w, other, w, other} {
				for name, tc := range map[string]struct {
					ask  func() (auth.Access, error)
					want error
				}{
					"session": {func() (auth.Access, error) { return on.Authenticate(ctx, tokens.Access) }, session},
					"django":  {func() (auth.Access, error) { return on.Authenticate(ctx, django) }, token},
					"key":     {func() (auth.Access, error) { return on.AuthenticateKey(ctx, key) }, byKey},
				} {
					a, err := tc.ask()
					wantErr(t, when+", "+name, err, tc.want)
					if got := a.Actor(); err == nil && (got.Role != want.Role || got.Status != want.Status || got.Email != want.Email) {
						t.Errorf("%s, %s, instance %d: the actor is %+v, want %+v", when, name, i%2, got, want)
					}
				}
			}
		}
		update := func(on *world, c account.Update) identity.Actor {
			t.Helper()
			on.clock.Add(time.Second)
			got, err := on.Accounts.Update(ctx, boss.Actor(), u.ID, account.AdminUpdate{Update: c})
			must(t, "Update", err)
			return got.Actor()
		}
		both("at first", u.Actor(), nil, nil, nil)
		both("promoted", update(w, account.Update{Role: ptr(identity.Admin)}), nil, nil, nil)
		both("demoted elsewhere", update(other, account.Update{Role: ptr(identity.User)}), nil, nil, nil)
		both("another address", update(w, account.Update{Email: ptr("anne@example.com")}), nil, nil, nil)
		both("pending", update(other, account.Update{Status: ptr(identity.Pending)}), nil, nil, nil)
		both("deactivated", update(other, account.Update{IsActive: ptr(false)}), auth.ErrUserInactive, auth.ErrUserInactive, auth.ErrUserInactive)
		both("activated", update(w, account.Update{IsActive: ptr(true)}), auth.ErrToken, auth.ErrToken, nil)
		both("inactive", update(w, account.Update{Status: ptr(identity.Inactive)}), auth.ErrUserInactive, auth.ErrUserInactive, auth.ErrUserInactive)
		now := update(other, account.Update{Status: ptr(identity.Active)})
		_, tokens = other.session(u)
		django = w.django(u, auth.AccessToken, "d2")
		both("signed in again", now, nil, nil, nil)
		must(t, "Delete", other.Accounts.Delete(ctx, boss.Actor(), u.ID))
		both("deleted", identity.Actor{}, auth.ErrUserNotFound, auth.ErrUserNotFound, auth.ErrKey)
	})
}

func TestLogout(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, other := t.Context(), w.another()
		u, bob := w.user("ann", nil), w.user("bob", nil)
		_, one := w.session(u)
		_, two := w.session(u)
		_, three := w.session(u)
		_, bobs := w.session(bob)
		django := w.django(u, auth.AccessToken, "d1")
		w.clock.Add(time.Second)
		for _, token := range []string{one.Access, two.Access, three.Access, bobs.Access, django} {
			w.alive(token, nil)
			other.alive(token, nil)
		}
		actor := w.who(one.Access)
		must(t, "Logout", w.Logout(ctx, actor, one.Access, false))
		must(t, "Logout again", other.Logout(ctx, actor, one.Access, false))
		w.alive(one.Access, auth.ErrToken)
		other.alive(one.Access, auth.ErrToken)
		w.refuseRefresh(one.Refresh, auth.ErrToken)
		other.alive(two.Access, nil)

		wantErr(t, "end the session of another user", w.EndSession(ctx, bob.Actor(), w.who(two.Access).SessionID), auth.ErrNotFound)
		wantErr(t, "end no session", w.EndSession(ctx, u.Actor(), "x"), auth.ErrNotFound)
		must(t, "EndSession", other.EndSession(ctx, u.Actor(), w.who(two.Access).SessionID))
		w.alive(two.Access, auth.ErrToken)
		w.alive(django, nil)

		must(t, "Logout all", other.Logout(ctx, w.who(three.Access), three.Access, true))
		for _, token := range []string{one.Access, two.Access, three.Access, django} {
			w.alive(token, auth.ErrToken)
			other.alive(token, auth.ErrToken)
		}
		w.refuseRefresh(three.Refresh, auth.ErrToken)
		w.alive(bobs.Access, nil)
		if sessions, err := w.Sessions(ctx, u.Actor()); err != nil || len(sessions) != 0 {
			t.Errorf("%d sessions, %v", len(sessions), err)
		}
		w.alive(w.login(u.Email, goodPass).Access, nil)
	})
}

func TestSessionsList(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		first, _ := w.session(u)
		w.clock.Add(time.Hour)
		second, _ := w.session(u)
		w.session(w.user("bob", nil))
		list := func(want ...string) {
			t.Helper()
			sessions, err := w.Sessions(t.Context(), u.Actor())
			must(t, "Sessions", err)
			got := make([]string, len(sessions))
			for i := range sessions {
				got[i] = sessions[i].ID
			}
			if len(got) != len(want) {
				t.Fatalf("sessions %v, want %v", got, want)
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("sessions %v, want %v", got, want)
				}
			}
		}
		list(second.ID, first.ID)
		w.clock.Add(longLife - time.Hour)
		list(second.ID)
		must(t, "EndSession", w.EndSession(t.Context(), u.Actor(), second.ID))
		list()
	})
}

// A broken outbox undoes the whole: no change without its mail.
func TestMailsAreQueuedWithTheirCause(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		boss := w.admin("boss")
		u := w.user("ann", func(u *account.User) { u.Status, u.EmailVerifiedAt = identity.Pending, nil })
		_, tokens := w.session(u)
		link := w.reset(u.Email)
		w.mails.broken.Store(true)

		wantErr(t, "RequestReset", w.Accounts.RequestReset(ctx, u.Email), errOutbox)
		wantErr(t, "ResendVerification", w.Accounts.ResendVerification(ctx, u.ID), errOutbox)
		_, err := w.ChangePassword(ctx, u.Actor(), goodPass, newPass, browser)
		wantErr(t, "ChangePassword", err, errOutbox)
		wantErr(t, "ResetPassword", w.ResetPassword(ctx, link, newPass), errOutbox)
		_, err = w.Accounts.Update(ctx, boss.Actor(), u.ID, account.AdminUpdate{Update: account.Update{Status: ptr(identity.Active)}})
		wantErr(t, "approve", err, errOutbox)
		_, err = w.Accounts.Register(ctx, account.Draft{Email: "new@example.com", Password: newPass})
		wantErr(t, "Register", err, errOutbox)
		w.Accounts.Settings.VerificationRequired = true
		_, err = w.Accounts.Register(ctx, account.Draft{Email: u.Email, Password: newPass})
		wantErr(t, "Register with a taken address", err, errOutbox)

		w.alive(tokens.Access, nil)
		if got := mustUser(t, w, "ann"); got.Status != identity.Pending || got.PasswordHash != u.PasswordHash || got.TokensValidAfter != nil {
			t.Errorf("the user changed: %+v", got)
		}
		if n := w.count("SELECT count(*) FROM users"); n != 2 {
			t.Errorf("%d users, want 2", n)
		}
		if n := w.count("SELECT count(*) FROM one_time_tokens"); n != 1 {
			t.Errorf("%d links, want the first alone", n)
		}
		w.mails.broken.Store(false)
		must(t, "the link still counts", w.ResetPassword(ctx, link, newPass))
		w.alive(tokens.Access, auth.ErrToken)
	})
}
