package widget

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/jsonschema"
)

// Texts of field faults.
const (
	msgKey     = "Enter a key of 1 to 100 lower-case letters, digits and hyphens."
	msgPublish = "Only editors and administrators can publish widgets."
	msgSchema  = "A JSON Schema is an object or a boolean."
)

// mayWrite: administrators write to every widget, all others to their own. An
// API key acts as its owner here (its scopes are about which methods it may
// use), so the role alone decides.
func mayWrite(a identity.Actor, w *Widget) error {
	switch {
	case a.Role == identity.Admin, w.CreatedBy == a.UserID && !a.Anonymous():
		return nil
	case w.IsPublic:
		return ErrForbidden
	}
	return ErrNotFound
}

func mayPublish(a identity.Actor) bool { return a.Role == identity.Admin || a.Role == identity.Editor }

// apply changes w as the draft says, unless something is wrong with it;
// problems are those that problemsOf found. A widget that is public already is
// not published again: its owner may have been an editor.
func apply(w *Widget, actor identity.Actor, d Draft, problems []fault.Field, now time.Time) error {
	if d.IsPublic != nil && *d.IsPublic && !w.IsPublic && !mayPublish(actor) {
		problems = append(problems[:len(problems):len(problems)],
			fault.Field{Name: "is_public", Code: "widget.publish", Message: msgPublish})
	}
	kind := w.WidgetType
	set(&kind, d.WidgetType)
	if variant := w.Variant; d.Variant != nil || d.WidgetType != nil {
		set(&variant, d.Variant)
		if variant != nil && !slices.Contains(Variants[*variant], kind) {
			problems = append(problems[:len(problems):len(problems)], fault.Field{Name: "variant", Code: "widget.variant",
				Message: fmt.Sprintf("A widget of the type %s has no variant %q.", kind, *variant)})
		}
	}
	problems = append(problems[:len(problems):len(problems)], mappingProblem(w, d)...)
	if len(problems) > 0 {
		return fault.Fields(problems...)
	}
	set(&w.Key, d.Key)
	set(&w.Name, d.Name)
	set(&w.WidgetType, d.WidgetType)
	set(&w.Description, d.Description)
	set(&w.IsPublic, d.IsPublic)
	if d.ConfigSchema != nil {
		w.ConfigSchema = d.ConfigSchema
	}
	applyShow(w, d)
	w.UpdatedAt = now
	return nil
}

func set[T any](to *T, change *T) {
	if change != nil {
		*to = *change
	}
}

// problemsOf checks what can be checked without the widget.
func problemsOf(d Draft) []fault.Field {
	var problems []fault.Field
	if d.ConfigSchema != nil {
		if message := checkSchema(d.ConfigSchema); message != "" {
			problems = append(problems, fault.Field{Name: "config_schema", Code: "widget.schema", Message: message})
		}
	}
	if d.Key != nil && *d.Key != nil && !validKey(**d.Key) {
		problems = append(problems, fault.Field{Name: "key", Code: "widget.key", Message: msgKey})
	}
	return append(problems, problemsOfShow(d)...)
}

// checkSchema gives a message, or "" for a valid JSON Schema.
func checkSchema(raw json.RawMessage) string {
	switch trimmed := bytes.TrimLeft(raw, " \t\r\n"); {
	case len(trimmed) == 0:
		return msgSchema
	case trimmed[0] != '{' && trimmed[0] != 't' && trimmed[0] != 'f':
		return msgSchema
	}
	if _, err := jsonschema.Compile(raw); err != nil {
		return "Not a valid JSON Schema: " + err.Error()
	}
	return ""
}

func validKey(key string) bool {
	if key == "" || len(key) > MaxKey {
		return false
	}
	for _, c := range []byte(key) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
