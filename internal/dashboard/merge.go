package dashboard

import (
	"encoding/json"
	"slices"
	"strings"
)

// Base is the state that a client started from, as it read it from an ETag.
type Base struct {
	// ViewID is the view that the ETag was of, for the layout, whose view may
	// be another one by now.
	ViewID int64
	// Version is the revision; 0 with Any.
	Version int64
	// IsActive is what the client saw: it is no part of a revision.
	IsActive bool
	// Any is "If-Match: *": whatever is there.
	Any bool
}

// FieldConflict is something that was changed on both sides, differently. A
// value that is absent there (removed, or never set) is nil.
type FieldConflict struct {
	// Field of the view: "name", "description", "widgets_config".
	Field string
	// InstanceID is the item of the layout; "" for the field as a whole.
	InstanceID string
	// Member of the item: "position", "config". "" for the item as a whole:
	// removed here and changed there.
	Member                   string
	Ancestor, Yours, Current json.RawMessage
}

// Conflict is a write that could not be merged with what was saved since its
// ancestor. It matches ErrConflict.
type Conflict struct {
	// View is what is stored; nothing was written.
	View View
	// Ancestor is the revision that the client started from.
	Ancestor  int64
	Conflicts []FieldConflict
}

func (c *Conflict) Error() string {
	names := make([]string, len(c.Conflicts))
	for i, f := range c.Conflicts {
		names[i] = strings.Trim(f.Field+" "+f.InstanceID+" "+f.Member, " ")
	}
	return ErrConflict.Error() + ": " + strings.Join(names, ", ")
}

// Unwrap gives the fault.
func (c *Conflict) Unwrap() error { return ErrConflict }

// mergeDraft turns what the client wants, who started from the ancestor, into
// what must be written over current: fields that the client left as they were
// are taken out of the draft, and layouts are merged. It gives the conflicts;
// then the draft must not be used.
func mergeDraft(d Draft, ancestor, current *View) (Draft, []FieldConflict) {
	var conflicts []FieldConflict
	texts := []struct {
		field            string
		yours            **string
		before, nowThere string
	}{
		{"name", &d.Name, ancestor.Name, current.Name},
		{"description", &d.Description, ancestor.Description, current.Description},
	}
	for _, t := range texts {
		switch {
		case *t.yours == nil:
		case **t.yours == t.before:
			*t.yours = nil
		case t.nowThere != t.before && t.nowThere != **t.yours:
			conflicts = append(conflicts, FieldConflict{Field: t.field,
				Ancestor: appendText(nil, t.before), Yours: appendText(nil, **t.yours), Current: appendText(nil, t.nowThere)})
		}
	}
	// A switch that both sides turned was turned the same way.
	if d.IsDefault != nil && *d.IsDefault == ancestor.IsDefault {
		d.IsDefault = nil
	}
	if d.IsActive != nil && *d.IsActive == ancestor.IsActive {
		d.IsActive = nil
	}
	if d.WidgetsConfig != nil {
		merged, more := mergeLayouts(ancestor.WidgetsConfig, d.WidgetsConfig, current.WidgetsConfig)
		conflicts = append(conflicts, more...)
		d.WidgetsConfig = merged
	}
	return d, conflicts
}

// mergeLayouts merges what two sides made of a layout: "yours", who writes, and
// "current", which is stored. Items are matched by their instance id and merged
// member by member; everything else in the layout is one value. The order is
// that of the side that changed it, and yours if both did: it is never a
// conflict, for the place of a widget is its position.
func mergeLayouts(ancestor, yours, current json.RawMessage) (json.RawMessage, []FieldConflict) {
	switch {
	case sameJSON(yours, current), sameJSON(ancestor, yours):
		return current, nil
	case sameJSON(ancestor, current):
		return yours, nil
	}
	m := merger{ancestor: arrange(ancestor), yours: arrange(yours), current: arrange(current)}
	if !m.ancestor.list || !m.yours.list || !m.current.list {
		m.conflict("", "", ancestor, yours, current)
		return nil, m.conflicts
	}
	m.items()
	side := m.others()
	if len(m.conflicts) > 0 {
		return nil, m.conflicts
	}
	return m.join(side), nil
}

type merger struct {
	ancestor, yours, current arrangement
	// merged holds the items that are left, by instance id.
	merged    map[string]json.RawMessage
	conflicts []FieldConflict
}

func (m *merger) conflict(id, name string, ancestor, yours, current json.RawMessage) {
	m.conflicts = append(m.conflicts, FieldConflict{
		Field: "widgets_config", InstanceID: id, Member: name, Ancestor: ancestor, Yours: yours, Current: current,
	})
}

