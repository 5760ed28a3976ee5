package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

const frontend = "https://app.example.org"

// body is what a request sends, or some of what an answer holds.
type body map[string]any

func (b body) String() string {
	text, err := json.Marshal(b)
	if err != nil {
		panic(err) // only texts, numbers and lists stand in the tests
	}
	return string(text)
}

func registration(email string) string {
	return body{"email": email, "first_name": "Carol", "password": apptest.Password, "password_confirm": apptest.Password}.String()
}

// login tries to sign in and gives the tokens, if any.
func login(t *testing.T, s *apptest.Server, want int, email, password string) apptest.Tokens {
	t.Helper()
	answer := s.Expect(t, want, "", "POST", "/api/auth/login/", body{"email": email, "password": password}.String())
	var out struct{ Tokens apptest.Tokens }
	if err := json.Unmarshal(answer.Body, &out); err != nil {
		t.Fatal(err)
	}
	return out.Tokens
}

// wantFields compares some members of a body.
func wantFields(t *testing.T, a apptest.Answer, want body) {
	t.Helper()
	got := a.JSON(t)
	for name, value := range want {
		if fmt.Sprint(got[name]) != fmt.Sprint(value) {
			t.Errorf("%s = %v, want %v, in %s", name, got[name], value, a.Body)
		}
	}
}

// A newcomer registers, signs in while pending, and proves the address by the
// last of the links that were mailed.
func TestRegistration(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{Env: []string{"FRONTEND_URL=" + frontend}}, func(t *testing.T, s *apptest.Server) {
		const carol = "carol@example.com"
		made := s.Expect(t, http.StatusCreated, "", "POST", "/api/auth/register/", registration(carol))
		wantFields(t, made, body{"email": carol, "role": "user", "status": "pending", "first_name": "Carol"})
		first := s.WaitMail(t, carol, 1)
		if !strings.HasPrefix(first.Link, frontend+"/auth/verify-email?token=") || first.Token == "" {
			t.Fatalf("link in the mail = %q, want one of the frontend with a token", first.Link)
		}
		tokens := login(t, s, http.StatusOK, carol, apptest.Password)
		wantFields(t, s.Expect(t, http.StatusOK, tokens.Access, "GET", me, ""), body{"status": "pending"})

		s.Expect(t, http.StatusOK, tokens.Access, "POST", "/api/auth/resend-verification/", "")
		second := s.WaitMail(t, carol, 2)
		verify := func(want int, token string) apptest.Answer {
			t.Helper()
			return s.Expect(t, want, "", "POST", "/api/auth/verify-email/", body{"token": token}.String())
		}
		verify(http.StatusBadRequest, first.Token) // a new link voids the old one
		verify(http.StatusBadRequest, second.Token+"x")
		wantFields(t, verify(http.StatusOK, second.Token), body{"status": "active"})
		wantFields(t, s.Expect(t, http.StatusOK, tokens.Access, "GET", me, ""), body{"status": "active"})
		verify(http.StatusBadRequest, second.Token) // once
		s.Expect(t, http.StatusConflict, tokens.Access, "POST", "/api/auth/resend-verification/", "")

		// The address is taken, in whatever case; the account is signed in to the same way.
		wantFields(t, s.Expect(t, http.StatusBadRequest, "", "POST", "/api/auth/register/", registration("CAROL@example.COM")),
			body{"email": "[custom user with this email already exists.]"})
		login(t, s, http.StatusOK, "Carol@Example.com", apptest.Password)
	})
}

// Links in mails end by themselves.
func TestLinksExpire(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Frozen: true})
	const carol = "carol@example.com"
	s.Expect(t, http.StatusCreated, "", "POST", "/api/auth/register/", registration(carol))
	verify := s.WaitMail(t, carol, 1)
	s.Expect(t, http.StatusOK, "", "POST", "/api/auth/password-reset/", body{"email": carol}.String())
	reset := s.WaitMail(t, carol, 2)
	s.Clock.Advance(time.Hour)
	s.Expect(t, http.StatusBadRequest, "", "POST", "/api/auth/password-reset/confirm/", body{"token": reset.Token, "new_password": "quite-another-one"}.String())
	s.Clock.Advance(71 * time.Hour)
	s.Expect(t, http.StatusBadRequest, "", "POST", "/api/auth/verify-email/", body{"token": verify.Token}.String())
}

