package api_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

// newAgent makes an agent over the wire and gives its path.
func newAgent(t *testing.T, s *apptest.Server, token, more string) string {
	t.Helper()
	a := s.Do(t, token, http.MethodPost, "/api/ai/agents/", `{"name":"Helper","agent_type":"assistant","system_prompt":"Be kind"`+more+`}`)
	if a.Status != http.StatusCreated {
		t.Fatalf("POST ai/agents/ = %d %s, want 201", a.Status, a.Body)
	}
	return fmt.Sprintf("/api/ai/agents/%.0f/", a.JSON(t)["id"])
}

func TestAgentLife(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		bob, admin := s.Person(t, identity.User), s.Person(t, identity.Admin)
		path := newAgent(t, s, bob.Access, `,"total_interactions":99,"last_used":"2020-01-01T00:00:00Z"`)
		got := s.Do(t, bob.Access, http.MethodGet, path, "")
		fields := got.JSON(t)
		want := fmt.Sprintf(`{"id":%.0f,"name":"Helper","description":"","agent_type":"assistant","system_prompt":"Be kind","model":"gpt-4",`+
			`"temperature":0.7,"max_tokens":2000,"available_tools":[],"tool_permissions":{},"status":"active","total_interactions":0,"last_used":null,`+
			`"created_at":"%s","updated_at":"%s"}`, fields["id"], fields["created_at"], fields["updated_at"])
		if got.Status != http.StatusOK || string(got.Body) != want {
			t.Errorf("GET %s = %d %s, want %s", path, got.Status, got.Body, want)
		}
		play(t, s, []call{
			{bob.Access, http.MethodGet, "/api/ai/agents/?status=active&agent_type=assistant", "", 200,
				`{"count":1,"next":null,"previous":null,"results":[` + want + `]}`},
			{bob.Access, http.MethodGet, "/api/ai/agents/?status=training", "", 200, `{"count":0,"next":null,"previous":null,"results":[]}`},
			{bob.Access, http.MethodPatch, path, `{"temperature":"nan"}`, 400, `{"temperature":["A valid number is required."]}`},
			{bob.Access, http.MethodPatch, path, `{"max_tokens":2147483648}`, 400, `{"max_tokens":["Ensure this value is less than or equal to 2147483647."]}`},
			{bob.Access, http.MethodPut, path, `{"name":"Only"}`, 400, `{"agent_type":["This field is required."],"system_prompt":["This field is required."]}`},
			// Somebody else's agent does not exist, whatever the body holds.
			{admin.Access, http.MethodGet, path, "", 404, notFoundBody},
			{admin.Access, http.MethodPut, path, `{`, 404, notFoundBody},
			{admin.Access, http.MethodPatch, path, `{`, 404, notFoundBody},
			{admin.Access, http.MethodDelete, path, "", 404, notFoundBody},
			{admin.Access, http.MethodGet, path + "tools/", "", 404, notFoundBody},
			{bob.Access, http.MethodDelete, path, "", 204, ""},
			{bob.Access, http.MethodGet, path, "", 404, notFoundBody},
		})
	})
}

func TestAgentTools(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	bob := s.Person(t, identity.User).Access
	for tools, want := range map[string]string{
		`["search","<b>"]`: `{"tools":[{"name":"search","description":"Search functionality"},{"name":"<b>","description":"Unknown"}]}`,
		`[1,null]`:         `{"tools":[{"name":1,"description":"Unknown"},{"name":null,"description":"Unknown"}]}`,
		`{"analysis":1}`:   `{"tools":[{"name":"analysis","description":"Data analysis"}]}`,
		`5`:                `{"tools":[]}`,
	} {
		path := newAgent(t, s, bob, `,"available_tools":`+tools)
		play(t, s, []call{{bob, http.MethodGet, path + "tools/", "", 200, want}})
	}
}

func TestConversationsOverTheWire(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		bob, alice := s.Person(t, identity.User), s.Person(t, identity.User)
		list := "/api/ai/agents/conversations/"
		play(t, s, []call{{bob.Access, http.MethodGet, list, "", 200, `[]`}})

		var agentID int64
		if _, err := fmt.Sscanf(newAgent(t, s, bob.Access, ""), "/api/ai/agents/%d/", &agentID); err != nil {
			t.Fatal(err)
		}
		exec := func(text string, args ...any) {
			t.Helper()
			if _, err := s.App.DB.WriteDBTX().Exec(t.Context(), text, args...); err != nil {
				t.Fatal(err)
			}
		}
		at := wholeSecond
		costs := []struct {
			nanos int64
			want  string
		}{
			{0, "0.0000"}, {1_500_000_000, "1.5000"}, {99_999, "0.0001"}, {50_000, "0.0000"}, {50_001, "0.0001"},
			{150_000, "0.0002"}, {-150_000, "-0.0002"}, {-50_000, "0.0000"}, {12_345_678_912_345, "12345.6789"}, {-1_500_000_000, "-1.5000"},
		}
		want := ""
		for i, cost := range costs {
			id := int64(i + 1)
			exec(`INSERT INTO agent_conversations (id, agent_id, user_id, title, total_tokens_used, total_cost_nanos, created_at, updated_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, id, agentID, bob.ID, "Talk ✓", 7, cost.nanos, at, at)
			exec(`INSERT INTO agent_messages (conversation_id, position, role, content, created_at) VALUES ($1, 0, 'user', $2, $3)`,
				id, "a \"<b>\"\n", at.Add(123456000))
			exec(`INSERT INTO agent_messages (conversation_id, position, role, content, payload, created_at) VALUES ($1, 1, 'assistant', '', $2, $3)`,
				id, `{"odd":[1,2],"content":null}`, at)
			exec(`INSERT INTO agent_messages (conversation_id, position, role, content, created_at) VALUES ($1, 2, 'assistant', '', $2)`, id, at)
			want = fmt.Sprintf(`{"id":%d,"agent":%d,"title":"Talk ✓","messages":[{"role":"user","content":"a \"<b>\"\n","timestamp":"2024-01-02T03:04:05.123456"},`+
				`{"odd":[1,2],"content":null},{"role":"assistant","content":"","timestamp":"2024-01-02T03:04:05"}],`+
				`"total_tokens_used":7,"total_cost":"%s","created_at":"2024-01-02T03:04:05Z","updated_at":"2024-01-02T03:04:05Z"},`, id, agentID, cost.want) + want
		}
		play(t, s, []call{
			{bob.Access, http.MethodGet, list, "", 200, `[` + want[:len(want)-1] + `]`},
			{alice.Access, http.MethodGet, list, "", 200, `[]`},
			{bob.Access, http.MethodPost, list, `{}`, 405, ""},
		})
	})
}
