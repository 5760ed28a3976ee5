package tool

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

const dashboardGroup = "dashboard"

// reasonOfAgents is what revisions say that an agent made.
const reasonOfAgents = "changed by an agent"

func dashboardTools(r Rooms) []agent.Tool {
	return []agent.Tool{
		{
			Name: "dashboard_views", Group: dashboardGroup,
			Description: "Lists the user's dashboard views, or with view_id shows the layout of one: its widgets with their instance ids, positions and settings.",
			Schema:      json.RawMessage(`{"type":"object","properties":{"view_id":{"type":"integer"}},"additionalProperties":false}`),
			Run:         typed(r.dashboardViews),
		},
		{
			Name: "dashboard_create_view", Group: dashboardGroup, Writes: true,
			Description: "Makes a new, empty dashboard view.",
			Schema: json.RawMessage(`{"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":100},"description":{"type":"string","maxLength":2000},` +
				`"activate":{"type":"boolean","description":"Also make it the active view."}},"required":["name"],"additionalProperties":false}`),
			Run: typed(r.createView),
		},
		{
			Name: "dashboard_change", Group: dashboardGroup, Writes: true,
			Description: "Changes the layout of a view in one go: adds widgets by widget_id, and moves, configures or removes what is there by instance_id. " +
				"The grid has 12 columns. Without a position a widget is put below the others.",
			Schema: json.RawMessage(changeSchema),
			Run:    typed(r.changeLayout),
		},
		{
			Name: "dashboard_activate_view", Group: dashboardGroup, Writes: true,
			Description: "Makes a view the active one.",
			Schema:      json.RawMessage(`{"type":"object","properties":{"view_id":{"type":"integer"}},"required":["view_id"],"additionalProperties":false}`),
			Run: typed(func(ctx context.Context, actor identity.Actor, in viewArgs) (agent.Result, error) {
				v, err := r.Views.Activate(ctx, actor, in.ViewID)
				if err != nil {
					return agent.Result{}, err
				}
				return agent.JSONResult(summaryOf(&v))
			}),
		},
	}
}

const (
	positionSchema = `{"type":"object","properties":{"x":{"type":"integer","minimum":0,"maximum":11},"y":{"type":"integer","minimum":0},` +
		`"width":{"type":"integer","minimum":1,"maximum":12},"height":{"type":"integer","minimum":1}},"required":["x","y","width","height"],"additionalProperties":false}`
	changeSchema = `{"type":"object","properties":{"view_id":{"type":"integer"},` +
		`"add":{"type":"array","maxItems":50,"items":{"type":"object","properties":{"widget_id":{"type":"integer"},"position":` + positionSchema + `,"config":{"type":"object"}},"required":["widget_id"],"additionalProperties":false}},` +
		`"move":{"type":"array","maxItems":200,"items":{"type":"object","properties":{"instance_id":{"type":"string"},"position":` + positionSchema + `},"required":["instance_id","position"],"additionalProperties":false}},` +
		`"configure":{"type":"array","maxItems":200,"items":{"type":"object","properties":{"instance_id":{"type":"string"},"config":{"type":"object"}},"required":["instance_id","config"],"additionalProperties":false}},` +
		`"remove":{"type":"array","maxItems":200,"items":{"type":"string"},"description":"Instance ids."}},"required":["view_id"],"additionalProperties":false}`
)

type viewArgs struct {
	ViewID int64 `json:"view_id"`
}

