package mail_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/mail"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fake keeps what it is given, or fails.
type fake struct {
	sent []mail.Message
	err  error
}

func (f *fake) Send(_ context.Context, m mail.Message) error {
	f.sent = append(f.sent, m)
	return f.err
}

func sender(t *testing.T, tr mail.Transport) *mail.Sender {
	t.Helper()
	s, err := mail.NewSender(mail.Config{Transport: tr, From: "bdash <noreply@bdash.example>", Site: "R&D board"})
	if err != nil {
		t.Fatalf("NewSender: %v", err)
	}
	return s
}

// argsFor fills in what the template needs.
func argsFor(name mail.Template, locale string) mail.SendArgs {
	a := mail.SendArgs{Template: name, Locale: locale, To: "carol@example.com", Data: map[string]string{
		mail.Link: "https://bdash.example/open?token=a1-B2_c3&next=%2F",
	}}
	switch name {
	case mail.VerifyEmail, mail.PasswordReset:
		a.Data[mail.ExpiresAt] = "2030-01-02T15:04:05+03:00"
	case mail.PasswordChanged:
		a.Data[mail.ChangedAt] = "2030-01-02T15:04:05Z"
	case mail.AddressTaken, mail.AccountApproved:
	}
	return a
}

var templates = []mail.Template{
	mail.VerifyEmail, mail.PasswordReset, mail.PasswordChanged, mail.AddressTaken, mail.AccountApproved,
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	s := sender(t, &fake{})
	for _, name := range templates {
		for _, locale := range []string{"en", "ar"} {
			t.Run(string(name)+"/"+locale, func(t *testing.T) {
				t.Parallel()
				m, err := s.Render(argsFor(name, locale))
				if err != nil {
					t.Fatalf("Render: %v", err)
				}
				if err := m.Validate(); err != nil {
					t.Errorf("Validate: %v", err)
				}
				got := "Subject: " + m.Subject + "\n\n" + m.Text + "\n==== HTML ====\n" + m.HTML
				path := filepath.Join("testdata", string(name)+"."+locale+".golden")
				if *update {
					if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), got); d != "" {
					t.Errorf("%s (-want +got):\n%s", path, d)
				}
			})
		}
	}
}

func TestLocales(t *testing.T) {
	t.Parallel()
	s := sender(t, &fake{})
	for locale, dir := range map[string]string{
		"": "ltr", "en": "ltr", "en-GB": "ltr", "de": "ltr", "../../ar": "ltr",
		"ar": "rtl", "AR": "rtl", "ar-EG": "rtl", "ar_SA": "rtl",
	} {
		m, err := s.Render(argsFor(mail.AddressTaken, locale))
		if err != nil || !strings.Contains(m.HTML, ` dir="`+dir+`">`) {
			t.Errorf("Render(%q): %v, want direction %s", locale, err, dir)
		}
	}
}

func TestLinksStayLinks(t *testing.T) {
	t.Parallel()
	m, err := sender(t, &fake{}).Render(argsFor(mail.VerifyEmail, "en"))
	if err != nil {
		t.Fatal(err)
	}
	if link := "https://bdash.example/open?token=a1-B2_c3&next=%2F"; !strings.Contains(m.Text, "\n"+link+"\n") {
		t.Errorf("the text lacks %s:\n%s", link, m.Text)
	}
	if !strings.Contains(m.HTML, `href="https://bdash.example/open?token=a1-B2_c3&amp;next=%2F"`) ||
		!strings.Contains(m.HTML, "R&amp;D board") || !strings.Contains(m.Subject, "R&D board") {
		t.Errorf("escaping: subject %q\n%s", m.Subject, m.HTML)
	}
}

