package drf

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// DRF's texts.
const (
	msgRequired  = "This field is required."
	msgNull      = "This field may not be null."
	msgBlank     = "This field may not be blank."
	msgString    = "Not a valid string."
	msgBoolean   = "Must be a valid boolean."
	msgInteger   = "A valid integer is required."
	msgNumber    = "A valid number is required."
	msgLarge     = "String value too large."
	msgEmail     = "Enter a valid email address."
	msgURL       = "Enter a valid URL."
	msgJSON      = "Value must be valid JSON."
	msgNUL       = "Null characters are not allowed."
	msgTimeRange = "Datetime value out of range."
	msgDateTime  = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
	maxNumberLen = 1000
)

func invalidChoice(v Value) string { return `"` + PyStr(v) + `" is not a valid choice.` }

// textRule is what tells one kind of text field from another.
type textRule struct {
	invalid string                // for values that are no text
	valid   func(s string) string // a message, or "" when fine
}

// text decodes DRF's CharField and its relatives.
func text[D any](o Opt, rule textRule, set func(*D, string)) func(*D, Value) []string {
	return func(d *D, v Value) []string {
		var s string
		switch v.Kind() {
		case KindString, KindInt, KindFloat:
			s = PyStr(v)
		default:
			return []string{rule.invalid}
		}
		trimmed := strings.TrimFunc(s, isPythonSpace)
		if s == "" || !o.Raw && trimmed == "" {
			if !o.Blank {
				return []string{msgBlank}
			}
			set(d, "")
			return nil
		}
		if !o.Raw {
			s = trimmed
		}
		if messages := checkText(s, v, o, rule); messages != nil {
			return messages
		}
		set(d, s)
		return nil
	}
}

func checkText(s string, v Value, o Opt, rule textRule) []string {
	var messages []string
	length := utf8.RuneCountInString(s)
	r, hasSurrogate := v.Surrogate()
	if hasSurrogate {
		length = pyLen(s)
	}
	if o.Max > 0 && length > o.Max {
		messages = append(messages, fmt.Sprintf("Ensure this field has no more than %d characters.", o.Max))
	}
	if o.Min > 0 && length < o.Min {
		messages = append(messages, fmt.Sprintf("Ensure this field has at least %d characters.", o.Min))
	}
	if strings.IndexByte(s, 0) >= 0 {
		messages = append(messages, msgNUL)
	}
	if hasSurrogate {
		messages = append(messages, fmt.Sprintf("Surrogate characters are not allowed: U+%X.", r))
	}
	if rule.valid != nil {
		if m := rule.valid(s); m != "" {
			messages = append(messages, m)
		}
	}
	return messages
}

// isPythonSpace is what Python's str.strip removes.
func isPythonSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', 0x1c, 0x1d, 0x1e, 0x1f, ' ', 0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000:
		return true
	}
	return 0x2000 <= r && r <= 0x200a
}

func (s *Serializer[T, D]) text(name, typ string, o Opt, rule textRule, get func(*T) string, set func(*D, string)) {
	var encode func([]byte, *T) []byte
	if get != nil {
		encode = func(dst []byte, t *T) []byte { return AppendString(dst, get(t)) }
	}
	var decode func(*D, Value) []string
	if set != nil {
		decode = text(o, rule, set)
	}
	s.add(name, typ, o, encode, decode)
}

// Char declares text. A nil get makes it write-only, a nil set read-only.
func (s *Serializer[T, D]) Char(name string, o Opt, get func(*T) string, set func(*D, string)) {
	s.text(name, "string", o, textRule{invalid: msgString}, get, set)
}

// Email declares an e-mail address.
func (s *Serializer[T, D]) Email(name string, o Opt, get func(*T) string, set func(*D, string)) {
	s.text(name, "email", o, textRule{invalid: msgEmail, valid: checkEmail}, get, set)
}

// CharOrNull declares text that may be null.
func (s *Serializer[T, D]) CharOrNull(name string, o Opt, get func(*T) *string, set func(*D, *string)) {
	s.textOrNull(name, "string", o, textRule{invalid: msgString}, get, set)
}

