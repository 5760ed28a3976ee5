package demo

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/bdash/bdash/internal/llm"
)

// schema is what a command needs to know of a tool's arguments.
type schema struct {
	Properties map[string]property `json:"properties"`
	Required   []string            `json:"required"`
}

type property struct {
	Type any   `json:"type"`
	Enum []any `json:"enum"`
}

func (p property) is(name string) bool {
	switch t := p.Type.(type) {
	case string:
		return t == name
	case []any:
		return slices.Contains(t, any(name))
	}
	return false
}

func read(t *llm.Tool) schema {
	var s schema
	_ = json.Unmarshal(t.Schema, &s) // a tool without a readable schema takes what it is given
	return s
}

// command understands a line as a call of a tool.
func command(line string, tools []llm.Tool) (llm.ToolCall, bool) {
	if rest, ok := strings.CutPrefix(line, "/"); ok {
		name, rest, _ := strings.Cut(rest, " ")
		return byName(name, strings.TrimSpace(rest), tools)
	}
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(line)
	if len(words) == 0 {
		return llm.ToolCall{}, false
	}
	if c, ok := byAction(words, tools); ok {
		return c, true
	}
	if name, length := named(words, tools); name != "" {
		if c, ok := byName(name, strings.Join(words[length:], " "), tools); ok {
			return c, true
		}
	}
	return byName(strings.ToLower(words[0]), strings.Join(words[1:], " "), tools)
}

// named finds the tool whose name the first words are, with or without its first
// part: "create view" and "dashboard create view" are dashboard_create_view.
func named(words []string, tools []llm.Tool) (name string, length int) {
	for length := min(len(words), 4); length > 0; length-- {
		said := normal(words[:length])
		for i := range tools {
			parts := normal(strings.Split(tools[i].Name, "_"))
			if len(parts) > 1 && (slices.Equal(said, parts) || slices.Equal(said, parts[1:])) {
				return tools[i].Name, length
			}
		}
	}
	return "", 0
}

// byName calls the tool with JSON, key=value pairs, or one plain text.
func byName(name, rest string, tools []llm.Tool) (llm.ToolCall, bool) {
	i := slices.IndexFunc(tools, func(t llm.Tool) bool { return normal([]string{t.Name})[0] == normal([]string{name})[0] })
	if i < 0 {
		return llm.ToolCall{}, false
	}
	t := &tools[i]
	if strings.HasPrefix(rest, "{") && json.Valid([]byte(rest)) {
		return llm.ToolCall{Name: t.Name, Arguments: json.RawMessage(rest)}, true
	}
	s := read(t)
	args, plain := pairs(rest, s)
	if plain != "" {
		// A value of a choice says itself which argument is meant.
		if name, value, ok := choice(plain, s, args); ok {
			args[name] = value
		} else if name := mainText(s, args); name != "" {
			args[name] = plain
		} else {
			return llm.ToolCall{}, false
		}
	}
	return made(t, s, args)
}

func made(t *llm.Tool, s schema, args map[string]any) (llm.ToolCall, bool) {
	if name, value, ok := listing(s, args); ok { // "views" alone lists them
		args[name] = value
	}
	raw, err := json.Marshal(args)
	return llm.ToolCall{Name: t.Name, Arguments: raw}, err == nil
}

// pairs takes key=value words out of a text, as the types that the schema wants.
func pairs(text string, s schema) (args map[string]any, rest string) {
	args = map[string]any{}
	var others []string
	for _, word := range strings.Fields(text) {
		key, value, ok := strings.Cut(word, "=")
		p, known := s.Properties[key]
		if !ok || !known {
			others = append(others, word)
			continue
		}
		args[key] = value
		if number, err := strconv.ParseFloat(value, 64); err == nil && (p.is("integer") || p.is("number")) {
			args[key] = number
		} else if yes, err := strconv.ParseBool(value); err == nil && p.is("boolean") {
			args[key] = yes
		}
	}
	return args, strings.Join(others, " ")
}

