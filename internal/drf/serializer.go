package drf

import (
	"net/http"
	"strings"
	"time"
	"unicode"
)

// Serializer declares the fields of a resource once. T is what is shown, D is
// the draft that input is decoded into. From the one declaration come
// decoding with DRF's coercions and error texts, partial updates, form
// bodies, encoding, OPTIONS metadata and the OpenAPI schema.
//
// Fields are declared in the order in which they are shown and checked. A
// field without a getter is write-only, one without a setter is read-only.
// Declare at start; a Serializer is read-only and safe for concurrent use
// afterwards.
type Serializer[T, D any] struct {
	name   string
	fields []field[T, D]
	check  func(d *D, partial bool) error
}

// Mode says how absent fields are taken.
type Mode uint8

// The modes.
const (
	Whole   Mode = iota // POST, PUT: a required field must be there
	Partial             // PATCH: absent fields stay as they are
)

// Opt are the properties of a field, by DRF's names.
type Opt struct {
	Required bool
	Null     bool // null is a value (the setter decides what it means)
	Blank    bool // "" is a value (text fields)
	Max, Min int  // length in characters; 0 is no limit
	// Label is what OPTIONS shows; made from the name when empty.
	Label string
	// Help is a sentence for OpenAPI.
	Help string
	// Hidden fields are left out of OPTIONS: they are not in the recorded
	// answers of the original.
	Hidden bool
	// OmitNull leaves the member out of an answer when it is null: for members
	// that recorded answers do not have.
	OmitNull bool
	// Raw keeps white space around text; DRF trims it by default.
	Raw bool
	// Example for OpenAPI, as JSON text.
	Example string
	// Format replaces the format that OpenAPI shows ("password", "uuid").
	Format string
	// Schema, as JSON text, replaces the schema that OpenAPI makes of the
	// field's type: for JSON fields that are not just any JSON.
	Schema string
	// Of describes the object that a nested field holds; with Many it is a
	// list of them.
	Of   Describer
	Many bool
}

// Choice is a value of a choice field and how OPTIONS shows it.
type Choice struct{ Value, Label string }

type field[T, D any] struct {
	FieldInfo
	encode func(dst []byte, t *T) []byte
	decode func(d *D, v Value) []string
	// absentInForm says what absence means in a form, where an unchecked box is
	// simply not sent.
	absentInForm func(d *D)
	// validate is DRF's validate_<field>: it sees a value that decoded well.
	validate func(d *D) []string
	// storable sees the value last: what only the database would refuse.
	storable func(v Value) []string
	// omit tells that there is nothing to show.
	omit func(t *T) bool
	key  []byte
}

// FieldInfo describes one field to OPTIONS and OpenAPI.
type FieldInfo struct {
	Name      string
	Type      string // DRF's metadata type: string, integer, boolean, choice, …
	ReadOnly  bool
	WriteOnly bool
	Choices   []Choice
	MinValue  *int64
	MaxValue  *int64
	Opt
}

// Describer tells of the fields of a Serializer without its types.
type Describer interface {
	Name() string
	FieldInfos() []FieldInfo
}

// NewSerializer starts a declaration; name is the schema's name in OpenAPI.
func NewSerializer[T, D any](name string) *Serializer[T, D] {
	return &Serializer[T, D]{name: name}
}

// Name is the schema's name.
func (s *Serializer[T, D]) Name() string { return s.name }

// FieldInfos describes the fields in order.
func (s *Serializer[T, D]) FieldInfos() []FieldInfo {
	out := make([]FieldInfo, len(s.fields))
	for i := range s.fields {
		out[i] = s.fields[i].FieldInfo
	}
	return out
}

// Check adds a check over the whole draft, run when every field was fine.
func (s *Serializer[T, D]) Check(f func(d *D, partial bool) error) *Serializer[T, D] {
	s.check = f
	return s
}

// Validate adds a check of one field, run when it was sent and decoded well;
// the messages stand beside those of other fields.
func (s *Serializer[T, D]) Validate(name string, check func(d *D) []string) {
	for i := range s.fields {
		if s.fields[i].Name == name {
			s.fields[i].validate = check
			return
		}
	}
	panic("drf: no field " + name)
}

func (s *Serializer[T, D]) add(name, typ string, o Opt, encode func([]byte, *T) []byte, decode func(*D, Value) []string) *field[T, D] {
	if o.Label == "" {
		o.Label = labelOf(name)
	}
	f := field[T, D]{
		FieldInfo: FieldInfo{Name: name, Type: typ, Opt: o, ReadOnly: decode == nil, WriteOnly: encode == nil},
		encode:    encode,
		decode:    decode,
		key:       append(AppendString(nil, name), ':'),
	}
	s.fields = append(s.fields, f)
	return &s.fields[len(s.fields)-1]
}

