package realtime

import (
	"encoding/json"
	"hash/maphash"
	"strconv"
	"sync"

	"github.com/centrifugal/centrifuge"
)

const (
	publishers = 8
	// queueSize bounds what waits for one publisher: more is lost, and told.
	queueSize = 4096
	// maxLost is how many channels are remembered to have lost events; beyond
	// that everybody is told.
	maxLost = 1000
)

// job is an event to publish, or a user to check everywhere.
type job struct {
	channel Channel
	data    []byte
	recheck int64
}

var hashSeed = maphash.MakeSeed()

// Publish queues an event. Events of one channel that one goroutine publishes
// arrive in the order of the calls.
func (h *Hub) Publish(to Channel, e Event) {
	data, err := encode(e)
	if err != nil {
		h.log.Error("event cannot be published", "type", e.Type, "error", err)
		return
	}
	h.enqueue(job{channel: to, data: data})
}

// Recheck asks again, on every instance, whether the listeners of a user may
// stay: for whoever has ended a session, closed an account, changed a role.
func (h *Hub) Recheck(userID int64) {
	h.checks.user(userID) // here at once, whatever the broker does
	h.enqueue(job{channel: User(userID), recheck: userID})
}

func (h *Hub) enqueue(j job) {
	select {
	case h.queues[maphash.String(hashSeed, string(j.channel))%publishers] <- j:
	default:
		h.lose(j)
	}
}

// encode writes the part of a frame that is the same for all listeners.
func encode(e Event) ([]byte, error) {
	data, err := json.Marshal(e.Data)
	if err != nil {
		return nil, err
	}
	origin := []byte("null")
	if e.Origin != "" {
		if origin, err = json.Marshal(e.Origin); err != nil {
			return nil, err
		}
	}
	out := make([]byte, 0, len(e.Type)+len(data)+len(origin)+32)
	out = append(append(out, typeOpen...), e.Type...)
	out = append(append(out, `","data":`...), data...)
	out = append(append(out, `,"origin":`...), origin...)
	return append(out, '}'), nil
}

// typeOpen begins every encoded event.
const typeOpen = `{"type":"`

// publisher works a queue, and empties it before it ends.
func (h *Hub) publisher(queue chan job) {
	for {
		select {
		case j := <-queue:
			h.do(j)
		case <-h.closing:
			for {
				select {
				case j := <-queue:
					h.do(j)
				default:
					return
				}
			}
		}
	}
}

func (h *Hub) do(j job) {
	e := h.live.Load()
	if e == nil {
		h.lose(j)
		return
	}
	if j.recheck != 0 {
		// Whoever is not reached asks by itself within CheckEvery.
		if err := e.node.Notify(opRecheck, strconv.AppendInt(nil, j.recheck, 10), ""); err != nil {
			h.log.Warn("other instances were not told of an ended session", "error", err)
		}
		return
	}
	if err := publish(e.node, j.channel, j.data); err != nil {
		h.lose(j)
		return
	}
	h.stats.published.Add(1)
}

func publish(node *centrifuge.Node, to Channel, data []byte) error {
	_, err := node.Publish(string(to), data, centrifuge.WithHistory(keepCount, Keep))
	return err
}

// lose remembers that a stream lacks an event.
func (h *Hub) lose(j job) {
	if j.recheck != 0 {
		return
	}
	h.stats.dropped.Add(1)
	if h.lost.add(j.channel) {
		h.log.Warn("events were lost; their listeners will be told", "channel", string(j.channel))
	}
}

// lost are the streams that lack events.
type lost struct {
	mu       sync.Mutex
	channels map[Channel]bool
}

// add tells whether this is the first loss since all was well.
func (l *lost) add(c Channel) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := len(l.channels) == 0
	if first {
		l.channels = map[Channel]bool{}
	}
	if len(l.channels) >= maxLost && !l.channels[c] {
		clear(l.channels)
		c = Everyone
	}
	if !l.channels[Everyone] || c == Admins {
		l.channels[c] = true
	}
	return first
}

func (l *lost) list() []Channel {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Channel, 0, len(l.channels))
	for c := range l.channels {
		out = append(out, c)
	}
	return out
}

func (l *lost) drop(c Channel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.channels, c)
}

// resetReason is the data of Reset.
type resetReason struct {
	Reason string `json:"reason"`
}

// mend puts a reset into every stream that lacks an event.
func (h *Hub) mend(e *engine) {
	for _, c := range h.lost.list() {
		data, err := encode(Event{Type: Reset, Data: resetReason{"events were lost"}})
		if err != nil {
			return
		}
		// Dropped first: what is lost from now on needs another reset.
		h.lost.drop(c)
		if err := publish(e.node, c, data); err != nil {
			h.lost.add(c)
			return
		}
		h.stats.resets.Add(1)
	}
}
