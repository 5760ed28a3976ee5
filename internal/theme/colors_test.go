package theme_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/theme"
)

// colors is an object with the required names, changed by replacing text.
func colors(changes ...string) string {
	return strings.NewReplacer(changes...).Replace(`{"background":"#fff","foreground":"black","primary":"hsl(220 90% 50%)",` +
		`"secondary":"rgb(1,2,3)","muted":"transparent","accent":"oklch(0.7 0.1 200 / 50%)","destructive":"red"}`)
}

// with is colors and one more member.
func with(member string) string { return colors(`"red"}`, `"red",`+member+`}`) }

func TestColorsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ann := b.user(t, "ann")
		kept := b.create(t, ann, theme.Draft{Name: ptr("kept"), ColorMode: ptr("light"), Colors: json.RawMessage(colors())})
		for _, tt := range []struct{ colors, message string }{
			{`{}`, "Missing required color: background"},
			{`[]`, "Missing required color: background"},
			{`["background","foreground"]`, "Missing required color: background"},
			{`"background"`, "Missing required color: background"},
			{`true`, "Missing required color: background"},
			{`null`, "Missing required color: background"},
			{`7`, "Missing required color: background"},
			{`{"background":"nonsense"}`, "Missing required color: foreground"},
			{colors(`"accent"`, `"Accent"`), "Missing required color: accent"},
			{colors(`"muted"`, `"dim"`, `"accent"`, `"loud"`), "Missing required color: muted"},
			{colors(`"red"`, `"reddish"`), "Invalid color for destructive: reddish"},
			{colors(`"#fff"`, `""`), "Invalid color for background: "},
			{colors(`"#fff"`, `"#ggg"`, `"red"`, `"x"`), "Invalid color for background: #ggg"},
			{colors(`"red"`, `5`), "Invalid color for destructive: 5"},
			{colors(`"red"`, `null`), "Invalid color for destructive: null"},
			{colors(`"red"`, `{"a":1}`), `Invalid color for destructive: {"a":1}`},
			{colors(`"red"`, `"red\u0000"`), "Invalid color for destructive: red\x00"},
			{colors(`"red"`, `"red;} body{display:none"`), "Invalid color for destructive: red;} body{display:none"},
			{colors(`"red"`, `"url(https://example.com)"`), "Invalid color for destructive: url(https://example.com)"},
			{with(`"chart-1":"var(--x)"`), "Invalid color for chart-1: var(--x)"},
			{with(`"":"x"`), "Invalid color for : x"},
		} {
			for what, err := range map[string]error{
				"Create": second(b.Create(t.Context(), ann, theme.Draft{Name: ptr("new"), ColorMode: ptr("dark"), Colors: json.RawMessage(tt.colors)})),
				"Update": second(b.Update(t.Context(), ann, kept.ID, theme.Draft{Colors: json.RawMessage(tt.colors)})),
			} {
				if f := fieldOf(t, err); f.Name != "colors" || f.Message != tt.message {
					t.Errorf("%s with the colors %s: %s %q, want colors %q", what, tt.colors, f.Name, f.Message, tt.message)
				}
			}
		}
		if diff := cmp.Diff([]theme.Theme{kept}, b.list(t, ann)); diff != "" {
			t.Errorf("refused writes left something behind (-want +got):\n%s", diff)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestColorsKeptAsSent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ann := b.user(t, "ann")
		for i, text := range []string{
			colors(),
			colors(`,`, ` ,  `, `:`, ` : `),
			with(`"zebra":"Canvas","aardvark":"currentColor"`),
			with(`"radius":5,"nested":{"color":"no color"},"list":["x"],"off":null,"on":true,"big":123456789012345678901234567890`),
		} {
			d := theme.Draft{Name: ptr(strings.Repeat("x", i+1)), ColorMode: ptr("light"), Colors: json.RawMessage(text)}
			created := b.create(t, ann, d)
			read, err := b.ByID(t.Context(), ann, created.ID)
			if err != nil || string(read.Colors) != text {
				t.Errorf("colors %s are read back as %s (%v)", text, read.Colors, err)
			}
		}
	})
}

// TestColorsOfImportedThemesStay: the check runs when colours are written, and
// only then.
func TestColorsOfImportedThemesStay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ann := b.user(t, "ann")
		imported, err := b.Store.Create(t.Context(), theme.Theme{
			UserID: ann.UserID, Name: "old", ColorMode: "light", Colors: json.RawMessage(`["anything"]`), CreatedAt: noon, UpdatedAt: noon,
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Update(t.Context(), ann, imported.ID, theme.Draft{Name: ptr("renamed"), ColorMode: ptr("dark")})
		if err != nil || string(got.Colors) != `["anything"]` || got.Name != "renamed" {
			t.Errorf("Update = %q %s, %v, want the colors as they were", got.Name, got.Colors, err)
		}
	})
}

var (
	lightColors = colors(`"#fff"`, `"white"`)
	darkColors  = colors(`"#fff"`, `"black"`)
	bothColors  = both(lightColors, darkColors)
)

func both(light, dark string) string { return `{"light":` + light + `,"dark":` + dark + `}` }

