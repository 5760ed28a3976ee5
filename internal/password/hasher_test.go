package password_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/bdash/bdash/internal/password"
)

// secret is the password of every hash written out in this file's tables.
const secret = "pässwörd-123"

// verify fails the test if Verify returns an error.
func verify(t *testing.T, h *password.Hasher, pw, encoded string) (ok, upgrade bool) {
	t.Helper()
	ok, upgrade, err := h.Verify(t.Context(), pw, encoded)
	if err != nil {
		t.Fatalf("Verify(%.40q, %.80q): %v", pw, encoded, err)
	}
	return ok, upgrade
}

func TestRecordedHashes(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../oracle/testdata/crypto.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Hashes []struct {
			Kind, Password, Encoded, Note string
			Valid                         bool
		}
	}
	if err := json.Unmarshal(raw, &recorded); err != nil {
		t.Fatal(err)
	}
	if len(recorded.Hashes) < 30 {
		t.Fatalf("recorded hashes = %d, want at least 30", len(recorded.Hashes))
	}
	h := password.NewHasher(password.Options{MaxWaiting: 1000})
	seen := make(map[string]bool)
	for _, c := range recorded.Hashes {
		first := !seen[c.Kind] // a wrong password takes as long as the right one: once for each kind is enough
		seen[c.Kind] = true
		t.Run(c.Kind, func(t *testing.T) {
			t.Parallel()
			ok, upgrade := verify(t, h, c.Password, c.Encoded)
			if ok != c.Valid || upgrade != c.Valid { // every foreign hash is to be upgraded
				t.Errorf("Verify(%q, %q) = %t, %t; want %t twice (%s)", c.Password, c.Encoded, ok, upgrade, c.Valid, c.Note)
			}
			if !first {
				return
			}
			if ok, upgrade := verify(t, h, c.Password+"x", c.Encoded); ok || upgrade {
				t.Errorf("Verify(%q, %q) = %t, %t; want false", c.Password+"x", c.Encoded, ok, upgrade)
			}
		})
	}
}

func TestHashIsVerified(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^argon2\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)
	h := password.NewHasher(password.Options{MaxWaiting: 1000})
	for _, pw := range []string{"password-123", secret, "", " ", "a\x00b", "not UTF-8: \xff\xfe", strings.Repeat("🎉", 10_000)} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			encoded, err := h.Hash(t.Context(), pw)
			if err != nil {
				t.Fatalf("Hash(%.40q): %v", pw, err)
			}
			if !form.MatchString(encoded) {
				t.Errorf("Hash(%.40q) = %q, want the form %s", pw, encoded, form)
			}
			if again, err := h.Hash(t.Context(), pw); err != nil || again == encoded {
				t.Errorf("Hash(%.40q) twice = %q, %v; want another salt", pw, again, err)
			}
			if ok, upgrade := verify(t, h, pw, encoded); !ok || upgrade {
				t.Errorf("Verify(%.40q, its own hash) = %t, %t; want true, false", pw, ok, upgrade)
			}
			for _, other := range []string{pw + "\x00", pw + " ", "x" + pw} {
				if ok, _ := verify(t, h, other, encoded); ok {
					t.Errorf("Verify(%.40q, the hash of %.40q) = true", other, pw)
				}
			}
		})
	}
}

