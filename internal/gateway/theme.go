package gateway

import (
	"encoding/json"
	"net/http"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/theme"
)

type themeBody struct {
	Success bool            `json:"success"`
	Theme   json.RawMessage `json:"theme"`
}

type themeList struct {
	Success bool              `json:"success"`
	Themes  []json.RawMessage `json:"themes"`
}

type syncBody struct {
	Success    bool              `json:"success"`
	Uploaded   int               `json:"uploaded"`
	Downloaded int               `json:"downloaded"`
	Themes     []json.RawMessage `json:"themes"`
	// Refused are not stored, and not worth sending again.
	Refused []refusal `json:"refused"`
}

type refusal struct {
	ID    string `json:"id"`
	Error string `json:"error"`
}

type activeBody struct {
	Success bool   `json:"success"`
	ThemeID string `json:"themeId"`
}

func documents(themes []theme.Theme) []json.RawMessage {
	out := make([]json.RawMessage, len(themes))
	for i := range themes {
		out[i] = theme.DocumentOf(&themes[i])
	}
	return out
}

func (s *Server) listThemes(r *request) (any, error) {
	all, err := s.Themes.Documents(r.Context(), r.actor())
	if err != nil {
		return nil, err
	}
	return themeList{true, documents(all)}, nil
}

func (s *Server) retrieveTheme(r *request) (any, error) {
	t, err := s.Themes.ByClientID(r.Context(), r.actor(), r.PathValue("id"))
	return showTheme(&t, err)
}

func showTheme(t *theme.Theme, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return themeBody{true, theme.DocumentOf(t)}, nil
}

// document is the body as it was sent, once it is known to be JSON.
func (r *request) document() (json.RawMessage, error) {
	raw, err := r.body()
	if err != nil {
		return nil, err
	}
	if _, err := drf.ParseJSON(raw, drf.ParseOptions{}); err != nil {
		return nil, problem{status: http.StatusBadRequest, code: "BAD_JSON", message: "The request body is not JSON."}
	}
	return raw, nil
}

func (s *Server) createTheme(r *request) (any, error) {
	raw, err := r.document()
	if err != nil {
		return nil, err
	}
	t, err := s.Themes.CreateDocument(r.Context(), r.actor(), raw)
	return showTheme(&t, err)
}

// updateTheme answers PATCH and PUT alike: the code sends the one, the guides
// name the other, and both mean the parts that are there.
func (s *Server) updateTheme(r *request) (any, error) {
	raw, err := r.document()
	if err != nil {
		return nil, err
	}
	t, err := s.Themes.UpdateDocument(r.Context(), r.actor(), r.PathValue("id"), raw)
	return showTheme(&t, err)
}

func (s *Server) deleteTheme(r *request) (any, error) {
	if err := s.Themes.DeleteByClientID(r.Context(), r.actor(), r.PathValue("id")); err != nil {
		return nil, err
	}
	return done{Success: true}, nil
}

func (s *Server) syncThemes(r *request) (any, error) {
	raw, err := r.document()
	if err != nil {
		return nil, err
	}
	var in struct {
		Themes *[]json.RawMessage `json:"themes"`
	}
	if json.Unmarshal(raw, &in) != nil || in.Themes == nil {
		return nil, drf.Invalid("themes", "themes must be an array.")
	}
	res, err := s.Themes.Sync(r.Context(), r.actor(), *in.Themes)
	if err != nil {
		return nil, err
	}
	out := syncBody{Success: true, Uploaded: res.Uploaded, Downloaded: len(res.Lacking), Themes: documents(res.Lacking), Refused: []refusal{}}
	for _, x := range res.Refused {
		out.Refused = append(out.Refused, refusal{x.ClientID, s.problemOf(x.Err).message})
	}
	return out, nil
}

func (s *Server) activeTheme(r *request) (any, error) {
	id, err := s.Themes.ActiveClientID(r.Context(), r.actor())
	if err != nil {
		return nil, err
	}
	return activeBody{true, id}, nil
}

func (s *Server) chooseTheme(r *request) (any, error) {
	raw, err := r.document()
	if err != nil {
		return nil, err
	}
	var in struct {
		ThemeID *string `json:"themeId"`
	}
	if json.Unmarshal(raw, &in) != nil || in.ThemeID == nil || *in.ThemeID == "" {
		return nil, drf.Invalid("themeId", "themeId must be text.")
	}
	if err := s.Themes.ActivateClientID(r.Context(), r.actor(), *in.ThemeID); err != nil {
		return nil, err
	}
	return activeBody{true, *in.ThemeID}, nil
}
