package drf

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HandlerFunc answers one method of a view. What it returns is turned into an
// answer in one place: *Error and *FieldErrors as they are, anything else
// through Site.MapError.
type HandlerFunc func(w http.ResponseWriter, r *Request) error

// Auth says what a view does with credentials.
type Auth uint8

// The choices. DRF's names: IsAuthenticated, AllowAny, and
// authentication_classes = [].
const (
	AuthRequired Auth = iota // no or bad credentials: 401
	AuthOptional             // none are fine, bad ones are 401
	AuthIgnored              // not looked at
)

// View is everything that is known of one path: it is the declaration from
// which dispatch, the Allow header, OPTIONS and OpenAPI come.
type View struct {
	// Path as OpenAPI writes it, below the site's prefixes: "themes/{id}/".
	Path string
	// Name and Description are what OPTIONS says of the view.
	Name, Description string
	Auth              Auth
	// Permit runs after authentication and before throttling; its error is the
	// answer (usually ErrPermissionDenied). nil permits.
	Permit func(r *Request) error
	// Methods of the view; HEAD comes with GET, OPTIONS by itself.
	Methods []Method
	// Metadata is what OPTIONS tells of input under "actions", for POST and
	// PUT. nil leaves "actions" out.
	Metadata Describer
	// MetadataFor says whether "actions" are shown for this request, e.g. only
	// when the object exists. nil is always.
	MetadataFor func(r *Request) bool
	// Authenticate replaces the site's for this view. nil keeps it.
	Authenticate func(r *http.Request) (any, error)
	// Throttle replaces the site's throttle for this view. nil keeps it.
	Throttle func(r *Request) (wait time.Duration, ok bool)
	// Streams: the view can also answer text/event-stream; Request.WantsStream
	// tells whether the client prefers it.
	Streams bool
	// Tag groups views in OpenAPI.
	Tag string
	// Params describe the path's parameters to OpenAPI where their names do not
	// say enough: "id" and "…_id" are integers, all others text.
	Params []Param

	allow   []string // the Allow header, ready to send
	methods map[string]HandlerFunc
	site    *Site
}

// Method is one verb of a view.
type Method struct {
	Verb    string
	Handler HandlerFunc
	Doc     Operation
}

// Request is an HTTP request on its way through a view.
type Request struct {
	*http.Request
	// Principal is what Site.Authenticate found; nil for nobody.
	Principal any
	View      *View

	indent int
	stream bool // the client prefers text/event-stream, and the view has it
	query  Query
	parsed bool
	data   Value
	loaded bool
	status int       // what was answered; 0 is nothing yet
	length [1]string // the Content-Length header
}

// Site holds what all views share. Fields are set before the first request
// and not changed afterwards.
type Site struct {
	// Authenticate tells who is asking: nil for nobody, an error (*Error with
	// status 401) for credentials that are present and bad.
	Authenticate func(r *http.Request) (any, error)
	// Throttle counts the request; not ok means it must wait. nil lets all pass.
	Throttle func(r *Request) (wait time.Duration, ok bool)
	// MapError turns an error of the application into *Error or *FieldErrors.
	// What it returns otherwise (or nil) is answered as ErrInternal.
	MapError func(r *Request, err error) error
	// LogError is told of every error that is answered with a 5xx.
	LogError func(r *Request, err error)
	// BaseURL is scheme and host of absolute links: "https://api.example.org".
	BaseURL func(r *http.Request) string
	// MaxBody limits request bodies, in bytes.
	MaxBody int64
	// Challenge is the WWW-Authenticate header of a 401.
	Challenge string
	// Vary is the Vary header of every answer.
	Vary string
	// Observe is asked once for each view, by Handler, whom to tell of the
	// view's answers; nil tells nobody.
	Observe func(v *View) Observer
}

// Observer is told of each answer of a view when it is complete: the request's
// method as the client spelled it, the status, and the time from the view's
// start. A handler that panics before it answers counts as a 500.
type Observer func(method string, status int, took time.Duration)

// methodOrder is the order in which DRF lists methods in Allow.
var methodOrder = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}

// Handler prepares the view and gives its handler. Register it without a
// method: the view itself answers for methods that it does not have, after
// authentication and throttling, as DRF does.
func (s *Site) Handler(v *View) http.Handler {
	v.site = s
	v.methods = make(map[string]HandlerFunc, len(v.Methods)+1)
	for _, m := range v.Methods {
		v.methods[m.Verb] = m.Handler
		if m.Verb == http.MethodGet {
			v.methods[http.MethodHead] = m.Handler
		}
	}
	v.methods[http.MethodOptions] = v.options
	v.allow = []string{strings.Join(v.AllowedMethods(), ", ")}
	vary := []string{s.Vary}
	challenge := []string{s.Challenge}
	var observe Observer
	if s.Observe != nil {
		observe = s.Observe(v)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r := &Request{Request: hr, View: v}
		if observe != nil {
			defer r.report(observe, time.Now())
		}
		h := w.Header()
		h["Allow"] = v.allow
		h["Vary"] = vary
		if err := s.serve(w, r); err != nil {
			s.fail(w, r, err, challenge)
		}
		if r.status == 0 {
			r.status = http.StatusOK // what net/http sends for a handler that says nothing
		}
	})
}

// report tells the observer of the answer. No status means that the handler
// panicked: http.Server, or who recovers before it, answers for it.
func (r *Request) report(observe Observer, began time.Time) {
	status := r.status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	observe(r.Method, status, time.Since(began))
}

