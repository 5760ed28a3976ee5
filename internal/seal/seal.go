// Package seal keeps secrets at rest: AES-256-GCM, with keys that HKDF derives
// from SECRET_KEY and its fallbacks.
//
// A sealed text names the key that sealed it, so that a text can be opened
// while its key is among the fallbacks, and found when it is to be sealed anew.
// It is bound to a place (what the secret is for): moved elsewhere it does
// not open.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Errors of Open.
var (
	// ErrKey: sealed by a key that is neither SECRET_KEY nor a fallback.
	ErrKey = errors.New("seal: sealed by an unknown key")
	// ErrBroken: changed, cut, or moved from its place.
	ErrBroken = errors.New("seal: not a sealed text of this place")
)

// version is the format: "v1.<key id>.<base64 of nonce and ciphertext>".
const version = "v1"

// Box seals and opens. Safe for concurrent use.
type Box struct {
	current string
	keys    map[string]cipher.AEAD
}

// New makes a Box that seals with the key and opens what any of the keys sealed.
func New(key string, fallbacks ...string) (*Box, error) {
	b := &Box{keys: map[string]cipher.AEAD{}}
	for i, secret := range append([]string{key}, fallbacks...) {
		id, aead, err := derive(secret)
		if err != nil {
			return nil, fmt.Errorf("seal: derive a key: %w", err)
		}
		if i == 0 {
			b.current = id
		}
		b.keys[id] = aead
	}
	return b, nil
}

// derive gives the key and its id. Both come from the secret by separate
// labels: the id, which is stored, tells nothing of the key.
func derive(secret string) (id string, _ cipher.AEAD, err error) {
	name, err := hkdf.Key(sha256.New, []byte(secret), nil, "bdash seal v1 key id", 8)
	if err != nil {
		return "", nil, err
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "bdash seal v1 aes-256-gcm", 32)
	if err != nil {
		return "", nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return hex.EncodeToString(name), aead, err
}

// KeyID is the id of the key that Seal uses.
func (b *Box) KeyID() string { return b.current }

// Seal encrypts the text for the place.
func (b *Box) Seal(place string, text []byte) string {
	sealed := b.keys[b.current].Seal(nil, nil, text, []byte(version+" "+place))
	return version + "." + b.current + "." + base64.RawURLEncoding.EncodeToString(sealed)
}

// Open gives the text back. ErrKey, ErrBroken.
func (b *Box) Open(place, sealed string) ([]byte, error) {
	format, rest, _ := strings.Cut(sealed, ".")
	id, data, found := strings.Cut(rest, ".")
	if format != version || !found {
		return nil, ErrBroken
	}
	aead, known := b.keys[id]
	if !known {
		return nil, ErrKey
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(data)
	if err != nil {
		return nil, ErrBroken
	}
	text, err := aead.Open(nil, nil, raw, []byte(version+" "+place))
	if err != nil {
		return nil, ErrBroken
	}
	return text, nil
}
