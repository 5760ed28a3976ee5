package dashboard

import (
	"encoding/json"
	"unicode/utf8"
)

// arrangement is a layout seen as what can be merged: items that name a widget
// and have an instance id of their own, in order, and between them elements
// that are kept as they were sent.
type arrangement struct {
	// list is false for a layout that is no list, or too long a one: then it is
	// one value.
	list     bool
	raw      json.RawMessage
	elements []element
	// items finds elements by their instance id.
	items map[string]*element
}

// element is one element of a layout; id is "" for what is kept as sent.
type element struct {
	id      string
	raw     json.RawMessage
	members []member
}

// maxMerged limits the elements of a layout that is merged; a longer one is one
// value. Only maxItems of them can be items that were checked.
const maxMerged = 5000

// maxMembers limits the members of an item that is merged; a larger one counts
// as something kept as sent.
const maxMembers = 200

// arrange reads a layout. An item without a usable instance id, or with one
// that an item before it has, counts as something kept as sent: layouts that
// were imported were never checked.
func arrange(layout json.RawMessage) arrangement {
	a := arrangement{raw: layout, items: map[string]*element{}}
	var elements []json.RawMessage
	if !startsWith(layout, '[') || json.Unmarshal(layout, &elements) != nil || len(elements) > maxMerged {
		return a
	}
	a.list = true
	a.elements = make([]element, len(elements))
	for i, raw := range elements {
		e := &a.elements[i]
		e.raw = raw
		if !startsWith(raw, '{') {
			continue
		}
		members, ok := membersOf(raw)
		id := instanceOf(members)
		if !ok || len(members) > maxMembers || id == "" || a.items[id] != nil {
			continue
		}
		e.id, e.members = id, members
		a.items[id] = e
	}
	return a
}

// instanceOf is the instance id of an item that names a widget, or "".
func instanceOf(members []member) (id string) {
	if valueOf(members, "widget_id") == nil && valueOf(members, "widget_key") == nil {
		return ""
	}
	raw := valueOf(members, "instance_id")
	if !startsWith(raw, '"') || json.Unmarshal(raw, &id) != nil || utf8.RuneCountInString(id) > maxInstanceID {
		return ""
	}
	return id
}

// others are the elements that are kept as sent, as one value.
func (a *arrangement) others() json.RawMessage {
	var list []json.RawMessage
	for _, e := range a.elements {
		if e.id == "" {
			list = append(list, e.raw)
		}
	}
	return appendList(nil, list)
}

// order is the instance ids in order, of those that keep accepts.
func (a *arrangement) order(keep func(id string) bool) []string {
	var ids []string
	for _, e := range a.elements {
		if e.id != "" && keep(e.id) {
			ids = append(ids, e.id)
		}
	}
	return ids
}
