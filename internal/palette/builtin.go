package palette

import "slices"

// Mode is which of its two palettes a theme shows.
type Mode string

// The modes, spelled as on the wire.
const (
	Light Mode = "light"
	Dark  Mode = "dark"
)

// Entry is one named colour of a palette.
type Entry struct {
	// Name is in kebab case: "card-foreground", "chart-1".
	Name string
	// Value is a CSS colour that Parse accepts.
	Value string
}

// Palette is an ordered list of named colours; no name occurs twice.
type Palette []Entry

// Value gives the colour of that name, and whether there is one.
func (p Palette) Value(name string) (string, bool) {
	for _, e := range p {
		if e.Name == name {
			return e.Value, true
		}
	}
	return "", false
}

// Required are the names that every theme must have, in the order in which
// they are checked.
func Required() []string {
	return []string{"background", "foreground", "primary", "secondary", "muted", "accent", "destructive"}
}

// Theme is a built-in theme. It has a palette for either mode, so that a
// reader who switches the mode keeps the theme.
type Theme struct {
	// Slug is its stable name.
	Slug string
	// Name and Description are for people, in English.
	Name, Description string
	// ColorMode is the mode the theme is made for.
	ColorMode Mode
	// Light and Dark hold the same names in the same order.
	Light, Dark Palette
}

// Colors is the palette of the theme's own mode.
func (t Theme) Colors() Palette {
	if t.ColorMode == Dark {
		return t.Dark
	}
	return t.Light
}

// Builtin lists the built-in themes in their order of presentation. The caller
// may keep and change what it gets. Text reaches WCAG AA (4.5) on its ground in
// all of them, and AAA (7) in those of high contrast.
func Builtin() []Theme {
	themes := []Theme{
		{
			Slug: "light", Name: "Light", ColorMode: Light,
			Description: "Dark text on white, with blue for what matters.",
		},
		{
			Slug: "dark", Name: "Dark", ColorMode: Dark,
			Description: "Light text on deep slate, easy on the eyes at night.",
		},
		{
			Slug: "high-contrast-light", Name: "High contrast light", ColorMode: Light,
			Description: "Black on white with strong lines, for low vision and bright rooms.",
		},
		{
			Slug: "high-contrast-dark", Name: "High contrast dark", ColorMode: Dark,
			Description: "White on black with strong lines, for low vision and dark rooms.",
		},
	}
	for i := range themes {
		pair := standard
		if i >= 2 {
			pair = highContrast
		}
		themes[i].Light, themes[i].Dark = slices.Clone(pair.light), slices.Clone(pair.dark)
	}
	return themes
}

// pair is one design in both modes.
type pair struct{ light, dark Palette }

var standard = pair{
	light: Palette{
		{"background", "#ffffff"}, {"foreground", "#111827"},
		{"card", "#ffffff"}, {"card-foreground", "#111827"},
		{"popover", "#ffffff"}, {"popover-foreground", "#111827"},
		{"primary", "#1d4fd7"}, {"primary-foreground", "#f8faff"},
		{"secondary", "#e8edf5"}, {"secondary-foreground", "#1f2a3d"},
		{"muted", "#f2f4f8"}, {"muted-foreground", "#566074"},
		{"accent", "#e0f0ee"}, {"accent-foreground", "#0d4a45"},
		{"destructive", "#c42126"}, {"destructive-foreground", "#fff7f7"},
		{"border", "#dce1ea"}, {"input", "#c3cad8"}, {"ring", "#3f70ec"},
		{"chart-1", "#2a62e0"}, {"chart-2", "#0d8a80"}, {"chart-3", "#b0660a"},
		{"chart-4", "#8d45cf"}, {"chart-5", "#c9356f"},
		{"sidebar", "#f7f8fb"}, {"sidebar-foreground", "#2a3447"},
		{"sidebar-primary", "#1d4fd7"}, {"sidebar-primary-foreground", "#f8faff"},
		{"sidebar-accent", "#e4e9f3"}, {"sidebar-accent-foreground", "#1f2a3d"},
		{"sidebar-border", "#dce1ea"}, {"sidebar-ring", "#3f70ec"},
	},
	dark: Palette{
		{"background", "#0e131d"}, {"foreground", "#e8ecf4"},
		{"card", "#151c29"}, {"card-foreground", "#e8ecf4"},
		{"popover", "#19212f"}, {"popover-foreground", "#e8ecf4"},
		{"primary", "#86aaff"}, {"primary-foreground", "#0b1630"},
		{"secondary", "#242f42"}, {"secondary-foreground", "#dde4f0"},
		{"muted", "#1c2534"}, {"muted-foreground", "#a0acc0"},
		{"accent", "#173b3a"}, {"accent-foreground", "#c0efe8"},
		{"destructive", "#f58a8a"}, {"destructive-foreground", "#330a0c"},
		{"border", "#2b3649"}, {"input", "#3a475e"}, {"ring", "#6f97f7"},
		{"chart-1", "#7da3ff"}, {"chart-2", "#4cc9b8"}, {"chart-3", "#eab45c"},
		{"chart-4", "#c398f5"}, {"chart-5", "#f286ae"},
		{"sidebar", "#111824"}, {"sidebar-foreground", "#ced6e4"},
		{"sidebar-primary", "#86aaff"}, {"sidebar-primary-foreground", "#0b1630"},
		{"sidebar-accent", "#222d40"}, {"sidebar-accent-foreground", "#e8ecf4"},
		{"sidebar-border", "#2b3649"}, {"sidebar-ring", "#6f97f7"},
	},
}

