package jsonschema

import (
	"errors"
	"regexp"
	"regexp/syntax"

	lib "github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// maxPattern limits one pattern, in steps of its program: a{1000} is a
	// thousand. Matching takes at most that many steps per byte of text.
	maxPattern = 1000
	// maxPatterns limits all patterns of a schema together.
	maxPatterns = 10_000
)

// patternEngine compiles patterns with Go's engine, which takes time linear in
// the text; what it does not bound is the size of the program.
type patternEngine struct {
	// total is what is left for further patterns; 0 does not count them.
	total int
	// made are the patterns of the schema: the library asks for each twice,
	// the first time to see whether it is one.
	made map[string]sizedPattern
}

// sizedPattern remembers what a match costs.
type sizedPattern struct {
	*regexp.Regexp
	size int
}

func (e *patternEngine) compile(text string) (lib.Regexp, error) {
	if re, ok := e.made[text]; ok {
		return re, nil
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	size := programSize(tree)
	if size > maxPattern {
		return nil, errors.New("the pattern is too large")
	}
	if e.total != 0 && e.total <= size {
		return nil, errors.New("the patterns are too large together")
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	sized := sizedPattern{re, size}
	if e.total != 0 {
		e.total -= size
		e.made[text] = sized
	}
	return sized, nil
}

// programSize is about how many instructions the pattern takes, without making
// them; more than maxPattern where it is more than that.
func programSize(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += programSize(sub)
		if n > maxPattern {
			return n
		}
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}
