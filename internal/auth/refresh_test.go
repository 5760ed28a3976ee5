package auth_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/identity"
)

// refresh exchanges a token that must be good.
func (w *world) refresh(token string) auth.Tokens {
	w.t.Helper()
	_, tokens, err := w.Refresh(w.t.Context(), token, browser)
	must(w.t, "Refresh", err)
	return tokens
}

func (w *world) refuseRefresh(token string, want error) {
	w.t.Helper()
	_, tokens, err := w.Refresh(w.t.Context(), token, browser)
	if !errors.Is(err, want) || tokens != (auth.Tokens{}) {
		w.t.Errorf("Refresh: %v with tokens %v, want %v and none", err, tokens != auth.Tokens{}, want)
	}
}

func TestRefreshRotates(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		s, first := w.session(u)
		issued := w.clock.Now().Unix()
		w.clock.Add(time.Minute)
		got, next, err := w.Refresh(t.Context(), first.Refresh, browser)
		must(t, "Refresh", err)
		if got.ID != u.ID || next.Refresh == first.Refresh {
			t.Errorf("user %d, another token %v", got.ID, next.Refresh != first.Refresh)
		}
		access, err := w.Keys.Parse(next.Access, auth.AccessToken)
		must(t, "Parse", err)
		refresh, err := w.Keys.Parse(next.Refresh, auth.RefreshToken)
		must(t, "Parse", err)
		// As in simplejwt: the access token keeps the iat of the token it was made from.
		if access.IssuedAt != issued || !access.Expires.Equal(w.clock.Now().Add(accessLife).Truncate(second)) || access.Session != s.ID {
			t.Errorf("access token: %+v", access)
		}
		if refresh.IssuedAt != issued+60 || !refresh.Expires.Equal(w.clock.Now().Add(longLife).Truncate(second)) || refresh.Session != s.ID {
			t.Errorf("refresh token: %+v", refresh)
		}
		w.alive(first.Access, nil) // one session, all its access tokens
		w.alive(next.Access, nil)
		sessions, err := w.Sessions(t.Context(), u.Actor())
		must(t, "Sessions", err)
		if len(sessions) != 1 || !sessions[0].LastSeenAt.Equal(w.clock.Now()) || !sessions[0].ExpiresAt.Equal(refresh.Expires) {
			t.Errorf("sessions: %+v", sessions)
		}
		_, err = w.Keys.Parse(first.Access, auth.RefreshToken)
		wantErr(t, "an access token as refresh token", err, auth.ErrTokenType)
		w.refuseRefresh(first.Access, auth.ErrTokenType)
		w.refuseRefresh("x", auth.ErrToken)
	})
}

// Within the grace a token that was rotated away gives the successor it got.
func TestRefreshGrace(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, first := w.session(w.user("ann", nil))
		next := w.refresh(first.Refresh)
		for _, wait := range []time.Duration{0, time.Second, auth.Grace - time.Second} {
			w.clock.Add(wait)
			again := w.refresh(first.Refresh)
			if again.Refresh != next.Refresh {
				t.Errorf("%v later: another successor", wait)
			}
			w.alive(again.Access, nil)
		}
		w.clock.Add(time.Microsecond)
		w.refuseRefresh(first.Refresh, auth.ErrToken)
		w.alive(next.Access, auth.ErrToken)
		w.refuseRefresh(next.Refresh, auth.ErrToken)
		if n := w.count("SELECT count(*) FROM sessions WHERE end_reason = $1", auth.EndReuse); n != 1 {
			t.Errorf("%d sessions ended for reuse, want 1", n)
		}
	})
}

// The grace ends with the next rotation.
func TestRefreshReuse(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		_, first := w.session(u)
		_, bystander := w.session(u)
		second := w.refresh(first.Refresh)
		third := w.refresh(second.Refresh)
		if w.refresh(second.Refresh).Refresh != third.Refresh {
			t.Error("the last but one does not give its successor")
		}
		w.refuseRefresh(first.Refresh, auth.ErrToken)
		for _, tokens := range []auth.Tokens{first, second, third} {
			w.alive(tokens.Access, auth.ErrToken)
			w.refuseRefresh(tokens.Refresh, auth.ErrToken)
		}
		w.alive(bystander.Access, nil)
		w.refresh(bystander.Refresh)
	})
}