// labelOf is Django's label of a field: "is_active" is "Is active", "id" is "ID".
func labelOf(name string) string {
	if name == "id" {
		return "ID"
	}
	label := []rune(strings.ReplaceAll(name, "_", " "))
	label[0] = unicode.ToUpper(label[0])
	return string(label)
}

// Decode reads the request's body into d. Errors are *Error (the body cannot
// be read) or *FieldErrors; d is then half-filled and must not be used.
func (s *Serializer[T, D]) Decode(r *Request, d *D, mode Mode) error {
	data, err := r.Data()
	if err != nil {
		return err
	}
	return s.DecodeValue(data, d, mode)
}

// DecodeValue is Decode for a body that was parsed already.
func (s *Serializer[T, D]) DecodeValue(data Value, d *D, mode Mode) error {
	switch data.Kind() {
	case KindDict:
	case KindNull:
		return Invalid(NonField, "No data provided")
	default:
		return Invalid(NonField, "Invalid data. Expected a dictionary, but got "+PyTypeName(data)+".")
	}
	form := data.Raw()
	var bad *FieldErrors
	for i := range s.fields {
		f := &s.fields[i]
		if f.decode == nil {
			continue
		}
		if messages := f.run(d, data.Member(f.Name), form, mode); len(messages) > 0 {
			if bad == nil {
				bad = &FieldErrors{}
			}
			bad.Add(f.Name, messages...)
		}
	}
	if bad != nil {
		return bad
	}
	if s.check != nil {
		return s.check(d, mode == Partial)
	}
	return nil
}

// run is DRF's Field.get_value and validate_empty_values.
func (f *field[T, D]) run(d *D, v Value, form bool, mode Mode) []string {
	if form {
		if v.Kind() == KindAbsent && mode == Whole && f.absentInForm != nil {
			f.absentInForm(d)
			return nil
		}
		v = f.emptyInForm(v)
	}
	switch v.Kind() {
	case KindAbsent:
		if mode == Whole && f.Required {
			return []string{msgRequired}
		}
		return nil
	case KindNull:
		if !f.Null {
			return []string{msgNull}
		}
	}
	messages := f.decode(d, v)
	if len(messages) == 0 && f.validate != nil {
		messages = f.validate(d)
	}
	if len(messages) == 0 && f.storable != nil {
		messages = f.storable(v)
	}
	return messages
}

// emptyInForm decides what an empty text in a form stands for: null, or
// nothing, where the field takes no empty text. JSON and lists read it as it
// is.
func (f *field[T, D]) emptyInForm(v Value) Value {
	if v.Kind() != KindString || v.Text() != "" || f.Blank || f.Type == "field" || f.Type == "multiple choice" {
		return v
	}
	switch {
	case f.Null:
		return Null()
	case !f.Required:
		return Value{}
	default:
		return v
	}
}

// Append writes t as JSON.
func (s *Serializer[T, D]) Append(dst []byte, t *T) []byte {
	dst = append(dst, '{')
	first := true
	for i := range s.fields {
		f := &s.fields[i]
		if f.encode == nil || f.omit != nil && f.omit(t) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, f.key...)
		dst = f.encode(dst, t)
	}
	return append(dst, '}')
}

// Respond answers with t.
func (s *Serializer[T, D]) Respond(w http.ResponseWriter, r *Request, status int, t *T) error {
	return r.Respond(w, status, func(dst []byte) []byte { return s.Append(dst, t) })
}

// AppendTime writes a time as DRF does: UTC with Z, microseconds only when
// they are not 0.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		layout := `"2006-01-02T15:04:05.000000Z"`
		if t.Nanosecond()/1000 == 0 {
			layout = `"2006-01-02T15:04:05Z"`
		}
		return t.AppendFormat(dst, layout)
	}
	// By hand, for a page shows dozens: AppendFormat reads its layout each time
	// and takes six times as long.
	hour, minute, second := t.Clock()
	dst = append(digits(append(dst, '"'), year, 4), '-')
	dst = append(digits(dst, int(month), 2), '-')
	dst = append(digits(dst, day, 2), 'T')
	dst = append(digits(dst, hour, 2), ':')
	dst = append(digits(dst, minute, 2), ':')
	dst = digits(dst, second, 2)
	if micro := t.Nanosecond() / 1000; micro != 0 {
		dst = digits(append(dst, '.'), micro, 6)
	}
	return append(dst, 'Z', '"')
}

// digits appends n with leading zeros, width digits in all.
func digits(dst []byte, n, width int) []byte {
	dst = append(dst, "000000"[:width]...)
	for i := len(dst) - 1; n > 0; i-- {
		dst[i] += byte(n % 10)
		n /= 10
	}
	return dst
}
