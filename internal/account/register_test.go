package account_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

func draft(email string) account.Draft {
	return account.Draft{Email: email, Password: goodPass, FirstName: "Carol", LastName: "Doe"}
}

func TestRegister(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		d := draft(" Carol@Example.COM ")
		d.Role, d.Status, d.IsActive = identity.Admin, identity.Active, false // nobody chooses that
		u, err := w.Register(ctx, d)
		must(t, "Register", err)
		if u.ID == 0 || u.Email != "Carol@example.com" || u.Username != "Carol@example.com" || u.Role != identity.User ||
			u.Status != identity.Pending || !u.IsActive || u.EmailVerifiedAt != nil || !u.CreatedAt.Equal(w.db.Now()) || !u.DateJoined.Equal(w.db.Now()) {
			t.Errorf("the account is %+v", u)
		}
		if ok, _, err := hasher.Verify(ctx, goodPass, u.PasswordHash); !ok || err != nil {
			t.Errorf("the password: %v, %v", ok, err)
		}
		m := w.mail(account.MailVerify, "Carol@example.com")
		if !strings.HasPrefix(m.Link, "https://board.example.com/auth/verify-email?token=") || !m.ExpiresAt.Equal(w.db.Now().Add(account.VerifyLifetime)) {
			t.Errorf("the mail: %+v", m)
		}
		for _, taken := range []string{"Carol@example.com", "CAROL@EXAMPLE.COM"} {
			_, err := w.Register(ctx, draft(taken))
			f, _ := fault.As(err)
			if !errors.Is(err, account.ErrEmailTaken) || len(f.Fields) != 1 || f.Fields[0].Name != "email" || f.Fields[0].Message != account.ErrEmailTaken.Message {
				t.Errorf("%s: %v", taken, err)
			}
			if is, err := w.EmailTaken(ctx, taken); err != nil || !is {
				t.Errorf("EmailTaken(%s): %v, %v", taken, is, err)
			}
		}
		if is, err := w.EmailTaken(ctx, "dave@example.com"); err != nil || is {
			t.Errorf("EmailTaken of a free address: %v, %v", is, err)
		}
		weak := draft("dave@example.com")
		weak.Password = "dave@example.com"
		if f, ok := fault.As(second(w.Register(ctx, weak))); !ok || f.Kind != fault.Invalid || len(f.Fields) == 0 || f.Fields[0].Name != "password" {
			t.Errorf("a weak password: %v", f)
		}
		w.Settings.Registration = account.Closed
		wantErr(t, "closed", second(w.Register(ctx, draft("dave@example.com"))), account.ErrClosed)
		if n := w.count("SELECT count(*) FROM users"); n != 1 || len(w.mails.take()) != 0 {
			t.Errorf("%d users, want 1, or mails of refused registrations", n)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// A username made from the address gives way to one that is there.
func TestRegisterUsernameTaken(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for i, name := range []string{"carol@example.com", "carol@example.com-2"} {
			w.user(name, func(u *account.User) { u.Email = fmt.Sprint("other", i, "@example.com") })
		}
		u, err := w.Register(ctx, draft("carol@example.com"))
		must(t, "Register", err)
		if u.Username != "carol@example.com-3" || u.Email != "carol@example.com" {
			t.Errorf("username %q, address %q", u.Username, u.Email)
		}
		admin := w.admin("boss")
		boss := admin.Actor()
		d := draft("dave@example.com")
		d.Username, d.Role, d.Status, d.IsActive = "boss", identity.User, identity.Active, true
		err = second(w.Create(ctx, boss, d))
		f, _ := fault.As(err)
		if !errors.Is(err, account.ErrUsernameTaken) || len(f.Fields) != 1 || f.Fields[0].Name != "username" {
			t.Errorf("a chosen username that is taken: %v", err)
		}
		d.Username = ""
		d.Email = "Boss2@Example.com"
		if u, err = w.Create(ctx, boss, d); err != nil || u.Username != "Boss2@example.com" || u.EmailVerifiedAt == nil || u.Status != identity.Active {
			t.Errorf("Create: %+v, %v", u, err)
		}
		_, err = w.Store.Update(ctx, u.ID, account.Update{Username: ptr("boss")}, w.db.Now())
		wantErr(t, "change to a taken username", err, account.ErrUsernameTaken)
	})
}

