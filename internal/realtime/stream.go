package realtime

import (
	"bytes"
	"sync"

	"github.com/centrifugal/centrifuge"
	"github.com/centrifugal/protocol"
)

// sink is the way to one client. It is used by one goroutine at a time, except
// for close.
type sink interface {
	// write sends frames; kind is the frame's type.
	write(frames []frame) error
	// close ends the connection after what was written. It may be called twice.
	close(why centrifuge.Disconnect)
}

// frame is an event as it is sent: a JSON object with id, type, data and origin.
type frame struct {
	id, kind string
	body     []byte
}

// stream is centrifuge's transport for the plain doors: it turns what
// centrifuge pushes into frames.
type stream struct {
	hub   *Hub
	who   Listener
	door  Door
	out   sink
	since cursor // what the client has
	lost  bool   // the client has an id that says nothing

	mu    sync.Mutex
	at    cursor
	once  sync.Once
	ended chan struct{}
}

var _ centrifuge.Transport = (*stream)(nil)

// The properties of the transport: pushes in protobuf, which are quick to read,
// and no pings, for the doors have their own.
func (s *stream) Name() string                                { return s.door.String() }
func (s *stream) AcceptProtocol() string                      { return "" }
func (s *stream) Protocol() centrifuge.ProtocolType           { return centrifuge.ProtocolTypeProtobuf }
func (s *stream) ProtocolVersion() centrifuge.ProtocolVersion { return centrifuge.ProtocolVersion2 }
func (s *stream) Unidirectional() bool                        { return true }
func (s *stream) Emulation() bool                             { return false }
func (s *stream) DisabledPushFlags() uint64                   { return centrifuge.PushFlagDisconnect }
func (s *stream) PingPongConfig() centrifuge.PingPongConfig {
	return centrifuge.PingPongConfig{PingInterval: -1, PongTimeout: -1}
}

// Write implements centrifuge.Transport.
func (s *stream) Write(message []byte) error { return s.WriteMany(message) }

// WriteMany implements centrifuge.Transport.
func (s *stream) WriteMany(messages ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	frames := make([]frame, 0, len(messages))
	for _, m := range messages {
		var push protocol.Push
		if err := push.UnmarshalCF(m); err != nil {
			return err
		}
		switch {
		case push.Connect != nil:
			frames = s.begin(frames, push.Connect)
		case push.Pub != nil:
			frames = s.publication(frames, streamOf(push.Channel), push.Pub)
		case push.Message != nil:
			frames = append(frames, s.frame(push.Message.Data))
		}
	}
	if len(frames) == 0 {
		return nil
	}
	return s.out.write(frames)
}

// Close implements centrifuge.Transport.
func (s *stream) Close(why centrifuge.Disconnect) error {
	s.once.Do(func() {
		s.out.close(why)
		close(s.ended)
	})
	return nil
}

// begin tells the client that it listens, and what it has missed.
func (s *stream) begin(frames []frame, connect *protocol.Connect) []frame {
	missed := 0
	var top cursor
	for i, channel := range s.who.channels() {
		sub := connect.Subs[string(channel)]
		if sub == nil {
			continue
		}
		top[i] = position{known: true, epoch: sub.Epoch, offset: sub.Offset}
		if n := len(sub.Publications); n > 0 {
			top[i].offset = max(top[i].offset, sub.Publications[n-1].Offset)
		}
		s.at[i] = top[i]
		if s.since[i].known && sub.Recovered {
			s.at[i].offset = s.since[i].offset
		}
		missed += len(sub.Publications)
		s.lost = s.lost || sub.WasRecovering && !sub.Recovered
	}
	if s.lost {
		s.at = top
		s.hub.stats.resets.Add(1)
		return append(frames, s.ready(false), s.event(Event{Type: Reset, Data: resetReason{"missed events are no longer kept"}}))
	}
	frames = append(frames, s.ready(s.since != cursor{}))
	for i, channel := range s.who.channels() {
		for _, pub := range connect.Subs[string(channel)].GetPublications() {
			frames = s.publication(frames, i, pub)
		}
	}
	s.hub.stats.recovered.Add(uint64(missed))
	return frames
}

// readyData is the data of Ready.
type readyData struct {
	UserID int64 `json:"user_id"`
	// Resumed: what was missed follows; nothing is lost.
	Resumed bool `json:"resumed"`
}

func (s *stream) ready(resumed bool) frame {
	return s.event(Event{Type: Ready, Data: readyData{UserID: s.who.UserID, Resumed: resumed}})
}

// event makes the frame of an event that stands in no stream.
func (s *stream) event(e Event) frame {
	data, err := encode(e)
	if err != nil { // cannot be: the data is this package's own
		data = []byte(typeOpen + e.Type + `"}`)
	}
	return s.frame(data)
}

func (s *stream) publication(frames []frame, i int, pub *protocol.Publication) []frame {
	if p := &s.at[i]; pub.Offset > 0 {
		if p.known && pub.Offset <= p.offset {
			return frames // has it
		}
		p.known, p.offset = true, pub.Offset
		if pub.Epoch != "" {
			p.epoch = pub.Epoch
		}
	}
	return append(frames, s.frame(pub.Data))
}

// frame puts the id before what encode wrote.
func (s *stream) frame(data []byte) frame {
	id := s.at.append(make([]byte, 0, 64))
	body := make([]byte, 0, len(data)+len(id)+8)
	body = append(append(append(body, `{"id":"`...), id...), `",`...)
	body = append(body, bytes.TrimPrefix(data, []byte{'{'})...)
	kind := bytes.TrimPrefix(data, []byte(typeOpen))
	if end := bytes.IndexByte(kind, '"'); end >= 0 {
		kind = kind[:end]
	}
	return frame{id: string(id), kind: string(kind), body: body}
}
