package dashboard

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/jsonschema"
)

// RoleLayout is the layout that users of a role start with.
type RoleLayout struct {
	Role          identity.Role
	WidgetsConfig json.RawMessage
	// UpdatedAt is when an administrator changed it; nil: as it came with bdash.
	UpdatedAt *time.Time
}

// firstViewName is the name of the view that is made for a user who has none.
const firstViewName = "My dashboard"

// builtInItem is an item of the layouts that come with bdash. Keys and default
// settings are those of the frontend's widget registry; its widths count
// quarters, which are three columns each.
type builtInItem struct {
	key                 string
	x, y, width, height int
	config              string
}

const (
	statConfig  = `{"compareMode":"previousPeriod","showTrend":true}`
	chartConfig = `{"dateRange":"30d","showLegend":true,"smoothLine":true}`
	barConfig   = `{"dateRange":"30d","showLegend":true,"orientation":"vertical"}`
	tableConfig = `{"limit":10,"showStatus":true,"sortBy":"date","sortOrder":"desc"}`
	listConfig  = `{"limit":5,"showThumbnail":true,"metric":"revenue"}`
)

// builtIn holds the layouts that come with bdash.
var builtIn = map[identity.Role][]builtInItem{
	identity.Admin: {
		{"total-revenue", 0, 0, 3, 2, statConfig},
		{"total-users", 3, 0, 3, 2, statConfig},
		{"active-sessions", 6, 0, 3, 2, `{"showTrend":true}`},
		{"conversion-rate", 9, 0, 3, 2, `{"showTrend":true,"format":"percentage"}`},
		{"revenue-chart", 0, 2, 6, 4, chartConfig},
		{"sales-by-category", 6, 2, 6, 4, barConfig},
		{"recent-orders", 0, 6, 9, 4, tableConfig},
		{"top-products", 9, 6, 3, 4, listConfig},
	},
	identity.Editor: {
		{"total-revenue", 0, 0, 3, 2, statConfig},
		{"active-sessions", 3, 0, 3, 2, `{"showTrend":true}`},
		{"conversion-rate", 6, 0, 3, 2, `{"showTrend":true,"format":"percentage"}`},
		{"revenue-chart", 0, 2, 6, 4, chartConfig},
		{"sales-by-category", 6, 2, 6, 4, barConfig},
		{"recent-orders", 0, 6, 9, 4, tableConfig},
		{"top-products", 9, 6, 3, 4, listConfig},
	},
	identity.User: {
		{"revenue-chart", 0, 0, 6, 4, chartConfig},
		{"sales-by-category", 6, 0, 6, 4, barConfig},
		{"recent-orders", 0, 4, 9, 4, tableConfig},
		{"top-products", 9, 4, 3, 4, listConfig},
	},
}

// builtInKeys are the widgets that the layouts of bdash name.
func builtInKeys() []string {
	var keys []string
	for _, items := range builtIn {
		for _, b := range items {
			keys = append(keys, b.key)
		}
	}
	return keys
}

// position and placed are an item as it is stored.
type position struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
}

type placed struct {
	InstanceID string          `json:"instance_id"`
	WidgetKey  string          `json:"widget_key"`
	Position   position        `json:"position"`
	Visible    bool            `json:"visible"`
	Config     json.RawMessage `json:"config,omitempty"`
}

func (b builtInItem) placed(instanceID string) placed {
	return placed{
		InstanceID: instanceID, WidgetKey: b.key, Position: position{b.x, b.y, b.width, b.height},
		Visible: true, Config: json.RawMessage(b.config),
	}
}

// RoleLayout is what users of the role start with: what an administrator
// stored, or what comes with bdash. ErrNotFound for an unknown role.
func (s *Service) RoleLayout(ctx context.Context, role identity.Role) (RoleLayout, error) {
	if !role.Valid() {
		return RoleLayout{}, ErrNotFound
	}
	stored, err := s.Store.RoleLayout(ctx, role)
	if !errors.Is(err, ErrNotFound) {
		return stored, err
	}
	items := make([]placed, 0, len(builtIn[role]))
	for _, b := range builtIn[role] {
		// The same whenever it is asked for.
		items = append(items, b.placed(nameUUID(string(role)+"/"+b.key)))
	}
	layout, err := json.Marshal(items)
	return RoleLayout{Role: role, WidgetsConfig: layout}, err
}

