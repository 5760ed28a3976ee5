package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm"
)

func TestOpenAIDoor(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		bob, eve := s.Person(t, identity.User), s.Person(t, identity.User)
		newAgent(t, s, bob.Access, "")
		_, key := s.AddKey(t, bob.User, "read write")
		_, readKey := s.AddKey(t, bob.User, "read")
		const door = "/v1/chat/completions"
		ask := func(model, rest string) string {
			return `{"model":"` + model + `","messages":[{"role":"system","content":"s"},{"role":"user","content":"before"},{"role":"assistant","content":"yes"},` +
				`{"role":"user","content":[{"type":"text","text":"Hello"}]}]` + rest + `}`
		}
		for _, model := range []string{"agent:1", "agent:Helper"} {
			a := s.Expect(t, http.StatusOK, key, http.MethodPost, door, ask(model, "")).JSON(t)
			choice := a["choices"].([]any)[0].(map[string]any)
			if got := fmt.Sprintf("%v %v %v %v", choice["message"], choice["finish_reason"], a["usage"], a["model"]); got !=
				"map[content:Echo (4 messages): Hello refusal:<nil> role:assistant] stop map[completion_tokens:5 prompt_tokens:10 total_tokens:15] "+model {
				t.Errorf("%s answered %s", model, got)
			}
		}
		st := openStream(t, s, bob.Access, http.MethodPost, door, ask("agent:1", `,"stream":true,"stream_options":{"include_usage":true}`))
		all := st.rest(t)
		if len(all) != 4 || !strings.Contains(all[0].data, `"role":"assistant"`) || !strings.Contains(all[1].data, `{"content":"Echo (4 messages): Hello"}`) ||
			!strings.Contains(all[2].data, `"finish_reason":"stop"`) || !strings.Contains(all[3].data, `"choices":[],"usage":{"prompt_tokens":10`) {
			t.Errorf("chunks = %v", all)
		}
		models := s.Expect(t, http.StatusOK, readKey, http.MethodGet, "/v1/models", "").JSON(t)["data"].([]any)
		if len(models) != 1 || models[0].(map[string]any)["id"] != "agent:1" {
			t.Errorf("models = %v", models)
		}
		fail := `{"model":"agent:1","messages":[{"role":"user","content":"FAIL"}]`
		for name, c := range map[string]struct {
			token, method, path, body string
			want                      int
		}{
			"nobody":              {"", http.MethodPost, door, ask("agent:1", ""), 401},
			"a read key":          {readKey, http.MethodPost, door, ask("agent:1", ""), 403},
			"another's agent":     {eve.Access, http.MethodPost, door, ask("agent:1", ""), 404},
			"another's name":      {eve.Access, http.MethodPost, door, ask("agent:Helper", ""), 404},
			"no agent":            {key, http.MethodPost, door, ask("gpt-4", ""), 404},
			"a missing agent":     {key, http.MethodPost, door, ask("agent:987654", ""), 404},
			"GET":                 {key, http.MethodGet, door, "", 405},
			"no JSON":             {key, http.MethodPost, door, "{", 400},
			"tools":               {key, http.MethodPost, door, ask("agent:1", `,"tools":[{"type":"function"}]`), 400},
			"two answers":         {key, http.MethodPost, door, ask("agent:1", `,"n":2`), 400},
			"hot":                 {key, http.MethodPost, door, ask("agent:1", `,"temperature":9`), 400},
			"no messages":         {key, http.MethodPost, door, `{"model":"agent:1"}`, 400},
			"a picture":           {key, http.MethodPost, door, `{"model":"agent:1","messages":[{"role":"user","content":[{"type":"image_url"}]}]}`, 400},
			"ends with a tool":    {key, http.MethodPost, door, `{"model":"agent:1","messages":[{"role":"tool","content":"x"}]}`, 400},
			"provider":            {key, http.MethodPost, door, fail + "}", 502},
			"provider, streaming": {key, http.MethodPost, door, fail + `,"stream":true}`, 502},
			"too large":           {key, http.MethodPost, door, `{"model":"` + strings.Repeat("x", 2<<20) + `"}`, 413},
		} {
			a := s.Do(t, c.token, c.method, c.path, c.body)
			if a.Status != c.want || !strings.HasPrefix(string(a.Body), `{"error":{"message":"`) {
				t.Errorf("%s: %d %s, want %d and an error", name, a.Status, a.Body, c.want)
			}
		}
	})
}

