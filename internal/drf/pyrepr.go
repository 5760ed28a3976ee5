package drf

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PyFloat returns Python's repr of a float: 100.0, 1e-07, 1e+16, -0.0, inf, nan.
func PyFloat(f float64) string { return string(appendPyFloat(nil, f)) }

func appendPyFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	// Both languages print the shortest digits that read back equal; Python turns to
	// an exponent below 1e-4 and from 1e16 on.
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if f == math.Trunc(f) {
		dst = append(dst, ".0"...)
	}
	return dst
}

// PyStr returns Python's str(v): strings as they are, the name of a file, and the
// repr of everything else.
func PyStr(v Value) string {
	if v.kind == KindString || v.kind == KindFile {
		return v.text
	}
	return PyRepr(v)
}

// PyRepr returns Python's repr(v), in which lone surrogates are escaped, so the
// result is always valid UTF-8. Absent values read None.
func PyRepr(v Value) string {
	switch v.kind { // what needs no buffer
	case KindAbsent, KindNull:
		return "None"
	case KindBool:
		if v.Bool() {
			return "True"
		}
		return "False"
	case KindInt:
		return v.text
	default:
		return string(appendPyRepr(nil, v))
	}
}

func appendPyRepr(dst []byte, v Value) []byte {
	switch v.kind {
	case KindFloat:
		return appendPyFloat(dst, v.Float())
	case KindString:
		return appendPyString(dst, v.text)
	case KindFile:
		dst = append(append(dst, "<InMemoryUploadedFile: "...), strings.ToValidUTF8(v.text, "\uFFFD")...)
		dst = append(append(dst, " ("...), strings.ToValidUTF8(v.kids[0].text, "\uFFFD")...)
		return append(dst, ")>"...)
	case KindList:
		dst = append(dst, '[')
		for i := range v.kids {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendPyRepr(dst, v.kids[i])
		}
		return append(dst, ']')
	case KindDict:
		dst = append(dst, '{')
		for i := 0; i+1 < len(v.kids); i += 2 {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendPyString(dst, v.kids[i].text), ": "...)
			dst = appendPyRepr(dst, v.kids[i+1])
		}
		return append(dst, '}')
	default:
		return append(dst, PyRepr(v)...)
	}
}

// appendPyString quotes s as Python does: with single quotes unless the string holds
// some and no double ones. Printable is what unicode.IsPrint takes, which follows the
// same categories as str.isprintable; the two may know different versions of Unicode.
func appendPyString(dst []byte, s string) []byte {
	quote := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		quote = '"'
	}
	dst = append(dst, quote)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			if sr, ok := surrogateAt(s, i); ok {
				r, size = sr, 3
			}
		}
		switch {
		case r == rune(quote) || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r < 0x100:
			dst = appendHex(append(dst, '\\', 'x'), r, 2)
		case r < 0x10000:
			dst = appendHex(append(dst, '\\', 'u'), r, 4)
		default:
			dst = appendHex(append(dst, '\\', 'U'), r, 8)
		}
		i += size
	}
	return append(dst, quote)
}

func appendHex(dst []byte, r rune, width int) []byte {
	for shift := 4 * (width - 1); shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[r>>shift&15])
	}
	return dst
}

// PyTypeName returns the name of v's type in Python, as DRF prints it in "Expected a
// dictionary, but got list."
func PyTypeName(v Value) string {
	switch v.kind {
	case KindBool:
		return "bool"
	case KindInt:
		return "int"
	case KindFloat:
		return "float"
	case KindString:
		return "str"
	case KindList:
		return "list"
	case KindDict:
		if v.Raw() {
			return "QueryDict"
		}
		return "dict"
	case KindFile:
		return "InMemoryUploadedFile"
	default:
		return "NoneType"
	}
}

// pyLen is Python's len of a string, where a lone surrogate is one character.
func pyLen(s string) int {
	n := 0
	for i := 0; i < len(s); n++ {
		_, size := utf8.DecodeRuneInString(s[i:])
		if _, ok := surrogateAt(s, i); ok {
			size = 3
		}
		i += size
	}
	return n
}