func TestSendArgsValidate(t *testing.T) {
	t.Parallel()
	for _, name := range templates {
		if err := argsFor(name, "en").Validate(); err != nil {
			t.Errorf("%s: Validate = %v", name, err)
		}
	}
	link := func(l string) func(*mail.SendArgs) {
		return func(a *mail.SendArgs) { a.Data[mail.Link] = l }
	}
	for name, spoil := range map[string]func(*mail.SendArgs){
		"no template":       func(a *mail.SendArgs) { a.Template = "" },
		"unknown template":  func(a *mail.SendArgs) { a.Template = "../en/verify_email" },
		"bad recipient":     func(a *mail.SendArgs) { a.To = "carol@example.com\r\nRCPT TO:<eve@example.com>" },
		"no data":           func(a *mail.SendArgs) { a.Data = nil },
		"superfluous data":  func(a *mail.SendArgs) { a.Data["name"] = "Buy now" },
		"time":              func(a *mail.SendArgs) { a.Data[mail.ExpiresAt] = "tomorrow" },
		"no link":           link(""),
		"relative link":     link("/open"),
		"script":            link("javascript:alert(1)"),
		"other scheme":      link("ftp://bdash.example/"),
		"link without host": link("https:///open"),
		"link with LF":      link("https://bdash.example/\nBuy now"),
		"link with a blank": link("https://bdash.example/ Buy now"),
		"link with markup":  link(`https://bdash.example/"><b>`),
		"endless link":      link("https://bdash.example/" + strings.Repeat("a", 2000)),
	} {
		a := argsFor(mail.VerifyEmail, "en")
		spoil(&a)
		err := a.Validate()
		if !mail.IsPermanent(err) {
			t.Errorf("%s: Validate = %v, want a permanent error", name, err)
			continue
		}
		f := &fake{}
		if sendErr := sender(t, f).Send(t.Context(), a); !mail.IsPermanent(sendErr) || len(f.sent) != 0 {
			t.Errorf("%s: Send = %v, sent %d", name, sendErr, len(f.sent))
		}
		if a.Data[mail.Link] != "" && strings.Contains(err.Error(), a.Data[mail.Link]) && len(a.Data[mail.Link]) > 5 {
			t.Errorf("%s: the error shows the link: %v", name, err)
		}
	}
}

func TestSendArgsAsJSON(t *testing.T) {
	t.Parallel()
	// Rows of an older binary must stay readable: this is the stored form.
	const stored = `{"template":"address_taken","locale":"ar","to":"carol@example.com","data":{"link":"https://bdash.example/"}}`
	want := mail.SendArgs{
		Template: mail.AddressTaken, Locale: "ar", To: "carol@example.com",
		Data: map[string]string{mail.Link: "https://bdash.example/"},
	}
	got, err := json.Marshal(want)
	if err != nil || string(got) != stored || want.Kind() != "mail.send" {
		t.Errorf("Marshal = %s, %v, want %s", got, err, stored)
	}
	var read mail.SendArgs
	if err := json.Unmarshal([]byte(stored), &read); err != nil || !cmp.Equal(read, want) {
		t.Errorf("Unmarshal = %+v, %v", read, err)
	}
}

func TestSenderPassesErrorsOn(t *testing.T) {
	t.Parallel()
	for _, permanent := range []bool{false, true} {
		f := &fake{err: &mail.Error{Permanent: permanent, Err: errors.New("refused")}}
		err := sender(t, f).Send(t.Context(), argsFor(mail.VerifyEmail, "en"))
		if !errors.Is(err, f.err) || mail.IsPermanent(err) != permanent {
			t.Errorf("Send = %v, permanent %v, want %v", err, mail.IsPermanent(err), permanent)
		}
		if len(f.sent) != 1 || f.sent[0].To != "carol@example.com" || f.sent[0].From != "bdash <noreply@bdash.example>" {
			t.Errorf("sent %+v", f.sent)
		}
	}
}

func TestNewSenderRefuses(t *testing.T) {
	t.Parallel()
	good := mail.Config{Transport: mail.NewConsole(&bytes.Buffer{}), From: "noreply@bdash.example"}
	if _, err := mail.NewSender(good); err != nil {
		t.Fatalf("NewSender: %v", err)
	}
	for name, spoil := range map[string]func(*mail.Config){
		"no transport":    func(c *mail.Config) { c.Transport = nil },
		"no sender":       func(c *mail.Config) { c.From = "" },
		"site on 2 lines": func(c *mail.Config) { c.Site = "a\nb" },
		"endless site":    func(c *mail.Config) { c.Site = strings.Repeat("a", 101) },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := mail.NewSender(cfg); err == nil {
			t.Errorf("%s: NewSender succeeded", name)
		}
	}
}
