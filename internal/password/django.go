package password

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"math/bits"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// digest is the hash function of a PBKDF2 hash; its size is that of the key.
type digest struct {
	new  func() hash.Hash
	size int // bytes
}

var (
	pbkdf2SHA256 = digest{sha256.New, sha256.Size}
	pbkdf2SHA1   = digest{sha1.New, sha1.Size}
)

// parsePBKDF2 reads "<rounds>$<salt>$<key>". The salt is taken as the text it is, not decoded.
func parsePBKDF2(rest string, d digest, lim limits) (stored, bool) {
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return stored{}, false
	}
	rounds, ok := number(parts[0], lim.pbkdf2Rounds)
	salt, want := parts[1], parts[2]
	if !ok || salt == "" || len(want) != base64.StdEncoding.EncodedLen(d.size) {
		return stored{}, false
	}
	return stored{matches: func(password string) bool {
		key, err := pbkdf2.Key(d.new, password, []byte(salt), int(rounds), d.size)
		return err == nil && equalEncoded(key, want)
	}}, true
}

// scryptKeyLength is Django's, in bytes.
const scryptKeyLength = 64

// parseScrypt reads "<N>$<salt>$<r>$<p>$<key>".
func parseScrypt(rest string, lim limits) (stored, bool) {
	parts := strings.Split(rest, "$")
	if len(parts) != 5 {
		return stored{}, false
	}
	salt, want := parts[1], parts[4]
	const most = 1 << 20 // of each parameter, so that no product below can overflow
	n, okN := number(parts[0], most)
	r, okR := number(parts[2], most)
	p, okP := number(parts[3], most)
	if !okN || !okR || !okP || n < 2 || bits.OnesCount64(n) != 1 || n*r*p > lim.scryptWork {
		return stored{}, false
	}
	memory := (128*r*(n+p) + 1023) / 1024 // KiB: RFC 7914 section 6, arrays V and B
	if memory > uint64(lim.memory) || salt == "" || len(want) != base64.StdEncoding.EncodedLen(scryptKeyLength) {
		return stored{}, false
	}
	return stored{memory: uint32(memory), matches: func(password string) bool {
		key, err := scrypt.Key([]byte(password), []byte(salt), int(n), int(r), int(p), scryptKeyLength)
		return err == nil && equalEncoded(key, want)
	}}, true
}

// Parts of a bcrypt text, "$2b$12$" + 22 characters of salt + 31 of key.
const (
	bcryptPrefix   = len("$2b$12$")
	bcryptLength   = bcryptPrefix + 22 + 31
	bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// parseBcryptSHA256 reads a bcrypt text made of the password's SHA-256 in hexadecimal, which is how Django gets around
// bcrypt's end at 72 bytes.
func parseBcryptSHA256(text string, lim limits) (stored, bool) {
	if len(text) != bcryptLength || text[6] != '$' || strings.Trim(text[bcryptPrefix:], bcryptAlphabet) != "" {
		return stored{}, false
	}
	switch text[:4] {
	case "$2a$", "$2b$", "$2y$": // names for one algorithm: they differ on texts that hexadecimal never is
	default:
		return stored{}, false
	}
	cost, ok := number(strings.TrimPrefix(text[4:6], "0"), lim.bcryptCost)
	if !ok || cost < uint64(bcrypt.MinCost) {
		return stored{}, false
	}
	return stored{matches: func(password string) bool {
		sum := sha256.Sum256([]byte(password))
		return bcrypt.CompareHashAndPassword([]byte(text), []byte(hex.EncodeToString(sum[:]))) == nil
	}}, true
}

// equalEncoded compares a key with its base64 text, as Django does: encoding the one rather than decoding the other
// leaves a single accepted spelling.
func equalEncoded(key []byte, want string) bool {
	return subtle.ConstantTimeCompare([]byte(base64.StdEncoding.EncodeToString(key)), []byte(want)) == 1
}
