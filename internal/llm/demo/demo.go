// Package demo is the model that answers when there is none: offline, without
// a key, free. It says plainly that it is no language model, and drives tools
// by simple commands, so that the first minute with agents works.
//
//	help                     what can be done here
//	search sales             a tool by its name, and what its main argument is
//	create view Sales        a tool by one of its actions
//	theme dark               a tool by its name, and one of its actions or values
//	/search {"query":"x"}    a tool by its name, with its arguments as they are
//	/search query=x limit=5  … or one by one
//
// It knows no tool: commands are understood by the tools' schemas.
package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/llm/tokens"
)

// Model is the demo. Safe for concurrent use.
type Model struct{}

var _ llm.Model = Model{}

// notice opens every answer that is not the result of a tool.
const notice = "I am bdash's built-in demo, not a language model: I understand a few commands and nothing else. " +
	"An administrator can connect a real model (OPENAI_API_KEY, ANTHROPIC_API_KEY or AI_PROVIDERS)."

// maxResult bounds how much of a tool's answer is repeated, in bytes.
const maxResult = 4000

// Stream implements llm.Model.
func (Model) Stream(ctx context.Context, req llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		a := answer{ctx: ctx, yield: yield}
		reason := llm.Stop
		if n := len(req.Messages); n > 0 && req.Messages[n-1].Role == llm.ToolRole {
			a.results(req.Messages[n-1].Results)
		} else if call, ok := command(lastUser(&req), req.Tools); ok {
			reason = llm.ToolCalls
			a.call(call)
		} else {
			a.say(help(lastUser(&req), req.Tools))
		}
		a.emit(llm.Event{Kind: llm.UsageReport, Usage: llm.Usage{Input: tokens.Estimate(&req), Output: a.said}})
		a.emit(llm.Event{Kind: llm.Finish, Reason: reason})
	}
}

func lastUser(req *llm.Request) string {
	for i := len(req.Messages) - 1; i >= 0; i-- {
		if req.Messages[i].Role == llm.User {
			return strings.TrimSpace(req.Messages[i].Text)
		}
	}
	return ""
}

type answer struct {
	ctx     context.Context
	yield   func(llm.Event, error) bool
	stopped bool
	said    int64
}

func (a *answer) emit(e llm.Event) {
	if a.stopped {
		return
	}
	if a.ctx.Err() != nil {
		a.stopped = true
		a.yield(llm.Event{}, context.Cause(a.ctx))
		return
	}
	a.stopped = !a.yield(e, nil)
}

// say gives the text word by word, as a model would.
func (a *answer) say(text string) {
	a.said += tokens.EstimateText(text)
	for text != "" {
		end := strings.IndexByte(text, ' ') + 1
		if end == 0 {
			end = len(text)
		}
		a.emit(llm.Event{Kind: llm.TextDelta, Text: text[:end]})
		text = text[end:]
	}
}

func (a *answer) call(c llm.ToolCall) {
	c.ID = "call_" + rand.Text()
	a.said += tokens.EstimateText(c.Name + string(c.Arguments))
	a.emit(llm.Event{Kind: llm.CallStart, Call: llm.ToolCall{ID: c.ID, Name: c.Name}})
	a.emit(llm.Event{Kind: llm.CallDelta, Text: string(c.Arguments), Call: llm.ToolCall{ID: c.ID}})
	a.emit(llm.Event{Kind: llm.CallEnd, Call: c})
}

func (a *answer) results(results []llm.ToolResult) {
	for i, r := range results {
		if i > 0 {
			a.say("\n\n")
		}
		switch {
		case r.IsError:
			a.say("That did not work: " + cut(r.Content))
		case strings.TrimSpace(r.Content) == "":
			a.say("Done.")
		default:
			a.say("Done. The tool answers:\n\n" + cut(r.Content))
		}
	}
}

func cut(s string) string {
	if len(s) <= maxResult {
		return s
	}
	end := maxResult
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// help answers what is no command.
func help(said string, tools []llm.Tool) string {
	var b strings.Builder
	b.WriteString(notice)
	if word := strings.ToLower(said); word != "" && word != "help" && word != "?" && word != "/help" {
		b.WriteString("\n\nI do not understand what you wrote as a command.")
	}
	if len(tools) == 0 {
		b.WriteString("\n\nThis agent has no tools, so there is nothing that I can do.")
		return b.String()
	}
	b.WriteString("\n\nYou can write:\n")
	for _, t := range tools {
		for _, line := range usage(&t) {
			fmt.Fprintf(&b, "\n- `%s`", line)
		}
		if t.Description != "" {
			first, _, _ := strings.Cut(strings.TrimSpace(t.Description), "\n")
			b.WriteString(" – " + cut(first))
		}
	}
	b.WriteString("\n\nor, for any tool, `/name {\"argument\": \"value\"}`.")
	return b.String()
}
