package drf

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	// maxDepth is the deepest nesting of lists and dicts read by default. Python
	// stops near 1000 with an error of its own; no honest body comes close to 100.
	maxDepth = 100
	// maxIntDigits is CPython's limit for int(), against quadratic conversion:
	// https://docs.python.org/3.11/library/stdtypes.html#int-max-str-digits
	maxIntDigits = 4300
	// maxPooledStack keeps one huge body from pinning its stack for ever.
	maxPooledStack = 1024
)

// ParseError says why a body is not JSON that DRF would accept.
type ParseError struct {
	Message string // what follows "JSON parse error - " in the answer
}

// Error returns the whole sentence of the answer.
func (e *ParseError) Error() string { return "JSON parse error - " + e.Message }

// ParseOptions adjusts ParseJSON. The zero value is right for request bodies.
type ParseOptions struct {
	MaxDepth int // deepest nesting of lists and dicts; 0 means 100
}

// ParseJSON reads one JSON value from data as Python's json.loads does in DRF's
// strict mode: of equal names the last value wins, numbers keep their text, 1e400 is
// infinite, escaped lone surrogates are kept, raw control characters in strings, NaN,
// Infinity, a byte order mark and invalid UTF-8 are refused. Integers of more than
// 4300 digits are refused as well. Every error is a *ParseError in Python's words
// where Python has some.
//
// data is copied: it may be reused at once.
func ParseJSON(data []byte, opt ParseOptions) (Value, error) {
	src := string(data)
	if !utf8.ValidString(src) {
		return Value{}, &ParseError{Message: explainUTF8(src)}
	}
	s := jsonScanners.Get().(*jsonScanner)
	s.src, s.limit = src, opt.MaxDepth
	if s.limit <= 0 {
		s.limit = maxDepth
	}
	v, err := s.document()
	s.release()
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

// jsonScanner reads one document. Values are pushed on stack; closing a list or
// dict moves its elements from there into a slice of exactly their number, so a
// container costs one allocation and a plain string none.
type jsonScanner struct {
	src   string
	pos   int
	depth int
	limit int
	stack []Value
	used  int // how much of the stack's array was ever written
	err   *ParseError
}

var jsonScanners = sync.Pool{New: func() any { return &jsonScanner{stack: make([]Value, 0, 64)} }}

func (s *jsonScanner) release() {
	s.used = max(s.used, len(s.stack))
	if cap(s.stack) > maxPooledStack {
		return
	}
	clear(s.stack[:s.used]) // the next body must not keep this one alive
	*s = jsonScanner{stack: s.stack[:0]}
	jsonScanners.Put(s)
}

func (s *jsonScanner) document() (Value, error) {
	if strings.HasPrefix(s.src, "\uFEFF") {
		s.fail("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0)
		return Value{}, s.err
	}
	s.space()
	if !s.value() {
		return Value{}, s.err
	}
	s.space()
	if s.pos < len(s.src) {
		s.fail("Extra data", s.pos)
		return Value{}, s.err
	}
	return s.stack[0], nil
}

// fail records the first error, at byte offset at, with Python's line, column and
// character numbers. It returns false for the convenience of its callers.
func (s *jsonScanner) fail(message string, at int) bool {
	before := s.src[:at]
	char := utf8.RuneCountInString(before)
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	line := strings.Count(before, "\n") + 1
	s.err = &ParseError{Message: fmt.Sprintf("%s: line %d column %d (char %d)", message, line, column, char)}
	return false
}

func (s *jsonScanner) space() {
	i := s.pos
	for i < len(s.src) && (s.src[i] == ' ' || s.src[i] == '\n' || s.src[i] == '\r' || s.src[i] == '\t') {
		i++
	}
	s.pos = i
}

// value pushes the value that starts at pos.
func (s *jsonScanner) value() bool {
	if s.pos == len(s.src) {
		return s.fail("Expecting value", s.pos)
	}
	switch c := s.src[s.pos]; c {
	case '"':
		return s.text()
	case '{', '[':
		if s.depth == s.limit {
			s.err = &ParseError{Message: fmt.Sprintf("Exceeded the maximum nesting depth of %d.", s.limit)}
			return false
		}
		s.depth++
		s.pos++
		var ok bool
		if c == '{' {
			ok = s.dict()
		} else {
			ok = s.list()
		}
		s.depth--
		return ok
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.number()
	case 'n':
		return s.literal("null", Value{kind: KindNull})
	case 't':
		return s.literal("true", Value{kind: KindBool, flags: flagTrue})
	case 'f':
		return s.literal("false", Value{kind: KindBool})
	case 'N':
		return s.constant("NaN")
	case 'I':
		return s.constant("Infinity")
	default:
		return s.fail("Expecting value", s.pos)
	}
}

func (s *jsonScanner) literal(word string, v Value) bool {
	if !strings.HasPrefix(s.src[s.pos:], word) {
		return s.fail("Expecting value", s.pos)
	}
	s.pos += len(word)
	s.stack = append(s.stack, v)
	return true
}

// constant refuses the words that Python's json knows and JSON does not.
func (s *jsonScanner) constant(word string) bool {
	if !strings.HasPrefix(s.src[s.pos:], word) {
		return s.fail("Expecting value", s.pos)
	}
	s.err = &ParseError{Message: "Out of range float values are not JSON compliant: '" + word + "'"}
	return false
}

func (s *jsonScanner) list() bool {
	mark := len(s.stack)
	s.space()
	if s.pos < len(s.src) && s.src[s.pos] == ']' {
		s.pos++
		return s.close(KindList, mark)
	}
	for {
		if !s.value() {
			return false
		}
		s.space()
		if s.pos < len(s.src) {
			switch s.src[s.pos] {
			case ']':
				s.pos++
				return s.close(KindList, mark)
			case ',':
				s.pos++
				s.space()
				continue
			}
		}
		return s.fail("Expecting ',' delimiter", s.pos)
	}
}

func (s *jsonScanner) dict() bool {
	mark := len(s.stack)
	s.space()
	if s.pos < len(s.src) && s.src[s.pos] == '}' {
		s.pos++
		return s.close(KindDict, mark)
	}
	for {
		if s.pos == len(s.src) || s.src[s.pos] != '"' {
			return s.fail("Expecting property name enclosed in double quotes", s.pos)
		}
		if !s.text() {
			return false
		}
		s.space()
		if s.pos == len(s.src) || s.src[s.pos] != ':' {
			return s.fail("Expecting ':' delimiter", s.pos)
		}
		s.pos++
		s.space()
		if !s.value() {
			return false
		}
		s.space()
		if s.pos < len(s.src) {
			switch s.src[s.pos] {
			case '}':
				s.pos++
				return s.close(KindDict, mark)
			case ',':
				s.pos++
				s.space()
				continue
			}
		}
		return s.fail("Expecting ',' delimiter", s.pos)
	}
}

// close replaces what was pushed since mark by the container it makes up.
func (s *jsonScanner) close(kind Kind, mark int) bool {
	s.used = max(s.used, len(s.stack))
	kids := s.stack[mark:]
	if kind == KindDict {
		kids = collapseNames(kids)
	}
	s.stack = append(s.stack[:mark], container(kind, append([]Value(nil), kids...)))
	return true
}

// text pushes the string whose opening quote stands at pos.
func (s *jsonScanner) text() bool {
	src, start := s.src, s.pos+1
	for i := start; i < len(src); i++ {
		if jsonPlain[src[i]] {
			continue
		}
		switch src[i] {
		case '"':
			s.pos = i + 1
			s.stack = append(s.stack, Value{kind: KindString, text: src[start:i]})
			return true
		case '\\':
			return s.escapedText(start, i)
		default:
			return s.fail("Invalid control character at", i)
		}
	}
	return s.fail("Unterminated string starting at", start-1)
}

// escapedText goes on where text meets the first backslash, at i.
func (s *jsonScanner) escapedText(start, i int) bool {
	src := s.src
	buf := make([]byte, 0, i-start+32)
	var flags valueFlags
	for from := start; ; {
		for i < len(src) && jsonPlain[src[i]] {
			i++
		}
		if i == len(src) || src[i] == '\\' && i+1 == len(src) {
			return s.fail("Unterminated string starting at", start-1)
		}
		buf = append(buf, src[from:i]...)
		switch {
		case src[i] == '"':
			s.pos = i + 1
			s.stack = append(s.stack, Value{kind: KindString, flags: flags, text: string(buf)})
			return true
		case src[i] != '\\':
			return s.fail("Invalid control character at", i)
		case src[i+1] == 'u':
			r, next, ok := s.unicodeEscape(i)
			if !ok {
				return false
			}
			if 0xD800 <= r && r <= 0xDFFF {
				flags |= flagSurrogate
				buf = append(buf, 0xED, 0x80|byte(r>>6&0x3F), 0x80|byte(r&0x3F))
			} else {
				if r == 0 {
					flags |= flagNul
				}
				buf = utf8.AppendRune(buf, r)
			}
			i = next
		default:
			c, ok := unescape(src[i+1])
			if !ok {
				return s.fail(`Invalid \escape`, i)
			}
			buf = append(buf, c)
			i += 2
		}
		from = i
	}
}

func unescape(c byte) (byte, bool) {
	switch c {
	case '"', '\\', '/':
		return c, true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	default:
		return 0, false
	}
}

// unicodeEscape reads the \uXXXX at i, and a second one when the two are a surrogate
// pair. It returns the offset after what it used.
func (s *jsonScanner) unicodeEscape(i int) (r rune, next int, ok bool) {
	r, ok = hex4(s.src[i+2:])
	if !ok || i+6 == len(s.src) { // CPython wants to see one character more
		return 0, 0, s.fail(`Invalid \uXXXX escape`, i+1)
	}
	i += 6
	if 0xD800 <= r && r <= 0xDBFF && strings.HasPrefix(s.src[i:], `\u`) {
		low, ok := hex4(s.src[i+2:])
		if !ok {
			return 0, 0, s.fail(`Invalid \uXXXX escape`, i+1)
		}
		if 0xDC00 <= low && low <= 0xDFFF {
			return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, i + 6, true
		}
	}
	return r, i, true
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		d, ok := hexDigit(s[i])
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	default:
		return 0, false
	}
}

// number pushes the number at pos. Like Python it takes as much as is a number: what
// is left of "01" or "1." is the next error.
func (s *jsonScanner) number() bool {
	src, start := s.src, s.pos
	i := start
	if src[i] == '-' {
		i++
	}
	digits := i
	i = skipDigits(src, i)
	switch {
	case i == digits:
		if strings.HasPrefix(src[i:], "Infinity") {
			return s.constant("-Infinity")
		}
		return s.fail("Expecting value", start)
	case src[digits] == '0':
		i = digits + 1
	}
	intEnd := i
	if i+1 < len(src) && src[i] == '.' && isDigit(src[i+1]) {
		i = skipDigits(src, i+1)
	}
	exponent := false
	if i < len(src) && src[i]|0x20 == 'e' {
		j := i + 1
		if j < len(src) && (src[j] == '+' || src[j] == '-') {
			j++
		}
		if end := skipDigits(src, j); end > j {
			i, exponent = end, true
		}
	}
	s.pos = i
	text := src[start:i]
	if i == intEnd {
		if n := intEnd - digits; n > maxIntDigits {
			s.err = &ParseError{Message: fmt.Sprintf("Exceeds the limit (%d digits) for integer string conversion: value has %d digits", maxIntDigits, n)}
			return false
		}
		s.stack = append(s.stack, Int(text))
		return true
	}
	v := Value{kind: KindFloat, text: text}
	// Below 10^300 without an exponent there is nothing to overflow.
	if (exponent || intEnd-digits > 300) && math.IsInf(v.Float(), 0) {
		v.flags = flagNonFinite
	}
	s.stack = append(s.stack, v)
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func skipDigits(s string, i int) int {
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}
