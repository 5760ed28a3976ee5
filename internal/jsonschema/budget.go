package jsonschema

import (
	"errors"

	lib "github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// checkBudget is what one check may cost. A unit is about one keyword looked
	// at, so that the whole budget takes about a second at most.
	checkBudget = 300_000
	// stepsPerUnit is how far a pattern gets for one unit.
	stepsPerUnit = 50
)

var errBudget = errors.New("budget exceeded")

// Work is the budget of checks that belong together. Not for concurrent use.
type Work struct{ left int }

// NewWork is a budget of which nothing is spent.
func NewWork() *Work { return &Work{left: checkBudget} }

// budget counts the work of the running check. Two schemas that refer to each
// other twice, thirty levels deep, ask for a billion steps; the library has no
// limit of its own. It calls the format of a schema before it descends into
// it: so every schema gets a format that charges for what is to come.
type budget struct{ left int }

// price is what a schema costs each time it is applied.
type price struct {
	fixed   int // once
	perProp int // for each member of an object
	perItem int // for each element of an array
	pattern int // steps for each byte of a string
	names   int // steps for each byte of the names of members
}

// install gives every schema that root leads to its price.
func (b *budget) install(root *lib.Schema) error {
	seen := map[*lib.Schema]bool{root: true}
	queue := []*lib.Schema{root}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		if s.DynamicRef != nil || s.RecursiveRef != nil {
			return &Error{Message: "$dynamicRef and $recursiveRef are not supported"}
		}
		var p price
		eachChild(s, func(at place, child *lib.Schema) {
			p.add(at, ownCost(child))
			if !seen[child] {
				seen[child] = true
				queue = append(queue, child)
			}
		})
		p.addOwn(s)
		b.charge(s, p)
	}
	return nil
}

func (b *budget) charge(s *lib.Schema, p price) {
	declared := s.Format
	name := ""
	if declared != nil {
		name = declared.Name
	}
	s.Format = &lib.Format{Name: name, Validate: func(v any) error {
		if b.left -= p.of(v); b.left < 0 {
			return errBudget
		}
		if declared != nil {
			return declared.Validate(v)
		}
		return nil
	}}
}

func (p *price) of(v any) int {
	n := 1 + p.fixed
	switch v := v.(type) {
	case map[string]any:
		n += len(v) * p.perProp
		// Where members are told apart by what was looked at, each branch
		// copies the list of them.
		n += len(v) / 8 * p.fixed
		if p.names > 0 {
			for name := range v {
				n += len(name) * p.names / stepsPerUnit
			}
		}
	case []any:
		n += len(v)*p.perItem + len(v)/8*p.fixed
	case string:
		n += len(v) * p.pattern / stepsPerUnit
	}
	return n
}

// place is how often a schema applies what stands below it.
type place uint8

const (
	inPlace place = iota // to the value itself, or to one named member
	onProps              // to each member
	onItems              // to each element
	apart                // to something of its own
)

func (p *price) add(at place, cost int) {
	switch at {
	case inPlace:
		p.fixed += cost
	case onProps:
		p.perProp += cost
	case onItems:
		p.perItem += cost
	case apart:
	}
}

func (p *price) addOwn(s *lib.Schema) {
	p.fixed += len(s.Required) + len(s.DependentRequired)
	for _, names := range s.DependentRequired {
		p.fixed += len(names)
	}
	if s.UniqueItems {
		p.perItem += 20 // compared in pairs up to twenty, by a hash beyond
	}
	if re, ok := s.Pattern.(sizedPattern); ok {
		p.pattern += re.size
	}
	for re := range s.PatternProperties {
		p.perProp++
		if sized, ok := re.(sizedPattern); ok {
			p.names += sized.size
		}
	}
}

// ownCost is what is spent on a schema before its format is asked.
func ownCost(s *lib.Schema) int {
	n := 1
	if s.Enum != nil {
		n += nodes(s.Enum.Values)
	}
	if s.Const != nil {
		n += nodes(*s.Const)
	}
	return n
}

func nodes(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			n += nodes(member)
		}
	case []any:
		for _, element := range v {
			n += nodes(element)
		}
	}
	return n
}

// eachChild calls f for every schema that s applies.
func eachChild(s *lib.Schema, f func(place, *lib.Schema)) {
	one := func(at place, child any) { // some members are a schema or a boolean
		switch child := child.(type) {
		case *lib.Schema:
			if child != nil {
				f(at, child)
			}
		case []*lib.Schema:
			for _, c := range child {
				f(inPlace, c)
			}
		}
	}
	for _, child := range []*lib.Schema{s.Ref, s.Not, s.If, s.Then, s.Else} {
		one(inPlace, child)
	}
	for _, list := range [][]*lib.Schema{s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems} {
		one(inPlace, list)
	}
	for _, child := range s.Dependencies {
		one(inPlace, child)
	}
	for _, child := range s.DependentSchemas {
		f(inPlace, child)
	}
	for _, child := range s.Properties {
		f(inPlace, child)
	}
	for _, child := range s.PatternProperties {
		f(onProps, child)
	}
	one(onProps, s.AdditionalProperties)
	one(onProps, s.PropertyNames)
	one(onProps, s.UnevaluatedProperties)
	one(onItems, s.Items)
	one(onItems, s.Items2020)
	one(onItems, s.AdditionalItems)
	one(onItems, s.Contains)
	one(onItems, s.UnevaluatedItems)
	one(apart, s.ContentSchema)
}
