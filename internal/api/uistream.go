package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/drf"
)

// uiStream turns the log of a run into chunks of the AI SDK's UI message
// stream, those that its versions 5 to 7 share. The same log gives the same
// chunks, so their numbers are ids to go on from.
// https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol
type uiStream struct {
	run      *agent.Run
	out      [][]byte
	begun    bool
	step     bool
	part     string // "text", "reasoning" or "": what is open
	parts    int
	approval map[string]agent.Event
}

// chunk adds one. Its values are ours: they can be encoded.
func (u *uiStream) chunk(kind string, members ...any) {
	dst := drf.AppendString([]byte(`{"type":`), kind)
	for i := 0; i+1 < len(members); i += 2 {
		name, _ := members[i].(string)
		dst = append(drf.AppendString(append(dst, ','), name), ':')
		switch v := members[i+1].(type) {
		case string:
			dst = drf.AppendString(dst, v)
		case json.RawMessage:
			dst = append(dst, v...)
		case bool:
			dst = strconv.AppendBool(dst, v)
		}
	}
	u.out = append(u.out, append(dst, '}'))
}

// render gives the chunks that events become.
func (u *uiStream) render(events []agent.Event) [][]byte {
	u.out = nil
	if !u.begun {
		u.begun = true
		u.chunk("start", "messageId", "run-"+strconv.FormatInt(u.run.ID, 10), "messageMetadata", u.metadata(""))
	}
	for i := range events {
		u.event(&events[i])
	}
	return u.out
}

func (u *uiStream) metadata(more string) json.RawMessage {
	dst := strconv.AppendInt([]byte(`{"run_id":`), u.run.ID, 10)
	dst = append(dst, `,"conversation_id":`...)
	dst = strconv.AppendInt(dst, u.run.ConversationID, 10)
	return append(append(dst, more...), '}')
}

func (u *uiStream) event(e *agent.Event) {
	switch e.Kind {
	case agent.StepBegin:
		u.closeStep()
		u.step = true
		u.chunk("start-step")
	case agent.TextPart:
		u.say("text", e.Text)
	case agent.ThoughtPart:
		u.say("reasoning", e.Text)
	case agent.CallBegin:
		u.closePart()
		u.chunk("tool-input-start", "toolCallId", e.CallID, "toolName", e.Tool, "providerExecuted", true)
	case agent.CallPart:
		u.chunk("tool-input-delta", "toolCallId", e.CallID, "inputTextDelta", e.Text)
	case agent.CallReady:
		u.closePart()
		u.chunk("tool-input-available", "toolCallId", e.CallID, "toolName", e.Tool, "input", jsonOrText(e.Arguments), "providerExecuted", true)
	case agent.StepEnd:
		u.closePart()
	case agent.CallAsked:
		if u.approval == nil {
			u.approval = map[string]agent.Event{}
		}
		u.approval[e.CallID] = *e
		u.chunk("data-approval", "id", e.CallID, "data", approvalJSON(u.run.ID, e, "pending"))
	case agent.CallDecided:
		state := "refused"
		if e.Yes {
			state = "approved"
		}
		asked := u.approval[e.CallID]
		u.chunk("data-approval", "id", e.CallID, "data", approvalJSON(u.run.ID, &asked, state))
	case agent.CallAnswered:
		if e.Failed {
			u.chunk("tool-output-error", "toolCallId", e.CallID, "errorText", e.Text, "providerExecuted", true)
			return
		}
		u.chunk("tool-output-available", "toolCallId", e.CallID, "output", jsonOrText(e.Text), "providerExecuted", true)
	case agent.RunEnd:
		u.end(e)
	}
}

func (u *uiStream) say(part, text string) {
	if u.part != part {
		u.closePart()
		u.part = part
		u.parts++
		u.chunk(part+"-start", "id", u.partID())
	}
	u.chunk(part+"-delta", "id", u.partID(), "delta", text)
}

func (u *uiStream) partID() string { return "part-" + strconv.Itoa(u.parts) }

func (u *uiStream) closePart() {
	if u.part != "" {
		u.chunk(u.part+"-end", "id", u.partID())
		u.part = ""
	}
}

