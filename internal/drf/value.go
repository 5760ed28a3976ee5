package drf

import (
	"iter"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind says what Python's json.loads would have made of a piece of input.
type Kind uint8

const (
	KindAbsent Kind = iota // nothing was sent; the zero Value
	KindNull               // None
	KindBool               // bool
	KindInt                // int, of any size
	KindFloat              // float; may be infinite, see HasNonFinite
	KindString             // str; may hold lone surrogates, see Surrogate
	KindList               // list
	KindDict               // dict, or the QueryDict of a form
	KindFile               // an uploaded file; only its name and type are kept
)

// valueFlags carries what later questions would otherwise have to walk the
// tree for.
type valueFlags uint8

const (
	flagTrue      valueFlags = 1 << iota // the bool is true
	flagForm                             // came from a form
	flagNul                              // U+0000 in here or below
	flagSurrogate                        // a lone surrogate in here or below
	flagNonFinite                        // an infinite or NaN float in here or below

	flagsInherited = flagNul | flagSurrogate | flagNonFinite
)

// Value is one piece of client input: a JSON value, or a form seen as a dict of
// strings. The zero Value is absent, so that a missing member, a null one and an
// empty one can be told apart. Values are immutable and safe for concurrent use.
//
// Strings cut from a parsed body share its memory: clone what outlives the
// request by far.
type Value struct {
	kind  Kind
	flags valueFlags
	// text is the content of a string, the source of a number, the name of a file.
	// Lone surrogates are kept as their three WTF-8 bytes, which valid UTF-8 never
	// holds, so nothing else is needed to find them again.
	text string
	// kids are the elements of a list, or name, value, name, value of a dict, or
	// all the values of a form field that was sent more than once.
	kids []Value
}

// Pair is one member of a dict, for DictOf.
type Pair struct {
	Name  string
	Value Value
}

// Null returns Python's None.
func Null() Value { return Value{kind: KindNull} }

// Bool returns a truth value.
func Bool(b bool) Value {
	if b {
		return Value{kind: KindBool, flags: flagTrue}
	}
	return Value{kind: KindBool}
}

// Int returns the integer written as text: decimal digits after an optional
// minus. The text is not checked.
func Int(text string) Value {
	if text == "-0" { // Python's int has one zero
		text = "0"
	}
	return Value{kind: KindInt, text: text}
}

// Float returns f, which may be infinite or NaN.
func Float(f float64) Value {
	v := Value{kind: KindFloat, text: PyFloat(f)}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		v.flags = flagNonFinite
	}
	return v
}

// String returns s, which is UTF-8; lone surrogates may stand in it as WTF-8.
func String(s string) Value {
	v := Value{kind: KindString, text: s}
	if strings.IndexByte(s, 0) >= 0 {
		v.flags |= flagNul
	}
	if _, found := loneSurrogate(s); found {
		v.flags |= flagSurrogate
	}
	return v
}

// File returns an uploaded file of the given name and content type.
func File(name, contentType string) Value {
	v := String(name)
	v.kind = KindFile
	v.kids = []Value{String(contentType)}
	return v
}

// ListOf returns a list of the given elements.
func ListOf(elements ...Value) Value {
	return container(KindList, append([]Value(nil), elements...))
}

// DictOf returns a dict. Of members with one name the last value stays, in the
// place of the first, as in Python.
func DictOf(members ...Pair) Value {
	kids := make([]Value, 0, 2*len(members))
	for _, m := range members {
		kids = append(kids, String(m.Name), m.Value)
	}
	return container(KindDict, collapseNames(kids))
}

// container takes ownership of kids, whose names must be distinct.
func container(kind Kind, kids []Value) Value {
	v := Value{kind: kind, kids: kids}
	for i := range kids {
		v.flags |= kids[i].flags & flagsInherited
	}
	return v
}

// Kind returns what v is.
func (v Value) Kind() Kind { return v.kind }

// Bool tells whether v is the bool true.
func (v Value) Bool() bool { return v.flags&flagTrue != 0 }

// Text returns the content of a string, the source text of a number ("1e2" stays
// "1e2", "-0" is "0"), the name of a file, and "" for everything else.
func (v Value) Text() string { return v.text }

// Float returns a number as the float64 that Python's float() makes of it: an
// integer beyond the range becomes an infinity. Other kinds give 0.
func (v Value) Float() float64 {
	if v.kind != KindInt && v.kind != KindFloat {
		return 0
	}
	// The only error possible is the range, and then f is the infinity we want.
	f, _ := strconv.ParseFloat(v.text, 64)
	return f
}

// List returns the elements of a list, nil for other kinds. The slice is shared:
// read only.
func (v Value) List() []Value {
	if v.kind != KindList {
		return nil
	}
	return v.kids
}

// Len returns the number of elements of a list or of members of a dict, 0 for
// other kinds.
func (v Value) Len() int {
	switch v.kind {
	case KindList:
		return len(v.kids)
	case KindDict:
		return len(v.kids) / 2
	default:
		return 0
	}
}

// Member returns the named member of a dict, an absent Value when there is none
// or v is no dict. It searches from the front: to visit all, range over Members.
func (v Value) Member(name string) Value {
	if v.kind != KindDict {
		return Value{}
	}
	for i := 0; i+1 < len(v.kids); i += 2 {
		if v.kids[i].text == name {
			return v.kids[i+1]
		}
	}
	return Value{}
}

// Members yields the members of a dict in the order in which their names were
// first sent.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.kind != KindDict {
			return
		}
		for i := 0; i+1 < len(v.kids); i += 2 {
			if !yield(v.kids[i].text, v.kids[i+1]) {
				return
			}
		}
	}
}