// However many ask at once, on however many instances: one successor.
func TestRefreshConcurrently(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := w.another()
		_, first := w.session(w.user("ann", nil))
		got, errs := make([]auth.Tokens, 200), make([]error, 200)
		together(len(got), func(i int) {
			on := w
			if i%2 == 1 {
				on = other
			}
			_, got[i], errs[i] = on.Refresh(t.Context(), first.Refresh, browser)
		})
		for i := range got {
			if errs[i] != nil || got[i].Refresh != got[0].Refresh || got[i].Refresh == first.Refresh {
				t.Fatalf("answer %d: %v; the same successor: %v", i, errs[i], got[i].Refresh == got[0].Refresh)
			}
		}
		w.alive(got[7].Access, nil)
		other.alive(got[8].Access, nil)
		w.clock.Add(auth.Grace + time.Second)
		w.refuseRefresh(first.Refresh, auth.ErrToken)
		other.alive(got[7].Access, auth.ErrToken)
		w.refuseRefresh(got[0].Refresh, auth.ErrToken)
	})
}

func TestRefreshRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		ctx := t.Context()
		s, tokens := w.session(u)
		must(t, "EndSession", w.EndSession(ctx, u.Actor(), s.ID))
		w.refuseRefresh(tokens.Refresh, auth.ErrToken)

		_, tokens = w.session(u)
		_, err := w.Accounts.Store.Update(ctx, u.ID, account.Update{Status: ptr(identity.Inactive)}, w.db.Now())
		must(t, "deactivate", err)
		w.refuseRefresh(tokens.Refresh, auth.ErrToken)
		_, err = w.Accounts.Store.Update(ctx, u.ID, account.Update{Status: ptr(identity.Active)}, w.db.Now())
		must(t, "activate", err)
		w.refuseRefresh(tokens.Refresh, auth.ErrToken) // does not rise again

		_, tokens = w.session(u)
		w.clock.Add(longLife)
		w.refuseRefresh(tokens.Refresh, auth.ErrToken)

		_, tokens = w.session(u)
		must(t, "Delete", w.Accounts.Store.Delete(ctx, u.ID, w.admin("boss").ID))
		w.refuseRefresh(tokens.Refresh, auth.ErrToken)
		w.alive(tokens.Access, auth.ErrUserNotFound)

		// Somebody else's session in a token that is otherwise good.
		s, _ = w.session(w.user("bob", nil))
		s.UserID = 1 << 40
		w.refuseRefresh(w.Keys.Refresh(&s, &u), auth.ErrToken)
		w.alive(w.Keys.Access(&s, &u, "x", w.clock.Now().Unix(), w.clock.Now().Add(time.Hour)), auth.ErrToken)
	})
}

func TestVerifyToken(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		s, first := w.session(u)
		check := func(what, token string, want error) {
			t.Helper()
			wantErr(t, what, w.VerifyToken(t.Context(), token), want)
		}
		check("access", first.Access, nil)
		check("refresh", first.Refresh, nil)
		next := w.refresh(first.Refresh)
		check("rotated away", first.Refresh, auth.ErrToken)
		check("successor", next.Refresh, nil)
		check("access of before", first.Access, nil)
		check("nonsense", "x", auth.ErrToken)
		check("without a type", own(fmt.Sprintf(`{"exp":%d,"jti":"a","user_id":%d}`, w.clock.Now().Unix()+60, u.ID)), auth.ErrToken)
		must(t, "EndSession", w.EndSession(t.Context(), u.Actor(), s.ID))
		check("access after the end", next.Access, auth.ErrToken)
		check("refresh after the end", next.Refresh, auth.ErrToken)
		django := w.django(u, auth.RefreshToken, "r1")
		check("Django's refresh token", django, nil)
		w.refresh(django)
		check("the same, exchanged", django, auth.ErrToken)
	})
}
