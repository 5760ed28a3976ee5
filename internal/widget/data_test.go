package widget_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/widget"
)

func pageOf(number, size int) page.Request { return page.Request{Number: number, Size: size} }

func TestDataForEverybodyAndForOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice, bob := b.user(t, "alice", identity.Editor), b.user(t, "bob", identity.User)
		id := b.add(t, widget.Widget{CreatedBy: alice.UserID, IsPublic: true}).ID
		_, err := b.look(t, bob, id)
		wantErr(t, "Data before any", err, widget.ErrNoData)

		at := b.stamp()
		want := widget.Data{WidgetID: id, Data: json.RawMessage(`{"b":1,"a":[2.50,null]}`), FetchedAt: at, TTL: 300, From: widget.SourcePush}
		stored, err := b.PutData(t.Context(), alice, id, widget.Push{Data: want.Data})
		if diff := cmp.Diff(want, stored); diff != "" || err != nil {
			t.Fatalf("PutData: %v (-want +got):\n%s", err, diff)
		}
		for _, who := range []identity.Actor{alice, bob} {
			got, err := b.look(t, who, id)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("Data of user %d: %v (-want +got):\n%s", who.UserID, err, diff)
			}
		}

		b.pass(time.Minute)
		own := widget.Push{Data: json.RawMessage(`7`), TTL: ptr[int64](60), UserID: &bob.UserID}
		if _, err := b.PutData(t.Context(), alice, id, own); err != nil {
			t.Fatal(err)
		}
		got, err := b.look(t, bob, id)
		wantOwn := widget.Data{WidgetID: id, UserID: &bob.UserID, Data: own.Data, FetchedAt: at.Add(time.Minute), TTL: 60, From: widget.SourcePush}
		if diff := cmp.Diff(wantOwn, got); diff != "" || err != nil {
			t.Errorf("bob's own data: %v (-want +got):\n%s", err, diff)
		}
		if got, err := b.look(t, alice, id); err != nil || string(got.Data) != string(want.Data) {
			t.Errorf("alice's data = %s, %v; want the shared row", got.Data, err)
		}
		// Newer shared data does not displace the user's own.
		if _, err := b.PutData(t.Context(), alice, id, widget.Push{Data: json.RawMessage(`"new"`)}); err != nil {
			t.Fatal(err)
		}
		if got, err := b.look(t, bob, id); err != nil || string(got.Data) != `7` {
			t.Errorf("bob's data = %s, %v; want his own row", got.Data, err)
		}
	})
}

func TestStaleDataIsShown(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		id := b.add(t, widget.Widget{CreatedBy: bob.UserID}).ID
		at := b.stamp()
		if _, err := b.PutData(t.Context(), bob, id, widget.Push{Data: json.RawMessage(`1`), TTL: ptr[int64](10)}); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			pass  time.Duration
			stale bool
		}{{0, false}, {9 * time.Second, false}, {time.Second, true}, {time.Hour, true}} {
			b.pass(step.pass)
			d, err := b.look(t, bob, id)
			if err != nil || d.Stale != step.stale || !d.ExpiresAt().Equal(at.Add(10*time.Second)) || d.From != widget.SourcePush {
				t.Errorf("%v after: stale %v until %v, %v; want %v", b.clock().Sub(at), d.Stale, d.ExpiresAt(), err, step.stale)
			}
		}
	})
}

func TestImportedTTLs(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for ttl, want := range map[int64]time.Time{
		0: at, -5: at.Add(-5 * time.Second), 1<<63 - 1: at.Add((1<<31 - 1) * time.Second), -1 << 63: at.Add(-(1<<31 - 1) * time.Second),
	} {
		d := widget.Data{FetchedAt: at, TTL: ttl}
		if got := d.ExpiresAt(); !got.Equal(want) {
			t.Errorf("ExpiresAt with TTL %d = %v, want %v", ttl, got, want)
		}
	}
}

