package drf_test

import (
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/drf"
)

// Addresses outside ASCII, as Django 3.2's EmailValidator takes them: hosts in
// their punycode form, and the four letters that Python holds for the same as
// ASCII ones when case does not matter.
func TestEmailOutsideASCII(t *testing.T) {
	t.Parallel()
	s := drf.NewSerializer[fieldDraft, fieldDraft]("Field")
	s.Email("f", drf.Opt{}, nil, put[string])
	for address, want := range map[string]bool{
		"a@ä.ä": true, "a@x.ä": true, "a@x.ä1": true, "a@ß.de": true, "a@ı.com": true, "a@x.ı": true,
		"a@ä-.com": true, "a@-ä.com": true, "a@x.-ä": true, "a@x.ä-": true,
		"a@" + strings.Repeat("ä", 40) + ".com": true, "a@" + strings.Repeat("ä", 60) + ".com": false,
		"a@ä.c": false, "a@x.c": false, "a@ä..com": false, "a@ä": false, "a@ä_.com": false,
		"İ@x.com": true, "ı@x.com": true, "ſ@x.com": true, "\u212a@x.com": true,
		"é@x.com": false, "ﬆ@x.com": false,
	} {
		var d fieldDraft
		err := s.DecodeValue(drf.DictOf(drf.Pair{Name: "f", Value: drf.String(address)}), &d, drf.Whole)
		if (err == nil) != want {
			t.Errorf("email %q: error %v, want it taken: %t", address, err, want)
		}
	}
}
