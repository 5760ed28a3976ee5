package app_test

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

// Who asks, in the order of the columns of who.
var actors = []string{"nobody", "user", "editor", "admin", "inactive", "pending", "read key", "write key", "admin's key", "admin's key with scope admin"}

// who says what each actor is answered; + stands for what the line says. The
// account of "inactive" was deactivated after it had signed in.
//
//	nobody user editor admin inactive pending key(r) key(rw) adminkey adminkey+admin
type who string

const (
	anyone    who = "+   +   +   +   +   +   +   +   +   +"   // credentials are not looked at
	open      who = "+   +   +   +   401 +   403 +   +   +"   // bad credentials are refused
	reads     who = "401 +   +   +   401 +   +   +   +   +"   // GET of own things
	writes    who = "401 +   +   +   401 +   403 +   +   +"   // and the other methods
	byHand    who = "401 +   +   +   401 +   403 403 403 403" // never by a key
	admins    who = "401 403 403 +   401 403 403 403 403 +"
	actives   who = "401 +   +   +   401 403 403 +   +   +"
	openReads who = "+   +   +   +   401 +   +   +   +   +"
)

// line is what is expected of one method of one view.
type line struct {
	call   string // method and path
	object string // what the path names: a key of objects
	ok     int    // + in who
	who    who
	body   string // {word} is filled in, see cast.fill
	// foreign is who for somebody else's object, with 200 for +. "" is who
	// with 404 for +; "none" when nobody owns the object.
	foreign who
	// stream: the answer does not end by itself; only its status is looked at.
	stream bool
}

