package auth_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
)

// django is a token as a Django deployment with the same key made it just now.
func (w *world) django(u account.User, kind auth.TokenType, jti string) string {
	now := w.clock.Now().Unix()
	return own(fmt.Sprintf(`{"token_type":%q,"exp":%d,"iat":%d,"jti":%q,"user_id":%d}`, kind, now+86400, now, jti, u.ID))
}

func TestDjangoAccessToken(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, other := t.Context(), w.another()
		u := w.user("ann", nil)
		token, second := w.django(u, auth.AccessToken, "a1"), w.django(u, auth.AccessToken, "a2")
		actor := w.who(token)
		if actor.UserID != u.ID || actor.SessionID != "" {
			t.Errorf("the actor is %+v", actor)
		}
		other.alive(token, nil)
		// Signing out denies this token and no other.
		must(t, "Logout", w.Logout(ctx, actor, token, false))
		w.alive(token, auth.ErrToken)
		other.alive(token, auth.ErrToken)
		other.alive(second, nil)
		must(t, "Logout again", w.Logout(ctx, actor, token, false))
		// Signing out everywhere voids what was issued before.
		must(t, "Logout all", other.Logout(ctx, actor, second, true))
		w.alive(second, auth.ErrToken)
		w.clock.Add(time.Second)
		later := w.django(u, auth.AccessToken, "a3")
		w.alive(later, nil)
		_, tokens, err := w.Login(ctx, u.Email, goodPass, browser)
		must(t, "Login", err)
		// A new password does so too, and its own session goes on.
		w.clock.Add(time.Second)
		changed, err := other.ChangePassword(ctx, w.who(tokens.Access), goodPass, newPass, browser)
		must(t, "ChangePassword", err)
		w.alive(later, auth.ErrToken)
		w.alive(tokens.Access, auth.ErrToken)
		w.alive(changed.Access, nil)
		w.alive(own(fmt.Sprintf(`{"token_type":"access","exp":%d,"jti":"a","user_id":%d}`, w.clock.Now().Unix()+9, u.ID)), auth.ErrToken) // no iat
		w.alive(own(fmt.Sprintf(`{"token_type":"access","exp":%d,"jti":"a","user_id":%d}`, w.clock.Now().Unix()+9, u.ID+99)), auth.ErrUserNotFound)
	})
}

// iat counts in whole seconds: the very second of tokens_valid_after is too old
// unless it is exact.
func TestDjangoTokenBoundary(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		token := w.django(u, auth.AccessToken, "a1")
		issued := w.clock.Now().Truncate(time.Second)
		for _, tc := range []struct {
			after time.Duration
			want  error
		}{{-time.Microsecond, nil}, {0, nil}, {time.Microsecond, auth.ErrToken}} {
			must(t, "EndAll", w.Store.EndAll(t.Context(), u.ID, "", auth.EndLogout, issued.Add(tc.after)))
			w.alive(token, tc.want)
		}
	})
}

// A token that outlives every calendar can be signed out, too.
func TestDjangoTokenForEver(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		token := own(fmt.Sprintf(`{"token_type":"access","exp":1e15,"iat":%d,"jti":"ever","user_id":%d}`, w.clock.Now().Unix(), u.ID))
		must(t, "Logout", w.Logout(t.Context(), w.who(token), token, false))
		_, err := w.Store.Sweep(t.Context(), w.db.Now(), 100)
		must(t, "Sweep", err)
		w.alive(token, auth.ErrToken)
	})
}