// What may be registered is decided by Django's rules.
func TestRegistrationRules(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	for _, test := range []struct{ email, password, confirm, want string }{
		{"carol@example.com", "271828182845904", "271828182845904", `{"password":["This password is entirely numeric."]}`},
		{"carol@example.com", "password1", "password1", `{"password":["This password is too common."]}`},
		{"carol@example.com", "carol@example", "carol@example", `{"password":["The password is too similar to the username."]}`},
		{"carol@example.com", "short", "short", `{"password":["Ensure this field has at least 8 characters."]}`},
		{"carol@example.com", apptest.Password, "another", `{"password":["Passwords do not match"]}`},
		{"carol", apptest.Password, apptest.Password, `{"email":["Enter a valid email address."]}`},
	} {
		got := s.Do(t, "", "POST", "/api/auth/register/", body{"email": test.email, "password": test.password, "password_confirm": test.confirm}.String())
		if got.Status != http.StatusBadRequest || !strings.HasPrefix(string(got.Body), strings.TrimSuffix(test.want, "]}")) {
			t.Errorf("register %s with %s = %d %s, want 400 %s", test.email, test.password, got.Status, got.Body, test.want)
		}
	}
	s.Expect(t, http.StatusCreated, "", "POST", "/api/auth/register/", body{"email": "carol@example.com", "password": "carol-pass-123", "password_confirm": "carol-pass-123"}.String())
	if mails := s.MailsTo("carol"); len(mails) > 0 {
		t.Errorf("a refused registration mailed %v", mails)
	}
}

// Under approval an administrator lets newcomers in, who are told.
func TestRegistrationByApproval(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{Env: []string{"REGISTRATION=approval"}}, func(t *testing.T, s *apptest.Server) {
		const carol = "carol@example.com"
		admin := s.Person(t, identity.Admin)
		id := s.Expect(t, http.StatusCreated, "", "POST", "/api/auth/register/", registration(carol)).JSON(t)["id"]
		verified := s.Expect(t, http.StatusOK, "", "POST", "/api/auth/verify-email/", body{"token": s.WaitMail(t, carol, 1).Token}.String())
		wantFields(t, verified, body{"status": "pending"})
		s.Expect(t, http.StatusOK, admin.Access, "PATCH", fmt.Sprintf("/api/users/%v/", id), `{"status":"active"}`)
		if mail := s.WaitMail(t, carol, 2); !strings.Contains(mail.Subject, "ready") {
			t.Errorf("mail after approval = %q, want that the account is ready", mail.Subject)
		}
		tokens := login(t, s, http.StatusOK, carol, apptest.Password)
		wantFields(t, s.Expect(t, http.StatusOK, tokens.Access, "GET", me, ""), body{"status": "active"})
	})
}

func TestRegistrationClosed(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Env: []string{"REGISTRATION=closed"}})
	s.AddUser(t, "carol@example.com", identity.User)
	for _, email := range []string{"dora@example.com", "carol@example.com"} {
		wantFields(t, s.Expect(t, http.StatusForbidden, "", "POST", "/api/auth/register/", registration(email)), body{"detail": "Registration is closed."})
	}
}

// Under required verification nobody signs in before, and a registration does
// not tell whether the address is known: its owner is told by mail.
func TestVerificationRequired(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{Env: []string{"EMAIL_VERIFICATION=required"}}, func(t *testing.T, s *apptest.Server) {
		const carol = "carol@example.com"
		first := s.Expect(t, http.StatusCreated, "", "POST", "/api/auth/register/", registration(carol))
		s.WaitMail(t, carol, 1)
		// Each try mails the link again; the answer is that of a wrong password.
		login(t, s, http.StatusBadRequest, carol, apptest.Password)
		s.WaitMail(t, carol, 2)
		s.Expect(t, http.StatusUnauthorized, "", "POST", "/api/auth/token/", body{"username": carol, "password": apptest.Password}.String())
		token := s.WaitMail(t, carol, 3).Token
		second := s.Expect(t, http.StatusCreated, "", "POST", "/api/auth/register/", registration(carol))
		other := s.Expect(t, http.StatusCreated, "", "POST", "/api/auth/register/", registration("dora@example.com"))
		if mail := s.WaitMail(t, carol, 4); !strings.Contains(mail.Subject, "already have an account") {
			t.Errorf("second mail = %q, want that there is an account", mail.Subject)
		}
		shape := func(a apptest.Answer) string {
			got := a.JSON(t)
			return fmt.Sprint(got["status"], got["role"], got["first_name"], len(got), got["id"].(float64) > 0)
		}
		if shape(first) != shape(second) || shape(second) != shape(other) || first.JSON(t)["id"] == second.JSON(t)["id"] {
			t.Errorf("answers to a known address can be told from those to a new one:\n%s\n%s\n%s", first.Body, second.Body, other.Body)
		}
		s.Expect(t, http.StatusOK, "", "POST", "/api/auth/verify-email/", body{"token": token}.String())
		login(t, s, http.StatusOK, carol, apptest.Password)
	})
}

