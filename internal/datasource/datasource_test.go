package datasource_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/seal"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
	"github.com/bdash/bdash/internal/widget"
)

// connector is a fake that tells what it was given.
type connector struct {
	mu     sync.Mutex
	report datasource.Report
	err    error
	conns  []datasource.Connection // of Fetch
	probes int
	hold   chan struct{} // Fetch waits for it when it is not nil
	inside chan struct{}
}

func (c *connector) Probe(context.Context, datasource.Connection) (datasource.Report, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probes++
	return c.report, c.err
}

func (c *connector) Fetch(ctx context.Context, conn datasource.Connection, _ widget.Ask) (widget.Frame, error) {
	c.mu.Lock()
	c.conns = append(c.conns, conn)
	c.mu.Unlock()
	if c.hold != nil {
		c.inside <- struct{}{}
		select {
		case <-c.hold:
		case <-ctx.Done():
			return widget.Frame{}, ctx.Err()
		}
	}
	return widget.Frame{Columns: []widget.Column{{Name: "one", Kind: widget.Integer, Values: []any{int64(1)}}}}, nil
}

func (c *connector) Uses(_ string, query []byte) (widget.Uses, error) {
	if string(query) == `{"bad":1}` {
		return widget.Uses{}, &widget.SourceError{Code: widget.CodeQuery, Message: "no"}
	}
	return widget.Uses{}, nil
}

type bundle struct {
	*datasource.Service
	db   *sqlstore.DB
	fake *connector

	mu  sync.Mutex
	now time.Time
}

func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
		b := &bundle{db: d, fake: &connector{}, now: time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC)}
		b.Service = &datasource.Service{Store: &sqlstore.Datasources{DB: d}, Connector: b.fake, Sealer: box(t, "one"), Now: b.clock}
		test(t, b)
	})
}

func box(t testing.TB, key string, fallbacks ...string) *seal.Box {
	t.Helper()
	b, err := seal.New(key, fallbacks...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bundle) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bundle) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *bundle) user(t testing.TB, name string, role identity.Role) identity.Actor {
	t.Helper()
	u, err := b.db.W().InsertUser(t.Context(), db.InsertUserParams{
		Username: name, Email: name + "@example.com", EmailKey: name + "@example.com", Password: "!",
		Role: string(role), Status: "active", IsActive: true, DateJoined: b.clock(), CreatedAt: b.clock(), UpdatedAt: b.clock(),
	})
	if err != nil {
		t.Fatalf("insert user %s: %v", name, err)
	}
	return identity.Actor{UserID: u.ID, Role: role, Status: identity.Active}
}

func ptr[T any](v T) *T { return &v }

// shop is a sound PostgreSQL data source.
func shop(name string) datasource.Draft {
	return datasource.Draft{Name: &name, Kind: ptr(widget.SourcePostgreSQL), Host: ptr("db.example.com"), Database: ptr("shop"),
		Username: ptr("reader"), Password: ptr("top-secret")}
}

func fieldsOf(t testing.TB, err error) map[string]string {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Invalid {
		t.Fatalf("error = %v, want a field fault", err)
	}
	fields := map[string]string{}
	for _, field := range f.Fields {
		fields[field.Name] = field.Message
	}
	return fields
}

func wantField(t testing.TB, what string, err error, field, words string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want one of %s", what, field)
		return
	}
	if fields := fieldsOf(t, err); !strings.Contains(fields[field], words) || fields[field] == "" {
		t.Errorf("%s: %v, want %s: …%s…", what, fields, field, words)
	}
}

func TestOnlyAdministrators(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "root", identity.Admin)
		d, err := b.Create(t.Context(), admin, shop("Shop"))
		if err != nil {
			t.Fatal(err)
		}
		byKey := admin
		byKey.KeyID, byKey.Scopes = 1, []identity.Scope{identity.ScopeRead, identity.ScopeWrite}
		for _, who := range []identity.Actor{{}, b.user(t, "ed", identity.Editor), b.user(t, "u", identity.User), byKey} {
			errs := make([]error, 7)
			_, errs[0] = b.List(t.Context(), who, page.Request{Number: 1, Size: 10})
			_, errs[1] = b.ByID(t.Context(), who, d.ID)
			_, errs[2] = b.Create(t.Context(), who, shop("Other"))
			_, errs[3] = b.Update(t.Context(), who, d.ID, datasource.Draft{})
			errs[4] = b.Delete(t.Context(), who, d.ID)
			_, errs[5] = b.Test(t.Context(), who, d.ID)
			_, errs[6] = b.Preview(t.Context(), who, d.ID, widget.Ask{})
			for i, err := range errs {
				if !errors.Is(err, datasource.ErrForbidden) {
					t.Errorf("%+v, deed %d: %v", who, i, err)
				}
			}
		}
	})
}

