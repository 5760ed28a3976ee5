package api

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/preference"
)

// preferencesTTL is how long preferences are kept: the guide's PreferencesService.
const preferencesTTL = 2 * time.Hour

var preferenceModes = []drf.Choice{{Value: "light", Label: "Light"}, {Value: "dark", Label: "Dark"}, {Value: "system", Label: "System"}}

var preferenceFields = declarePreferences()

func declarePreferences() *drf.Serializer[preference.Preferences, preference.Draft] {
	s := drf.NewSerializer[preference.Preferences, preference.Draft]("Preferences")
	s.Char("locale", drf.Opt{Max: 5, Example: `"en"`},
		func(p *preference.Preferences) string { return p.Locale }, func(d *preference.Draft, v string) { d.Locale = &v })
	s.Choice("theme_mode", drf.Opt{Example: `"dark"`}, preferenceModes,
		func(p *preference.Preferences) string { return p.ThemeMode }, func(d *preference.Draft, v string) { d.ThemeMode = &v })
	s.CharOrNull("active_theme_id", drf.Opt{Blank: true, Max: 100, Help: "The client's own note; kept as sent."},
		func(p *preference.Preferences) *string { return p.ActiveThemeID }, func(d *preference.Draft, v *string) { d.ActiveThemeID = &v })
	s.Bool("sidebar_collapsed", drf.Opt{},
		func(p *preference.Preferences) bool { return p.SidebarCollapsed }, func(d *preference.Draft, v bool) { d.SidebarCollapsed = &v })
	s.Char("active_dashboard_view", drf.Opt{Blank: true, Max: 100, Help: "The client's own note; kept as sent."},
		func(p *preference.Preferences) string { return p.ActiveDashboardView }, func(d *preference.Draft, v string) { d.ActiveDashboardView = &v })
	s.Time("created_at", drf.Opt{}, func(p *preference.Preferences) time.Time { return p.CreatedAt })
	s.Time("updated_at", drf.Opt{}, func(p *preference.Preferences) time.Time { return p.UpdatedAt })
	s.Char("time_zone", drf.Opt{Max: 64, Hidden: true, Help: "An IANA time zone.", Example: `"Europe/Paris"`},
		func(p *preference.Preferences) string { return p.TimeZone }, func(d *preference.Draft, v string) { d.TimeZone = &v })
	return s
}

// getPreferences keeps its tag and body under the version of the preferences,
// which every request looks up anyway. There is no version before the first
// sight.
func (s *Server) getPreferences(w http.ResponseWriter, r *drf.Request) error {
	a := access(r)
	if a.PreferencesVersion == 0 {
		p, err := s.Preferences.Of(r.Context(), a.Actor())
		if err != nil {
			return err
		}
		return respondPreferences(w, r, &p)
	}
	key := versionKey("tagged-preferences", a.User.ID, a.PreferencesVersion)
	kept, ok := s.Cache.Get(r.Context(), key)
	if !ok {
		p, err := s.Preferences.Of(r.Context(), a.Actor())
		if err != nil {
			return err
		}
		kept = preferenceFields.Append(append([]byte(preferencesTag(&p)), '\n'), &p)
		s.Cache.Set(r.Context(), key, kept, preferencesTTL)
	}
	tag, body, _ := bytes.Cut(kept, []byte{'\n'})
	if notModified(w, r, string(tag)) {
		return nil
	}
	return r.RespondJSON(w, http.StatusOK, body)
}

// writePreferences answers PUT and PATCH alike: the recorded PUT is partial too.
func (s *Server) writePreferences(w http.ResponseWriter, r *drf.Request) error {
	var d preference.Draft
	if err := preferenceFields.Decode(r, &d, drf.Partial); err != nil {
		return err
	}
	d.Base = preferencesBase(r)
	p, err := s.Preferences.Update(r.Context(), actor(r), d)
	if err != nil {
		return preferencesConflict(w, err)
	}
	return respondPreferences(w, r, &p)
}

func respondPreferences(w http.ResponseWriter, r *drf.Request, p *preference.Preferences) error {
	tag := preferencesTag(p)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header()["Etag"] = []string{tag}
	} else if notModified(w, r, tag) {
		return nil
	}
	return preferenceFields.Respond(w, r, http.StatusOK, p)
}

// preferencesTag is the strong ETag of preferences: their version, and the
// values themselves. They are small, so a tag is all that a later merge needs
// of its ancestor, and no history has to be kept.
func preferencesTag(p *preference.Preferences) string {
	b := strconv.AppendInt([]byte{'"'}, p.Version, 10)
	b = append(b, '.')
	b = base64.RawURLEncoding.AppendEncode(b, p.Base().Encode())
	return string(append(b, '"'))
}

// preferencesBase is the state that If-Match names: nil without the header, and
// with "*", for there always are preferences. Of several tags the newest counts.
func preferencesBase(r *drf.Request) *preference.Base {
	sent, ok := r.Header["If-Match"]
	if !ok {
		return nil
	}
	tags, any := etagList(sent)
	if any {
		return nil
	}
	newest := &preference.Base{}
	for _, t := range tags {
		version, state, _ := strings.Cut(t, ".")
		n, err := strconv.ParseInt(version, 10, 64)
		raw, badBase64 := base64.RawURLEncoding.DecodeString(state)
		if err != nil || badBase64 != nil || n <= newest.Version {
			continue
		}
		if b, ok := preference.DecodeBase(raw); ok {
			b.Version = n
			newest = &b
		}
	}
	return newest
}

// preferencesConflict words a conflict for machines, with the ETag of what is
// stored; other errors stay as they are.
func preferencesConflict(w http.ResponseWriter, err error) error {
	var c *preference.Conflict
	if !errors.As(err, &c) {
		return err
	}
	tag := preferencesTag(&c.Current)
	w.Header()["Etag"] = []string{tag}
	dst := append([]byte(`"etag":`), drf.AppendString(nil, tag)...)
	dst = append(dst, `,"conflicts":[`...)
	for i, f := range c.Conflicts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = drf.AppendString(append(dst, `{"field":`...), f.Field)
		dst = append(appendValues(dst, f.Ancestor, f.Yours, f.Current), '}')
	}
	return conflictAnswer(preference.ErrConflict.Code, append(dst, ']'))
}
