package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/drf"
)

var (
	agentTypes = []drf.Choice{{Value: "assistant", Label: "Assistant"}, {Value: "analyst", Label: "Analyst"},
		{Value: "optimizer", Label: "Optimizer"}, {Value: "custom", Label: "Custom"}}
	agentStatuses = []drf.Choice{{Value: "active", Label: "Active"}, {Value: "inactive", Label: "Inactive"}, {Value: "training", Label: "Training"}}
)

var agentFields = declareAgent()

func declareAgent() *drf.Serializer[agent.Agent, agent.Draft] {
	s := drf.NewSerializer[agent.Agent, agent.Draft]("Agent")
	s.Int("id", drf.Opt{}, 0, 0, func(a *agent.Agent) int64 { return a.ID }, nil)
	s.Char("name", drf.Opt{Required: true, Max: 100, Example: `"Helper"`},
		func(a *agent.Agent) string { return a.Name }, func(d *agent.Draft, v string) { d.Name = &v })
	s.Char("description", drf.Opt{Blank: true},
		func(a *agent.Agent) string { return a.Description }, func(d *agent.Draft, v string) { d.Description = &v })
	s.Choice("agent_type", drf.Opt{Required: true, Example: `"assistant"`}, agentTypes,
		func(a *agent.Agent) string { return a.AgentType }, func(d *agent.Draft, v string) { d.AgentType = &v })
	s.Char("system_prompt", drf.Opt{Required: true, Example: `"You are helpful."`},
		func(a *agent.Agent) string { return a.SystemPrompt }, func(d *agent.Draft, v string) { d.SystemPrompt = &v })
	s.Char("model", drf.Opt{Max: 50, Example: `"gpt-4"`},
		func(a *agent.Agent) string { return a.Model }, func(d *agent.Draft, v string) { d.Model = &v })
	s.Float("temperature", drf.Opt{Example: "0.7"},
		func(a *agent.Agent) float64 { return a.Temperature }, func(d *agent.Draft, v float64) { d.Temperature = &v })
	s.Int("max_tokens", drf.Opt{Help: "Limits an answer.", Example: "2000"}, -1<<31, 1<<31-1,
		func(a *agent.Agent) int64 { return a.MaxTokens }, func(d *agent.Draft, v int64) { d.MaxTokens = &v })
	s.JSON("available_tools", drf.Opt{Help: "A list of names; any JSON but null is kept.", Example: `["search","analysis"]`},
		func(a *agent.Agent) json.RawMessage { return a.AvailableTools }, func(d *agent.Draft, v json.RawMessage) { d.AvailableTools = v })
	s.JSON("tool_permissions", drf.Opt{Hidden: true, Help: "allow, ask or deny, by tool or group of tools. Tools that change something ask by themselves.", Example: `{"dashboard":"allow"}`},
		func(a *agent.Agent) json.RawMessage { return a.ToolPermissions }, func(d *agent.Draft, v json.RawMessage) { d.ToolPermissions = v })
	s.Choice("status", drf.Opt{}, agentStatuses,
		func(a *agent.Agent) string { return a.Status }, func(d *agent.Draft, v string) { d.Status = &v })
	s.Int("total_interactions", drf.Opt{}, 0, 0, func(a *agent.Agent) int64 { return a.TotalInteractions }, nil)
	s.TimeOrNull("last_used", drf.Opt{}, func(a *agent.Agent) *time.Time { return a.LastUsed }, nil)
	s.Time("created_at", drf.Opt{}, func(a *agent.Agent) time.Time { return a.CreatedAt })
	s.Time("updated_at", drf.Opt{}, func(a *agent.Agent) time.Time { return a.UpdatedAt })
	return s
}

var (
	agentOrderings = []string{"id", "name", "description", "agent_type", "system_prompt", "model", "temperature", "max_tokens",
		"available_tools", "status", "total_interactions", "last_used", "created_at", "updated_at"}
	agentFilters = []drf.Filter{{Field: "agent_type", Choices: []string{"assistant", "analyst", "optimizer", "custom"}},
		{Field: "status", Choices: []string{"active", "inactive", "training"}}}
)

func (s *Server) listAgents(w http.ResponseWriter, r *drf.Request) error {
	req, err := pageRequest(r, agentOrderings, agentFilters)
	if err != nil {
		return err
	}
	res, err := s.Agents.List(r.Context(), actor(r), req)
	if err != nil {
		return err
	}
	return respondPage(w, r, agentFields, res)
}

func (s *Server) createAgent(w http.ResponseWriter, r *drf.Request) error {
	var d agent.Draft
	if err := agentFields.Decode(r, &d, drf.Whole); err != nil {
		return err
	}
	a, err := s.Agents.Create(r.Context(), actor(r), d)
	if err != nil {
		return err
	}
	return agentFields.Respond(w, r, http.StatusCreated, &a)
}

// agentOfPath is the actor's agent that the path names.
func (s *Server) agentOfPath(r *drf.Request) (agent.Agent, error) {
	id, err := r.PathInt("id")
	if err != nil {
		return agent.Agent{}, err
	}
	return s.Agents.ByID(r.Context(), actor(r), id)
}

