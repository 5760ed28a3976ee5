package oracle_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/bdash/bdash/internal/oracle"
)

// loadOnce is shared by all tests, which only read the scenarios.
var loadOnce = sync.OnceValues(oracle.Load)

func load(t *testing.T) []oracle.Scenario {
	t.Helper()
	scenarios, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	return scenarios
}

func TestLoadFindsTheWholeRecording(t *testing.T) {
	t.Parallel()
	scenarios := load(t)
	exchanges, ai := 0, 0
	for _, s := range scenarios {
		exchanges += len(s.Exchanges)
		for _, e := range s.Exchanges {
			if e.AI() {
				ai++
			}
			if e.Name == "" || e.Method == "" || e.Answer.Status == 0 {
				t.Errorf("%s %d is incomplete: %+v", s.Name, e.Index, e)
			}
		}
	}
	if len(scenarios) != 24 || exchanges != 616 {
		t.Errorf("Load() = %d scenarios with %d exchanges, want 24 with 616", len(scenarios), exchanges)
	}
	// 82 in the three files about agents; 3 in 14, 3 in 16, 6 in 17.
	if want := 94; ai != want {
		t.Errorf("Load() holds %d AI exchanges, want %d", ai, want)
	}
}

// A deviation that expects the recording would hide that bdash no longer differs.
func TestDeviationsDeviate(t *testing.T) {
	t.Parallel()
	for _, s := range load(t) {
		for _, e := range s.Exchanges {
			want, d, err := s.Want(e.Index)
			if err != nil {
				t.Error(err)
				continue
			}
			if d == nil || d.NotSent {
				continue
			}
			same := want.Status == e.Answer.Status && len(want.Header) == len(e.Answer.Header)
			for name, value := range want.Header {
				same = same && e.Answer.Header[name] == value
			}
			if same && string(compact(t, want.Body)) == string(compact(t, e.Answer.Body)) {
				t.Errorf("deviation %s %d %q expects the recording", s.Name, e.Index, e.Name)
			}
		}
	}
}

// Pages of HTML are not recorded, so what bdash answers instead must be said somewhere.
func TestNoHTMLPageIsExpected(t *testing.T) {
	t.Parallel()
	for _, s := range load(t) {
		for _, e := range s.Exchanges {
			want, d, err := s.Want(e.Index)
			if err != nil {
				t.Fatal(err)
			}
			html := bytes.HasPrefix([]byte(want.Header["content-type"]), []byte("text/html"))
			if html && want.Header["content-length"] != "0" && (d == nil || !d.NotSent) {
				t.Errorf("%s %d %q expects an HTML page", s.Name, e.Index, e.Name)
			}
		}
	}
}

func TestDatabases(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		read  func() ([]byte, error)
		start string
	}{
		{"RecordSeed", oracle.RecordSeed, "SQLite format 3\x00"},
		{"DjangoDatabase", oracle.DjangoDatabase, "SQLite format 3\x00"},
		{"DjangoDump", oracle.DjangoDump, "--\n-- PostgreSQL database dump"},
	} {
		got, err := c.read()
		if err != nil || !bytes.HasPrefix(got, []byte(c.start)) {
			t.Errorf("%s() = %q..., %v, want a file beginning with %q", c.name, got[:min(len(got), 32)], err, c.start)
		}
	}
}

func TestLoadCrypto(t *testing.T) {
	t.Parallel()
	c, err := oracle.LoadCrypto()
	if err != nil {
		t.Fatal(err)
	}
	valid := 0
	for _, h := range c.Hashes {
		if h.Valid {
			valid++
		}
	}
	if c.SecretKey != oracle.SecretKey || valid == 0 || valid == len(c.Hashes) {
		t.Errorf("LoadCrypto() has key %q and %d valid of %d hashes", c.SecretKey, valid, len(c.Hashes))
	}
	for _, token := range c.Tokens {
		if token.Token == "" || token.ValidAs == "" || token.Claims["user_id"] == nil {
			t.Errorf("LoadCrypto() has an incomplete token: %+v", token)
		}
	}
}