// However many register one address at once, in whatever case: one account.
func TestRegisterConcurrently(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := w.another()
		const address = "carolin.müller@example.com"
		errs := make([]error, 50)
		together(len(errs), func(i int) {
			letters := []rune(address)
			for j := range letters {
				if i>>(j%6)&1 == 1 {
					letters[j] = []rune(strings.ToUpper(string(letters[j])))[0]
				}
			}
			on := []*world{w, other}[i%2]
			_, errs[i] = on.Register(t.Context(), draft(string(letters)))
		})
		made := 0
		for i, err := range errs {
			if err == nil {
				made++
			} else if !errors.Is(err, account.ErrEmailTaken) {
				t.Errorf("registration %d: %v", i, err)
			}
		}
		if n := w.count("SELECT count(*) FROM users"); made != 1 || n != 1 {
			t.Errorf("%d registrations succeeded, %d accounts", made, n)
		}
		if mails := w.mails.take(); len(mails) != 1 {
			t.Errorf("%d mails, want 1", len(mails))
		}
	})
}

// Under VerificationRequired nothing in the answer tells a taken address.
func TestRegisterHidesTaken(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Settings.VerificationRequired = true
		owner := w.user("Straße", func(u *account.User) { u.PreferredLocale = "de" })
		free, err := w.Register(ctx, draft("free@example.com"))
		must(t, "Register", err)
		w.mail(account.MailVerify, "free@example.com")
		// The typed address may be somebody else's mailbox: only the owner's own
		// spelling gets a mail.
		taken, err := w.Register(ctx, draft("strasse@example.com"))
		must(t, "Register with a taken address", err)
		m := w.mail(account.MailAddressTaken, owner.Email)
		if m.Locale != "de" || m.Link != "https://board.example.com/auth/login" {
			t.Errorf("the mail: %+v", m)
		}
		if taken.ID != free.ID+1 {
			t.Errorf("the ids are %d and then %d", free.ID, taken.ID)
		}
		next, err := w.Register(ctx, draft("next@example.com"))
		must(t, "Register", err)
		if next.ID <= taken.ID {
			t.Errorf("the id %d was given out again as %d", taken.ID, next.ID)
		}
		taken.ID, taken.Email, taken.Username, taken.PasswordHash = free.ID, free.Email, free.Username, free.PasswordHash
		if taken != free {
			t.Errorf("the answers differ:\n%+v\n%+v", taken, free)
		}
		if n := w.count("SELECT count(*) FROM users"); n != 3 {
			t.Errorf("%d users, want 3", n)
		}
		if is, err := w.EmailTaken(ctx, owner.Email); err != nil || is {
			t.Errorf("EmailTaken: %v, %v", is, err)
		}
		weak := draft(owner.Email)
		weak.Password = "1"
		if err := second(w.Register(ctx, weak)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a weak password with a taken address: %v", err)
		}
	})
}