// acting makes a model that creates a view, and then says what came of it.
func acting(_ context.Context, req *llm.Request, say func(llm.Event) bool) error {
	last := req.Messages[len(req.Messages)-1]
	if last.Role == llm.User {
		c := llm.ToolCall{ID: "c1", Name: "dashboard_create_view", Arguments: []byte(`{"name":"Sales"}`)}
		say(llm.Event{Kind: llm.CallStart, Call: llm.ToolCall{ID: c.ID, Name: c.Name}})
		say(llm.Event{Kind: llm.CallDelta, Call: llm.ToolCall{ID: c.ID}, Text: string(c.Arguments)})
		say(llm.Event{Kind: llm.CallEnd, Call: c})
		say(llm.Event{Kind: llm.Finish, Reason: llm.ToolCalls})
		return nil
	}
	say(llm.Event{Kind: llm.TextDelta, Text: "Result: " + last.Results[0].Content})
	say(llm.Event{Kind: llm.Finish, Reason: llm.Stop})
	return nil
}

// A call of a tool that writes waits for its owner; where nobody can be asked
// it is refused, and the owner is told.
func TestApproveOverTheWire(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{Models: apptest.Script(acting)}, func(t *testing.T, s *apptest.Server) {
		bob, eve := s.Person(t, identity.User), s.Person(t, identity.Admin)
		path := newAgent(t, s, bob.Access, `,"available_tools":["dashboard"]`)
		views := func() float64 {
			t.Helper()
			return s.Expect(t, http.StatusOK, bob.Access, http.MethodGet, "/api/dashboard/views/", "").JSON(t)["count"].(float64)
		}
		first := openStream(t, s, bob.Access, http.MethodPost, path+"chat/", `{"message":"x"}`).rest(t)
		if got := kinds(first); got != "start start-step tool-input-start tool-input-delta tool-input-available data-approval finish-step finish" {
			t.Errorf("chunks = %s", got)
		}
		run := s.Expect(t, http.StatusOK, bob.Access, http.MethodGet, "/api/ai/runs/1/", "").JSON(t)
		waiting := run["approvals"].([]any)[0].(map[string]any)
		if run["status"] != "waiting" || fmt.Sprint(waiting["arguments"]) != "map[name:Sales]" || views() != 0 {
			t.Errorf("the run = %v, %v views", run, views())
		}
		word := fmt.Sprintf(`{"call_id":%q,"arguments_hash":%q,"approve":true}`, waiting["call_id"], waiting["arguments_hash"])
		_, key := s.AddKey(t, bob.User, "read write")
		s.Expect(t, http.StatusForbidden, key, http.MethodPost, "/api/ai/runs/1/approve/", word)
		s.Expect(t, http.StatusNotFound, eve.Access, http.MethodPost, "/api/ai/runs/1/approve/", word)
		s.Expect(t, http.StatusBadRequest, bob.Access, http.MethodPost, "/api/ai/runs/1/approve/", `{"call_id":"c1"}`)
		s.Expect(t, http.StatusConflict, bob.Access, http.MethodPost, "/api/ai/runs/1/approve/", `{"call_id":"c1","arguments_hash":"0","approve":true}`)
		s.Expect(t, http.StatusOK, bob.Access, http.MethodPost, "/api/ai/runs/1/approve/", word)
		rest := openStream(t, s, bob.Access, http.MethodGet, "/api/ai/runs/1/events/", "", "Last-Event-ID", "6").rest(t)
		if got := kinds(rest); got != "data-approval tool-output-available finish-step start-step text-start text-delta text-end finish-step finish" || views() != 1 {
			t.Errorf("chunks after approval = %s, %v views", got, views())
		}
		s.Expect(t, http.StatusConflict, bob.Access, http.MethodPost, "/api/ai/runs/1/approve/", word)
		messages := s.Expect(t, http.StatusOK, bob.Access, http.MethodGet, "/api/ai/conversations/1/messages/", "").JSON(t)
		if messages["count"] != 2.0 || !strings.Contains(fmt.Sprint(messages["results"].([]any)[1]), "dashboard_create_view") {
			t.Errorf("messages = %v", messages)
		}
		// The guide's JSON shows what waits; /v1 cannot ask.
		whole := s.Expect(t, http.StatusOK, bob.Access, http.MethodPost, path+"chat/", `{"message":"y"}`).JSON(t)
		if len(whole["approvals"].([]any)) != 1 {
			t.Errorf("the answer = %v", whole)
		}
		s.Expect(t, http.StatusOK, key, http.MethodPost, "/v1/chat/completions", `{"model":"agent:1","messages":[{"role":"user","content":"z"}]}`)
		notes := s.Expect(t, http.StatusOK, bob.Access, http.MethodGet, "/api/notifications/", "").JSON(t)
		if notes["count"] != 1.0 || views() != 1 {
			t.Errorf("notifications = %v, %v views", notes, views())
		}
	})
}