// A forgotten password is replaced by the link of a mail; the answer does not
// tell whether there was one.
func TestPasswordReset(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{Env: []string{"FRONTEND_URL=" + frontend}}, func(t *testing.T, s *apptest.Server) {
		const carol, second = "carol@example.com", "quite-another-one"
		s.AddUser(t, carol, identity.User)
		before := s.Login(t, carol)
		ask := func(email string) string {
			t.Helper()
			return string(s.Expect(t, http.StatusOK, "", "POST", "/api/auth/password-reset/", body{"email": email}.String()).Body)
		}
		confirm := func(want int, token, password string) {
			t.Helper()
			s.Expect(t, want, "", "POST", "/api/auth/password-reset/confirm/", body{"token": token, "new_password": password}.String())
		}
		if known, unknown := ask("Carol@example.com"), ask("nobody@example.com"); known != unknown {
			t.Errorf("reset of a known address = %s, of an unknown one %s: want the same", known, unknown)
		}
		mail := s.WaitMail(t, carol, 1)
		if !strings.HasPrefix(mail.Link, frontend+"/auth/reset-password?token=") {
			t.Errorf("link = %q, want one of the frontend", mail.Link)
		}
		confirm(http.StatusBadRequest, mail.Token, "12345678901") // a bad password leaves the link good
		confirm(http.StatusOK, mail.Token, second)
		confirm(http.StatusBadRequest, mail.Token, "and-a-third-one")
		s.Expect(t, http.StatusUnauthorized, before.Access, "GET", me, "")
		login(t, s, http.StatusBadRequest, carol, apptest.Password)
		login(t, s, http.StatusOK, carol, second)
		if notice := s.WaitMail(t, carol, 2); !strings.Contains(notice.Subject, "was changed") || notice.Token != "" {
			t.Errorf("second mail = %q with link %q, want a notice without a token", notice.Subject, notice.Link)
		}
		if mails := s.MailsTo("nobody@example.com"); len(mails) > 0 {
			t.Errorf("mails to nobody: %v", mails)
		}
	})
}

// A change of password keeps the one who changed it signed in.
func TestChangePassword(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		const carol, second = "carol@example.com", "quite-another-one"
		s.AddUser(t, carol, identity.User)
		tokens := s.Login(t, carol)
		change := func(want int, from, to string) apptest.Answer {
			t.Helper()
			return s.Expect(t, want, tokens.Access, "POST", "/api/auth/change-password/", body{"old_password": from, "new_password": to}.String())
		}
		wantFields(t, change(http.StatusBadRequest, "wrong", second), body{"old_password": "[Invalid password]"})
		wantFields(t, change(http.StatusBadRequest, apptest.Password, "short"), body{"new_password": "[This password is too short. It must contain at least 8 characters.]"})
		var out struct{ Tokens apptest.Tokens }
		if err := json.Unmarshal(change(http.StatusOK, apptest.Password, second).Body, &out); err != nil {
			t.Fatal(err)
		}
		s.Expect(t, http.StatusOK, out.Tokens.Access, "GET", me, "")
		refresh(t, s, out.Tokens.Refresh)
		s.Expect(t, http.StatusUnauthorized, tokens.Access, "GET", me, "")
		login(t, s, http.StatusBadRequest, carol, apptest.Password)
		login(t, s, http.StatusOK, carol, second)
		s.WaitMail(t, carol, 1)
	})
}

// Users see where they are signed in, and end other sessions.
func TestSessions(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		const carol = "carol@example.com"
		s.AddUser(t, carol, identity.User)
		phone := s.Login(t, carol)
		laptop := send(t, s, "POST", "/api/auth/login/", body{"email": carol, "password": apptest.Password}.String(), "Content-Type: "+jsonType, "User-Agent: Laptop/1.0")
		tokens := laptop.JSON(t)["tokens"].(map[string]any)
		token := tokens["access"].(string)
		var list []struct {
			ID, Device, IP string
			Current        bool
		}
		if err := json.Unmarshal(s.Expect(t, http.StatusOK, token, "GET", "/api/auth/sessions/", "").Body, &list); err != nil {
			t.Fatal(err)
		}
		if len(list) != 2 || !list[0].Current || list[0].Device != "Laptop/1.0" || list[0].IP != "127.0.0.1" || list[1].Current {
			t.Fatalf("sessions = %+v, want the laptop, current, and the phone", list)
		}
		s.Expect(t, http.StatusNoContent, token, "DELETE", "/api/auth/sessions/"+list[1].ID+"/", "")
		s.Expect(t, http.StatusUnauthorized, phone.Access, "GET", me, "")
		s.Expect(t, http.StatusNotFound, token, "DELETE", "/api/auth/sessions/"+list[1].ID+"/", "")
		s.Expect(t, http.StatusNoContent, token, "DELETE", "/api/auth/sessions/"+list[0].ID+"/", "")
		s.Expect(t, http.StatusUnauthorized, token, "GET", me, "")
	})
}

