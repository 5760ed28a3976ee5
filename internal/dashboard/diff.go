package dashboard

import (
	"encoding/json"
	"slices"
)

// Diff is what differs between two states of a view.
type Diff struct {
	From, To int64
	// Fields of the view that differ, by name, other than the layout.
	Fields []ValueChange
	// Added and Removed are whole items, Changed those whose members differ.
	Added, Removed []ItemChange
	Changed        []ItemChange
	// Reordered: items that both have stand in another order.
	Reordered bool
	// Others is set when what is kept as sent differs: the elements that are no
	// items, or layouts that are no lists.
	Others *ValueChange
}

// ValueChange is one value before and after; nil where it is absent.
type ValueChange struct {
	Name     string
	From, To json.RawMessage
}

// ItemChange is one item of a layout.
type ItemChange struct {
	InstanceID string
	// Item is the item as it was added, or before it was removed.
	Item json.RawMessage
	// Members that differ.
	Members []ValueChange
}

// Summary says in short what a revision changed: names without values.
type Summary struct {
	Fields    []string            `json:"fields,omitempty"`
	Added     []string            `json:"added,omitempty"`
	Removed   []string            `json:"removed,omitempty"`
	Changed   map[string][]string `json:"changed,omitempty"`
	Reordered bool                `json:"reordered,omitempty"`
	Others    bool                `json:"others,omitempty"`
	Created   bool                `json:"created,omitempty"`
}

// CreatedSummary is that of a view's first revision.
var CreatedSummary = json.RawMessage(`{"created":true}`)

// Summarize is the Summary of a change, as JSON.
func Summarize(before, after *View) json.RawMessage {
	d := Compare(before, after)
	s := Summary{Reordered: d.Reordered, Others: d.Others != nil}
	for _, f := range d.Fields {
		s.Fields = append(s.Fields, f.Name)
	}
	for _, i := range d.Added {
		s.Added = append(s.Added, i.InstanceID)
	}
	for _, i := range d.Removed {
		s.Removed = append(s.Removed, i.InstanceID)
	}
	for _, i := range d.Changed {
		if s.Changed == nil {
			s.Changed = map[string][]string{}
		}
		for _, m := range i.Members {
			s.Changed[i.InstanceID] = append(s.Changed[i.InstanceID], m.Name)
		}
	}
	text, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage("{}") // strings and booleans always have a text
	}
	return text
}

// Compare gives what differs between two states of a view.
func Compare(before, after *View) Diff {
	var d Diff
	text := func(name, a, b string) {
		if a != b {
			d.Fields = append(d.Fields, ValueChange{name, appendText(nil, a), appendText(nil, b)})
		}
	}
	text("name", before.Name, after.Name)
	text("description", before.Description, after.Description)
	if before.IsDefault != after.IsDefault {
		d.Fields = append(d.Fields, ValueChange{"is_default", boolJSON(before.IsDefault), boolJSON(after.IsDefault)})
	}
	d.layouts(before.WidgetsConfig, after.WidgetsConfig)
	return d
}

func boolJSON(b bool) json.RawMessage {
	if b {
		return json.RawMessage("true")
	}
	return json.RawMessage("false")
}

func (d *Diff) layouts(before, after json.RawMessage) {
	if sameJSON(before, after) {
		return
	}
	a, b := arrange(before), arrange(after)
	if !a.list || !b.list {
		d.Others = &ValueChange{"widgets_config", before, after}
		return
	}
	for _, e := range a.elements {
		if e.id != "" && b.items[e.id] == nil {
			d.Removed = append(d.Removed, ItemChange{InstanceID: e.id, Item: e.raw})
		}
	}
	for _, e := range b.elements {
		if e.id == "" {
			continue
		}
		was := a.items[e.id]
		if was == nil {
			d.Added = append(d.Added, ItemChange{InstanceID: e.id, Item: e.raw})
		} else if members := changedMembers(was.members, e.members); len(members) > 0 {
			d.Changed = append(d.Changed, ItemChange{InstanceID: e.id, Members: members})
		}
	}
	both := func(id string) bool { return a.items[id] != nil && b.items[id] != nil }
	d.Reordered = !slices.Equal(a.order(both), b.order(both))
	if x, y := a.others(), b.others(); !sameJSON(x, y) {
		d.Others = &ValueChange{"widgets_config", x, y}
	}
}

func changedMembers(before, after []member) []ValueChange {
	var out []ValueChange
	for _, m := range before {
		if now := valueOf(after, m.name); !sameJSON(m.value, now) {
			out = append(out, ValueChange{m.name, m.value, now})
		}
	}
	for _, m := range after {
		if valueOf(before, m.name) == nil {
			out = append(out, ValueChange{m.name, nil, m.value})
		}
	}
	return out
}