// matrix is every method of every view, written by hand.
var matrix = []line{
	{call: "GET ", ok: 200, who: reads},

	{call: "POST auth/register/", ok: 201, who: open, body: `{"email":"{new}","password":"{password}","password_confirm":"{password}"}`},
	{call: "POST auth/login/", ok: 200, who: open, body: `{"email":"{email}","password":"{password}"}`},
	{call: "POST auth/token/", ok: 200, who: anyone, body: `{"username":"{email}","password":"{password}"}`},
	{call: "POST auth/refresh/", ok: 200, who: anyone, body: `{"refresh":"{refresh}"}`},
	{call: "POST auth/verify/", ok: 200, who: anyone, body: `{"token":"{access}"}`},
	{call: "GET auth/me/", ok: 200, who: reads},
	{call: "PATCH auth/me/", ok: 200, who: writes, body: `{"bio":"x"}`},
	{call: "POST auth/logout/", ok: 200, who: byHand},
	{call: "POST auth/change-password/", ok: 200, who: byHand, body: `{"old_password":"{password}","new_password":"another-{password}"}`},
	{call: "POST auth/password-reset/", ok: 200, who: open, body: `{"email":"{email}"}`},
	{call: "POST auth/password-reset/confirm/", ok: 200, who: open, body: `{"token":"{reset}","new_password":"another-{password}"}`},
	{call: "POST auth/verify-email/", ok: 200, who: open, body: `{"token":"{verify}"}`},
	{call: "POST auth/resend-verification/", ok: 200, who: writes},
	{call: "GET auth/sessions/", ok: 200, who: byHand},
	{call: "DELETE auth/sessions/{id}/", object: "session", ok: 204, who: byHand},
	{call: "GET auth/api-keys/", ok: 200, who: byHand},
	{call: "POST auth/api-keys/", ok: 201, who: byHand, body: `{"name":"k","scopes":["read"]}`},
	{call: "DELETE auth/api-keys/{id}/", object: "key", ok: 204, who: byHand},
	{call: "POST auth/ticket/", ok: 201, who: byHand},

	{call: "GET users/", ok: 200, who: admins},
	{call: "POST users/", ok: 201, who: admins, body: `{"email":"{new}","password":"{password}"}`},
	{call: "GET users/{id}/", object: "user", ok: 200, who: admins, foreign: admins},
	{call: "PATCH users/{id}/", object: "user", ok: 200, who: admins, body: `{"first_name":"x"}`, foreign: admins},
	{call: "DELETE users/{id}/", object: "user", ok: 204, who: admins, foreign: "401 403 403 204 401 403 403 403 403 204"},

	{call: "GET themes/", ok: 200, who: reads},
	{call: "POST themes/", ok: 201, who: writes, body: `{"name":"t","color_mode":"dark"}`},
	{call: "GET themes/active/", ok: 404, who: reads},
	{call: "PUT themes/active/", ok: 200, who: writes, body: `{"theme_id":-1}`},
	{call: "POST themes/import_theme/", ok: 201, who: writes, body: `{"name":"i","color_mode":"dark"}`},
	{call: "GET themes/{id}/", object: "theme", ok: 200, who: reads},
	{call: "PUT themes/{id}/", object: "theme", ok: 200, who: writes, body: `{"name":"p","color_mode":"dark"}`},
	{call: "PATCH themes/{id}/", object: "theme", ok: 200, who: writes, body: `{"name":"p"}`},
	{call: "DELETE themes/{id}/", object: "theme", ok: 204, who: writes},
	{call: "POST themes/{id}/set_active/", object: "theme", ok: 200, who: writes},
	{call: "GET themes/{id}/export/", object: "theme", ok: 200, who: reads},
	{call: "GET themes/{id}/", object: "built-in theme", ok: 200, who: reads, foreign: "none"},
	{call: "PUT themes/{id}/", object: "built-in theme", ok: 403, who: writes, body: `{"name":"p","color_mode":"dark"}`, foreign: "none"},
	{call: "PATCH themes/{id}/", object: "built-in theme", ok: 403, who: writes, body: `{"name":"p"}`, foreign: "none"},
	{call: "DELETE themes/{id}/", object: "built-in theme", ok: 403, who: writes, foreign: "none"},
	{call: "POST themes/{id}/set_active/", object: "built-in theme", ok: 200, who: writes, foreign: "none"},
	{call: "GET themes/{id}/export/", object: "built-in theme", ok: 200, who: reads, foreign: "none"},

	{call: "GET dashboard/views/", ok: 200, who: reads},
	{call: "POST dashboard/views/", ok: 201, who: writes, body: `{"name":"v"}`},
	{call: "GET dashboard/views/{id}/", object: "view", ok: 200, who: reads},
	{call: "PUT dashboard/views/{id}/", object: "view", ok: 200, who: writes, body: `{"name":"v"}`},
	{call: "PATCH dashboard/views/{id}/", object: "view", ok: 200, who: writes, body: `{"name":"v"}`},
	{call: "DELETE dashboard/views/{id}/", object: "view", ok: 204, who: writes},
	{call: "POST dashboard/views/{id}/set_active/", object: "view", ok: 200, who: writes},
	{call: "GET dashboard/views/{id}/data/", object: "view", ok: 200, who: reads},
	{call: "POST dashboard/views/{id}/duplicate/", object: "view", ok: 201, who: writes},
	{call: "GET dashboard/views/{id}/revisions/", object: "view", ok: 200, who: reads},
	{call: "GET dashboard/views/{id}/revisions/{number}/", object: "view", ok: 200, who: reads},
	{call: "GET dashboard/views/{id}/revisions/{number}/diff/", object: "view", ok: 200, who: reads},
	{call: "POST dashboard/views/{id}/revisions/{number}/restore/", object: "view", ok: 200, who: writes},
	{call: "GET dashboard/views/{id}/export/", object: "view", ok: 200, who: reads},
	{call: "POST dashboard/views/import/", ok: 201, who: writes, body: `{"format":"bdash.view","version":1,"view":{"name":"v","widgets_config":[]}}`},
	{call: "POST dashboard/views/import/", ok: 201, who: actives, body: `{"format":"bdash.view","version":1,"view":{"name":"v","widgets_config":[{"widget_id":1,"instance_id":"a","position":{"x":0,"y":0,"width":1,"height":1}}]},"widgets":[{"id":1,"name":"foreign","widget_type":"stats"}]}`},
	{call: "GET dashboard/views/{id}/share/", object: "view", ok: 200, who: reads},
	{call: "POST dashboard/views/{id}/share/", object: "view", ok: 201, who: writes},
	{call: "DELETE dashboard/views/{id}/share/{share_id}/", object: "shared view", ok: 204, who: writes},
	{call: "GET share/{token}/", object: "shared link", ok: 200, who: "+ + + + 404 + + + + +", foreign: anyone},
	{call: "GET dashboard/layout/", ok: 200, who: reads},
	{call: "PUT dashboard/layout/", ok: 200, who: writes, body: `{"widgets_config":[]}`},
	{call: "GET dashboard/defaults/{role}/", object: "role", ok: 200, who: reads, foreign: "none"},
	{call: "PUT dashboard/defaults/{role}/", object: "role", ok: 200, who: admins, body: `{"widgets_config":[]}`, foreign: "none"},
	{call: "GET user/preferences/", ok: 200, who: reads},
	{call: "PUT user/preferences/", ok: 200, who: writes, body: `{"locale":"fr"}`},
	{call: "PATCH user/preferences/", ok: 200, who: writes, body: `{"locale":"fr"}`},
	{call: "GET dashboard/preferences/", ok: 200, who: reads},
	{call: "PUT dashboard/preferences/", ok: 200, who: writes, body: `{"locale":"fr"}`},
	{call: "PATCH dashboard/preferences/", ok: 200, who: writes, body: `{"locale":"fr"}`},

	{call: "GET widgets/", ok: 200, who: reads},
	{call: "POST widgets/", ok: 201, who: actives, body: `{"name":"w","widget_type":"stats"}`},
	{call: "POST widgets/", ok: 201, who: "401 400 + + 401 403 403 400 + +", body: `{"name":"w","widget_type":"stats","is_public":true}`},
	{call: "GET widgets/shapes/", ok: 200, who: reads},
	{call: "GET widgets/{id}/", object: "private widget", ok: 200, who: reads},
	{call: "PATCH widgets/{id}/", object: "private widget", ok: 200, who: writes, body: `{"name":"p"}`, foreign: "401 404 404 200 401 404 403 404 200 200"},
	{call: "DELETE widgets/{id}/", object: "private widget", ok: 204, who: writes, foreign: "401 404 404 204 401 404 403 404 204 204"},
	{call: "GET widgets/{id}/data/", object: "private widget", ok: 200, who: reads},
	{call: "PUT widgets/{id}/data/", object: "private widget", ok: 200, who: writes, body: `{"data":1}`, foreign: "401 404 404 200 401 404 403 404 200 200"},
	{call: "POST widgets/{id}/refresh/", object: "private widget", ok: 200, who: writes},
	{call: "GET widgets/{id}/config/", object: "private widget", ok: 200, who: reads},
	{call: "PUT widgets/{id}/config/", object: "private widget", ok: 200, who: writes, body: `{"config":{}}`},
	{call: "GET widgets/{id}/", object: "public widget", ok: 200, who: reads, foreign: reads},
	{call: "PATCH widgets/{id}/", object: "public widget", ok: 200, who: writes, body: `{"name":"p"}`, foreign: "401 403 403 200 401 403 403 403 200 200"},
	{call: "DELETE widgets/{id}/", object: "public widget", ok: 204, who: writes, foreign: "401 403 403 204 401 403 403 403 204 204"},
	{call: "GET widgets/{id}/data/", object: "public widget", ok: 200, who: reads, foreign: reads},
	{call: "PUT widgets/{id}/data/", object: "public widget", ok: 200, who: writes, body: `{"data":1}`, foreign: "401 403 403 200 401 403 403 403 200 200"},
	{call: "POST widgets/{id}/refresh/", object: "public widget", ok: 200, who: writes, foreign: writes},
	{call: "GET widgets/{id}/config/", object: "public widget", ok: 200, who: reads, foreign: reads},
	{call: "PUT widgets/{id}/config/", object: "public widget", ok: 200, who: writes, body: `{"config":{}}`, foreign: writes},

	{call: "GET datasources/", ok: 200, who: admins},
	{call: "POST datasources/", ok: 201, who: admins, body: `{"name":"{new}","kind":"http","url":"http://127.0.0.1:9/"}`},
	{call: "GET datasources/{id}/", object: "data source", ok: 200, who: admins, foreign: "none"},
	{call: "PATCH datasources/{id}/", object: "data source", ok: 200, who: admins, body: `{"description":"x"}`, foreign: "none"},
	{call: "DELETE datasources/{id}/", object: "data source", ok: 204, who: admins, foreign: "none"},
	{call: "POST datasources/{id}/test/", object: "data source", ok: 200, who: admins, foreign: "none"},
	{call: "POST datasources/{id}/preview/", object: "data source", ok: 502, who: admins, body: `{"query":{}}`, foreign: "none"},

	{call: "GET ai/agents/", ok: 200, who: reads},
	{call: "POST ai/agents/", ok: 201, who: writes, body: `{"name":"a","agent_type":"custom","system_prompt":"x"}`},
	{call: "GET ai/agents/conversations/", ok: 200, who: reads},
	{call: "GET ai/agents/{id}/", object: "agent", ok: 200, who: reads},
	{call: "PUT ai/agents/{id}/", object: "agent", ok: 200, who: writes, body: `{"name":"a","agent_type":"custom","system_prompt":"x"}`},
	{call: "PATCH ai/agents/{id}/", object: "agent", ok: 200, who: writes, body: `{"name":"b"}`},
	{call: "DELETE ai/agents/{id}/", object: "agent", ok: 204, who: writes},
	{call: "GET ai/agents/{id}/tools/", object: "agent", ok: 200, who: reads},
	{call: "POST ai/agents/{id}/chat/", object: "agent", ok: 200, who: actives, body: `{"message":"x"}`},
	{call: "GET ai/conversations/", ok: 200, who: reads},
	{call: "GET ai/conversations/{id}/", object: "conversation", ok: 200, who: reads},
	{call: "DELETE ai/conversations/{id}/", object: "conversation", ok: 204, who: writes},
	{call: "GET ai/conversations/{id}/messages/", object: "conversation", ok: 200, who: reads},
	{call: "GET ai/conversations/{id}/stream/", object: "conversation", ok: 204, who: reads},
	{call: "GET ai/runs/{id}/", object: "run", ok: 200, who: reads},
	{call: "GET ai/runs/{id}/events/", object: "run", ok: 200, who: reads},
	{call: "POST ai/runs/{id}/cancel/", object: "run", ok: 200, who: writes},
	{call: "POST ai/runs/{id}/approve/", object: "run", ok: 409, who: "401 + + + 401 403 403 403 403 403", body: `{"call_id":"c","arguments_hash":"h","approve":true}`},

	{call: "GET events/", ok: 200, who: reads, stream: true},
	{call: "GET users/online/", ok: 200, who: admins},

	{call: "GET audit/", ok: 200, who: admins},
	{call: "GET audit/export/", ok: 200, who: admins},
	{call: "GET ai/models/", ok: 200, who: reads},
	{call: "GET ai/usage/", ok: 200, who: reads},
	{call: "GET ai/budgets/", ok: 200, who: reads},
	{call: "GET ai/budgets/{id}/", object: "user", ok: 200, who: reads, foreign: "401 404 404 200 401 404 404 404 404 200"},
	{call: "PUT ai/budgets/{id}/", object: "user", ok: 200, who: admins, body: `{"daily_usd":"2.50"}`, foreign: admins},
	{call: "DELETE ai/budgets/{id}/", object: "user", ok: 204, who: admins, foreign: "401 403 403 204 401 403 403 403 403 204"},

	{call: "GET notifications/", ok: 200, who: reads},
	{call: "GET notifications/unread_count/", ok: 200, who: reads},
	{call: "POST notifications/mark_all_read/", ok: 200, who: writes},
	{call: "GET notifications/{id}/", object: "notification", ok: 200, who: reads},
	{call: "PATCH notifications/{id}/", object: "notification", ok: 200, who: writes, body: `{"is_read":true}`},
	{call: "DELETE notifications/{id}/", object: "notification", ok: 204, who: writes},
	{call: "GET tasks/{id}/", object: "task", ok: 200, who: reads},
}

