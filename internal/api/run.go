package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

// runView is a run with its log.
type runView struct {
	agent.Run
	Log *agent.Log
}

var runFields = declareRun()

func declareRun() *drf.Serializer[runView, struct{}] {
	s := drf.NewSerializer[runView, struct{}]("Run")
	s.Int("id", drf.Opt{}, 0, 0, func(v *runView) int64 { return v.ID }, nil)
	s.Int("agent", drf.Opt{}, 0, 0, func(v *runView) int64 { return v.AgentID }, nil)
	s.IntOrNull("conversation", drf.Opt{Help: "null when the run failed, began its conversation and said nothing."}, func(v *runView) *int64 {
		if v.ConversationID == 0 {
			return nil
		}
		return &v.ConversationID
	})
	s.Choice("status", drf.Opt{Example: `"running"`}, []drf.Choice{{Value: "running", Label: "Running"}, {Value: "waiting", Label: "Waiting"},
		{Value: "succeeded", Label: "Succeeded"}, {Value: "failed", Label: "Failed"}, {Value: "cancelled", Label: "Cancelled"}},
		func(v *runView) string { return string(v.Status) }, nil)
	s.Char("response", drf.Opt{Help: "What was said so far."}, func(v *runView) string { return v.Log.Text() }, nil)
	s.JSON("approvals", drf.Opt{Help: "Calls that wait for approve/.", Example: "[]"},
		func(v *runView) json.RawMessage { return appendApprovals(nil, v.ID, v.Log.Open()) }, nil)
	s.Char("error", drf.Opt{Help: "Why it failed; empty when it did not."}, func(v *runView) string {
		if v.Failure == nil {
			return ""
		}
		return v.Failure.Text
	}, nil)
	s.Char("error_code", drf.Opt{Help: "The same in one word."}, func(v *runView) string {
		if v.Failure == nil {
			return ""
		}
		return v.Failure.Code
	}, nil)
	s.Char("finish_reason", drf.Opt{Help: "Why the model stopped; empty before."}, func(v *runView) string { return v.FinishReason }, nil)
	s.Bool("cancel_requested", drf.Opt{}, func(v *runView) bool { return v.CancelAsked }, nil)
	s.Int("input_tokens", drf.Opt{}, 0, 0, func(v *runView) int64 { return v.InputTokens }, nil)
	s.Int("output_tokens", drf.Opt{}, 0, 0, func(v *runView) int64 { return v.OutputTokens }, nil)
	s.Char("cost", drf.Opt{Help: "US dollars, with four decimals.", Example: `"0.0125"`}, func(v *runView) string { return dollars(v.CostNanos) }, nil)
	s.Time("created_at", drf.Opt{}, func(v *runView) time.Time { return v.CreatedAt })
	s.TimeOrNull("finished_at", drf.Opt{}, func(v *runView) *time.Time { return v.FinishedAt }, nil)
	return s
}

func appendApprovals(dst []byte, runID int64, open []agent.Call) []byte {
	dst = append(dst, '[')
	for i := range open {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &open[i]
		e := agent.Event{CallID: c.ID, Tool: c.Tool, Arguments: c.Arguments, Hash: c.Hash, ExpiresAt: c.ExpiresAt}
		dst = append(dst, approvalJSON(runID, &e, "pending")...)
	}
	return append(dst, ']')
}