var highContrast = pair{
	light: Palette{
		{"background", "#ffffff"}, {"foreground", "#000000"},
		{"card", "#ffffff"}, {"card-foreground", "#000000"},
		{"popover", "#ffffff"}, {"popover-foreground", "#000000"},
		{"primary", "#00309c"}, {"primary-foreground", "#ffffff"},
		{"secondary", "#dfe5f0"}, {"secondary-foreground", "#000000"},
		{"muted", "#eeeeee"}, {"muted-foreground", "#2b2b2b"},
		{"accent", "#ffe173"}, {"accent-foreground", "#000000"},
		{"destructive", "#920009"}, {"destructive-foreground", "#ffffff"},
		{"border", "#000000"}, {"input", "#000000"}, {"ring", "#00309c"},
		{"chart-1", "#0038b3"}, {"chart-2", "#005a4d"}, {"chart-3", "#7a3d00"},
		{"chart-4", "#5b1796"}, {"chart-5", "#8f0a4d"},
		{"sidebar", "#ffffff"}, {"sidebar-foreground", "#000000"},
		{"sidebar-primary", "#00309c"}, {"sidebar-primary-foreground", "#ffffff"},
		{"sidebar-accent", "#ffe173"}, {"sidebar-accent-foreground", "#000000"},
		{"sidebar-border", "#000000"}, {"sidebar-ring", "#00309c"},
	},
	dark: Palette{
		{"background", "#000000"}, {"foreground", "#ffffff"},
		{"card", "#000000"}, {"card-foreground", "#ffffff"},
		{"popover", "#0a0a0a"}, {"popover-foreground", "#ffffff"},
		{"primary", "#8fc7ff"}, {"primary-foreground", "#000000"},
		{"secondary", "#2a2f38"}, {"secondary-foreground", "#ffffff"},
		{"muted", "#1c1c1c"}, {"muted-foreground", "#dddddd"},
		{"accent", "#ffd83d"}, {"accent-foreground", "#000000"},
		{"destructive", "#ff9c9c"}, {"destructive-foreground", "#000000"},
		{"border", "#ffffff"}, {"input", "#ffffff"}, {"ring", "#ffd83d"},
		{"chart-1", "#8fc7ff"}, {"chart-2", "#5fe3c0"}, {"chart-3", "#ffc266"},
		{"chart-4", "#d9b3ff"}, {"chart-5", "#ffa3c9"},
		{"sidebar", "#000000"}, {"sidebar-foreground", "#ffffff"},
		{"sidebar-primary", "#8fc7ff"}, {"sidebar-primary-foreground", "#000000"},
		{"sidebar-accent", "#ffd83d"}, {"sidebar-accent-foreground", "#000000"},
		{"sidebar-border", "#ffffff"}, {"sidebar-ring", "#ffd83d"},
	},
}
