package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// bundle is the room over a database of its own, with a clock that stands
// still until it is moved.
type bundle struct {
	*agent.Service
	db *sqlstore.DB

	mu  sync.Mutex
	now time.Time
}

func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
		b := &bundle{db: d, now: time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC)}
		b.Service = &agent.Service{Store: &sqlstore.Agents{DB: d}, Now: b.clock}
		test(t, b)
	})
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

// stamp is the time as it is stored.
func (b *bundle) stamp() time.Time { return b.clock().Truncate(time.Microsecond) }

func (b *bundle) user(t *testing.T, name string) identity.Actor {
	t.Helper()
	u, err := b.db.W().InsertUser(t.Context(), db.InsertUserParams{
		Username: name, Email: name + "@example.com", EmailKey: name + "@example.com", Password: "!",
		Role: "user", Status: "active", IsActive: true, DateJoined: b.clock(), CreatedAt: b.clock(), UpdatedAt: b.clock(),
	})
	if err != nil {
		t.Fatalf("insert user %s: %v", name, err)
	}
	return identity.Actor{UserID: u.ID, Role: identity.User, Status: identity.Active}
}

// add makes an agent, and sets what only answers set.
func (b *bundle) add(t *testing.T, owner identity.Actor, name string, lastUsed *time.Time, interactions int64) agent.Agent {
	t.Helper()
	a, err := b.Create(t.Context(), owner, agent.Draft{Name: &name, AgentType: ptr("assistant"), SystemPrompt: ptr("You are helpful")})
	if err != nil {
		t.Fatalf("Create(%q): %v", name, err)
	}
	a, err = b.Store.Update(t.Context(), owner.UserID, a.ID, func(a *agent.Agent) {
		a.LastUsed, a.TotalInteractions = lastUsed, interactions
	})
	if err != nil {
		t.Fatalf("Update(%q): %v", name, err)
	}
	return a
}

func (b *bundle) exec(t *testing.T, text string, args ...any) {
	t.Helper()
	if _, err := b.db.WriteDBTX().Exec(t.Context(), text, args...); err != nil {
		t.Fatalf("Exec(%.60q): %v", text, err)
	}
}

func ptr[T any](v T) *T { return &v }

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error = %v, want %v", what, err, want)
	}
}

func TestCreateFillsIn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob")
		got, err := b.Create(t.Context(), bob, agent.Draft{Name: ptr("Helper"), AgentType: ptr("custom"), SystemPrompt: ptr("Be kind")})
		want := agent.Agent{
			ID: got.ID, UserID: bob.UserID, Name: "Helper", AgentType: "custom", SystemPrompt: "Be kind", Model: "gpt-4",
			Temperature: 0.7, MaxTokens: 2000, AvailableTools: json.RawMessage(`[]`), ToolPermissions: json.RawMessage(`{}`), Status: "active",
			CreatedAt: b.stamp(), UpdatedAt: b.stamp(),
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Create: %v (-want +got):\n%s", err, diff)
		}
		read, err := b.ByID(t.Context(), bob, got.ID)
		if diff := cmp.Diff(want, read); diff != "" || err != nil {
			t.Errorf("ByID: %v (-want +got):\n%s", err, diff)
		}
		_, err = b.Create(t.Context(), identity.Actor{UserID: 987654}, agent.Draft{})
		wantErr(t, "Create for nobody", err, agent.ErrNotFound)
	})
}

