package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/realtime"
	"github.com/bdash/bdash/internal/throttle"
)

// Events lets listeners in and knows who they are.
type Events interface {
	ServeSSE(w http.ResponseWriter, r *http.Request, v realtime.Visitor) error
	ServeWebSocket(w http.ResponseWriter, r *http.Request, v realtime.Visitor) error
	ServeNative(w http.ResponseWriter, r *http.Request, v realtime.Visitor) error
	Online(ctx context.Context) ([]int64, error)
}

// eventsText describes the doors to OpenAPI's readers.
const eventsText = "Events come as Server-Sent Events here, as JSON messages at the WebSocket `/ws/`, and for SDKs of centrifuge at `/connection/websocket`. " +
	"Sign in with the header, with `?ticket=` (`POST auth/ticket/`; good once), or, on a WebSocket, with a first message `{\"type\":\"auth\",\"token\":\"…\"}` within 5 seconds. " +
	"API keys need the scope `read`. Tokens never stand in an address.\n\n" +
	"Each event is `{\"id\",\"type\",\"data\",\"origin\"}`; `origin` is the `X-Client-ID` of the request that caused it, or null. " +
	"The first is `ready`. Who comes back with the last id, as `Last-Event-ID` or `?since=`, within 10 minutes gets each missed event once, otherwise one `reset`: load anew.\n\n" +
	"Types: `theme:updated` {theme_id, change, updated_at}, `dashboard:updated` {view_id, version}, `widget:data` {widget_id}, `notification:new` {notification_id, kind}, " +
	"`task:updated` {task_id, kind, state, attempt}, `user:online` {user_id, online} for administrators, `session:ended` {} as the last one when what the stream was opened with is no longer good. " +
	"A WebSocket is closed with 1012 when the client is to come back at once, 1013 later, 4401 when it did not sign in, 4408 when it did not do so in time, 4501 when its session has ended."

func (s *Server) eventViews() []*drf.View {
	return tagged("events",
		&drf.View{Path: "events/", Name: "Events", Authenticate: s.authenticateListener, Streams: true, Methods: []drf.Method{
			{Verb: get, Handler: s.serveSSE, Doc: drf.Operation{
				ID: "events_stream", Summary: "Events as they happen", Text: eventsText, Produces: "text/event-stream", Errors: []int{http.StatusForbidden},
				Example: `"id: u.Yk3f.7~a.Zp0q.2\nevent: theme:updated\ndata: {\"id\":\"u.Yk3f.7~a.Zp0q.2\",\"type\":\"theme:updated\",\"data\":{\"theme_id\":5,\"change\":\"activated\",\"updated_at\":\"2026-01-02T03:04:05Z\"},\"origin\":null}\n\n"`,
				Params: []drf.Param{
					{Name: "ticket", Text: "A ticket, instead of the Authorization header."},
					{Name: "since", Text: "The id of the last event that the client has, where the header Last-Event-ID cannot be sent."},
				}}}}},
		&drf.View{Path: "users/online/", Name: "Users Online", Permit: adminOnly, Methods: []drf.Method{
			{Verb: get, Handler: s.usersOnline, Doc: drf.Operation{ID: "users_online", Summary: "Who listens to events now", Example: `{"users":[1,5,8]}`}}}},
	)
}

// mountSockets adds the doors that stand outside of the API.
func (s *Server) mountSockets(mux *http.ServeMux) {
	for pattern, handler := range map[string]drf.HandlerFunc{"/ws/{$}": s.serveWebSocket, "/connection/websocket": s.serveNative} {
		mux.Handle(pattern, s.site.Handler(&drf.View{
			Path: strings.TrimSuffix(strings.TrimPrefix(pattern, "/"), "{$}"), Name: "Events", Auth: drf.AuthOptional,
			Authenticate: s.authenticateListener, Permit: s.sameOrigin, Methods: []drf.Method{{Verb: get, Handler: handler}},
		}))
	}
}

