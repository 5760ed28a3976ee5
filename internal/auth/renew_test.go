package auth_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/auth"
)

func TestRenew(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ann := w.user("ann", nil)
		session, tokens := w.session(ann)
		w.clock.Add(time.Second)
		renewed, ends, err := w.Renew(t.Context(), tokens.Access)
		if err != nil || renewed == tokens.Access || !ends.Equal(session.ExpiresAt) {
			t.Fatalf("Renew = %q, %v, %v, want another token and the end of the session, %v", renewed, ends, err, session.ExpiresAt)
		}
		w.alive(renewed, nil)
		if got := w.who(renewed).SessionID; got != session.ID {
			t.Errorf("the new token belongs to the session %q, want %q", got, session.ID)
		}
		for _, raw := range []string{"", "nonsense", tokens.Refresh, w.django(ann, auth.AccessToken, "5d41402abc4b2a76b9719d911017c592")} {
			if _, _, err := w.Renew(t.Context(), raw); err == nil {
				t.Errorf("Renew(%.20q) gives a token", raw)
			}
		}
		// It does not outlive the session.
		w.clock.Add(accessLife + time.Minute)
		if _, _, err := w.Renew(t.Context(), renewed); !errors.Is(err, auth.ErrToken) {
			t.Errorf("Renew with a token that is over = %v, want ErrToken", err)
		}
		if err := w.Logout(t.Context(), ann.Actor(), tokens.Access, true); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Renew(t.Context(), renewed); !errors.Is(err, auth.ErrToken) {
			t.Errorf("Renew after the sign-out = %v, want ErrToken", err)
		}
	})
}
