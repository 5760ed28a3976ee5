package palette_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/palette"
)

// at8bit is the colour as eight-bit channels, and its opacity.
type at8bit struct {
	r, g, b int
	a       float64
}

func round(c palette.Color) at8bit {
	scale := func(v float64) int { return int(math.Round(v * 255)) }
	return at8bit{scale(c.R), scale(c.G), scale(c.B), math.Round(c.A*1000) / 1000}
}

var (
	green  = at8bit{0, 128, 0, 1}
	lime   = at8bit{0, 255, 0, 1}
	red    = at8bit{255, 0, 0, 1}
	white  = at8bit{255, 255, 255, 1}
	black  = at8bit{0, 0, 0, 1}
	gray   = at8bit{128, 128, 128, 1}
	clear0 = at8bit{}
)

// accepted is written from the grammar of CSS Color 4. The figures for green
// in the device-independent spaces are those of its examples, rounded there.
var accepted = map[string]at8bit{
	// Hexadecimal, 5.2.
	"#0f0":      lime,
	"#0F08":     {0, 255, 0, 0.533},
	"#008000":   green,
	"#00800080": {0, 128, 0, 0.502},
	"#AbCdEf":   {171, 205, 239, 1},
	"#0000":     clear0,
	"#ffff":     white,

	// Names, 6.1 and 6.3.
	"red":                  red,
	"GREEN":                green,
	"ReBeCcApUrPlE":        {102, 51, 153, 1},
	"lightgoldenrodyellow": {250, 250, 210, 1},
	"grey":                 gray,
	"transparent":          clear0,
	"Transparent":          clear0,

	// rgb() and rgba(), 5.1: both names take both syntaxes.
	"rgb(0, 128, 0)":              green,
	"rgb(0,128,0)":                green,
	"rgba(0,128,0)":               green,
	"rgb(0, 128, 0, 0.5)":         {0, 128, 0, 0.5},
	"rgba(0, 128, 0, 50%)":        {0, 128, 0, 0.5},
	"rgb(0%, 50.2%, 0%)":          green,
	"rgb(0 128 0)":                green,
	"rgba(0 128 0)":               green,
	"rgb(0 128 0 / 0.25)":         {0, 128, 0, 0.25},
	"rgb(0 128 0/25%)":            {0, 128, 0, 0.25},
	"rgba(0% 50.2% 0% / 1)":       green,
	"rgb(0 50.2% 0)":              green, // mixing is allowed without commas
	"rgb(none 128 none / none)":   {0, 128, 0, 0},
	"rgb(NONE 128 0)":             green,
	"RGB(0 128 0)":                green,
	"  rgb(\t0\n128\r\f0 ) ":      green,
	"rgb(-5 128.2 0)":             green, // out of range is clamped
	"rgb(300 300 300 / 7)":        white,
	"rgb(300, -5, 0, -1)":         {255, 0, 0, 0},
	"rgb(1e2 1.28e2 1E-9)":        {100, 128, 0, 1},
	"rgb(+0 +128 -0)":             green,
	"rgb(.0 128.0 00)":            green,
	"rgb(0%50.2%0%)":              green, // percentages end themselves
	"rgb(0+128+0)":                green, // so does a sign begin the next
	"rgb(.0.128.0)":               {0, 0, 0, 1},
	"rgb(1e999 -1e999 0)":         red,
	"rgb(0,128,0,0)":              {0, 128, 0, 0},
	"rgb(  0  ,  128  ,  0  )":    green,
	"rgb(0.0000000000001 128 0)":  green,
	"rgb(1e-400 128 0)":           green,
	"rgb(127.5 127.5 127.5)":      gray,
	"rgb(50% 50% 50% / 100%)":     gray,
	"rgb(100% 0 none / 33.3333%)": {255, 0, 0, 0.333},

	// hsl() and hsla(), 7.
	"hsl(120, 100%, 25%)":           {0, 128, 0, 1},
	"hsl(120deg, 100%, 25%)":        green,
	"hsla(120, 100%, 25%, 0.5)":     {0, 128, 0, 0.5},
	"hsla(120 100% 25% / 50%)":      {0, 128, 0, 0.5},
	"hsl(120 100 25)":               green, // numbers, without commas
	"hsl(120 100% 25)":              green,
	"hsl(-240 100% 50%)":            lime,
	"hsl(840 100% 50%)":             lime,
	"hsl(0.33333333turn 100% 50%)":  lime,
	"hsl(133.333333grad 100% 50%)":  lime,
	"hsl(2.0943951rad 100% 50%)":    lime,
	"hsl(120DEG 100% 50%)":          lime,
	"hsl(1.2e2deg 100% 50%)":        lime,
	"hsl(none 100% 50%)":            red,
	"hsl(0 none 50%)":               gray,
	"hsl(120 100% none)":            black,
	"hsl(120 -50% 50%)":             gray,
	"hsl(120, 300%, 25%)":           green,
	"hsl(0 0% 150%)":                white,
	"hsl(0 0% -10%)":                black,
	"hsl(1e300 0% 50%)":             gray,
	"hsl(0 100% 50% / none)":        {255, 0, 0, 0},
	"hsl(40, 50%, 50%)":             {191, 149, 64, 1},
	"hsl(222.2 84% 4.9%)":           {2, 8, 23, 1},
	"hsl(0, 50%, 50%)":              {191, 64, 64, 1},
	"hsl(270 60% 50% / .15)":        {128, 51, 204, 0.15},
	"hsla(270, 60%, 50%, 15%)":      {128, 51, 204, 0.15},
	"hsl(   0.5turn    60%   50% )": {51, 204, 204, 1},

	// hwb(), 8.
	"hwb(120 0% 49.8039%)":     green,
	"hwb(120deg 0 49.8039)":    green,
	"hwb(90 50% 50%)":          gray,
	"hwb(90 100% 100%)":        gray,
	"hwb(90 150% 50%)":         {191, 191, 191, 1},
	"hwb(0 none none)":         red,
	"hwb(none 0% 0% / 0.5)":    {255, 0, 0, 0.5},
	"hwb(194 0% 0%)":           {0, 195, 255, 1},
	"hwb(0 -10% 0%)":           red,
	"HWB(0.5turn 20% 20% / 1)": {51, 204, 204, 1},

	// lab() and lch(), 9.3 and 9.4.
	"lab(46.2775% -47.5621 48.5837)":    green,
	"lab(46.2775 -47.5621 48.5837)":     green,
	"lab(46.2775 -38.04968% 38.86696%)": green,
	"lab(100 0 0)":                      white,
	"lab(100% 0% 0%)":                   white,
	"lab(150 none none)":                white,
	"lab(0 0 0)":                        black,
	"lab(-5 0 0)":                       black,
	"lab(none none none / 0)":           {0, 0, 0, 0},
	"lab(46.2775 -47.5621 48.5837/.5)":  {0, 128, 0, 0.5},
	"lch(46.2775% 67.9892 134.3912)":    green,
	"lch(46.2775 67.9892 134.3912deg)":  green,
	"lch(46.2775 45.32613% 134.3912)":   green,
	"lch(100 0 0)":                      white,
	"lch(50 -20 0)":                     {119, 119, 119, 1},
	"lch(none 0 none)":                  black,

	// oklab() and oklch(), 9.5 and 9.6.
	"oklab(51.975% -0.1403 0.10768)":       green,
	"oklab(0.51975 -0.1403 0.10768)":       green,
	"oklab(0.51975 -35.075% 26.92%)":       green,
	"oklab(1 0 0)":                         white,
	"oklab(200% 0 0)":                      white,
	"oklab(none 0 0)":                      black,
	"oklch(51.975% 0.17686 142.495)":       green,
	"oklch(0.51975 0.17686 142.495deg)":    green,
	"oklch(0.51975 44.215% 0.3958194turn)": green,
	"oklch(1 0 0)":                         white,
	"oklch(1 0 0 / 10%)":                   {255, 255, 255, 0.1},
	"oklch(0.145 0 0)":                     {10, 10, 10, 1},
	"oklch(0.627955 0.257683 29.234)":      red,
	"OKLCH(none none none)":                black,
	"oklch(1 -5 0)":                        white,

	// color(), 10.
	"color(srgb 0 0.50196 0)":                        green,
	"color(srgb 0% 50.196% 0%)":                      green,
	"color(SRGB none .50196 none / none)":            {0, 128, 0, 0},
	"color(srgb+0 .50196 0)":                         green,
	"color(srgb 2 -1 0)":                             red,
	"color(srgb-linear 0 0.21586 0)":                 green,
	"color(display-p3 0.21604 0.49418 0.13151)":      green,
	"color(display-p3 1 1 1 / .5)":                   {255, 255, 255, 0.5},
	"color(display-p3 0 1 0)":                        lime, // clipped
	"color(display-p3-linear 1 1 1)":                 white,
	"color(a98-rgb 0.281363 0.498012 0.116746)":      green,
	"color(prophoto-rgb 0.230479 0.395789 0.129968)": green,
	"color(rec2020 0.235202 0.431704 0.085432)":      green,
	"color(xyz 0.07719 0.15438 0.02573)":             green,
	"color(xyz-d65 0.07719 0.15438 0.02573)":         green,
	"color(xyz-d50 0.08312 0.154746 0.020961)":       green,
	"color(xyz 7.719% 15.438% 2.573%)":               green,
	"color(a98-rgb 1 1 1)":                           white,
	"color(prophoto-rgb 1 1 1)":                      white,
	"color(prophoto-rgb 0.01 0.01 0.01)":             {2, 2, 2, 1},
	"color(rec2020 1 1 1)":                           white,
	"color(rec2020 0.05 0.05 0.05)":                  {27, 27, 27, 1},
	"color(xyz 1e9 -1e9 1e9)":                        {255, 0, 255, 1},
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	for s, want := range accepted {
		c, err := palette.Parse(s)
		if err != nil {
			t.Errorf("Parse(%q) = %v, want %v", s, err, want)
			continue
		}
		if got := round(c); got != want || !c.Known {
			t.Errorf("Parse(%q) = %v, known %t, want %v, known true", s, got, c.Known, want)
		}
	}
}

