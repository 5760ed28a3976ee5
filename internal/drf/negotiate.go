package drf

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

// maxIndent is the widest indentation that DRF's JSONRenderer makes, in spaces.
const maxIndent = 8

// Accepts tells whether a renderer of DRF's defaults, application/json or text/html,
// satisfies the Accept header, as DefaultContentNegotiation decides: more specific
// media types first, JSON before HTML among equals, q ignored. An absent header
// accepts everything, an empty one nothing. Several header lines are to be joined
// with commas.
//
// indent is that of "application/json; indent=4", from 0 (none) to 8, and is 0 where
// DRF would have chosen HTML. Accepts does not allocate for headers in lower case.
func Accepts(accept string, present bool) (ok bool, indent int) {
	return accepts(accept, present, bothRenderers)
}

// renderers is a set of them: ?format= leaves one.
type renderers uint8

const (
	jsonRenderer renderers = 1 << iota
	htmlRenderer

	bothRenderers = jsonRenderer | htmlRenderer
)

func accepts(accept string, present bool, among renderers) (ok bool, indent int) {
	if !present || accept == "*/*" || accept == "application/json" && among&jsonRenderer != 0 {
		return true, 0
	}
	best := -1 // twice the precedence, plus one for JSON
	for more := true; more; {
		var token string
		token, accept, more = strings.Cut(accept, ",")
		m, valid := parseMediaType(token)
		if !valid {
			continue
		}
		rank := 2 * m.precedence()
		switch {
		case among&jsonRenderer != 0 && m.covers("application", "json"):
			if rank+1 > best {
				best, indent = rank+1, m.indent
			}
		case among&htmlRenderer != 0 && m.covers("text", "html"):
			if rank > best {
				best, indent = rank, 0
			}
		}
	}
	return best >= 0, indent
}

// prefersStream reports whether an Accept header names text/event-stream, and
// does not name application/json before it.
func prefersStream(accept string) bool {
	for more := true; more; {
		var token string
		token, accept, more = strings.Cut(accept, ",")
		m, valid := parseMediaType(token)
		switch {
		case !valid:
		case m.main == "text" && m.sub == "event-stream":
			return true
		case m.main == "application" && m.sub == "json":
			return false
		}
	}
	return false
}

// Parser is one of the body formats that DRF reads by default.
type Parser uint8

const (
	ParserJSON      Parser = iota // application/json: ParseJSON
	ParserForm                    // application/x-www-form-urlencoded: ParseForm
	ParserMultipart               // multipart/form-data: ParseMultipart
)

// ParserFor chooses the parser for a Content-Type header as DRF does: the case and the
// parameters of the media type do not matter, wildcards match ("application/*" is
// JSON), suffixes do not ("application/vnd.api+json" is not).
//
// charset is the name to give to DecodeCharset or ParseFormCharset: that of the
// charset parameter, "" for UTF-8, and "" as well when the name is unknown, which
// Django ignores.
func ParserFor(contentType string) (parser Parser, charset string, ok bool) {
	switch contentType {
	case "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8":
		return ParserJSON, "", true
	case "application/x-www-form-urlencoded":
		return ParserForm, "", true
	}
	m, valid := parseMediaType(contentType)
	if !valid {
		return 0, "", false
	}
	switch {
	case m.covers("application", "json"):
		parser = ParserJSON
	case m.covers("application", "x-www-form-urlencoded"):
		parser = ParserForm
	case m.covers("multipart", "form-data"):
		parser = ParserMultipart
	default:
		return 0, "", false
	}
	if m.charset != "" {
		if codec, known := lookupCharset(m.charset); known && codec != nil {
			charset = m.charset
		}
	}
	return parser, charset, true
}

// mediaType is one element of an Accept header, or a Content-Type.
type mediaType struct {
	main, sub string // lower case
	specific  bool   // has a parameter other than q
	indent    int
	charset   string
	boundary  string
	bounded   bool // has a boundary parameter
}

func parseMediaType(s string) (m mediaType, ok bool) {
	full, rest, more := cutParameter(s)
	if full, ok = asciiLower(full); !ok {
		return m, false
	}
	m.main, m.sub, _ = strings.Cut(full, "/")
	for more {
		var parameter string
		parameter, rest, more = cutParameter(rest)
		name, value, ok := splitParameter(parameter)
		if !ok {
			return m, false
		}
		switch name {
		case "", "q":
		case "indent":
			m.specific, m.indent = true, clampIndent(value)
		case "charset":
			m.specific, m.charset = true, value
		case "boundary":
			m.specific, m.boundary, m.bounded = true, value, true
		default:
			m.specific = true
		}
	}
	return m, true
}

func (m *mediaType) covers(main, sub string) bool {
	return (m.sub == "*" || m.sub == sub) && (m.main == "*" || m.main == main)
}

