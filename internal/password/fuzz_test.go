package password_test

import (
	"testing"

	"github.com/bdash/bdash/internal/password"
)

// FuzzVerify feeds arbitrary text in the place of a stored hash. No text may panic, return an error, or be the hash of
// two passwords; the small limits of the cheap Hasher keep each run short, which is itself the proof that limits hold.
func FuzzVerify(f *testing.F) {
	for _, seed := range []string{
		"", "!", "garbage", "pbkdf2_sha256$abc", "crypt$$x",
		"argon2$argon2id$v=19$m=64,t=1,p=8$c29tZXNhbHRzb21lc2FsdA$lzd8dliqXUhN2iCDJaKCwNUSEY8qbznHDmmhjkIScNIro4qmGycD+Oz2qDKMOvdPuOkGRymXl3/mYlBJbCENWw",
		"argon2$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$md4vrJfoPBSEWTqPMbyisQ",
		"bcrypt_sha256$$2b$04$ETn3e5vYfOBUgDuVxswO9eONNlGiqBmF3wjZKwBY29ePn7jZR/geW",
		"pbkdf2_sha256$1000$seasalt$D6XHIlARRnJQjDt2r5/SIrsztUyxYKz+hNNVPZp4XnA=",
		"pbkdf2_sha1$1000$seasalt$5G+ShwVSb64ov8fHcdRMEF/kaPM=",
		"scrypt$16$seasalt$1$5$XDtmnm6i0epco5YAVfU+sRAD2pu5/w0l7gzsGcS6KjAx1OVMDs3kDxyFttPTdXb3JyQtKb7Dg94SxkbF1fEAzg==",
	} {
		f.Add(secret, seed)
	}
	h := password.NewCheapHasher(password.Options{})
	f.Fuzz(func(t *testing.T, pw, encoded string) {
		ok, upgrade := verify(t, h, pw, encoded)
		if upgrade && !ok {
			t.Errorf("Verify(%q, %q) wants an upgrade of what does not match", pw, encoded)
		}
		if other, _ := verify(t, h, pw+"x", encoded); ok && other {
			t.Errorf("Verify(%q) accepts two passwords", encoded)
		}
	})
}
