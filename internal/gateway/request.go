package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/password"
)

// request is one request of the API, with whoever is behind it.
type request struct {
	*http.Request
	w http.ResponseWriter
	// access is nil without credentials; token is what it came by.
	access *auth.Access
	token  string
	ip     netip.Addr
}

// actor is who asks; nobody is the zero Actor.
func (r *request) actor() identity.Actor {
	if r.access == nil {
		return identity.Actor{}
	}
	return r.access.Actor()
}

// handler answers a request: what it gives is the body of a 200. One that gives
// nil has answered already.
type handler func(r *request) (any, error)

// endpoint is a method of a path.
type endpoint struct {
	// public: no credentials are asked for.
	public bool
	// lenient: credentials that do not count are none.
	lenient bool
	// byAddress counts the request for its address, also that of a user.
	byAddress bool
	handle    handler
}

// signedIn is an endpoint for users.
func signedIn(h handler) endpoint { return endpoint{handle: h} }

// dispatch answers for one path. Methods count in any case: fetch sends "patch"
// as it is written.
func (s *Server) dispatch(methods map[string]endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		method := strings.ToUpper(hr.Method)
		if method == http.MethodHead {
			method = http.MethodGet
		}
		e, ok := methods[method]
		if !ok {
			s.wrongMethod(w, hr, methods, method)
			return
		}
		r := &request{Request: hr, w: w, ip: s.Trusted.IP(hr)}
		body, err := s.answer(r, e)
		switch {
		case err != nil:
			s.fail(w, hr, err)
		case body != nil:
			writeJSON(w, http.StatusOK, body)
		}
	}
}

func (s *Server) wrongMethod(w http.ResponseWriter, r *http.Request, methods map[string]endpoint, method string) {
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if _, ok := methods[m]; ok {
			allowed = append(allowed, m)
		}
	}
	w.Header().Set("Allow", strings.Join(append(allowed, http.MethodOptions), ", "))
	if method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeProblem(w, r, problem{status: http.StatusMethodNotAllowed, code: "METHOD_NOT_ALLOWED", message: "This method is not allowed here."})
}

func (s *Server) answer(r *request, e endpoint) (any, error) {
	if err := s.identify(r, e); err != nil {
		return nil, err
	}
	var wait time.Duration
	var ok bool
	if r.access != nil && !e.byAddress {
		wait, ok = s.Gate.User(r.Context(), r.access.User.ID)
	} else {
		wait, ok = s.Gate.Address(r.Context(), r.ip)
	}
	if !ok {
		return nil, throttled(wait)
	}
	if s.MaxBody > 0 {
		r.Body = http.MaxBytesReader(r.w, r.Body, s.MaxBody)
	}
	return e.handle(r)
}

func throttled(wait time.Duration) problem {
	return problem{status: http.StatusTooManyRequests, code: "THROTTLED", message: "Too many requests. Try again later.", retryAfter: wait}
}

var (
	errSignIn   = problem{status: http.StatusUnauthorized, code: "UNAUTHENTICATED", message: "Sign in first."}
	errOtherWeb = problem{status: http.StatusForbidden, code: "CROSS_ORIGIN", message: "This request came from another site."}
	errNotJSON  = problem{status: http.StatusUnsupportedMediaType, code: "UNSUPPORTED_MEDIA_TYPE", message: "Send JSON, as application/json."}
)

// identify finds who asks. A bearer always wins, also one that does not count:
// a cookie never speaks for somebody who said who they are. The cookie counts
// for themes only, whose caller carries no token, and there writes must come
// from this very origin and be JSON.
func (s *Server) identify(r *request, e endpoint) error {
	token, byCookie, err := s.credentials(r.Request)
	if err != nil {
		return err
	}
	if token == "" {
		if e.public {
			return s.sameOrigin(r.Request)
		}
		return errSignIn
	}
	if byCookie {
		if err := s.sameOrigin(r.Request); err != nil {
			return err
		}
		if unsafe(r.Method) && !isJSON(r.Header) {
			return errNotJSON
		}
	}
	a, err := s.authenticate(r, token, byCookie)
	if err != nil {
		if fault.KindOf(err) != fault.Unauthenticated {
			return err
		}
		if byCookie {
			s.clearCookie(r)
		}
		if e.lenient {
			return s.sameOrigin(r.Request)
		}
		return err
	}
	r.access, r.token = &a, token
	return nil
}

