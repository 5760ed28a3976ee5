package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/jsonschema"
)

// Widget is what a layout must know of a widget.
type Widget struct {
	ID int64
	// Key is its other name; empty if it has none.
	Key string
	// ConfigSchema is the JSON Schema of an item's config; empty takes any
	// object.
	ConfigSchema json.RawMessage
}

// Widgets knows the widgets.
type Widgets interface {
	// Known gives those of the widgets asked for, by id or by key, that the
	// actor can see, in any order.
	Known(ctx context.Context, actor identity.Actor, ids []int64, keys []string) ([]Widget, error)
}

// The bounds of a layout.
const (
	// maxItems limits the items of a layout that are checked.
	maxItems = 200
	// columns of the grid.
	columns = 12
	// maxRows bounds y and height: far below what any screen shows.
	maxRows = 10_000
	// maxInstanceID limits an instance_id, in characters.
	maxInstanceID = 100
	// maxFaults limits how many faults of a layout are told.
	maxFaults = 20
)

// item is an item of a layout that names a widget.
type item struct {
	index  int // in the list, from 0
	fields map[string]json.RawMessage
	// id and key name the widget; 0 and "" where they do not.
	id  int64
	key string
	// fault is what is wrong with the name of the widget.
	fault string
}

// split divides a layout into its elements, and finds the items among them
// that name a widget. A layout that is no list has no elements.
func split(layout json.RawMessage) (elements []json.RawMessage, items []item) {
	if !startsWith(layout, '[') || json.Unmarshal(layout, &elements) != nil {
		return nil, nil
	}
	for i, element := range elements {
		var fields map[string]json.RawMessage
		if !startsWith(element, '{') || json.Unmarshal(element, &fields) != nil {
			continue
		}
		id, hasID := fields["widget_id"]
		key, hasKey := fields["widget_key"]
		if hasID || hasKey {
			it := item{index: i, fields: fields}
			it.name(id, key)
			items = append(items, it)
		}
	}
	return elements, items
}

