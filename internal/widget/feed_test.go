package widget_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/widget"
)

// fakeSources takes every query but {"bad":…}, and knows the data sources that
// are in it.
type fakeSources map[int64]widget.Datasource

func (fakeSources) Fetch(context.Context, widget.Ask) (widget.Frame, error) {
	return widget.Frame{}, nil
}

func (fakeSources) Uses(_ string, query json.RawMessage) (widget.Uses, error) {
	if strings.Contains(string(query), `"bad"`) {
		return widget.Uses{}, &widget.SourceError{Code: widget.CodeQuery, Message: "no", Detail: `unknown member "bad"`}
	}
	return widget.Uses{}, nil
}

func (f fakeSources) Datasource(_ context.Context, id int64) (widget.Datasource, error) {
	d, ok := f[id]
	if !ok {
		return d, fault.New(fault.NotFound, "datasource.not_found", "Not found.")
	}
	return d, nil
}

// datasource stores a row that widgets may point to, and makes it known.
func (b *bundle) datasource(t testing.TB, owner identity.Actor, name string, editors bool) int64 {
	t.Helper()
	row, err := b.db.W().InsertDatasource(t.Context(), db.InsertDatasourceParams{
		Name: name, Kind: widget.SourceHTTP, Settings: "{}", EditorsAllowed: editors, CreatedBy: owner.UserID,
		CreatedAt: b.clock(), UpdatedAt: b.clock(),
	})
	if err != nil {
		t.Fatal(err)
	}
	known, ok := b.Datasources.(fakeSources)
	if !ok {
		known = fakeSources{}
		b.Datasources, b.Sources = known, known
	}
	known[row.ID] = widget.Datasource{ID: row.ID, Kind: widget.SourceHTTP, EditorsAllowed: editors}
	return row.ID
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func TestWhoMayUseWhichSource(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "root", identity.Admin)
		open, closed := b.datasource(t, admin, "open", true), b.datasource(t, admin, "closed", false)
		drafts := map[string]widget.Draft{
			"push":   {Source: ptr(widget.SourcePush)},
			"static": {Source: ptr(widget.SourceStatic), Query: raw(`{"rows":[]}`)},
			"bdash":  {Source: ptr(widget.SourceBdash), Query: raw(`{"figure":"users"}`)},
			"open":   {Datasource: ptr(&open), Query: raw(`{}`)},
			"closed": {Datasource: ptr(&closed), Query: raw(`{}`)},
		}
		allowed := map[identity.Role]string{
			identity.Admin: "push static bdash open closed", identity.Editor: "push static open", identity.User: "push static",
		}
		for role, may := range allowed {
			actor := b.user(t, "a-"+string(role), role)
			own, err := b.Create(t.Context(), actor, draft("Own "+string(role)))
			if err != nil {
				t.Fatal(err)
			}
			for name, d := range drafts {
				want := strings.Contains(" "+may+" ", " "+name+" ")
				if _, err := b.Update(t.Context(), actor, own.ID, d); (err == nil) != want {
					t.Errorf("%s takes %s: %v", role, name, err)
				}
				d.Name, d.WidgetType = ptr("New"), ptr("stats")
				if _, err := b.Create(t.Context(), actor, d); (err == nil) != want {
					t.Errorf("%s makes a widget of %s: %v", role, name, err)
				}
			}
		}
	})
}

