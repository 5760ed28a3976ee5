package config

import (
	"reflect"
	"slices"
	"strconv"
)

// field is what the tags of one field of Config say.
type field struct {
	name, goName, group, doc, want, def string

	limits string       // low-high, whole numbers
	off    bool         // an empty value turns it off instead of meaning the default
	secret bool         // never shown
	kind   reflect.Kind // of the Go type
	typ    reflect.Type
}

// fields is every setting, in the order of Config.
var fields = readFields()

func readFields() []field {
	t := reflect.TypeFor[Config]()
	var all []field
	for f := range t.Fields() {
		name := f.Tag.Get("env")
		if name == "" || name == "-" {
			continue
		}
		all = append(all, field{
			name: name, goName: f.Name, group: f.Tag.Get("group"), doc: f.Tag.Get("doc"),
			want: f.Tag.Get("want"), def: f.Tag.Get("default"), limits: f.Tag.Get("range"),
			off:    f.Tag.Get("empty") == "off",
			secret: f.Type == reflect.TypeFor[Secret]() || f.Type == reflect.TypeFor[[]Secret](),
			kind:   f.Type.Kind(), typ: f.Type,
		})
	}
	return all
}

func fieldByGoName(goName string) field {
	i := slices.IndexFunc(fields, func(f field) bool { return f.goName == goName })
	if i < 0 {
		return field{name: goName, want: "another value"}
	}
	return fields[i]
}

// masked is the value as it may be shown.
func (f field) masked(value string) string {
	switch {
	case f.secret:
		return Secret(value).String()
	case f.typ == reflect.TypeFor[SecretURL](), f.typ == reflect.TypeFor[WebURL]():
		return SecretURL(value).String() // a WebURL with a password is refused, and quoted then
	}
	return value
}

// show is the masked value in quotes, cut to a length that fits a sentence.
func (f field) show(value string) string {
	const longest = 80
	shown := []rune(f.masked(value))
	if len(shown) > longest {
		shown = append(shown[:longest], '…')
	}
	return strconv.Quote(string(shown))
}

// raw is the text that counts for a setting: what was given, or the default.
func (c Config) raw(f field) string {
	if c.counts(f) {
		return c.given[f.name].value
	}
	return f.def
}