// PutRoleLayout replaces the layout of a role; views that exist stay as they
// are. ErrForbidden unless the actor is an administrator, ErrNotFound for an
// unknown role, ErrLayout.
func (s *Service) PutRoleLayout(ctx context.Context, actor identity.Actor, role identity.Role, layout json.RawMessage) (RoleLayout, error) {
	if !actor.IsAdmin() {
		return RoleLayout{}, ErrForbidden
	}
	if !role.Valid() {
		return RoleLayout{}, ErrNotFound
	}
	// What comes with bdash can be put back although its widgets may not exist
	// yet: items without a widget are left out when a view is made.
	if _, err := s.checkLayout(ctx, actor, layout, builtInKeys()...); err != nil {
		return RoleLayout{}, err
	}
	if !startsWith(layout, '[') {
		return RoleLayout{}, layoutFault("The layout of a role must be a list of items.")
	}
	now := s.now()
	l := RoleLayout{Role: role, WidgetsConfig: layout, UpdatedAt: &now}
	return l, s.Store.PutRoleLayout(ctx, l, actor.UserID)
}

// firstView makes a view from the layout of the actor's role, with the widgets
// that the actor can see.
func (s *Service) firstView(ctx context.Context, actor identity.Actor) (View, error) {
	role := actor.Role
	if !role.Valid() {
		role = identity.User
	}
	layout, err := s.firstLayout(ctx, actor, role)
	if err != nil {
		return View{}, err
	}
	now := s.now()
	return View{
		UserID: actor.UserID, Name: firstViewName, WidgetsConfig: layout, IsDefault: true, IsActive: true,
		CreatedAt: now, UpdatedAt: now,
	}, nil
}

func (s *Service) firstLayout(ctx context.Context, actor identity.Actor, role identity.Role) (json.RawMessage, error) {
	stored, err := s.Store.RoleLayout(ctx, role)
	switch {
	case errors.Is(err, ErrNotFound):
		return s.fromBuiltIn(ctx, actor, builtIn[role])
	case err != nil:
		return nil, err
	}
	return s.fromStored(ctx, actor, stored.WidgetsConfig)
}

// fromBuiltIn leaves out unknown widgets, and settings that a widget of that
// key does not take.
func (s *Service) fromBuiltIn(ctx context.Context, actor identity.Actor, from []builtInItem) (json.RawMessage, error) {
	items := make([]item, len(from))
	for i, b := range from {
		items[i] = item{key: b.key}
	}
	known, err := s.lookUp(ctx, actor, items)
	if err != nil {
		return nil, err
	}
	layout := make([]placed, 0, len(from))
	work := jsonschema.NewWork()
	for i, b := range from {
		widget, message := known.find(&items[i])
		if message != "" {
			continue
		}
		p := b.placed(newUUID())
		if len(checkConfig(work, widget, p.Config)) > 0 {
			p.Config = nil
		}
		layout = append(layout, p)
	}
	return json.Marshal(layout)
}

// fromStored leaves out the items that the actor could not store: a widget may
// be hidden from users, or be gone.
func (s *Service) fromStored(ctx context.Context, actor identity.Actor, layout json.RawMessage) (json.RawMessage, error) {
	elements, items := split(layout)
	known, err := s.lookUp(ctx, actor, items)
	if err != nil {
		return nil, err
	}
	left := map[int]bool{}
	c := newChecker(known)
	for i := range items {
		left[items[i].index] = len(c.check(&items[i])) > 0
	}
	return without(elements, left), nil
}

// newUUID makes a random UUID, version 4 of RFC 9562.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	return formatUUID(b, 4)
}

// nameUUID makes the same UUID from the same name, as version 5 of RFC 9562.
func nameUUID(name string) string {
	sum := sha1.Sum([]byte("bdash role layout/" + name))
	return formatUUID([16]byte(sum[:16]), 5)
}

func formatUUID(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
