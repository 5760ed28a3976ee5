package realtime

import "sync/atomic"

// Door is a way in.
type Door uint8

// The doors.
const (
	SSE Door = iota
	WebSocket
	Centrifuge
	doors
)

// String names the door, for metrics.
func (d Door) String() string { return [doors]string{"sse", "websocket", "centrifuge"}[d] }

type stats struct{ published, delivered, dropped, recovered, resets, cutOff atomic.Uint64 }

// Stats tell what the hub does in this process, since it was opened.
type Stats struct {
	// Open are the listeners that are connected, by the name of their door.
	Open map[string]int
	// Published events; Delivered counts each once for each listener. Recovered
	// were delivered to one who came back. Dropped could not be published.
	Published, Delivered, Recovered, Dropped uint64
	// Resets were sent instead of events; CutOff listeners were too slow.
	Resets, CutOff uint64
}

// Stats reads them.
func (h *Hub) Stats() Stats {
	s := Stats{
		Open: make(map[string]int, doors), Published: h.stats.published.Load(), Delivered: h.stats.delivered.Load(),
		Recovered: h.stats.recovered.Load(), Dropped: h.stats.dropped.Load(), Resets: h.stats.resets.Load(), CutOff: h.stats.cutOff.Load(),
	}
	for door, n := range h.listeners.byDoor() {
		s.Open[Door(door).String()] = n
	}
	return s
}