func TestBadPushes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		id := b.add(t, widget.Widget{CreatedBy: bob.UserID}).ID
		one := json.RawMessage(`1`)
		tests := []struct {
			push  widget.Push
			field string
		}{
			{widget.Push{}, "data"},
			{widget.Push{Data: json.RawMessage(`null`)}, "data"},
			{widget.Push{Data: one, TTL: ptr[int64](0)}, "cache_ttl"},
			{widget.Push{Data: one, TTL: ptr[int64](-1)}, "cache_ttl"},
			{widget.Push{Data: one, TTL: ptr[int64](1 << 31)}, "cache_ttl"},
			{widget.Push{Data: one, UserID: ptr[int64](987654)}, "user"},
		}
		for _, test := range tests {
			_, err := b.PutData(t.Context(), bob, id, test.push)
			if got := fieldsOf(t, err); len(got[test.field]) != 1 {
				t.Errorf("PutData(%+v): faults %v, want one of %s", test.push, got, test.field)
			}
		}
		if n := b.count(t, "widget_data"); n != 0 {
			t.Errorf("%d rows of data, want none", n)
		}
		// The widget went away between the look and the write.
		gone := widget.Data{WidgetID: 987654, Data: one, FetchedAt: b.stamp(), TTL: 1}
		wantErr(t, "shared data of no widget", b.Store.PutData(t.Context(), gone), widget.ErrNotFound)
		gone.UserID = &bob.UserID
		wantErr(t, "a user's data of no widget", b.Store.PutData(t.Context(), gone), widget.ErrNotFound)
		wantErr(t, "settings of no widget", b.Store.PutSettings(t.Context(), 987654, bob.UserID, one, b.stamp()), widget.ErrNotFound)
	})
}

func TestConcurrentPushesLeaveOneRow(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		id := b.add(t, widget.Widget{CreatedBy: bob.UserID}).ID
		var g errgroup.Group
		sent := map[string]bool{}
		for i := range 100 {
			data := fmt.Sprintf(`{"n":%d}`, i)
			sent[data] = true
			g.Go(func() error {
				_, err := b.PutData(t.Context(), bob, id, widget.Push{Data: json.RawMessage(data)})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if n := b.count(t, "widget_data"); n != 1 {
			t.Errorf("%d rows of data, want 1", n)
		}
		if d, err := b.look(t, bob, id); err != nil || !sent[string(d.Data)] {
			t.Errorf("Data = %s, %v; want one that was sent", d.Data, err)
		}
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice, bob := b.user(t, "alice", identity.Editor), b.user(t, "bob", identity.User)
		id := b.add(t, widget.Widget{CreatedBy: alice.UserID, IsPublic: true, ConfigSchema: json.RawMessage(
			`{"type":"object","required":["limit"],"properties":{"limit":{"type":"integer","minimum":1},"name":{"type":"string"}}}`)}).ID
		check := func(who identity.Actor, want string) {
			t.Helper()
			if got, err := b.Settings(t.Context(), who, id); err != nil || string(got) != want {
				t.Errorf("Settings of user %d = %s, %v; want %s", who.UserID, got, err, want)
			}
		}
		check(bob, `{}`)
		for _, config := range []string{`{"name":"x","limit":3}`, `{"limit":4}`} {
			if err := b.PutSettings(t.Context(), bob, id, json.RawMessage(config)); err != nil {
				t.Errorf("PutSettings(%s): %v", config, err)
			}
			check(bob, config)
		}
		check(alice, `{}`)

		for config, want := range map[string][]string{
			`{}`:                        {"limit"},
			`{"limit":0}`:               {"/limit: "},
			`{"limit":"many","name":1}`: {"/limit: ", "/name: "},
			`[]`:                        {"Settings are a JSON object."},
			`"limit"`:                   {"Settings are a JSON object."},
			`null`:                      {"Settings are a JSON object."},
			`{"limit":1,"x":"` + strings.Repeat("x", 1<<17) + `"}`: {"longer than"},
		} {
			got := fieldsOf(t, b.PutSettings(t.Context(), bob, id, json.RawMessage(config)))["config"]
			if len(got) != len(want) {
				t.Errorf("PutSettings(%.40s): faults %q, want %d", config, got, len(want))
				continue
			}
			for i := range want {
				if !strings.Contains(got[i], want[i]) {
					t.Errorf("PutSettings(%.40s): fault %q, want %q in it", config, got[i], want[i])
				}
			}
		}
		check(bob, `{"limit":4}`)
	})
}