func TestParseAcceptsAllNames(t *testing.T) {
	t.Parallel()
	// Each pair must be the same colour: a check of the table against itself.
	for a, b := range map[string]string{
		"aqua": "cyan", "fuchsia": "magenta", "gray": "grey", "darkgray": "darkgrey", "darkslategray": "darkslategrey",
		"dimgray": "dimgrey", "lightgray": "lightgrey", "lightslategray": "lightslategrey", "slategray": "slategrey",
		"black": "#000", "white": "#fff", "navy": "#000080", "orange": "#ffa500", "papayawhip": "#ffefd5",
		"steelblue": "#4682b4", "yellowgreen": "#9acd32", "aliceblue": "#f0f8ff", "tomato": "#ff6347",
	} {
		if got, want := mustParse(t, a), mustParse(t, b); got != want {
			t.Errorf("Parse(%q) = %v, want %v as %q", a, got, want, b)
		}
	}
}

func TestParseAcceptsContextualNames(t *testing.T) {
	t.Parallel()
	for _, s := range strings.Fields(`currentcolor currentColor CURRENTCOLOR
		AccentColor AccentColorText ActiveText ButtonBorder ButtonFace ButtonText Canvas CanvasText Field FieldText
		GrayText Highlight HighlightText LinkText Mark MarkText SelectedItem SelectedItemText VisitedText
		ActiveBorder ActiveCaption AppWorkspace Background ButtonHighlight ButtonShadow CaptionText InactiveBorder
		InactiveCaption InactiveCaptionText InfoBackground InfoText Menu MenuText Scrollbar ThreeDDarkShadow
		ThreeDFace ThreeDHighlight ThreeDLightShadow ThreeDShadow Window WindowFrame WindowText canvas CANVAS`) {
		c, err := palette.Parse(s)
		if err != nil || c.Known {
			t.Errorf("Parse(%q) = %+v, %v, want a valid color that is not known", s, c, err)
		}
	}
}

