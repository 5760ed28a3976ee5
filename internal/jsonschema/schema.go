// Package jsonschema compiles JSON Schemas that users wrote and checks values
// against them, within fixed bounds of time and memory.
//
// Draft 2020-12 is assumed unless "$schema" names an older one. Nothing is
// ever loaded: a reference leads into the same document or to a draft's own
// schema, or the schema is refused. A schema is somebody's input, and a small
// one can ask for an endless amount of work; so its size, its numbers and its
// patterns are limited when it is compiled, and every check has a budget.
package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	lib "github.com/santhosh-tekuri/jsonschema/v6"
)

// The bounds. They are far beyond the settings of a widget.
const (
	// MaxSchema and MaxValue limit schemas and values, in bytes.
	MaxSchema = 64 << 10
	MaxValue  = 64 << 10
	// maxDepth limits the nesting of both.
	maxDepth = 100
	// maxObjects limits the objects and arrays in a schema: compiling takes
	// time in the square of its parts.
	maxObjects = 2000
	// maxNumber limits how long a number is written, and maxExponent its
	// exponent: numbers are compared exactly, with all their digits.
	maxNumber   = 100
	maxExponent = 400
)

// Error says why a schema cannot be compiled. Its text may be shown.
type Error struct {
	// Path is the place in the schema, as a JSON Pointer.
	Path    string
	Message string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return "at " + e.Path + ": " + e.Message
}

// Schema is a compiled schema. Safe for concurrent use; checks of the same
// Schema come one after the other.
type Schema struct {
	mu     sync.Mutex
	root   *lib.Schema
	budget budget
}

// location names the document in references; the library wants one.
const location = "bdash:///schema"

var errRemote = errors.New("references to other documents are not followed")

type noLoader struct{}

func (noLoader) Load(string) (any, error) { return nil, errRemote }

// Compile compiles a schema. Equal texts give the same Schema for as long as
// it is remembered. Errors are *Error.
func Compile(raw json.RawMessage) (*Schema, error) {
	if len(raw) > MaxSchema {
		return nil, &Error{Message: fmt.Sprintf("the schema is longer than %d bytes", MaxSchema)}
	}
	if s, ok := compiled.get(raw); ok {
		return s, nil
	}
	s, err := compile(raw)
	if err != nil {
		return nil, err
	}
	compiled.put(raw, s)
	return s, nil
}

func compile(raw json.RawMessage) (*Schema, error) {
	doc, err := parse(raw)
	if err != nil {
		return nil, &Error{Message: err.Error()}
	}
	objects := 0
	if err := inspect(doc, 0, &objects); err != nil {
		return nil, &Error{Message: err.Error()}
	}
	if objects > maxObjects {
		return nil, &Error{Message: fmt.Sprintf("the schema has more than %d objects and arrays", maxObjects)}
	}
	patterns := &patternEngine{total: maxPatterns, made: make(map[string]sizedPattern)}
	c := lib.NewCompiler()
	c.DefaultDraft(lib.Draft2020)
	c.UseLoader(noLoader{})
	c.UseRegexpEngine(patterns.compile)
	if err := c.AddResource(location, doc); err != nil {
		return nil, compileError(err)
	}
	root, err := c.Compile(location)
	if err != nil {
		return nil, compileError(err)
	}
	patterns.total, patterns.made = 0, nil // what follows is the format "regex" of values
	s := &Schema{root: root}
	if err := s.budget.install(root); err != nil {
		return nil, err
	}
	return s, nil
}

// parse reads exactly one JSON value, with its numbers as they are written.
func parse(raw json.RawMessage) (any, error) {
	if !json.Valid(raw) {
		return nil, errors.New("not valid JSON")
	}
	return lib.UnmarshalJSON(bytes.NewReader(raw))
}

// inspect refuses what is valid JSON and too much to work with.
func inspect(v any, depth int, objects *int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested more than %d levels deep", maxDepth)
	}
	switch v := v.(type) {
	case map[string]any:
		*objects++
		for _, member := range v {
			if err := inspect(member, depth+1, objects); err != nil {
				return err
			}
		}
	case []any:
		*objects++
		for _, element := range v {
			if err := inspect(element, depth+1, objects); err != nil {
				return err
			}
		}
	case json.Number:
		if !moderate(v.String()) {
			return errors.New("a number is too large or too long")
		}
	}
	return nil
}

func moderate(number string) bool {
	if len(number) > maxNumber {
		return false
	}
	_, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	digits := strings.TrimLeft(exponent, "+-0")
	if len(digits) > 3 {
		return false
	}
	n := 0
	for _, d := range digits {
		n = n*10 + int(d-'0')
	}
	return n <= maxExponent
}

// Validate checks a JSON value: no problems mean that it is valid. At most
// maxProblems are told, sorted by path.
func (s *Schema) Validate(value json.RawMessage) []Problem {
	return s.ValidateWithin(NewWork(), value)
}

// ValidateWithin is Validate for one of several values that somebody sends at
// once: all of them together may cost what one may.
func (s *Schema) ValidateWithin(work *Work, value json.RawMessage) []Problem {
	if len(value) > MaxValue {
		return []Problem{{Message: fmt.Sprintf("longer than %d bytes", MaxValue)}}
	}
	v, err := parse(value)
	if err != nil {
		return []Problem{{Message: err.Error()}}
	}
	if err := inspect(v, 0, new(int)); err != nil {
		return []Problem{{Message: err.Error()}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.budget.left = work.left
	err = s.root.Validate(v)
	work.left = s.budget.left
	if s.budget.left < 0 {
		return []Problem{{Message: "the schema is too intricate to check this value"}}
	}
	return problemsOf(err)
}