// name reads which widget the item names; null counts as absent when the other
// name is there.
func (it *item) name(id, key json.RawMessage) {
	if present(id) {
		n, err := strconv.ParseInt(string(id), 10, 64)
		if err != nil || n < 1 {
			it.fault = "widget_id must be a positive whole number."
			return
		}
		it.id = n
	}
	if present(key) {
		if !startsWith(key, '"') || json.Unmarshal(key, &it.key) != nil || it.key == "" {
			it.fault = "widget_key must be a non-empty string."
			return
		}
	}
	if it.id == 0 && it.key == "" {
		it.fault = "widget_id or widget_key must name a widget."
	}
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func startsWith(raw json.RawMessage, c byte) bool {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	return len(raw) > 0 && raw[0] == c
}

// catalog holds the widgets that a layout may use.
type catalog struct {
	byID  map[int64]*Widget
	byKey map[string]*Widget
}

// asked tells whether the catalog would know the item's widget.
func (c catalog) asked(it *item) bool {
	_, byID := c.byID[it.id]
	_, byKey := c.byKey[it.key]
	return (it.id == 0 || byID) && (it.key == "" || byKey)
}

// lookUp asks for all widgets that the items name, at once.
func (s *Service) lookUp(ctx context.Context, actor identity.Actor, items []item) (catalog, error) {
	c := catalog{byID: map[int64]*Widget{}, byKey: map[string]*Widget{}}
	var ids []int64
	var keys []string
	for _, it := range items {
		if _, asked := c.byID[it.id]; it.id != 0 && !asked {
			c.byID[it.id] = nil
			ids = append(ids, it.id)
		}
		if _, asked := c.byKey[it.key]; it.key != "" && !asked {
			c.byKey[it.key] = nil
			keys = append(keys, it.key)
		}
	}
	if len(ids)+len(keys) == 0 {
		return c, nil
	}
	known, err := s.Widgets.Known(ctx, actor, ids, keys)
	if err != nil {
		return c, fmt.Errorf("look up the widgets of a layout: %w", err)
	}
	for i := range known {
		w := &known[i]
		c.byID[w.ID] = w
		if w.Key != "" {
			c.byKey[w.Key] = w
		}
	}
	return c, nil
}

// find gives the item's widget, or says why there is none.
func (c catalog) find(it *item) (*Widget, string) {
	byID, byKey := c.byID[it.id], c.byKey[it.key]
	switch {
	case it.fault != "":
		return nil, it.fault
	case it.id != 0 && byID == nil:
		return nil, fmt.Sprintf("unknown widget %d.", it.id)
	case it.key != "" && byKey == nil:
		return nil, fmt.Sprintf("unknown widget %q.", shorten(it.key))
	case byID != nil && byKey != nil && byID.ID != byKey.ID:
		return nil, "widget_id and widget_key name different widgets."
	case byID != nil:
		return byID, ""
	}
	return byKey, ""
}

// checkDraft refuses a layout whose items cannot be shown, and gives the widgets
// that it names. ErrLayout.
func (s *Service) checkDraft(ctx context.Context, actor identity.Actor, d Draft) (catalog, error) {
	if d.WidgetsConfig == nil {
		return catalog{}, nil
	}
	return s.checkLayout(ctx, actor, d.WidgetsConfig)
}

// checkLayout refuses a layout whose items cannot be shown, and gives the
// widgets that it names. ErrLayout, with a message for each fault under
// "widgets_config".
// Keys in planned count as known even where no widget has them yet.
func (s *Service) checkLayout(ctx context.Context, actor identity.Actor, layout json.RawMessage, planned ...string) (catalog, error) {
	if !present(layout) {
		return catalog{}, layoutFault("This field may not be null.")
	}
	_, items := split(layout)
	if len(items) > maxItems {
		return catalog{}, errTooMany
	}
	known, err := s.lookUp(ctx, actor, items)
	if err != nil {
		return catalog{}, err
	}
	for _, key := range planned {
		if known.byKey[key] == nil {
			known.byKey[key] = &Widget{Key: key}
		}
	}
	return known, known.check(items)
}

var errTooMany = layoutFault(fmt.Sprintf("A layout may hold at most %d widgets.", maxItems))

// check refuses items that cannot be shown. ErrLayout.
func (c catalog) check(items []item) error {
	var faults []string
	checker := newChecker(c)
	for i := range items {
		for _, f := range checker.check(&items[i]) {
			faults = append(faults, fmt.Sprintf("Item %d: %s", items[i].index+1, f))
		}
		if len(faults) >= maxFaults {
			break
		}
	}
	if len(faults) > 0 {
		return layoutFault(faults[:min(len(faults), maxFaults)]...)
	}
	return nil
}

func layoutFault(messages ...string) *fault.Error {
	e := ErrLayout.Because(nil)
	for _, m := range messages {
		e.Fields = append(e.Fields, fault.Field{Name: "widgets_config", Code: e.Code, Message: m})
	}
	return e
}

// checker checks the items of one layout.
type checker struct {
	known catalog
	// seen collects the instance ids.
	seen map[string]bool
	// work is shared by all items: the schemas are somebody's input too, and a
	// layout must not cost two hundred times what one config may.
	work *jsonschema.Work
}

func newChecker(known catalog) *checker {
	return &checker{known: known, seen: map[string]bool{}, work: jsonschema.NewWork()}
}

// check gives the faults of an item.
func (c *checker) check(it *item) []string {
	var faults []string
	add := func(message string) {
		if message != "" {
			faults = append(faults, message)
		}
	}
	widget, message := c.known.find(it)
	add(message)
	add(checkInstanceID(it.fields["instance_id"], c.seen))
	faults = append(faults, checkPosition(it.fields["position"])...)
	if visible, ok := it.fields["visible"]; ok && string(visible) != "true" && string(visible) != "false" {
		add("visible must be true or false.")
	}
	if config, ok := it.fields["config"]; ok {
		if !startsWith(config, '{') {
			add("config must be an object.")
		} else if widget != nil {
			faults = append(faults, checkConfig(c.work, widget, config)...)
		}
	}
	return faults
}

func checkInstanceID(raw json.RawMessage, seen map[string]bool) string {
	var id string
	if !startsWith(raw, '"') || json.Unmarshal(raw, &id) != nil || strings.TrimSpace(id) == "" {
		return "instance_id must be a non-empty string."
	}
	if utf8.RuneCountInString(id) > maxInstanceID {
		return fmt.Sprintf("instance_id must have no more than %d characters.", maxInstanceID)
	}
	if seen[id] {
		return fmt.Sprintf("instance_id %q is used twice.", id)
	}
	seen[id] = true
	return ""
}

func checkPosition(raw json.RawMessage) []string {
	var members map[string]json.RawMessage
	if !startsWith(raw, '{') || json.Unmarshal(raw, &members) != nil {
		return []string{"position must be an object of x, y, width and height."}
	}
	var faults []string
	number := func(name string, minimum, maximum int64) int64 {
		n, err := strconv.ParseInt(string(members[name]), 10, 64)
		if err != nil || n < minimum || n > maximum {
			faults = append(faults, fmt.Sprintf("position.%s must be a whole number from %d to %d.", name, minimum, maximum))
		}
		return n
	}
	x := number("x", 0, columns-1)
	number("y", 0, maxRows)
	width := number("width", 1, columns)
	number("height", 1, maxRows)
	if len(faults) == 0 && x+width > columns {
		faults = append(faults, fmt.Sprintf("position.x and position.width together must not exceed %d.", columns))
	}
	return faults
}

// checkConfig checks the config against the widget's schema. A schema that is
// none (it may have been imported) takes any object.
func checkConfig(work *jsonschema.Work, w *Widget, config json.RawMessage) []string {
	if len(w.ConfigSchema) == 0 {
		return nil
	}
	schema, err := jsonschema.Compile(w.ConfigSchema)
	if err != nil {
		return nil // not the fault of who arranges a dashboard
	}
	var faults []string
	for _, p := range schema.ValidateWithin(work, config) {
		faults = append(faults, "config"+p.Path+": "+p.Message+".")
	}
	return faults
}

// shorten keeps a message readable that quotes what was sent.
func shorten(s string) string {
	if r := []rune(s); len(r) > maxInstanceID {
		return string(r[:maxInstanceID]) + "…"
	}
	return s
}