// URLOrNull declares an http(s) or ftp address that may be null.
func (s *Serializer[T, D]) URLOrNull(name string, o Opt, get func(*T) *string, set func(*D, *string)) {
	s.textOrNull(name, "url", o, textRule{invalid: msgURL, valid: checkURL}, get, set)
}

func (s *Serializer[T, D]) textOrNull(name, typ string, o Opt, rule textRule, get func(*T) *string, set func(*D, *string)) {
	o.Null = true
	var encode func([]byte, *T) []byte
	if get != nil {
		encode = func(dst []byte, t *T) []byte {
			if p := get(t); p != nil {
				return AppendString(dst, *p)
			}
			return append(dst, "null"...)
		}
	}
	var decode func(*D, Value) []string
	if set != nil {
		decodeText := text(o, rule, func(d *D, s string) { set(d, &s) })
		decode = func(d *D, v Value) []string {
			if v.Kind() == KindNull {
				set(d, nil)
				return nil
			}
			return decodeText(d, v)
		}
	}
	s.add(name, typ, o, encode, decode)
}

// Choice declares text out of a list.
func (s *Serializer[T, D]) Choice(name string, o Opt, choices []Choice, get func(*T) string, set func(*D, string)) {
	var encode func([]byte, *T) []byte
	if get != nil {
		encode = func(dst []byte, t *T) []byte { return AppendString(dst, get(t)) }
	}
	var decode func(*D, Value) []string
	if set != nil {
		decode = func(d *D, v Value) []string {
			value := PyStr(v)
			if !slices.ContainsFunc(choices, func(c Choice) bool { return c.Value == value }) {
				return []string{invalidChoice(v)}
			}
			set(d, value)
			return nil
		}
	}
	s.add(name, "choice", o, encode, decode).Choices = choices
}

// Bool declares a boolean, with all of DRF's words for true and false. In a
// form body an absent boolean is false, except in a partial update.
func (s *Serializer[T, D]) Bool(name string, o Opt, get func(*T) bool, set func(*D, bool)) {
	var encode func([]byte, *T) []byte
	if get != nil {
		encode = func(dst []byte, t *T) []byte { return strconv.AppendBool(dst, get(t)) }
	}
	if set == nil {
		s.add(name, "boolean", o, encode, nil)
		return
	}
	f := s.add(name, "boolean", o, encode, func(d *D, v Value) []string {
		b, ok := parseBool(v)
		if !ok {
			return []string{msgBoolean}
		}
		set(d, b)
		return nil
	})
	f.absentInForm = func(d *D) { set(d, false) }
}

func parseBool(v Value) (b, ok bool) {
	switch v.Kind() {
	case KindBool:
		return v.Bool(), true
	case KindString:
		switch v.Text() {
		case "t", "T", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "1":
			return true, true
		case "f", "F", "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", "0":
			return false, true
		}
	case KindInt, KindFloat:
		// Python's 1 == 1.0 == True
		switch n, err := strconv.ParseFloat(v.Text(), 64); {
		case err != nil:
		case n == 1:
			return true, true
		case n == 0:
			return false, true
		}
	}
	return false, false
}

// Int declares an integer between min and max.
func (s *Serializer[T, D]) Int(name string, o Opt, minimum, maximum int64, get func(*T) int64, set func(*D, int64)) {
	var encode func([]byte, *T) []byte
	if get != nil {
		encode = func(dst []byte, t *T) []byte { return strconv.AppendInt(dst, get(t), 10) }
	}
	var decode func(*D, Value) []string
	if set != nil {
		decode = func(d *D, v Value) []string {
			n, message := parseInteger(v, minimum, maximum)
			if message != "" {
				return []string{message}
			}
			set(d, n)
			return nil
		}
	}
	f := s.add(name, "integer", o, encode, decode)
	if set != nil {
		f.MinValue, f.MaxValue = &minimum, &maximum
	}
}

