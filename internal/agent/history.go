package agent

import (
	"github.com/bdash/bdash/internal/llm"
)

// notRun answers calls that a run ended before it could make.
const notRun = "The call was not made."

// historyOf turns stored messages into what a model reads. Every call is
// followed by its result.
func historyOf(stored []StoredMessage) []llm.Message {
	var out []llm.Message
	for i := range stored {
		m := &stored[i]
		switch m.Role {
		case "user":
			out = append(out, llm.Message{Role: llm.User, Text: m.Content})
		case "assistant":
			if len(m.Steps) == 0 {
				out = append(out, llm.Message{Role: llm.Assistant, Text: m.Content})
				continue
			}
			out = append(out, stepMessages(m.Steps)...)
		}
	}
	return out
}

// stepMessages are the steps of an answer.
func stepMessages(steps []Step) []llm.Message {
	var out []llm.Message
	for _, s := range steps {
		if s.Text == "" && len(s.Calls) == 0 {
			continue
		}
		said := llm.Message{Role: llm.Assistant, Text: s.Text}
		answers := llm.Message{Role: llm.ToolRole}
		for _, c := range s.Calls {
			arguments := c.Arguments
			if arguments == "" {
				arguments = "{}"
			}
			said.Calls = append(said.Calls, llm.ToolCall{ID: c.ID, Name: c.Tool, Arguments: []byte(arguments)})
			result := llm.ToolResult{CallID: c.ID, Content: notRun, IsError: true}
			if c.Result != nil {
				result.Content, result.IsError = *c.Result, c.Failed
			}
			answers.Results = append(answers.Results, result)
		}
		out = append(out, said)
		if len(answers.Results) > 0 {
			out = append(out, answers)
		}
	}
	return out
}

// messageTokens estimates from above how many tokens a message takes: three
// bytes a token is less than any tokenizer needs for prose, and the rest is for
// what frames a message.
func messageTokens(m *llm.Message) int64 {
	n := len(m.Text)
	for _, c := range m.Calls {
		n += len(c.ID) + len(c.Name) + len(c.Arguments) + 16
	}
	for _, r := range m.Results {
		n += len(r.CallID) + len(r.Content) + 16
	}
	return int64(n)/3 + 8
}

// requestTokens estimates a request.
func requestTokens(req *llm.Request) int64 {
	n := int64(len(req.System))/3 + 8
	for i := range req.Messages {
		n += messageTokens(&req.Messages[i])
	}
	for _, t := range req.Tools {
		n += int64(len(t.Name)+len(t.Description)+len(t.Schema))/3 + 8
	}
	return n
}

// fit cuts the history so that it takes at most room tokens: whole turns, the
// oldest first, a turn being a message of the user and all that answers it.
// The last turn stays, however long it is; so no call loses its result.
func fit(history []llm.Message, room int64) []llm.Message {
	var starts []int
	for i := range history {
		if history[i].Role == llm.User {
			starts = append(starts, i)
		}
	}
	if len(starts) == 0 {
		return history
	}
	from := starts[len(starts)-1]
	for i := from; i < len(history); i++ {
		room -= messageTokens(&history[i])
	}
	for k := len(starts) - 2; k >= 0; k-- {
		for i := starts[k]; i < from; i++ {
			room -= messageTokens(&history[i])
		}
		if room < 0 {
			break
		}
		from = starts[k]
	}
	return history[from:]
}