func TestUpdateChangesWhatWasSent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob")
		want := b.add(t, bob, "Helper", ptr(b.stamp()), 7)
		b.pass(time.Second)
		got, err := b.Update(t.Context(), bob, want.ID, agent.Draft{
			Temperature: ptr(-5.25), MaxTokens: ptr[int64](-1 << 31), Status: ptr("training"),
			AvailableTools: json.RawMessage(`{"b":1,"a":[null]}`), Description: ptr("✓"),
		})
		want.Temperature, want.MaxTokens, want.Status, want.Description = -5.25, -1<<31, "training", "✓"
		want.AvailableTools, want.UpdatedAt = json.RawMessage(`{"b":1,"a":[null]}`), b.stamp()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Update: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestOthersAgentsDoNotExist(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice, bob := b.user(t, "alice"), b.user(t, "bob")
		alice.Role = identity.Admin // no exception for administrators
		own := b.add(t, bob, "Bob's", nil, 0)
		for _, id := range []int64{own.ID, 987654, 0, -1} {
			_, err := b.ByID(t.Context(), alice, id)
			wantErr(t, "ByID", err, agent.ErrNotFound)
			_, err = b.Update(t.Context(), alice, id, agent.Draft{Name: ptr("Mine")})
			wantErr(t, "Update", err, agent.ErrNotFound)
			wantErr(t, "Delete", b.Delete(t.Context(), alice, id), agent.ErrNotFound)
		}
		if res, err := b.List(t.Context(), alice, page.Request{Number: 1, Size: 5}); err != nil || res.Count != 0 || len(res.Items) != 0 {
			t.Errorf("List = %v, %v; want none", res, err)
		}
		if got, err := b.ByID(t.Context(), bob, own.ID); err != nil || got.Name != "Bob's" {
			t.Errorf("ByID by the owner = %v, %v", got.Name, err)
		}
	})
}

func TestListOrders(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob")
		early, late := b.stamp(), b.stamp().Add(time.Hour)
		b.add(t, bob, "early", &early, 9)
		b.add(t, bob, "never 1", nil, 0)
		b.add(t, bob, "late", &late, 1)
		b.add(t, bob, "never 2", nil, 0)
		tests := []struct {
			name     string
			ordering []page.Order
			want     []string
		}{
			{"by itself: last used first, and unused ones before", nil, []string{"never 2", "never 1", "late", "early"}},
			{"last_used", []page.Order{{Field: "last_used"}}, []string{"early", "late", "never 1", "never 2"}},
			{"-total_interactions", []page.Order{{Field: "total_interactions", Desc: true}}, []string{"early", "late", "never 2", "never 1"}},
			{"unknown", []page.Order{{Field: "user_id"}}, []string{"never 2", "never 1", "late", "early"}},
		}
		for _, test := range tests {
			res, err := b.List(t.Context(), bob, page.Request{Number: 1, Size: 10, Ordering: test.ordering})
			names := []string{}
			for _, a := range res.Items {
				names = append(names, a.Name)
			}
			if diff := cmp.Diff(test.want, names); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", test.name, err, diff)
			}
		}
		res, err := b.List(t.Context(), bob, page.Request{Number: 1, Size: 10, Filters: map[string]string{"agent_type": "analyst"}})
		if err != nil || res.Count != 0 {
			t.Errorf("List of analysts = %d, %v; want none", res.Count, err)
		}
	})
}

// Changes of different fields at the same time are all kept, and none undoes
// the counting of an answer.
func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		bob := b.user(t, "bob")
		id := b.add(t, bob, "Helper", nil, 0).ID
		var g errgroup.Group
		for i := range 20 {
			g.Go(func() error {
				d := agent.Draft{Name: ptr("N")}
				if i%2 == 0 {
					d = agent.Draft{Model: ptr("m")}
				}
				_, err := b.Update(t.Context(), bob, id, d)
				return err
			})
			g.Go(func() error {
				_, err := b.Store.Update(t.Context(), bob.UserID, id, func(a *agent.Agent) { a.TotalInteractions++ })
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		a, err := b.ByID(t.Context(), bob, id)
		if err != nil || a.Name != "N" || a.Model != "m" || a.TotalInteractions != 20 {
			t.Errorf("after all: %q %q %d, %v", a.Name, a.Model, a.TotalInteractions, err)
		}
	})
}