// refused is everything else: near misses of the grammar, colours of later
// levels, other CSS values, and attempts to break out of a declaration.
var refused = []string{
	"", " ", "\t\n", "\x00", "none", "inherit", "initial", "unset", "revert", "revert-layer", "auto", "0", "1px", "\"red\"", "'red'",

	"#", "#0", "#00", "#00000", "#0000000", "#000000000", "#ggg", "#00g", "# 000", "#00 0", "##000", "000", "ff0000", "fff",
	"#fff;", "#fff fff", "#-00", "#+1f", "0xfff", "#ｆｆｆ", "#ff\u0131",

	"redd", "re d", "red red", "red,", "red;", "red!important", "red !important", "blac\u212a", "darkslateblu\u0435", "currentcolo",
	"current-color", "dark-red", "bluish", "-red", "--red", "r\\65 d", "\\72 ed", "red\\9",

	"rgb", "rgb(", "rgb()", "rgb)", "rgb(1)", "rgb(1 2)", "rgb(1 2 3", "rgb(1 2 3))", "rgb((1 2 3))", "rgb (1 2 3)", "rgb(1 2 3 4)",
	"rgb(1,2)", "rgb(1,2,3,)", "rgb(,1,2,3)", "rgb(1,,2,3)", "rgb(1,2,3,4,5)", "rgb(1 2,3)", "rgb(1,2 3)", "rgb(1,2,3 4)", "rgb(1,2,3/4)",
	"rgb(1,2,3 / 0.5)", "rgb(1 2 3, 0.5)", "rgb(1 2 3 /)", "rgb(1 2 3 / / 1)", "rgb(1 2 3 / 1 2)", "rgb(1 2 / 3)", "rgb(/ 1 2 3)",
	"rgb(1%,2,3)", "rgb(1,2%,3)", "rgb(1,2,3%)", "rgb(none,2,3)", "rgb(1,2,3,none)", "rgb(1 2 3deg)", "rgb(1deg 2 3)", "rgb(1px 2 3)",
	"rgb(a b c)", "rgb(1 2 red)", "rgb(1. 2 3)", "rgb(1 2 .)", "rgb(1 2 +)", "rgb(1 2 -)", "rgb(1 2 --3)", "rgb(1 2 +-3)", "rgb(1 2 3e)",
	"rgb(1 2 3e+)", "rgb(1..2 3 4 5)", "rgb(0x1 2 3)", "rgb(1_0 2 3)", "rgb(inf 2 3)", "rgb(NaN 2 3)", "rgb(infinity 0 0)", "rgb(1 2 3 %)",
	"rgb(1 %2 3)", "rgb(１ 2 3)", "rgb(1\u00a02\u00a03)", "rgb(1\v2\v3)", "rgb(nonenone 1)", "rgb(1none 2 3)", "rgb(1 2 3 / 1deg)", "rgb(1;2;3)",
	"rgb(from red r g b)", "rgb(calc(1) 2 3)", "rgb(var(--x))", "rgb(var(--x), 2, 3)", "rgb(1 2 3) rgb(1 2 3)", "rgb(1 2 3)x", "rgb(1 2 3);",
	"rgbb(1 2 3)", "argb(1 2 3)", "rgb[1 2 3]", "rgb{1 2 3}",

	"hsl(120, 100, 50)", "hsl(120, 100%, 50)", "hsl(120, 100, 50%)", "hsl(120%, 100%, 50%)", "hsl(120% 100% 50%)", "hsl(120 100% 50deg)",
	"hsl(120px 100% 50%)", "hsl(none, 100%, 50%)", "hsl(120 deg 100% 50%)", "hsl(120de 100% 50%)", "hsl(120degg 100% 50%)", "hsl(120°, 1%, 1%)",
	"hsl(0deg100%50%)", "hsl(1 2 3 4)", "hsl()", "hsl(120 100%)", "hsv(120 100% 50%)", "hsb(1 2 3)", "hsva(1,2,3,4)", "hsl(1e-deg 1% 1%)",

	"hwb(120, 0%, 50%)", "hwb(120 0% 50%, 1)", "hwb(120,0%,50%,1)", "hwba(120 0% 50%)", "hwb(50% 0% 50%)", "hwb(120 0deg 0)", "hwb(1 2)",

	"lab(50, 0, 0)", "lab(50 0)", "lab(50deg 0 0)", "lab(50 0 0deg)", "lab(50 0 0 0)", "lab(50 x 0)", "lch(50, 0, 0)", "lch(50 0 50%)",
	"lch(50 0deg 0)", "lch(50deg 0 0)", "lch(50 0)", "laba(50 0 0)", "oklab(1, 0, 0)", "oklab(1 0 0deg)", "oklch(1 0 10%)", "oklch(1, 0, 0)",
	"oklch(1 0)", "oklch(1 x 0)", "oklch(x 0 0)", "oklch(1 0 x)", "ok-lch(1 0 0)",

	"color()", "color(srgb)", "color(1 0 0)", "color(srgb 1 0)", "color(srgb 1 0 0 0)", "color(srgb 1, 0, 0)", "color(srgb, 1, 0, 0)",
	"color(srgb 1 0 0deg)", "color(srgb1 0 0)", "color(srgb-1 0 0)", "color(foo 1 0 0)", "color(--mine 1 0 0)", "color(none 1 0 0)",
	"color(srgb srgb 1 0 0)", "color(1 srgb 0 0)", "color(srgb / 1 0 0)", "color(rec2100-pq 1 0 0)", "color(display-p3 1 0 0 / )",
	"color(srgb 1 0 red)", "color(xyz-d55 0 0 0)", "color(from red srgb r g b)", "color(\"srgb\" 1 0 0)",

	"color-mix(in srgb, red, blue)", "light-dark(red, blue)", "device-cmyk(0 0 0 0)", "contrast-color(red)", "alpha(red / 0.5)",
	"var(--x)", "VAR(--x)", "var(--x, red)", "env(x)", "attr(data-color)", "calc(1)", "url(x)", "url(javascript:alert(1))",
	"URL(\"https://example.com/a.png\")", "image(red)", "linear-gradient(red, blue)", "expression(alert(1))", "EXPRESSION(1)", "ex/**/pression(1)",
	"element(#x)", "paint(x)", "if(style(--x: 1): red)",

	"red; background: url(x)", "red}", "red} body { display: none", "{red}", "red/**/", "/**/red", "red /* x */", "rgb(1/**/2 3)",
	"rgb(1 2 3 /**/ )", "rgb(1 2 3 /* ) */)", "rgb(1 2 3 / /**/ 1)", "rgb(1 2 3)/**/", "<!-- red", "red -->", "</style>", "rgb(1 2 3)</style>",
	"@import 'x'", "red\x00", "red\n;x", "rgb(1 2 3\\)", "rgb(1\\2c 2 3)", "u\\72l(x)", "rgb(1 2 3\"", "rgb('1' 2 3)", "\ufeffred", "red\u2028",
	"\u00a0red", "red\v", "<red>", "#fff/**/", "javascript:alert(1)", "url(data:image/svg+xml;base64,AAAA)", "rgb(url(x) 1 2)",
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	long := append([]string{
		strings.Repeat("r", 1<<20), "rgb(" + strings.Repeat("1 ", 1<<20) + ")", strings.Repeat("(", 1<<20),
		"rgb(1 2 " + strings.Repeat("3", 300) + ")", "rgb(1 2 3 / 1 / 1 / 1 / 1 / 1 / 1)",
	}, refused...)
	for _, s := range long {
		c, err := palette.Parse(s)
		if !errors.Is(err, palette.ErrSyntax) {
			t.Errorf("Parse(%.80q) = %+v, %v, want %v", s, c, err, palette.ErrSyntax)
		}
		if (c != palette.Color{}) {
			t.Errorf("Parse(%.80q) = %+v with an error, want the zero color", s, c)
		}
	}
}