// IntOrNull declares a read-only integer that may be null.
func (s *Serializer[T, D]) IntOrNull(name string, o Opt, get func(*T) *int64) {
	o.Null = true
	f := s.add(name, "integer", o, func(dst []byte, t *T) []byte {
		if p := get(t); p != nil {
			return strconv.AppendInt(dst, *p, 10)
		}
		return append(dst, "null"...)
	}, nil)
	if o.OmitNull {
		f.omit = func(t *T) bool { return get(t) == nil }
	}
}

// NullableInt declares an integer between min and max that may be null.
func (s *Serializer[T, D]) NullableInt(name string, o Opt, minimum, maximum int64, get func(*T) *int64, set func(*D, *int64)) {
	o.Null = true
	f := s.add(name, "integer", o, func(dst []byte, t *T) []byte {
		if p := get(t); p != nil {
			return strconv.AppendInt(dst, *p, 10)
		}
		return append(dst, "null"...)
	}, func(d *D, v Value) []string {
		if v.Kind() == KindNull {
			set(d, nil)
			return nil
		}
		n, message := parseInteger(v, minimum, maximum)
		if message != "" {
			return []string{message}
		}
		set(d, &n)
		return nil
	})
	f.MinValue, f.MaxValue = &minimum, &maximum
}

var trailingZeros = regexp.MustCompile(`\.0*\s*$`)

// parseInteger is DRF's IntegerField: "10.0" and 10.0 are 10, 10.5 and true
// are not integers.
func parseInteger(v Value, minimum, maximum int64) (int64, string) {
	switch v.Kind() {
	case KindString, KindInt, KindFloat:
	default:
		return 0, msgInteger
	}
	s := PyStr(v)
	if v.Kind() == KindString && len(s) > maxNumberLen {
		return 0, msgLarge
	}
	s = strings.TrimFunc(trailingZeros.ReplaceAllString(s, ""), isPythonSpace)
	n, ok := ParseInt(s)
	if !ok {
		if !integerText.MatchString(asciiDigits(s)) {
			return 0, msgInteger
		}
		// An integer that does not fit in 64 bits, and so not between the limits.
		if strings.HasPrefix(s, "-") {
			return 0, fmt.Sprintf("Ensure this value is greater than or equal to %d.", minimum)
		}
		return 0, fmt.Sprintf("Ensure this value is less than or equal to %d.", maximum)
	}
	if n > maximum {
		return 0, fmt.Sprintf("Ensure this value is less than or equal to %d.", maximum)
	}
	if n < minimum {
		return 0, fmt.Sprintf("Ensure this value is greater than or equal to %d.", minimum)
	}
	return n, ""
}

// integerText is an integer as Python writes and reads it, of any size.
var integerText = regexp.MustCompile(`^[+-]?[0-9]+(_[0-9]+)*$`)

// Float declares a finite number. What is not finite is shown as null: JSON has
// no word for it.
func (s *Serializer[T, D]) Float(name string, o Opt, get func(*T) float64, set func(*D, float64)) {
	var encode func([]byte, *T) []byte
	if get != nil {
		encode = func(dst []byte, t *T) []byte {
			f := get(t)
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return append(dst, "null"...)
			}
			return appendPyFloat(dst, f)
		}
	}
	var decode func(*D, Value) []string
	if set != nil {
		decode = func(d *D, v Value) []string {
			n, message := parseFloat(v)
			if message != "" {
				return []string{message}
			}
			set(d, n)
			return nil
		}
	}
	s.add(name, "float", o, encode, decode)
}

func parseFloat(v Value) (float64, string) {
	switch v.Kind() {
	case KindBool: // Python's float(True) is 1.0
		if v.Bool() {
			return 1, ""
		}
		return 0, ""
	case KindString, KindInt, KindFloat:
	default:
		return 0, msgNumber
	}
	s := v.Text()
	if v.Kind() == KindString && len(s) > maxNumberLen {
		return 0, msgLarge
	}
	s = asciiDigits(strings.TrimFunc(s, isPythonSpace))
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || strings.ContainsAny(s, "xXpP") {
		return 0, msgNumber
	}
	return n, ""
}

