package password_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bdash/bdash/internal/password"
)

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// testdata/rules.json holds what Django's validate_password (3.2.25, with the rules and texts of 4.2) answered to
// passwords picked by hand for one peculiarity each, and to some four hundred random ones near the threshold.
func TestCheckAnswersAsDjango(t *testing.T) {
	t.Parallel()
	var cases []struct {
		Password string
		About    struct {
			Username  string
			FirstName string `json:"first_name"`
			LastName  string `json:"last_name"`
			Email     string
		}
		Problems []password.Problem
	}
	readJSON(t, "testdata/rules.json", &cases)
	if len(cases) < 400 {
		t.Fatalf("recorded answers = %d, want at least 400", len(cases))
	}
	for _, c := range cases {
		got := password.Check(c.Password, password.Attributes(c.About))
		if diff := cmp.Diff(c.Problems, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("Check(%q, %+v) (-Django +ours):\n%s", c.Password, c.About, diff)
		}
	}
}

// testdata/quick_ratio.json was computed with Python's difflib. The ratios must be equal to the last bit: the threshold
// of 0.7 is hit exactly by ordinary passwords.
func TestQuickRatioEqualsPython(t *testing.T) {
	t.Parallel()
	var pairs []struct {
		A, B  string
		Ratio float64
	}
	readJSON(t, "testdata/quick_ratio.json", &pairs)
	if len(pairs) < 300 {
		t.Fatalf("recorded pairs = %d, want at least 300", len(pairs))
	}
	for _, p := range pairs {
		if got := password.QuickRatio(p.A, p.B); got != p.Ratio {
			t.Errorf("QuickRatio(%q, %q) = %v, want %v", p.A, p.B, got, p.Ratio)
		}
	}
}

func TestCheckNamesTheAttribute(t *testing.T) {
	t.Parallel()
	const pw = "wobbegong-77"
	for name, about := range map[string]password.Attributes{
		"username":      {Username: "wobbegong77"},
		"first name":    {FirstName: "Wobbegong7"},
		"last name":     {LastName: "WOBBEGONG-7"},
		"email address": {Email: "wobbegong_77@example.com"},
	} {
		want := []password.Problem{{Code: password.CodeTooSimilar, Message: "The password is too similar to the " + name + "."}}
		if diff := cmp.Diff(want, password.Check(pw, about)); diff != "" {
			t.Errorf("Check(%q, %+v) (-want +got):\n%s", pw, about, diff)
		}
	}
}

func TestCheckListsEveryBrokenRuleInOrder(t *testing.T) {
	t.Parallel()
	want := []password.Problem{
		{Code: password.CodeTooSimilar, Message: "The password is too similar to the username."},
		{Code: password.CodeTooShort, Message: "This password is too short. It must contain at least 8 characters."},
		{Code: password.CodeTooCommon, Message: "This password is too common."},
		{Code: password.CodeEntirelyNumeric, Message: "This password is entirely numeric."},
	}
	if diff := cmp.Diff(want, password.Check("123456", password.Attributes{Username: "1234567", Email: "123456@1.de"})); diff != "" {
		t.Errorf("Check (-want +got):\n%s", diff)
	}
}

func TestCheckCommonPasswords(t *testing.T) {
	t.Parallel()
	// The list's first line, one with a space and the last (which ends without a line break), and their near neighbours.
	for pw, common := range map[string]bool{
		"bigpimpin1": true, "BigPimpin1": true, "\t bigpimpin1\r\n": true, "z k.lovemom": true, "chobits": true,
		"bigpimpin1x": false, "bigpimpi": false, "sandy123\nwelcome": false, "\n\n\n\n\n\n\n\n": false, "big pimpin1": false,
		strings.Repeat("bigpimpin1", 10_000): false, "not UTF-8: \xff\xff": false,
	} {
		got := false
		for _, p := range password.Check(pw, password.Attributes{}) {
			got = got || p.Code == password.CodeTooCommon
		}
		if got != common {
			t.Errorf("Check(%.40q) finds it common: %t, want %t", pw, got, common)
		}
	}
}

func TestCheckIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			name := fmt.Sprintf("Ολυμπίας%d", i)
			if got := password.Check(name+"!", password.Attributes{LastName: name}); len(got) != 1 {
				t.Errorf("Check(%q) = %v, want one problem", name+"!", got)
			}
		})
	}
	all.Wait()
}
