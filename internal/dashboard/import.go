package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// Import makes a view of a bundle: with its own copies of the widgets that are
// not here, private and without keys, and a copy of the theme, which is not
// made active. A widget is here if one that the actor can see has its key and
// type, or, without a key, its id, name and type. Nothing is written if dry, or
// if anything is wrong: ErrBundle, ErrLayout, faults of the widgets' and
// themes' rooms.
func (s *Service) Import(ctx context.Context, actor identity.Actor, b Bundle, dry bool) (Plan, error) {
	if len(b.Widgets) > maxBundled {
		return Plan{}, bundleFault("widgets", fmt.Sprintf("A bundle may hold at most %d widgets.", maxBundled))
	}
	if !present(b.WidgetsConfig) {
		return Plan{}, layoutFault("This field may not be null.")
	}
	m := importer{bundle: &b, layout: newImportLayout(b.WidgetsConfig)}
	if len(m.layout.items) > maxItems {
		return Plan{}, errTooMany
	}
	if err := m.index(); err != nil {
		return Plan{}, err
	}
	if err := s.resolve(ctx, actor, &m); err != nil {
		return Plan{}, err
	}
	if err := m.check(); err != nil {
		return Plan{}, err
	}
	now := s.now()
	in := Import{
		View: View{UserID: actor.UserID, Name: b.Name, Description: b.Description, CreatedAt: now, UpdatedAt: now}, Dry: dry,
		Layout: m.write,
	}
	for _, i := range m.made {
		in.Widgets = append(in.Widgets, m.plan.Widgets[i].BundledWidget)
	}
	if b.Theme != nil {
		t, err := s.Neighbours.PrepareTheme(ctx, actor, *b.Theme)
		if err != nil {
			return Plan{}, within("theme", "", err)
		}
		in.Theme = &t
	}
	imported, err := s.Imports.Import(ctx, editOf(actor, "imported"), in)
	if err != nil {
		return Plan{}, err
	}
	m.plan.Imported, m.plan.Dry = imported, dry
	for n, i := range m.made {
		m.plan.Widgets[i].NewID = imported.WidgetIDs[n]
	}
	if !dry && imported.ThemeMade {
		s.Neighbours.ThemeMade(ctx, actor, imported.ThemeID)
	}
	if !dry && s.Events != nil {
		s.Events.DashboardUpdated(ctx, actor.UserID, imported.View.ID, imported.View.Version)
	}
	return m.plan, nil
}

// within puts the faults of a neighbour's fields under one field of the bundle.
func within(field, where string, err error) error {
	f, ok := fault.As(err)
	if !ok || len(f.Fields) == 0 {
		return err
	}
	e := ErrBundle.Because(err)
	for _, inner := range f.Fields {
		e.Fields = append(e.Fields, fault.Field{Name: field, Code: inner.Code, Message: where + inner.Name + ": " + inner.Message})
	}
	return e
}

// importer turns a bundle into what is to be made.
type importer struct {
	bundle *Bundle
	layout importLayout
	// byID and byKey find widgets of the bundle by their place in it.
	byID  map[int64]int
	byKey map[string]int
	// used are the places of widgets that an item names.
	used map[int]bool
	// here are widgets of this server that items name by a key that is not in
	// the bundle.
	here catalog
	// made are the places, in plan.Widgets, of those that are to be made.
	made []int
	// target is, for each place in the bundle, the place in plan.Widgets.
	target map[int]int
	plan   Plan
}

// index finds the widgets of the bundle by id and key.
func (m *importer) index() error {
	m.byID, m.byKey = map[int64]int{}, map[string]int{}
	for i, w := range m.bundle.Widgets {
		if _, twice := m.byID[w.ID]; twice && w.ID != 0 {
			return bundleFault("widgets", fmt.Sprintf("Two widgets have the id %d.", w.ID))
		}
		m.byID[w.ID] = i
		if w.Key == nil || *w.Key == "" {
			continue
		}
		if _, twice := m.byKey[*w.Key]; twice {
			return bundleFault("widgets", fmt.Sprintf("Two widgets have the key %q.", shorten(*w.Key)))
		}
		m.byKey[*w.Key] = i
	}
	delete(m.byID, 0)
	return nil
}

// bundled is the place of the widget that an item names; -1 when the bundle has
// none.
func (m *importer) bundled(it *item) int {
	if i, ok := m.byID[it.id]; ok {
		return i
	}
	if i, ok := m.byKey[it.key]; ok {
		return i
	}
	return -1
}

// resolve decides of each widget that is used whether it is here or is made.
func (s *Service) resolve(ctx context.Context, actor identity.Actor, m *importer) error {
	m.used, m.target = map[int]bool{}, map[int]int{}
	var elsewhere []item
	for i := range m.layout.items {
		it := &m.layout.items[i]
		if place := m.bundled(it); place >= 0 {
			m.used[place] = true
		} else if it.key != "" {
			elsewhere = append(elsewhere, item{key: it.key})
		}
	}
	var err error
	if m.here, err = s.lookUp(ctx, actor, elsewhere); err != nil {
		return err
	}
	known, err := s.known(ctx, actor, m)
	if err != nil {
		return err
	}
	for place := range m.bundle.Widgets {
		if !m.used[place] {
			continue
		}
		w := m.bundle.Widgets[place]
		p := PlannedWidget{BundledWidget: w}
		if id := known.same(&w); id != 0 {
			p.NewID, p.ConfigSchema = id, known.byID[id].ConfigSchema
		} else if err := s.prepare(ctx, actor, &p); err != nil {
			return within("widgets", fmt.Sprintf("Widget %d: ", place+1), err)
		} else {
			m.made = append(m.made, len(m.plan.Widgets))
		}
		m.target[place] = len(m.plan.Widgets)
		m.plan.Widgets = append(m.plan.Widgets, p)
	}
	return nil
}

