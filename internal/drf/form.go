package drf

import (
	"bytes"
	"encoding/base64"
	"html"
	"strings"
	"unicode/utf8"
)

const (
	// maxFormFields and maxFormFiles are the defaults of Django's
	// DATA_UPLOAD_MAX_NUMBER_FIELDS and DATA_UPLOAD_MAX_NUMBER_FILES.
	maxFormFields = 1000
	maxFormFiles  = 100
	// maxPartHeader is how far into a part Django looks for the end of its header.
	maxPartHeader = 1024
)

// FormError says why a form is refused.
type FormError struct {
	Message string // the whole sentence of the answer
}

// Error returns the message.
func (e *FormError) Error() string { return e.Message }

// ParseForm reads application/x-www-form-urlencoded as Django's QueryDict does: fields
// are parted by "&" alone, "+" is a space, "%" that starts no escape stays, escaped
// bytes that are not UTF-8 become U+FFFD, blank values count, and of equal names the
// last value wins. A body with raw bytes that are not UTF-8 is read as Latin-1. The
// result is a dict of strings that are Raw. The only error is a *FormError: more than
// 1000 fields.
func ParseForm(data []byte) (Value, error) { return ParseFormCharset(data, "") }

// ParseFormCharset is ParseForm for a body in a charset as ParserFor names it.
func ParseFormCharset(data []byte, charset string) (Value, error) {
	codec, known := lookupCharset(charset)
	if !known {
		codec = nil
	}
	text := formText(data, codec)
	count := strings.Count(text, "&") + 1
	if count > maxFormFields {
		return Value{}, &FormError{Message: "Too many fields"}
	}
	kids := make([]Value, 0, 2*count)
	for text != "" {
		var field string
		field, text, _ = strings.Cut(text, "&")
		if field == "" {
			continue
		}
		name, value, _ := strings.Cut(field, "=")
		kids = append(kids, formString(unquotePlus(name, codec)), formString(unquotePlus(value, codec)))
	}
	return formDict(kids), nil
}

func formText(data []byte, codec textCodec) string {
	if codec == nil {
		if utf8.Valid(data) {
			return string(data)
		}
	} else if out, clean := codec(data); clean {
		return string(out)
	}
	out, _ := decodeLatin1(data)
	return string(out)
}

func formString(s string) Value {
	v := String(s)
	v.flags |= flagForm
	return v
}

func formDict(kids []Value) Value {
	keepRepeated(kids)
	v := container(KindDict, collapseNames(kids))
	v.flags |= flagForm
	return v
}

// keepRepeated gives the last field of each name that occurs more than once all
// the values of that name: a list in a form is one field sent several times.
func keepRepeated(kids []Value) {
	if len(kids) <= 2 {
		return
	}
	last := make(map[string]int, len(kids)/2) // name -> where its newest value is
	for i := 0; i+1 < len(kids); i += 2 {
		name, v := kids[i].text, &kids[i+1]
		if j, again := last[name]; again && v.kind == KindString && kids[j].kind == KindString {
			older := kids[j].kids
			kids[j].kids = nil
			if older == nil {
				older = []Value{kids[j]}
			}
			self := *v
			v.kids = append(older, self)
		}
		last[name] = i + 1
	}
}

func unquotePlus(s string, codec textCodec) string {
	if strings.IndexByte(s, '+') >= 0 {
		s = strings.ReplaceAll(s, "+", " ")
	}
	return unquote(s, codec)
}

// unquote is Python's: each run of ASCII has its escapes turned into bytes and decoded
// by itself, so a sequence never continues from an escape into raw text.
func unquote(s string, codec textCodec) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	var run []byte
	for i := 0; i < len(s); {
		run = run[:0]
		for ; i < len(s) && s[i] < utf8.RuneSelf; i++ {
			c := s[i]
			if c == '%' && i+2 < len(s) {
				high, ok1 := hexDigit(s[i+1])
				low, ok2 := hexDigit(s[i+2])
				if ok1 && ok2 {
					c = high<<4 | low
					i += 2
				}
			}
			run = append(run, c)
		}
		out = appendLossy(out, run, codec)
		for i < len(s) && s[i] >= utf8.RuneSelf {
			out = append(out, s[i])
			i++
		}
	}
	return string(out)
}

