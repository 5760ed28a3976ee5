package drf

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Query is a parsed query string: every pair, in order. It is lenient where
// Django's QueryDict is: bad escapes stay as they are, bad UTF-8 becomes
// U+FFFD, an empty value is a value.
type Query []QueryPair

// QueryPair is one key and value of a query string.
type QueryPair struct{ Key, Value string }

// maxPairs bounds the work on a query string; Django refuses more than 1000
// fields, here what follows is ignored.
const maxPairs = 1000

// ParseQuery never fails.
func ParseQuery(raw string) Query {
	var q Query
	for raw != "" && len(q) < maxPairs {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		q = append(q, QueryPair{unescapeQuery(key), unescapeQuery(value)})
	}
	return q
}

// Last is the last value of the key, as QueryDict.get answers.
func (q Query) Last(key string) (string, bool) {
	for i := len(q) - 1; i >= 0; i-- {
		if q[i].Key == key {
			return q[i].Value, true
		}
	}
	return "", false
}

// Set returns the query with the key set to one value, at the place of its
// first occurrence.
func (q Query) Set(key, value string) Query {
	out := make(Query, 0, len(q)+1)
	found := false
	for _, p := range q {
		if p.Key == key {
			if found {
				continue
			}
			p.Value, found = value, true
		}
		out = append(out, p)
	}
	if !found {
		out = append(out, QueryPair{key, value})
	}
	return out
}

// Without returns the query without the key.
func (q Query) Without(key string) Query {
	return slices.DeleteFunc(slices.Clone(q), func(p QueryPair) bool { return p.Key == key })
}

// Encode writes the pairs sorted by key, as DRF writes links.
func (q Query) Encode() string {
	sorted := slices.Clone(q)
	slices.SortStableFunc(sorted, func(a, b QueryPair) int { return cmp.Compare(a.Key, b.Key) })
	var b strings.Builder
	for i, p := range sorted {
		if i > 0 {
			b.WriteByte('&')
		}
		escapeQuery(&b, p.Key)
		b.WriteByte('=')
		escapeQuery(&b, p.Value)
	}
	return b.String()
}

// escapeQuery is Python's quote_plus.
func escapeQuery(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_.-~", c) >= 0:
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('+')
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
}

func unescapeQuery(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			out = append(out, ' ')
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			high, _ := hexDigit(s[i+1])
			low, _ := hexDigit(s[i+2])
			out = append(out, high<<4|low)
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	if !utf8.Valid(out) {
		return strings.ToValidUTF8(string(out), "\uFFFD")
	}
	return string(out)
}

func isHex(c byte) bool {
	_, ok := hexDigit(c)
	return ok
}

// Query is the parsed query string of the request.
func (r *Request) Query() Query {
	if !r.parsed {
		r.query, r.parsed = ParseQuery(r.URL.RawQuery), true
	}
	return r.query
}

// ParseInt reads an integer as Python's int() does: surrounding white space,
// a sign, leading zeros and single underscores between digits are fine. ok is
// false for anything else and for what does not fit in 64 bits.
func ParseInt(s string) (n int64, ok bool) {
	s = asciiDigits(strings.TrimFunc(s, isPythonSpace))
	negative := false
	if s != "" && (s[0] == '+' || s[0] == '-') {
		negative = s[0] == '-'
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	lastDigit := false
	for i := range len(s) {
		c := s[i]
		if c == '_' && lastDigit && i+1 < len(s) {
			lastDigit = false
			continue
		}
		if c < '0' || c > '9' {
			return 0, false
		}
		lastDigit = true
		d := int64(c - '0')
		// Count downwards: the negative range is one larger.
		if n < (-1<<63+d)/10 {
			return 0, false
		}
		n = n*10 - d
	}
	if negative {
		return n, true
	}
	if n == -1<<63 {
		return 0, false
	}
	return -n, true
}

// asciiDigits writes the decimal digits of all scripts as 0 to 9, which is how
// Python reads numbers.
func asciiDigits(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf || !unicode.Is(unicode.Nd, r) {
			return r
		}
		// Digits stand in runs of ten, from 0 to 9, and so do the ranges of the table.
		for _, t := range unicode.Nd.R16 {
			if rune(t.Lo) <= r && r <= rune(t.Hi) {
				return '0' + (r-rune(t.Lo))%10
			}
		}
		for _, t := range unicode.Nd.R32 {
			if rune(t.Lo) <= r && r <= rune(t.Hi) {
				return '0' + (r-rune(t.Lo))%10
			}
		}
		return r
	}, s)
}

// PathInt is a path parameter as an integer; ErrNotFound when it is none, as
// for an object that does not exist.
func (r *Request) PathInt(name string) (int64, error) {
	n, ok := ParseInt(r.PathValue(name))
	if !ok {
		return 0, ErrNotFound
	}
	return n, nil
}