// JSON declares any JSON value, given as compact JSON text with the keys in
// the order in which they were sent. In a form body it is JSON text.
func (s *Serializer[T, D]) JSON(name string, o Opt, get func(*T) json.RawMessage, set func(*D, json.RawMessage)) {
	var encode func([]byte, *T) []byte
	if get != nil {
		encode = func(dst []byte, t *T) []byte {
			raw := get(t)
			if len(raw) == 0 {
				return append(dst, "null"...)
			}
			return append(dst, raw...)
		}
	}
	var decode func(*D, Value) []string
	if set != nil {
		decode = func(d *D, v Value) []string {
			raw, message := jsonText(v)
			if message != "" {
				return []string{message}
			}
			set(d, raw)
			return nil
		}
	}
	f := s.add(name, "field", o, encode, decode)
	f.storable = storableJSON
	if o.OmitNull {
		f.omit = func(t *T) bool { return len(get(t)) == 0 }
	}
}

func jsonText(v Value) (json.RawMessage, string) {
	if v.Kind() == KindFile {
		return nil, msgJSON
	}
	v, ok := jsonOf(v)
	if !ok || v.HasNonFinite() {
		return nil, msgJSON
	}
	return v.AppendJSON(nil), ""
}

// jsonOf is the value of a JSON field: a form sends it as text.
func jsonOf(v Value) (Value, bool) {
	if !v.Raw() {
		return v, true
	}
	parsed, err := ParseJSON([]byte(v.Text()), ParseOptions{})
	return parsed, err == nil
}

// storableJSON refuses what no database holds in JSON. DRF itself knows nothing
// of that: it is looked at when all else was fine.
func storableJSON(v Value) []string {
	v, _ = jsonOf(v)
	switch v.Problem() {
	case "nul":
		return []string{msgNUL}
	case "surrogate":
		return []string{"Surrogate characters are not allowed."}
	default:
		return nil
	}
}

// Strings declares a list of words out of choices. In a form it is the field
// as often as there are words; an absent one is an empty list, except in a
// partial update.
func (s *Serializer[T, D]) Strings(name string, o Opt, choices []Choice, get func(*T) []string, set func(*D, []string)) {
	var encode func([]byte, *T) []byte
	if get != nil {
		encode = func(dst []byte, t *T) []byte { return appendStrings(dst, get(t)) }
	}
	if set == nil {
		s.add(name, "multiple choice", o, encode, nil).Choices = choices
		return
	}
	f := s.add(name, "multiple choice", o, encode, func(d *D, v Value) []string {
		items, ok := iterate(v)
		if !ok {
			return []string{`Expected a list of items but got type "` + PyTypeName(v) + `".`}
		}
		out := []string{}
		for _, item := range items {
			word := PyStr(item)
			if !slices.ContainsFunc(choices, func(c Choice) bool { return c.Value == word }) {
				return []string{invalidChoice(item)}
			}
			if !slices.Contains(out, word) {
				out = append(out, word)
			}
		}
		set(d, out)
		return nil
	})
	f.Choices = choices
	f.absentInForm = func(d *D) { set(d, []string{}) }
}

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, s)
	}
	return append(dst, ']')
}

// iterate gives what Python would iterate over: the elements of a list, the
// names of a dict, and of a form field all its values.
func iterate(v Value) (items []Value, ok bool) {
	switch {
	case v.Raw():
		return v.All(), true
	case v.Kind() == KindList:
		return v.List(), true
	case v.Kind() == KindDict:
		for name := range v.Members() {
			items = append(items, String(name))
		}
		return items, true
	default:
		return nil, false
	}
}

// Object declares a read-only member whose JSON is written by append.
func (s *Serializer[T, D]) Object(name string, o Opt, appendJSON func(dst []byte, t *T) []byte) {
	s.add(name, "nested object", o, appendJSON, nil)
}
