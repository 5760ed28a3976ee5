package identity_test

import (
	"context"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/identity"
)

func TestClientID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"tab-1": true, "a b": true, strings.Repeat("x", 100): true,
		"": false, strings.Repeat("x", 101): false, "a\nb": false, "é": false, "\x00": false,
	} {
		if got := identity.ValidClientID(id); got != want {
			t.Errorf("ValidClientID(%.20q) = %t, want %t", id, got, want)
		}
	}
	if got := identity.ClientID(identity.WithClientID(t.Context(), "tab")); got != "tab" {
		t.Errorf("ClientID = %q, want tab", got)
	}
	if got := identity.ClientID(context.Background()); got != "" {
		t.Errorf("ClientID of nothing = %q", got)
	}
}
