package widget

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/jsonschema"
)

// Bounds of Data.TTL, in seconds. The upper one is that of the column which
// imported rows come from.
const (
	DefaultTTL = 300
	MinTTL     = 1
	MaxTTL     = 1<<31 - 1
)

// Data is what a widget shows.
type Data struct {
	WidgetID int64
	// UserID is whom the row is kept for, nil for everybody who sees the widget.
	UserID *int64
	// Data is any JSON. In an imported row it may be null; it is nil as long as
	// a source gave nothing.
	Data json.RawMessage
	// FetchedAt is when the data was stored, or its source was asked; zero
	// without data.
	FetchedAt time.Time
	// TTL is how long it counts as fresh, in seconds. In an imported row it may
	// be 0 or negative.
	TTL int64
	// From says what gave the data, one of the Source constants.
	From string
	// Expires is when fetched data becomes stale; nil for stored data, where TTL
	// counts.
	Expires *time.Time
	// Stale data is shown: its time has passed, and there is no newer.
	Stale bool
	// Error is why the last fetch failed, for everybody; Detail says more to who
	// may change the widget. NextTry is the earliest time of the next fetch.
	Error, Detail string
	NextTry       *time.Time
	// Period is what the data is about, where the query asks for one.
	Period Period
	// KeepUntil is how long the answer stays as it is, unless something is
	// written.
	KeepUntil time.Time
}

// ExpiresAt is when the data becomes stale.
func (d *Data) ExpiresAt() time.Time {
	if d.Expires != nil {
		return *d.Expires
	}
	seconds := min(max(d.TTL, -MaxTTL), MaxTTL)
	return d.FetchedAt.Add(time.Duration(seconds) * time.Second)
}

// Push is data to be stored.
type Push struct {
	// Data is any JSON except null.
	Data json.RawMessage
	// TTL in seconds; nil is DefaultTTL.
	TTL *int64
	// UserID keeps the row for that user only; nil is for everybody.
	UserID *int64
}

// PutData stores data in place of what there was, for everybody or for one
// user, and gives back what was stored. Errors of MayWrite; a field fault of
// data, cache_ttl or user.
func (s *Service) PutData(ctx context.Context, actor identity.Actor, id int64, p Push) (Data, error) {
	if err := s.MayWrite(ctx, actor, id); err != nil {
		return Data{}, err
	}
	d := Data{WidgetID: id, UserID: p.UserID, Data: p.Data, FetchedAt: s.now(), TTL: DefaultTTL, From: SourcePush}
	set(&d.TTL, p.TTL)
	if len(d.Data) == 0 || string(d.Data) == "null" {
		return Data{}, fault.Fields(fault.Field{Name: "data", Code: "widget.data_null", Message: "This field may not be null."})
	}
	if d.TTL < MinTTL || d.TTL > MaxTTL {
		return Data{}, fault.Fields(fault.Field{Name: "cache_ttl", Code: "widget.ttl",
			Message: fmt.Sprintf("Ensure this value is between %d and %d.", MinTTL, MaxTTL)})
	}
	if err := s.Store.PutData(ctx, d); err != nil {
		return Data{}, err
	}
	if s.Events != nil {
		s.Events.WidgetData(ctx, id)
	}
	return d, nil
}

// Settings are the actor's own for the widget, a JSON object; empty when none
// are stored. They were valid when they were stored; the schema may have
// changed since. ErrNotFound.
func (s *Service) Settings(ctx context.Context, actor identity.Actor, id int64) (json.RawMessage, error) {
	if _, err := s.Visible(ctx, actor, id); err != nil {
		return nil, err
	}
	config, err := s.Store.Settings(ctx, id, actor.UserID)
	if errors.Is(err, ErrNoSettings) {
		return json.RawMessage("{}"), nil
	}
	return config, err
}

// PutSettings stores the actor's own settings for the widget. ErrNotFound; a
// field fault of config when they are no object, when they do not match the
// widget's schema, or when that is no valid JSON Schema (an imported one).
func (s *Service) PutSettings(ctx context.Context, actor identity.Actor, id int64, config json.RawMessage) error {
	w, err := s.Visible(ctx, actor, id)
	if err != nil {
		return err
	}
	if problems := checkSettings(w.ConfigSchema, config); len(problems) > 0 {
		return fault.Fields(problems...)
	}
	return s.Store.PutSettings(ctx, id, actor.UserID, config, s.now())
}

func checkSettings(schema, config json.RawMessage) []fault.Field {
	problem := func(code, message string) fault.Field {
		return fault.Field{Name: "config", Code: code, Message: message}
	}
	if !bytes.HasPrefix(config, []byte("{")) {
		return []fault.Field{problem("widget.config_type", "Settings are a JSON object.")}
	}
	compiled, err := jsonschema.Compile(schema)
	if err != nil {
		return []fault.Field{problem("widget.config_schema", "The widget's config_schema is not a valid JSON Schema: settings cannot be checked.")}
	}
	var problems []fault.Field
	for _, p := range compiled.Validate(config) {
		problems = append(problems, problem("widget.config", p.String()))
	}
	return problems
}
