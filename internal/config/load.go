package config

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Warning is something that does not stop the start but deserves a look.
type Warning struct {
	Name string // the setting it is about; may be empty
	Text string // a sentence
}

// String is the sentence.
func (w Warning) String() string { return w.Text }

// Problem is one reason not to start.
type Problem struct {
	Name string // the setting to mend; empty when the .env file itself is at fault
	Text string // a sentence that says how to mend it
}

// Problems is every reason not to start, in the order of the settings. It is
// the error of Load.
type Problems []Problem

// Error is all sentences, one a line.
func (p Problems) Error() string {
	lines := make([]string, 0, len(p)+1)
	if len(p) == 1 {
		lines = append(lines, "the configuration has a problem:")
	} else {
		lines = append(lines, fmt.Sprintf("the configuration has %d problems:", len(p)))
	}
	for _, one := range p {
		lines = append(lines, "  - "+one.Text)
	}
	return strings.Join(lines, "\n")
}

// loader gathers what one Load finds.
type loader struct {
	cfg      Config
	problems Problems
	warnings []Warning
	// lookup reads a variable that is no setting but named by one.
	lookup func(name string) string
}

// Load reads the settings from environ (in the form of os.Environ) and from
// the .env file at dotenvPath, checks them, and works out what follows from
// them. The environment wins over the file. An empty dotenvPath, or a file
// that does not exist, is no file.
//
// The error, when there is one, is a Problems with everything that is wrong.
// Files that settings name (SECRET_KEY_FILE) are read. Only when nothing is
// wrong, and no SECRET_KEY is given, is the key in DATA_DIR/secret_key read, or
// made. Load never asks whether a
// database, Redis or a mail server can be reached.
//
// Warnings come with or without an error.
func Load(environ []string, dotenvPath string) (Config, []Warning, error) {
	l := &loader{cfg: Config{given: map[string]given{}, shown: map[string]given{}}}
	process := split(environ)
	file, err := readDotenv(dotenvPath)
	if err != nil {
		l.problem("", "%s.", err.Error())
	}
	l.lookup = func(name string) string { return cmp.Or(process[name], file.values[name]) }
	l.warnings = append(l.warnings, file.warnings...)
	l.collect(process, file)
	l.secretFiles(process, file)
	l.parse()
	l.checkRanges()
	l.checkServer()
	l.checkGateway()
	l.checkAccounts()
	l.checkDatabase()
	l.checkRedis()
	l.checkAI()
	l.checkMail()
	l.checkBackup()
	if len(l.problems) == 0 {
		l.secretKey()
	}
	l.warnings = append(l.warnings, misspellings(process, file)...)
	if len(l.problems) > 0 {
		l.sortProblems()
		return Config{}, l.warnings, l.problems
	}
	return l.cfg, l.warnings, nil
}

// split turns os.Environ's form into a map. Windows keeps names that start
// with "=" there; they are no settings.
func split(environ []string) map[string]string {
	values := make(map[string]string, len(environ))
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok && name != "" {
			values[name] = value
		}
	}
	return values
}

// collect notes, for every setting, the value that counts and its source.
func (l *loader) collect(process map[string]string, file dotenv) {
	for _, f := range fields {
		value, inProcess := process[f.name]
		fromFile, inFile := file.values[f.name]
		switch {
		case inProcess:
			if value == "" && fromFile != "" {
				l.warn(f.name, "%s is empty in the environment, which hides the value in %s: unset it there if that is not meant.", f.name, file.name)
			}
			l.cfg.given[f.name] = given{l.tidy(f, value), "environment"}
		case inFile:
			l.cfg.given[f.name] = given{l.tidy(f, fromFile), file.name}
		}
	}
}

// tidy drops white space around a value. Secrets keep theirs: it may belong
// to them, as it did under Django.
func (l *loader) tidy(f field, value string) string {
	trimmed := strings.TrimSpace(value)
	if f.secret && trimmed != "" {
		if trimmed != value && f.kind != reflect.Slice {
			l.warn(f.name, "%s begins or ends with white space, which is taken as part of it.", f.name)
		}
		trimmed = value
	}
	if f.kind != reflect.Slice {
		return trimmed
	}
	items := strings.Split(trimmed, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return strings.Join(slices.DeleteFunc(items, func(s string) bool { return s == "" }), ",")
}

// parse sets every field from what was given, or from its default.
func (l *loader) parse() {
	effective := make(map[string]string, len(fields))
	for _, f := range fields {
		effective[f.name] = l.cfg.raw(f)
	}
	err := env.ParseWithOptions(&l.cfg, env.Options{
		Environment: effective,
		// Defaults are in effective already: the parser would put one in
		// place of an empty value, and empty means off for some settings.
		DefaultValueTagName: "unused",
		FuncMap:             map[reflect.Type]env.ParserFunc{reflect.TypeFor[bool](): parseBool},
	})
	var all env.AggregateError
	if err != nil && !errors.As(err, &all) {
		l.problem("", "the settings cannot be read: %v.", err)
	}
	for _, err := range all.Errors {
		var bad env.ParseError
		if !errors.As(err, &bad) {
			l.problem("", "the settings cannot be read: %v.", err)
			continue
		}
		f := fieldByGoName(bad.Name)
		var advice adviceError
		if errors.As(bad.Err, &advice) { // ParseError does not unwrap
			l.problem(f.name, "%s is %s: %s.", f.name, f.show(effective[f.name]), string(advice))
			continue
		}
		l.mustBe(f)
	}
}

// adviceError is a sentence on how to mend a value, for parsers that know
// more than the field's want tag.
type adviceError string

func (e adviceError) Error() string { return string(e) }

// parseBool reads the words that python-decouple reads.
func parseBool(s string) (any, error) {
	switch strings.ToLower(s) {
	case "1", "true", "yes", "y", "on", "t":
		return true, nil
	case "0", "false", "no", "n", "off", "f":
		return false, nil
	}
	return nil, errWant
}

// checkRanges holds whole numbers to their range tag.
func (l *loader) checkRanges() {
	v := reflect.ValueOf(l.cfg)
	for _, f := range fields {
		if f.limits == "" || l.broken(f.name) || l.cfg.raw(f) == "" {
			continue
		}
		low, high, _ := strings.Cut(f.limits, "-")
		least, _ := strconv.ParseInt(low, 10, 64)
		most, _ := strconv.ParseInt(high, 10, 64)
		if n := v.FieldByName(f.goName).Int(); n < least || n > most {
			l.mustBe(f)
		}
	}
}

func (l *loader) mustBe(f field) {
	l.problem(f.name, "%s is %s: it must be %s.", f.name, f.show(l.cfg.raw(f)), f.want)
}

func (l *loader) problem(name, format string, args ...any) {
	l.problems = append(l.problems, Problem{Name: name, Text: fmt.Sprintf(format, args...)})
}

func (l *loader) warn(name, format string, args ...any) {
	l.warnings = append(l.warnings, Warning{Name: name, Text: fmt.Sprintf(format, args...)})
}

// broken tells whether a problem with the setting is known already, so that
// nothing is concluded from its value.
func (l *loader) broken(name string) bool {
	return slices.ContainsFunc(l.problems, func(p Problem) bool { return p.Name == name })
}

// set tells whether the setting was given a value.
func (l *loader) set(name string) bool { return l.cfg.given[name].value != "" }

func (l *loader) sortProblems() {
	place := func(p Problem) int {
		return slices.IndexFunc(fields, func(f field) bool { return f.name == p.Name })
	}
	slices.SortStableFunc(l.problems, func(a, b Problem) int { return place(a) - place(b) })
}
