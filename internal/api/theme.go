package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/theme"
)

// activeThemeTTL is how long the active theme is kept: the guide's ThemeService.
const activeThemeTTL = time.Hour

var themeModes = []drf.Choice{{Value: "light", Label: "Light"}, {Value: "dark", Label: "Dark"}}

var themeFields = declareTheme()

func declareTheme() *drf.Serializer[theme.Theme, theme.Draft] {
	s := drf.NewSerializer[theme.Theme, theme.Draft]("Theme")
	s.Int("id", drf.Opt{Help: "Negative for built-in themes."}, 0, 0, func(t *theme.Theme) int64 { return t.ID }, nil)
	s.Char("name", drf.Opt{Required: true, Max: 100, Help: "Unique among the user's themes.", Example: `"Ocean"`},
		func(t *theme.Theme) string { return t.Name }, func(d *theme.Draft, v string) { d.Name = &v })
	s.Char("description", drf.Opt{Blank: true},
		func(t *theme.Theme) string { return t.Description }, func(d *theme.Draft, v string) { d.Description = &v })
	s.Choice("color_mode", drf.Opt{Required: true, Example: `"light"`}, themeModes,
		func(t *theme.Theme) string { return t.ColorMode }, func(d *theme.Draft, v string) { d.ColorMode = &v })
	s.JSON("colors", drf.Opt{Help: "An object of CSS colours; background, foreground, primary, secondary, muted, accent and destructive are required when it is given.",
		Example: `{"background":"#ffffff","foreground":"#0a0a0a","primary":"#1d4ed8","secondary":"#f1f5f9","muted":"#f1f5f9","accent":"#e0e7ff","destructive":"#b91c1c"}`},
		func(t *theme.Theme) json.RawMessage { return t.Colors }, func(d *theme.Draft, v json.RawMessage) { d.Colors = v })
	s.Char("border_radius", drf.Opt{Max: 50, Example: `"0.5rem"`},
		func(t *theme.Theme) string { return t.BorderRadius }, func(d *theme.Draft, v string) { d.BorderRadius = &v })
	s.Bool("is_active", drf.Opt{Help: "At most one theme of a user is active."},
		func(t *theme.Theme) bool { return t.IsActive }, func(d *theme.Draft, v bool) { d.IsActive = &v })
	s.Bool("is_default", drf.Opt{},
		func(t *theme.Theme) bool { return t.IsDefault }, func(d *theme.Draft, v bool) { d.IsDefault = &v })
	s.Bool("is_system", drf.Opt{Help: "Checked and ignored: only built-in themes are system themes."},
		func(t *theme.Theme) bool { return t.BuiltIn() }, func(*theme.Draft, bool) {})
	s.JSON("palettes", drf.Opt{Null: true, Hidden: true, OmitNull: true, Help: `{"light": {…}, "dark": {…}} for a theme that carries both palettes; colors is the one of color_mode.`},
		func(t *theme.Theme) json.RawMessage { return t.Palettes }, setPalettes)
	s.IntOrNull("source_id", drf.Opt{Hidden: true, OmitNull: true, Help: "The built-in theme that this is a copy of."}, func(t *theme.Theme) *int64 { return t.SourceID })
	s.Time("created_at", drf.Opt{}, func(t *theme.Theme) time.Time { return t.CreatedAt })
	s.Time("updated_at", drf.Opt{}, func(t *theme.Theme) time.Time { return t.UpdatedAt })
	// The room checks again; here the error stands beside those of other fields.
	s.Validate("colors", func(d *theme.Draft) []string { return faultMessages(theme.CheckColors(d.Colors)) })
	return s
}

func setPalettes(d *theme.Draft, v json.RawMessage) {
	if string(v) == "null" {
		d.ClearPalettes = true
		return
	}
	d.Palettes = v
}

var (
	themeOrderings = []string{"id", "name", "description", "color_mode", "colors", "border_radius", "is_active", "is_default", "is_system", "created_at", "updated_at"}
	themeFilters   = []drf.Filter{{Field: "color_mode", Choices: []string{"light", "dark"}}, {Field: "is_active", Boolean: true},
		{Field: "is_default", Boolean: true}, {Field: "is_system", Boolean: true}}
)

func (s *Server) listThemes(w http.ResponseWriter, r *drf.Request) error {
	req, err := pageRequest(r, themeOrderings, themeFilters)
	if err != nil {
		return err
	}
	list := s.Themes.List
	if req.Filters["is_system"] == "true" {
		list = s.Themes.ListBuiltIn
	}
	res, err := list(r.Context(), actor(r), req)
	if err != nil {
		return err
	}
	return respondPage(w, r, themeFields, res)
}