func (u *uiStream) closeStep() {
	u.closePart()
	if u.step {
		u.step = false
		u.chunk("finish-step")
	}
}

func (u *uiStream) end(e *agent.Event) {
	u.closeStep()
	if e.Status == agent.Failed {
		u.chunk("error", "errorText", failureText(e.Failure))
		return
	}
	if e.Status == agent.Cancelled {
		u.chunk("abort")
	}
	u.finish(e.Status)
}

func (u *uiStream) finish(status agent.Status) {
	u.chunk("finish", "messageMetadata", u.metadata(`,"status":"`+string(status)+`"`))
}

// leave ends the stream before the run ends: for now, or because it waits.
func (u *uiStream) leave(err error) [][]byte {
	u.out = nil
	u.closeStep()
	switch {
	case errors.Is(err, agent.ErrPaused):
		u.finish(agent.Waiting)
	case errors.Is(err, agent.ErrShutdown):
		u.chunk("error", "errorText", "The server is restarting. Connect again to go on.")
	default:
		u.chunk("error", "errorText", "The stream was ended.")
	}
	return u.out
}

func failureText(f *agent.Failure) string {
	if f == nil {
		return drf.ErrInternal.Detail
	}
	return f.Text
}

// jsonOrText is a value that a model or a tool wrote: JSON if it is that.
func jsonOrText(s string) json.RawMessage {
	if json.Valid([]byte(s)) {
		// Newlines would end the event's line; JSON has them between tokens only.
		if compact, err := compactJSON(s); err == nil {
			return compact
		}
	}
	return drf.AppendString(nil, s)
}

// approvalJSON is what its owner is shown of a call that waits.
func approvalJSON(runID int64, e *agent.Event, state string) json.RawMessage {
	dst := strconv.AppendInt([]byte(`{"run_id":`), runID, 10)
	dst = drf.AppendString(append(dst, `,"call_id":`...), e.CallID)
	dst = drf.AppendString(append(dst, `,"tool":`...), e.Tool)
	dst = append(append(dst, `,"arguments":`...), jsonOrText(e.Arguments)...)
	dst = drf.AppendString(append(dst, `,"arguments_hash":`...), e.Hash)
	if e.ExpiresAt != nil {
		dst = append(dst, `,"expires_at":`...)
		dst = drf.AppendTime(dst, *e.ExpiresAt)
	}
	dst = drf.AppendString(append(dst, `,"state":`...), state)
	return append(dst, '}')
}

// streamRun writes a run's log as a UI message stream, from the client's last
// event on, until the run ends or waits.
func (s *Server) streamRun(w http.ResponseWriter, r *drf.Request, tail *agent.Tail) error {
	run := tail.Run()
	w.Header().Set("X-Vercel-Ai-Ui-Message-Stream", "v1")
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/event-stream")
		r.WriteStatus(w, http.StatusOK)
		return nil
	}
	ctx := longContext(r.Request)
	out := openSSE(w, func(status int) { r.WriteStatus(w, status) })
	u := &uiStream{run: &run}
	seen, n := lastEventID(r), 0
	send := func(chunks [][]byte) error {
		for _, c := range chunks {
			if n++; n > seen {
				out.add(n, c)
			}
		}
		return out.flush()
	}
	if err := send(u.render(nil)); err != nil {
		return gone(err)
	}
	for {
		events, err := patient(ctx, tail.Next, func() error {
			if err := s.still(ctx, actor(r), &run); err != nil {
				return err
			}
			out.beat()
			return out.flush()
		})
		if ctx.Err() != nil {
			return gone(err)
		}
		if err == nil {
			if err = send(u.render(events)); err != nil {
				return gone(err)
			}
			continue
		}
		if !errors.Is(err, io.EOF) {
			if !errors.Is(err, agent.ErrPaused) && !errors.Is(err, agent.ErrShutdown) {
				s.Log.WarnContext(ctx, "a stream was ended", "run", run.ID, "error", err)
			}
			for _, c := range u.leave(err) {
				out.add(0, c)
			}
		}
		out.add(0, []byte("[DONE]"))
		return gone(out.flush())
	}
}
