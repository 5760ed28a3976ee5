package palette

import "math"

// functions are the colour functions, by name in lower case. Each reads the
// tokens between its brackets.
var functions = map[string]func([]token) (Color, error){
	"rgb":   readRGB,
	"rgba":  readRGB,
	"hsl":   readHSL,
	"hsla":  readHSL,
	"hwb":   readHWB,
	"lab":   readLab,
	"lch":   readLCH,
	"oklab": readOklab,
	"oklch": readOklch,
	"color": readColor,
}

// triple is three components and an opacity, as they were written.
type triple struct {
	parts [3]token
	alpha float64
	// legacy is the syntax with commas, in which "none" and the mixing of
	// numbers and percentages are not allowed.
	legacy bool
}

// readTriple reads "a b c", "a b c / alpha", "a, b, c" or "a, b, c, alpha".
func readTriple(tokens []token) (triple, error) {
	if len(tokens) < 3 {
		return triple{}, syntax("three values are needed")
	}
	if tokens[1].kind == comma {
		return readLegacy(tokens)
	}
	t := triple{parts: [3]token(tokens[:3]), alpha: 1}
	switch rest := tokens[3:]; {
	case len(rest) == 0:
		return t, nil
	case len(rest) != 2 || rest[0].kind != slash:
		return triple{}, syntax("three values are needed, then at most a slash and the opacity")
	default:
		var err error
		t.alpha, err = readAlpha(rest[1])
		return t, err
	}
}

func readLegacy(tokens []token) (triple, error) {
	if len(tokens) != 5 && len(tokens) != 7 {
		return triple{}, syntax("three or four values with commas between them are needed")
	}
	for i, t := range tokens {
		if (i%2 == 1) != (t.kind == comma) {
			return triple{}, syntax("commas belong between all values or none")
		}
		if t.kind == ident {
			return triple{}, syntax("names are not allowed between commas")
		}
	}
	t := triple{parts: [3]token{tokens[0], tokens[2], tokens[4]}, alpha: 1, legacy: true}
	if len(tokens) == 5 {
		return t, nil
	}
	var err error
	t.alpha, err = readAlpha(tokens[6])
	return t, err
}

// readModern is readTriple for the functions that never had commas.
func readModern(tokens []token) (triple, error) {
	t, err := readTriple(tokens)
	if err == nil && t.legacy {
		err = syntax("commas are not allowed in this function")
	}
	return t, err
}

func readAlpha(t token) (float64, error) {
	value, err := component(t, 1)
	return clip(value), err
}

// component gives a number as it is, a percentage as a share of full, and
// "none" as 0, which is what it means where nothing is interpolated.
func component(t token, full float64) (float64, error) {
	switch {
	case t.kind == number:
		return t.value, nil
	case t.kind == percentage:
		return t.value / 100 * full, nil
	case t.kind == ident && t.name == "none":
		return 0, nil
	}
	return 0, syntax("a number, a percentage or none is needed")
}

// components reads three at once.
func (t triple) components(full [3]float64) (c [3]float64, err error) {
	for i, part := range t.parts {
		if c[i], err = component(part, full[i]); err != nil {
			return c, err
		}
	}
	return c, nil
}

// hue gives the angle in degrees, from 0 up to 360.
func hue(t token) (float64, error) {
	if t.kind == percentage {
		return 0, syntax("a hue is a number or an angle")
	}
	if t.kind == angle {
		t.kind = number
	}
	value, err := component(t, 0)
	value = math.Mod(value, 360)
	if value < 0 {
		value += 360
	}
	return value, err
}

func readRGB(tokens []token) (Color, error) {
	t, err := readTriple(tokens)
	if err != nil {
		return Color{}, err
	}
	if t.legacy && (t.parts[0].kind != t.parts[1].kind || t.parts[1].kind != t.parts[2].kind) {
		return Color{}, syntax("between commas all three are numbers or all percentages")
	}
	c, err := t.components([3]float64{255, 255, 255})
	if err != nil {
		return Color{}, err
	}
	return t.srgb([3]float64{c[0] / 255, c[1] / 255, c[2] / 255}), nil
}