// prepare makes a widget of the bundle one that the actor may make.
func (s *Service) prepare(ctx context.Context, actor identity.Actor, p *PlannedWidget) error {
	w := p.BundledWidget
	if p.Made = true; w.Source != sourceStatic {
		p.Disconnected = w.Source != sourcePush && w.Source != ""
		w.Source, w.Query, w.Mapping, w.RefreshEvery = sourcePush, nil, nil, nil
	}
	w.Key = nil
	prepared, err := s.Neighbours.PrepareWidget(ctx, actor, w)
	if err != nil {
		return err
	}
	prepared.ID, prepared.Key = p.ID, p.Key // for the plan: as in the bundle
	p.BundledWidget = prepared
	return nil
}

// knownWidgets are the widgets here that those of a bundle may be.
type knownWidgets struct {
	byID  map[int64]*BundledWidget
	byKey map[string]*BundledWidget
}

func (s *Service) known(ctx context.Context, actor identity.Actor, m *importer) (knownWidgets, error) {
	k := knownWidgets{byID: map[int64]*BundledWidget{}, byKey: map[string]*BundledWidget{}}
	var ids []int64
	var keys []string
	for place := range m.used {
		if w := &m.bundle.Widgets[place]; w.Key != nil && *w.Key != "" {
			keys = append(keys, *w.Key)
		} else if w.ID > 0 {
			ids = append(ids, w.ID)
		}
	}
	if len(ids)+len(keys) == 0 {
		return k, nil
	}
	found, err := s.Neighbours.Definitions(ctx, actor, ids, keys)
	for i := range found {
		w := &found[i]
		k.byID[w.ID] = w
		if w.Key != nil {
			k.byKey[*w.Key] = w
		}
	}
	return k, err
}

// same is the id of the widget here that w is; 0 for none.
func (k knownWidgets) same(w *BundledWidget) int64 {
	if w.Key != nil && *w.Key != "" {
		if here := k.byKey[*w.Key]; here != nil && here.WidgetType == w.WidgetType {
			return here.ID
		}
		return 0
	}
	if here := k.byID[w.ID]; here != nil && here.Key == nil && here.Name == w.Name && here.WidgetType == w.WidgetType {
		return here.ID
	}
	return 0
}

// placeholder stands for the id of a widget that is not made yet, far above
// any real one.
const placeholder = int64(1) << 62

// check checks the items as they will be, and notes those that name unknown
// widgets.
func (m *importer) check() error {
	known := catalog{byID: map[int64]*Widget{}, byKey: m.here.byKey}
	for i := range m.plan.Widgets {
		p := &m.plan.Widgets[i]
		id := m.idOf(i, nil)
		known.byID[id] = &Widget{ID: id, ConfigSchema: p.ConfigSchema}
	}
	var items []item
	for i := range m.layout.items {
		it := m.layout.items[i]
		place := m.bundled(&it)
		switch {
		case place >= 0:
			it.id, it.key = m.idOf(m.target[place], nil), ""
		case it.key != "" && m.here.byKey[it.key] != nil:
			it.id = 0
		default:
			_, message := m.here.find(&it)
			m.plan.Unknown = append(m.plan.Unknown, UnknownItem{Index: it.index, InstanceID: textOf(it.fields["instance_id"]), Message: message})
			continue
		}
		items = append(items, it)
	}
	return known.check(items)
}

func textOf(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s) // anything but a string is ""
	return s
}

// idOf is the id of a planned widget; ids are those of the made ones, nil
// before they are.
func (m *importer) idOf(planned int, ids []int64) int64 {
	if id := m.plan.Widgets[planned].NewID; id != 0 {
		return id
	}
	for n, i := range m.made {
		if i == planned {
			if n < len(ids) {
				return ids[n]
			}
			return placeholder + int64(n)
		}
	}
	return 0
}

// write is the layout with the ids of the made widgets, without the items that
// name unknown ones. In a dry run they have none.
func (m *importer) write(ids []int64) json.RawMessage {
	if !m.layout.list {
		return m.bundle.WidgetsConfig
	}
	left := map[int]bool{}
	for _, u := range m.plan.Unknown {
		left[u.Index] = true
	}
	elements := append([]json.RawMessage(nil), m.layout.elements...)
	for i := range m.layout.items {
		it := &m.layout.items[i]
		if left[it.index] {
			continue
		}
		if place := m.bundled(it); place >= 0 {
			elements[it.index] = renamed(elements[it.index], m.idOf(m.target[place], ids))
		} else if it.id != 0 { // an id of elsewhere, beside a key that is known here
			elements[it.index] = renamed(elements[it.index], m.here.byKey[it.key].ID)
		}
	}
	return without(elements, left)
}

// renamed is the item with the widget's id in place of what named it.
func renamed(raw json.RawMessage, id int64) json.RawMessage {
	members, ok := membersOf(raw)
	if !ok {
		return raw
	}
	text := strconv.AppendInt(nil, id, 10)
	out := make([]member, 0, len(members))
	done := false
	for _, mb := range members {
		if mb.name == "widget_id" || mb.name == "widget_key" {
			if !done {
				out = append(out, member{"widget_id", text})
				done = true
			}
			continue
		}
		out = append(out, mb)
	}
	return appendObject(nil, out)
}

// importLayout is a layout with its items that name a widget.
type importLayout struct {
	list     bool
	elements []json.RawMessage
	items    []item
}

func newImportLayout(layout json.RawMessage) importLayout {
	elements, items := split(layout)
	return importLayout{list: startsWith(layout, '[') && elements != nil, elements: elements, items: items}
}