func (s *Server) createTheme(w http.ResponseWriter, r *drf.Request) error {
	var d theme.Draft
	if err := themeFields.Decode(r, &d, drf.Whole); err != nil {
		return err
	}
	t, err := s.Themes.Create(r.Context(), actor(r), d)
	if err != nil {
		return err
	}
	return themeFields.Respond(w, r, http.StatusCreated, &t)
}

// importTheme is createTheme whose failures to read the body stand under
// "error", as the guide's view catches every exception.
func (s *Server) importTheme(w http.ResponseWriter, r *drf.Request) error {
	if _, err := r.Data(); err != nil {
		var e *drf.Error
		if errors.As(err, &e) && (e.Status == http.StatusBadRequest || e.Status == http.StatusUnsupportedMediaType) {
			body := drf.AppendString([]byte(`{"error":`), e.Detail)
			return &drf.Error{Status: http.StatusBadRequest, Body: append(body, '}')}
		}
		return err
	}
	return s.createTheme(w, r)
}

func (s *Server) retrieveTheme(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	t, err := s.Themes.ByID(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	return themeFields.Respond(w, r, http.StatusOK, &t)
}

// writeTheme answers PUT and PATCH. The object is looked up before the body is
// read: a missing one is 404 whatever the body holds.
func (s *Server) writeTheme(mode drf.Mode) drf.HandlerFunc {
	return func(w http.ResponseWriter, r *drf.Request) error {
		id, err := r.PathInt("id")
		if err != nil {
			return err
		}
		if _, err := s.Themes.ByID(r.Context(), actor(r), id); err != nil {
			return err
		}
		if id < 0 {
			return theme.ErrBuiltIn
		}
		var d theme.Draft
		if err := themeFields.Decode(r, &d, mode); err != nil {
			return err
		}
		t, err := s.Themes.Update(r.Context(), actor(r), id, d)
		if err != nil {
			return err
		}
		return themeFields.Respond(w, r, http.StatusOK, &t)
	}
}

func (s *Server) deleteTheme(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if err := s.Themes.Delete(r.Context(), actor(r), id); err != nil {
		return err
	}
	return r.NoContent(w)
}

func (s *Server) activateTheme(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	t, err := s.Themes.Activate(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	return themeFields.Respond(w, r, http.StatusOK, &t)
}

// activeTheme is the hottest read of the dashboard: its body is kept under the
// version of the user's themes, which every request looks up anyway.
func (s *Server) activeTheme(w http.ResponseWriter, r *drf.Request) error {
	a := access(r)
	return s.cached(w, r, versionKey("theme", a.User.ID, a.User.ThemesVersion), activeThemeTTL, func() ([]byte, error) {
		t, err := s.Themes.Active(r.Context(), a.Actor())
		if err != nil {
			return nil, err
		}
		return themeFields.Append(nil, &t), nil
	})
}

func versionKey(what string, userID, version int64) string {
	b := make([]byte, 0, 40)
	b = append(append(b, what...), ':')
	b = append(strconv.AppendInt(b, userID, 10), ':')
	return string(strconv.AppendInt(b, version, 10))
}

// chosenTheme is the body of PUT themes/active/.
type chosenTheme struct{ id int64 }

var chosenThemeFields = declareChosenTheme()

func declareChosenTheme() *drf.Serializer[chosenTheme, chosenTheme] {
	s := drf.NewSerializer[chosenTheme, chosenTheme]("ThemeChoice")
	s.Int("theme_id", drf.Opt{Required: true, Help: "An own theme, or a built-in one.", Example: "1"}, -1<<63, 1<<63-1, nil,
		func(c *chosenTheme, v int64) { c.id = v })
	return s
}

func (s *Server) chooseTheme(w http.ResponseWriter, r *drf.Request) error {
	var choice chosenTheme
	if err := chosenThemeFields.Decode(r, &choice, drf.Whole); err != nil {
		return err
	}
	t, err := s.Themes.Activate(r.Context(), actor(r), choice.id)
	if fault.KindOf(err) == fault.NotFound {
		return drf.Invalid("theme_id", `Invalid pk "`+strconv.FormatInt(choice.id, 10)+`" - object does not exist.`)
	}
	if err != nil {
		return err
	}
	return themeFields.Respond(w, r, http.StatusOK, &t)
}

// ownTheme tells OPTIONS whether there is a theme to describe PUT for.
func (s *Server) ownTheme(r *drf.Request) bool {
	id, err := r.PathInt("id")
	if err != nil {
		return false
	}
	_, err = s.Themes.ByID(r.Context(), actor(r), id)
	return err == nil
}
