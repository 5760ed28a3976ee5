package realtime

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge"

	"github.com/bdash/bdash/internal/fault"
)

// Visitor is who comes to a door.
type Visitor struct {
	// Who was let in by a header or a ticket; nil must sign in by the first
	// message, which SignIn judges. Its faults of the kind Unauthenticated and
	// Forbidden turn the visitor away.
	Who    *Listener
	SignIn func(ctx context.Context, token string) (Listener, error)
	// Address is what sockets without sign-in are counted by.
	Address string
	// Since is the id of the last event that the visitor has; empty begins now.
	Since string
}

// arrival is a visitor at a door.
type arrival struct {
	hub     *Hub
	visitor Visitor
	door    Door
	release func() // gives back what sockets without sign-in are counted by
}

type arrivalKey struct{}

// arrive counts the visitor if it is a stranger. The caller calls release in
// any case.
func (h *Hub) arrive(v Visitor, door Door) (*arrival, error) {
	a := &arrival{hub: h, visitor: v, door: door, release: func() {}}
	if h.full.Load() || h.away.Load() || h.live.Load() == nil {
		return nil, ErrAway
	}
	if v.Who != nil {
		return a, h.admit(a, *v.Who)
	}
	if !h.strangers.take(v.Address, h.cfg.PerAddress) {
		return nil, ErrStrangers
	}
	a.release = sync.OnceFunc(func() { h.strangers.release(v.Address) })
	return a, nil
}

// admit refuses more listeners of one user than PerUser, give or take those
// that come at the same moment.
func (h *Hub) admit(_ *arrival, who Listener) error {
	if h.full.Load() {
		return ErrAway
	}
	if h.listeners.count(who.UserID) >= h.cfg.PerUser {
		return ErrTooMany
	}
	return nil
}

// signIn judges the first message. Its errors are what centrifuge closes with.
func (a *arrival) signIn(ctx context.Context, token string) error {
	if token == "" {
		return centrifuge.DisconnectInvalidToken
	}
	who, err := a.visitor.SignIn(ctx, token)
	if kind := fault.KindOf(err); kind == fault.Unauthenticated || kind == fault.Forbidden {
		return centrifuge.DisconnectInvalidToken
	}
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			a.hub.log.ErrorContext(ctx, "sign-in at a door of events failed", "error", err)
		}
		return centrifuge.DisconnectServerError
	}
	a.visitor.Who = &who
	a.release()
	return nil
}

// listen connects the visitor, who is signed in, to its streams, and returns
// when the connection has ended. run is called once the visitor listens.
func (h *Hub) listen(ctx context.Context, a *arrival, out sink, run func(s *stream)) error {
	since, known := parseCursor(a.visitor.Since)
	s := &stream{hub: h, who: *a.visitor.Who, door: a.door, out: out, since: since, lost: a.visitor.Since != "" && !known, ended: make(chan struct{})}
	client, closeClient, err := centrifuge.NewClient(context.WithValue(ctx, arrivalKey{}, a), h.live.Load().node, s)
	if err != nil {
		return err
	}
	defer func() { _ = closeClient() }()
	client.Connect(centrifuge.ConnectRequest{Subs: since.since(s.who)})
	run(s)
	return nil
}

// ServeNative speaks centrifuge's own protocol, for its SDKs. It returns an
// error before anything is answered, or nil.
func (h *Hub) ServeNative(w http.ResponseWriter, r *http.Request, v Visitor) error {
	a, err := h.arrive(v, Centrifuge)
	if err != nil {
		return err
	}
	defer a.release()
	h.live.Load().native.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), arrivalKey{}, a)))
	return nil
}

// maxCommand bounds what a client of centrifuge's protocol sends, in bytes: a
// token, mostly.
const maxCommand = 16 << 10

// writeTimeout is how long one write may take.
const writeTimeout = 10 * time.Second

func nativeHandler(node *centrifuge.Node) *centrifuge.WebsocketHandler {
	return centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		CheckOrigin:      func(*http.Request) bool { return true }, // checked before
		MessageSizeLimit: maxCommand, WriteTimeout: writeTimeout,
	})
}
