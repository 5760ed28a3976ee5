package auth

import (
	"context"
	"maps"
	"sync"
	"time"
)

// seenEvery is how exactly last_seen_at and last_used_at are kept: a write per
// request would cost more than the request.
const seenEvery = time.Minute

// seenTracker collects when sessions and keys were used, between two flushes.
type seenTracker struct {
	mu       sync.Mutex
	sessions map[string]time.Time
	keys     map[int64]time.Time
	// noted remembers what was seen lately, so that the hot path mostly reads.
	noted sync.Map // string or int64 -> time.Time
}

func (t *seenTracker) session(id string, now func() time.Time) {
	if id == "" {
		return
	}
	t.note(id, now(), func(at time.Time) {
		if t.sessions == nil {
			t.sessions = make(map[string]time.Time)
		}
		t.sessions[id] = at
	})
}

func (t *seenTracker) key(id int64, now func() time.Time) {
	t.note(id, now(), func(at time.Time) {
		if t.keys == nil {
			t.keys = make(map[int64]time.Time)
		}
		t.keys[id] = at
	})
}

func (t *seenTracker) note(id any, now time.Time, add func(time.Time)) {
	if last, ok := t.noted.Load(id); ok && now.Sub(last.(time.Time)) < seenEvery {
		return
	}
	t.noted.Store(id, now)
	t.mu.Lock()
	add(now)
	t.mu.Unlock()
}

func (t *seenTracker) take() (map[string]time.Time, map[int64]time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sessions, keys := t.sessions, t.keys
	t.sessions, t.keys = nil, nil
	return sessions, keys
}

// putBack keeps what could not be written for the next flush. What was seen
// since is later, and stays.
func (t *seenTracker) putBack(sessions map[string]time.Time, keys map[int64]time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sessions, t.keys = merged(sessions, t.sessions), merged(keys, t.keys)
}

// merged adds the newer entries to the older ones; either may be nil.
func merged[K comparable](older, newer map[K]time.Time) map[K]time.Time {
	if older == nil {
		return newer
	}
	maps.Copy(older, newer)
	return older
}

// FlushSeen writes down when sessions and keys were last used. Call it every
// now and then, and before stopping.
func (s *Service) FlushSeen(ctx context.Context) error {
	now := s.Now()
	s.seen.noted.Range(func(id, at any) bool {
		if now.Sub(at.(time.Time)) >= seenEvery {
			s.seen.noted.Delete(id)
		}
		return true
	})
	sessions, keys := s.seen.take()
	if len(sessions) == 0 && len(keys) == 0 {
		return nil
	}
	err := s.Store.Seen(ctx, sessions, keys)
	if err != nil {
		s.seen.putBack(sessions, keys)
	}
	return err
}
