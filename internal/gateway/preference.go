package gateway

import (
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/preference"
)

// preferences are as the integration guide has them, and where bdash keeps more.
type preferences struct {
	Locale              string  `json:"locale"`
	ThemeMode           string  `json:"themeMode"`
	ActiveThemeID       *string `json:"activeThemeId"`
	SidebarCollapsed    bool    `json:"sidebarCollapsed"`
	ActiveDashboardView string  `json:"activeDashboardView"`
	TimeZone            string  `json:"timeZone"`
	UpdatedAt           string  `json:"updatedAt"`
}

func showPreferences(p *preference.Preferences) data[preferences] {
	return data[preferences]{Success: true, Data: preferences{
		p.Locale, p.ThemeMode, p.ActiveThemeID, p.SidebarCollapsed, p.ActiveDashboardView, p.TimeZone, timeText(p.UpdatedAt),
	}}
}

var preferenceInput = declarePreferences()

func declarePreferences() *drf.Serializer[none, preference.Draft] {
	s := drf.NewSerializer[none, preference.Draft]("FrontendPreferences")
	s.Char("locale", drf.Opt{Max: 5}, nil, func(d *preference.Draft, v string) { d.Locale = &v })
	s.Choice("themeMode", drf.Opt{}, choices("light", "dark", "system"), nil, func(d *preference.Draft, v string) { d.ThemeMode = &v })
	s.CharOrNull("activeThemeId", drf.Opt{Blank: true, Max: 100}, nil, func(d *preference.Draft, v *string) { d.ActiveThemeID = &v })
	s.Bool("sidebarCollapsed", drf.Opt{}, nil, func(d *preference.Draft, v bool) { d.SidebarCollapsed = &v })
	s.Char("activeDashboardView", drf.Opt{Blank: true, Max: 100}, nil, func(d *preference.Draft, v string) { d.ActiveDashboardView = &v })
	s.Char("timeZone", drf.Opt{Max: 64}, nil, func(d *preference.Draft, v string) { d.TimeZone = &v })
	return s
}

func (s *Server) getPreferences(r *request) (any, error) {
	p, err := s.Preferences.Of(r.Context(), r.actor())
	if err != nil {
		return nil, err
	}
	return showPreferences(&p), nil
}

// putPreferences answers PUT and PATCH alike: what is not sent stays.
func (s *Server) putPreferences(r *request) (any, error) {
	var d preference.Draft
	if err := decode(r, preferenceInput, &d, drf.Partial); err != nil {
		return nil, err
	}
	p, err := s.Preferences.Update(r.Context(), r.actor(), d)
	if err != nil {
		return nil, err
	}
	return showPreferences(&p), nil
}
