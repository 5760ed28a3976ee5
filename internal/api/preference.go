package api

import (
	"net/http"
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

// getPreferences keeps its body under the version of the preferences, which
// every request looks up anyway. There is no version before the first sight.
func (s *Server) getPreferences(w http.ResponseWriter, r *drf.Request) error {
	a := access(r)
	build := func() ([]byte, error) {
		p, err := s.Preferences.Of(r.Context(), a.Actor())
		if err != nil {
			return nil, err
		}
		return preferenceFields.Append(nil, &p), nil
	}
	if a.PreferencesVersion == 0 {
		body, err := build()
		if err != nil {
			return err
		}
		return r.RespondJSON(w, http.StatusOK, body)
	}
	return s.cached(w, r, versionKey("preferences", a.User.ID, a.PreferencesVersion), preferencesTTL, build)
}

// writePreferences answers PUT and PATCH alike: the recorded PUT is partial too.
func (s *Server) writePreferences(w http.ResponseWriter, r *drf.Request) error {
	var d preference.Draft
	if err := preferenceFields.Decode(r, &d, drf.Partial); err != nil {
		return err
	}
	p, err := s.Preferences.Update(r.Context(), actor(r), d)
	if err != nil {
		return err
	}
	return preferenceFields.Respond(w, r, http.StatusOK, &p)
}
