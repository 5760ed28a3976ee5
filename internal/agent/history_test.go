package agent_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/llm"
)

// The history is cut to the model's window: the oldest turns first, and a call
// never without its result.
func TestHistoryIsCut(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		var seen []llm.Message
		limit := 1 << 20
		o := b.open(t, script(func(_ context.Context, req *llm.Request, say func(llm.Event) bool) error {
			size := 0
			for _, m := range req.Messages {
				size += len(m.Text)
			}
			if size > limit {
				return &llm.Error{Kind: llm.ContextTooLong}
			}
			seen = req.Messages
			last := req.Messages[len(req.Messages)-1]
			if last.Role == llm.User {
				call(say, "c", "good", `{}`)
				finish(say, llm.ToolCalls)
				return nil
			}
			say(text(strings.Repeat("y", 5000)))
			finish(say, llm.Stop)
			return nil
		}), reader("good", answering("fine")))
		tail := o.say(t, agent.Prompt{Text: "first"})
		if _, _, err := read(t, tail); err == nil {
			t.Fatal("no end")
		}
		id := tail.Run().ConversationID
		for i := range 10 {
			o.ask(t, agent.Prompt{Text: fmt.Sprint(i, strings.Repeat("x", 20_000)), ConversationID: id})
		}
		if len(seen) != 4*10+3 || seen[0].Text != "first" {
			t.Errorf("%d messages were read, want all 43", len(seen))
		}
		limit = 120_000 // what the provider takes, and nobody knows
		o.ask(t, agent.Prompt{Text: "last", ConversationID: id})
		if len(seen) >= 43 || seen[0].Role != llm.User || seen[len(seen)-3].Text != "last" {
			t.Errorf("%d messages were read, from %.10q to %.10q", len(seen), seen[0].Text, seen[len(seen)-1].Text)
		}
		open := map[string]bool{}
		for _, m := range seen {
			for _, c := range m.Calls {
				open[c.ID] = true
			}
			for _, r := range m.Results {
				if !open[r.CallID] {
					t.Errorf("a result without its call %q", r.CallID)
				}
				delete(open, r.CallID)
			}
		}
		if len(open) > 0 {
			t.Errorf("calls without results: %v", open)
		}
	})
}
