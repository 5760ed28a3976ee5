package password

import (
	"strconv"
	"strings"
)

// maxEncoded is the length in bytes above which a text is no hash. Django's column holds 128.
const maxEncoded = 512

// limits bounds what verifying one stored hash may cost. Hashes come from a database that somebody else may have filled,
// so their parameters are input like any other.
type limits struct {
	memory       uint32 // KiB
	argonWork    uint64 // KiB filled: memory times passes
	pbkdf2Rounds uint64
	bcryptCost   uint64 // the logarithm, as bcrypt writes it
	scryptWork   uint64 // N times r times p
}

// defaultLimits leaves room above every default that Django has had (argon2: 100 MiB twice; pbkdf2: 1,000,000 rounds in
// 5.2; bcrypt: 12; scrypt: 16384×8×5 in 5.1) and keeps one verification at or below some two seconds of a processor.
var defaultLimits = limits{
	memory:       128 << 10,
	argonWork:    1 << 20,
	pbkdf2Rounds: 5_000_000,
	bcryptCost:   15,
	scryptWork:   1 << 22,
}

// stored is a hash whose text and parameters have been found sound.
type stored struct {
	memory  uint32 // KiB that matches takes
	matches func(password string) bool
	argon   *argonHash // nil when the hash is of another algorithm
}

// outdated reports whether the hash differs from what Hash would make with the given parameters.
func (s stored) outdated(current argonParams) bool {
	return s.argon == nil || !s.argon.isCurrent(current)
}

// parse reads a hash in Django's form; ok is false for everything that cannot or must not be computed. It is cheap.
func parse(encoded string, lim limits) (hash stored, ok bool) {
	if len(encoded) > maxEncoded {
		return stored{}, false
	}
	algorithm, rest, found := strings.Cut(encoded, "$")
	if !found {
		return stored{}, false
	}
	switch algorithm {
	case "argon2":
		return parseArgon2(rest, lim)
	case "pbkdf2_sha256":
		return parsePBKDF2(rest, pbkdf2SHA256, lim)
	case "pbkdf2_sha1":
		return parsePBKDF2(rest, pbkdf2SHA1, lim)
	case "bcrypt_sha256":
		return parseBcryptSHA256(rest, lim)
	case "scrypt":
		return parseScrypt(rest, lim)
	default:
		return stored{}, false
	}
}

// number reads a decimal from 1 to limit, written the only way Django writes it: digits, no sign, no leading zero.
func number(s string, limit uint64) (n uint64, ok bool) {
	if strings.HasPrefix(s, "0") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= limit
}
