package widget_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/jsonschema"
	"github.com/bdash/bdash/internal/widget"
)

const (
	badKey    = "Enter a key of 1 to 100 lower-case letters, digits and hyphens."
	noSchema  = "A JSON Schema is an object or a boolean."
	badSchema = "Not a valid JSON Schema: "
)

func TestKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		for _, key := range []string{"", "Revenue", "a b", "a_b", "ä", "a\x00", strings.Repeat("k", 101)} {
			d := draft("Bad key")
			d.Key = keyed(key)
			_, err := b.Create(t.Context(), bob, d)
			if diff := cmp.Diff(map[string][]string{"key": {badKey}}, fieldsOf(t, err)); diff != "" {
				t.Errorf("Create with key %q (-want +got):\n%s", key, diff)
			}
		}
		for _, key := range []string{"total-revenue", "-", "0", strings.Repeat("k", 100)} {
			d := draft("Good key")
			d.Key = keyed(key)
			if w, err := b.Create(t.Context(), bob, d); err != nil || w.Key == nil || *w.Key != key {
				t.Errorf("Create with key %q = %v, %v", key, w.Key, err)
			}
		}
	})
}

func TestKeysAreUnique(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice, bob := b.user(t, "alice", identity.User), b.user(t, "bob", identity.User)
		d := draft("First")
		d.Key = keyed("total-revenue")
		first, err := b.Create(t.Context(), alice, d)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string][]string{"key": {widget.ErrKeyTaken.Message}}
		_, err = b.Create(t.Context(), bob, d)
		if diff := cmp.Diff(want, fieldsOf(t, err)); diff != "" {
			t.Errorf("Create with a taken key (-want +got):\n%s", diff)
		}
		second, err := b.Create(t.Context(), bob, draft("Second"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Update(t.Context(), bob, second.ID, widget.Draft{Key: keyed("total-revenue")})
		if diff := cmp.Diff(want, fieldsOf(t, err)); diff != "" {
			t.Errorf("Update to a taken key (-want +got):\n%s", diff)
		}
		if w, err := b.Update(t.Context(), alice, first.ID, widget.Draft{Key: ptr[*string](nil)}); err != nil || w.Key != nil {
			t.Fatalf("Update without key = %v, %v", w.Key, err)
		}
		if w, err := b.Update(t.Context(), bob, second.ID, widget.Draft{Key: keyed("total-revenue")}); err != nil || w.Key == nil {
			t.Errorf("Update to the free key = %v, %v", w.Key, err)
		}
	})
}

func TestConfigSchemas(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		tests := []struct{ schema, want string }{
			{`{}`, ""},
			{`true`, ""},
			{`false`, ""},
			{`{"type":"object","n":0,"properties":{"b":{},"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"type":"string"}}}`, ""},
			{`[]`, noSchema},
			{`"object"`, noSchema},
			{`7`, noSchema},
			{`null`, noSchema},
			{`{"type":"robot"}`, badSchema},
			{`{"properties":[]}`, badSchema},
			{`{"$ref":"https://example.com/schema.json"}`, badSchema},
			{`{"$ref":"file:///etc/passwd"}`, badSchema},
			{`{"pattern":"("}`, badSchema},
			{`{"title":"` + strings.Repeat("x", jsonschema.MaxSchema) + `"}`, badSchema},
		}
		for _, test := range tests {
			d := draft("Schema")
			d.ConfigSchema = json.RawMessage(test.schema)
			w, err := b.Create(t.Context(), bob, d)
			name := test.schema[:min(len(test.schema), 60)]
			if test.want == "" {
				if err != nil || string(w.ConfigSchema) != test.schema {
					t.Errorf("Create(%s) = %s, %v", name, w.ConfigSchema, err)
				}
				continue
			}
			got := fieldsOf(t, err)["config_schema"]
			if len(got) != 1 || !strings.HasPrefix(got[0], test.want) {
				t.Errorf("Create(%s): faults %q, want one that begins with %q", name, got, test.want)
			}
		}
		both := draft("Both")
		both.ConfigSchema, both.Key, both.IsPublic = json.RawMessage(`[]`), keyed("A"), ptr(true)
		_, err := b.Create(t.Context(), bob, both)
		want := map[string][]string{"config_schema": {noSchema}, "key": {badKey}, "is_public": {"Only editors and administrators can publish widgets."}}
		if diff := cmp.Diff(want, fieldsOf(t, err)); diff != "" {
			t.Errorf("Create with three faults (-want +got):\n%s", diff)
		}
	})
}

