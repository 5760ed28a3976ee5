package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/jsonschema"
	"github.com/bdash/bdash/internal/llm"
)

// Tool is something that an agent can do. It acts with its user's own rights.
type Tool struct {
	// Name is what the model calls; Group is what agents list and what the
	// user allows: one group may hold several tools.
	Name, Group string
	Description string
	// Schema is the JSON Schema of the arguments: an object.
	Schema json.RawMessage
	// Writes: it changes something, so its user is asked first.
	Writes bool
	// Timeout of a call; 0 is 30 seconds.
	Timeout time.Duration
	// Run does it. args matches Schema. A *fault.Error is told to the model in
	// its words, any other error without.
	Run func(ctx context.Context, actor identity.Actor, args json.RawMessage) (Result, error)
}

// Result is what a tool answers.
type Result struct {
	// Text is for the model: JSON, or plain words. It is cut after MaxResult.
	Text string
	// Outside: the text holds what people other than the user may have
	// written. From then on writing tools ask, even if they are allowed.
	Outside bool
}

// JSONResult is v as a result.
func JSONResult(v any) (Result, error) {
	text, err := json.Marshal(v)
	return Result{Text: string(text)}, err
}

const (
	// MaxResult limits what a tool tells the model, in bytes.
	MaxResult = 32 << 10

	defaultToolTimeout = 30 * time.Second
	// maxArguments limits what the model may write for one call, in bytes.
	maxArguments = 64 << 10
)

// Permission is whether an agent may use a tool.
type Permission string

// The permissions.
const (
	Allow Permission = "allow"
	AskMe Permission = "ask"
	Deny  Permission = "deny"
)

// Toolbox holds the tools. Safe for concurrent use.
type Toolbox struct {
	tools   []Tool
	schemas map[string]*jsonschema.Schema
}

// NewToolbox compiles the tools' schemas.
func NewToolbox(tools ...Tool) (*Toolbox, error) {
	b := &Toolbox{tools: tools, schemas: make(map[string]*jsonschema.Schema, len(tools))}
	for _, t := range tools {
		schema, err := jsonschema.Compile(t.Schema)
		if err != nil {
			return nil, fmt.Errorf("tool %s: schema: %w", t.Name, err)
		}
		if b.schemas[t.Name] != nil {
			return nil, fmt.Errorf("tool %s: twice", t.Name)
		}
		b.schemas[t.Name] = schema
	}
	return b, nil
}

// All lists the tools in their order.
func (b *Toolbox) All() []Tool {
	if b == nil {
		return nil
	}
	return b.tools
}

// For gives the tools that the agent lists, by name or by group, and that it
// is not denied.
func (b *Toolbox) For(a *Agent) []Tool {
	listed := map[string]bool{}
	for _, l := range a.Tools() {
		var name string
		if json.Unmarshal(l.Name, &name) == nil {
			listed[name] = true
		}
	}
	var tools []Tool
	for _, t := range b.All() {
		if (listed[t.Name] || listed[t.Group]) && a.Permission(&t) != Deny {
			tools = append(tools, t)
		}
	}
	return tools
}

// Permission is what the agent may do with a tool: what is set for its name,
// else for its group; by itself, ask for a tool that writes.
func (a *Agent) Permission(t *Tool) Permission {
	var set map[string]string
	if len(a.ToolPermissions) > 0 && json.Unmarshal(a.ToolPermissions, &set) != nil {
		return AskMe // what cannot be read allows nothing
	}
	for _, name := range []string{t.Name, t.Group} {
		switch p := Permission(set[name]); p {
		case Allow, AskMe, Deny:
			return p
		}
	}
	if t.Writes {
		return AskMe
	}
	return Allow
}

// offered is how the model is told of tools.
func offered(tools []Tool) []llm.Tool {
	var out []llm.Tool
	for _, t := range tools {
		out = append(out, llm.Tool{Name: t.Name, Description: t.Description, Schema: t.Schema})
	}
	return out
}

// hashOf binds an approval to a call as it was shown.
func hashOf(tool, arguments string) string {
	sum := sha256.Sum256([]byte(tool + "\n" + arguments))
	return hex.EncodeToString(sum[:])
}

// check says what is wrong with the arguments of a call; "" is nothing.
func (b *Toolbox) check(name, arguments string) string {
	switch {
	case len(arguments) > maxArguments:
		return fmt.Sprintf("The arguments are longer than %d bytes.", maxArguments)
	case !json.Valid([]byte(arguments)):
		return "The arguments are not JSON."
	}
	problems := b.schemas[name].Validate(json.RawMessage(arguments))
	if len(problems) == 0 {
		return ""
	}
	lines := make([]string, 0, len(problems))
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return "The arguments do not fit: " + strings.Join(lines, "; ")
}

var errPanic = errors.New("the tool panicked")

// call runs a tool within its limits. What went wrong is an answer too; err is
// only for the log.
func (b *Toolbox) call(ctx context.Context, t *Tool, actor identity.Actor, arguments string) (res Result, failed bool, err error) {
	if problem := b.check(t.Name, arguments); problem != "" {
		return Result{Text: problem}, true, nil
	}
	timeout := t.Timeout
	if timeout == 0 {
		timeout = defaultToolTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	res, err = safely(ctx, t, actor, arguments)
	if f, ok := fault.As(err); ok && f.Kind != fault.Internal {
		return Result{Text: faultText(f)}, true, nil
	}
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Result{Text: fmt.Sprintf("The tool took longer than %v and was stopped.", timeout)}, true, nil
	case err != nil:
		return Result{Text: "The tool failed."}, true, err
	}
	res.Text = cut(res.Text, MaxResult)
	return res, false, nil
}

func safely(ctx context.Context, t *Tool, actor identity.Actor, arguments string) (res Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return t.Run(ctx, actor, json.RawMessage(arguments))
}

func faultText(f *fault.Error) string {
	text := f.Message
	for _, field := range f.Fields {
		text += " " + field.Name + ": " + field.Message
	}
	return cut(text, MaxResult)
}

// cut shortens a text to at most size bytes, and says so.
func cut(text string, size int) string {
	const mark = "… (cut)"
	if len(text) <= size {
		return text
	}
	end := size - len(mark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}
