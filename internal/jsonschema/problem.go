package jsonschema

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	lib "github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Problem is one thing that is wrong with a value.
type Problem struct {
	// Path is the place in the value, as a JSON Pointer; "" is the whole.
	Path    string
	Message string
}

// String is the problem as a sentence without a full stop.
func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

const (
	maxProblems = 10
	// maxMessage limits a message, in bytes: some quote the value.
	maxMessage = 300
)

var english = message.NewPrinter(language.English)

// problemsOf gives the innermost causes: what stands above them only says
// that something below failed.
func problemsOf(err error) []Problem {
	var root *lib.ValidationError
	if !errors.As(err, &root) {
		if err == nil {
			return nil
		}
		return []Problem{{Message: "the value could not be checked"}}
	}
	var found []Problem
	var walk func(e *lib.ValidationError)
	walk = func(e *lib.ValidationError) {
		for _, cause := range e.Causes {
			walk(cause)
		}
		if len(e.Causes) == 0 && e.ErrorKind != nil {
			found = append(found, Problem{Path: pointer(e.InstanceLocation), Message: cut(strings.ReplaceAll(e.ErrorKind.LocalizedString(english), location, ""))})
		}
	}
	walk(root)
	if len(found) == 0 {
		found = append(found, Problem{Message: "not valid"})
	}
	slices.SortFunc(found, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	found = slices.Compact(found)
	return found[:min(len(found), maxProblems)]
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func pointer(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(pointerEscape.Replace(t))
	}
	return cut(b.String())
}

func cut(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + "…"
}

// compileError words what the library says of a schema.
func compileError(err error) *Error {
	var invalid *lib.SchemaValidationError
	if errors.As(err, &invalid) {
		p := problemsOf(invalid.Err)[0]
		return &Error{Path: p.Path, Message: p.Message}
	}
	if errors.Is(err, errRemote) {
		return &Error{Message: errRemote.Error()}
	}
	var load *lib.LoadURLError
	if errors.As(err, &load) {
		return &Error{Message: errRemote.Error()}
	}
	return &Error{Message: cut(strings.ReplaceAll(err.Error(), location, ""))}
}