// appendLossy decodes data as Python does with errors="replace".
func appendLossy(dst, data []byte, codec textCodec) []byte {
	if codec != nil {
		out, _ := codec(data)
		return append(dst, out...)
	}
	if utf8.Valid(data) {
		return append(dst, data...)
	}
	for s := string(data); s != ""; {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			size, _ = badUTF8(s)
			dst = append(dst, "\uFFFD"...)
		} else {
			dst = append(dst, s[:size]...)
		}
		s = s[size:]
	}
	return dst
}

// ParseMultipart reads multipart/form-data as Django does. The result is a dict whose
// values are Raw: strings, and for uploads values of KindFile, which keep name and
// content type and not the content. As in DRF a file stands before a field of its name,
// a part that names no field is skipped, and so is an upload that the body's end cuts
// off. Errors are *FormError, in Django's words
// where it has some; over 1000 fields or 100 files are refused.
//
// The charset parameter of contentType, the Content-Type header of the request, applies
// to names and values.
func ParseMultipart(data []byte, contentType string) (Value, error) {
	form, err := newMultipartForm(contentType)
	if err != nil {
		return Value{}, err
	}
	separator := []byte("--" + form.boundary)
	for rest := data; len(rest) > 0; {
		part := rest
		if i := bytes.Index(rest, separator); i >= 0 {
			part, rest = rest[:i], rest[i+len(separator):]
			part = bytes.TrimSuffix(bytes.TrimSuffix(part, []byte("\n")), []byte("\r"))
		} else {
			rest = nil
		}
		if err := form.add(part); err != nil {
			return Value{}, err
		}
	}
	return formDict(append(form.fields, form.files...)), nil
}

// multipartForm collects the parts of one body.
type multipartForm struct {
	boundary string
	codec    textCodec
	parts    int     // that are not files
	uploads  int     // that are files
	fields   []Value // name, value, ...
	files    []Value // name, file, ...
	pending  []Value // name and file of the part before
}

func newMultipartForm(contentType string) (*multipartForm, error) {
	if !strings.HasPrefix(contentType, "multipart/") {
		return nil, multipartError("Invalid Content-Type: " + strings.ToValidUTF8(contentType, "\uFFFD"))
	}
	for i := range len(contentType) {
		if contentType[i] >= utf8.RuneSelf {
			return nil, multipartError("Invalid non-ASCII Content-Type in multipart: " + strings.ToValidUTF8(contentType, "\uFFFD"))
		}
	}
	m, valid := parseMediaType(contentType)
	if !valid || !m.bounded {
		return nil, multipartError("Invalid boundary in multipart: None")
	}
	if !validBoundary(m.boundary) {
		return nil, multipartError("Invalid boundary in multipart: " + strings.ToValidUTF8(m.boundary, "\uFFFD"))
	}
	form := &multipartForm{boundary: m.boundary}
	if m.charset != "" {
		// An unknown name leaves UTF-8, as in Django.
		form.codec, _ = lookupCharset(m.charset)
	}
	return form, nil
}

func multipartError(text string) error {
	return &FormError{Message: "Multipart form parse error - " + text}
}

