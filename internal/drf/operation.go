package drf

// Operation documents one method of a view for OpenAPI. What the view and its
// serializers already say is not said again: the zero Operation of a method is
// a documented one, with an id and a summary made from the view's path and
// name.
type Operation struct {
	// ID is the operationId. When empty it follows from path and verb:
	// "themes_list", "themes_partial_update", "themes_set_active".
	ID string
	// Summary in a few words, Text in sentences. When empty they follow from
	// the view's name and description.
	Summary, Text string
	// In describes the body; nil is none, or InExample shows it.
	In Describer
	// InOr describes a second form that the body may have.
	InOr Describer
	// PartialIn: absent fields stay as they are (PATCH).
	PartialIn bool
	// Out describes the answer; nil is none, or Example shows it.
	Out Describer
	// List wraps Out in a page, and adds the query parameters page and
	// page_size; Array makes a plain list of it.
	List, Array bool
	// Status of success; 0 is 200 with an answer and 204 without.
	Status int
	// Produces is the media type of the answer; "" is application/json.
	Produces string
	// Params are query parameters; see ListParams.
	Params []Param
	// Errors are the statuses, besides those that follow from the view (400,
	// 401, 403, 404, 405, 406, 413, 415, 429, 503), that this method may answer.
	Errors []int
	// Security names those of Info.Security that are good here; nil is all.
	Security []string
	// Example is an answer as JSON text. Without Out the schema of the answer
	// is made from it.
	Example string
	// InExample is a body as JSON text. Without In the schema of the body is
	// made from it.
	InExample string
}

// Param is a parameter in the query string or, in View.Params, in the path.
// Without a type it is text.
type Param struct {
	Name, Text string
	// Enum are the values that are accepted; nil accepts all.
	Enum []string
	// Integer and Boolean are the types other than text.
	Integer, Boolean bool
	// Ordering makes it a list of Enum's names, comma separated, where a minus
	// before a name sorts downwards.
	Ordering bool
	// Required parameters must be given; those of a path always are.
	Required bool
}

// ListParams documents what a list takes besides page and page_size: the
// arguments are those of Pages.ListQuery. A nil orderings leaves "ordering"
// out; searchIn says where "search" looks ("name and description"), "" leaves
// it out.
func ListParams(orderings []string, searchIn string, filters []Filter) []Param {
	var params []Param
	if len(orderings) > 0 {
		params = append(params, Param{
			Name: "ordering", Enum: orderings, Ordering: true,
			Text: "Fields to sort by, comma separated; a minus sorts downwards. Unknown fields are ignored.",
		})
	}
	if searchIn != "" {
		params = append(params, Param{Name: "search", Text: "Words that must all occur in " + searchIn + "."})
	}
	for _, f := range filters {
		params = append(params, Param{Name: f.Field, Text: "Only items whose " + f.Field + " is exactly this.", Enum: f.Choices, Boolean: f.Boolean})
	}
	return params
}

// shape is a Describer without a Serializer.
type shape struct {
	name   string
	fields []FieldInfo
}

func (s *shape) Name() string            { return s.name }
func (s *shape) FieldInfos() []FieldInfo { return s.fields }

// Shape describes an object that no Serializer writes, for Operation.Out and
// Opt.Of. FieldInfo.Type is one of "string", "email", "url", "integer",
// "float", "boolean", "datetime", "choice", "multiple choice", "field" (any
// JSON) and "nested object"; "" is "nested object" where Of is set, else
// "string".
func Shape(name string, fields ...FieldInfo) Describer {
	return &shape{name: name, fields: fields}
}
