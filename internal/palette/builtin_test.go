package palette_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/palette"
)

var kebab = regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)*$`)

// names is every colour that a built-in theme has, in its order.
var names = strings.Fields(`background foreground card card-foreground popover popover-foreground
	primary primary-foreground secondary secondary-foreground muted muted-foreground accent accent-foreground
	destructive destructive-foreground border input ring chart-1 chart-2 chart-3 chart-4 chart-5
	sidebar sidebar-foreground sidebar-primary sidebar-primary-foreground sidebar-accent sidebar-accent-foreground
	sidebar-border sidebar-ring`)

func mustParse(t *testing.T, s string) palette.Color {
	t.Helper()
	c, err := palette.Parse(s)
	if err != nil {
		t.Fatalf("Parse(%q) = %v, want a color", s, err)
	}
	return c
}

func TestBuiltinThemes(t *testing.T) {
	t.Parallel()
	var slugs []string
	for _, theme := range palette.Builtin() {
		slugs = append(slugs, theme.Slug)
		if theme.Name == "" || theme.Description == "" || !kebab.MatchString(theme.Slug) {
			t.Errorf("theme %q: name %q, description %q: want all three set", theme.Slug, theme.Name, theme.Description)
		}
		own := theme.Light
		if theme.ColorMode == palette.Dark {
			own = theme.Dark
		} else if theme.ColorMode != palette.Light {
			t.Errorf("theme %q: color mode %q, want light or dark", theme.Slug, theme.ColorMode)
		}
		if diff := cmp.Diff(own, theme.Colors()); diff != "" {
			t.Errorf("theme %q: Colors() is not the palette of its mode (-want +got):\n%s", theme.Slug, diff)
		}
		for _, p := range []palette.Palette{theme.Light, theme.Dark} {
			checkPalette(t, theme.Slug, p)
		}
		if brightness(t, theme.Light) <= brightness(t, theme.Dark) {
			t.Errorf("theme %q: the light palette is darker than the dark one", theme.Slug)
		}
	}
	if diff := cmp.Diff([]string{"light", "dark", "high-contrast-light", "high-contrast-dark"}, slugs); diff != "" {
		t.Errorf("slugs differ (-want +got):\n%s", diff)
	}
}

func checkPalette(t *testing.T, slug string, p palette.Palette) {
	t.Helper()
	var got []string
	for _, e := range p {
		got = append(got, e.Name)
		if c := mustParse(t, e.Value); !c.Known || c.A != 1 {
			t.Errorf("theme %q: %s is %q, want an opaque color with a value", slug, e.Name, e.Value)
		}
		if !kebab.MatchString(e.Name) {
			t.Errorf("theme %q: name %q, want kebab case", slug, e.Name)
		}
	}
	if diff := cmp.Diff(names, got); diff != "" {
		t.Errorf("theme %q: names differ (-want +got):\n%s", slug, diff)
	}
	for _, name := range palette.Required() {
		if _, ok := p.Value(name); !ok {
			t.Errorf("theme %q: required color %q is missing", slug, name)
		}
	}
}

func brightness(t *testing.T, p palette.Palette) float64 {
	t.Helper()
	return palette.Contrast(mustParse(t, color(t, p, "background")), mustParse(t, "black"))
}

func color(t *testing.T, p palette.Palette, name string) string {
	t.Helper()
	value, ok := p.Value(name)
	if !ok {
		t.Fatalf("color %q is missing", name)
	}
	return value
}

func TestBuiltinContrast(t *testing.T) {
	t.Parallel()
	for _, theme := range palette.Builtin() {
		text, lines := 4.5, 1.0 // AA for text
		if strings.HasPrefix(theme.Slug, "high-contrast") {
			text, lines = 7, 4.5 // AAA for text, and lines that can be seen
		}
		for mode, p := range map[string]palette.Palette{"light": theme.Light, "dark": theme.Dark} {
			demand := func(fg, bg string, want float64) {
				t.Helper()
				got := palette.Contrast(mustParse(t, color(t, p, fg)), mustParse(t, color(t, p, bg)))
				if got < want {
					t.Errorf("theme %q, %s palette: contrast of %s on %s is %.2f, want at least %v", theme.Slug, mode, fg, bg, got, want)
				}
			}
			demand("foreground", "background", text)
			pairs := 0
			for _, e := range p {
				if _, ok := p.Value(e.Name + "-foreground"); ok {
					demand(e.Name+"-foreground", e.Name, text)
					pairs++
				}
			}
			if pairs != 10 {
				t.Errorf("theme %q has %d pairs of ground and text, want 10", theme.Slug, pairs)
			}
			// Muted text stands on the page, on cards and in pop-ups as well.
			for _, ground := range []string{"background", "card", "popover"} {
				demand("muted-foreground", ground, text)
				demand("foreground", ground, text)
				demand("border", ground, lines)
				demand("ring", ground, 3) // WCAG 2.2, 1.4.11
				for _, chart := range []string{"chart-1", "chart-2", "chart-3", "chart-4", "chart-5"} {
					demand(chart, ground, max(3, lines))
				}
			}
			// Links and warnings are text in these colours.
			demand("primary", "background", text)
			demand("destructive", "background", text)
		}
	}
}

func TestBuiltinIsACopy(t *testing.T) {
	t.Parallel()
	first := palette.Builtin()
	first[0].Light[0].Value = "changed"
	first[0].Name = "changed"
	palette.Required()[0] = "changed"
	second := palette.Builtin()
	if second[0].Light[0].Value == "changed" || second[1].Light[0].Value == "changed" || second[0].Name == "changed" {
		t.Error("a change of what Builtin gave changes the built-in themes")
	}
	if palette.Required()[0] != "background" {
		t.Error("a change of what Required gave changes the list")
	}
	if _, ok := second[0].Light.Value("no-such-color"); ok {
		t.Error("Value finds a color that is not there")
	}
}
