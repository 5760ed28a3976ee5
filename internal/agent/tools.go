package agent

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// ListedTool is what an agent's list of tools says of one.
type ListedTool struct {
	// Name is any JSON value: nothing makes sure that the list holds text.
	Name        json.RawMessage
	Description string
}

// descriptions are the guide's tools, and bdash's.
var descriptions = map[string]string{
	"search":     "Search functionality",
	"analysis":   "Data analysis",
	"reporting":  "Report generation",
	"automation": "Task automation",
	"dashboard":  "Dashboard views and their widgets",
	"theme":      "Themes and colours",
}

const unknownTool = "Unknown"

// maxTools limits what Tools gives: a short text in an agent would otherwise
// become an answer many times its size.
const maxTools = 1000

// Tools takes AvailableTools apart as the guide's loop over it does: the
// elements of a list, the names of an object, the characters of a string;
// anything else holds no tools. At most 1000 are told. Never nil.
func (a *Agent) Tools() []ListedTool {
	tools := []ListedTool{}
	raw := bytes.TrimSpace(a.AvailableTools)
	if len(raw) == 0 {
		return tools
	}
	switch raw[0] {
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil {
			return tools
		}
		for _, element := range list[:min(len(list), maxTools)] {
			tools = append(tools, toolOf(element))
		}
	case '{':
		for _, name := range memberNames(raw) {
			tools = append(tools, toolOf(name))
		}
	case '"':
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return tools
		}
		for text != "" && len(tools) < maxTools {
			_, size := utf8.DecodeRuneInString(text)
			tools = append(tools, toolOf(quoted(text[:size])))
			text = text[size:]
		}
	}
	return tools
}

func toolOf(name json.RawMessage) ListedTool {
	var text string
	if json.Unmarshal(name, &text) == nil {
		if known, ok := descriptions[text]; ok {
			return ListedTool{Name: name, Description: known}
		}
	}
	return ListedTool{Name: name, Description: unknownTool}
}

// memberNames gives the first maxTools names of an object, in their order.
func memberNames(raw json.RawMessage) []json.RawMessage {
	var names []json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil { // the opening brace
		return nil
	}
	for dec.More() && len(names) < maxTools {
		token, err := dec.Token()
		if err != nil {
			return names
		}
		name, ok := token.(string)
		var value json.RawMessage
		if !ok || dec.Decode(&value) != nil {
			return names
		}
		names = append(names, quoted(name))
	}
	return names
}

func quoted(s string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return json.RawMessage(`""`) // a string can always be encoded
	}
	return bytes.TrimSpace(b.Bytes())
}