// optionsOf is who may ask what a view takes, where that is not who may read.
var optionsOf = map[string]who{
	"auth/register/": openReads, "auth/login/": openReads, "auth/password-reset/": openReads, "auth/password-reset/confirm/": openReads,
	"auth/verify-email/": openReads, "auth/token/": anyone, "auth/refresh/": anyone, "auth/verify/": anyone,
	"auth/api-keys/": byHand, "auth/api-keys/{id}/": byHand,
	"auth/ticket/": byHand, "share/{token}/": anyone, "users/": admins, "users/{id}/": admins, "audit/": admins, "audit/export/": admins, "users/online/": admins,
	"ai/agents/{id}/chat/": "401 + + + 401 403 + + + +", "ai/runs/{id}/approve/": "401 + + + 401 403 403 403 403 403",
	"datasources/": admins, "datasources/{id}/": admins, "datasources/{id}/test/": admins, "datasources/{id}/preview/": admins,
}

// statuses spells w out, one for each actor.
func (w who) statuses(t *testing.T, plus int) []int {
	t.Helper()
	words := strings.Fields(string(w))
	if len(words) != len(actors) {
		t.Fatalf("%q has %d columns, want %d", w, len(words), len(actors))
	}
	out := make([]int, len(words))
	for i, word := range words {
		if word == "+" {
			out[i] = plus
			continue
		}
		var err error
		if out[i], err = strconv.Atoi(word); err != nil {
			t.Fatalf("%q: %v", w, err)
		}
	}
	return out
}

