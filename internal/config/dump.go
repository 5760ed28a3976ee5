package config

import "slices"

// Setting is one line of the configuration as it may be shown to anybody.
type Setting struct {
	Name    string
	Value   string // what counts; secrets are masked
	Default string // what counts when nothing is given; may be empty
	Doc     string // what it does, in a sentence or two
	Group   string // the heading it belongs under
	Source  string // "default", "environment", the .env file's name, "derived", or the file of the secret key
}

// Dump lists every setting in the order of Config, secrets masked.
func (c Config) Dump() []Setting {
	all := Settings()
	for i, f := range fields {
		all[i].Value = f.masked(c.raw(f))
		all[i].Source = "default"
		if c.counts(f) {
			all[i].Source = c.given[f.name].source
		}
		if s, ok := c.shown[f.name]; ok {
			all[i].Value, all[i].Source = s.value, s.source
		}
	}
	return all
}

// Given tells whether the setting was given, in the environment or the .env
// file, even if with the value of its default. An empty value is none, except
// where it turns something off. Unknown names are not given.
func (c Config) Given(name string) bool {
	return slices.ContainsFunc(fields, func(f field) bool { return f.name == name && c.counts(f) })
}

// counts tells whether what was given for the setting stands in place of its
// default.
func (c Config) counts(f field) bool {
	g, ok := c.given[f.name]
	return ok && (g.value != "" || f.off)
}

// Settings lists every setting with its default, as if nothing were given.
// It reads nothing.
func Settings() []Setting {
	all := make([]Setting, len(fields))
	for i, f := range fields {
		all[i] = Setting{Name: f.name, Value: f.def, Default: f.def, Doc: f.doc, Group: f.group, Source: "default"}
	}
	return all
}