func readHSL(tokens []token) (Color, error) {
	t, err := readTriple(tokens)
	if err != nil {
		return Color{}, err
	}
	if t.legacy && (t.parts[1].kind != percentage || t.parts[2].kind != percentage) {
		return Color{}, syntax("saturation and lightness are percentages between commas")
	}
	h, s, l, err := hueAndTwo(t)
	if err != nil {
		return Color{}, err
	}
	if t.legacy {
		s = min(s, 1)
	}
	return t.srgb(hslToRGB(h, max(s, 0), l)), nil
}

func readHWB(tokens []token) (Color, error) {
	t, err := readModern(tokens)
	if err != nil {
		return Color{}, err
	}
	h, white, black, err := hueAndTwo(t)
	if err != nil {
		return Color{}, err
	}
	white, black = max(white, 0), max(black, 0)
	if sum := white + black; sum >= 1 {
		gray := white / sum
		return t.srgb([3]float64{gray, gray, gray}), nil
	}
	rgb := hslToRGB(h, 1, 0.5)
	for i := range rgb {
		rgb[i] = rgb[i]*(1-white-black) + white
	}
	return t.srgb(rgb), nil
}

// hueAndTwo reads a hue and two shares, which are 0 to 100 as numbers and come
// back as 0 to 1.
func hueAndTwo(t triple) (h, a, b float64, err error) {
	if h, err = hue(t.parts[0]); err != nil {
		return 0, 0, 0, err
	}
	if a, err = component(t.parts[1], 100); err != nil {
		return 0, 0, 0, err
	}
	b, err = component(t.parts[2], 100)
	return h, a / 100, b / 100, err
}

// The reference ranges of percentages are those of CSS Color 4, section 9.
func readLab(tokens []token) (Color, error) {
	return readLightness(tokens, [3]float64{100, 125, 125}, labToXYZ)
}

func readOklab(tokens []token) (Color, error) {
	return readLightness(tokens, [3]float64{1, 0.4, 0.4}, oklabToXYZ)
}

// readLightness reads a lightness and two coordinates.
func readLightness(tokens []token, full [3]float64, toXYZ func(vector) vector) (Color, error) {
	t, err := readModern(tokens)
	if err != nil {
		return Color{}, err
	}
	c, err := t.components(full)
	if err != nil {
		return Color{}, err
	}
	c[0] = max(0, min(c[0], full[0]))
	return t.srgb(xyzToSRGB(toXYZ(c))), nil
}

func readLCH(tokens []token) (Color, error) {
	return readPolar(tokens, [2]float64{100, 150}, labToXYZ)
}

func readOklch(tokens []token) (Color, error) {
	return readPolar(tokens, [2]float64{1, 0.4}, oklabToXYZ)
}

// readPolar reads a lightness, a chroma and a hue.
func readPolar(tokens []token, full [2]float64, toXYZ func(vector) vector) (Color, error) {
	t, err := readModern(tokens)
	if err != nil {
		return Color{}, err
	}
	lightness, err := component(t.parts[0], full[0])
	if err != nil {
		return Color{}, err
	}
	chroma, err := component(t.parts[1], full[1])
	if err != nil {
		return Color{}, err
	}
	degrees, err := hue(t.parts[2])
	if err != nil {
		return Color{}, err
	}
	lightness, chroma = max(0, min(lightness, full[0])), max(chroma, 0)
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	return t.srgb(xyzToSRGB(toXYZ(vector{lightness, chroma * cos, chroma * sin}))), nil
}

// readColor reads a predefined colour space and three components.
func readColor(tokens []token) (Color, error) {
	if len(tokens) == 0 || tokens[0].kind != ident {
		return Color{}, syntax("the color space is missing")
	}
	convert, known := spaces[tokens[0].name]
	if !known {
		return Color{}, syntax("unknown color space")
	}
	t, err := readModern(tokens[1:])
	if err != nil {
		return Color{}, err
	}
	c, err := t.components([3]float64{1, 1, 1})
	if err != nil {
		return Color{}, err
	}
	return t.srgb(convert(c)), nil
}

// srgb clips the channels and adds the opacity.
func (t triple) srgb(rgb [3]float64) Color {
	return Color{R: clip(rgb[0]), G: clip(rgb[1]), B: clip(rgb[2]), A: t.alpha, Known: true}
}

// clip brings v into 0 to 1; what is not a number becomes 0.
func clip(v float64) float64 {
	if !(v > 0) {
		return 0
	}
	return min(v, 1)
}