// AllowedMethods lists the methods in DRF's order.
func (v *View) AllowedMethods() []string {
	var out []string
	for _, m := range methodOrder {
		has := m == http.MethodOptions || slices.ContainsFunc(v.Methods, func(x Method) bool {
			return x.Verb == m || m == http.MethodHead && x.Verb == http.MethodGet
		})
		if has {
			out = append(out, m)
		}
	}
	return out
}

// serve goes through DRF's steps in DRF's order: negotiation (406), who is
// asking (401), may they (403), how often (429), the method (405), the rest.
func (s *Site) serve(w http.ResponseWriter, r *Request) error {
	if err := r.negotiate(); err != nil {
		return err
	}
	v := r.View
	authenticate := s.Authenticate
	if v.Authenticate != nil {
		authenticate = v.Authenticate
	}
	if v.Auth != AuthIgnored && authenticate != nil {
		principal, err := authenticate(r.Request)
		if err != nil {
			return err
		}
		if principal == nil && v.Auth == AuthRequired {
			return ErrNotAuthenticated
		}
		r.Principal = principal
	}
	if v.Permit != nil {
		if err := v.Permit(r); err != nil {
			return err
		}
	}
	throttle := v.Throttle
	if throttle == nil {
		throttle = s.Throttle
	}
	if throttle != nil {
		if wait, ok := throttle(r); !ok {
			return ErrThrottled(wait)
		}
	}
	handler, ok := v.methods[r.Method]
	if !ok {
		return ErrMethodNotAllowed(r.Method)
	}
	return handler(w, r)
}

func (r *Request) negotiate() error {
	among := bothRenderers
	if strings.Contains(r.URL.RawQuery, "format") {
		switch f, _ := r.Query().Last("format"); f {
		case "":
		case "json":
			among = jsonRenderer
		case "api":
			among = htmlRenderer
		default:
			return ErrNotFound
		}
	}
	values, present := r.Header["Accept"]
	accept := ""
	if present {
		accept = values[0]
		if len(values) > 1 {
			accept = strings.Join(values, ",")
		}
	}
	if r.View.Streams && among&jsonRenderer != 0 && prefersStream(accept) {
		r.stream = true
		return nil
	}
	ok, indent := accepts(accept, present, among)
	if !ok {
		return ErrNotAcceptable
	}
	r.indent = indent
	return nil
}

// WantsStream reports whether the client prefers a stream of events to one
// answer; only for views that have Streams.
func (r *Request) WantsStream() bool { return r.stream }

// fail writes the answer that err stands for.
func (s *Site) fail(w http.ResponseWriter, r *Request, err error, challenge []string) {
	status, body, e := answerOf(err)
	if status == 0 && s.MapError != nil {
		if mapped := s.MapError(r, err); mapped != nil {
			status, body, e = answerOf(mapped)
		}
	}
	if status == 0 {
		status, body = ErrInternal.Status, ErrInternal.json()
	}
	if status >= 500 && s.LogError != nil {
		s.LogError(r, err)
	}
	if status == http.StatusUnauthorized {
		w.Header()["Www-Authenticate"] = challenge
	}
	if e != nil && e.RetryAfter > 0 {
		seconds := int64((e.RetryAfter + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	r.write(w, status, body)
}

// Data is the parsed body, read once. An empty body is an empty dictionary,
// whatever its media type. Errors are *Error: 400, 413, 415.
func (r *Request) Data() (Value, error) {
	if r.loaded {
		return r.data, nil
	}
	limit := r.View.site.MaxBody
	contentType := r.Header.Get("Content-Type")
	body, err := readBody(r.Request, limit)
	if err != nil {
		return Value{}, err
	}
	data, err := parseBody(body, contentType)
	if err != nil {
		return Value{}, err
	}
	r.data, r.loaded = data, true
	return data, nil
}

// announced is the largest body, in bytes, for which memory is set aside before
// it arrives.
const announced = 16 << 10

func readBody(r *http.Request, limit int64) ([]byte, error) {
	if limit > 0 && r.ContentLength > limit {
		return nil, ErrBodyTooLarge(limit)
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	reader := io.Reader(r.Body)
	if limit > 0 {
		reader = io.LimitReader(r.Body, limit+1)
	}
	var body []byte
	var err error
	// What a client announces is not what it sends: a large body gets its
	// memory as it arrives.
	if n := r.ContentLength; n > 0 && n <= announced {
		body = make([]byte, n)
		_, err = io.ReadFull(reader, body)
	} else {
		body, err = io.ReadAll(reader)
	}
	if err != nil {
		return nil, &Error{Status: http.StatusBadRequest, Detail: "The request body could not be read.", Err: err}
	}
	if limit > 0 && int64(len(body)) > limit {
		return nil, ErrBodyTooLarge(limit)
	}
	return body, nil
}

func parseBody(body []byte, contentType string) (Value, error) {
	parser, charset, ok := ParserFor(contentType)
	if len(body) == 0 {
		if ok && parser != ParserJSON {
			return ParseForm(nil)
		}
		return DictOf(), nil
	}
	if !ok {
		return Value{}, ErrUnsupportedMediaType(contentType)
	}
	var v Value
	var err error
	switch parser {
	case ParserForm:
		v, err = ParseFormCharset(body, charset)
	case ParserMultipart:
		v, err = ParseMultipart(body, contentType)
	default:
		if charset != "" {
			if body, err = DecodeCharset(body, charset); err != nil {
				return Value{}, ErrParse("JSON parse error - " + err.Error())
			}
		}
		v, err = ParseJSON(body, ParseOptions{})
	}
	if err != nil {
		return Value{}, ErrParse(err.Error())
	}
	return v, nil
}