// choice finds the argument that takes this text as one of its values.
func choice(text string, s schema, args map[string]any) (name string, value any, ok bool) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		for _, v := range s.Properties[name].Enum {
			if word, isText := v.(string); isText && args[name] == nil && strings.EqualFold(word, strings.ReplaceAll(text, " ", "_")) {
				return name, v, true
			}
		}
	}
	return "", nil, false
}

// listing gives a choice that has to be made, and was not, the value that only
// looks; with other arguments given, rather the one that makes them count:
// "theme dark" activates.
func listing(s schema, args map[string]any) (name string, value any, ok bool) {
	wanted := []string{"list", "show", "get"}
	if len(args) > 0 {
		wanted = append([]string{"activate", "set", "use"}, wanted...)
	}
	for _, name := range s.Required {
		if args[name] != nil {
			continue
		}
		for _, verb := range wanted {
			for _, v := range s.Properties[name].Enum {
				if word, isText := v.(string); isText && (word == verb || strings.HasPrefix(word, verb+"_")) {
					return name, v, true
				}
			}
		}
	}
	return "", nil, false
}

// texts are the arguments that plain text is likely to be, the likeliest first.
var texts = []string{"query", "name", "title", "text", "prompt", "view", "theme", "value", "id"}

// mainText is the argument that takes plain text: "" if there is none.
func mainText(s schema, args map[string]any) string {
	free := func(name string) bool {
		p, ok := s.Properties[name]
		return ok && p.is("string") && len(p.Enum) == 0 && args[name] == nil
	}
	for _, list := range [][]string{texts, s.Required, slices.Sorted(maps.Keys(s.Properties))} {
		for _, name := range list {
			if free(name) {
				return name
			}
		}
	}
	return ""
}

// byAction finds the tool that has the first words as one of its actions:
// "create view Sales" is create_view with the name Sales, "views" list_views.
func byAction(words []string, tools []llm.Tool) (llm.ToolCall, bool) {
	for length := min(len(words), 3); length > 0; length-- {
		said := normal(words[:length])
		for i := range tools {
			s := read(&tools[i])
			for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
				for _, v := range s.Properties[name].Enum {
					value, ok := v.(string)
					if !ok || !means(said, normal(strings.Split(value, "_")), strings.ToLower(tools[i].Name)) {
						continue
					}
					args, plain := pairs(strings.Join(words[length:], " "), s)
					args[name] = v
					if plain != "" {
						text := mainText(s, args)
						if other, value, ok := choice(plain, s, args); ok {
							text, plain = other, ""
							args[other] = value
						}
						if text == "" {
							continue
						}
						if plain != "" {
							args[text] = plain
						}
					}
					return made(&tools[i], s, args)
				}
			}
		}
	}
	return llm.ToolCall{}, false
}

// normal drops case and a plural's s.
func normal(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		w = strings.ToLower(w)
		if len(w) > 3 && !strings.HasSuffix(w, "ss") {
			w = strings.TrimSuffix(w, "s")
		}
		out[i] = w
	}
	return out
}

// means tells whether the words name an action of a tool: word by word, with
// the tool's own name for its object ("activate theme", "theme activate"), or
// one word alone for its list.
func means(said, action []string, tool string) bool {
	tools := normal([]string{tool})[0]
	return slices.Equal(said, action) && (len(action) > 1 || action[0] != "list") ||
		len(action) == 1 && (slices.Equal(said, []string{action[0], tools}) || slices.Equal(said, []string{tools, action[0]})) ||
		len(said) == 1 && slices.Equal(append([]string{"list"}, said...), action)
}

// usage are example lines for a tool, for people.
func usage(t *llm.Tool) []string {
	s := read(t)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if enum := s.Properties[name].Enum; len(enum) > 0 && slices.Contains(s.Required, name) {
			var lines []string
			for _, v := range enum[:min(len(enum), 12)] {
				if word, ok := v.(string); ok {
					lines = append(lines, "/"+t.Name+" "+name+"="+word)
				}
			}
			return lines
		}
	}
	if text := mainText(s, map[string]any{}); text != "" {
		return []string{t.Name + " <" + text + ">"}
	}
	return []string{"/" + t.Name}
}