// Hashes made with argon2-cffi, bcrypt and hashlib.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	const id = "argon2$argon2id$v=19$"
	tests := []struct {
		name, encoded string
		upgrade       bool
	}{
		{"today's parameters, as another implementation writes them",
			id + "m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$UbPKYSbKZ10KDZmmtRWstzsGMb2dCsWn3msZgkG+LYw", false},
		{"short key", id + "m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$8Z3wOp1QaFKbjjFwx0FO5A", true},
		{"short salt", id + "m=19456,t=2,p=1$c29tZXNhbHQ$Jx/27xdkbxsNDFOny2iaIbscnYNXr8ZOh8RtW17IueA", true},
		{"more passes", id + "m=19456,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$cfMbt0TkpgtA6vz9qN+DuJ2tsfabsbpQ3mdVV0C2RJ4", true},
		{"lanes and a long key", id + "m=64,t=1,p=8$c29tZXNhbHRzb21lc2FsdA$" +
			"lzd8dliqXUhN2iCDJaKCwNUSEY8qbznHDmmhjkIScNIro4qmGycD+Oz2qDKMOvdPuOkGRymXl3/mYlBJbCENWw", true},
		{"argon2i", "argon2$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$md4vrJfoPBSEWTqPMbyisQ", true},
		{"bcrypt 2a", "bcrypt_sha256$$2a$04$AcHel4r5kWFc6txGzRUVTe0RXyVznKMJfuNntUWaLyxVy7HF9Wn.y", true},
		{"bcrypt 2b", "bcrypt_sha256$$2b$04$ETn3e5vYfOBUgDuVxswO9eONNlGiqBmF3wjZKwBY29ePn7jZR/geW", true},
		{"one round, salt beyond ASCII", "pbkdf2_sha256$1$sält$/3sRUzdakNLFn57BpT9K0DSx1LRZooWga3YL+t+1xvQ=", true},
		{"pbkdf2_sha1", "pbkdf2_sha1$1000$seasalt$5G+ShwVSb64ov8fHcdRMEF/kaPM=", true},
		{"scrypt", "scrypt$1024$seasalt$8$2$5py/FFH2RDIjxKBx7mr3PSrPdcRHyKuxCJQuXBhVLmCPnZkfepOzZP/N+gnRGSz3Brx+g31C8VnCxpmqudt2Xg==", true},
		{"smallest scrypt", "scrypt$2$seasalt$1$1$fG0PWSKm7d+bMz+Lx3s8j4b7IwGHR4BVHcy3ncMo4uyh2x6r0HPxHhGXLPmp++7MHtO93cWhciRNLXivNQmqBQ==", true},
	}
	h := password.NewHasher(password.Options{MaxWaiting: 1000})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if ok, upgrade := verify(t, h, secret, tt.encoded); !ok || upgrade != tt.upgrade {
				t.Errorf("Verify = %t, %t; want true, %t", ok, upgrade, tt.upgrade)
			}
			if ok, upgrade := verify(t, h, "password-123", tt.encoded); ok || upgrade {
				t.Errorf("Verify of another password = %t, %t; want false, false", ok, upgrade)
			}
		})
	}
}

// Django neither truncates nor refuses a long password, not even under bcrypt with its 72 bytes.
func TestLongAndEmptyPasswords(t *testing.T) {
	t.Parallel()
	h := password.NewCheapHasher(password.Options{})
	long := strings.Repeat("pw", 2000)
	for _, tt := range []struct{ pw, other, encoded string }{
		{"", " ", "pbkdf2_sha256$10$seasalt$WMlEk/RJy667y6qBgWtaO+e5qauWKUqT78v1M4jLNqc="},
		{"", " ", "bcrypt_sha256$$2b$04$1oqOG3d2LeWCtGq6Si/qX.fAEnUYzIbxJKG9J.bkNFnkOBdk0vjCW"},
		{long, long[:3999], "pbkdf2_sha256$10$seasalt$CLN9GnW/0oHO2K7TAUsHfVdRCeIUGdcsGg0SdUkGzyI="},
		{long, long[:3999], "bcrypt_sha256$$2b$04$0Moj/yYdPpJik3SYzjIAKO70.XJfVkQKk2QQLphmgzZOJNQGPGQD6"},
	} {
		if ok, _ := verify(t, h, tt.pw, tt.encoded); !ok {
			t.Errorf("Verify(%.20q, %q) = false, want true", tt.pw, tt.encoded)
		}
		if ok, _ := verify(t, h, tt.other, tt.encoded); ok {
			t.Errorf("Verify(%.20q and %d bytes, %q) = true, want false", tt.other, len(tt.other), tt.encoded)
		}
	}
}

