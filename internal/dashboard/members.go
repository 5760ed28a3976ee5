package dashboard

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
)

// member is one member of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// membersOf reads an object with its members in order; of those of the same
// name the last one counts, at the place of the first. ok is false for
// anything but an object.
func membersOf(raw json.RawMessage) (members []member, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	at := map[string]int{}
	for dec.More() {
		token, err := dec.Token()
		name, isText := token.(string)
		if err != nil || !isText {
			return nil, false
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil, false
		}
		if i, again := at[name]; again {
			members[i].value = value
			continue
		}
		at[name] = len(members)
		members = append(members, member{name, value})
	}
	_, err := dec.Token()
	return members, err == nil
}

// valueOf is the member's value; nil when there is none.
func valueOf(members []member, name string) json.RawMessage {
	for _, m := range members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// appendObject writes the members by hand: json.Marshal would rewrite values
// that are kept as they were sent.
func appendObject(dst []byte, members []member) []byte {
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(appendText(dst, m.name), ':'), m.value...)
	}
	return append(dst, '}')
}

func appendText(dst []byte, s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always has a text
	return append(dst, bytes.TrimRight(b.Bytes(), "\n")...)
}

// appendList writes a list of JSON texts.
func appendList(dst []byte, elements []json.RawMessage) []byte {
	dst = append(dst, '[')
	for i, e := range elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, e...)
	}
	return append(dst, ']')
}

// sameJSON reports whether two JSON texts are the same value, however they are
// written: white space, the order of members and the spelling of numbers and
// strings do not count. Absent (empty) is only the same as absent.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	va, okA := decoded(a)
	vb, okB := decoded(b)
	return okA && okB && reflect.DeepEqual(va, vb)
}

func decoded(raw json.RawMessage) (any, bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil, false
	}
	return plainNumbers(v), true
}

// maxPlainNumber is the length up to which a number is compared by its value:
// longer ones may differ in digits that a float64 does not hold.
const maxPlainNumber = 15

// plainNumbers replaces numbers by their value, so that 1 and 1.0 are the same.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := strconv.ParseFloat(string(v), 64); err == nil && len(v) <= maxPlainNumber {
			return f
		}
		return string(v) + " (number)"
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	}
	return v
}
