package theme

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bdash/bdash/internal/fault"
)

// A document is a theme as a browser holds it: both palettes in one, under an
// id and a name of the browser's own. It is stored as it was sent beside the
// columns that are made from it, and follows them when they are changed. A
// theme without one is shown as one that is made up on the way.

// maxDocumentName is the length of a document's name, in characters.
const maxDocumentName = 50

// documentColors are the names that each palette of a document has, no more
// and no less.
var documentColors = strings.Fields(`background foreground card cardForeground popover popoverForeground primary
	primaryForeground secondary secondaryForeground muted mutedForeground accent accentForeground destructive border
	input ring chart1 chart2 chart3 chart4 chart5 sidebar sidebarForeground sidebarPrimary sidebarPrimaryForeground
	sidebarAccent sidebarAccentForeground sidebarBorder sidebarRing`)

var (
	documentVersion = regexp.MustCompile(`^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$`)
	documentRadius  = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9})?rem$`)
)

// document is what the columns are made from.
type document struct {
	name, description, radius string
	light, dark               []member
}

// readDocument checks a document. Faults name the fields.
func readDocument(raw json.RawMessage) (document, error) {
	var d document
	members, ok := objectMembers(raw)
	if !ok {
		return d, documentFault("theme", "Expected an object.")
	}
	seen := map[string]json.RawMessage{}
	for _, m := range members {
		if _, twice := seen[m.name]; twice {
			return d, documentFault(shorten(m.name), "This field is there twice.")
		}
		seen[m.name] = m.value
	}
	if d.name, ok = textOf(seen["name"]); !ok || strings.TrimSpace(d.name) == "" || utf8.RuneCountInString(d.name) > maxDocumentName {
		return d, documentFault("name", "Expected text of 1 to 50 characters.")
	}
	if v, ok := textOf(seen["version"]); !ok || !documentVersion.MatchString(v) {
		return d, documentFault("version", "Expected three numbers with dots between them.")
	}
	if v, there := seen["isDefault"]; there && string(v) != "true" && string(v) != "false" {
		return d, documentFault("isDefault", "Expected true or false.")
	}
	radius, _ := objectMembers(seen["radius"])
	if d.radius, ok = textOf(valueOf(radius, "base")); !ok || !documentRadius.MatchString(d.radius) {
		return d, documentFault("radius", "Expected an object whose base is a number of rem.")
	}
	if v, there := seen["metadata"]; there {
		metadata, ok := objectMembers(v)
		if !ok {
			return d, documentFault("metadata", "Expected an object.")
		}
		for _, name := range []string{"author", "description", "createdAt", "updatedAt"} {
			if value := valueOf(metadata, name); value != nil {
				if _, ok := textOf(value); !ok {
					return d, documentFault("metadata", "Expected text as "+name+".")
				}
			}
		}
		d.description, _ = textOf(valueOf(metadata, "description"))
	}
	colors, ok := objectMembers(seen["colors"])
	if !ok {
		return d, documentFault("colors", "Expected an object.")
	}
	var err error
	if d.light, err = readPalette(valueOf(colors, "light")); err != nil {
		return d, err
	}
	d.dark, err = readPalette(valueOf(colors, "dark"))
	return d, err
}

func readPalette(raw json.RawMessage) ([]member, error) {
	if err := checkColors("colors", raw); err != nil {
		return nil, err
	}
	members, _ := objectMembers(raw)
	seen := map[string]bool{}
	for _, m := range members {
		if _, ok := textOf(m.value); !ok || !slices.Contains(documentColors, m.name) || seen[m.name] {
			return nil, documentFault("colors", "Unexpected color: "+shorten(m.name))
		}
		seen[m.name] = true
	}
	for _, name := range documentColors {
		if !seen[name] {
			return nil, colorFault("colors", "theme.color_missing", "Missing required color: "+name)
		}
	}
	return members, nil
}

func documentFault(field, message string) error {
	return fault.Fields(fault.Field{Name: field, Code: "theme.document", Message: message})
}

// textOf reads a JSON string that a database can hold.
func textOf(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil || strings.ContainsRune(s, 0) {
		return "", false
	}
	return s, true
}

func valueOf(members []member, name string) json.RawMessage {
	for _, m := range members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// encode writes members in their order.
func encode(members []member) json.RawMessage {
	out := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, quoted(m.name)...), ':')
		out = append(out, m.value...)
	}
	return append(out, '}')
}

func quoted(s string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always can
	return bytes.TrimRight(b.Bytes(), "\n")
}

// with gives members where name has the value, at its place or at the end.
func with(members []member, name string, value json.RawMessage) []member {
	out := slices.Clone(members)
	for i := range out {
		if out[i].name == name {
			out[i].value = value
			return out
		}
	}
	return append(out, member{name, value})
}

// DocumentOf is the theme as a browser's document: the stored one, or one made
// from the columns.
func DocumentOf(t *Theme) json.RawMessage {
	if len(t.Document) > 0 {
		if members, ok := objectMembers(t.Document); ok {
			return encode(with(members, "id", quoted(ClientIDOf(t))))
		}
	}
	radius := t.BorderRadius
	if !documentRadius.MatchString(radius) {
		radius = "0.5rem"
	}
	const stamp = "2006-01-02T15:04:05.000Z"
	metadata := []member{{"createdAt", quoted(t.CreatedAt.UTC().Format(stamp))}, {"updatedAt", quoted(t.UpdatedAt.UTC().Format(stamp))}}
	if t.Description != "" {
		metadata = append([]member{{"description", quoted(t.Description)}}, metadata...)
	}
	return encode([]member{
		{"id", quoted(ClientIDOf(t))}, {"name", quoted(documentName(t.Name))}, {"version", quoted("1.0.0")}, {"isDefault", json.RawMessage("false")},
		{"colors", documentPalettes(t)}, {"radius", encode([]member{{"base", quoted(radius)}})}, {"metadata", encode(metadata)},
	})
}

func documentName(name string) string {
	if runes := []rune(name); len(runes) > maxDocumentName {
		name = strings.TrimRight(string(runes[:maxDocumentName]), " ")
	}
	if strings.TrimSpace(name) == "" {
		return "Theme"
	}
	return name
}

// documentPalettes are both palettes with exactly the names of a document. What
// a theme lacks comes from the built-in theme of that mode.
func documentPalettes(t *Theme) json.RawMessage {
	var p palettes
	if len(t.Palettes) == 0 || json.Unmarshal(t.Palettes, &p) != nil {
		*p.of(t.ColorMode) = t.Colors
	}
	return encode([]member{{"light", documentPalette(p.Light, -1)}, {"dark", documentPalette(p.Dark, -2)}})
}

func documentPalette(raw json.RawMessage, fallback int64) json.RawMessage {
	own, _ := objectMembers(raw)
	base, err := builtIn(fallback)
	if err != nil {
		return json.RawMessage("{}") // cannot happen: both are built in
	}
	other, _ := objectMembers(base.Colors)
	members := make([]member, 0, len(documentColors))
	for _, name := range documentColors {
		value := json.RawMessage(`"transparent"`)
		for _, candidate := range []json.RawMessage{valueOf(other, kebab(name)), valueOf(own, kebab(name)), valueOf(own, name)} {
			if _, ok := textOf(candidate); ok {
				value = candidate
			}
		}
		members = append(members, member{name, value})
	}
	return encode(members)
}

// kebab is the other spelling of a colour's name: "cardForeground" is
// "card-foreground", "chart1" is "chart-1".
func kebab(name string) string {
	var b strings.Builder
	for _, c := range name {
		if unicode.IsUpper(c) || unicode.IsDigit(c) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// apply makes the columns from the document. before is the document that they
// were made from until now: what did not change in it stays in the columns.
func (d *document) apply(t *Theme, before *document) error {
	var old palettes
	if len(t.Palettes) == 0 || json.Unmarshal(t.Palettes, &old) != nil {
		*old.of(t.ColorMode) = t.Colors
	}
	if before == nil || before.radius != d.radius {
		t.BorderRadius = d.radius
	}
	if before == nil || before.description != d.description {
		t.Description = d.description
	}
	t.Palettes = encode([]member{{"light", joinPalette(old.Light, d.light)}, {"dark", joinPalette(old.Dark, d.dark)}})
	return settlePalettes(t, false, true)
}

// joinPalette puts the document's colours into a palette, which keeps the names
// and spellings that a document does not have.
func joinPalette(old json.RawMessage, colors []member) json.RawMessage {
	kept, _ := objectMembers(old)
	out := slices.Clone(kept)
	for _, c := range colors {
		name := c.name
		if other := kebab(name); valueOf(kept, name) == nil && valueOf(kept, other) != nil {
			name = other
		}
		out = with(out, name, c.value)
	}
	return encode(out)
}

// follow changes the stored document as the columns were changed by a draft.
func follow(t *Theme, d *Draft, palettesMoved bool) {
	members, ok := objectMembers(t.Document)
	if len(t.Document) == 0 || !ok {
		return
	}
	if d.Name != nil {
		members = with(members, "name", quoted(documentName(t.Name)))
	}
	if palettesMoved {
		members = with(members, "colors", documentPalettes(t))
	}
	if d.BorderRadius != nil && documentRadius.MatchString(t.BorderRadius) {
		radius, _ := objectMembers(valueOf(members, "radius"))
		members = with(members, "radius", encode(with(radius, "base", quoted(t.BorderRadius))))
	}
	if d.Description != nil {
		metadata, _ := objectMembers(valueOf(members, "metadata"))
		members = with(members, "metadata", encode(with(metadata, "description", quoted(t.Description))))
	}
	t.Document = encode(members)
}

// derivedPrefix begins the client ids of themes that no browser made.
const derivedPrefix = "bdash-"

// ClientIDOf is the id under which browsers know the theme.
func ClientIDOf(t *Theme) string {
	if t.ClientID != "" {
		return t.ClientID
	}
	return derivedPrefix + strconv.FormatInt(t.ID, 10)
}

// derivedID is the row that a made-up client id names.
func derivedID(clientID string) (int64, bool) {
	text, ok := strings.CutPrefix(clientID, derivedPrefix)
	id, err := strconv.ParseInt(text, 10, 64)
	return id, ok && err == nil && id > 0 && strconv.FormatInt(id, 10) == text
}

// maxClientID is the length of a client id, in characters.
const maxClientID = 100

// BrowserThemes are the ids of the themes that each browser has built in.
var BrowserThemes = []string{DefaultBrowserTheme, "ocean"}

// DefaultBrowserTheme is active where nothing else is.
const DefaultBrowserTheme = "default"

// checkClientID refuses ids that are no browser's own.
func checkClientID(id string) error {
	bad := id == "" || utf8.RuneCountInString(id) > maxClientID || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) ||
		id == "." || id == ".." || id == "active" || id == "sync" || slices.Contains(BrowserThemes, id)
	if bad {
		return documentFault("id", "This id cannot be used.")
	}
	return nil
}
