package theme

import (
	"bytes"
	"encoding/json"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/palette"
)

// requiredColors are the guide's, in the order in which they are reported.
var requiredColors = [...]string{"background", "foreground", "primary", "secondary", "muted", "accent", "destructive"}

// CheckColors tells what is wrong with a theme's colours: a field fault.
func CheckColors(colors json.RawMessage) error { return checkColors("colors", colors) }

// checkColors demands an object with the required names, whose values at
// required names are strings, and whose every string is a CSS colour. Only the
// first error is told, as in the guide.
func checkColors(field string, colors json.RawMessage) error {
	members, ok := objectMembers(colors)
	if !ok {
		return colorFault(field, "theme.color_missing", "Missing required color: background")
	}
	for _, name := range requiredColors {
		if !hasMember(members, name) {
			return colorFault(field, "theme.color_missing", "Missing required color: "+name)
		}
	}
	for _, m := range members {
		var text string
		isText := json.Unmarshal(m.value, &text) == nil && m.value[0] == '"'
		if !isText {
			if isRequired(m.name) {
				return invalidColor(field, m.name, string(m.value))
			}
			continue
		}
		if _, err := palette.Parse(text); err != nil {
			return invalidColor(field, m.name, text)
		}
	}
	return nil
}

func colorFault(field, code, message string) error {
	return fault.Fields(fault.Field{Name: field, Code: code, Message: message})
}

// maxShown bounds what of a refused value is shown again, in characters.
const maxShown = 100

func invalidColor(field, name, value string) error {
	return colorFault(field, "theme.color_invalid", "Invalid color for "+shorten(name)+": "+shorten(value))
}

func shorten(s string) string {
	if r := []rune(s); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return s
}

func isRequired(name string) bool {
	for _, r := range requiredColors {
		if r == name {
			return true
		}
	}
	return false
}

type member struct {
	name  string
	value json.RawMessage
}

func hasMember(members []member, name string) bool {
	for _, m := range members {
		if m.name == name {
			return true
		}
	}
	return false
}

// objectMembers are the members of a JSON object in order; ok is false for
// anything else.
func objectMembers(raw json.RawMessage) (members []member, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, false
		}
		members = append(members, member{name.(string), value})
	}
	return members, true
}

// palettes are the two sets of colours that a theme may carry.
type palettes struct {
	Light json.RawMessage `json:"light"`
	Dark  json.RawMessage `json:"dark"`
}

func (p *palettes) of(mode string) *json.RawMessage {
	if mode == "dark" {
		return &p.Dark
	}
	return &p.Light
}

// checkPalettes demands both palettes, by exactly these names, each with proper
// colours.
func checkPalettes(raw json.RawMessage) error {
	members, ok := objectMembers(raw)
	if !ok || len(members) != 2 || !hasMember(members, "light") || !hasMember(members, "dark") {
		return colorFault("palettes", "theme.palettes", `Expected an object with the members "light" and "dark".`)
	}
	for _, m := range members {
		if err := checkColors("palettes", m.value); err != nil {
			return err
		}
	}
	return nil
}

// settlePalettes keeps Colors the palette of the theme's mode: new colours go
// into the palette, a new palette or another mode brings its colours.
func settlePalettes(t *Theme, newColors, fromPalette bool) error {
	if len(t.Palettes) == 0 {
		return nil
	}
	var p palettes
	if err := json.Unmarshal(t.Palettes, &p); err != nil {
		return err
	}
	switch slot := p.of(t.ColorMode); {
	case newColors:
		*slot = t.Colors
		joined := append([]byte(`{"light":`), p.Light...)
		joined = append(joined, `,"dark":`...)
		joined = append(joined, p.Dark...)
		t.Palettes = append(joined, '}')
	case fromPalette:
		t.Colors = *slot
	}
	return nil
}