// precedence is DRF's: 0 for */*, 1 for type/*, 2 for type/subtype, 3 with parameters.
func (m *mediaType) precedence() int {
	switch {
	case m.main == "*":
		return 0
	case m.sub == "*":
		return 1
	case m.specific:
		return 3
	default:
		return 2
	}
}

// clampIndent reads Python's int(), which takes a sign, spaces and single
// underscores, and limits it to 0..8. Anything else is 0.
func clampIndent(s string) int {
	s = strings.TrimSpace(s)
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	n, digit := 0, false
	for i := range len(s) {
		switch {
		case isDigit(s[i]):
			n, digit = min(n*10+int(s[i]-'0'), maxIndent), true
		case s[i] == '_' && digit:
			digit = false
		default:
			return 0
		}
	}
	if negative || !digit {
		return 0
	}
	return n
}

const asciiSpace = " \t\n\r\v\f"

// cutParameter cuts s at the first semicolon outside double quotes. Like Django it
// takes a backslash for a plain character.
func cutParameter(s string) (parameter, rest string, more bool) {
	quoted := false
	for i := range len(s) {
		switch s[i] {
		case '"':
			quoted = !quoted
		case ';':
			if !quoted {
				return strings.Trim(s[:i], asciiSpace), s[i+1:], true
			}
		}
	}
	return strings.Trim(s, asciiSpace), "", false
}

