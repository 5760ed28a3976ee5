package auth_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/identity"
)

// ears notes whose access has changed.
type ears struct{ users []int64 }

// AccessChanged implements auth.Events and account.Events.
func (e *ears) AccessChanged(_ context.Context, userID int64) { e.users = append(e.users, userID) }

// take gives what was heard since the last call.
func (e *ears) take() []int64 {
	users := e.users
	e.users = nil
	return users
}

// pass lets the bearer of a credential in, as a door does.
func (w *world) pass(raw string) auth.Pass {
	w.t.Helper()
	a, err := w.Bearer(w.t.Context(), raw)
	must(w.t, "Bearer", err)
	p, err := w.Pass(&a, raw)
	must(w.t, "Pass", err)
	return p
}

// What was let in is asked about in one go, and whoever ends it says so.
func TestStanding(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, heard := t.Context(), &ears{}
		w.Events, w.Accounts.Events = heard, heard
		boss := w.admin("boss")
		read := []identity.Scope{identity.ScopeRead}
		type person struct {
			account.User
			session string
			actor   identity.Actor
			key     auth.Key
			django  string
		}
		var people []person
		var passes []auth.Pass
		for i := range 5 { // more than one, and no power of two
			u := w.user(fmt.Sprintf("p%d", i), nil)
			session, tokens := w.session(u)
			key, secret, err := w.CreateKey(ctx, u.Actor(), auth.KeyDraft{Name: "k", Scopes: read})
			must(t, "CreateKey", err)
			django := w.django(u, auth.AccessToken, fmt.Sprint("d", i))
			actor := u.Actor()
			actor.SessionID = session.ID
			people = append(people, person{u, session.ID, actor, key, django})
			passes = append(passes, w.pass(tokens.Access), w.pass(secret), w.pass(django))
		}
		want := slices.Repeat([]auth.Standing{auth.Good}, len(passes))
		check := func(when string, told ...int64) {
			t.Helper()
			got, err := w.Standing(ctx, passes)
			must(t, "Standing", err)
			if !slices.Equal(got, want) {
				t.Errorf("%s: Standing = %v, want %v", when, got, want)
			}
			if users := heard.take(); !slices.Equal(users, told) {
				t.Errorf("%s: told of %v, want %v", when, users, told)
			}
		}
		check("at first")
		w.clock.Add(time.Second)

		must(t, "EndSession", w.EndSession(ctx, people[0].actor, people[0].session))
		want[0] = auth.Ended
		check("session ended", people[0].ID)

		must(t, "DeleteKey", w.DeleteKey(ctx, people[1].actor, people[1].key.ID))
		want[4] = auth.Ended
		check("key deleted", people[1].ID)

		plain := people[2].User.Actor()
		must(t, "Logout", w.Logout(ctx, plain, people[2].django, false))
		want[8] = auth.Ended
		check("token denied", people[2].ID)

		_, err := w.Accounts.Update(ctx, boss.Actor(), people[3].ID, account.AdminUpdate{Update: account.Update{Role: ptr(identity.Admin)}})
		must(t, "Update", err)
		want[9], want[11] = auth.Changed, auth.Changed // the key has no scope admin
		check("promoted", people[3].ID)

		_, err = w.ChangePassword(ctx, people[4].actor, goodPass, newPass, auth.Client{})
		must(t, "ChangePassword", err)
		want[12], want[14] = auth.Ended, auth.Ended
		check("password changed", people[4].ID)

		must(t, "Delete", w.Accounts.Delete(ctx, boss.Actor(), people[4].ID))
		want[13] = auth.Ended
		check("deleted", people[4].ID)

		w.clock.Add(longLife)
		for i := range want {
			if i%3 != 1 {
				want[i] = auth.Ended // sessions and tokens have expired, keys have not
			}
		}
		check("a week later")
		if got, err := w.Standing(ctx, nil); err != nil || len(got) != 0 {
			t.Errorf("Standing(none) = %v, %v", got, err)
		}
	})
}

// A key that may not read may not listen.
func TestBearerNeedsScope(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		_, secret, err := w.CreateKey(t.Context(), u.Actor(), auth.KeyDraft{Name: "k", Scopes: []identity.Scope{identity.ScopeWrite}})
		must(t, "CreateKey", err)
		_, err = w.Bearer(t.Context(), secret)
		wantErr(t, "Bearer", err, auth.ErrScope)
	})
}