func TestLife(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "root", identity.Admin)
		made, err := b.Create(t.Context(), admin, shop("Shop"))
		if err != nil {
			t.Fatal(err)
		}
		stored, err := b.ByID(t.Context(), admin, made.ID)
		if diff := cmp.Diff(made, stored); diff != "" || err != nil {
			t.Errorf("stored, %v (-made +stored):\n%s", err, diff)
		}
		if !made.HasPassword || made.HasToken || strings.Contains(fmt.Sprintf("%+v", made), "top-secret") {
			t.Errorf("made: %+v", made)
		}
		_, err = b.Create(t.Context(), admin, shop("Shop"))
		wantField(t, "a taken name", err, "name", "already exists")
		b.pass(time.Minute)
		d := datasource.Draft{Name: ptr("Store"), EditorsAllowed: ptr(true), Port: ptr(ptr(int64(6432)))}
		_, err = b.Update(t.Context(), admin, made.ID, d)
		wantField(t, "moved without its password", err, "password", "Enter it again")
		d.Password = ptr("other-secret")
		changed, err := b.Update(t.Context(), admin, made.ID, d)
		if err != nil || changed.Version != 2 || changed.Settings.Port != 6432 || !changed.EditorsAllowed || !changed.UpdatedAt.After(made.UpdatedAt) {
			t.Errorf("changed: %+v, %v", changed, err)
		}
		list, err := b.List(t.Context(), admin, page.Request{Number: 1, Size: 10, Search: "sto"})
		if err != nil || len(list.Items) != 1 || list.Items[0].Sealed != "" || !list.Items[0].HasPassword || list.Items[0].Settings.Port != 6432 {
			t.Errorf("List = %+v, %v", list, err)
		}
		if _, err := b.Fetch(t.Context(), widget.Ask{DatasourceID: made.ID, Kind: widget.SourcePostgreSQL}); err != nil {
			t.Error(err)
		}
		if c := b.fake.conns[0]; c.Secrets.Password != "other-secret" || c.Settings.Port != 6432 || c.Kind != widget.SourcePostgreSQL {
			t.Errorf("connected with %+v", c)
		}
		// A widget that shows it keeps it.
		w, err := b.db.W().InsertWidget(t.Context(), db.InsertWidgetParams{Name: "W", WidgetType: "stats", ConfigSchema: "{}",
			CreatedBy: admin.UserID, Source: widget.SourcePostgreSQL, DatasourceID: &made.ID, CreatedAt: b.clock(), UpdatedAt: b.clock()})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(t.Context(), admin, made.ID); !errors.Is(err, datasource.ErrInUse) {
			t.Errorf("Delete of one in use: %v", err)
		}
		if _, err := b.db.W().DeleteWidget(t.Context(), w.ID); err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(t.Context(), admin, made.ID); err != nil {
			t.Error(err)
		}
		var gone *widget.SourceError
		if _, err := b.Fetch(t.Context(), widget.Ask{DatasourceID: made.ID}); !errors.As(err, &gone) || gone.Code != widget.CodeGone {
			t.Errorf("Fetch of a deleted one: %v", err)
		}
		for _, err := range []error{b.Delete(t.Context(), admin, made.ID), second(b.ByID(t.Context(), admin, made.ID)), second(b.Test(t.Context(), admin, made.ID))} {
			if !errors.Is(err, datasource.ErrNotFound) {
				t.Errorf("missing: %v", err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestFieldsOfKinds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "root", identity.Admin)
		cases := []struct {
			kind         string
			change       func(*datasource.Draft)
			field, words string
		}{
			{"postgresql", func(d *datasource.Draft) { d.Host = nil }, "host", "required"},
			{"postgresql", func(d *datasource.Draft) { d.Database = ptr("") }, "database", "required"},
			{"postgresql", func(d *datasource.Draft) { d.Host = ptr("db:5432") }, "host", "without port"},
			{"postgresql", func(d *datasource.Draft) { d.Host = ptr("/run/postgresql") }, "host", "host name"},
			{"mysql", func(d *datasource.Draft) { d.Host = ptr("a b") }, "host", "host name"},
			{"postgresql", func(d *datasource.Draft) { d.Path = ptr("x.db") }, "path", "no path"},
			{"postgresql", func(d *datasource.Draft) { d.CA = ptr("x") }, "ca", "PEM"},
			{"sqlite", func(*datasource.Draft) {}, "path", "required"},
			{"sqlite", func(d *datasource.Draft) { d.Path = ptr("../x.db") }, "path", "without \"..\""},
			{"sqlite", func(d *datasource.Draft) { d.Path = ptr("/etc/passwd") }, "path", "below"},
			{"sqlite", func(d *datasource.Draft) { d.Path, d.Host = ptr("x.db"), ptr("h") }, "host", "no host"},
			{"http", func(*datasource.Draft) {}, "url", "required"},
			{"http", func(d *datasource.Draft) { d.URL = ptr("ftp://x") }, "url", "http"},
			{"http", func(d *datasource.Draft) { d.URL = ptr("http://user:pw@x.example/") }, "url", "without user"},
			{"http", func(d *datasource.Draft) { d.URL = ptr("http://x.example/?a=b") }, "url", "query"},
			{"http", func(d *datasource.Draft) {
				d.URL, d.Headers = ptr("http://x.example"), &map[string]string{"X-A": "a\r\nb"}
			}, "headers", "X-A"},
			{"http", func(d *datasource.Draft) {
				d.URL, d.Headers = ptr("http://x.example"), &map[string]string{"Authorization": "x"}
			}, "headers", "not yours"},
			{"http", func(d *datasource.Draft) {
				d.URL, d.Token, d.Username = ptr("http://x.example"), ptr("t"), ptr("u")
			}, "token", "not both"},
			{"prometheus", func(d *datasource.Draft) { d.URL, d.TokenHeader = ptr("http://x.example"), ptr("X-Key") }, "token", "needs a token"},
			{"prometheus", func(d *datasource.Draft) { d.URL, d.Database = ptr("http://x.example"), ptr("d") }, "database", "no database"},
		}
		for _, c := range cases {
			d := datasource.Draft{Name: ptr("X"), Kind: &c.kind}
			if c.kind == "postgresql" || c.kind == "mysql" {
				d = shop("X")
				d.Kind = &c.kind
			}
			c.change(&d)
			_, err := b.Create(t.Context(), admin, d)
			wantField(t, c.kind, err, c.field, c.words)
		}
		made, err := b.Create(t.Context(), admin, shop("Shop"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Update(t.Context(), admin, made.ID, datasource.Draft{Kind: ptr("mysql")})
		wantField(t, "another kind", err, "kind", "cannot be changed")
	})
}

// What would send a secret elsewhere, or less safely, needs it again.
func TestSecretsDoNotMove(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "root", identity.Admin)
		made, err := b.Create(t.Context(), admin, shop("Shop"))
		if err != nil {
			t.Fatal(err)
		}
		for name, d := range map[string]datasource.Draft{
			"host": {Host: ptr("evil.example.com")}, "port": {Port: ptr(ptr(int64(1)))}, "tls": {TLS: ptr("off")}, "any certificate": {TLS: ptr("require")},
		} {
			_, err := b.Update(t.Context(), admin, made.ID, d)
			wantField(t, name, err, "password", "Enter it again")
		}
		if _, err := b.Update(t.Context(), admin, made.ID, datasource.Draft{Host: ptr("evil.example.com"), Password: ptr("")}); err != nil {
			t.Errorf("moved without a password: %v", err)
		}
		// Moved behind bdash's back: the secret does not open.
		back, err := b.Create(t.Context(), admin, shop("Back"))
		if err != nil {
			t.Fatal(err)
		}
		settings, _ := json.Marshal(datasource.Settings{Host: "evil.example.com", Database: "shop", Username: "reader", HasPassword: true})
		if _, err := b.db.WriteDBTX().Exec(t.Context(), "UPDATE datasources SET settings = $1 WHERE id = $2", string(settings), back.ID); err != nil {
			t.Fatal(err)
		}
		var refused *widget.SourceError
		if _, err := b.Fetch(t.Context(), widget.Ask{DatasourceID: back.ID}); !errors.As(err, &refused) || refused.Code != widget.CodeSettings {
			t.Errorf("Fetch = %v, want a refusal", err)
		}
		if len(b.fake.conns) != 0 {
			t.Errorf("connected with %+v", b.fake.conns)
		}
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "root", identity.Admin)
		var ids []int64
		for i := range 3 {
			d, err := b.Create(t.Context(), admin, shop(fmt.Sprintf("Shop %d", i)))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, d.ID)
		}
		b.Sealer = box(t, "two", "one")
		if n, err := b.Reseal(t.Context()); n != 3 || err != nil {
			t.Errorf("Reseal = %d, %v; want 3", n, err)
		}
		if n, err := b.Reseal(t.Context()); n != 0 || err != nil {
			t.Errorf("a second Reseal = %d, %v; want 0", n, err)
		}
		b.Sealer = box(t, "two")
		for _, id := range ids {
			if _, err := b.Fetch(t.Context(), widget.Ask{DatasourceID: id}); err != nil {
				t.Errorf("after the rotation: %v", err)
			}
		}
		b.Sealer = box(t, "three")
		if n, err := b.Reseal(t.Context()); n != 0 || !errors.Is(err, seal.ErrKey) {
			t.Errorf("Reseal without the key = %d, %v", n, err)
		}
		res, err := b.Test(t.Context(), admin, ids[0])
		if err != nil || res.Problem == nil || res.Problem.Code != widget.CodeSettings {
			t.Errorf("Test = %+v, %v", res, err)
		}
		// What is not secret can still be changed, and the secret entered again.
		if _, err := b.Update(t.Context(), admin, ids[0], datasource.Draft{Description: ptr("d")}); err != nil {
			t.Error(err)
		}
		_, err = b.Update(t.Context(), admin, ids[0], datasource.Draft{Database: ptr("d")})
		wantField(t, "an unknown key", err, "password", "not known any more")
		if _, err := b.Update(t.Context(), admin, ids[0], datasource.Draft{Password: ptr("new")}); err != nil {
			t.Error(err)
		}
		if _, err := b.Fetch(t.Context(), widget.Ask{DatasourceID: ids[0]}); err != nil {
			t.Errorf("entered again: %v", err)
		}
	})
}