// Texts that are no hash, and respellings of sound hashes of secret that a lax reader would accept.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	const (
		key   = "$c29tZXNhbHRzb21lc2FsdA$md4vrJfoPBSEWTqPMbyisQ"
		argon = "argon2$argon2i$v=19$"
		pb    = "5G+ShwVSb64ov8fHcdRMEF/kaPM="
		sc    = "fG0PWSKm7d+bMz+Lx3s8j4b7IwGHR4BVHcy3ncMo4uyh2x6r0HPxHhGXLPmp++7MHtO93cWhciRNLXivNQmqBQ=="
		bc    = "bcrypt_sha256$$2b$04$ETn3e5vYfOBUgDuVxswO9eONNlGiqBmF3wjZKwBY29ePn7jZR/geW"
	)
	h := password.NewCheapHasher(password.Options{})
	for _, sound := range []string{argon + "m=256,t=2,p=2" + key, "pbkdf2_sha1$1000$seasalt$" + pb, "scrypt$2$seasalt$1$1$" + sc, bc} {
		if ok, _ := verify(t, h, secret, sound); !ok {
			t.Errorf("Verify(%q) = false: the table below proves nothing", sound)
		}
	}
	for _, encoded := range []string{
		"", "!", "!" + bc, "$", "$$$$$$", "argon2", "argon2$", "argon2$argon2id", "argon2$argon2id$v=19$$$", "md5$x$y", "plain",
		secret, "bcrypt" + strings.TrimPrefix(bc, "bcrypt_sha256"), strings.Repeat("argon2$", 1000), "pbkdf2_sha1$1000$seasalt$" + pb + strings.Repeat(" ", 1000),
		"argon2$argon2d$v=19$m=256,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$za0ROVbpB4SBu82EqPe63g",
		"argon2$argon2i$v=16$m=256,t=2,p=2" + key, "argon2$argon2i$m=256,t=2,p=2" + key, "argon2$Argon2i$v=19$m=256,t=2,p=2" + key,
		argon + "m=256,p=2,t=2" + key, argon + "m=256,t=2" + key, argon + "m=256,t=2,p=2,keyid=x" + key, argon + "m=0256,t=2,p=2" + key,
		argon + "m=+256,t=2,p=2" + key, argon + "m= 256,t=2,p=2" + key, argon + "m=256,t=0,p=2" + key, argon + "m=256,t=2,p=0" + key,
		argon + "m=-256,t=2,p=2" + key, argon + "256,2,2" + key, argon + "m=256,t=2,p=2" + key + "=", argon + "m=256,t=2,p=2" + key + "\n",
		argon + "m=256,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$md4vrJfoPBSEWTqPMbyisR", argon + "m=256,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$",
		argon + "m=256,t=2,p=2$$md4vrJfoPBSEWTqPMbyisQ", argon + "m=256,t=2,p=2" + key + "$",
		"pbkdf2_sha1$1000$$" + pb, "pbkdf2_sha1$$seasalt$" + pb, "pbkdf2_sha1$0$seasalt$" + pb, "pbkdf2_sha1$-1$seasalt$" + pb,
		"pbkdf2_sha1$01000$seasalt$" + pb, "pbkdf2_sha1$1000$sea$salt$" + pb, "pbkdf2_sha1$1000$seasalt$" + pb[:27], "pbkdf2_sha1$1e3$seasalt$" + pb,
		"pbkdf2_sha1$1000$seasalt$" + pb + "\n", "pbkdf2_sha256$1000$seasalt$" + pb, "pbkdf2_sha1$1_000$seasalt$" + pb, "pbkdf2_sha1$1000$seasalt$",
		"scrypt$1$seasalt$1$1$" + sc, "scrypt$3$seasalt$1$1$" + sc, "scrypt$0$seasalt$1$1$" + sc, "scrypt$2$seasalt$0$1$" + sc,
		"scrypt$2$seasalt$1$0$" + sc, "scrypt$2$$1$1$" + sc, "scrypt$2$seasalt$1$1$" + sc[:86], "scrypt$2$seasalt$1$" + sc,
		bc[:len(bc)-1], bc + "x", strings.Replace(bc, "2b", "2x", 1), strings.Replace(bc, "2b", "3b", 1), strings.Replace(bc, "04", "03", 1),
		strings.Replace(bc, "04", "00", 1), strings.Replace(bc, "04", "4$", 1), strings.Replace(bc, "04", "-4", 1), strings.Replace(bc, "e", "é", 1),
		strings.Replace(bc, "e", "!", 1),
	} {
		if ok, upgrade := verify(t, h, secret, encoded); ok || upgrade {
			t.Errorf("Verify(%.200q) = %t, %t; want false, false", encoded, ok, upgrade)
		}
	}
}

