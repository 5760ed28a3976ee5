package dashboard_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
)

func TestShares(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice, bob := t.Context(), b.user(t, "alice", identity.User), b.user(t, "bob", identity.Admin)
		items := list(`"kept"`, it("a", ""), fmt.Sprintf(`{"instance_id":"b","widget_id":4,%s}`, okPosition),
			fmt.Sprintf(`{"instance_id":"c","widget_key":"recent-orders",%s}`, okPosition))
		v := b.create(t, alice, "Main", dashboard.Draft{WidgetsConfig: raw(items)})
		sh, err := b.CreateShare(ctx, alice, v.ID, 0)
		if err != nil || len(sh.Token) != 43 || sh.ExpiresAt.Sub(sh.CreatedAt) != dashboard.DefaultShareTTL {
			t.Fatalf("CreateShare = %+v, %v", sh, err)
		}
		if n := b.count(t, "SELECT count(*) FROM view_shares WHERE hash = $1", sh.Token); n != 0 {
			t.Error("the token is stored as it is")
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := b.Shared(ctx, sh.Token, true); err != nil {
					t.Errorf("Shared: %v", err)
				}
			})
		}
		wg.Wait()
		shown, err := b.Shared(ctx, sh.Token, false)
		want := list(`"kept"`, it("a", ""), fmt.Sprintf(`{"instance_id":"c","widget_key":"recent-orders",%s}`, okPosition))
		if err != nil || string(shown.View.WidgetsConfig) != want || shown.Omitted != 1 || len(shown.Widgets) != 2 ||
			string(shown.Widgets[0].Data) != "11" || string(shown.Widgets[1].Data) != "33" || !shown.ExpiresAt.Equal(sh.ExpiresAt) {
			t.Errorf("Shared = %+v, %v", shown, err)
		}
		listed, err := b.ListShares(ctx, alice, v.ID)
		if err != nil || len(listed) != 1 || listed[0].Visits != 20 || listed[0].LastVisitAt == nil || listed[0].Token != "" {
			t.Errorf("ListShares = %+v, %v, want 20 visits", listed, err)
		}
		for _, token := range []string{"", "x", sh.Token + "x", sh.Token[:42] + "é", "\x00" + sh.Token[1:]} {
			if _, err := b.Shared(ctx, token, true); !errors.Is(err, dashboard.ErrNotFound) {
				t.Errorf("Shared(%q) = %v, want ErrNotFound", token, err)
			}
		}
		_, made := b.CreateShare(ctx, bob, v.ID, 0)
		_, seen := b.ListShares(ctx, bob, v.ID)
		for _, err := range []error{made, seen, b.DeleteShare(ctx, bob, v.ID, sh.ID), b.DeleteShare(ctx, alice, v.ID, sh.ID+1)} {
			if !errors.Is(err, dashboard.ErrNotFound) {
				t.Errorf("somebody else's view: %v, want ErrNotFound", err)
			}
		}
		for _, ttl := range []time.Duration{-1, time.Second, dashboard.MaxShareTTL + 1} {
			if _, err := b.CreateShare(ctx, alice, v.ID, ttl); !errors.Is(err, dashboard.ErrShareTTL) {
				t.Errorf("CreateShare for %v = %v, want ErrShareTTL", ttl, err)
			}
		}
	})
}

// A link ends with its time, when it is revoked, and with its view and owner.
func TestSharesEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := t.Context()
		exec := func(query string, args ...any) {
			t.Helper()
			if _, err := b.db.WriteDBTX().Exec(ctx, query, args...); err != nil {
				t.Fatal(err)
			}
		}
		for name, end := range map[string]func(who identity.Actor, sh dashboard.Share){
			"expired": func(identity.Actor, dashboard.Share) { b.pass(dashboard.DefaultShareTTL) },
			"revoked": func(who identity.Actor, sh dashboard.Share) {
				if err := b.DeleteShare(ctx, who, sh.ViewID, sh.ID); err != nil {
					t.Error(err)
				}
			},
			"view deleted": func(who identity.Actor, sh dashboard.Share) {
				if err := b.Delete(ctx, who, sh.ViewID, nil); err != nil {
					t.Error(err)
				}
			},
			"owner inactive": func(who identity.Actor, _ dashboard.Share) {
				exec("UPDATE users SET status = 'inactive' WHERE id = $1", who.UserID)
			},
			"owner deactivated": func(who identity.Actor, _ dashboard.Share) {
				exec("UPDATE users SET is_active = FALSE WHERE id = $1", who.UserID)
			},
			"owner deleted": func(who identity.Actor, _ dashboard.Share) { exec("DELETE FROM users WHERE id = $1", who.UserID) },
		} {
			who := b.user(t, name, identity.User)
			sh, err := b.CreateShare(ctx, who, b.create(t, who, "Main", dashboard.Draft{}).ID, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Shared(ctx, sh.Token, true); err != nil {
				t.Errorf("%s, before: %v", name, err)
			}
			end(who, sh)
			if _, err := b.Shared(ctx, sh.Token, true); !errors.Is(err, dashboard.ErrNotFound) {
				t.Errorf("%s: %v, want ErrNotFound", name, err)
			}
		}
	})
}

func TestSharesAreLimited(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice", identity.User)
		id := b.create(t, alice, "Main", dashboard.Draft{}).ID
		var wg sync.WaitGroup
		for range 120 {
			wg.Go(func() {
				if _, err := b.CreateShare(ctx, alice, id, time.Hour); err != nil && !errors.Is(err, dashboard.ErrShares) {
					t.Errorf("CreateShare: %v", err)
				}
			})
		}
		wg.Wait()
		if got, err := b.ListShares(ctx, alice, id); err != nil || len(got) != 100 {
			t.Errorf("%d links, %v, want 100", len(got), err)
		}
		b.pass(2 * time.Hour)
		if _, err := b.CreateShare(ctx, alice, id, time.Hour); err != nil {
			t.Errorf("expired links count: %v", err)
		}
	})
}