func (s *Server) respondRun(w http.ResponseWriter, r *drf.Request, status int, id int64) error {
	run, log, err := s.Runs.LogOf(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	return runFields.Respond(w, r, status, &runView{Run: run, Log: log})
}

func (s *Server) retrieveRun(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	return s.respondRun(w, r, http.StatusOK, id)
}

// runEvents replays a run's log and follows it.
func (s *Server) runEvents(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	tail, err := s.Runs.Follow(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	return s.streamRun(w, r, tail)
}

// cancelRun answers with the run as it is then: it may take a moment to end.
func (s *Server) cancelRun(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if _, err := s.Runs.Cancel(r.Context(), actor(r), id); err != nil {
		return err
	}
	return s.respondRun(w, r, http.StatusOK, id)
}

// notPending refuses accounts that are not confirmed yet: models cost money.
func notPending(r *drf.Request) error {
	if actor(r).Status == identity.Pending {
		return agent.ErrPending
	}
	return nil
}

// approver is a user who is signed in and may chat.
func approver(r *drf.Request) error {
	if err := notByKey(r); err != nil {
		return err
	}
	return notPending(r)
}

// approval is the body of approve/.
type approval struct {
	CallID, Hash string
	Approve      bool
}

var approvalFields = declareApproval()

func declareApproval() *drf.Serializer[struct{}, approval] {
	s := drf.NewSerializer[struct{}, approval]("Approval")
	s.Char("call_id", drf.Opt{Required: true, Max: 200, Example: `"call_1"`}, nil, func(d *approval, v string) { d.CallID = v })
	s.Char("arguments_hash", drf.Opt{Required: true, Max: 64, Help: "As it was shown with the call.", Example: `"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`},
		nil, func(d *approval, v string) { d.Hash = v })
	s.Bool("approve", drf.Opt{Required: true, Help: "false refuses the call; the run goes on without it."}, nil, func(d *approval, v bool) { d.Approve = v })
	return s
}

// approveRun is the owner's word on a call.
func (s *Server) approveRun(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if _, err := s.Runs.ByID(r.Context(), actor(r), id); err != nil {
		return err // a missing one is 404 whatever the body holds
	}
	var d approval
	if err := approvalFields.Decode(r, &d, drf.Whole); err != nil {
		return err
	}
	if _, err := s.Runs.Approve(r.Context(), actor(r), id, d.CallID, d.Hash, d.Approve); err != nil {
		return err
	}
	return s.respondRun(w, r, http.StatusOK, id)
}

var conversationSummaryFields = declareConversationSummary()

func declareConversationSummary() *drf.Serializer[agent.Conversation, struct{}] {
	s := drf.NewSerializer[agent.Conversation, struct{}]("ConversationSummary")
	s.Int("id", drf.Opt{}, 0, 0, func(c *agent.Conversation) int64 { return c.ID }, nil)
	s.Int("agent", drf.Opt{}, 0, 0, func(c *agent.Conversation) int64 { return c.AgentID }, nil)
	s.Char("title", drf.Opt{}, func(c *agent.Conversation) string { return c.Title }, nil)
	s.Int("total_tokens_used", drf.Opt{}, 0, 0, func(c *agent.Conversation) int64 { return c.TotalTokensUsed }, nil)
	s.Char("total_cost", drf.Opt{Help: "US dollars, with four decimals.", Example: `"0.0125"`},
		func(c *agent.Conversation) string { return dollars(c.TotalCostNanos) }, nil)
	s.Time("created_at", drf.Opt{}, func(c *agent.Conversation) time.Time { return c.CreatedAt })
	s.Time("updated_at", drf.Opt{}, func(c *agent.Conversation) time.Time { return c.UpdatedAt })
	return s
}

var messageFields = declareMessage()

func declareMessage() *drf.Serializer[agent.Message, struct{}] {
	s := drf.NewSerializer[agent.Message, struct{}]("Message")
	s.Char("role", drf.Opt{Example: `"user"`}, func(m *agent.Message) string { return m.Role }, nil)
	s.Char("content", drf.Opt{Example: `"Hello"`}, func(m *agent.Message) string { return m.Content }, nil)
	s.Time("timestamp", drf.Opt{}, func(m *agent.Message) time.Time { return m.SentAt })
	s.JSON("steps", drf.Opt{Help: "What the answer did: {text, calls} for each step; [] when it called no tool.", Example: "[]"}, func(m *agent.Message) json.RawMessage {
		if m.Steps == nil {
			return json.RawMessage("[]")
		}
		return m.Steps
	}, nil)
	return s
}

var conversationOrderings = []string{"id", "title", "total_tokens_used", "total_cost", "created_at", "updated_at"}

func (s *Server) pageConversations(w http.ResponseWriter, r *drf.Request) error {
	req, err := pageRequest(r, conversationOrderings, nil)
	if err != nil {
		return err
	}
	res, err := s.Runs.Store.ListConversations(r.Context(), actor(r).UserID, req)
	if err != nil {
		return err
	}
	return respondPage(w, r, conversationSummaryFields, res)
}

// conversationOfPath is the actor's conversation that the path names.
func (s *Server) conversationOfPath(r *drf.Request) (agent.Conversation, error) {
	id, err := r.PathInt("id")
	if err != nil {
		return agent.Conversation{}, err
	}
	return s.Runs.Store.ConversationByID(r.Context(), actor(r).UserID, id)
}

func (s *Server) retrieveConversation(w http.ResponseWriter, r *drf.Request) error {
	c, err := s.conversationOfPath(r)
	if err != nil {
		return err
	}
	return conversationSummaryFields.Respond(w, r, http.StatusOK, &c)
}

func (s *Server) deleteConversation(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if err := s.Runs.Store.DeleteConversation(r.Context(), actor(r).UserID, id); err != nil {
		return err
	}
	return r.NoContent(w)
}

func (s *Server) conversationMessages(w http.ResponseWriter, r *drf.Request) error {
	c, err := s.conversationOfPath(r)
	if err != nil {
		return err
	}
	req, err := pageRequest(r, nil, nil)
	if err != nil {
		return err
	}
	var res page.Result[agent.Message]
	if res, err = s.Runs.Store.ListMessages(r.Context(), c.ID, req); err != nil {
		return err
	}
	return respondPage(w, r, messageFields, res)
}

// conversationStream follows the run that is open in a conversation; 204 when
// there is none.
func (s *Server) conversationStream(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	tail, err := s.Runs.FollowConversation(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	if tail == nil {
		return r.NoContent(w)
	}
	w.Header().Set("X-Run-ID", strconv.FormatInt(tail.Run().ID, 10))
	return s.streamRun(w, r, tail)
}