func TestPrivilegedRoles(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "root", identity.Admin)
		b.fake.report.Privileges = []string{"files", "write"}
		_, err := b.Create(t.Context(), admin, shop("Shop"))
		wantField(t, "privileged", err, "confirm_privileged", `"files, write"`)
		d := shop("Shop")
		d.ConfirmPrivileged = ptr("write")
		_, err = b.Create(t.Context(), admin, d)
		wantField(t, "half confirmed", err, "confirm_privileged", `"files, write"`)
		d.ConfirmPrivileged = ptr("files, write")
		made, err := b.Create(t.Context(), admin, d)
		if err != nil {
			t.Fatal(err)
		}
		ask := widget.Ask{DatasourceID: made.ID}
		if _, err := b.Fetch(t.Context(), ask); err != nil {
			t.Errorf("confirmed: %v", err)
		}
		// More is granted later: found out within the hour.
		b.fake.report.Privileges = []string{"superuser", "files", "write"}
		if _, err := b.Fetch(t.Context(), ask); err != nil {
			t.Errorf("at once: %v", err)
		}
		b.pass(time.Hour)
		var refused *widget.SourceError
		if _, err := b.Fetch(t.Context(), ask); !errors.As(err, &refused) || refused.Code != widget.CodePrivileged {
			t.Errorf("an hour later: %v", err)
		}
		res, err := b.Test(t.Context(), admin, made.ID)
		if err != nil || res.Problem == nil || res.Problem.Code != widget.CodePrivileged || cmp.Diff([]string{"superuser"}, res.Unconfirmed) != "" {
			t.Errorf("Test = %+v, %v", res, err)
		}
		// Not reachable when it was saved: looked at before its first use.
		b.fake.err = &widget.SourceError{Code: widget.CodeRefused, Message: "away"}
		away, err := b.Create(t.Context(), admin, shop("Away"))
		if err != nil {
			t.Fatal(err)
		}
		b.fake.err = nil
		if _, err := b.Fetch(t.Context(), widget.Ask{DatasourceID: away.ID}); !errors.As(err, &refused) || refused.Code != widget.CodePrivileged {
			t.Errorf("saved while it was away: %v", err)
		}
		b.fake.err = &widget.SourceError{Code: widget.CodeBlocked, Message: "no", Detail: "10.0.0.1 is not a public address"}
		_, err = b.Create(t.Context(), admin, shop("Inside"))
		wantField(t, "blocked", err, "host", "10.0.0.1")
	})
}

