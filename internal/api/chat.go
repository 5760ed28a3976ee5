package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// chatBody is the guide's body of chat/.
type chatBody struct {
	Message string
	Async   bool
}

var chatFields = declareChat()

func declareChat() *drf.Serializer[struct{}, chatBody] {
	s := drf.NewSerializer[struct{}, chatBody]("Chat")
	s.Char("message", drf.Opt{Required: true, Raw: true, Example: `"Hello"`}, nil, func(d *chatBody, v string) { d.Message = v })
	s.JSON("conversation_id", drf.Opt{Null: true, Help: "Continues a conversation; without it a new one begins.", Example: "7"}, nil, func(*chatBody, json.RawMessage) {})
	s.Bool("async", drf.Opt{Help: "Answers 202 at once; the run is followed at ai/runs/."}, nil, func(d *chatBody, v bool) { d.Async = v })
	return s
}

// uiChatShape is what the AI SDK's default transport sends.
var uiChatShape = drf.Shape("UIChat",
	drf.FieldInfo{Name: "id", Opt: drf.Opt{Help: "The client's own name of the conversation.", Example: `"chat-1"`}},
	drf.FieldInfo{Name: "messages", Type: "field", Opt: drf.Opt{Required: true, Help: "UI messages; the text of the last one is what is said.",
		Example: `[{"role":"user","parts":[{"type":"text","text":"Hello"}]}]`}},
	drf.FieldInfo{Name: "trigger", Opt: drf.Opt{Help: "submit-message, or regenerate-message, which takes the last answer back.", Example: `"submit-message"`}},
	drf.FieldInfo{Name: "messageId"})

var chatShape = drf.Shape("ChatAnswer",
	drf.FieldInfo{Name: "response", Opt: drf.Opt{Example: `"Hello! What can I do for you?"`}},
	drf.FieldInfo{Name: "tokens_used", Type: "integer", Opt: drf.Opt{Example: "15"}},
	drf.FieldInfo{Name: "conversation_id", Type: "integer", Opt: drf.Opt{Example: "7"}},
	drf.FieldInfo{Name: "run_id", Type: "integer", Opt: drf.Opt{Example: "12"}},
	drf.FieldInfo{Name: "approvals", Type: "field", Opt: drf.Opt{Help: "Calls that wait for ai/runs/{id}/approve/; left out when there are none.", Example: "[]"}})

// chatInput is what a client wants said, whichever body it sent.
type chatInput struct {
	prompt agent.Prompt
	stream bool
	async  bool
}

// chat answers POST ai/agents/{id}/chat/.
func (s *Server) chat(w http.ResponseWriter, r *drf.Request) error {
	a, err := s.agentOfPath(r)
	if err != nil {
		return err
	}
	in, err := readChat(r)
	if err != nil {
		return chatFault(w, r, err)
	}
	in.prompt.Whole = !in.stream && !in.async
	tail, err := s.Runs.Begin(r.Context(), actor(r), a.ID, in.prompt)
	if err != nil {
		return chatFault(w, r, err)
	}
	switch {
	case in.async:
		run := tail.Run()
		w.Header().Set("Location", "/api/ai/runs/"+strconv.FormatInt(run.ID, 10)+"/")
		return runFields.Respond(w, r, http.StatusAccepted, &runView{Run: run, Log: &agent.Log{}})
	case in.stream:
		return s.streamRun(w, r, tail)
	}
	return s.wholeAnswer(w, r, tail)
}

// readChat understands the guide's body and that of the AI SDK's transport.
func readChat(r *drf.Request) (chatInput, error) {
	data, err := r.Data()
	if err != nil {
		return chatInput{}, err
	}
	if data.Kind() == drf.KindDict && data.Member("messages").Kind() == drf.KindList && data.Member("message").Kind() == drf.KindAbsent {
		return readUIChat(r, data)
	}
	if data.Kind() == drf.KindDict && falsy(data.Member("message")) {
		return chatInput{}, agent.ErrNoMessage
	}
	var body chatBody
	if err := chatFields.DecodeValue(data, &body, drf.Whole); err != nil {
		return chatInput{}, err
	}
	in := chatInput{async: body.Async, stream: r.WantsStream()}
	in.prompt.Text = strings.Clone(body.Message)
	if id := data.Member("conversation_id"); !falsy(id) {
		n, err := strconv.ParseInt(id.Text(), 10, 64)
		if err != nil || n <= 0 || id.Kind() != drf.KindInt && id.Kind() != drf.KindString {
			return chatInput{}, agent.ErrNoConversation
		}
		in.prompt.ConversationID = n
	}
	return in, nil
}

// falsy is Python's idea of it.
func falsy(v drf.Value) bool {
	switch v.Kind() {
	case drf.KindAbsent, drf.KindNull:
		return true
	case drf.KindBool:
		return !v.Bool()
	case drf.KindString:
		return v.Text() == ""
	case drf.KindInt, drf.KindFloat:
		return v.Float() == 0
	case drf.KindList, drf.KindDict:
		return v.Len() == 0
	}
	return false
}

// maxClientID limits the names that clients give to conversations, in bytes.
const maxClientID = 100