func TestDjangoRefreshToken(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		token := w.django(u, auth.RefreshToken, "r1")
		first := w.refresh(token)
		sid := w.who(first.Access).SessionID
		if sid == "" {
			t.Error("no session")
		}
		w.clock.Add(auth.Grace)
		if again := w.refresh(token); again.Refresh != first.Refresh || w.who(again.Access).SessionID != sid {
			t.Error("within the grace: another session")
		}
		next := w.refresh(first.Refresh)
		w.refuseRefresh(token, auth.ErrToken) // the grace ended with the rotation
		w.alive(next.Access, auth.ErrToken)

		w.clock.Add(time.Minute)
		late := w.django(u, auth.RefreshToken, "r2")
		first = w.refresh(late)
		w.clock.Add(auth.Grace + time.Microsecond)
		w.refuseRefresh(late, auth.ErrToken)
		w.alive(first.Access, auth.ErrToken)

		// What is left when the session is swept before the token expires.
		kept := w.django(u, auth.RefreshToken, "r3")
		w.refresh(kept)
		w.exec("DELETE FROM sessions")
		w.refuseRefresh(kept, auth.ErrToken)

		voided := w.django(u, auth.RefreshToken, "r4")
		w.clock.Add(time.Second)
		must(t, "EndAll", w.Store.EndAll(t.Context(), u.ID, "", auth.EndLogout, w.db.Now()))
		w.refuseRefresh(voided, auth.ErrToken)
		w.clock.Add(time.Second)
		shut := w.django(u, auth.RefreshToken, "r5")
		_, err := w.Accounts.Store.Update(t.Context(), u.ID, account.Update{IsActive: ptr(false)}, w.db.Now())
		must(t, "deactivate", err)
		w.refuseRefresh(shut, auth.ErrToken)
		w.refuseRefresh(w.django(account.User{ID: u.ID + 99}, auth.RefreshToken, "r6"), auth.ErrToken)
		if n := w.count("SELECT count(*) FROM sessions"); n != 0 {
			t.Errorf("%d sessions after refused exchanges", n)
		}
	})
}

func TestDjangoExchangeConcurrently(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := w.another()
		u := w.user("ann", nil)
		token := w.django(u, auth.RefreshToken, "r1")
		got, errs := make([]auth.Tokens, 50), make([]error, 50)
		together(len(got), func(i int) {
			on := w
			if i%2 == 1 {
				on = other
			}
			_, got[i], errs[i] = on.Refresh(t.Context(), token, browser)
		})
		for i := range got {
			if errs[i] != nil || got[i].Refresh != got[0].Refresh {
				t.Fatalf("answer %d: %v; the same successor: %v", i, errs[i], got[i].Refresh == got[0].Refresh)
			}
		}
		if n := w.count("SELECT count(*) FROM sessions"); n != 1 {
			t.Errorf("%d sessions, want 1", n)
		}
		w.alive(got[3].Access, nil)
	})
}

// An exchange beside a change of password leaves nothing of before.
func TestDjangoExchangeRacesPassword(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		tokens := make([]string, 30)
		for i := range tokens {
			tokens[i] = w.django(u, auth.RefreshToken, fmt.Sprint("r", i))
		}
		w.clock.Add(time.Second)
		var access [30]atomic.Pointer[string]
		together(len(tokens)+1, func(i int) {
			if i == len(tokens)/2 {
				must := w.Store.ChangePassword(t.Context(), auth.Session{ID: "new", UserID: u.ID, Refresh: auth.Refresh{JTI: "n"}, CreatedAt: w.db.Now(), LastSeenAt: w.db.Now(), ExpiresAt: w.db.Now().Add(longLife)},
					u.PasswordHash, "!", w.db.Now())
				if must != nil {
					t.Error(must)
				}
				return
			}
			if i > len(tokens)/2 {
				i--
			}
			if _, got, err := w.Refresh(t.Context(), tokens[i], browser); err == nil {
				access[i].Store(&got.Access)
			}
		})
		for i := range access {
			if a := access[i].Load(); a != nil {
				w.alive(*a, auth.ErrToken)
			}
		}
		if n := w.count("SELECT count(*) FROM sessions WHERE ended_at IS NULL"); n != 1 {
			t.Errorf("%d living sessions, want 1", n)
		}
	})
}
