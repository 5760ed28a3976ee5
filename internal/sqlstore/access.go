package sqlstore

import (
	"sync"

	"github.com/bdash/bdash/internal/auth"
)

// accessCache remembers who stands behind sessions and keys. It exists only
// where this process owns the database, that is on SQLite: every write of our
// own that matters forgets the user before it is acknowledged, and a write by
// another process (a command run beside the server) empties the whole cache
// before the next answer. On PostgreSQL every request asks the database.
//
// Safe for concurrent use.
type accessCache struct {
	foreign func() uint64

	mu sync.RWMutex
	// generation moves whenever something is forgotten. Who read the database
	// before that must not store what it read.
	generation  uint64
	seenForeign uint64
	entries     map[accessKey]auth.Access
	keys        map[int64][]accessKey // of a user
}

// accessKey names a session, a key by its hash, or a user with the id of a
// token that has no session.
type accessKey struct {
	kind accessKind
	user int64
	text string
}

type accessKind uint8

const (
	bySession accessKind = iota
	byUser
	byKey
)

// maxAccess bounds the cache; when it is full it starts anew.
const maxAccess = 50_000

// get gives what is remembered, and the generation for put otherwise.
func (c *accessCache) get(key accessKey) (a auth.Access, generation uint64, ok bool) {
	if c == nil {
		return a, 0, false
	}
	foreign := c.foreign()
	c.mu.RLock()
	if c.seenForeign == foreign {
		a, ok = c.entries[key]
		generation = c.generation
		c.mu.RUnlock()
		return a, generation, ok
	}
	c.mu.RUnlock()

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seenForeign != foreign {
		c.seenForeign = foreign
		c.clear()
	}
	return a, c.generation, false
}

// put remembers what was read after get, unless something was forgotten since.
func (c *accessCache) put(key accessKey, a auth.Access, generation uint64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation != generation {
		return
	}
	if len(c.entries) >= maxAccess {
		c.clear()
	}
	if c.entries == nil {
		c.entries, c.keys = make(map[accessKey]auth.Access), make(map[int64][]accessKey)
	}
	if _, has := c.entries[key]; !has {
		c.keys[a.User.ID] = append(c.keys[a.User.ID], key)
	}
	c.entries[key] = a
}

func (c *accessCache) clear() {
	c.generation++
	c.entries, c.keys = nil, nil
}

func (c *accessCache) forget(userID int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	for _, key := range c.keys[userID] {
		delete(c.entries, key)
	}
	delete(c.keys, userID)
}

// forgetAccess must be called after every committed write that changes what a
// request may do or which version of its data it reads.
func (d *DB) forgetAccess(userID int64) {
	if d.access != nil {
		d.access.forget(userID)
	}
}

// forgetWidgetEpoch is forgetAccess for a committed BumpWidgetEpoch, which
// everybody's requests carry.
func (d *DB) forgetWidgetEpoch() {
	if d.access == nil {
		return
	}
	d.access.mu.Lock()
	defer d.access.mu.Unlock()
	d.access.clear()
}