func TestVerify(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		register := func(email string) (account.User, string) {
			t.Helper()
			u, err := w.Register(ctx, draft(email))
			must(t, "Register", err)
			return u, tokenOf(t, w.mail(account.MailVerify, email))
		}
		u, token := register("a@example.com")
		got, err := w.Verify(ctx, token)
		must(t, "Verify", err)
		if got.ID != u.ID || got.Status != identity.Active || got.EmailVerifiedAt == nil || !got.EmailVerifiedAt.Equal(w.db.Now()) {
			t.Errorf("verified: %+v", got)
		}
		wantErr(t, "again", second(w.Verify(ctx, token)), account.ErrBadLink)
		wantErr(t, "resend", w.ResendVerification(ctx, u.ID), account.ErrVerified)
		wantErr(t, "resend to nobody", w.ResendVerification(ctx, u.ID+99), account.ErrNotFound)
		wantErr(t, "nonsense", second(w.Verify(ctx, "nonsense")), account.ErrBadLink)

		u, first := register("b@example.com")
		must(t, "ResendVerification", w.ResendVerification(ctx, u.ID))
		again := tokenOf(t, w.mail(account.MailVerify, "b@example.com"))
		wantErr(t, "the older link", second(w.Verify(ctx, first)), account.ErrBadLink)
		w.pass(account.VerifyLifetime)
		wantErr(t, "expired", second(w.Verify(ctx, again)), account.ErrBadLink)
		must(t, "ResendVerification", w.ResendVerification(ctx, u.ID))
		last := tokenOf(t, w.mail(account.MailVerify, "b@example.com"))
		_, err = w.Store.Update(ctx, u.ID, account.Update{Email: ptr("b2@example.com")}, w.db.Now())
		must(t, "Update", err)
		wantErr(t, "after a change of address", second(w.Verify(ctx, last)), account.ErrBadLink)
		if got, _ := w.Store.ByID(ctx, u.ID); got.EmailVerifiedAt != nil || got.Status != identity.Pending {
			t.Errorf("verified after all: %+v", got)
		}

		// Who was deactivated meanwhile stays so.
		u, token = register("c@example.com")
		_, err = w.Store.Update(ctx, u.ID, account.Update{Status: ptr(identity.Inactive)}, w.db.Now())
		must(t, "Update", err)
		if got, err = w.Verify(ctx, token); err != nil || got.Status != identity.Inactive || got.EmailVerifiedAt == nil {
			t.Errorf("Verify: %s, %v", got.Status, err)
		}
		// An administrator decides.
		w.Settings.Registration = account.Approval
		u, token = register("d@example.com")
		if got, err = w.Verify(ctx, token); err != nil || got.Status != identity.Pending || got.EmailVerifiedAt == nil {
			t.Errorf("Verify: %s, %v", got.Status, err)
		}
		admin := w.admin("boss")
		boss := admin.Actor()
		_, err = w.Update(ctx, boss, u.ID, account.AdminUpdate{Update: account.Update{Status: ptr(identity.Active), Email: ptr("d2@Example.com")}})
		must(t, "approve", err)
		w.mail(account.MailApproved, "d2@example.com") // where the user reads mails now
		_, err = w.Update(ctx, boss, u.ID, account.AdminUpdate{Update: account.Update{Status: ptr(identity.Active)}})
		must(t, "approve again", err)
		if mails := w.mails.take(); len(mails) != 0 {
			t.Errorf("a second mail: %+v", mails)
		}
	})
}

// Of links that are asked for at once only one counts.
func TestLinksConcurrently(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user("ann", nil)
		together(20, func(int) {
			if err := w.RequestReset(t.Context(), u.Email); err != nil {
				t.Errorf("RequestReset: %v", err)
			}
		})
		if n := w.count("SELECT count(*) FROM one_time_tokens"); n != 1 {
			t.Errorf("%d links count, want 1", n)
		}
	})
}

func TestCreateSuperuser(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u, err := w.CreateSuperuser(ctx, draft(" Root@Example.COM "))
		must(t, "CreateSuperuser", err)
		if u.Email != "Root@example.com" || u.Username != u.Email || u.Role != identity.Admin || u.Status != identity.Active || u.EmailVerifiedAt == nil {
			t.Errorf("the account is %+v", u)
		}
		wantErr(t, "again", second(w.CreateSuperuser(ctx, draft("root@example.com"))), account.ErrEmailTaken)
		weak := draft("x@example.com")
		weak.Password = "12345678"
		if err := second(w.CreateSuperuser(ctx, weak)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a weak password: %v", err)
		}
		if n, err := w.Store.Admins(ctx); err != nil || n != 1 {
			t.Errorf("%d administrators, %v", n, err)
		}
	})
}

func TestUpdateProfile(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u := w.user("ann", nil)
		w.pass(time.Minute)
		picture := ptr("https://example.com/a.png")
		got, err := w.UpdateProfile(ctx, u.Actor(), account.Profile{FirstName: ptr("Ännchen"), Avatar: &picture})
		must(t, "UpdateProfile", err)
		if got.FirstName != "Ännchen" || got.Avatar == nil || *got.Avatar != *picture || got.Bio != "" || got.Email != u.Email ||
			!got.UpdatedAt.Equal(w.db.Now()) || !got.CreatedAt.Equal(u.CreatedAt) || got.TokensValidAfter != nil {
			t.Errorf("the account is %+v", got)
		}
		var none *string
		if got, err = w.UpdateProfile(ctx, u.Actor(), account.Profile{Avatar: &none, Bio: ptr("x")}); err != nil || got.Avatar != nil || got.Bio != "x" || got.FirstName != "Ännchen" {
			t.Errorf("the account is %+v, %v", got, err)
		}
		wantErr(t, "of nobody", second(w.UpdateProfile(ctx, identity.Actor{UserID: u.ID + 99}, account.Profile{Bio: ptr("x")})), account.ErrNotFound)
	})
}
