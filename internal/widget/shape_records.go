package widget

import (
	"strings"
	"time"
)

// calendarMapping makes events. A part that is not mapped is the column of its
// name, if there is one.
type calendarMapping struct {
	alone

	ID          string `json:"id"`
	Title       string `json:"title"` // the first of text
	Start       string `json:"start"` // the first of times
	End         string `json:"end"`
	AllDay      string `json:"all_day"` // of yes and no; where start is a date
	Description string `json:"description"`
	Color       string `json:"color"`
	Link        string `json:"link"`
}

type calendarShape struct {
	Events    []event `json:"events"`
	Truncated bool    `json:"truncated,omitempty"`
}

type event struct {
	ID          *string `json:"id"`
	Title       string  `json:"title"`
	Start       string  `json:"start"`
	End         *string `json:"end"`
	AllDay      bool    `json:"all_day"`
	Description *string `json:"description"`
	Color       *string `json:"color"`
	Link        *string `json:"link"`
}

func (m *calendarMapping) check() string { return "" }

func (m *calendarMapping) shape(frame, _ *Frame) (any, error) {
	r := reader{frame: frame}
	start := r.start(m.Start)
	title := r.required("title", m.Title, words, start)
	end, allDay := r.optional("end", m.End, instant), r.optional("all_day", m.AllDay, []ColumnKind{Bool, Integer})
	id, description := r.optional("id", m.ID, scalar), r.optional("description", m.Description, words)
	color, target := r.optional("color", m.Color, words), r.optional("link", m.Link, words)
	begins, dates := r.moments("start", start)
	ends, _ := r.moments("end", end)
	if r.err != nil {
		return nil, r.err
	}
	out := calendarShape{Events: []event{}, Truncated: frame.Truncated}
	for row := range frame.Rows() {
		if begins[row] == nil {
			continue // it happens at no time
		}
		e := event{
			ID: text(id.at(row)), Title: orEmpty(text(title.at(row))), Start: when(*begins[row]), AllDay: dates[row],
			Description: text(description.at(row)), Color: text(color.at(row)), Link: link(target.at(row)),
		}
		if ends != nil && ends[row] != nil {
			t := when(*ends[row])
			e.End = &t
		}
		if v := allDay.at(row); v != nil {
			e.AllDay = v == true || v != false && v != int64(0)
		}
		out.Events = append(out.Events, e)
	}
	return out, nil
}

// start is the named column, the one called start, or the first of times.
func (r *reader) start(name string) *Column {
	c := r.optional("start", name, instant)
	if c == nil && r.err == nil {
		c = r.required("start", "", []ColumnKind{Time})
	}
	return c
}

// listMapping makes a list, such as the best sellers.
type listMapping struct {
	alone

	ID       string `json:"id"`
	Title    string `json:"title"` // the first of text
	Subtitle string `json:"subtitle"`
	Value    string `json:"value"` // the first of numbers, if there is one
	Unit     string `json:"unit"`  // literal
	Image    string `json:"image"`
	Link     string `json:"link"`
}

type listShape struct {
	Items     []listItem `json:"items"`
	Unit      *string    `json:"unit"`
	Truncated bool       `json:"truncated,omitempty"`
}

type listItem struct {
	ID       *string  `json:"id"`
	Title    string   `json:"title"`
	Subtitle *string  `json:"subtitle"`
	Value    *float64 `json:"value"`
	Image    *string  `json:"image"`
	Link     *string  `json:"link"`
}

func (m *listMapping) check() string { return "" }

func (m *listMapping) shape(frame, _ *Frame) (any, error) {
	r := reader{frame: frame}
	title := r.required("title", m.Title, words)
	id, subtitle := r.optional("id", m.ID, scalar), r.optional("subtitle", m.Subtitle, scalar)
	value := r.optional("value", m.Value, numeric)
	image, target := r.optional("image", m.Image, words), r.optional("link", m.Link, words)
	if r.err != nil {
		return nil, r.err
	}
	if value == nil {
		value = frame.first(numeric, id, subtitle)
	}
	out := listShape{Items: []listItem{}, Truncated: frame.Truncated}
	if m.Unit != "" {
		out.Unit = &m.Unit
	}
	for row := range frame.Rows() {
		out.Items = append(out.Items, listItem{
			ID: text(id.at(row)), Title: orEmpty(text(title.at(row))), Subtitle: text(subtitle.at(row)),
			Value: number(value.at(row)), Image: link(image.at(row)), Link: link(target.at(row)),
		})
	}
	return out, nil
}