func TestConversations(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice, bob := b.user(t, "alice"), b.user(t, "bob")
		a := b.add(t, bob, "Helper", nil, 0)
		at := b.stamp()
		var want []agent.Conversation
		for id := int64(1); id <= 30; id++ {
			updated := at.Add(time.Duration(id%10) * time.Minute) // ties are decided by the id
			b.exec(t, `INSERT INTO agent_conversations (id, agent_id, user_id, title, total_tokens_used, total_cost_nanos, created_at, updated_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, id, a.ID, bob.UserID, fmt.Sprint(id), id, id*1000, at, updated)
			c := agent.Conversation{ID: id, AgentID: a.ID, Title: fmt.Sprint(id), TotalTokensUsed: id, TotalCostNanos: id * 1000, CreatedAt: at, UpdatedAt: updated}
			for position := id%4 - 1; position >= 0; position-- { // stored back to front
				m := agent.Message{Role: "user", Content: fmt.Sprintf("%d.%d ✓", id, position), SentAt: at.Add(time.Duration(position))}
				m.SentAt = m.SentAt.Truncate(time.Microsecond)
				var payload *string
				if position == 1 {
					payload = ptr(`{"content":[1],"odd":true}`)
					m.Payload = json.RawMessage(*payload)
				}
				b.exec(t, `INSERT INTO agent_messages (conversation_id, position, role, content, payload, created_at)
					VALUES ($1, $2, $3, $4, $5, $6)`, id, position, m.Role, m.Content, payload, m.SentAt)
				c.Messages = append([]agent.Message{m}, c.Messages...)
			}
			want = append(want, c)
		}
		got, err := b.Conversations(t.Context(), bob)
		if diff := cmp.Diff(newestFirst(want), got); diff != "" || err != nil {
			t.Errorf("Conversations: %v (-want +got):\n%s", err, diff)
		}
		if got, err := b.Conversations(t.Context(), alice); err != nil || got == nil || len(got) != 0 {
			t.Errorf("Conversations of another = %v, %v; want an empty list", got, err)
		}
		if err := b.Delete(t.Context(), bob, a.ID); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		if got, err := b.Conversations(t.Context(), bob); err != nil || len(got) != 0 {
			t.Errorf("Conversations without the agent = %v, %v; want none", got, err)
		}
	})
}

func newestFirst(list []agent.Conversation) []agent.Conversation {
	out := make([]agent.Conversation, 0, len(list))
	for minute := 9; minute >= 0; minute-- {
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].ID%10 == int64(minute) {
				out = append(out, list[i])
			}
		}
	}
	return out
}

func TestTools(t *testing.T) {
	t.Parallel()
	tests := []struct {
		stored string
		want   []agent.ListedTool
	}{
		{`["search","analysis","reporting","automation","magic"]`, []agent.ListedTool{
			tool(`"search"`, "Search functionality"), tool(`"analysis"`, "Data analysis"), tool(`"reporting"`, "Report generation"),
			tool(`"automation"`, "Task automation"), tool(`"magic"`, "Unknown"),
		}},
		{`[1,null,true,["search"],{"search":1}]`, []agent.ListedTool{
			tool(`1`, "Unknown"), tool(`null`, "Unknown"), tool(`true`, "Unknown"), tool(`["search"]`, "Unknown"), tool(`{"search":1}`, "Unknown"),
		}},
		{` {"search":{"x":[1,{}]},"<b>":null} `, []agent.ListedTool{tool(`"search"`, "Search functionality"), tool(`"<b>"`, "Unknown")}},
		{`"aé"`, []agent.ListedTool{tool(`"a"`, "Unknown"), tool(`"é"`, "Unknown")}},
		{`[]`, []agent.ListedTool{}},
		{`{}`, []agent.ListedTool{}},
		{`""`, []agent.ListedTool{}},
		{`5`, []agent.ListedTool{}},
		{`null`, []agent.ListedTool{}},
		{``, []agent.ListedTool{}},
		{`["broken`, []agent.ListedTool{}},
	}
	for _, test := range tests {
		a := agent.Agent{AvailableTools: json.RawMessage(test.stored)}
		if diff := cmp.Diff(test.want, a.Tools()); diff != "" {
			t.Errorf("Tools of %s (-want +got):\n%s", test.stored, diff)
		}
	}
}

func tool(name, description string) agent.ListedTool {
	return agent.ListedTool{Name: json.RawMessage(name), Description: description}
}

// What is stored as one short text must not become an answer without end.
func TestToolsAreBounded(t *testing.T) {
	t.Parallel()
	object := `{"n0":0`
	for i := range 5000 {
		object += fmt.Sprintf(`,"m%d":0`, i)
	}
	for _, stored := range []string{`"` + strings.Repeat("x", 5000) + `"`, `[1` + strings.Repeat(",1", 5000) + `]`, object + `}`} {
		a := agent.Agent{AvailableTools: json.RawMessage(stored)}
		if n := len(a.Tools()); n != 1000 {
			t.Errorf("%.20s…: %d tools, want 1000", stored, n)
		}
	}
}