// A dashboard of many widgets does not take all connections of a database.
func TestFewAtATime(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "root", identity.Admin)
		made, err := b.Create(t.Context(), admin, shop("Shop"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Fetch(t.Context(), widget.Ask{DatasourceID: made.ID}); err != nil { // looked at
			t.Fatal(err)
		}
		b.fake.hold, b.fake.inside = make(chan struct{}), make(chan struct{}, 100)
		var group errgroup.Group
		for range 20 {
			group.Go(func() error { return second(b.Fetch(t.Context(), widget.Ask{DatasourceID: made.ID})) })
		}
		for range 4 {
			<-b.fake.inside
		}
		// A fifth has to wait, and gives up at its time-out.
		var late *widget.SourceError
		_, err = b.Fetch(t.Context(), widget.Ask{DatasourceID: made.ID, Limits: widget.Limits{Timeout: 20 * time.Millisecond}})
		if !errors.As(err, &late) || late.Code != widget.CodeTimeout || len(b.fake.inside) != 0 {
			t.Errorf("the fifth: %v, %d inside", err, len(b.fake.inside))
		}
		close(b.fake.hold)
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// Two administrators change different fields: neither change is lost.
func TestConcurrentChanges(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "root", identity.Admin)
		made, err := b.Create(t.Context(), admin, shop("Shop"))
		if err != nil {
			t.Fatal(err)
		}
		retry := func(d datasource.Draft) error {
			for {
				_, err := b.Update(t.Context(), admin, made.ID, d)
				if !errors.Is(err, datasource.ErrChanged) {
					return err
				}
			}
		}
		var group errgroup.Group
		group.Go(func() error { return retry(datasource.Draft{Description: ptr("d")}) })
		group.Go(func() error { return retry(datasource.Draft{EditorsAllowed: ptr(true)}) })
		group.Go(func() error { return retry(datasource.Draft{Username: ptr("other")}) })
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		got, err := b.ByID(t.Context(), admin, made.ID)
		if err != nil || got.Description != "d" || !got.EditorsAllowed || got.Settings.Username != "other" || got.Version != 4 {
			t.Errorf("after all: %+v, %v", got, err)
		}
	})
}

func TestPreview(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		admin := b.user(t, "root", identity.Admin)
		made, err := b.Create(t.Context(), admin, shop("Shop"))
		if err != nil {
			t.Fatal(err)
		}
		if f, err := b.Preview(t.Context(), admin, made.ID, widget.Ask{Query: json.RawMessage(`{}`)}); err != nil || f.Rows() != 1 {
			t.Errorf("Preview = %+v, %v", f, err)
		}
		var refused *widget.SourceError
		if _, err := b.Preview(t.Context(), admin, made.ID, widget.Ask{Query: json.RawMessage(`{"bad":1}`)}); !errors.As(err, &refused) || len(b.fake.conns) != 1 {
			t.Errorf("a bad query: %v after %d connections", err, len(b.fake.conns))
		}
		if f, err := b.Fetch(t.Context(), widget.Ask{Kind: widget.SourceStatic}); err != nil || f.Rows() != 1 {
			t.Errorf("a built-in kind: %v", err)
		}
	})
}
