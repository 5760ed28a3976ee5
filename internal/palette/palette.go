// Package palette reads CSS colours, measures their contrast, and holds the
// palettes of the built-in themes.
//
// Parse accepts what CSS Color Module Level 4 calls a <color>
// (https://www.w3.org/TR/css-color-4/) and nothing else. A value that passes
// is safe to be written behind a colon in a style sheet: it cannot end the
// declaration, open a comment, load anything or refer to a variable. To that
// end it is stricter than a browser in a few places: no comments, no escapes,
// no calc() and other math functions, no missing closing bracket.
package palette

import (
	"errors"
	"fmt"
	"strings"
)

// ErrSyntax is what every error of Parse matches. The text around it says what
// is wrong in a few words and is safe for the user, but does not quote the
// value.
var ErrSyntax = errors.New("not a CSS color")

// maxLength is the longest value looked at, in bytes. The longest sensible
// colour is a color() with three long decimals.
const maxLength = 256

// Color is a colour in sRGB. Colours outside the gamut of sRGB are clipped to
// it, channel by channel, which is near enough for judging contrast.
type Color struct {
	// R, G, B are the gamma-encoded channels, 0 to 1, not premultiplied.
	R, G, B float64
	// A is the opacity, 0 to 1.
	A float64
	// Known is false for colours that depend on where they are used, which are
	// currentcolor and the system colours; their channels mean nothing.
	Known bool
}

// Parse reads one CSS colour; surrounding white space and case do not matter.
// Every error matches ErrSyntax. Apart from that white space, values over 256
// bytes are refused, so the work is bounded.
func Parse(s string) (Color, error) {
	s = strings.Trim(s, whitespace)
	if s == "" {
		return Color{}, syntax("it is empty")
	}
	if len(s) > maxLength {
		return Color{}, syntax("it is too long")
	}
	for i := range len(s) {
		// Nothing in a colour is outside ASCII. Some characters outside fold
		// to letters inside, as the Kelvin sign to k.
		if s[i] >= 0x80 {
			return Color{}, syntax("unexpected character")
		}
	}
	if s[0] == '#' {
		return parseHex(s[1:])
	}
	name, arguments, isFunction := strings.Cut(s, "(")
	if !isFunction {
		return parseKeyword(s)
	}
	read, known := functions[strings.ToLower(name)]
	if !known {
		return Color{}, syntax("unknown function")
	}
	arguments, closed := strings.CutSuffix(arguments, ")")
	if !closed {
		return Color{}, syntax("the closing bracket is missing")
	}
	tokens, err := scan(arguments)
	if err != nil {
		return Color{}, err
	}
	return read(tokens)
}

func syntax(reason string) error { return fmt.Errorf("%w: %s", ErrSyntax, reason) }

// parseHex reads what follows the "#": rgb, rgba, rrggbb or rrggbbaa.
func parseHex(digits string) (Color, error) {
	var nibbles [8]float64
	if len(digits) > len(nibbles) {
		return Color{}, syntax("a hexadecimal color has 3, 4, 6 or 8 digits")
	}
	for i := range len(digits) {
		value := strings.IndexByte("0123456789abcdef", lower(digits[i]))
		if value < 0 {
			return Color{}, syntax("a hexadecimal color has digits and the letters a to f only")
		}
		nibbles[i] = float64(value)
	}
	channels := [4]float64{3: 255}
	switch len(digits) {
	case 3, 4:
		for i := range digits {
			channels[i] = nibbles[i] * 17
		}
	case 6, 8:
		for i := range len(digits) / 2 {
			channels[i] = nibbles[2*i]*16 + nibbles[2*i+1]
		}
	default:
		return Color{}, syntax("a hexadecimal color has 3, 4, 6 or 8 digits")
	}
	return Color{R: channels[0] / 255, G: channels[1] / 255, B: channels[2] / 255, A: channels[3] / 255, Known: true}, nil
}

func parseKeyword(s string) (Color, error) {
	name := strings.ToLower(s)
	if rgb, ok := named[name]; ok {
		return Color{
			R: float64(rgb>>16) / 255, G: float64(rgb>>8&0xff) / 255, B: float64(rgb&0xff) / 255,
			A: 1, Known: true,
		}, nil
	}
	if name == "transparent" {
		return Color{Known: true}, nil
	}
	if contextual[name] {
		return Color{A: 1}, nil
	}
	return Color{}, syntax("unknown name")
}