// Every method of every view has a line, and every line a method.
func TestAuthorisationIsComplete(t *testing.T) {
	t.Parallel()
	s := apptest.Open(t, apptest.Options{})
	served := map[string]bool{}
	for _, v := range s.App.API.Views() {
		for _, m := range v.Methods {
			served[m.Verb+" "+v.Path] = true
		}
	}
	expected := map[string]bool{}
	for _, l := range matrix {
		expected[l.call] = true
	}
	for _, call := range slices.Sorted(maps.Keys(served)) {
		if !expected[call] {
			t.Errorf("%s has no line in the matrix", call)
		}
	}
	for _, call := range slices.Sorted(maps.Keys(expected)) {
		if !served[call] {
			t.Errorf("the matrix has a line for %s, which is not served", call)
		}
	}
}

// Every line of the matrix, for every actor, on an own, a foreign and a
// missing object.
func TestAuthorisation(t *testing.T) {
	t.Parallel()
	// Nothing listens on the port "discard": data sources are there, and refuse.
	apptest.Each(t, apptest.Options{Env: []string{"OUTBOUND_ALLOW=127.0.0.1:9"}}, func(t *testing.T, s *apptest.Server) {
		for _, l := range matrix {
			t.Run(strings.TrimSpace(l.call+" "+l.object), func(t *testing.T) {
				t.Parallel()
				for i, name := range actors {
					c := newCast(t, s, name)
					c.check(t, l, i)
				}
			})
		}
	})
}