// items merges each item that one of the two sides has.
func (m *merger) items() {
	m.merged = map[string]json.RawMessage{}
	done := map[string]bool{"": true}
	for _, a := range []*arrangement{&m.yours, &m.current} {
		for _, e := range a.elements {
			if done[e.id] {
				continue
			}
			done[e.id] = true
			if raw := m.item(e.id); raw != nil {
				m.merged[e.id] = raw
			}
		}
	}
}

// item is what becomes of one item: nil when it goes, or is in conflict.
func (m *merger) item(id string) json.RawMessage {
	was, yours, current := m.ancestor.items[id], m.yours.items[id], m.current.items[id]
	switch {
	case yours == nil && current == nil:
		return nil
	case was == nil && yours == nil:
		return current.raw // added there
	case was == nil && current == nil:
		return yours.raw // added here
	case yours == nil || current == nil:
		m.removed(id, was, yours, current)
		return nil
	case sameJSON(yours.raw, current.raw):
		return current.raw
	}
	return m.members(id, was, yours, current)
}

// removed handles an item that one side removed: the other must have left it
// as it was.
func (m *merger) removed(id string, was, yours, current *element) {
	switch {
	case yours == nil && !sameJSON(was.raw, current.raw):
		m.conflict(id, "", was.raw, nil, current.raw)
	case current == nil && !sameJSON(was.raw, yours.raw):
		m.conflict(id, "", was.raw, yours.raw, nil)
	}
}

// members merges an item that both sides have. Members are written in the order
// of yours.
func (m *merger) members(id string, was, yours, current *element) json.RawMessage {
	var before []member
	if was != nil {
		before = was.members
	}
	var out []member
	add := func(name string) {
		a, y, c := valueOf(before, name), valueOf(yours.members, name), valueOf(current.members, name)
		value := y
		switch {
		case sameJSON(a, y), sameJSON(y, c):
			value = c
		case sameJSON(a, c):
		default:
			m.conflict(id, name, a, y, c)
			return
		}
		if value != nil {
			out = append(out, member{name, value})
		}
	}
	for _, y := range yours.members {
		add(y.name)
	}
	for _, c := range current.members {
		if valueOf(yours.members, c.name) == nil {
			add(c.name)
		}
	}
	return appendObject(nil, out)
}

// others decides whose elements between the items are taken: true is yours.
func (m *merger) others() (yours bool) {
	was, y, c := m.ancestor.others(), m.yours.others(), m.current.others()
	switch {
	case sameJSON(was, y), sameJSON(y, c):
		return false
	case sameJSON(was, c):
		return true
	}
	m.conflict("", "", was, y, c)
	return false
}

// join writes the merged items in order, and between them the elements of the
// side that others chose.
func (m *merger) join(yoursOthers bool) json.RawMessage {
	first, second := &m.current, &m.yours
	firstOthers := !yoursOthers
	if m.reordered() {
		first, second = second, first
		firstOthers = yoursOthers
	}
	stand := map[string]bool{} // the items that first puts in their places
	for _, e := range first.elements {
		stand[e.id] = e.id != "" && m.stays(e, firstOthers)
	}
	// What only the second side has goes after the item that it stands after
	// there, or to the beginning.
	after := map[string][]json.RawMessage{}
	anchor := ""
	for _, e := range second.elements {
		if stand[e.id] {
			anchor = e.id
		} else if m.stays(e, !firstOthers) {
			after[anchor] = append(after[anchor], m.text(e))
		}
	}
	out := after[""]
	for _, e := range first.elements {
		if m.stays(e, firstOthers) {
			out = append(out, m.text(e))
		}
		if stand[e.id] {
			out = append(out, after[e.id]...)
		}
	}
	return appendList(nil, out)
}

// text is what an element becomes.
func (m *merger) text(e element) json.RawMessage {
	if e.id == "" {
		return e.raw
	}
	return m.merged[e.id]
}

// stays tells whether an element of a side is part of the result; others says
// whether what is kept as sent is taken from that side.
func (m *merger) stays(e element, others bool) bool {
	if e.id == "" {
		return others
	}
	return m.merged[e.id] != nil
}

// reordered tells whether yours put items in another order that both it and the
// ancestor have.
func (m *merger) reordered() bool {
	both := func(id string) bool { return m.ancestor.items[id] != nil && m.yours.items[id] != nil }
	return !slices.Equal(m.ancestor.order(both), m.yours.order(both))
}
