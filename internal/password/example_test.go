package password_test

import (
	"context"
	"fmt"

	"github.com/bdash/bdash/internal/password"
)

// A sign-in verifies what is stored, and replaces a hash that came from Django while it has the password.
func ExampleHasher() {
	ctx := context.Background()
	h := password.NewHasher(password.Options{}) // one for the whole process

	imported := "pbkdf2_sha256$150000$gVl2mp36M9cE$szggE2jIBgIFLEkK2xK1VGuhh3HkRej754BSHs9tcLk="
	ok, upgrade, err := h.Verify(ctx, "password-123", imported)
	fmt.Println(ok, upgrade, err)

	encoded, err := h.Hash(ctx, "password-123")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(encoded[:37])
	ok, upgrade, err = h.Verify(ctx, "password-123", encoded)
	fmt.Println(ok, upgrade, err)

	// Output:
	// true true <nil>
	// argon2$argon2id$v=19$m=19456,t=2,p=1$
	// true false <nil>
}

func ExampleCheck() {
	about := password.Attributes{Username: "carol", Email: "carol@example.com"}
	for _, pw := range []string{"carol-pass-123", "carol12", "12345678"} {
		fmt.Println(pw)
		for _, p := range password.Check(pw, about) {
			fmt.Println("-", p.Message)
		}
	}

	// Output:
	// carol-pass-123
	// carol12
	// - The password is too similar to the username.
	// - This password is too short. It must contain at least 8 characters.
	// 12345678
	// - This password is too common.
	// - This password is entirely numeric.
}