// Forms that no implementation writes, yet with the key that a computation would come to.
func TestUnsoundThoughComputable(t *testing.T) {
	t.Parallel()
	h := password.NewCheapHasher(password.Options{})
	salt := []byte("somesaltsomesalt")
	argon := func(memory uint32, threads uint8, salt []byte, length uint32) string {
		b64 := base64.RawStdEncoding
		return fmt.Sprintf("argon2$argon2id$v=19$m=%d,t=1,p=%d$%s$%s", memory, threads, b64.EncodeToString(salt),
			b64.EncodeToString(argon2.IDKey([]byte(secret), salt, 1, memory, threads, length)))
	}
	pb := func(salt string) string {
		key, err := pbkdf2.Key(sha256.New, secret, []byte(salt), 1, sha256.Size)
		if err != nil {
			t.Fatal(err)
		}
		return "pbkdf2_sha256$1$" + salt + "$" + base64.StdEncoding.EncodeToString(key)
	}
	for _, tt := range []struct {
		name, encoded string
		want          bool
	}{
		{"16 KiB in 2 lanes", argon(16, 2, salt, 16), true},
		{"15 KiB in 2 lanes", argon(15, 2, salt, 16), false},
		{"64 lanes", argon(512, 64, salt, 16), true},
		{"65 lanes", argon(520, 65, salt, 16), false},
		{"8 bytes of salt", argon(16, 2, salt[:8], 16), true},
		{"7 bytes of salt", argon(16, 2, salt[:7], 16), false},
		{"64 bytes of key", argon(16, 2, salt, 64), true},
		{"65 bytes of key", argon(16, 2, salt, 65), false},
		{"15 bytes of key", argon(16, 2, salt, 15), false},
		{"128 bytes in all", pb(strings.Repeat("s", 67)), true},
		{"513 bytes in all", pb(strings.Repeat("s", 452)), false},
	} {
		if ok, _ := verify(t, h, secret, tt.encoded); ok != tt.want {
			t.Errorf("%s: Verify(%q) = %t, want %t", tt.name, tt.encoded, ok, tt.want)
		}
	}
}

// If one of these were computed, the test would take hours or the machine's memory.
func TestAbsurdParameters(t *testing.T) {
	t.Parallel()
	const (
		key = "$c29tZXNhbHRzb21lc2FsdA$md4vrJfoPBSEWTqPMbyisQ"
		sc  = "fG0PWSKm7d+bMz+Lx3s8j4b7IwGHR4BVHcy3ncMo4uyh2x6r0HPxHhGXLPmp++7MHtO93cWhciRNLXivNQmqBQ=="
	)
	h := password.NewHasher(password.Options{MaxWaiting: 1000})
	for _, encoded := range []string{
		"argon2$argon2id$v=19$m=4294967295,t=1,p=1" + key, "argon2$argon2id$v=19$m=4294967304,t=1,p=1" + key,
		"argon2$argon2id$v=19$m=64,t=4294967295,p=1" + key, "argon2$argon2id$v=19$m=131072,t=131072,p=8" + key,
		"argon2$argon2id$v=19$m=131072,t=1,p=257" + key, "argon2$argon2id$v=19$m=99999999999999999999,t=1,p=1" + key,
		"pbkdf2_sha256$4000000000$salt$5G+ShwVSb64ov8fHcdRMEF/kaPM5G+ShwVSb64ov8fE=",
		"pbkdf2_sha256$99999999999999999999$salt$5G+ShwVSb64ov8fHcdRMEF/kaPM5G+ShwVSb64ov8fE=",
		"pbkdf2_sha1$2147483648$salt$5G+ShwVSb64ov8fHcdRMEF/kaPM=",
		"bcrypt_sha256$$2b$31$ETn3e5vYfOBUgDuVxswO9eONNlGiqBmF3wjZKwBY29ePn7jZR/geW",
		"bcrypt_sha256$$2b$99$ETn3e5vYfOBUgDuVxswO9eONNlGiqBmF3wjZKwBY29ePn7jZR/geW",
		"scrypt$1073741824$salt$8$1$" + sc, "scrypt$1048576$salt$1048576$1048576$" + sc, "scrypt$2$salt$1$1073741823$" + sc,
		"scrypt$1048576$salt$8$1$" + sc, "scrypt$16384$salt$8$1048576$" + sc, "scrypt$18446744073709551616$salt$8$1$" + sc,
		"scrypt$65536$salt$1$65536$" + sc, "scrypt$524288$salt$1$524288$" + sc,
	} {
		t.Run(encoded, func(t *testing.T) {
			t.Parallel()
			if ok, _ := verify(t, h, secret, encoded); ok {
				t.Errorf("Verify(%q) = true, want false", encoded)
			}
		})
	}
}

