package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// The format of bundles. A later version is refused: what it holds is not known.
const (
	BundleFormat  = "bdash.view"
	BundleVersion = 1
)

// maxBundled limits the widgets of a bundle.
const maxBundled = maxItems

// Bundle is a view to take along: with the widgets that it names and a theme.
type Bundle struct {
	ExportedAt        time.Time
	Name, Description string
	WidgetsConfig     json.RawMessage
	Widgets           []BundledWidget
	Theme             *BundledTheme
}

// BundledWidget is the definition of a widget. What a data source is asked
// stays behind: it means nothing elsewhere, and is not for everybody.
type BundledWidget struct {
	// ID is the widget's where the bundle comes from.
	ID                            int64
	Key                           *string
	Name, WidgetType, Description string
	Variant                       *string
	ConfigSchema                  json.RawMessage
	// Source is what fed it. Only a static one comes along, with Query and
	// Mapping; all others are push until somebody connects them.
	Source                 string
	Query, Mapping         json.RawMessage
	CacheTTL, RefreshEvery *int64
}

// The sources that mean the same everywhere.
const (
	sourcePush   = "push"
	sourceStatic = "static"
)

// BundledTheme is a theme.
type BundledTheme struct {
	Name, Description, ColorMode string
	Colors, Palettes             json.RawMessage
	BorderRadius                 string
}

// Neighbours knows the widgets and themes of bundles.
type Neighbours interface {
	// Definitions gives those of the widgets asked for, by id or by key, that
	// the actor can see, by id.
	Definitions(ctx context.Context, actor identity.Actor, ids []int64, keys []string) ([]BundledWidget, error)
	// PrepareWidget gives the widget as it would be stored for the actor, and a
	// fault if it could not be.
	PrepareWidget(ctx context.Context, actor identity.Actor, w BundledWidget) (BundledWidget, error)
	// ActiveTheme is the actor's; nil for none.
	ActiveTheme(ctx context.Context, actor identity.Actor) (*BundledTheme, error)
	// PrepareTheme is PrepareWidget for a theme.
	PrepareTheme(ctx context.Context, actor identity.Actor, t BundledTheme) (BundledTheme, error)
	// ThemeMade is told of a theme that an import has made.
	ThemeMade(ctx context.Context, actor identity.Actor, id int64)
}

// ImportStore writes what an import makes, all of it or nothing.
type ImportStore interface {
	// Import stores the new widgets and the theme, and then the view with the
	// layout that layout makes of the new widgets' ids. Names that are taken get
	// free ones. It gives what was stored.
	Import(ctx context.Context, edit Edit, in Import) (Imported, error)
}

// Import is what an import makes.
type Import struct {
	View View // without its layout
	// Widgets are to be made: private, without keys.
	Widgets []BundledWidget
	// Theme is to be made; nil for none. It is used as it is where the user has
	// the same one already.
	Theme  *BundledTheme
	Layout func(ids []int64) json.RawMessage
	// Dry: nothing is written, and ids are 0.
	Dry bool
}

// Imported is what an import made.
type Imported struct {
	View      View
	WidgetIDs []int64
	ThemeID   int64
	ThemeName string
	// ThemeMade is false where the user had the theme already.
	ThemeMade bool
}

// Plan says what an import makes, or made.
type Plan struct {
	Imported
	Widgets []PlannedWidget
	// Unknown are items that name a widget which is neither in the bundle nor
	// known here: they are left out.
	Unknown []UnknownItem
	Dry     bool
}

// PlannedWidget is what becomes of a widget of a bundle.
type PlannedWidget struct {
	BundledWidget
	// NewID is the widget here; 0 in a dry run for one that would be made.
	NewID int64
	// Made is false for one that was here.
	Made bool
	// Disconnected: made without the data source that it had.
	Disconnected bool
}

// UnknownItem is an item of a bundle's layout that is left out.
type UnknownItem struct {
	Index      int // from 0
	InstanceID string
	Message    string
}

// ErrBundle is for a bundle that is not one; its fields say what is wrong.
var ErrBundle = fault.New(fault.Invalid, "view.bundle", "The bundle is not valid.")

func bundleFault(field, message string) error {
	e := ErrBundle.Because(nil)
	e.Fields = []fault.Field{{Name: field, Code: e.Code, Message: message}}
	return e
}

// Export is one of the actor's views as a bundle, with the widgets of its layout
// that the actor can see, and the actor's active theme. ErrNotFound.
func (s *Service) Export(ctx context.Context, actor identity.Actor, id int64) (Bundle, error) {
	v, err := s.Store.ByID(ctx, actor.UserID, id)
	if err != nil {
		return Bundle{}, err
	}
	b := Bundle{ExportedAt: s.now(), Name: v.Name, Description: v.Description, WidgetsConfig: v.WidgetsConfig, Widgets: []BundledWidget{}}
	ids, keys := named(v.WidgetsConfig)
	if len(ids)+len(keys) > 0 {
		if b.Widgets, err = s.Neighbours.Definitions(ctx, actor, ids, keys); err != nil {
			return Bundle{}, fmt.Errorf("widgets of view %d: %w", id, err)
		}
	}
	for i := range b.Widgets {
		if w := &b.Widgets[i]; w.Source != sourceStatic {
			w.Query, w.Mapping = nil, nil
		}
	}
	b.Theme, err = s.Neighbours.ActiveTheme(ctx, actor)
	return b, err
}

// named are the widgets that a layout names, each once; an imported layout may
// name more than can be shown.
func named(layout json.RawMessage) (ids []int64, keys []string) {
	_, items := split(layout)
	seenID, seenKey := map[int64]bool{0: true}, map[string]bool{"": true}
	for _, it := range items[:min(len(items), maxItems)] {
		if !seenID[it.id] {
			seenID[it.id] = true
			ids = append(ids, it.id)
		}
		if !seenKey[it.key] {
			seenKey[it.key] = true
			keys = append(keys, it.key)
		}
	}
	return ids, keys
}