func (s *Server) retrieveAgent(w http.ResponseWriter, r *drf.Request) error {
	a, err := s.agentOfPath(r)
	if err != nil {
		return err
	}
	return agentFields.Respond(w, r, http.StatusOK, &a)
}

// writeAgent answers PUT and PATCH. The agent is looked up before the body is
// read: a missing one is 404 whatever the body holds.
func (s *Server) writeAgent(mode drf.Mode) drf.HandlerFunc {
	return func(w http.ResponseWriter, r *drf.Request) error {
		a, err := s.agentOfPath(r)
		if err != nil {
			return err
		}
		var d agent.Draft
		if err := agentFields.Decode(r, &d, mode); err != nil {
			return err
		}
		if a, err = s.Agents.Update(r.Context(), actor(r), a.ID, d); err != nil {
			return err
		}
		return agentFields.Respond(w, r, http.StatusOK, &a)
	}
}

func (s *Server) deleteAgent(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if err := s.Agents.Delete(r.Context(), actor(r), id); err != nil {
		return err
	}
	return r.NoContent(w)
}

// agentTools answers the guide's list of an agent's tools.
func (s *Server) agentTools(w http.ResponseWriter, r *drf.Request) error {
	a, err := s.agentOfPath(r)
	if err != nil {
		return err
	}
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = append(dst, `{"tools":[`...)
		for i, tool := range a.Tools() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(dst, `{"name":`...), tool.Name...)
			dst = drf.AppendString(append(dst, `,"description":`...), tool.Description)
			dst = append(dst, '}')
		}
		return append(dst, "]}"...)
	})
}

// ownAgent tells OPTIONS whether there is an agent to describe PUT for.
func (s *Server) ownAgent(r *drf.Request) bool {
	_, err := s.agentOfPath(r)
	return err == nil
}

var conversationFields = declareConversation()

func declareConversation() *drf.Serializer[agent.Conversation, struct{}] {
	s := drf.NewSerializer[agent.Conversation, struct{}]("Conversation")
	s.Int("id", drf.Opt{}, 0, 0, func(c *agent.Conversation) int64 { return c.ID }, nil)
	s.Int("agent", drf.Opt{}, 0, 0, func(c *agent.Conversation) int64 { return c.AgentID }, nil)
	s.Char("title", drf.Opt{}, func(c *agent.Conversation) string { return c.Title }, nil)
	s.JSON("messages", drf.Opt{Help: "A list of {role, content, timestamp}; the time is in UTC and has no zone.",
		Example: `[{"role":"user","content":"Hello","timestamp":"2026-01-02T03:04:05.123456"}]`}, messagesJSON, nil)
	s.Int("total_tokens_used", drf.Opt{}, 0, 0, func(c *agent.Conversation) int64 { return c.TotalTokensUsed }, nil)
	s.Char("total_cost", drf.Opt{Help: "US dollars, with four decimals.", Example: `"0.0125"`},
		func(c *agent.Conversation) string { return dollars(c.TotalCostNanos) }, nil)
	s.Time("created_at", drf.Opt{}, func(c *agent.Conversation) time.Time { return c.CreatedAt })
	s.Time("updated_at", drf.Opt{}, func(c *agent.Conversation) time.Time { return c.UpdatedAt })
	return s
}

func messagesJSON(c *agent.Conversation) json.RawMessage {
	dst := []byte{'['}
	for i := range c.Messages {
		m := &c.Messages[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		if len(m.Payload) > 0 {
			dst = append(dst, m.Payload...)
			continue
		}
		dst = drf.AppendString(append(dst, `{"role":`...), m.Role)
		dst = drf.AppendString(append(dst, `,"content":`...), m.Content)
		dst = appendIsoTime(append(dst, `,"timestamp":`...), m.SentAt)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendIsoTime writes a time as Python's isoformat() does for one without
// zone: microseconds only when they are not 0.
func appendIsoTime(dst []byte, t time.Time) []byte {
	layout := `"2006-01-02T15:04:05.000000"`
	if t.Nanosecond()/1000 == 0 {
		layout = `"2006-01-02T15:04:05"`
	}
	return t.UTC().AppendFormat(dst, layout)
}

// dollars rounds an amount in billionths to four decimals, halves to the even
// digit, as the guide's decimal column is shown.
func dollars(nanos int64) string {
	const unit = 100_000 // billionths in the last decimal
	n, rest := nanos/unit, nanos%unit
	sign := int64(1)
	if rest < 0 {
		sign, rest = -1, -rest
	}
	if rest > unit/2 || rest == unit/2 && n%2 != 0 {
		n += sign
	}
	text := make([]byte, 0, 24)
	if n < 0 {
		text, n = append(text, '-'), -n
	}
	text = append(strconv.AppendInt(text, n/10_000, 10), '.')
	decimals := strconv.FormatInt(10_000+n%10_000, 10) // the leading 1 keeps the zeros
	return string(append(text, decimals[1:]...))
}

func (s *Server) listConversations(w http.ResponseWriter, r *drf.Request) error {
	list, err := s.Agents.Conversations(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return respondList(w, r, conversationFields, list)
}