// validBoundary takes 1 to 201 printable ASCII characters, the last no space.
func validBoundary(s string) bool {
	if s == "" || len(s) > 201 || s[len(s)-1] == ' ' {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// partHeader is what matters of the lines before a part's content.
type partHeader struct {
	disposed    bool // there is a Content-Disposition
	named       bool
	name        string
	filename    string
	contentType string
	base64      bool
}

// add reads one part: what stands between two separators, or before the first or
// after the last.
func (f *multipartForm) add(part []byte) error {
	// Only the next part shows that an upload was not cut off.
	f.files, f.pending = append(f.files, f.pending...), nil
	var h partHeader
	end := bytes.Index(part[:min(len(part), maxPartHeader)], []byte("\r\n\r\n"))
	if end >= 0 {
		h = readPartHeader(string(part[:end]))
	}
	if !h.disposed || h.filename == "" {
		// Django counts the text before the first separator and after the last, too.
		if f.parts++; f.parts > maxFormFields+2 {
			return &FormError{Message: "Too many fields"}
		}
	}
	if !h.named {
		return nil
	}
	name := f.text([]byte(strings.Trim(h.name, asciiSpace)))
	content := part[end+len("\r\n\r\n"):]
	if h.filename != "" {
		return f.addFile(name, h, content)
	}
	if h.base64 {
		if decoded, ok := lenientBase64(content); ok {
			content = decoded
		}
	}
	f.fields = append(f.fields, formString(name), formString(f.text(content)))
	return nil
}

func (f *multipartForm) addFile(name string, h partHeader, content []byte) error {
	if f.uploads++; f.uploads > maxFormFiles {
		return &FormError{Message: "Too many files"}
	}
	filename := html.UnescapeString(f.text([]byte(h.filename)))
	filename = filename[strings.LastIndexAny(filename, `/\`)+1:]
	if filename == "" || filename == "." || filename == ".." {
		return nil
	}
	if h.base64 {
		packed := bytes.Join(bytes.Fields(content), nil)
		if _, ok := lenientBase64(packed); !ok || len(packed)%4 != 0 {
			return multipartError("Could not decode base64 data.")
		}
	}
	v := File(filename, h.contentType)
	v.flags |= flagForm
	f.pending = []Value{formString(name), v}
	return nil
}

func (f *multipartForm) text(data []byte) string {
	if f.codec == nil && utf8.Valid(data) {
		return string(data)
	}
	return string(appendLossy(nil, data, f.codec))
}

// readPartHeader skips lines that are no header, as Django does.
func readPartHeader(header string) (h partHeader) {
	for line := range strings.SplitSeq(header, "\r\n") {
		field, rest, more := cutParameter(line)
		field, ok := asciiLower(field)
		if !ok {
			continue
		}
		name, value, ok := strings.Cut(field, ":")
		if !ok {
			continue
		}
		switch name {
		case "content-disposition":
			readDisposition(&h, rest, more)
		case "content-transfer-encoding":
			h.base64 = strings.Trim(value, asciiSpace) == "base64"
		case "content-type":
			h.contentType = strings.Trim(value, asciiSpace)
		}
	}
	return h
}

// readDisposition reads the parameters of a Content-Disposition; of several such lines
// the last that can be read counts.
func readDisposition(h *partHeader, rest string, more bool) {
	found := partHeader{disposed: true, contentType: h.contentType, base64: h.base64}
	for more {
		var parameter string
		parameter, rest, more = cutParameter(rest)
		name, value, ok := splitParameter(parameter)
		if !ok {
			return
		}
		switch name {
		case "name":
			found.named, found.name = true, value
		case "filename":
			found.filename = value
		}
	}
	*h = found
}

// lenientBase64 decodes as Python's b64decode does: characters outside the alphabet
// are skipped, complete padding ends the data, and only a last group that is cut short
// is an error.
func lenientBase64(data []byte) ([]byte, bool) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	clean := make([]byte, 0, len(data))
	pads := 0
	for _, c := range data {
		if c == '=' {
			if quad := len(clean) % 4; quad >= 2 {
				if pads++; quad+pads >= 4 {
					break
				}
			}
			continue
		}
		if strings.IndexByte(alphabet, c) < 0 {
			continue
		}
		pads = 0
		clean = append(clean, c)
	}
	if quad := len(clean) % 4; quad == 1 || quad > 0 && quad+pads < 4 {
		return nil, false
	}
	out, err := base64.RawStdEncoding.DecodeString(string(clean))
	return out, err == nil
}
