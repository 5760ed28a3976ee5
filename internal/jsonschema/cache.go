package jsonschema

import "sync"

// remembered keeps compiled schemas by their text: compiling costs far more
// than checking. When it is full it starts anew.
//
// Safe for concurrent use.
type remembered struct {
	mu      sync.RWMutex
	schemas map[string]*Schema
	bytes   int
}

// maxRemembered limits the texts together, in bytes. A compiled schema takes
// many times the memory of its text.
const maxRemembered = 1 << 20

var compiled remembered

func (r *remembered) get(raw []byte) (*Schema, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s, ok := r.schemas[string(raw)]
	return s, ok
}

func (r *remembered) put(raw []byte, s *Schema) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.schemas[string(raw)]; ok {
		return
	}
	if r.bytes+len(raw) > maxRemembered || r.schemas == nil {
		r.schemas, r.bytes = make(map[string]*Schema), 0
	}
	r.schemas[string(raw)] = s
	r.bytes += len(raw)
}
