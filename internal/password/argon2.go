package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

const (
	saltLength = 16 // bytes; RFC 9106 section 3.1 recommends 128 bits
	keyLength  = 32 // bytes
)

// What an argon2 hash from elsewhere may measure, in bytes. The RFC allows keys of 4 bytes, but so short a key is met by
// chance; salts are at least 8 bytes in every implementation of the reference code.
const (
	minSalt, maxSalt = 8, 64
	minKey, maxKey   = 16, 64
	maxThreads       = 64
)

// argonParams are the cost parameters of argon2.
type argonParams struct {
	memory  uint32 // KiB
	time    uint32 // passes
	threads uint8
}

// currentParams is the argon2id minimum of OWASP's Password Storage Cheat Sheet.
var currentParams = argonParams{memory: 19456, time: 2, threads: 1}

// key computes the argon2id key of length bytes.
func (p argonParams) key(password string, salt []byte, length uint32) []byte {
	return argon2.IDKey([]byte(password), salt, p.time, p.memory, p.threads, length)
}

// encode computes the argon2id hash of password and writes it in Django's form.
func (p argonParams) encode(password string, salt []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("argon2$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads,
		b64.EncodeToString(salt), b64.EncodeToString(p.key(password, salt, keyLength)))
}

func newSalt() []byte {
	salt := make([]byte, saltLength)
	rand.Read(salt) // never fails: the runtime ends the process rather than go on without randomness
	return salt
}

// argonHash is a parsed hash of argon2id or argon2i.
type argonHash struct {
	argonParams
	hybrid    bool // argon2id, not argon2i
	salt, sum []byte
}

// isCurrent reports whether Hash with params would make a hash of this kind.
func (a *argonHash) isCurrent(params argonParams) bool {
	return a.hybrid && a.argonParams == params && len(a.salt) >= saltLength && len(a.sum) == keyLength
}

func (a *argonHash) matches(password string) bool {
	var sum []byte
	if a.hybrid {
		sum = a.key(password, a.salt, uint32(len(a.sum)))
	} else {
		sum = argon2.Key([]byte(password), a.salt, a.time, a.memory, a.threads, uint32(len(a.sum)))
	}
	return subtle.ConstantTimeCompare(sum, a.sum) == 1
}

// parseArgon2 reads "<variety>$v=19$m=…,t=…,p=…$<salt>$<key>". Argon2d and the hashes of version 16, which Django wrote
// without "v=", are refused: x/crypto computes neither.
func parseArgon2(rest string, lim limits) (stored, bool) {
	parts := strings.Split(rest, "$")
	if len(parts) != 5 || parts[1] != fmt.Sprintf("v=%d", argon2.Version) {
		return stored{}, false
	}
	hash := &argonHash{hybrid: parts[0] == "argon2id"}
	if !hash.hybrid && parts[0] != "argon2i" {
		return stored{}, false
	}
	var ok bool
	if hash.argonParams, ok = parseArgonParams(parts[2], lim); !ok {
		return stored{}, false
	}
	if hash.salt, ok = decodeExact(parts[3], minSalt, maxSalt); !ok {
		return stored{}, false
	}
	if hash.sum, ok = decodeExact(parts[4], minKey, maxKey); !ok {
		return stored{}, false
	}
	return stored{memory: hash.memory, matches: hash.matches, argon: hash}, true
}

func parseArgonParams(s string, lim limits) (argonParams, bool) {
	parts := strings.Split(s, ",")
	if len(parts) != 3 {
		return argonParams{}, false
	}
	var values [3]uint64
	for i, most := range []uint64{uint64(lim.memory), lim.argonWork, maxThreads} {
		text, found := strings.CutPrefix(parts[i], []string{"m=", "t=", "p="}[i])
		n, ok := number(text, most)
		if !found || !ok {
			return argonParams{}, false
		}
		values[i] = n
	}
	memory, time, threads := values[0], values[1], values[2]
	// Below 8 KiB a lane the algorithm is undefined (RFC 9106 section 3.1), and x/crypto would quietly take more.
	if memory < 8*threads || memory*time > lim.argonWork {
		return argonParams{}, false
	}
	return argonParams{memory: uint32(memory), time: uint32(time), threads: uint8(threads)}, true
}

// decodeExact decodes base64 without padding into at least least and at most most bytes, and refuses every spelling of
// them but the canonical one: the decoder by itself passes over line breaks and loose bits.
func decodeExact(s string, least, most int) ([]byte, bool) {
	raw, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(raw) < least || len(raw) > most {
		return nil, false
	}
	return raw, base64.RawStdEncoding.EncodeToString(raw) == s
}
