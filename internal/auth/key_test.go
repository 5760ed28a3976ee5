package auth_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

func (w *world) key(u account.User, expires *time.Time, scopes ...identity.Scope) (auth.Key, string) {
	w.t.Helper()
	k, secret, err := w.CreateKey(w.t.Context(), u.Actor(), auth.KeyDraft{Name: "export", Scopes: scopes, ExpiresAt: expires})
	must(w.t, "CreateKey", err)
	return k, secret
}

func (w *world) keyAlive(secret string, want error) {
	w.t.Helper()
	_, err := w.AuthenticateKey(w.t.Context(), secret)
	wantErr(w.t, "AuthenticateKey", err, want)
}

func TestKeys(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, other := t.Context(), w.another()
		u := w.user("ann", nil)
		k, secret := w.key(u, nil, identity.ScopeRead)
		if !auth.IsKey(secret) || auth.IsKey("eyJ") || len(secret) < 30 || secret[:len(k.Prefix)] != k.Prefix || len(k.Prefix) > 12 {
			t.Errorf("secret %q, prefix %q", secret, k.Prefix)
		}
		if n := w.count("SELECT count(*) FROM api_keys WHERE hash = $1 OR name = $1 OR prefix = $1", secret); n != 0 {
			t.Error("the secret itself is stored")
		}
		a, err := other.AuthenticateKey(ctx, secret)
		must(t, "AuthenticateKey", err)
		actor := a.Actor()
		if actor.UserID != u.ID || actor.KeyID != k.ID || actor.SessionID != "" || !actor.May(identity.ScopeRead) || actor.May(identity.ScopeWrite) || actor.May(identity.ScopeAdmin) {
			t.Errorf("the actor is %+v", actor)
		}
		both, _ := w.key(u, nil, identity.ScopeRead, identity.ScopeWrite)
		if keys, err := w.ListKeys(ctx, u.Actor()); err != nil || len(keys) != 2 || keys[0].ID != both.ID || len(keys[0].Scopes) != 2 || keys[1].Scopes[0] != identity.ScopeRead {
			t.Errorf("keys: %+v, %v", keys, err)
		}
		for _, bad := range []string{"", secret[:len(secret)-1], secret + "x", auth.KeyPrefix, k.Hash} {
			w.keyAlive(bad, auth.ErrKey)
		}
		// A change of password leaves keys alone; the end of the key counts at once.
		must(t, "ChangePassword", w.Store.EndAll(ctx, u.ID, "", auth.EndPassword, w.db.Now()))
		w.keyAlive(secret, nil)
		bob := w.user("bob", nil)
		wantErr(t, "delete somebody else's", w.DeleteKey(ctx, bob.Actor(), k.ID), auth.ErrNotFound)
		w.keyAlive(secret, nil)
		other.keyAlive(secret, nil)
		must(t, "DeleteKey", other.DeleteKey(ctx, u.Actor(), k.ID))
		w.keyAlive(secret, auth.ErrKey)
		other.keyAlive(secret, auth.ErrKey)
		wantErr(t, "delete it again", w.DeleteKey(ctx, u.Actor(), k.ID), auth.ErrNotFound)
	})
}

func TestKeyExpires(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		until := w.clock.Now().Add(time.Hour)
		_, secret := w.key(u, &until, identity.ScopeRead)
		w.keyAlive(secret, nil)
		w.clock.Add(time.Hour - time.Microsecond)
		w.keyAlive(secret, nil)
		w.clock.Add(time.Microsecond)
		w.keyAlive(secret, auth.ErrKey)
		_, _, err := w.CreateKey(t.Context(), u.Actor(), auth.KeyDraft{Name: "k", Scopes: []identity.Scope{identity.ScopeRead}, ExpiresAt: &until})
		if f, ok := fault.As(err); !ok || len(f.Fields) != 1 || f.Fields[0].Name != "expires_at" {
			t.Errorf("a key that has expired: %v", err)
		}
	})
}

