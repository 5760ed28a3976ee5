package tool

import (
	"context"
	"encoding/json"
	"math"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/palette"
	"github.com/bdash/bdash/internal/theme"
)

const themeGroup = "theme"

const colorsSchema = `{"type":"object","description":"CSS colours by name. A new theme needs background, foreground, primary, secondary, muted, accent and destructive; more are allowed.","additionalProperties":{"type":"string"}}`

func themeTools(r Rooms) []agent.Tool {
	return []agent.Tool{
		{
			Name: "theme_list", Group: themeGroup,
			Description: "Lists the user's themes with their colours, and the built-in ones, which have negative ids.",
			Schema:      json.RawMessage(`{"type":"object","properties":{},"additionalProperties":false}`),
			Run:         typed(r.listThemes),
		},
		{
			Name: "theme_contrast", Group: themeGroup,
			Description: "Tells the contrast of two colours, from 1 to 21. WCAG asks for 4.5 for text and 3 for large text.",
			Schema:      json.RawMessage(`{"type":"object","properties":{"foreground":{"type":"string","maxLength":200},"background":{"type":"string","maxLength":200}},"required":["foreground","background"],"additionalProperties":false}`),
			Run:         typed(contrast),
		},
		{
			Name: "theme_create", Group: themeGroup, Writes: true,
			Description: "Makes a theme of the user's own.",
			Schema: json.RawMessage(`{"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":100},"description":{"type":"string","maxLength":2000},` +
				`"color_mode":{"enum":["light","dark"]},"colors":` + colorsSchema + `,"activate":{"type":"boolean"}},"required":["name","color_mode","colors"],"additionalProperties":false}`),
			Run: typed(func(ctx context.Context, actor identity.Actor, in themeArgs) (agent.Result, error) {
				t, err := r.Themes.Create(ctx, actor, in.draft(in.Colors))
				return themeResult(&t, err)
			}),
		},
		{
			Name: "theme_adjust", Group: themeGroup, Writes: true,
			Description: "Changes one of the user's own themes; colours that are not named stay.",
			Schema: json.RawMessage(`{"type":"object","properties":{"theme_id":{"type":"integer"},"name":{"type":"string","minLength":1,"maxLength":100},"description":{"type":"string","maxLength":2000},` +
				`"color_mode":{"enum":["light","dark"]},"colors":` + colorsSchema + `},"required":["theme_id"],"additionalProperties":false}`),
			Run: typed(r.adjustTheme),
		},
		{
			Name: "theme_activate", Group: themeGroup, Writes: true,
			Description: "Makes a theme the active one.",
			Schema:      json.RawMessage(`{"type":"object","properties":{"theme_id":{"type":"integer"}},"required":["theme_id"],"additionalProperties":false}`),
			Run: typed(func(ctx context.Context, actor identity.Actor, in themeArgs) (agent.Result, error) {
				t, err := r.Themes.Activate(ctx, actor, in.ThemeID)
				return themeResult(&t, err)
			}),
		},
	}
}

type themeArgs struct {
	ThemeID     int64                      `json:"theme_id"`
	Name        *string                    `json:"name"`
	Description *string                    `json:"description"`
	ColorMode   *string                    `json:"color_mode"`
	Colors      map[string]json.RawMessage `json:"colors"`
	Activate    *bool                      `json:"activate"`
}

func (in *themeArgs) draft(colors map[string]json.RawMessage) theme.Draft {
	d := theme.Draft{Name: in.Name, Description: in.Description, ColorMode: in.ColorMode, IsActive: in.Activate}
	if colors != nil {
		d.Colors = encoded(colors)
	}
	return d
}

type themeSummary struct {
	ID        int64           `json:"id"`
	Name      string          `json:"name"`
	ColorMode string          `json:"color_mode"`
	Colors    json.RawMessage `json:"colors,omitempty"`
	Active    bool            `json:"active"`
}

func themeResult(t *theme.Theme, err error) (agent.Result, error) {
	if err != nil {
		return agent.Result{}, err
	}
	return agent.JSONResult(themeSummary{ID: t.ID, Name: t.Name, ColorMode: t.ColorMode, Colors: t.Colors, Active: t.IsActive})
}

// mostThemes is how many themes are listed.
const mostThemes = 30

func (r Rooms) listThemes(ctx context.Context, actor identity.Actor, _ struct{}) (agent.Result, error) {
	own, err := r.Themes.List(ctx, actor, firstPage("", mostThemes))
	if err != nil {
		return agent.Result{}, err
	}
	builtIn, err := r.Themes.ListBuiltIn(ctx, actor, firstPage("", mostThemes))
	if err != nil {
		return agent.Result{}, err
	}
	list := []themeSummary{}
	for _, t := range append(own.Items, builtIn.Items...) {
		list = append(list, themeSummary{ID: t.ID, Name: t.Name, ColorMode: t.ColorMode, Colors: t.Colors, Active: t.IsActive})
	}
	return agent.JSONResult(map[string]any{"themes": list, "total": own.Count + builtIn.Count})
}

func (r Rooms) adjustTheme(ctx context.Context, actor identity.Actor, in themeArgs) (agent.Result, error) {
	var colors map[string]json.RawMessage
	if in.Colors != nil {
		t, err := r.Themes.ByID(ctx, actor, in.ThemeID)
		if err != nil {
			return agent.Result{}, err
		}
		if json.Unmarshal(t.Colors, &colors) != nil || colors == nil {
			colors = map[string]json.RawMessage{}
		}
		for name, value := range in.Colors {
			colors[name] = value
		}
	}
	t, err := r.Themes.Update(ctx, actor, in.ThemeID, in.draft(colors))
	return themeResult(&t, err)
}

type contrastArgs struct {
	Foreground string `json:"foreground"`
	Background string `json:"background"`
}

func contrast(_ context.Context, _ identity.Actor, in contrastArgs) (agent.Result, error) {
	var colors [2]palette.Color
	for i, text := range []string{in.Foreground, in.Background} {
		c, err := palette.Parse(text)
		if err != nil {
			return agent.Result{}, fault.New(fault.Invalid, "tool.color", "One of the colours is none that CSS knows.").Because(err)
		}
		colors[i] = c
	}
	ratio := math.Round(palette.Contrast(colors[0], colors[1])*100) / 100
	return agent.JSONResult(map[string]any{"contrast": ratio, "text": ratio >= 4.5, "large_text": ratio >= 3})
}