// feedMapping makes what happened, newest first.
type feedMapping struct {
	alone

	ID    string `json:"id"`
	Time  string `json:"time"`  // the first of times
	Title string `json:"title"` // the first of text
	Text  string `json:"text"`
	User  string `json:"user"`
	Type  string `json:"type"`
	Link  string `json:"link"`
}

type feedShape struct {
	Items     []feedItem `json:"items"`
	Truncated bool       `json:"truncated,omitempty"`
}

type feedItem struct {
	ID    *string `json:"id"`
	Time  *string `json:"time"`
	Title string  `json:"title"`
	Text  *string `json:"text"`
	User  *string `json:"user"`
	Type  *string `json:"type"`
	Link  *string `json:"link"`
}

func (m *feedMapping) check() string { return "" }

func (m *feedMapping) shape(frame, _ *Frame) (any, error) {
	r := reader{frame: frame}
	at := r.optional("time", m.Time, instant)
	if at == nil && r.err == nil {
		at = r.required("time", "", []ColumnKind{Time})
	}
	title := r.required("title", m.Title, words, at)
	id, body := r.optional("id", m.ID, scalar), r.optional("text", m.Text, words)
	user, sort := r.optional("user", m.User, scalar), r.optional("type", m.Type, scalar)
	target := r.optional("link", m.Link, words)
	times, _ := r.moments("time", at)
	if r.err != nil {
		return nil, r.err
	}
	rows, err := inTime(frame, at)
	if err != nil {
		return nil, err
	}
	out := feedShape{Items: make([]feedItem, 0, len(rows)), Truncated: frame.Truncated}
	for i := len(rows) - 1; i >= 0; i-- {
		row := rows[i]
		item := feedItem{
			ID: text(id.at(row)), Title: orEmpty(text(title.at(row))), Text: text(body.at(row)),
			User: text(user.at(row)), Type: text(sort.at(row)), Link: link(target.at(row)),
		}
		if times[row] != nil {
			t := when(*times[row])
			item.Time = &t
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

// actionsMapping makes buttons.
type actionsMapping struct {
	alone

	ID          string `json:"id"`    // the first of text
	Label       string `json:"label"` // the id
	Description string `json:"description"`
	Icon        string `json:"icon"`
	Link        string `json:"link"`
}

type actionsShape struct {
	Actions   []action `json:"actions"`
	Truncated bool     `json:"truncated,omitempty"`
}

type action struct {
	ID          string  `json:"id"`
	Label       string  `json:"label"`
	Description *string `json:"description"`
	Icon        *string `json:"icon"`
	Link        *string `json:"link"`
}

func (m *actionsMapping) check() string { return "" }

func (m *actionsMapping) shape(frame, _ *Frame) (any, error) {
	r := reader{frame: frame}
	id := r.required("id", m.ID, words)
	label, description := r.optional("label", m.Label, words), r.optional("description", m.Description, words)
	icon, target := r.optional("icon", m.Icon, words), r.optional("link", m.Link, words)
	if r.err != nil {
		return nil, r.err
	}
	if label == nil {
		label = id
	}
	out := actionsShape{Actions: []action{}, Truncated: frame.Truncated}
	for row := range frame.Rows() {
		name := text(id.at(row))
		if name == nil || strings.TrimSpace(*name) == "" {
			continue // nothing to call it by
		}
		a := action{ID: *name, Label: orEmpty(text(label.at(row))), Description: text(description.at(row)),
			Icon: text(icon.at(row)), Link: link(target.at(row))}
		if a.Label == "" {
			a.Label = a.ID
		}
		out.Actions = append(out.Actions, a)
	}
	return out, nil
}

// reader looks up columns and keeps the first fault.
type reader struct {
	frame *Frame
	err   error
}

func (r *reader) keep(c *Column, err error) *Column {
	if r.err == nil {
		r.err = err
	}
	return c
}

func (r *reader) optional(part, name string, kinds []ColumnKind) *Column {
	return r.keep(r.frame.optional(part, name, kinds))
}

func (r *reader) required(part, name string, kinds []ColumnKind, taken ...*Column) *Column {
	return r.keep(r.frame.required(part, name, kinds, taken...))
}

func (r *reader) moments(part string, c *Column) ([]*time.Time, []bool) {
	times, dates, err := moments(part, c)
	if r.err == nil {
		r.err = err
	}
	return times, dates
}

func when(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