// A key acts as its owner but never gets at what signs in.
func TestKeyLimits(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		boss, u := w.admin("boss"), w.user("ann", nil)
		for _, role := range []identity.Role{identity.User, identity.Editor} {
			actor := u.Actor()
			actor.Role = role
			_, _, err := w.CreateKey(ctx, actor, auth.KeyDraft{Name: "k", Scopes: []identity.Scope{identity.ScopeRead, identity.ScopeAdmin}})
			if f, ok := fault.As(err); !ok || len(f.Fields) != 1 || f.Fields[0].Name != "scopes" {
				t.Errorf("%s makes a key with the scope admin: %v", role, err)
			}
		}
		plainKey, plain := w.key(boss, nil, identity.ScopeRead, identity.ScopeWrite)
		_, full := w.key(boss, nil, identity.ScopeRead, identity.ScopeWrite, identity.ScopeAdmin)
		actorOf := func(secret string) identity.Actor {
			a, err := w.AuthenticateKey(ctx, secret)
			must(t, "AuthenticateKey", err)
			return a.Actor()
		}
		for name, secret := range map[string]string{"plain": plain, "admin": full} {
			actor := actorOf(secret)
			_, _, err := w.CreateKey(ctx, actor, auth.KeyDraft{Name: "k", Scopes: []identity.Scope{identity.ScopeRead}})
			wantErr(t, name+": CreateKey", err, auth.ErrByKey)
			_, err = w.ListKeys(ctx, actor)
			wantErr(t, name+": ListKeys", err, auth.ErrByKey)
			wantErr(t, name+": DeleteKey", w.DeleteKey(ctx, actor, plainKey.ID), auth.ErrByKey)
			_, err = w.Sessions(ctx, actor)
			wantErr(t, name+": Sessions", err, auth.ErrByKey)
			wantErr(t, name+": EndSession", w.EndSession(ctx, actor, "x"), auth.ErrByKey)
			wantErr(t, name+": Logout", w.Logout(ctx, actor, secret, true), auth.ErrByKey)
			_, _, err = w.Ticket(ctx, actor)
			wantErr(t, name+": Ticket", err, auth.ErrByKey)
			_, err = w.ChangePassword(ctx, actor, goodPass, newPass, browser)
			wantErr(t, name+": ChangePassword", err, auth.ErrByKey)
			_, err = w.Accounts.Update(ctx, actor, boss.ID, account.AdminUpdate{Password: ptr(newPass)})
			wantErr(t, name+": set a password", err, account.ErrForbidden)
		}
		_, err := w.Accounts.ByID(ctx, actorOf(plain), u.ID)
		wantErr(t, "users without the scope", err, account.ErrForbidden)
		if got, err := w.Accounts.Update(ctx, actorOf(full), u.ID, account.AdminUpdate{Update: account.Update{Bio: ptr("x")}}); err != nil || got.Bio != "x" {
			t.Errorf("users with the scope: %v", err)
		}
		// The scope is worth nothing once the owner is no administrator.
		w.admin("boss2")
		_, err = w.Accounts.Store.Update(ctx, boss.ID, account.Update{Role: ptr(identity.User)}, w.db.Now())
		must(t, "demote", err)
		_, err = w.Accounts.ByID(ctx, actorOf(full), u.ID)
		wantErr(t, "users after the demotion", err, account.ErrForbidden)
	})
}

func TestTicket(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, other := t.Context(), w.another()
		u := w.user("ann", nil)
		s, tokens := w.session(u)
		ticket := func() string {
			t.Helper()
			text, expires, err := w.Ticket(ctx, w.who(tokens.Access))
			must(t, "Ticket", err)
			if !expires.Equal(w.db.Now().Add(auth.TicketLifetime)) {
				t.Errorf("expires at %v", expires)
			}
			return text
		}
		redeem := func(when, text string, want error) {
			t.Helper()
			a, err := other.RedeemTicket(ctx, text)
			wantErr(t, when, err, want)
			if err == nil && (a.User.ID != u.ID || a.Actor().SessionID != s.ID) {
				t.Errorf("%s: redeemed for %+v", when, a.Actor())
			}
		}
		one := ticket()
		redeem("at once", one, nil)
		redeem("again", one, auth.ErrToken)
		redeem("nonsense", "x", auth.ErrToken)
		late := ticket()
		w.clock.Add(auth.TicketLifetime - time.Microsecond)
		redeem("in time", late, nil)
		late = ticket()
		w.clock.Add(auth.TicketLifetime)
		redeem("too late", late, auth.ErrToken)
		// A link from a mail is no ticket, nor the other way round.
		redeem("a reset link", w.reset(u.Email), auth.ErrToken)
		wantErr(t, "a ticket as reset link", w.ResetPassword(ctx, ticket(), newPass), account.ErrBadLink)
		_, err := w.Accounts.Verify(ctx, ticket())
		wantErr(t, "a ticket as verification", err, account.ErrBadLink)

		// One ticket, many redeemers: one gets in.
		shared := ticket()
		var in atomic.Int32
		together(20, func(int) {
			if _, err := other.RedeemTicket(ctx, shared); err == nil {
				in.Add(1)
			} else if !errors.Is(err, auth.ErrToken) {
				t.Errorf("RedeemTicket: %v", err)
			}
		})
		if in.Load() != 1 {
			t.Errorf("redeemed %d times", in.Load())
		}
		kept := []string{ticket(), ticket()}
		must(t, "Logout", w.Logout(ctx, w.who(tokens.Access), tokens.Access, false))
		redeem("after the end of the session", kept[0], auth.ErrToken)
		_, err = w.Accounts.Store.Update(ctx, u.ID, account.Update{IsActive: ptr(false)}, w.db.Now())
		must(t, "deactivate", err)
		redeem("after the account was closed", kept[1], auth.ErrUserInactive)
		bob := w.user("bob", nil)
		_, _, err = w.Ticket(ctx, w.who(w.django(bob, auth.AccessToken, "d")))
		wantErr(t, "a ticket without a session", err, auth.ErrToken)
	})
}

