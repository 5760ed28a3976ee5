package app_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/job"
	"github.com/bdash/bdash/internal/mail"
	"github.com/bdash/bdash/internal/notify"
	"github.com/bdash/bdash/internal/theme"
	"github.com/bdash/bdash/internal/widget"
)

// cast is one actor of the matrix, with an account of its own.
type cast struct {
	s      *apptest.Server
	name   string
	person apptest.Person
	token  string // "" for nobody
}

func newCast(t *testing.T, s *apptest.Server, name string) *cast {
	t.Helper()
	role := identity.User
	switch name {
	case "editor":
		role = identity.Editor
	case "admin", "admin's key", "admin's key with scope admin":
		role = identity.Admin
	}
	c := &cast{s: s, name: name, person: s.Person(t, role)}
	scopes := map[string]string{
		"read key": "read", "write key": "read write", "admin's key": "read write", "admin's key with scope admin": "read write admin",
	}[name]
	switch {
	case scopes != "":
		_, c.token = s.AddKey(t, c.person.User, scopes)
	case name != "nobody":
		c.token = c.person.Access
	}
	return c
}

// settle gives the account its status, after the session and the objects.
func (c *cast) settle(t *testing.T) {
	t.Helper()
	status, ok := map[string]identity.Status{"inactive": identity.Inactive, "pending": identity.Pending}[c.name]
	if !ok {
		return
	}
	accounts := c.s.App.API.Accounts
	if _, err := accounts.Store.Update(t.Context(), c.person.ID, account.Update{Status: &status}, accounts.Now().UTC()); err != nil {
		t.Fatal(err)
	}
}

// fill puts values in place of the words of a body: a new address, the
// actor's password, and the credentials of somebody else.
func (c *cast) fill(t *testing.T, body string) string {
	t.Helper()
	body = strings.ReplaceAll(body, "{password}", apptest.Password)
	if strings.Contains(body, "{new}") {
		body = strings.ReplaceAll(body, "{new}", fmt.Sprintf("new-%d-%d@example.com", c.person.ID, time.Now().UnixNano()))
	}
	if !strings.Contains(body, "{") {
		return body
	}
	other := c.s.Person(t, identity.User)
	return strings.NewReplacer("{email}", other.Email, "{access}", other.Access, "{refresh}", other.Refresh,
		"{reset}", c.link(t, body, "{reset}", account.ResetPassword, other.User),
		"{verify}", c.link(t, body, "{verify}", account.VerifyEmail, other.User)).Replace(body)
}