// splitParameter splits `name="value"`. A parameter without "=" has neither. Values in
// RFC 2231's form, name*=charset'language'text, are decoded. ok is false where Django
// raises an error over the whole header.
func splitParameter(s string) (name, value string, ok bool) {
	i := strings.IndexByte(s, '=')
	if i < 0 {
		return "", "", true
	}
	if name, ok = asciiLower(strings.Trim(s[:i], asciiSpace)); !ok {
		return "", "", false
	}
	value = strings.Trim(s[i+1:], asciiSpace)
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
		if strings.IndexByte(value, '\\') >= 0 {
			value = strings.ReplaceAll(strings.ReplaceAll(value, `\\`, `\`), `\"`, `"`)
		}
	}
	if !strings.HasSuffix(name, "*") {
		return name, value, true
	}
	name = strings.TrimSuffix(name, "*")
	if strings.Count(s, "'") != 2 {
		return name, value, true
	}
	charset, text, _ := strings.Cut(value, "'")
	_, text, ok = strings.Cut(text, "'")
	if !ok || !utf8.ValidString(text) {
		return "", "", false
	}
	codec, known := lookupCharset(charset)
	if !known {
		return "", "", false
	}
	return name, unquote(text, codec), true
}

// asciiLower refuses what is not ASCII, and allocates only for capitals.
func asciiLower(s string) (string, bool) {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return "", false
		}
	}
	return strings.ToLower(s), true
}

// CharsetError says why a body cannot be decoded.
type CharsetError struct {
	Message string // "unknown encoding: x", or that the bytes do not fit the charset
}

// Error returns the message.
func (e *CharsetError) Error() string { return e.Message }

// DecodeCharset turns a body in the named charset into UTF-8. "" and the names of
// UTF-8 return data as it is, unchecked. Every error is a *CharsetError: a name that is
// not known, or bytes that the charset does not have.
func DecodeCharset(data []byte, charset string) ([]byte, error) {
	if charset == "" {
		return data, nil
	}
	codec, known := lookupCharset(charset)
	if !known {
		return nil, &CharsetError{Message: "unknown encoding: " + charset}
	}
	if codec == nil {
		return data, nil
	}
	out, clean := codec(data)
	if !clean {
		return nil, &CharsetError{Message: "'" + charset + "' codec can't decode the body"}
	}
	return out, nil
}

// textCodec decodes to UTF-8, with U+FFFD for what it cannot read; clean tells that
// there was nothing of that kind. The nil textCodec stands for UTF-8.
type textCodec func(data []byte) (out []byte, clean bool)

// lookupCharset finds a charset by the names that Python's codecs know, as far as they
// are text encodings with a registered name.
func lookupCharset(name string) (codec textCodec, known bool) {
	if name == "" || strings.EqualFold(name, "utf-8") {
		return nil, true
	}
	if len(name) > 60 { // longer than any registered name
		return nil, false
	}
	name, ok := asciiLower(name)
	if !ok {
		return nil, false
	}
	name = strings.NewReplacer("_", "-", " ", "-").Replace(name)
	switch name {
	case "utf-8", "utf8", "u8", "utf", "cp65001":
		return nil, true
	case "utf-8-sig":
		return decodeUTF8Sig, true
	case "latin-1", "latin1", "latin", "l1", "iso-8859-1", "iso8859-1", "8859", "cp819":
		return decodeLatin1, true
	case "ascii", "us-ascii", "646":
		return decodeASCII, true
	case "utf-16", "utf16", "u16", "utf-32", "utf32", "u32":
		return wideCodec(strings.Contains(name, "32"), nil), true
	case "utf-16le", "utf-16-le", "utf-32le", "utf-32-le":
		return wideCodec(strings.Contains(name, "32"), binary.LittleEndian), true
	case "utf-16be", "utf-16-be", "utf-32be", "utf-32-be":
		return wideCodec(strings.Contains(name, "32"), binary.BigEndian), true
	}
	if strings.HasPrefix(name, "cp125") { // Python's name of windows-125x
		name = "windows-" + name[2:]
	}
	enc, err := ianaindex.IANA.Encoding(name)
	if err != nil || enc == nil {
		if enc, err = htmlindex.Get(name); err != nil {
			return nil, false
		}
	}
	return libraryCodec(enc), true
}

// libraryCodec cannot tell an undecodable byte from an encoded U+FFFD; nothing honest
// sends the latter.
func libraryCodec(enc encoding.Encoding) textCodec {
	return func(data []byte) ([]byte, bool) {
		out, err := enc.NewDecoder().Bytes(data)
		return out, err == nil && !strings.Contains(string(out), "\uFFFD")
	}
}

func decodeUTF8Sig(data []byte) ([]byte, bool) {
	return []byte(strings.TrimPrefix(string(data), "\uFEFF")), utf8.Valid(data)
}

// decodeLatin1 maps each byte to the code point of its number. (The web's "latin1" is
// windows-1252, Python's is not.)
func decodeLatin1(data []byte) ([]byte, bool) {
	out := make([]byte, 0, len(data)+len(data)/8)
	for _, c := range data {
		out = utf8.AppendRune(out, rune(c))
	}
	return out, true
}

func decodeASCII(data []byte) (out []byte, clean bool) {
	clean = true
	for _, c := range data {
		if c >= utf8.RuneSelf {
			out, clean = append(out, "\uFFFD"...), false
			continue
		}
		out = append(out, c)
	}
	return out, clean
}

// wideCodec decodes UTF-16 or UTF-32. A nil order is taken from the byte order mark,
// which must be there, as in Python's stream reader; with an order given a mark is a
// character like others.
func wideCodec(wide bool, order binary.ByteOrder) textCodec {
	return func(data []byte) (out []byte, clean bool) {
		width := 2
		if wide {
			width = 4
		}
		order := order
		if order == nil {
			if len(data) < width {
				return nil, len(data) == 0
			}
			if order = markedOrder(data[:width]); order == nil {
				return nil, false
			}
			data = data[width:]
		}
		clean = len(data)%width == 0
		for len(data) >= width {
			var r rune
			if wide {
				r = rune(order.Uint32(data))
			} else {
				r = rune(order.Uint16(data))
				if utf16.IsSurrogate(r) && len(data) >= 4 {
					if pair := utf16.DecodeRune(r, rune(order.Uint16(data[2:]))); pair != utf8.RuneError {
						r, data = pair, data[2:]
					}
				}
			}
			data = data[width:]
			clean = clean && utf8.ValidRune(r)
			out = utf8.AppendRune(out, r) // U+FFFD for what is no character
		}
		return out, clean
	}
}

func markedOrder(mark []byte) binary.ByteOrder {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if len(mark) == 2 && order.Uint16(mark) == 0xFEFF || len(mark) == 4 && order.Uint32(mark) == 0xFEFF {
			return order
		}
	}
	return nil
}

// badUTF8 looks at s, which does not start with a valid sequence, and returns how
// many bytes the decoder of Python gives up together, and its reason.
func badUTF8(s string) (size int, reason string) {
	var need int
	low, high := byte(0x80), byte(0xBF)
	switch c := s[0]; {
	case 0xC2 <= c && c <= 0xDF:
		need = 1
	case 0xE0 <= c && c <= 0xEF:
		need = 2
		switch c {
		case 0xE0:
			low = 0xA0
		case 0xED:
			high = 0x9F
		}
	case 0xF0 <= c && c <= 0xF4:
		need = 3
		switch c {
		case 0xF0:
			low = 0x90
		case 0xF4:
			high = 0x8F
		}
	default:
		return 1, "invalid start byte"
	}
	for size = 1; size <= need; size++ {
		if size == len(s) {
			return size, "unexpected end of data"
		}
		if s[size] < low || s[size] > high {
			break
		}
		low, high = 0x80, 0xBF
	}
	return size, "invalid continuation byte"
}

// explainUTF8 words the first fault of s as Python does.
func explainUTF8(s string) string {
	at := 0
	for at < len(s) {
		r, size := utf8.DecodeRuneInString(s[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	size, reason := badUTF8(s[at:])
	if size == 1 {
		return fmt.Sprintf("'utf-8' codec can't decode byte 0x%02x in position %d: %s", s[at], at, reason)
	}
	return "'utf-8' codec can't decode bytes in position " + strconv.Itoa(at) + "-" + strconv.Itoa(at+size-1) + ": " + reason
}
