package widget

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// People knows the users.
type People interface {
	// Actor is a user as one who asks now. An error of kind fault.NotFound when
	// the account is gone or closed.
	Actor(ctx context.Context, userID int64) (identity.Actor, error)
	// TimeZone is the name of the actor's zone.
	TimeZone(ctx context.Context, actor identity.Actor) (string, error)
}

// Request says which data of a widget are wanted.
type Request struct {
	// Period replaces the one of the settings; "" does not.
	Period Period
	// Config replaces settings of the same name: those of a layout's item. A
	// JSON object, or nil.
	Config json.RawMessage
	// Stored asks no source: what is stored is shown, however old. Data that
	// differ from user to user are ErrPersonal.
	Stored bool
}

// question is a request that was thought through: what the source is asked.
type question struct {
	widget *Widget
	uses   Uses
	asked  asked
	actor  identity.Actor // nobody unless the query uses the user
	zone   *time.Location
	shape  Shape
	slot   Slot
}

// asked is Slot.Ask.
type asked struct {
	Period   Period                     `json:"period,omitempty"`
	Zone     string                     `json:"zone,omitempty"`
	Settings map[string]json.RawMessage `json:"settings,omitempty"`
}

// question thinks through what the actor wants of the widget. A query that its
// source cannot take is a *SourceError.
func (s *Service) question(ctx context.Context, actor identity.Actor, w *Widget, req Request) (*question, error) {
	uses, err := s.uses(w)
	if err != nil {
		return nil, err
	}
	var ask asked
	if len(uses.Settings) > 0 || uses.Period && req.Period == "" {
		settings, err := s.effective(ctx, actor, w, req.Config)
		if err != nil {
			return nil, err
		}
		for _, name := range uses.Settings {
			if v, ok := settings[name]; ok {
				if ask.Settings == nil {
					ask.Settings = map[string]json.RawMessage{}
				}
				ask.Settings[name] = v
			}
		}
		if uses.Period {
			ask.Period = periodOf(settings)
		}
	}
	if uses.Period {
		if req.Period != "" {
			ask.Period = req.Period
		}
		if ask.Zone, err = s.zoneOf(ctx, actor); err != nil {
			return nil, err
		}
	}
	return newQuestion(w, uses, ask, actor)
}

func (s *Service) uses(w *Widget) (Uses, error) {
	if s.Sources == nil {
		return Uses{}, &SourceError{Code: CodeGone, Message: "The widget's source is not available."}
	}
	return s.Sources.Uses(w.Source, w.Query)
}

func newQuestion(w *Widget, uses Uses, ask asked, actor identity.Actor) (*question, error) {
	q := &question{widget: w, uses: uses, asked: ask, zone: time.UTC, shape: ShapeOf(w.WidgetType, deref(w.Variant))}
	if ask.Zone != "" {
		zone, err := time.LoadLocation(ask.Zone)
		if err != nil {
			return nil, fmt.Errorf("the zone of a question: %w", err)
		}
		q.zone = zone
	}
	q.slot.WidgetID = w.ID
	if uses.User {
		q.actor = actor
		q.slot.UserID = &q.actor.UserID
	}
	var err error
	if q.slot.Ask, err = json.Marshal(ask); err != nil {
		return nil, fmt.Errorf("the settings of a question: %w", err)
	}
	q.slot.Key = q.key()
	return q, nil
}

// key hashes all that the answer depends on.
func (q *question) key() string {
	w := q.widget
	h := sha256.New()
	part := func(text string) { _, _ = fmt.Fprintf(h, "%d:%s,", len(text), text) }
	part(string(q.shape))
	part(w.Source)
	if w.DatasourceID != nil {
		part(strconv.FormatInt(*w.DatasourceID, 10))
	}
	part(string(w.Query))
	part(string(w.Mapping))
	part(string(q.slot.Ask))
	if q.uses.User {
		part(strconv.FormatInt(q.actor.UserID, 10))
		part(string(q.actor.Role))
		part(q.actor.Email)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// again is the question of a slot as it would be asked now; nil when nobody
// would ask it so any more.
func (s *Service) again(ctx context.Context, slot Slot) (*question, error) {
	w, err := s.Store.AnyByID(ctx, slot.WidgetID)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	if w.Source == SourcePush {
		return nil, nil //nolint:nilnil // nothing to ask
	}
	var actor identity.Actor
	if slot.UserID != nil {
		if actor, err = s.People.Actor(ctx, *slot.UserID); err != nil {
			return nil, ignoreMissing(err)
		}
		if !w.IsPublic && w.CreatedBy != actor.UserID {
			return nil, nil //nolint:nilnil // no longer seen
		}
	}
	uses, err := s.uses(&w)
	var refused *SourceError
	if errors.As(err, &refused) {
		return nil, nil //nolint:nilnil // the query was changed
	}
	var ask asked
	if err == nil {
		err = json.Unmarshal(slot.Ask, &ask)
	}
	if err != nil {
		return nil, err
	}
	q, err := newQuestion(&w, uses, ask, actor)
	if err != nil || q.slot.Key != slot.Key {
		return nil, err
	}
	return q, nil
}

func ignoreMissing(err error) error {
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}

// effective are the settings that count: an item's over the user's over the
// defaults of the schema.
func (s *Service) effective(ctx context.Context, actor identity.Actor, w *Widget, config json.RawMessage) (map[string]json.RawMessage, error) {
	settings := defaults(w.ConfigSchema)
	stored, err := s.Store.Settings(ctx, w.ID, actor.UserID)
	if err != nil && !errors.Is(err, ErrNoSettings) {
		return nil, err
	}
	for _, raw := range []json.RawMessage{stored, config} {
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) == nil { // an imported layout may hold anything
			maps.Copy(settings, object)
		}
	}
	return settings, nil
}

// defaults are those that a schema gives for the properties of its root.
func defaults(schema json.RawMessage) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	var root struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(schema, &root) != nil {
		return out
	}
	for name, raw := range root.Properties {
		var property struct {
			Default json.RawMessage `json:"default"`
		}
		if json.Unmarshal(raw, &property) == nil && property.Default != nil {
			out[name] = property.Default
		}
	}
	return out
}

// periodOf is the period that the settings name, as the frontend's widgets do.
func periodOf(settings map[string]json.RawMessage) Period {
	for _, name := range []string{"period", "dateRange"} {
		var p Period
		if json.Unmarshal(settings[name], &p) == nil && p.known() {
			return p
		}
	}
	return DefaultPeriod
}

// zoneOf is the actor's time zone; UTC for one that nobody knows (any more).
func (s *Service) zoneOf(ctx context.Context, actor identity.Actor) (string, error) {
	if s.People == nil {
		return "UTC", nil
	}
	name, err := s.People.TimeZone(ctx, actor)
	if err != nil {
		return "", fmt.Errorf("the time zone of user %d: %w", actor.UserID, err)
	}
	if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" {
		return "UTC", nil //nolint:nilerr // an imported name; the rest of the widget works
	}
	return name, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