// readUIChat reads {id, messages:[{role, parts}], trigger, messageId}. Such a
// client wants a stream, whatever it accepts.
func readUIChat(r *drf.Request, data drf.Value) (chatInput, error) {
	in := chatInput{stream: r.Header.Get("Accept") != "application/json"}
	messages := data.Member("messages").List()
	var text []string
	for i := len(messages) - 1; i >= 0 && text == nil; i-- {
		if m := messages[i]; m.Kind() == drf.KindDict && m.Member("role").Text() == "user" {
			text = partTexts(m)
		}
	}
	in.prompt.Text = strings.Join(text, "\n")
	id := data.Member("id")
	in.prompt.ClientID = strings.Clone(id.Text())
	_, surrogate := data.Surrogate()
	switch {
	case in.prompt.Text == "":
		return in, agent.ErrNoMessage
	case surrogate || strings.ContainsRune(in.prompt.Text+in.prompt.ClientID, 0):
		return in, drf.Invalid("messages", "Null and surrogate characters are not allowed.")
	case len(in.prompt.ClientID) > maxClientID || id.Kind() != drf.KindString && id.Kind() != drf.KindAbsent && id.Kind() != drf.KindNull:
		return in, drf.Invalid("id", "Not a valid string of at most 100 bytes.")
	}
	in.prompt.Regenerate = data.Member("trigger").Text() == "regenerate-message"
	if n := data.Member("conversation_id"); n.Kind() == drf.KindInt {
		id, err := strconv.ParseInt(n.Text(), 10, 64)
		if err != nil || id < 0 {
			return in, agent.ErrNoConversation
		}
		in.prompt.ConversationID = id
	}
	return in, nil
}

// partTexts are the texts of a UI message.
func partTexts(m drf.Value) []string {
	var texts []string
	if parts := m.Member("parts"); parts.Kind() == drf.KindList {
		for _, p := range parts.List() {
			if p.Kind() == drf.KindDict && p.Member("type").Text() == "text" && p.Member("text").Kind() == drf.KindString {
				texts = append(texts, p.Member("text").Text())
			}
		}
	}
	return texts
}

// wholeAnswer waits for the run and answers in the guide's words. A client that
// goes away does not stop it.
func (s *Server) wholeAnswer(w http.ResponseWriter, r *drf.Request, tail *agent.Tail) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // as in openSSE
	_ = control.SetWriteDeadline(time.Time{})
	ctx := longContext(r.Request)
	log := &agent.Log{}
	err := drain(ctx, tail, log)
	_ = control.SetWriteDeadline(time.Now().Add(streamWrite))
	switch {
	case ctx.Err() != nil:
		return gone(err)
	case !errors.Is(err, io.EOF) && !errors.Is(err, agent.ErrPaused):
		return err
	}
	run := tail.Run()
	if log.End != nil && log.End.Status == agent.Failed {
		return failedChat(w, r, log.End.Failure)
	}
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = drf.AppendString(append(dst, `{"response":`...), log.Text())
		dst = strconv.AppendInt(append(dst, `,"tokens_used":`...), log.Usage.Input+log.Usage.Output, 10)
		dst = strconv.AppendInt(append(dst, `,"conversation_id":`...), run.ConversationID, 10)
		dst = strconv.AppendInt(append(dst, `,"run_id":`...), run.ID, 10)
		if open := log.Open(); len(open) > 0 {
			dst = appendApprovals(append(dst, `,"approvals":`...), run.ID, open)
		}
		return append(dst, '}')
	})
}

// drain reads a log to its end; the error, never nil, says why it ended.
func drain(ctx context.Context, tail *agent.Tail, log *agent.Log) error {
	for {
		events, err := tail.Next(ctx)
		if err != nil {
			return err
		}
		log.Fold(events...)
	}
}

// statusOfFailure is the status of a run's failure.
func statusOfFailure(f *agent.Failure) int {
	if f == nil {
		return http.StatusInternalServerError
	}
	switch f.Code {
	case agent.CodeProvider, agent.CodeRefused, agent.CodeTooLong:
		return http.StatusBadGateway
	case agent.CodeTimeout:
		return http.StatusGatewayTimeout
	case agent.CodeRateLimited:
		return http.StatusTooManyRequests
	case agent.CodeBudget:
		return http.StatusPaymentRequired
	case agent.CodeRevoked:
		return http.StatusForbidden
	case agent.CodeStopped, agent.CodeInterrupted:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func failedChat(w http.ResponseWriter, r *drf.Request, f *agent.Failure) error {
	if f != nil && f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((f.RetryAfter+time.Second-1)/time.Second), 10))
	}
	return refuseChat(w, r, statusOfFailure(f), failureText(f), true)
}

// refuseChat answers {"error": …}, with "response": null where the guide's
// service would have refused.
func refuseChat(w http.ResponseWriter, r *drf.Request, status int, text string, response bool) error {
	return r.Respond(w, status, func(dst []byte) []byte {
		dst = drf.AppendString(append(dst, `{"error":`...), text)
		if response {
			dst = append(dst, `,"response":null`...)
		}
		return append(dst, '}')
	})
}

// chatFault words the faults that the guide's chat words by itself.
func chatFault(w http.ResponseWriter, r *drf.Request, err error) error {
	f, ok := fault.As(err)
	if !ok {
		return err
	}
	switch {
	case errors.Is(err, agent.ErrNoMessage), errors.Is(err, agent.ErrNoConversation):
		return refuseChat(w, r, statusOf[f.Kind], f.Message, false)
	case f.Kind == fault.Conflict:
		return refuseChat(w, r, http.StatusConflict, f.Message, true)
	}
	return err
}

func compactJSON(s string) (json.RawMessage, error) {
	var b bytes.Buffer
	err := json.Compact(&b, []byte(s))
	return b.Bytes(), err
}

// still asks whether a stream may go on.
func (s *Server) still(ctx context.Context, who identity.Actor, run *agent.Run) error {
	_, err := s.Runs.Access.Recheck(ctx, who.UserID, who.SessionID, who.KeyID, run.CreatedAt)
	return err
}