func TestFeedIsChecked(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "root", identity.Admin)
		id := b.datasource(t, admin, "shop", false)
		nobody, missing := (*int64)(nil), int64(4711)
		cases := []struct {
			name string
			d    widget.Draft
			want map[string][]string
		}{
			{"no query", widget.Draft{Datasource: ptr(&id)}, map[string][]string{"query": {"This source needs a query."}}},
			{"a list", widget.Draft{Datasource: ptr(&id), Query: raw(`[]`)}, map[string][]string{"query": {"Expected a JSON object."}}},
			{"refused", widget.Draft{Datasource: ptr(&id), Query: raw(`{"bad":1}`)}, map[string][]string{"query": {`unknown member "bad"`}}},
			{"missing", widget.Draft{Datasource: ptr(&missing), Query: raw(`{}`)}, map[string][]string{"datasource": {"object does not exist."}}},
			{"kind", widget.Draft{Datasource: ptr(&id), Source: ptr("mysql"), Query: raw(`{}`)}, map[string][]string{"source": {"The data source is of another kind."}}},
			{"nameless", widget.Draft{Source: ptr("mysql"), Query: raw(`{}`)}, map[string][]string{"source": {"Name a data source of this kind in datasource."}}},
			{"push asks", widget.Draft{Datasource: ptr(nobody), Query: raw(`{}`)}, map[string][]string{"query": {"A widget whose data is pushed has no query."}}},
			{"long", widget.Draft{Source: ptr("static"), Query: raw(`{"a":"` + strings.Repeat("x", widget.MaxQuery) + `"}`)}, map[string][]string{"query": {"Ensure this value has at most 65536 bytes."}}},
			{"mapping", widget.Draft{Mapping: raw(`3`)}, map[string][]string{"mapping": {"Expected a JSON object."}}},
			{"often", widget.Draft{RefreshEvery: ptr(ptr(int64(1)))}, map[string][]string{"refresh_every": {"Ensure this value is between 30 and 604800."}}},
			{"ttl", widget.Draft{CacheTTL: ptr(ptr(int64(0)))}, map[string][]string{"cache_ttl": {"Ensure this value is between 1 and 2147483647."}}},
			{"variant", widget.Draft{Variant: ptr(ptr("list"))}, map[string][]string{"variant": {`A widget of the type stats has no variant "list".`}}},
		}
		for _, c := range cases {
			c.d.Name, c.d.WidgetType = ptr("W"), ptr("stats")
			_, err := b.Create(t.Context(), admin, c.d)
			if diff := cmp.Diff(c.want, fieldsOf(t, err)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
		}
	})
}

func TestFeedIsKeptAndTakenAway(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "root", identity.Admin)
		editor := b.user(t, "ed", identity.Editor)
		id := b.datasource(t, admin, "shop", true)
		d := draft("Sales")
		d.WidgetType, d.Variant = ptr("chart"), ptr(ptr("chart-bar"))
		d.Datasource, d.Query, d.Mapping = ptr(&id), raw(`{"sql":"SELECT 1"}`), raw(`{"x":"day"}`)
		d.CacheTTL, d.RefreshEvery = ptr(ptr(int64(60))), ptr(ptr(int64(600)))
		made, err := b.Create(t.Context(), editor, d)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := b.Visible(t.Context(), editor, made.ID)
		if diff := cmp.Diff(made, stored); diff != "" || err != nil {
			t.Errorf("stored widget, %v (-made +stored):\n%s", err, diff)
		}
		if made.Source != widget.SourceHTTP || made.DatasourceID == nil || *made.DatasourceID != id {
			t.Errorf("source = %q, data source %v", made.Source, made.DatasourceID)
		}
		// Closed to editors meanwhile: the widget goes on, its query stays.
		b.Datasources.(fakeSources)[id] = widget.Datasource{ID: id, Kind: widget.SourceHTTP}
		if _, err := b.Update(t.Context(), editor, made.ID, widget.Draft{Name: ptr("Renamed"), Datasource: ptr(&id), Query: made.Query}); err != nil {
			t.Errorf("sent back as it was: %v", err)
		}
		if _, err := b.Update(t.Context(), editor, made.ID, widget.Draft{Query: raw(`{"sql":"SELECT 2"}`)}); err == nil {
			t.Error("the query was changed without the right to")
		}
		none := (*int64)(nil)
		gone, err := b.Update(t.Context(), editor, made.ID, widget.Draft{
			Datasource: ptr(none), Mapping: raw(`null`), Variant: ptr((*string)(nil)), RefreshEvery: ptr(none)})
		if err != nil || gone.Source != widget.SourcePush || gone.DatasourceID != nil || gone.Query != nil || gone.Mapping != nil ||
			gone.Variant != nil || gone.RefreshEvery != nil {
			t.Errorf("taken away: %+v, %v", gone, err)
		}
	})
}
