package djangoimport

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// compactJSON writes a JSON text as bdash stores it: without white space
// between tokens, letters as letters where Python wrote \u00fc. The order of
// keys and the spelling of numbers stay. What may not stand in a string as it
// is, or must not stand in a script (U+2028, U+2029), stays escaped. ok is
// false if s is not JSON.
func compactJSON(s string) (out string, ok bool) {
	if !json.Valid([]byte(s)) {
		return "", false
	}
	var b strings.Builder
	b.Grow(len(s))
	inString := false
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case !inString && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			i++
		case inString && c == '\\':
			i += unescape(&b, s[i:])
		default:
			if c == '"' {
				inString = !inString
			}
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), true
}

// unescape writes the escape that s starts with, decoded where that is
// possible, and tells its length.
func unescape(b *strings.Builder, s string) int {
	if s[1] != 'u' {
		b.WriteString(s[:2])
		return 2
	}
	r, n := hexRune(s), 6
	if utf16.IsSurrogate(r) && strings.HasPrefix(s[6:], `\u`) {
		if pair := utf16.DecodeRune(r, hexRune(s[6:])); pair != utf8.RuneError {
			r, n = pair, 12
		}
	}
	switch {
	case r < 0x80, r == 0x2028, r == 0x2029, utf16.IsSurrogate(r):
		// ASCII is escaped by number only if it cannot stand as it is, or if
		// somebody wanted it so.
		b.WriteString(s[:n])
	default:
		b.WriteRune(r)
	}
	return n
}

// hexRune reads \uXXXX; the text is known to be valid.
func hexRune(s string) rune {
	n, err := strconv.ParseUint(s[2:6], 16, 32)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}

// pair is one member of a JSON object.
type pair struct {
	key   string
	value json.RawMessage
}

// objectPairs lists the members of a JSON object in order, doubles included.
// ok is false if raw is no object.
func objectPairs(raw []byte) (pairs []pair, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, false
		}
		name, isText := key.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil || !isText {
			return nil, false
		}
		pairs = append(pairs, pair{name, value})
	}
	return pairs, true
}

// jsonString decodes a JSON string. exact is false if it held something that
// text in a database cannot say: half a surrogate pair, or NUL.
func jsonString(raw json.RawMessage) (s string, exact, ok bool) {
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false, false
	}
	clean, changed := cleanText(s)
	return clean, !changed && !strings.ContainsRune(clean, utf8.RuneError), true
}