func TestPalettesFollowTheMode(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ann := b.user(t, "ann")
		created := b.create(t, ann, theme.Draft{Name: ptr("both"), ColorMode: ptr("dark"), Palettes: json.RawMessage(bothColors)})
		check := func(what string, got theme.Theme, err error, colors, palettes string) {
			t.Helper()
			if err != nil || string(got.Colors) != colors || string(got.Palettes) != palettes {
				t.Errorf("%s: %v\ncolors   %s\nwant     %s\npalettes %s\nwant     %s", what, err, got.Colors, colors, got.Palettes, palettes)
			}
		}
		check("new", created, nil, darkColors, bothColors)
		update := func(d theme.Draft) (theme.Theme, error) { return b.Update(t.Context(), ann, created.ID, d) }

		got, err := update(theme.Draft{ColorMode: ptr("light")})
		check("another mode", got, err, lightColors, bothColors)

		pink := colors(`"#fff"`, `"pink"`)
		got, err = update(theme.Draft{Colors: json.RawMessage(pink)})
		check("new colors", got, err, pink, both(pink, darkColors))

		got, err = update(theme.Draft{Colors: json.RawMessage(lightColors), ColorMode: ptr("dark")})
		check("new colors and another mode", got, err, lightColors, both(pink, lightColors))

		got, err = update(theme.Draft{Name: ptr("still both")})
		check("another name", got, err, lightColors, both(pink, lightColors))

		got, err = update(theme.Draft{ClearPalettes: true})
		check("no palettes", got, err, lightColors, "")

		got, err = update(theme.Draft{ColorMode: ptr("light")})
		check("another mode without palettes", got, err, lightColors, "")

		got, err = update(theme.Draft{Palettes: json.RawMessage(bothColors), Colors: json.RawMessage(pink)})
		check("colors and palettes", got, err, pink, both(pink, darkColors))
	})
}

func TestPalettesRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ann := b.user(t, "ann")
		const shape = `Expected an object with the members "light" and "dark".`
		for _, tt := range []struct{ palettes, message string }{
			{`[]`, shape}, {`"light"`, shape}, {`true`, shape}, {`{}`, shape}, {`{"light":` + colors() + `}`, shape},
			{`{"dark":` + colors() + `}`, shape},
			{`{"light":` + colors() + `,"dark":` + colors() + `,"dim":` + colors() + `}`, shape},
			{`{"light":` + colors() + `,"light":` + colors() + `}`, shape},
			{`{"LIGHT":` + colors() + `,"Dark":` + colors() + `}`, shape},
			{both(`null`, colors()), "Missing required color: background"},
			{both(colors(), `[]`), "Missing required color: background"},
			{both(`{}`, `{}`), "Missing required color: background"},
			{both(colors(`"red"`, `"x"`), colors(`"red"`, `"y"`)), "Invalid color for destructive: x"},
			{both(colors(), colors(`"red"`, `"y"`)), "Invalid color for destructive: y"},
		} {
			_, err := b.Create(t.Context(), ann, theme.Draft{Name: ptr("new"), ColorMode: ptr("dark"), Palettes: json.RawMessage(tt.palettes)})
			if f := fieldOf(t, err); f.Name != "palettes" || f.Message != tt.message {
				t.Errorf("Create with the palettes %s: %s %q, want palettes %q", tt.palettes, f.Name, f.Message, tt.message)
			}
		}
		if n := len(b.list(t, ann)); n != 0 {
			t.Errorf("refused writes left %d themes behind", n)
		}
	})
}

// FuzzImport writes any JSON as colours and palettes. Either it is refused with
// a word about the field, or it is there unchanged.
func FuzzImport(f *testing.F) {
	for _, c := range []string{colors(), with(`"a":"b"`), with(`"a":[{}]`), "{}", "[]", "null", `"x"`, "1e999", `{"background":"\ud800"}`} {
		f.Add(c, bothColors, true)
		f.Add(c, both(c, colors()), false)
		f.Add(colors(), both(colors(), c), false)
		f.Add(c, "", true)
	}
	f.Add("", `{"light":{}}`, false)
	f.Add("", strings.Repeat("[", 500)+strings.Repeat("]", 500), false)
	b := newBundle(openFor(f))
	ann := b.user(f, "ann")
	f.Fuzz(func(t *testing.T, colors, palettes string, dark bool) {
		for _, text := range []string{colors, palettes} {
			if text != "" && !json.Valid([]byte(text)) {
				return // such text is turned away before it comes to this room
			}
		}
		d := theme.Draft{Name: ptr("imported"), ColorMode: ptr("light"), Colors: rawJSON(colors), Palettes: rawJSON(palettes)}
		if dark {
			d.ColorMode = ptr("dark")
		}
		created, err := b.Create(t.Context(), ann, d)
		if err != nil {
			e, ok := fault.As(err)
			if !ok || e.Kind != fault.Invalid || len(e.Fields) != 1 || e.Fields[0].Message == "" {
				t.Fatalf("Create(%s, %s) = %v, want a field fault", colors, palettes, err)
			}
			if name := e.Fields[0].Name; name != "colors" && name != "palettes" {
				t.Fatalf("Create(%s, %s) complains about %q", colors, palettes, name)
			}
			return
		}
		read, err := b.ByID(t.Context(), ann, created.ID)
		if diff := cmp.Diff(created, read); err != nil || diff != "" {
			t.Fatalf("ByID: %v (-created +read):\n%s", err, diff)
		}
		if !json.Valid(read.Colors) || len(read.Palettes) > 0 && !json.Valid(read.Palettes) {
			t.Fatalf("not JSON any more: %s, %s", read.Colors, read.Palettes)
		}
		if d.Colors != nil && string(read.Colors) != colors {
			t.Fatalf("colors %s became %s", colors, read.Colors)
		}
		if err := b.Delete(t.Context(), ann, created.ID); err != nil {
			t.Fatal(err)
		}
	})
}

// rawJSON is nil for "".
func rawJSON(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}
