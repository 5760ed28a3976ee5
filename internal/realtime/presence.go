package realtime

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"
)

// attendEvery is how often comings and goings are told. A user who comes back
// within Config.Linger, as every reload of a page does, has not gone.
const attendEvery = 500 * time.Millisecond

// presentAt is what the broker keeps of each listener.
type presentAt struct {
	Node  string `json:"n"`
	Since int64  `json:"t"` // milliseconds
}

// presence is who listens to this process.
type presence struct {
	mu    sync.Mutex
	users map[int64]*attendance
}

type attendance struct {
	listeners int
	told      bool      // administrators were told that the user has come
	left      time.Time // when the last listener went
}

func (p *presence) come(userID int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == nil {
		p.users = map[int64]*attendance{}
	}
	a := p.users[userID]
	if a == nil {
		a = &attendance{}
		p.users[userID] = a
	}
	a.listeners++
}

func (p *presence) gone(userID int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.users[userID]; a != nil {
		if a.listeners--; a.listeners == 0 {
			a.left = time.Now()
		}
	}
}

// news are the users whose coming or going has not been told yet.
func (p *presence) news(linger time.Duration) (came, left []int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, a := range p.users {
		switch {
		case a.listeners > 0 && !a.told:
			came = append(came, id)
		case a.listeners == 0 && !a.told:
			delete(p.users, id) // came and went unnoticed
		case a.listeners == 0 && time.Since(a.left) >= linger:
			left = append(left, id)
		}
	}
	return came, left
}

// told notes what administrators know now.
func (p *presence) told(came, left []int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range came {
		if a := p.users[id]; a != nil {
			a.told = true
		}
	}
	for _, id := range left {
		if a := p.users[id]; a != nil && a.listeners == 0 {
			delete(p.users, id)
		} else if a != nil {
			a.told = false // back again just now
		}
	}
}

// attend tells administrators who comes and goes.
func (h *Hub) attend() {
	tick := time.NewTicker(attendEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.tellPresence()
		case <-h.closing:
			return
		}
	}
}

func (h *Hub) tellPresence() {
	came, left := h.presence.news(h.cfg.Linger)
	if len(came)+len(left) == 0 {
		return
	}
	present, err := h.present()
	if err != nil {
		return // Redis is away: told later
	}
	h.presence.told(came, left)
	slices.Sort(came)
	for _, id := range came {
		if h.firstHere(present[id]) {
			h.Publish(Admins, Event{Type: Online, Data: Presence{UserID: id, Online: true}})
		}
	}
	slices.Sort(left)
	for _, id := range left {
		if len(present[id]) == 0 {
			h.Publish(Admins, Event{Type: Online, Data: Presence{UserID: id}})
		}
	}
}

// firstHere: of all instances that a user listens to, the one that was first
// tells of it.
func (h *Hub) firstHere(at []presentAt) bool {
	if len(at) == 0 {
		return true
	}
	first := slices.MinFunc(at, func(a, b presentAt) int { return int(a.Since - b.Since) })
	return first.Node == h.live.Load().node.ID()
}

// present is who listens anywhere, and where.
func (h *Hub) present() (map[int64][]presentAt, error) {
	e := h.live.Load()
	if e == nil {
		return nil, ErrAway
	}
	found, err := e.node.Presence(string(Everyone))
	if err != nil {
		return nil, err
	}
	out := map[int64][]presentAt{}
	for _, info := range found.Presence {
		var at presentAt
		id, err := strconv.ParseInt(info.UserID, 10, 64)
		if err != nil || json.Unmarshal(info.ChanInfo, &at) != nil {
			continue
		}
		out[id] = append(out[id], at)
	}
	return out, nil
}

// Online lists the users who listen now, on any instance, in ascending order.
// Those of an instance that was killed stay for a minute. ErrAway.
func (h *Hub) Online(ctx context.Context) ([]int64, error) {
	present, err := h.present()
	if err != nil {
		h.log.WarnContext(ctx, "who is online cannot be told", "error", err)
		return nil, ErrAway
	}
	ids := make([]int64, 0, len(present))
	for id := range present {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, nil
}