// An API key is shown once, does what its scopes say, and goes when deleted.
func TestKeyLife(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		p := s.Person(t, identity.User)
		make := func(want int, scopes ...string) (key string, path string) {
			t.Helper()
			got := s.Expect(t, want, p.Access, "POST", "/api/auth/api-keys/", body{"name": "k", "scopes": scopes}.String())
			key, _ = got.JSON(t)["key"].(string)
			return key, fmt.Sprintf("/api/auth/api-keys/%v/", got.JSON(t)["id"])
		}
		make(http.StatusBadRequest, "admin")
		make(http.StatusBadRequest)
		read, path := make(http.StatusCreated, "read")
		write, _ := make(http.StatusCreated, "write")
		if got := s.Expect(t, http.StatusOK, p.Access, "GET", "/api/auth/api-keys/", ""); strings.Contains(string(got.Body), read) || strings.Contains(string(got.Body), `"key":`) {
			t.Errorf("list of keys = %s, want no key itself in it", got.Body)
		}
		const prefs = "/api/user/preferences/"
		s.Expect(t, http.StatusOK, read, "GET", prefs, "")
		s.Expect(t, http.StatusOK, read, "HEAD", prefs, "")
		s.Expect(t, http.StatusOK, read, "OPTIONS", prefs, "")
		wantFields(t, s.Expect(t, http.StatusForbidden, read, "PATCH", prefs, `{"locale":"fr"}`), body{"detail": `This API key does not have the scope "write".`})
		s.Expect(t, http.StatusOK, write, "PATCH", prefs, `{"locale":"fr"}`)
		s.Expect(t, http.StatusForbidden, write, "GET", prefs, "")
		s.Expect(t, http.StatusNoContent, p.Access, "DELETE", path, "")
		s.Expect(t, http.StatusUnauthorized, read, "GET", prefs, "")
		s.Expect(t, http.StatusNotFound, p.Access, "DELETE", path, "")
	})
}

// A ticket is made by whoever is signed in; it says until when it counts.
func TestTicket(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Frozen: true})
	p := s.Person(t, identity.User)
	got := s.Expect(t, http.StatusCreated, p.Access, "POST", "/api/auth/ticket/", "")
	wantFields(t, got, body{"expires_at": s.Clock.Now().Add(30 * time.Second).Format(time.RFC3339)})
	ticket, _ := got.JSON(t)["ticket"].(string)
	if len(ticket) < 20 {
		t.Fatalf("ticket = %q, want a long one", ticket)
	}
	// It opens no door but those of events.
	for _, token := range []string{ticket, "bdash_" + ticket} {
		s.Expect(t, http.StatusUnauthorized, token, "GET", me, "")
	}
	s.Expect(t, http.StatusUnauthorized, "", "GET", me+"?ticket="+ticket, "")
	redeem := func() error {
		_, err := s.App.API.Auth.RedeemTicket(t.Context(), ticket)
		return err
	}
	if err := redeem(); err != nil {
		t.Errorf("RedeemTicket = %v, want nil", err)
	}
	if err := redeem(); err == nil {
		t.Error("RedeemTicket = nil the second time, want an error")
	}
}

// The views that send mails count by address, also for who is signed in: the
// ten thousand requests an hour of a user would fill any mailbox.
func TestMailsAreThrottledByAddress(t *testing.T) {
	t.Parallel()
	const most = 3
	for path, sent := range map[string]func(i int) string{
		"auth/register/":            func(i int) string { return registration(fmt.Sprintf("flood%d@example.com", i)) },
		"auth/password-reset/":      func(i int) string { return body{"email": fmt.Sprintf("flood%d@example.com", i)}.String() },
		"auth/resend-verification/": func(int) string { return "" },
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, apptest.Options{Frozen: true, Env: []string{fmt.Sprintf("THROTTLE_ANON=%d/hour", most)}})
			p := s.Person(t, identity.User)
			for i := range most {
				if got := s.Do(t, p.Access, "POST", "/api/"+path, sent(i)); got.Status >= 400 {
					t.Fatalf("request %d: %d %s", i, got.Status, got.Body)
				}
			}
			s.Expect(t, http.StatusTooManyRequests, p.Access, "POST", "/api/"+path, sent(most))
			s.Expect(t, http.StatusOK, p.Access, "GET", me, "") // the user's own count goes on
		})
	}
}
