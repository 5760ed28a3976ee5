package drf

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

var jsonType = []string{"application/json"}

// bufferPool holds the buffers in which answers are built. Large ones are
// dropped, so that one big answer does not stay in memory for ever.
var bufferPool = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

const maxPooled = 64 << 10

// maxIndented limits answers that are indented, in bytes; a larger one is sent
// as it is, which is the same JSON. Deep in a value each element costs hundreds
// of spaces: a stored megabyte would become half a gigabyte.
const maxIndented = 4 << 20

// indentedSize is how large the body may become when it is indented, in bytes:
// never less than what json.Indent makes of it.
func indentedSize(body []byte, indent int) int {
	size, depth, quoted := len(body), 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted:
			if c == '\\' {
				i++
			} else if c == '"' {
				quoted = false
			}
		case c == '"':
			quoted = true
		case c == ':':
			size++
		case c == '{', c == '[':
			depth++
			size += 1 + depth*indent
		case c == ',':
			size += 1 + depth*indent
		case c == '}', c == ']':
			depth--
			size += 1 + depth*indent
		}
	}
	return size
}

// Respond writes an answer whose body build appends. The body is complete
// before the status is sent.
func (r *Request) Respond(w http.ResponseWriter, status int, build func(dst []byte) []byte) error {
	p := bufferPool.Get().(*[]byte)
	body := build((*p)[:0])
	r.write(w, status, body)
	if cap(body) <= maxPooled {
		*p = body
		bufferPool.Put(p)
	}
	return nil
}

// RespondJSON writes a body that is JSON already.
func (r *Request) RespondJSON(w http.ResponseWriter, status int, body []byte) error {
	r.write(w, status, body)
	return nil
}

// NoContent answers 204 without a body and without a content type.
func (r *Request) NoContent(w http.ResponseWriter) error {
	r.WriteStatus(w, http.StatusNoContent)
	return nil
}

// WriteStatus sends the status of an answer that a handler writes by itself,
// such as a stream, so that Site.Observe learns of it.
func (r *Request) WriteStatus(w http.ResponseWriter, status int) {
	if r.status == 0 {
		r.status = status // as on the wire: the first one counts
	}
	w.WriteHeader(status)
}

func (r *Request) write(w http.ResponseWriter, status int, body []byte) {
	if r.indent > 0 && indentedSize(body, r.indent) <= maxIndented {
		var out bytes.Buffer
		if json.Indent(&out, body, "", strings.Repeat(" ", r.indent)) == nil {
			body = out.Bytes()
		}
	}
	h := w.Header()
	h["Content-Type"] = jsonType
	r.length[0] = strconv.Itoa(len(body))
	h["Content-Length"] = r.length[:]
	r.WriteStatus(w, status)
	if r.Method != http.MethodHead {
		// A client that went away is not our error.
		_, _ = w.Write(body)
	}
}
