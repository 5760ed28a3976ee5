package account_test

import (
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/identity"
)

func TestEmailKey(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"ann@example.com", "ANN@EXAMPLE.COM", "Ann@Example.Com", " ann@example.com\t"},
		{"jürgen@example.com", "JÜRGEN@example.com", "ju\u0308rgen@example.com", "JU\u0308RGEN@example.com"},
		{"straße@example.com", "STRASSE@example.com", "STRAẞE@example.com"},
		{"İpek@example.com", "I\u0307pek@example.com", "i\u0307pek@example.com"},
		{"ΣΊΣΥΦΟΣ@example.com", "σίσυφος@example.com", "σίσυφοσ@example.com"},
		{"\uFB01@example.com", "FI@example.com"}, // the ligature folds to its letters
		{"K@example.com", "k@example.com", "\u212A@example.com"},
		{"\u13F0@example.com", "\u13F8@example.com"},             // Cherokee
		{"\u1F88\u0304@example.com", "\u1F80\u0304@example.com"}, // the iota is a mark before folding
		{"", " "},
	} {
		for _, address := range same {
			if got, want := account.EmailKey(address), account.EmailKey(same[0]); got != want {
				t.Errorf("EmailKey(%+q) = %+q, but EmailKey(%+q) = %+q", address, got, same[0], want)
			}
		}
	}
	for _, other := range [][2]string{
		{"ann@example.com", "ann@example.org"},
		{"ı@example.com", "i@example.com"}, // a dotless i is another letter
		{"jürgen@example.com", "jurgen@example.com"},
		{"a.b@example.com", "ab@example.com"},
		{"a b@example.com", "ab@example.com"},
	} {
		if account.EmailKey(other[0]) == account.EmailKey(other[1]) {
			t.Errorf("%q and %q have one key", other[0], other[1])
		}
	}
}

// The key of a key is itself, and no spelling of an address changes it.
func TestEmailKeyProperties(t *testing.T) {
	t.Parallel()
	for r := range rune(0x20000) {
		key := account.EmailKey(string(r))
		if again := account.EmailKey(key); again != key {
			t.Errorf("EmailKey(%+q) = %+q, whose key is %+q", r, key, again)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.String().Draw(t, "address")
		key := account.EmailKey(address)
		if again := account.EmailKey(key); again != key {
			t.Errorf("EmailKey(%+q) = %+q, whose key is %+q", address, key, again)
		}
		for name, spelling := range map[string]string{
			"composed": norm.NFC.String(address), "decomposed": norm.NFD.String(address), "spaced": "\t" + address + " ",
		} {
			if got := account.EmailKey(spelling); got != key {
				t.Errorf("%s: EmailKey(%+q) = %+q, want %+q", name, spelling, got, key)
			}
		}
	})
}

func TestNormalizeEmail(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ann@Example.COM":       "Ann@example.com",
		" Ann@Example.COM\n":    "Ann@example.com",
		`"a@B"@Example.COM`:     `"a@B"@example.com`,
		"no address":            "no address",
		" no address ":          " no address ",
		"":                      "",
		"@EXAMPLE.COM":          "@example.com",
		"Ann@":                  "Ann@",
		"Jürgen@EXÄMPLE.com":    "Jürgen@exämple.com",
		"Ann@Example.COM@X.ORG": "Ann@Example.COM@x.org",
	} {
		if got := account.NormalizeEmail(in); got != want {
			t.Errorf("NormalizeEmail(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMaySignIn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		active bool
		status identity.Status
		want   bool
	}{
		{true, identity.Active, true}, {true, identity.Pending, true}, {true, identity.Inactive, false},
		{false, identity.Active, false}, {false, identity.Pending, false}, {false, identity.Inactive, false},
	} {
		u := account.User{ID: 3, IsActive: tc.active, Status: tc.status, Role: identity.Editor, Email: "e"}
		if got := u.MaySignIn(); got != tc.want {
			t.Errorf("active %v, %s: %v", tc.active, tc.status, got)
		}
		if a := u.Actor(); a.UserID != 3 || a.Role != identity.Editor || a.Status != tc.status || a.Email != "e" || a.SessionID != "" || a.ByKey() {
			t.Errorf("the actor is %+v", a)
		}
	}
}

func TestHashToken(t *testing.T) {
	t.Parallel()
	// SHA-256 of "abc", FIPS 180-2, appendix B.1.
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if got := account.HashToken("abc"); got != want {
		t.Errorf("HashToken = %s", got)
	}
	if account.HashToken("abc ") == want {
		t.Error("a space makes no difference")
	}
}
