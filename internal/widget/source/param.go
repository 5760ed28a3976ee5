package source

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/widget"
)

// Parameters are the same for every kind: period_from, period_to, time_zone,
// user_id, user_email, user_role, and setting.NAME for a setting of the
// widget. SQL writes them as :name and binds them; the other kinds write
// ${name} inside text and quote what stands there.

const settingPrefix = "setting."

// usesOf tells what the parameters depend on. Unknown names are an error.
func usesOf(names []string) (widget.Uses, error) {
	var u widget.Uses
	for _, name := range names {
		switch name {
		case "period_from", "period_to", "period_seconds":
			u.Period = true
		case "time_zone":
			u.Period = true // the zone is part of the span
		case "user_id", "user_email", "user_role":
			u.User = true
		default:
			setting, ok := strings.CutPrefix(name, settingPrefix)
			if !ok || setting == "" {
				return u, badQuery("unknown parameter %q: there are period_from, period_to, period_seconds, time_zone, user_id, user_email, user_role and setting.NAME", name)
			}
			u.Settings = append(u.Settings, setting)
		}
	}
	slices.Sort(u.Settings)
	u.Settings = slices.Compact(u.Settings)
	return u, nil
}

// values gives parameters their values.
type values struct {
	ask      widget.Ask
	settings map[string]json.RawMessage
}

func valuesOf(ask widget.Ask) (*values, error) {
	v := &values{ask: ask}
	if len(ask.Settings) > 0 {
		if err := json.Unmarshal(ask.Settings, &v.settings); err != nil {
			return nil, badQuery("the settings are no JSON object")
		}
	}
	return v, nil
}

// value is nil, a string, an int64, a float64, a bool or a time.Time. Settings
// that are missing are nil; objects and arrays are their JSON text.
func (v *values) value(name string) (any, error) {
	span := v.ask.Span
	switch name {
	case "period_from":
		return span.From.UTC(), nil
	case "period_to":
		return span.To.UTC(), nil
	case "period_seconds":
		return int64(span.To.Sub(span.From) / time.Second), nil
	case "time_zone":
		if span.Zone == nil {
			return "UTC", nil
		}
		return span.Zone.String(), nil
	case "user_id", "user_email", "user_role":
		return v.user(name)
	}
	raw := v.settings[strings.TrimPrefix(name, settingPrefix)]
	var got any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &got); err != nil {
			return nil, badQuery("the setting %s is no JSON", name)
		}
	}
	switch x := got.(type) {
	case float64:
		if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
			return int64(x), nil
		}
	case map[string]any, []any:
		return string(raw), nil
	}
	return got, nil
}

func (v *values) user(name string) (any, error) {
	if v.ask.User.Anonymous() {
		return nil, &widget.SourceError{Code: widget.CodeQuery, Message: "This widget differs from user to user, and nobody asks.",
			Detail: "the query uses " + name + ", and nobody is signed in"}
	}
	switch name {
	case "user_id":
		return v.ask.User.UserID, nil
	case "user_email":
		return v.ask.User.Email, nil
	}
	return string(v.ask.User.Role), nil
}

// text is a value as text; ok is false for nil.
func text(value any) (s string, ok bool) {
	switch x := value.(type) {
	case nil:
		return "", false
	case string:
		return x, true
	case int64:
		return strconv.FormatInt(x, 10), true
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64), true
	case bool:
		return strconv.FormatBool(x), true
	case time.Time:
		return x.UTC().Format("2006-01-02T15:04:05.999999Z07:00"), true
	}
	return fmt.Sprint(value), true
}

// piece is a part of a template: text, or the name of a parameter.
type piece struct{ text, name string }

// template is text with ${name} in it; $${ stands for ${.
type template []piece

func parseTemplate(s string) (template, error) {
	var t template
	for {
		at := strings.Index(s, "${")
		if at < 0 {
			return append(t, piece{text: s}), nil
		}
		if at > 0 && s[at-1] == '$' {
			t = append(t, piece{text: s[:at-1] + "${"})
			s = s[at+2:]
			continue
		}
		end := strings.IndexByte(s[at:], '}')
		if end < 0 {
			return nil, badQuery("${ without }")
		}
		t = append(t, piece{text: s[:at]}, piece{name: s[at+2 : at+end]})
		s = s[at+end+1:]
	}
}

func (t template) names() []string {
	var names []string
	for _, p := range t {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	return names
}

// fill writes the template with its values, each through quote. Nothing is
// written for a missing setting.
func (t template) fill(v *values, quote func(string) string) (string, error) {
	var b strings.Builder
	for _, p := range t {
		b.WriteString(p.text)
		if p.name == "" {
			continue
		}
		value, err := v.value(p.name)
		if err != nil {
			return "", err
		}
		s, _ := text(value)
		b.WriteString(quote(s))
	}
	return b.String(), nil
}

func asIs(s string) string { return s }