// An imported schema may be anything: it stays until it is written, and takes
// no settings.
func TestImportedSchemasStay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		w := b.add(t, widget.Widget{CreatedBy: bob.UserID, ConfigSchema: json.RawMessage(`["not","a","schema"]`)})
		b.pass(1e9)
		changed, err := b.Update(t.Context(), bob, w.ID, widget.Draft{Name: ptr("Renamed"), Description: ptr("new")})
		w.Name, w.Description, w.UpdatedAt = "Renamed", "new", b.stamp()
		if diff := cmp.Diff(w, changed); diff != "" || err != nil {
			t.Errorf("Update: %v (-want +got):\n%s", err, diff)
		}
		if got := fieldsOf(t, b.PutSettings(t.Context(), bob, w.ID, json.RawMessage(`{}`)))["config"]; len(got) != 1 {
			t.Errorf("PutSettings: faults %q, want one", got)
		}
		if _, err := b.Update(t.Context(), bob, w.ID, widget.Draft{ConfigSchema: json.RawMessage(`true`)}); err != nil {
			t.Errorf("Update with a schema: %v", err)
		}
		if err := b.PutSettings(t.Context(), bob, w.ID, json.RawMessage(`{}`)); err != nil {
			t.Errorf("PutSettings: %v", err)
		}
	})
}

// Changes of different fields at the same time are all kept.
func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.Editor)
		id := b.add(t, widget.Widget{CreatedBy: bob.UserID}).ID
		changes := []widget.Draft{
			{Name: ptr("N")}, {WidgetType: ptr("chart")}, {Description: ptr("D")}, {Key: keyed("k")},
			{IsPublic: ptr(true)}, {ConfigSchema: json.RawMessage(`true`)},
		}
		var g errgroup.Group
		for _, change := range changes {
			g.Go(func() error {
				_, err := b.Update(t.Context(), bob, id, change)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		got, err := b.Visible(t.Context(), bob, id)
		want := widget.Widget{
			ID: id, Key: ptr("k"), Name: "N", WidgetType: "chart", Description: "D", ConfigSchema: json.RawMessage(`true`),
			IsPublic: true, CreatedBy: bob.UserID, CreatedAt: b.stamp(), UpdatedAt: b.stamp(), Source: widget.SourcePush,
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("after all changes: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestDeleteTakesDataAndSettingsAlong(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		id := b.add(t, widget.Widget{CreatedBy: bob.UserID}).ID
		for _, user := range []*int64{nil, &bob.UserID} {
			if _, err := b.PutData(t.Context(), bob, id, widget.Push{Data: json.RawMessage(`1`), UserID: user}); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.PutSettings(t.Context(), bob, id, json.RawMessage(`{}`)); err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(t.Context(), bob, id); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		wantErr(t, "Delete again", b.Delete(t.Context(), bob, id), widget.ErrNotFound)
		for _, table := range []string{"widgets", "widget_data", "widget_settings"} {
			if n := b.count(t, table); n != 0 {
				t.Errorf("%s holds %d rows, want none", table, n)
			}
		}
	})
}

func TestAnOwnerWhoIsGone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		nobody := identity.Actor{UserID: 987654, Role: identity.Editor, Status: identity.Active}
		_, err := b.Create(t.Context(), nobody, draft("Orphan"))
		wantErr(t, "Create", err, widget.ErrNotFound)
	})
}

func TestKnown(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice, bob := b.user(t, "alice", identity.Admin), b.user(t, "bob", identity.User)
		public := b.add(t, widget.Widget{CreatedBy: alice.UserID, IsPublic: true, Key: ptr("public")})
		hidden := b.add(t, widget.Widget{CreatedBy: alice.UserID, Key: ptr("hidden")})
		own := b.add(t, widget.Widget{CreatedBy: bob.UserID, Key: ptr("own"), ConfigSchema: json.RawMessage(`true`)})
		plain := b.add(t, widget.Widget{CreatedBy: bob.UserID})

		ids := []int64{-1, 0, plain.ID, hidden.ID, own.ID, own.ID, 1 << 62}
		for i := range int64(700) { // more than one statement's worth
			ids = append(ids, 100_000+i)
		}
		ids = append(ids, public.ID)
		keys := []string{"own", "hidden", "OWN", "", "a\x00b", "\xff", "missing"}
		got, err := b.Known(t.Context(), bob, ids, keys)
		if diff := cmp.Diff([]widget.Widget{public, own, plain}, got); diff != "" || err != nil {
			t.Errorf("Known: %v (-want +got):\n%s", err, diff)
		}
		got, err = b.Known(t.Context(), bob, nil, []string{"public", "hidden"})
		if diff := cmp.Diff([]widget.Widget{public}, got); diff != "" || err != nil {
			t.Errorf("Known by key: %v (-want +got):\n%s", err, diff)
		}
		if got, err := b.Known(t.Context(), bob, nil, nil); err != nil || got == nil || len(got) != 0 {
			t.Errorf("Known of nothing = %v, %v; want an empty list", got, err)
		}
	})
}

func TestPaging(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob", identity.User)
		for i := range 5 {
			b.add(t, widget.Widget{Name: fmt.Sprint(i), CreatedBy: bob.UserID})
		}
		res, err := b.List(t.Context(), bob, pageOf(3, 2))
		if err != nil || res.Count != 5 || len(res.Items) != 1 || res.Items[0].Name != "4" {
			t.Errorf("page 3 of 2 = %v, %v", res, err)
		}
	})
}
