package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
	"github.com/bdash/bdash/internal/theme"
)

type silentOutbox struct{}

func (silentOutbox) QueueTx(context.Context, *sqlstore.Tx, ...account.Mail) error { return nil }

// A few large pages at a time, more are turned away at once, small ones never,
// and an answered request makes room.
func TestLargePagesAreFew(t *testing.T) {
	d := sqltest.Open(t)
	now := d.Now()
	accounts := &sqlstore.Accounts{DB: d, Mails: silentOutbox{}}
	u, err := accounts.Create(t.Context(), account.User{
		Username: "a", Email: "a@example.com", PasswordHash: "!", Role: identity.User, Status: identity.Active, IsActive: true,
		DateJoined: now, CreatedAt: now, UpdatedAt: now,
	}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	themes := &sqlstore.Themes{DB: d}
	for i := range 6 {
		_, err := themes.Create(t.Context(), theme.Theme{
			UserID: u.ID, Name: fmt.Sprint(i), ColorMode: "light", Colors: []byte(`{"x":"` + strings.Repeat("y", 1<<20) + `"}`), CreatedAt: now, UpdatedAt: now,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	list := func(ctx context.Context, size int) error {
		_, err := themes.List(ctx, u.ID, page.Request{Number: 1, Size: size})
		return err
	}
	first, answered := context.WithCancel(t.Context())
	second, also := context.WithCancel(t.Context())
	defer also()
	for _, ctx := range []context.Context{first, second} {
		if err := list(ctx, 100); err != nil {
			t.Fatalf("large page: %v, want nil", err)
		}
	}
	if err := list(t.Context(), 100); !errors.Is(err, sqlstore.ErrBusy) {
		t.Fatalf("a third large page: %v, want ErrBusy", err)
	}
	if err := list(t.Context(), 2); err != nil {
		t.Fatalf("a small page: %v, want nil", err)
	}
	answered()
	deadline := time.After(10 * time.Second)
	for try := time.NewTicker(time.Millisecond); ; {
		third, done := context.WithCancel(t.Context())
		err := list(third, 100)
		done()
		if err == nil {
			try.Stop()
			return
		}
		select {
		case <-try.C:
		case <-deadline:
			t.Fatalf("no room after an answer: %v", err)
		}
	}
}