func TestParseAcceptsWhatPaddingMakesLong(t *testing.T) {
	t.Parallel()
	if got := round(mustParse(t, strings.Repeat(" ", 10_000)+"red"+strings.Repeat("\n", 10_000))); got != red {
		t.Errorf("Parse of a padded red = %v, want %v", got, red)
	}
}

func TestContrast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fg, bg string
		want   float64
	}{
		{"black", "white", 21},
		{"white", "black", 21},
		{"white", "white", 1},
		{"#777", "#fff", 4.478},
		{"#767676", "#fff", 4.542},
		{"red", "white", 3.998},
		{"blue", "white", 8.592},
		{"lime", "white", 1.372},
		{"#f00", "#00f", 2.149},
		{"transparent", "white", 1},          // shows the ground
		{"transparent", "#336699", 1},        // whatever it is
		{"rgb(0 0 0 / 50%)", "white", 3.977}, // as #808080, unrounded
		{"white", "transparent", 1},          // the page is white
		{"black", "rgb(0 0 0 / 0%)", 21},
		{"white", "rgb(0 0 0 / 50%)", 3.977},
		{"rgb(0 0 0 / 50%)", "#0000007f", 2.625}, // both translucent
		{"currentcolor", "white", 0},
		{"black", "Canvas", 0},
	} {
		got := palette.Contrast(mustParse(t, c.fg), mustParse(t, c.bg))
		if math.Abs(got-c.want) > 0.01 {
			t.Errorf("Contrast(%s, %s) = %.3f, want %.3f", c.fg, c.bg, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for s := range accepted {
		f.Add(s)
	}
	for _, s := range refused {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := palette.Parse(s)
		if err != nil {
			if !errors.Is(err, palette.ErrSyntax) || (c != palette.Color{}) || len(err.Error()) > 200 {
				t.Fatalf("Parse(%q) = %+v, %v, want the zero color and %v", s, c, err, palette.ErrSyntax)
			}
			return
		}
		for _, v := range []float64{c.R, c.G, c.B, c.A} {
			if !(v >= 0 && v <= 1) {
				t.Fatalf("Parse(%q) = %+v, want all values from 0 to 1", s, c)
			}
		}
		// What passes must be harmless in a style sheet.
		if strings.ContainsAny(s, ";{}\"'\\<>@:!*") {
			t.Fatalf("Parse(%q) = %+v, want it refused", s, c)
		}
		if again, err := palette.Parse(" " + strings.ToUpper(s) + "\n"); err != nil || again != c {
			t.Fatalf("Parse of %q in upper case = %+v, %v, want %+v", s, again, err, c)
		}
		if ratio := palette.Contrast(c, palette.Color{A: 1, Known: true}); c.Known && !(ratio >= 1 && ratio <= 21.0001) {
			t.Fatalf("Contrast(%q, black) = %v, want 1 to 21", s, ratio)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, s := range []string{"#1d4fd7", "hsl(222.2 84% 4.9%)", "oklch(0.627955 0.257683 29.234 / 50%)", "rebeccapurple"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := palette.Parse(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
