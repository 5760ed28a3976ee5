package drf

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errorsOf lists the statuses that a method may answer besides success: what
// follows from the view, and what the operation adds.
func errorsOf(v *View, doc *Operation) []int {
	list := []int{http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusTooManyRequests, http.StatusServiceUnavailable}
	hasFilter := slices.ContainsFunc(doc.Params, func(p Param) bool { return !p.Ordering && (len(p.Enum) > 0 || p.Boolean || p.Integer) })
	if doc.hasBody() || hasFilter {
		list = append(list, http.StatusBadRequest)
	}
	if doc.hasBody() {
		list = append(list, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if v.Auth != AuthIgnored {
		list = append(list, http.StatusUnauthorized)
	}
	if v.Auth == AuthRequired || v.Permit != nil {
		list = append(list, http.StatusForbidden)
	}
	// A page that is not there is 404, too.
	if strings.Contains(v.Path, "{") || doc.List {
		list = append(list, http.StatusNotFound)
	}
	list = append(list, doc.Errors...)
	slices.Sort(list)
	return slices.Compact(list)
}

func (doc *Operation) hasBody() bool { return doc.In != nil || doc.InExample != "" }

// errorNames are the components of the common errors; others are named by
// their status text.
var errorNames = map[int]string{
	http.StatusBadRequest:   "ValidationError",
	http.StatusUnauthorized: "Unauthenticated",
	http.StatusForbidden:    "PermissionDenied",
}

func errorName(status int) string {
	if name, ok := errorNames[status]; ok {
		return name
	}
	name := strings.ReplaceAll(http.StatusText(status), " ", "")
	if name == "" {
		return "Status" + strconv.Itoa(status)
	}
	return name
}

var errorTexts = map[int]string{
	http.StatusBadRequest:            "The body cannot be read (`detail`), or fields are wrong: each with a list of messages; what concerns no single field stands under `non_field_errors`.",
	http.StatusUnauthorized:          "No credentials, or bad ones.",
	http.StatusForbidden:             "The credentials are good, but not for this.",
	http.StatusNotFound:              "There is no such object, or none that the client may see, or no such page.",
	http.StatusMethodNotAllowed:      "The path does not have this method; `Allow` names those it has.",
	http.StatusNotAcceptable:         "The Accept header takes no JSON.",
	http.StatusRequestEntityTooLarge: "The body is too large.",
	http.StatusUnsupportedMediaType:  "The body is neither JSON nor a form.",
	http.StatusTooManyRequests:       "Too many requests.",
	http.StatusServiceUnavailable:    "The server cannot answer just now.",
	http.StatusConflict:              "The state of the object does not allow this.",
	http.StatusBadGateway:            "A service behind this one failed.",
	http.StatusGatewayTimeout:        "A service behind this one did not answer in time.",
}

// errorExamples are the framework's own answers, so that the document shows
// the texts that are really sent.
var errorExamples = map[int]*Error{
	http.StatusUnauthorized:          ErrNotAuthenticated,
	http.StatusForbidden:             ErrPermissionDenied,
	http.StatusNotFound:              ErrNotFound,
	http.StatusMethodNotAllowed:      ErrMethodNotAllowed(http.MethodDelete),
	http.StatusNotAcceptable:         ErrNotAcceptable,
	http.StatusRequestEntityTooLarge: ErrBodyTooLarge(1 << 20),
	http.StatusUnsupportedMediaType:  ErrUnsupportedMediaType("text/plain"),
	http.StatusTooManyRequests:       ErrThrottled(42 * time.Second),
}

// errorHeaders are the headers that come with an error, and what they say.
var errorHeaders = map[int]struct{ name, text, typ string }{
	http.StatusUnauthorized:       {"WWW-Authenticate", "How to authenticate.", "string"},
	http.StatusMethodNotAllowed:   {"Allow", "The methods of the path, comma separated.", "string"},
	http.StatusTooManyRequests:    {"Retry-After", "Seconds to wait.", "integer"},
	http.StatusServiceUnavailable: {"Retry-After", "Seconds to wait; not always sent.", "integer"},
}

func errorResponse(status int) Value {
	response := object{}
	response.text("description", firstOf(errorTexts[status], sentence(http.StatusText(status)), "An error."))
	if h, ok := errorHeaders[status]; ok {
		schema := object{}
		schema.text("type", h.typ)
		header := object{}
		header.text("description", h.text)
		header.set("schema", schema.value())
		response.set("headers", DictOf(Pair{h.name, header.value()}))
	}
	media := object{}
	if status == http.StatusBadRequest {
		media.set("schema", DictOf(Pair{"anyOf", ListOf(reference("schemas", "FieldErrors"), reference("schemas", "Error"))}))
		media.set("examples", validationExamples())
	} else {
		media.set("schema", reference("schemas", "Error"))
		body := (&Error{Detail: firstOf(sentence(http.StatusText(status)), "An error.")}).json()
		if e, ok := errorExamples[status]; ok {
			body = e.json()
		}
		example, _ := ParseJSON(body, ParseOptions{})
		media.set("example", example)
	}
	response.set("content", DictOf(Pair{jsonType[0], media.value()}))
	return response.value()
}

func validationExamples() Value {
	example := func(summary string, body []byte) Value {
		value, _ := ParseJSON(body, ParseOptions{})
		return DictOf(Pair{"summary", String(summary)}, Pair{"value", value})
	}
	return DictOf(
		Pair{"fields", example("Fields are wrong", Invalid("name", msgRequired).AppendJSON(nil))},
		Pair{"whole", example("The body as a whole is wrong", Invalid(NonField, "Invalid data. Expected a dictionary, but got list.").AppendJSON(nil))},
		Pair{"unreadable", example("The body cannot be read", ErrParse("JSON parse error - Expecting value: line 1 column 1 (char 0)").json())},
	)
}

// needErrorSchemas registers the schemas that an error's response refers to.
func (b *openAPI) needErrorSchemas(status int) {
	text := object{}
	text.text("type", "string")
	detail := object{}
	detail.text("type", "string")
	detail.text("description", "What is wrong, for people.")
	code := object{}
	code.text("type", "string")
	code.text("description", "What is wrong, for programs; not always there.")
	e := object{}
	e.text("type", "object")
	e.text("description", "An error. More members may say more of it.")
	e.set("properties", DictOf(Pair{"detail", detail.value()}, Pair{"code", code.value()}))
	e.set("required", words([]string{"detail"}))
	b.schema("Error", e.value())
	if status != http.StatusBadRequest {
		return
	}
	messages := object{}
	messages.text("type", "array")
	messages.set("items", text.value())
	fields := object{}
	fields.text("type", "object")
	fields.text("description", "For each field that is wrong, what is wrong with it.")
	fields.set("additionalProperties", messages.value())
	b.schema("FieldErrors", fields.value())
}

func successText(status int) string {
	switch status {
	case http.StatusOK:
		return "Done."
	case http.StatusNoContent:
		return "Done; there is nothing to say."
	default:
		return firstOf(sentence(http.StatusText(status)), "Done.")
	}
}
