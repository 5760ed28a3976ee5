package preference

import (
	"encoding/json"
	"strings"
)

// Base is the state that a client started from.
type Base struct {
	Version int64
	fields  fields
}

// fields are what a client can change.
type fields struct {
	Locale              string  `json:"l"`
	ThemeMode           string  `json:"m"`
	ActiveThemeID       *string `json:"t"`
	SidebarCollapsed    bool    `json:"s"`
	ActiveDashboardView string  `json:"v"`
	TimeZone            string  `json:"z"`
}

// Base is the present state, for a later Draft.
func (p *Preferences) Base() Base {
	return Base{Version: p.Version, fields: fields{
		Locale: p.Locale, ThemeMode: p.ThemeMode, ActiveThemeID: p.ActiveThemeID, SidebarCollapsed: p.SidebarCollapsed,
		ActiveDashboardView: p.ActiveDashboardView, TimeZone: p.TimeZone,
	}}
}

// Encode writes the values of the state, without its version. Whoever has it
// can make up another one: that harms only merges of his own.
func (b Base) Encode() []byte {
	text, err := json.Marshal(b.fields)
	if err != nil {
		return nil // strings and booleans always have a text
	}
	return text
}

// DecodeBase reads what Encode wrote.
func DecodeBase(text []byte) (b Base, ok bool) {
	return b, json.Unmarshal(text, &b.fields) == nil
}

// FieldConflict is a field that was changed on both sides, differently.
type FieldConflict struct {
	Field                    string
	Ancestor, Yours, Current json.RawMessage
}

// Conflict is a write that could not be merged with what was saved since its
// base; nothing was written. It matches ErrConflict.
type Conflict struct {
	Current   Preferences
	Conflicts []FieldConflict
}

func (c *Conflict) Error() string {
	names := make([]string, len(c.Conflicts))
	for i, f := range c.Conflicts {
		names[i] = f.Field
	}
	return ErrConflict.Error() + ": " + strings.Join(names, ", ")
}

// Unwrap gives the fault.
func (c *Conflict) Unwrap() error { return ErrConflict }

// over is the draft as it must be written over current: fields that the client
// left as they were are taken out. ErrStale, a Conflict.
func (d Draft) over(current Preferences) (Draft, error) {
	if d.Base.Version < 1 || d.Base.Version > current.Version {
		return d, ErrStale
	}
	c := &Conflict{Current: current}
	was, now := d.Base.fields, current.Base().fields
	merge(c, "locale", &d.Locale, was.Locale, now.Locale)
	merge(c, "theme_mode", &d.ThemeMode, was.ThemeMode, now.ThemeMode)
	if d.ActiveThemeID != nil {
		yours := optional(*d.ActiveThemeID)
		draft := &yours
		merge(c, "active_theme_id", &draft, optional(was.ActiveThemeID), optional(now.ActiveThemeID))
		if draft == nil {
			d.ActiveThemeID = nil
		}
	}
	merge(c, "sidebar_collapsed", &d.SidebarCollapsed, was.SidebarCollapsed, now.SidebarCollapsed)
	merge(c, "active_dashboard_view", &d.ActiveDashboardView, was.ActiveDashboardView, now.ActiveDashboardView)
	merge(c, "time_zone", &d.TimeZone, was.TimeZone, now.TimeZone)
	if len(c.Conflicts) > 0 {
		return d, c
	}
	return d, nil
}

// text is a string that may be absent, comparable.
type text struct {
	set   bool
	value string
}

func optional(s *string) text {
	if s == nil {
		return text{}
	}
	return text{true, *s}
}

// MarshalJSON implements json.Marshaler.
func (t text) MarshalJSON() ([]byte, error) {
	if !t.set {
		return []byte("null"), nil
	}
	return json.Marshal(t.value)
}

// merge takes a field out of the draft that the client left as it was, and
// notes a conflict where both sides changed it.
func merge[T comparable](c *Conflict, field string, yours **T, was, now T) {
	switch {
	case *yours == nil:
	case **yours == was:
		*yours = nil
	case now != was && now != **yours:
		c.Conflicts = append(c.Conflicts, FieldConflict{Field: field, Ancestor: jsonOf(was), Yours: jsonOf(**yours), Current: jsonOf(now)})
	}
}

func jsonOf(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null") // strings and booleans always have a text
	}
	return raw
}