// link makes a one-time token, if the body has the word.
func (c *cast) link(t *testing.T, body, word string, purpose account.Purpose, u account.User) string {
	t.Helper()
	if !strings.Contains(body, word) {
		return ""
	}
	accounts := c.s.App.API.Accounts
	token, now := "link-"+strconv.FormatInt(u.ID, 10), accounts.Now().UTC()
	err := accounts.Store.AddLink(t.Context(), account.Link{
		Hash: account.HashToken(token), Purpose: purpose, UserID: u.ID, EmailKey: account.EmailKey(u.Email),
		ExpiresAt: now.Add(time.Hour), CreatedAt: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// object is a kind of thing that a path names.
type object struct {
	// missing is an id, as it stands in paths, that nothing has.
	missing string
	// make makes one that belongs to the person and gives its id.
	make func(t *testing.T, s *apptest.Server, owner apptest.Person) string
}

// missingID is an id that nothing has.
const missingID = "987654321987"

var objects = map[string]object{
	"session": {"00000000000000000000000000000000", func(t *testing.T, s *apptest.Server, p apptest.Person) string {
		sid, _ := s.SignIn(t, p.User)
		return sid
	}},
	"key": {missingID, func(t *testing.T, s *apptest.Server, p apptest.Person) string {
		id, _ := s.AddKey(t, p.User, "read")
		return strconv.FormatInt(id, 10)
	}},
	"user": {missingID, func(_ *testing.T, _ *apptest.Server, p apptest.Person) string { return strconv.FormatInt(p.ID, 10) }},
	"theme": {missingID, func(t *testing.T, s *apptest.Server, p apptest.Person) string {
		made, err := s.App.API.Themes.Create(t.Context(), p.Actor(), theme.Draft{Name: new("Ocean"), ColorMode: new("light")})
		return idOf(t, made.ID, err)
	}},
	"built-in theme": {"-987654", func(*testing.T, *apptest.Server, apptest.Person) string { return "-1" }},
	"role":           {"nobody", func(*testing.T, *apptest.Server, apptest.Person) string { return "user" }},
	"view": {missingID, func(t *testing.T, s *apptest.Server, p apptest.Person) string {
		made, err := s.App.API.Dashboards.Create(t.Context(), p.Actor(), dashboard.Draft{Name: new("Sales")})
		return idOf(t, made.ID, err)
	}},
	// The ids of a view and of its link, separated by a slash.
	"shared view": {missingID + "/" + missingID, func(t *testing.T, s *apptest.Server, p apptest.Person) string {
		sh := addShare(t, s, p)
		return fmt.Sprint(sh.ViewID, "/", sh.ID)
	}},
	"shared link":    {strings.Repeat("x", 43), func(t *testing.T, s *apptest.Server, p apptest.Person) string { return addShare(t, s, p).Token }},
	"private widget": {missingID, func(t *testing.T, s *apptest.Server, p apptest.Person) string { return addWidget(t, s, p, false) }},
	"public widget":  {missingID, func(t *testing.T, s *apptest.Server, p apptest.Person) string { return addWidget(t, s, p, true) }},
	"data source": {missingID, func(t *testing.T, s *apptest.Server, p apptest.Person) string {
		made, err := s.App.API.Datasources.Store.Create(t.Context(), datasource.Datasource{
			Name: rand.Text(), Kind: widget.SourceHTTP, Settings: datasource.Settings{URL: "http://127.0.0.1:9/"}, CreatedBy: p.ID,
		})
		return idOf(t, made.ID, err)
	}},
	"agent": {missingID, func(t *testing.T, s *apptest.Server, p apptest.Person) string {
		made, err := s.App.API.Agents.Create(t.Context(), p.Actor(), agent.Draft{Name: new("A"), AgentType: new("custom"), SystemPrompt: new("x")})
		return idOf(t, made.ID, err)
	}},
	"conversation": {missingID, func(t *testing.T, s *apptest.Server, p apptest.Person) string {
		run := addRun(t, s, p)
		return strconv.FormatInt(run.ConversationID, 10)
	}},
	"run": {missingID, func(t *testing.T, s *apptest.Server, p apptest.Person) string {
		return strconv.FormatInt(addRun(t, s, p).ID, 10)
	}},
	"notification": {missingID, func(t *testing.T, s *apptest.Server, p apptest.Person) string {
		made, err := s.App.API.Notify.Add(t.Context(), p.ID, notify.Message{Kind: "test", Title: "x"})
		return idOf(t, made.ID, err)
	}},
	// The queue is one that nobody works.
	"task": {missingID, func(t *testing.T, s *apptest.Server, p apptest.Person) string {
		id, err := s.App.Jobs.Insert(t.Context(), job.Insert{Args: mail.SendArgs{}, Opts: job.InsertOpts{Queue: "unworked", OwnerID: p.ID}})
		return idOf(t, id, err)
	}},
}

func addShare(t *testing.T, s *apptest.Server, p apptest.Person) dashboard.Share {
	t.Helper()
	v, err := s.App.API.Dashboards.Create(t.Context(), p.Actor(), dashboard.Draft{Name: new("Shared")})
	if err != nil {
		t.Fatal(err)
	}
	sh, err := s.App.API.Dashboards.CreateShare(t.Context(), p.Actor(), v.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	return sh
}

// addWidget publishes in the name of an editor, whoever owns it.
func addWidget(t *testing.T, s *apptest.Server, p apptest.Person, public bool) string {
	t.Helper()
	actor := p.Actor()
	if public {
		actor.Role = identity.Editor
	}
	made, err := s.App.API.Widgets.Create(t.Context(), actor, widget.Draft{
		Name: new("W"), WidgetType: new("stats"), ConfigSchema: json.RawMessage("{}"), IsPublic: &public,
	})
	return idOf(t, made.ID, err)
}

// addRun has an agent answer, and waits for it.
func addRun(t *testing.T, s *apptest.Server, p apptest.Person) agent.Run {
	t.Helper()
	made, err := s.App.API.Agents.Create(t.Context(), p.Actor(), agent.Draft{Name: new("A"), AgentType: new("custom"), SystemPrompt: new("x")})
	if err != nil {
		t.Fatal(err)
	}
	tail, err := s.App.API.Runs.Begin(t.Context(), p.Actor(), made.ID, agent.Prompt{Text: "x"})
	for err == nil {
		_, err = tail.Next(t.Context())
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return tail.Run()
}

func idOf(t *testing.T, id int64, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatInt(id, 10)
}