// On either side of each limit stands a sound hash of secret, so only the limit can tell them apart.
func TestLimitsAreExact(t *testing.T) {
	t.Parallel()
	h := password.NewCheapHasher(password.Options{})
	for _, tt := range []struct {
		name, encoded string
		want          bool
	}{
		{"1000 rounds", "pbkdf2_sha256$1000$seasalt$D6XHIlARRnJQjDt2r5/SIrsztUyxYKz+hNNVPZp4XnA=", true},
		{"1001 rounds", "pbkdf2_sha256$1001$seasalt$pTP+vA3YuzHDb8P2WmXfQtxoZu09a2zo9Nonw3gOTt8=", false},
		{"cost 4", "bcrypt_sha256$$2b$04$ETn3e5vYfOBUgDuVxswO9eONNlGiqBmF3wjZKwBY29ePn7jZR/geW", true},
		{"cost 5", "bcrypt_sha256$$2b$05$.9a3UtimdNlcfNcVi0TL0edyHt/EBMsS98P.NuYecxVIvj49c/Qfm", false},
		{"256 KiB", "argon2$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$md4vrJfoPBSEWTqPMbyisQ", true},
		{"19 MiB", "argon2$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$UbPKYSbKZ10KDZmmtRWstzsGMb2dCsWn3msZgkG+LYw", false},
		{"small scrypt", "scrypt$16$seasalt$1$5$XDtmnm6i0epco5YAVfU+sRAD2pu5/w0l7gzsGcS6KjAx1OVMDs3kDxyFttPTdXb3JyQtKb7Dg94SxkbF1fEAzg==", true},
		{"2 MiB scrypt", "scrypt$2048$seasalt$8$1$LieCHaWOvjvcjQZs7fBMqyoqysMcGESjs02Ma8Kx3IOFYvfIgAf3HNZYc5wrMI+J7pKNyZjCxEnqe3LOP4yX1A==", false},
	} {
		if ok, _ := verify(t, h, secret, tt.encoded); ok != tt.want {
			t.Errorf("%s: Verify = %t, want %t", tt.name, ok, tt.want)
		}
	}
}

// Memory stands for work here: argon2's cost is filling it, and unlike time it can be measured without a doubt. The test
// is not parallel, since it counts what the whole process allocates.
func TestNothingAnswersCheaply(t *testing.T) {
	h := password.NewHasher(password.Options{MaxConcurrent: 1})
	own, err := h.Hash(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	const least, most = 19456 << 10, 19456<<10 + 1<<20 // bytes
	for name, call := range map[string]func(){
		"wrong password":  func() { verify(t, h, "wrong", own) },
		"unusable":        func() { verify(t, h, secret, "!0OYssrAwBJo6rMwOYyBxhj0JnfgN2PgrFfvneE5H") },
		"empty":           func() { verify(t, h, secret, "") },
		"malformed":       func() { verify(t, h, secret, "pbkdf2_sha256$abc") },
		"absurd":          func() { verify(t, h, secret, strings.Replace(own, "m=19456", "m=4194304", 1)) },
		"no user at all":  func() { mustDummy(t, h, secret) },
		"empty, no user":  func() { mustDummy(t, h, "") },
		"a long password": func() { mustDummy(t, h, strings.Repeat("x", 100_000)) },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		call()
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got < least || got > most {
			t.Errorf("%s: allocated %d bytes, want %d to %d", name, got, least, most)
		}
	}
}

func mustDummy(t *testing.T, h *password.Hasher, pw string) {
	t.Helper()
	if err := h.VerifyDummy(context.Background(), pw); err != nil {
		t.Errorf("VerifyDummy(%.20q): %v", pw, err)
	}
}