// authenticateListener takes a ticket as well as the header.
func (s *Server) authenticateListener(r *http.Request) (any, error) {
	if len(r.Header["Authorization"]) > 0 {
		return s.authenticate(r)
	}
	ticket, given := drf.ParseQuery(r.URL.RawQuery).Last("ticket")
	if !given {
		return nil, nil
	}
	a, err := s.Auth.RedeemTicket(r.Context(), ticket)
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// errOrigin is the answer to a page of a foreign site.
var errOrigin = &drf.Error{Status: http.StatusForbidden, Detail: "This origin is not allowed."}

// sameOrigin lets a browser's WebSocket in from the allowed origins and from
// the server's own: nothing else keeps a page of another site from opening one.
func (s *Server) sameOrigin(r *drf.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" || origin == s.baseURL(r.Request) || slices.Contains(s.Options.AllowedOrigins, origin) {
		return nil
	}
	return errOrigin
}

// errUpgrade is the answer to a request that is no WebSocket's.
var errUpgrade = &drf.Error{Status: http.StatusUpgradeRequired, Detail: "Connect with a WebSocket here."}

func (s *Server) serveSSE(w http.ResponseWriter, r *drf.Request) error {
	v, err := s.visitor(r)
	if err != nil {
		return err
	}
	return s.Events.ServeSSE(w, unlimited(r.Request), v)
}

func (s *Server) serveWebSocket(w http.ResponseWriter, r *drf.Request) error {
	return s.serveSocket(w, r, s.Events.ServeWebSocket)
}

func (s *Server) serveNative(w http.ResponseWriter, r *drf.Request) error {
	return s.serveSocket(w, r, s.Events.ServeNative)
}

func (s *Server) serveSocket(w http.ResponseWriter, r *drf.Request, serve func(http.ResponseWriter, *http.Request, realtime.Visitor) error) error {
	if r.Method != http.MethodGet || !realtime.IsWebSocket(r.Request) {
		w.Header().Set("Upgrade", "websocket")
		return errUpgrade
	}
	v, err := s.visitor(r)
	if err != nil {
		return err
	}
	err = serve(w, unlimited(r.Request), v)
	if errors.Is(err, realtime.ErrHandshake) {
		return &drf.Error{Status: http.StatusBadRequest, Detail: "This is no proper handshake of a WebSocket.", Err: err}
	}
	return err
}

// visitor is who comes to a door: known by its credentials, or to sign in with
// its first message.
func (s *Server) visitor(r *drf.Request) (realtime.Visitor, error) {
	v := realtime.Visitor{Address: throttle.ClientKey(s.clientIP(r.Request)), SignIn: s.signInListener, Since: r.Header.Get("Last-Event-ID")}
	if since, given := r.Query().Last("since"); given && v.Since == "" {
		v.Since = since
	}
	if a := access(r); a != nil {
		who, err := s.listener(a, bearer(r))
		if err != nil {
			return v, err
		}
		v.Who = &who
	}
	return v, nil
}

// signInListener judges the token of a first message.
func (s *Server) signInListener(ctx context.Context, token string) (realtime.Listener, error) {
	a, err := s.Auth.Bearer(ctx, token)
	if err != nil {
		return realtime.Listener{}, err
	}
	return s.listener(&a, token)
}

func (s *Server) listener(a *auth.Access, raw string) (realtime.Listener, error) {
	pass, err := s.Auth.Pass(a, raw)
	if err != nil {
		return realtime.Listener{}, err
	}
	return realtime.Listener{UserID: pass.UserID, Admin: pass.Admin, Pass: pass}, nil
}

func (s *Server) usersOnline(w http.ResponseWriter, r *drf.Request) error {
	ids, err := s.Events.Online(r.Context())
	if err != nil {
		return err
	}
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = append(dst, `{"users":[`...)
		for i, id := range ids {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(dst, id, 10)
		}
		return append(dst, `]}`...)
	})
}
