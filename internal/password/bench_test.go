package password_test

import (
	"testing"

	"github.com/bdash/bdash/internal/password"
)

func BenchmarkHash(b *testing.B) {
	h := password.NewHasher(password.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Hash(b.Context(), secret); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify compares our format, and no hash at all, with what a Django deployment brings along.
func BenchmarkVerify(b *testing.B) {
	h := password.NewHasher(password.Options{})
	own, err := h.Hash(b.Context(), "password-123")
	if err != nil {
		b.Fatal(err)
	}
	for _, format := range []struct{ name, encoded string }{
		{"ours", own},
		{"unusable", "!"},
		{"pbkdf2_sha256_600000", "pbkdf2_sha256$600000$YDfsz2ItldK0E3kM6qROga$Ch82JD03LrUX/IxBNn0QtOboC60S0x/mH4pf8oi7Ywc="},
		{"argon2_django", "argon2$argon2id$v=19$m=102400,t=2,p=8$aG56VU9BNUc0MmRDQVd4amY4djd2Rg$JLtrMAaKG4xEQornwR49ZQ"},
		{"bcrypt_sha256_12", "bcrypt_sha256$$2b$12$aZ12p6.rE9KN.wrz3cfA7O5.FUimOu1xWIPFy5TkWWrvXRTAg5euO"},
		{"scrypt_16384", "scrypt$16384$AtFmPjBK8KGEd2hO9smDSf$8$1$Jv7R9e5/d1LB0DipY+kSozjQlr5AuKxqHo47e0Q39UXDqo2oxrw65/aLMvX0EIZR7O78lvhY7q4nOP1gY0LxOg=="},
	} {
		b.Run(format.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ok, _, err := h.Verify(b.Context(), "password-123", format.encoded); err != nil || ok == (format.name == "unusable") {
					b.Fatalf("Verify = %t, %v", ok, err)
				}
			}
		})
	}
}

func BenchmarkVerifyDummy(b *testing.B) {
	h := password.NewHasher(password.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if err := h.VerifyDummy(b.Context(), secret); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	about := password.Attributes{Username: "carol", FirstName: "Carol", LastName: "Example", Email: "carol@example.com"}
	b.ReportAllocs()
	for b.Loop() {
		if got := password.Check("carol-pass-123", about); got != nil {
			b.Fatalf("Check = %v, want nil", got)
		}
	}
}
