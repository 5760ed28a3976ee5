// Package api speaks the guide's dialect: Django REST Framework's, over the
// rooms. Each resource has a file with its fields, declared once, and its
// handlers; routes.go lists every path.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/audit"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/budget"
	"github.com/bdash/bdash/internal/cache"
	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/job"
	"github.com/bdash/bdash/internal/llm/models"
	"github.com/bdash/bdash/internal/notify"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/preference"
	"github.com/bdash/bdash/internal/theme"
	"github.com/bdash/bdash/internal/throttle"
	"github.com/bdash/bdash/internal/widget"
)

// Server answers the guide's API. Fields are set before Handler is called.
type Server struct {
	Accounts    *account.Service
	Auth        *auth.Service
	Themes      *theme.Service
	Dashboards  *dashboard.Service
	Preferences *preference.Service
	Widgets     *widget.Service
	Datasources *datasource.Service
	Agents      *agent.Service
	Models      Models
	Budgets     *budget.Service
	Runs        *agent.Runner
	Notify      *notify.Service
	Audit       *audit.Service
	Tasks       Tasks
	Events      Events
	Cache       cache.Cache
	Limiter     throttle.Limiter
	Rates       Rates
	Log         *slog.Logger
	Options     Options
	// Unavailable tells that an error means the database is away.
	Unavailable func(err error) bool
	// Ready tells whether the server can do its work, and what is missing.
	Ready func(ctx context.Context) error
	// Observe gives who is told of the answers of a view, by its path, or of
	// telemetry.Other, which is everything that is no view. nil tells nobody.
	Observe func(view string) drf.Observer
	// Metrics answers /metrics to whoever sends Options.MetricsToken.
	Metrics http.Handler

	site drf.Site
}

// Models knows the language models that can be used.
type Models interface {
	List() []models.Info
}

// Tasks finds background jobs.
type Tasks interface {
	Task(ctx context.Context, id int64) (job.Task, error)
}

// Rates are the throttles; a zero rate is off.
type Rates = throttle.Rates

// Options of the server.
type Options struct {
	// MaxBody limits request bodies, in bytes.
	MaxBody int64
	// TrustedProxies may say who the client is and which scheme it used.
	TrustedProxies []netip.Prefix
	// AllowedOrigins may read answers from a page: scheme, host and port.
	AllowedOrigins []string
	// Version of bdash, for OpenAPI.
	Version string
	// PublicURL is where this server is reached, for OpenAPI; may be empty.
	PublicURL string
	// MetricsToken opens /metrics; without it there is no such path.
	MetricsToken string
}

// pages is how lists are cut: the guide's PAGE_SIZE, and bdash's limit.
var pages = drf.Pages{Default: 20, Max: 100}

// access is who asks: nil without credentials.
func access(r *drf.Request) *auth.Access {
	a, _ := r.Principal.(*auth.Access)
	return a
}

// actor is who asks, as rooms want it; nobody is the zero Actor.
func actor(r *drf.Request) identity.Actor {
	if a := access(r); a != nil {
		return a.Actor()
	}
	return identity.Actor{}
}

// authenticate is simplejwt's JWTAuthentication, and API keys.
func (s *Server) authenticate(r *http.Request) (any, error) {
	// Several headers are one with commas: never a choice between credentials.
	header := strings.Join(r.Header["Authorization"], ",")
	if header == "" {
		return nil, nil
	}
	scheme, rest, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(header), "\t", " "), " ")
	if scheme != "Bearer" {
		return nil, nil // another scheme, or another spelling: no credentials
	}
	token := strings.TrimSpace(rest)
	if token == "" || hasSpace(token) {
		return nil, &drf.Error{Status: http.StatusUnauthorized, Code: "bad_authorization_header",
			Detail: "Authorization header must contain two space-delimited values"}
	}
	if auth.IsKey(token) {
		return s.authenticateKey(r, token)
	}
	a, err := s.Auth.Authenticate(r.Context(), token)
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// hasSpace finds ASCII's white space: strings.ContainsAny looks at each byte of
// the token, IndexByte at dozens at a time.
func hasSpace(s string) bool {
	for _, c := range [...]byte{' ', '\t', '\n', '\v', '\f', '\r'} {
		if strings.IndexByte(s, c) >= 0 {
			return true
		}
	}
	return false
}

func (s *Server) authenticateKey(r *http.Request, key string) (any, error) {
	a, err := s.Auth.AuthenticateKey(r.Context(), key)
	if err != nil {
		return nil, err
	}
	who := a.Actor()
	scope := identity.ScopeWrite
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		scope = identity.ScopeRead
	}
	if !who.May(scope) {
		return nil, &drf.Error{Status: http.StatusForbidden, Detail: `This API key does not have the scope "` + string(scope) + `".`}
	}
	return &a, nil
}

// bearer is the raw token of a request that was authenticated.
func bearer(r *drf.Request) string {
	_, token, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(r.Header.Get("Authorization")), "\t", " "), " ")
	return strings.TrimSpace(token)
}

// adminOnly and signedIn are what views may permit.
func adminOnly(r *drf.Request) error {
	if !actor(r).IsAdmin() {
		return drf.ErrPermissionDenied
	}
	return nil
}

func notByKey(r *drf.Request) error {
	if actor(r).ByKey() {
		return auth.ErrByKey
	}
	return nil
}

// pageRequest reads what a list is asked for.
func pageRequest(r *drf.Request, orderings []string, filters []drf.Filter) (page.Request, error) {
	q, err := pages.ListQuery(r, orderings, filters)
	if err != nil {
		return page.Request{}, err
	}
	req := page.Request{Number: q.Number, Last: q.Last, Size: q.Size, Search: strings.Join(q.Search, " "), Filters: q.Filters}
	for _, o := range q.Ordering {
		req.Ordering = append(req.Ordering, page.Order{Field: o.Field, Desc: o.Desc})
	}
	return req, nil
}

// respondPage writes a page of a list.
func respondPage[T, D any](w http.ResponseWriter, r *drf.Request, fields *drf.Serializer[T, D], res page.Result[T]) error {
	info := drf.PageInfo{Count: res.Count, Number: res.Number, Size: res.Size}
	return drf.RespondPage(w, r, info, res.Items, fields.Append)
}

// respondList writes a plain array.
func respondList[T, D any](w http.ResponseWriter, r *drf.Request, fields *drf.Serializer[T, D], items []T) error {
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = append(dst, '[')
		for i := range items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = fields.Append(dst, &items[i])
		}
		return append(dst, ']')
	})
}

// cached answers with the body that is kept under the key, or builds and keeps
// it. The key carries the version of what is shown, so that what is kept never
// grows stale.
func (s *Server) cached(w http.ResponseWriter, r *drf.Request, key string, ttl time.Duration, build func() ([]byte, error)) error {
	if body, ok := s.Cache.Get(r.Context(), key); ok {
		return r.RespondJSON(w, http.StatusOK, body)
	}
	body, err := build()
	if err != nil {
		return err
	}
	s.Cache.Set(r.Context(), key, body, ttl)
	return r.RespondJSON(w, http.StatusOK, body)
}

// logError writes down what was answered with a 5xx; a client that went away
// is not an error.
func (s *Server) logError(r *drf.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return
	}
	s.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "view", r.View.Path, "error", err)
}
