// Package widget holds the catalogue of widgets, the data they show and the
// settings that each user gives them.
//
// A widget belongs to the user who made it. A public one is seen and used by
// everybody, a private one by its owner only. Its data is shared by all who see
// it; a row that is kept for one user wins for that user.
package widget

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

// Widget is one entry of the catalogue.
type Widget struct {
	ID int64
	// Key is a name that layouts may use instead of the id, unique among all
	// widgets; nil for none.
	Key         *string
	Name        string
	WidgetType  string // one of Types
	Description string
	// ConfigSchema is the JSON Schema of the settings. In an imported widget it
	// can be any JSON.
	ConfigSchema json.RawMessage
	IsPublic     bool
	CreatedBy    int64 // the owner's user id
	CreatedAt    time.Time
	UpdatedAt    time.Time

	// Source is the kind of what feeds the widget, one of the Source constants.
	Source string
	// DatasourceID is set exactly when Source is not built in.
	DatasourceID *int64
	// Query is a JSON object in the words of the source; nil for SourcePush.
	Query json.RawMessage
	// Mapping says which columns of the frame are shown as what: a JSON object,
	// nil for the usual one.
	Mapping json.RawMessage
	// CacheTTL is how long fetched data counts as fresh, in seconds; nil is
	// DefaultTTL.
	CacheTTL *int64
	// RefreshEvery is how often the data is fetched though nobody asks, in
	// seconds; nil is never.
	RefreshEvery *int64
	// Variant says how a chart or a custom widget looks; nil for none.
	Variant *string
}

// Types are the values of Widget.WidgetType.
var Types = []string{"stats", "chart", "table", "calendar", "custom"}

// MaxKey is how long a key may be, in bytes.
const MaxKey = 100

// Draft is a new widget or a change of one; nil leaves a field as it is.
type Draft struct {
	Key                           **string // points to nil to take the key away
	Name, WidgetType, Description *string
	ConfigSchema                  json.RawMessage
	IsPublic                      *bool

	Source                 *string
	Datasource             **int64         // points to nil for none: the source is then push, unless it is named
	Query, Mapping         json.RawMessage // the text null takes them away
	CacheTTL, RefreshEvery **int64
	Variant                **string
}

// Store keeps widgets, their data and settings. Each method is one unit of
// work. Where it takes a viewer, widgets that this user does not see (neither
// public nor the user's own) do not exist.
type Store interface {
	// ByID: ErrNotFound.
	ByID(ctx context.Context, viewer, id int64) (Widget, error)
	// AnyByID does not ask who may see the widget. ErrNotFound.
	AnyByID(ctx context.Context, id int64) (Widget, error)
	// List orders by any field of widgets/.
	List(ctx context.Context, viewer int64, req page.Request) (page.Result[Widget], error)
	// Known gives the widgets that the viewer sees and that have one of the ids
	// or one of the keys, each once, by id. Never nil.
	Known(ctx context.Context, viewer int64, ids []int64, keys []string) ([]Widget, error)
	// Create gives the widget back with its id; no Source is SourcePush. ErrKeyTaken; ErrNotFound when
	// its owner does not exist, ErrNoDatasource when its data source does not.
	Create(ctx context.Context, w Widget) (Widget, error)
	// Update reads any widget, lets change work on it, and writes it, with no
	// other write of the widget in between. change may run more than once.
	// ErrNotFound, ErrKeyTaken, ErrNoDatasource, and what change returns.
	Update(ctx context.Context, id int64, change func(*Widget) error) (Widget, error)
	// Delete removes any widget with its data and settings, unless may returns
	// an error. ErrNotFound, and what may returns.
	Delete(ctx context.Context, id int64, may func(*Widget) error) error

	// DataFor is what the user is shown: the user's own row if there is one,
	// else the shared one. ErrNoData.
	DataFor(ctx context.Context, widgetID, userID int64) (Data, error)
	// PutData stores the row in place of the one there was. ErrNotFound,
	// ErrNoUser.
	PutData(ctx context.Context, d Data) error

	// Settings: ErrNoSettings.
	Settings(ctx context.Context, widgetID, userID int64) (json.RawMessage, error)
	// PutSettings stores them in place of those there were. ErrNotFound.
	PutSettings(ctx context.Context, widgetID, userID int64, config json.RawMessage, now time.Time) error
}

// Errors of this room.
var (
	ErrNotFound = fault.New(fault.NotFound, "widget.not_found", "Not found.")
	// ErrForbidden: the widget is seen, but belongs to somebody else.
	ErrForbidden = fault.New(fault.Forbidden, "widget.forbidden", "You do not have permission to perform this action.")
	// ErrInactive: the account is not active (yet).
	ErrInactive = fault.New(fault.Forbidden, "widget.inactive", "Only active accounts can make widgets.")
	// ErrKeyTaken names the field key.
	ErrKeyTaken = fault.New(fault.Invalid, "widget.key_taken", "widget with this key already exists.")
	// ErrNoUser: data was to be kept for a user who does not exist.
	ErrNoUser = fault.New(fault.Invalid, "widget.no_user", "object does not exist.")
	// ErrNoDatasource names the field datasource.
	ErrNoDatasource = fault.New(fault.Invalid, "widget.no_datasource", "object does not exist.")
	// ErrChanged: another request changed the widget's source meanwhile.
	ErrChanged = fault.New(fault.Conflict, "widget.changed", "The widget was changed meanwhile. Try again.")
	// ErrPersonal: data that differ from user to user are not shown to others.
	ErrPersonal = fault.New(fault.Forbidden, "widget.personal", "The widget's data depend on who looks.")
	// ErrNoData and ErrNoSettings: nothing is stored.
	ErrNoData     = fault.New(fault.NotFound, "widget.no_data", "No data available")
	ErrNoSettings = fault.New(fault.NotFound, "widget.no_settings", "No settings stored")
)

