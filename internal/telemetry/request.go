package telemetry

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// longestRequestID bounds ids that clients bring, in bytes.
const longestRequestID = 64

type requestIDKey struct{}

// RequestIDKey is under which a context holds the id of its request, a string:
// for contexts that answer Value themselves. Others take WithRequestID.
var RequestIDKey any = requestIDKey{}

// WithRequestID returns a context that holds the id of a request.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID is the id that the context holds, or empty.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// NewRequestID makes an id that no other request has: 128 random bits in hex.
// It is a name and no secret, so it comes from the runtime's own generator,
// which the system seeds and which makes no system calls.
func NewRequestID() string {
	var b [16]byte
	binary.NativeEndian.PutUint64(b[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(b[8:], rand.Uint64())
	var id [32]byte
	hex.Encode(id[:], b[:])
	return string(id[:])
}

// ValidRequestID tells whether an id that a client or proxy sent may be used:
// 1 to 64 letters, digits and - _ . of ASCII, so that it can neither fill nor
// forge a log line or a header.
func ValidRequestID(id string) bool {
	if id == "" || len(id) > longestRequestID {
		return false
	}
	for _, c := range []byte(id) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}