func TestFlushSeen(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u := w.user("ann", nil)
		s, tokens := w.session(u)
		k, secret := w.key(u, nil, identity.ScopeRead)
		began := w.clock.Now()
		seen := func() (session time.Time, key *time.Time) {
			t.Helper()
			sessions, err := w.Sessions(ctx, u.Actor())
			must(t, "Sessions", err)
			keys, err := w.ListKeys(ctx, u.Actor())
			must(t, "ListKeys", err)
			if len(sessions) != 1 || sessions[0].ID != s.ID || len(keys) != 1 || keys[0].ID != k.ID {
				t.Fatalf("%+v, %+v", sessions, keys)
			}
			return sessions[0].LastSeenAt, keys[0].LastUsedAt
		}
		w.clock.Add(time.Hour)
		w.alive(tokens.Access, nil)
		w.keyAlive(secret, nil)
		if at, used := seen(); !at.Equal(began) || used != nil {
			t.Error("written before the flush")
		}
		// What cannot be written is kept for the next time.
		store := w.Store
		w.Store = brokenSeen{store}
		wantErr(t, "FlushSeen", w.FlushSeen(ctx), errOutbox)
		w.Store = store
		must(t, "FlushSeen", w.FlushSeen(ctx))
		at, used := seen()
		if want := began.Add(time.Hour); !at.Equal(want) || used == nil || !used.Equal(want) {
			t.Errorf("seen at %v and %v, want %v", at, used, want)
		}
		// An instance that is behind does not take the time back.
		must(t, "Seen", w.Store.Seen(ctx, map[string]time.Time{s.ID: began}, map[int64]time.Time{k.ID: began}))
		if again, used := seen(); !again.Equal(at) || !used.Equal(at) {
			t.Errorf("taken back to %v and %v", again, used)
		}
		must(t, "FlushSeen with nothing to do", w.FlushSeen(ctx))
		must(t, "Seen of what is gone", w.Store.Seen(ctx, map[string]time.Time{"gone": began}, map[int64]time.Time{k.ID + 99: began}))
	})
}

type brokenSeen struct{ auth.Store }

func (brokenSeen) Seen(_ context.Context, _ map[string]time.Time, _ map[int64]time.Time) error {
	return errOutbox
}

func TestSweep(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u := w.user("ann", nil)
		for range 3 {
			w.session(u)
		}
		_, ended := w.session(u)
		must(t, "Logout", w.Logout(ctx, w.who(ended.Access), ended.Access, false))
		django := w.django(u, auth.AccessToken, "d1")
		must(t, "Logout", w.Logout(ctx, w.who(django), django, false))
		w.reset(u.Email)
		rows := func() [3]int {
			return [3]int{w.count("SELECT count(*) FROM sessions"), w.count("SELECT count(*) FROM denied_tokens"), w.count("SELECT count(*) FROM one_time_tokens")}
		}
		sweep := func(limit, want int, left [3]int) {
			t.Helper()
			n, err := w.Store.Sweep(ctx, w.db.Now(), limit)
			must(t, "Sweep", err)
			if n != want || rows() != left {
				t.Errorf("swept %d, left %v; want %d, %v", n, rows(), want, left)
			}
		}
		sweep(100, 0, [3]int{4, 1, 1})
		w.clock.Add(2 * time.Hour)
		sweep(100, 1, [3]int{4, 1, 0})
		w.clock.Add(24 * time.Hour)
		sweep(100, 1, [3]int{4, 0, 0})
		w.refuseRefresh(ended.Refresh, auth.ErrToken)
		w.clock.Add(longLife)
		_, alive := w.session(u)
		sweep(3, 3, [3]int{2, 0, 0})
		sweep(3, 1, [3]int{1, 0, 0})
		sweep(3, 0, [3]int{1, 0, 0})
		w.alive(alive.Access, nil)
		w.alive(ended.Access, auth.ErrToken)
	})
}