// Raw tells whether v came from a form (HTML input): a dict whose values are
// strings and files only, or one of those. DRF treats an absent or empty field of
// a form unlike one of JSON.
func (v Value) Raw() bool { return v.flags&flagForm != 0 }

// All returns every value that a form sent under the name of v, in order; v
// itself is the last of them. For values that are from no form it is v alone.
func (v Value) All() []Value {
	if v.kind == KindString && v.kids != nil {
		return v.kids
	}
	return []Value{v}
}

// HasNonFinite tells whether v is, or holds, a float that JSON cannot carry:
// 1e400 is read as infinity.
func (v Value) HasNonFinite() bool { return v.flags&flagNonFinite != 0 }

// Problem tells why v cannot be stored as text or JSON: "nul" when any string or
// name in it holds U+0000, "surrogate" when one holds a lone surrogate, else "".
func (v Value) Problem() string {
	switch {
	case v.flags&flagNul != 0:
		return "nul"
	case v.flags&flagSurrogate != 0:
		return "surrogate"
	default:
		return ""
	}
}

// Surrogate returns the first lone surrogate (U+D800 to U+DFFF) of a string, which
// Python's str can hold and UTF-8 cannot.
func (v Value) Surrogate() (rune, bool) {
	if v.kind != KindString || v.flags&flagSurrogate == 0 {
		return 0, false
	}
	return loneSurrogate(v.text)
}

// surrogateAt decodes the WTF-8 surrogate at s[i:], if one stands there.
func surrogateAt(s string, i int) (rune, bool) {
	if i+2 < len(s) && s[i] == 0xED && s[i+1] >= 0xA0 && s[i+1] <= 0xBF && s[i+2]&0xC0 == 0x80 {
		return 0xD000 | rune(s[i+1]&0x3F)<<6 | rune(s[i+2]&0x3F), true
	}
	return 0, false
}

func loneSurrogate(s string) (rune, bool) {
	for i := 0; ; i++ {
		next := strings.IndexByte(s[i:], 0xED)
		if next < 0 {
			return 0, false
		}
		i += next
		if r, ok := surrogateAt(s, i); ok {
			return r, true
		}
	}
}

// AppendJSON appends v as DRF's renderer writes it: compact, nothing escaped that
// JSON does not require except U+2028 and U+2029, integers digit for digit, floats
// as Python prints them. The result is valid JSON and valid UTF-8 whatever v holds:
// lone surrogates become U+FFFD, infinities, NaN and absent values null (ask
// HasNonFinite and Problem first where that matters), a file its name.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.kind {
	case KindBool:
		return strconv.AppendBool(dst, v.Bool())
	case KindInt:
		return append(dst, v.text...)
	case KindFloat:
		if v.HasNonFinite() {
			return append(dst, "null"...)
		}
		return appendPyFloat(dst, v.Float())
	case KindString, KindFile:
		return AppendString(dst, v.text)
	case KindList:
		dst = append(dst, '[')
		for i := range v.kids {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.kids[i].AppendJSON(dst)
		}
		return append(dst, ']')
	case KindDict:
		dst = append(dst, '{')
		for i := 0; i+1 < len(v.kids); i += 2 {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, v.kids[i].text), ':')
			dst = v.kids[i+1].AppendJSON(dst)
		}
		return append(dst, '}')
	default:
		return append(dst, "null"...)
	}
}

// jsonPlain marks the bytes that stand for themselves inside a JSON string, read or
// written: all but the quote, the backslash and the control characters.
var jsonPlain = func() (table [256]bool) {
	for c := range table {
		table[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return table
}()

// AppendString appends s as a quoted JSON string with the escapes of AppendJSON. It
// allocates only when dst must grow.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0 // of the bytes not yet copied
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if jsonPlain[c] {
				i++
				continue
			}
			dst = appendEscape(append(dst, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || size > 1) {
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		switch r {
		case '\u2028':
			dst = append(dst, `\u2028`...)
		case '\u2029':
			dst = append(dst, `\u2029`...)
		default: // not UTF-8
			if _, ok := surrogateAt(s, i); ok {
				size = 3
			}
			dst = append(dst, "\uFFFD"...)
		}
		i += size
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	const hexDigits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}

// collapseNames makes the names in kids (name, value, name, value ...) distinct, in
// place: the last value wins, the first position stays.
func collapseNames(kids []Value) []Value {
	// Beyond a few hundred names comparing could cost a hostile body's author little
	// and us quadratic time; below, it is cheaper than a map.
	const few = 256
	if len(kids) > 2*few {
		return collapseManyNames(kids)
	}
	var seen [16]uint64 // a bit per hash: most names need no comparing at all
	out := 0
next:
	for i := 0; i+1 < len(kids); i += 2 {
		name := kids[i].text
		hash := uint32(2166136261) // FNV-1a
		for j := range min(len(name), 32) {
			hash = (hash ^ uint32(name[j])) * 16777619
		}
		hash ^= hash >> 15
		word, bit := hash>>6&15, uint64(1)<<(hash&63)
		if seen[word]&bit != 0 {
			for j := 0; j < out; j += 2 {
				if kids[j].text == name {
					kids[j+1] = kids[i+1]
					continue next
				}
			}
		}
		seen[word] |= bit
		if out != i {
			kids[out], kids[out+1] = kids[i], kids[i+1]
		}
		out += 2
	}
	return kids[:out]
}

func collapseManyNames(kids []Value) []Value {
	seen := make(map[string]int, len(kids)/2)
	out := 0
	for i := 0; i+1 < len(kids); i += 2 {
		name := kids[i].text
		if j, dup := seen[name]; dup {
			kids[j+1] = kids[i+1]
			continue
		}
		seen[name] = out
		if out != i {
			kids[out], kids[out+1] = kids[i], kids[i+1]
		}
		out += 2
	}
	return kids[:out]
}