// check asks for a missing, a foreign and an own object, the own one last: it
// may be the session that asks.
func (c *cast) check(t *testing.T, l line, column int) {
	t.Helper()
	own, foreign := "", ""
	kind, hasObject := objects[l.object]
	owned := hasObject && l.foreign != "none"
	if hasObject {
		own = kind.make(t, c.s, c.person)
	}
	if owned {
		foreign = kind.make(t, c.s, c.s.Person(t, identity.Editor))
	}
	c.settle(t) // an account that is closed made its objects before

	var missing apptest.Answer
	notFound := l.who.statuses(t, http.StatusNotFound)[column]
	if hasObject {
		missing = c.try(t, l, column, kind.missing, notFound)
	}
	if owned {
		want := notFound
		if l.foreign != "" {
			want = l.foreign.statuses(t, http.StatusOK)[column]
		}
		got := c.try(t, l, column, foreign, want)
		if want == http.StatusNotFound && string(got.Body) != string(missing.Body) {
			t.Errorf("%s: %s of a foreign %s = %s, of a missing one %s: want the same", c.name, l.call, l.object, got.Body, missing.Body)
		}
	}
	c.try(t, l, column, own, l.who.statuses(t, l.ok)[column])
}

// try sends the line's request for the object, and OPTIONS and HEAD before it.
func (c *cast) try(t *testing.T, l line, column int, id string, want int) apptest.Answer {
	t.Helper()
	method, view, _ := strings.Cut(l.call, " ")
	path := "/api/" + strings.NewReplacer("{id}/share/{share_id}", strings.Replace(id, "/", "/share/", 1), "{id}", id, "{role}", id, "{number}", "1", "{token}", id).Replace(view)
	options, special := optionsOf[view]
	if !special {
		options = reads
	}
	wantOptions := options.statuses(t, http.StatusOK)[column]
	if got := c.s.Do(t, c.token, http.MethodOptions, path, ""); got.Status != wantOptions {
		t.Errorf("%s: OPTIONS %s = %d %s, want %d", c.name, path, got.Status, got.Body, wantOptions)
	}
	if method == http.MethodGet {
		if got := c.s.Do(t, c.token, http.MethodHead, path, ""); got.Status != want || len(got.Body) > 0 {
			t.Errorf("%s: HEAD %s = %d %q, want %d and no body", c.name, path, got.Status, got.Body, want)
		}
	}
	if l.stream {
		got := c.s.Status(t, c.token, method, path)
		if got != want {
			t.Errorf("%s: %s %s = %d, want %d", c.name, method, path, got, want)
		}
		return apptest.Answer{Status: got}
	}
	got := c.s.Do(t, c.token, method, path, c.fill(t, l.body))
	if got.Status != want {
		t.Errorf("%s: %s %s = %d %s, want %d", c.name, method, path, got.Status, got.Body, want)
	}
	return got
}
