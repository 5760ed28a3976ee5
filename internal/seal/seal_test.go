package seal_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/seal"
)

func box(t *testing.T, key string, fallbacks ...string) *seal.Box {
	t.Helper()
	b, err := seal.New(key, fallbacks...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	b := box(t, "one")
	for _, text := range []string{"", "hunter2", strings.Repeat("long ", 10_000)} {
		sealed := b.Seal("here", []byte(text))
		if got, err := b.Open("here", sealed); err != nil || string(got) != text {
			t.Errorf("Open(Seal(%.20q)) = %.20q, %v", text, got, err)
		}
		if text != "" && strings.Contains(sealed, text) {
			t.Errorf("%q shows the text", sealed)
		}
	}
	first, second := b.Seal("here", []byte("x")), b.Seal("here", []byte("x"))
	if first == second {
		t.Error("the same text is sealed the same way twice")
	}
}

func TestBrokenSeals(t *testing.T) {
	t.Parallel()
	b := box(t, "one")
	sealed := b.Seal("here", []byte("hunter2"))
	if _, err := b.Open("there", sealed); !errors.Is(err, seal.ErrBroken) {
		t.Errorf("moved: %v", err)
	}
	for i := range sealed {
		changed := []byte(sealed)
		changed[i] ^= 1
		if got, err := b.Open("here", string(changed)); err == nil {
			t.Errorf("changed at %d: opens as %q", i, got)
		}
	}
	for _, text := range []string{"", "v1", "v1.", "v1..", sealed[:len(sealed)-1], sealed + "A", sealed[:20]} {
		if _, err := b.Open("here", text); err == nil {
			t.Errorf("%q opens", text)
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	before, during, after := box(t, "one"), box(t, "two", "one"), box(t, "two")
	sealed := before.Seal("here", []byte("x"))
	if got, err := during.Open("here", sealed); err != nil || string(got) != "x" {
		t.Errorf("with the fallback: %q, %v", got, err)
	}
	if _, err := after.Open("here", sealed); !errors.Is(err, seal.ErrKey) {
		t.Errorf("without it: %v, want ErrKey", err)
	}
	if during.KeyID() != after.KeyID() || before.KeyID() == after.KeyID() {
		t.Errorf("key ids %q, %q, %q", before.KeyID(), during.KeyID(), after.KeyID())
	}
	again := during.Seal("here", []byte("x"))
	if _, err := after.Open("here", again); err != nil || !strings.Contains(again, "."+after.KeyID()+".") {
		t.Errorf("sealed anew: %q, %v", again, err)
	}
}
