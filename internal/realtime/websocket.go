package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/gorilla/websocket"
)

// Codes that a plain socket is closed with, besides RFC 6455's own: 1012 asks
// the client to come back at once, 1013 later.
const (
	CloseUnauthorized = 4401 // the first message did not sign in
	CloseTimeout      = 4408 // there was no first message in time
	CloseDismissed    = 4501 // what let the client in is no longer good
)

// maxMessage bounds what a plain socket may send, in bytes: a token, mostly.
const maxMessage = 16 << 10

// upgrader: the origin was checked before.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: writeTimeout, WriteBufferPool: &sync.Pool{},
	CheckOrigin: func(*http.Request) bool { return true },
	Error:       func(http.ResponseWriter, *http.Request, int, error) {}, // the caller answers
}

// IsWebSocket tells whether the request asks for a WebSocket.
func IsWebSocket(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

// ErrHandshake refuses a request that is no proper handshake of a WebSocket.
var ErrHandshake = errors.New("realtime: bad websocket handshake")

// wsSink writes one text message for each frame.
type wsSink struct{ conn *websocket.Conn }

func (s wsSink) write(frames []frame) error {
	for _, f := range frames {
		if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		if err := s.conn.WriteMessage(websocket.TextMessage, f.body); err != nil {
			return err
		}
	}
	return nil
}

func (s wsSink) close(why centrifuge.Disconnect) {
	code := websocket.CloseServiceRestart
	switch why.Code {
	case centrifuge.DisconnectConnectionClosed.Code:
		code = websocket.CloseNormalClosure
	case dismissed.Code:
		code = CloseDismissed
	case centrifuge.DisconnectSlow.Code, centrifuge.DisconnectServerError.Code, centrifuge.DisconnectConnectionLimit.Code:
		code = websocket.CloseTryAgainLater
	}
	s.end(code, why.Reason)
}

// closeTimeout is how long the closing message may take.
const closeTimeout = time.Second

func (s wsSink) end(code int, reason string) {
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(closeTimeout))
	_ = s.conn.Close()
}

// firstMessage is what a socket without header or ticket must send first.
type firstMessage struct {
	Type  string `json:"type"`
	Token string `json:"token"`
	Since string `json:"since"`
}

// ServeWebSocket sends each event as a JSON text message until the client goes
// or is sent away. It returns an error before anything is answered, or nil;
// ErrHandshake for a request that is none.
func (h *Hub) ServeWebSocket(w http.ResponseWriter, r *http.Request, v Visitor) error {
	a, err := h.arrive(v, WebSocket)
	if err != nil {
		return err
	}
	defer a.release()
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return errors.Join(ErrHandshake, err)
	}
	out := wsSink{conn}
	defer conn.Close()
	conn.SetReadLimit(maxMessage)
	if a.visitor.Who == nil && !h.introduce(r.Context(), conn, a, out) {
		return nil
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		defer cancel()
		h.read(conn)
	}()
	err = h.listen(ctx, a, out, func(s *stream) { h.ping(ctx, s, conn) })
	if err != nil {
		h.log.ErrorContext(r.Context(), "socket failed", "error", err)
	}
	return nil
}

// turnAway closes a socket that has not signed in. Its place is given back
// first: the client may try again at once.
func (a *arrival) turnAway(out wsSink, code int, reason string) {
	a.release()
	out.end(code, reason)
}

// introduce waits for the first message and tells whether it signed in.
func (h *Hub) introduce(ctx context.Context, conn *websocket.Conn, a *arrival, out wsSink) bool {
	_ = conn.SetReadDeadline(time.Now().Add(h.cfg.SignInWithin))
	kind, text, err := conn.ReadMessage()
	if err != nil {
		if ne, ok := errors.AsType[interface {
			error
			Timeout() bool
		}](err); ok && ne.Timeout() {
			a.turnAway(out, CloseTimeout, "no sign-in")
		}
		return false
	}
	var first firstMessage
	if kind != websocket.TextMessage || json.Unmarshal(text, &first) != nil || first.Type != "auth" {
		a.turnAway(out, CloseUnauthorized, "not signed in")
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := a.signIn(ctx, first.Token); err != nil {
		if errors.Is(err, centrifuge.DisconnectInvalidToken) {
			a.turnAway(out, CloseUnauthorized, "not signed in")
		} else {
			a.turnAway(out, websocket.CloseTryAgainLater, "try again")
		}
		return false
	}
	if h.admit(a, *a.visitor.Who) != nil {
		a.turnAway(out, websocket.CloseTryAgainLater, "too many sockets")
		return false
	}
	if first.Since != "" {
		a.visitor.Since = first.Since
	}
	return true
}

// read keeps the socket alive, and throws away what the client sends: there is
// nothing to be said here. It returns when the socket is gone.
func (h *Hub) read(conn *websocket.Conn) {
	alive := func(string) error { return conn.SetReadDeadline(time.Now().Add(2*h.cfg.Heartbeat + writeTimeout)) }
	_ = alive("")
	conn.SetPongHandler(alive)
	for {
		if _, _, err := conn.NextReader(); err != nil {
			return
		}
	}
}

func (h *Hub) ping(ctx context.Context, s *stream, conn *websocket.Conn) {
	tick := time.NewTicker(h.cfg.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.ended:
			return
		case <-tick.C:
			if conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)) != nil {
				return
			}
		}
	}
}