// sameOrigin refuses what a page of another site sends: it could sign a
// visitor in, or out.
func (s *Server) sameOrigin(r *http.Request) error {
	if s.crossOrigin.Check(r) != nil {
		return errOtherWeb
	}
	return nil
}

func unsafe(method string) bool {
	switch strings.ToUpper(method) {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return true
}

// credentials are the token of a request, and whether a cookie held it.
func (s *Server) credentials(r *http.Request) (token string, byCookie bool, err error) {
	// Several headers are one with commas: never a choice between credentials.
	scheme, rest, _ := strings.Cut(strings.TrimSpace(strings.Join(r.Header["Authorization"], ",")), " ")
	if strings.EqualFold(scheme, "Bearer") {
		if token = strings.TrimSpace(rest); token == "" || strings.ContainsAny(token, " \t,") {
			return "", false, auth.ErrToken
		}
		return token, false, nil
	}
	if !isThemes(r.URL.Path) {
		return "", false, nil
	}
	if c, err := r.Cookie(s.cookie(r)); err == nil && c.Value != "" {
		return c.Value, true, nil
	}
	return "", false, nil
}

// cookie is the name of the session cookie on the origin of the request.
func (s *Server) cookie(r *http.Request) string {
	if s.Trusted.Secure(r) {
		return secureCookieName
	}
	return cookieName
}

func (s *Server) authenticate(r *request, token string, byCookie bool) (auth.Access, error) {
	if byCookie || !auth.IsKey(token) {
		return s.Auth.Authenticate(r.Context(), token)
	}
	a, err := s.Auth.AuthenticateKey(r.Context(), token)
	if err != nil {
		return a, err
	}
	who, scope := a.Actor(), identity.ScopeRead
	if unsafe(r.Method) {
		scope = identity.ScopeWrite
	}
	if !who.May(scope) {
		return a, problem{status: http.StatusForbidden, code: "FORBIDDEN", message: `This API key does not have the scope "` + string(scope) + `".`}
	}
	return a, nil
}

// setCookie keeps the session for the calls that carry no token.
func (s *Server) setCookie(r *request, token string, life time.Duration) {
	http.SetCookie(r.w, &http.Cookie{
		Name: s.cookie(r.Request), Value: token, Path: "/", MaxAge: int(life / time.Second), HttpOnly: true,
		Secure: s.Trusted.Secure(r.Request), SameSite: http.SameSiteLaxMode,
	})
}

func (s *Server) clearCookie(r *request) { s.setCookie(r, "", -time.Second) }

func isJSON(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

// body reads the body, which may be empty.
func (r *request) body() ([]byte, error) {
	data, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, problem{status: http.StatusRequestEntityTooLarge, code: "TOO_LARGE", message: "The request body is too large."}
	case err != nil:
		return nil, problem{status: http.StatusBadRequest, code: "BAD_REQUEST", message: "The request body cannot be read."}
	case len(data) > 0 && !isJSON(r.Header):
		return nil, errNotJSON
	}
	return data, nil
}

// value is the body as JSON; an empty one is an empty object.
func (r *request) value() (drf.Value, error) {
	data, err := r.body()
	if err != nil {
		return drf.Value{}, err
	}
	if len(data) == 0 {
		return drf.DictOf(), nil
	}
	v, err := drf.ParseJSON(data, drf.ParseOptions{})
	if err != nil {
		return v, problem{status: http.StatusBadRequest, code: "BAD_JSON", message: "The request body is not JSON."}
	}
	if v.Kind() != drf.KindDict {
		return v, problem{status: http.StatusBadRequest, code: "BAD_JSON", message: "The request body must be a JSON object."}
	}
	return v, nil
}

// decode reads the body into d by the declaration of its fields.
func decode[T, D any](r *request, fields *drf.Serializer[T, D], d *D, mode drf.Mode) error {
	v, err := r.value()
	if err != nil {
		return err
	}
	return fields.DecodeValue(v, d, mode)
}

// words of kinds of faults.
var kinds = map[fault.Kind]struct {
	status int
	code   string
}{
	fault.Invalid:         {http.StatusBadRequest, "INVALID"},
	fault.Unauthenticated: {http.StatusUnauthorized, "UNAUTHENTICATED"},
	fault.Forbidden:       {http.StatusForbidden, "FORBIDDEN"},
	fault.NotFound:        {http.StatusNotFound, "NOT_FOUND"},
	fault.Conflict:        {http.StatusConflict, "CONFLICT"},
	fault.TooLarge:        {http.StatusRequestEntityTooLarge, "TOO_LARGE"},
	fault.Throttled:       {http.StatusTooManyRequests, "THROTTLED"},
	fault.Unavailable:     {http.StatusServiceUnavailable, "UNAVAILABLE"},
	fault.PaymentRequired: {http.StatusPaymentRequired, "PAYMENT_REQUIRED"},
}

// retryUnavailable is when to come back while the database is away.
const retryUnavailable = 2 * time.Second

// fieldNames are the rooms' names of fields where this dialect has others.
var fieldNames = map[string]string{"new_password": "password", "widgets_config": "widgets", "time_zone": "timeZone"}

// fail answers with an error, and logs it where it is ours.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problemOf(err)
	if p.status >= http.StatusInternalServerError && !(errors.Is(err, context.Canceled) && r.Context().Err() != nil) {
		s.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeProblem(w, r, p)
}

func (s *Server) problemOf(err error) problem {
	var p problem
	if errors.As(err, &p) {
		return p
	}
	var fields *drf.FieldErrors
	if errors.As(err, &fields) {
		return invalid(fields)
	}
	if errors.Is(err, page.ErrInvalid) {
		return problem{status: http.StatusNotFound, code: "NOT_FOUND", message: "There is no such page."}
	}
	if errors.Is(err, password.ErrBusy) {
		return problem{status: http.StatusServiceUnavailable, code: "UNAVAILABLE", message: "The server is busy with sign-ins. Try again in a moment.", retryAfter: time.Second}
	}
	if f, ok := fault.As(err); ok {
		return problemOfFault(f)
	}
	if s.Unavailable != nil && s.Unavailable(err) {
		return problem{status: http.StatusServiceUnavailable, code: "UNAVAILABLE", message: "The database cannot be reached. Try again in a moment.", retryAfter: retryUnavailable}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return problem{status: http.StatusServiceUnavailable, code: "UNAVAILABLE", message: "This took too long. Try again in a moment.", retryAfter: retryUnavailable}
	}
	return problem{status: http.StatusInternalServerError, code: "INTERNAL", message: "A server error occurred."}
}

func problemOfFault(f *fault.Error) problem {
	k, ok := kinds[f.Kind]
	if !ok {
		return problem{status: http.StatusInternalServerError, code: "INTERNAL", message: "A server error occurred."}
	}
	p := problem{status: k.status, code: k.code, message: f.Message, retryAfter: f.RetryAfter}
	for i, field := range f.Fields {
		name := field.Name
		if own := fieldNames[name]; own != "" {
			name = own
		}
		if p.details == nil {
			p.details = map[string][]string{}
		}
		p.details[name] = append(p.details[name], field.Message)
		if i == 0 {
			p.message = field.Message // the one line that a user may get to see
		}
	}
	return p
}

// invalid words errors of fields; the only one is the message too.
func invalid(fields *drf.FieldErrors) problem {
	p := problem{status: http.StatusBadRequest, code: "INVALID", message: "Invalid input."}
	if json.Unmarshal(fields.AppendJSON(nil), &p.details) != nil {
		p.details = nil
	}
	if len(p.details) == 1 {
		for _, messages := range p.details {
			if len(messages) > 0 {
				p.message = messages[0]
			}
		}
	}
	return p
}