// Service is the room. Safe for concurrent use.
type Service struct {
	Store Store
	Now   func() time.Time
	// Sources feeds the widgets, Datasources tells of the registered ones.
	// Without them only SourcePush can be chosen.
	Sources     Sources
	Datasources Datasources

	// Results keeps what Sources gave; needed with Sources, as is People.
	Results Results
	People  People
	// Queue does refreshes in the background, Events and Alerts are told what
	// happened; each may be nil.
	Queue  Queue
	Events Events
	Alerts Alerts
	// Log is told of faults of background fetches; nil is nobody.
	Log *slog.Logger
	// Random gives numbers from 0 to 1 that spread what would come together; nil
	// is a real one.
	Random func() float64

	flights flights
}

// List is one page of the public widgets and the actor's own.
func (s *Service) List(ctx context.Context, actor identity.Actor, req page.Request) (page.Result[Widget], error) {
	return s.Store.List(ctx, actor.UserID, req)
}

// Visible is a public widget or one of the actor's own. ErrNotFound for all
// others, also for administrators.
func (s *Service) Visible(ctx context.Context, actor identity.Actor, id int64) (Widget, error) {
	return s.Store.ByID(ctx, actor.UserID, id)
}

// Known gives the widgets that the actor sees and that have one of the ids or
// one of the keys, each once, by id. Names of no widget are passed over.
func (s *Service) Known(ctx context.Context, actor identity.Actor, ids []int64, keys []string) ([]Widget, error) {
	possible := make([]string, 0, len(keys))
	for _, key := range keys {
		if validKey(key) {
			possible = append(possible, key)
		}
	}
	return s.Store.Known(ctx, actor.UserID, ids, possible)
}

// Create stores a new widget of the actor. ErrInactive, ErrKeyTaken; a field
// fault of key, config_schema, is_public, or of what feeds it.
func (s *Service) Create(ctx context.Context, actor identity.Actor, d Draft) (Widget, error) {
	w, err := s.Prepare(ctx, actor, d)
	if err != nil {
		return Widget{}, err
	}
	return s.Store.Create(ctx, w)
}

// Prepare is the widget that Create would store, unless something is wrong with
// it: errors of Create, but ErrKeyTaken. Nothing is stored.
func (s *Service) Prepare(ctx context.Context, actor identity.Actor, d Draft) (Widget, error) {
	if actor.Status != identity.Active {
		return Widget{}, ErrInactive
	}
	now := s.now()
	w := Widget{ConfigSchema: json.RawMessage("{}"), CreatedBy: actor.UserID, CreatedAt: now, Source: SourcePush}
	known, err := s.datasourceOf(ctx, d, nil)
	if err != nil {
		return Widget{}, err
	}
	problems := append(problemsOf(d), s.feed(&w, actor, d, known)...)
	if err := apply(&w, actor, d, problems, now); err != nil {
		return Widget{}, err
	}
	return w, nil
}

// Writable is a widget that the actor may change and delete, and store data
// for: ErrForbidden for a public widget of somebody else, ErrNotFound for a
// private one and for none.
func (s *Service) Writable(ctx context.Context, actor identity.Actor, id int64) (Widget, error) {
	w, err := s.Store.AnyByID(ctx, id)
	if err == nil {
		err = mayWrite(actor, &w)
	}
	return w, err
}

// MayWrite tells whether Writable would give the widget.
func (s *Service) MayWrite(ctx context.Context, actor identity.Actor, id int64) error {
	_, err := s.Writable(ctx, actor, id)
	return err
}

// Update changes a widget. Errors of MayWrite, ErrKeyTaken, ErrChanged; a field
// fault of key, config_schema, is_public, or of what feeds it.
func (s *Service) Update(ctx context.Context, actor identity.Actor, id int64, d Draft) (Widget, error) {
	now := s.now()
	// Compiling a schema takes time: it is done before the store holds a lock.
	problems := problemsOf(d)
	var known *Datasource
	if d.feeds() { // so is asking for the data source
		before, err := s.Store.AnyByID(ctx, id)
		if err == nil {
			known, err = s.datasourceOf(ctx, d, &before)
		}
		if err != nil {
			return Widget{}, err
		}
	}
	return s.Store.Update(ctx, id, func(w *Widget) error {
		if err := mayWrite(actor, w); err != nil {
			return err
		}
		if d.keepsDatasource() && w.DatasourceID != nil && (known == nil || known.ID != *w.DatasourceID) {
			return ErrChanged
		}
		found := append(problems[:len(problems):len(problems)], s.feed(w, actor, d, known)...)
		return apply(w, actor, d, found, now)
	})
}

// Delete removes a widget. Errors of MayWrite.
func (s *Service) Delete(ctx context.Context, actor identity.Actor, id int64) error {
	return s.Store.Delete(ctx, id, func(w *Widget) error { return mayWrite(actor, w) })
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }
