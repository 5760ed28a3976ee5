package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// This file says in Go what Python's str methods say about characters. The rules must treat a text as Django treats it,
// also beyond ASCII.

// lower is str.lower: full case mapping, with the sigma at the end of a word and the dotted capital I, both of which
// strings.ToLower maps otherwise.
func lower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s) // made anew: a Caser must not be shared between goroutines
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// strip is str.strip, which also removes the four ASCII separators that unicode.IsSpace leaves.
func strip(s string) string {
	return strings.TrimFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
	})
}

// isNumeric is str.isdigit: not empty, and all digits of any script, superscript and circled ones included.
func isNumeric(s string) bool {
	for _, r := range s {
		if !unicode.IsDigit(r) && !unicode.Is(typographicDigits, r) {
			return false
		}
	}
	return s != ""
}

// typographicDigits are the characters with Unicode's property Numeric_Type=Digit (DerivedNumericType.txt), which Go's
// tables lack; the plain digits (Numeric_Type=Decimal) are unicode.Nd.
var typographicDigits = &unicode.RangeTable{
	LatinOffset: 2,
	R16: []unicode.Range16{
		{Lo: 0x00b2, Hi: 0x00b3, Stride: 1}, // superscripts
		{Lo: 0x00b9, Hi: 0x00b9, Stride: 1},
		{Lo: 0x1369, Hi: 0x1371, Stride: 1}, // Ethiopic
		{Lo: 0x19da, Hi: 0x19da, Stride: 1}, // New Tai Lue
		{Lo: 0x2070, Hi: 0x2070, Stride: 1}, // superscripts
		{Lo: 0x2074, Hi: 0x2079, Stride: 1},
		{Lo: 0x2080, Hi: 0x2089, Stride: 1}, // subscripts
		{Lo: 0x2460, Hi: 0x2468, Stride: 1}, // circled
		{Lo: 0x2474, Hi: 0x247c, Stride: 1}, // in parentheses
		{Lo: 0x2488, Hi: 0x2490, Stride: 1}, // with a full stop
		{Lo: 0x24ea, Hi: 0x24ea, Stride: 1}, // circled zero
		{Lo: 0x24f5, Hi: 0x24fd, Stride: 1}, // double circled
		{Lo: 0x24ff, Hi: 0x24ff, Stride: 1}, // negative circled zero
		{Lo: 0x2776, Hi: 0x277e, Stride: 1}, // dingbats
		{Lo: 0x2780, Hi: 0x2788, Stride: 1},
		{Lo: 0x278a, Hi: 0x2792, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x10a40, Hi: 0x10a43, Stride: 1}, // Kharoshthi
		{Lo: 0x10e60, Hi: 0x10e68, Stride: 1}, // Rumi
		{Lo: 0x11052, Hi: 0x1105a, Stride: 1}, // Brahmi
		{Lo: 0x1f100, Hi: 0x1f10a, Stride: 1}, // with a full stop or comma
	},
}