type viewSummary struct {
	ID          int64           `json:"id"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Active      bool            `json:"active"`
	Layout      json.RawMessage `json:"layout,omitempty"`
}

func summaryOf(v *dashboard.View) viewSummary {
	return viewSummary{ID: v.ID, Name: v.Name, Description: v.Description, Active: v.IsActive}
}

// mostViews is how many views are listed.
const mostViews = 50

func (r Rooms) dashboardViews(ctx context.Context, actor identity.Actor, in viewArgs) (agent.Result, error) {
	if in.ViewID != 0 {
		v, err := r.Views.ByID(ctx, actor, in.ViewID)
		if err != nil {
			return agent.Result{}, err
		}
		s := summaryOf(&v)
		s.Layout = v.WidgetsConfig
		return agent.JSONResult(s)
	}
	res, err := r.Views.List(ctx, actor, firstPage("", mostViews))
	if err != nil {
		return agent.Result{}, err
	}
	list := []viewSummary{}
	for i := range res.Items {
		list = append(list, summaryOf(&res.Items[i]))
	}
	return agent.JSONResult(map[string]any{"views": list, "total": res.Count})
}

type createArgs struct {
	Name        string  `json:"name"`
	Description *string `json:"description"`
	Activate    *bool   `json:"activate"`
}

func (r Rooms) createView(ctx context.Context, actor identity.Actor, in createArgs) (agent.Result, error) {
	v, err := r.Views.Create(ctx, actor, dashboard.Draft{Name: &in.Name, Description: in.Description, IsActive: in.Activate, Reason: reasonOfAgents})
	if err != nil {
		return agent.Result{}, err
	}
	return agent.JSONResult(summaryOf(&v))
}

type position struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
}

type changeArgs struct {
	ViewID int64 `json:"view_id"`
	Add    []struct {
		WidgetID int64           `json:"widget_id"`
		Position *position       `json:"position"`
		Config   json.RawMessage `json:"config"`
	} `json:"add"`
	Move []struct {
		InstanceID string   `json:"instance_id"`
		Position   position `json:"position"`
	} `json:"move"`
	Configure []struct {
		InstanceID string          `json:"instance_id"`
		Config     json.RawMessage `json:"config"`
	} `json:"configure"`
	Remove []string `json:"remove"`
}

// layout is a view's layout in the making. Members that the tool does not know
// stay as they are.
type layout struct {
	items []map[string]json.RawMessage
	next  int // for instance ids
}

// errNoLayout: the stored layout is no list of objects, so it cannot be changed
// item by item.
var errNoLayout = fault.New(fault.Conflict, "tool.no_layout", "The layout of this view is not a list of widgets and cannot be changed here.")

func noInstance(id string) error {
	return fault.New(fault.NotFound, "tool.no_instance", fmt.Sprintf("The view has no item with the instance_id %q.", id))
}

func (r Rooms) changeLayout(ctx context.Context, actor identity.Actor, in changeArgs) (agent.Result, error) {
	v, err := r.Views.ByID(ctx, actor, in.ViewID)
	if err != nil {
		return agent.Result{}, err
	}
	var l layout
	if json.Unmarshal(v.WidgetsConfig, &l.items) != nil {
		return agent.Result{}, errNoLayout
	}
	if err := l.change(&in); err != nil {
		return agent.Result{}, err
	}
	changed, err := json.Marshal(l.items)
	if err != nil {
		return agent.Result{}, err
	}
	// What others saved since it was read is merged, or refuses the change.
	base := &dashboard.Base{ViewID: v.ID, Version: v.Version, IsActive: v.IsActive}
	v, err = r.Views.Update(ctx, actor, v.ID, dashboard.Draft{WidgetsConfig: changed, Base: base, Reason: reasonOfAgents})
	if err != nil {
		return agent.Result{}, err
	}
	s := summaryOf(&v)
	s.Layout = v.WidgetsConfig
	return agent.JSONResult(s)
}

func (l *layout) change(in *changeArgs) error {
	for _, id := range in.Remove {
		i := l.find(id)
		if i < 0 {
			return noInstance(id)
		}
		l.items = append(l.items[:i:i], l.items[i+1:]...)
	}
	for _, m := range in.Move {
		i := l.find(m.InstanceID)
		if i < 0 {
			return noInstance(m.InstanceID)
		}
		l.items[i]["position"] = encoded(m.Position)
	}
	for _, c := range in.Configure {
		i := l.find(c.InstanceID)
		if i < 0 {
			return noInstance(c.InstanceID)
		}
		l.items[i]["config"] = c.Config
	}
	for _, a := range in.Add {
		p := position{X: 0, Y: l.bottom(), Width: 6, Height: 4}
		if a.Position != nil {
			p = *a.Position
		}
		if a.Config == nil {
			a.Config = json.RawMessage("{}")
		}
		l.items = append(l.items, map[string]json.RawMessage{
			"instance_id": encoded(l.free(a.WidgetID)), "widget_id": encoded(a.WidgetID), "position": encoded(p),
			"visible": json.RawMessage("true"), "config": a.Config,
		})
	}
	if l.items == nil {
		l.items = []map[string]json.RawMessage{}
	}
	return nil
}

// encoded is for values that can always be encoded.
func encoded(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return raw
}

func (l *layout) find(id string) int {
	for i, item := range l.items {
		var have string
		if json.Unmarshal(item["instance_id"], &have) == nil && have == id {
			return i
		}
	}
	return -1
}

// free makes an instance id that no item has.
func (l *layout) free(widget int64) string {
	for {
		l.next++
		id := "w" + strconv.FormatInt(widget, 10) + "-" + strconv.Itoa(l.next)
		if l.find(id) < 0 {
			return id
		}
	}
}

// bottom is the first row below all items.
func (l *layout) bottom() int {
	row := 0
	for _, item := range l.items {
		var p position
		if json.Unmarshal(item["position"], &p) == nil {
			row = max(row, p.Y+p.Height)
		}
	}
	return row
}
