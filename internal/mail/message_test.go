package mail_test

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/mail"
)

func TestMessageOnTheWire(t *testing.T) {
	t.Parallel()
	srv := listen(t, &server{}, false, false)
	m := hello()
	m.From = "لوحة <noreply@bdash.example>"
	m.Subject = "تأكيد بريدك الإلكتروني في bdash وهذا عنوان طويل جدًا حتى يُقسَم إلى عدة أسطر"
	m.Text = "مرحبًا،\n" + strings.Repeat("long line ", 50) + "\n.\nafter a dot\n"
	m.HTML = "<p>مرحبًا & so on</p>"
	m.Headers = map[string]string{"X-Entity-Ref-ID": "قيمة"}
	if err := srv.transport(t, nil).Send(t.Context(), m); err != nil {
		t.Fatalf("Send: %v", err)
	}
	raw := (<-srv.got).raw
	for _, line := range strings.Split(raw, "\r\n") {
		if len(line) > 78 && strings.HasPrefix(line, "X-") || len(line) > 998 || strings.ContainsFunc(line, func(r rune) bool { return r > 126 }) {
			t.Errorf("line is not fit for the wire: %q", line)
		}
	}
	msg, err := netmail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, raw)
	}
	dec := new(mime.WordDecoder)
	for name, want := range map[string]string{
		"From": m.From, "To": "<carol@example.com>", "Subject": m.Subject, "X-Entity-Ref-ID": "قيمة",
		"Auto-Submitted": "auto-generated", "Mime-Version": "1.0", "User-Agent": "", "X-Mailer": "",
	} {
		if got, err := dec.DecodeHeader(msg.Header.Get(name)); err != nil || got != want {
			t.Errorf("%s = %q, %v, want %q", name, got, err, want)
		}
	}
	if !strings.HasPrefix(msg.Header.Get("Subject"), "=?UTF-8?") {
		t.Errorf("Subject = %q is not encoded", msg.Header.Get("Subject"))
	}
	if at, err := msg.Header.Date(); err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("Date = %v, %v", at, err)
	}
	if id := msg.Header.Get("Message-Id"); !regexp.MustCompile(`^<[A-Z2-7]{26}@bdash\.example>$`).MatchString(id) {
		t.Errorf("Message-ID = %q", id)
	}
	checkParts(t, msg, m)
}

func checkParts(t *testing.T, msg *netmail.Message, m mail.Message) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("Content-Type = %q, %v", kind, err)
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for _, want := range []struct{ kind, text string }{{"text/plain", m.Text}, {"text/html", m.HTML}} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatalf("part %s: %v", want.kind, err)
		}
		kind, params, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if kind != want.kind || !strings.EqualFold(params["charset"], "utf-8") ||
			part.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Errorf("part %v", part.Header)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if got := strings.ReplaceAll(string(text), "\r\n", "\n"); err != nil || strings.TrimRight(got, "\n") != strings.TrimRight(want.text, "\n") {
			t.Errorf("%s = %q, %v, want %q", kind, got, err, want.text)
		}
	}
}

func TestMessageRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 65) + "@example.com"
	cases := map[string]func(*mail.Message){
		"subject with CRLF":        func(m *mail.Message) { m.Subject = "Hi\r\nBcc: eve@example.com" },
		"subject with LF":          func(m *mail.Message) { m.Subject = "Hi\nBcc: eve@example.com" },
		"subject with CR":          func(m *mail.Message) { m.Subject = "Hi\rBcc: eve@example.com" },
		"subject with NUL":         func(m *mail.Message) { m.Subject = "Hi\x00" },
		"subject with separator":   func(m *mail.Message) { m.Subject = "Hi\u2028there" },
		"subject not UTF-8":        func(m *mail.Message) { m.Subject = "Hi\xff" },
		"blank subject":            func(m *mail.Message) { m.Subject = "  " },
		"endless subject":          func(m *mail.Message) { m.Subject = strings.Repeat("a", 501) },
		"no text":                  func(m *mail.Message) { m.Text = "" },
		"text not UTF-8":           func(m *mail.Message) { m.Text = "\xff" },
		"HTML not UTF-8":           func(m *mail.Message) { m.HTML = "\xff" },
		"no recipient":             func(m *mail.Message) { m.To = "" },
		"recipient with LF":        func(m *mail.Message) { m.To = "carol@example.com\nBcc: eve@example.com" },
		"recipient folded":         func(m *mail.Message) { m.To = "carol@example.com\r\n " },
		"two recipients":           func(m *mail.Message) { m.To = "carol@example.com, eve@example.com" },
		"recipient with a name":    func(m *mail.Message) { m.To = "Carol <carol@example.com>" },
		"recipient with a comment": func(m *mail.Message) { m.To = "carol@example.com (Carol)" },
		"recipient without domain": func(m *mail.Message) { m.To = "carol" },
		"long local part":          func(m *mail.Message) { m.To = long },
		"long address":             func(m *mail.Message) { m.To = "a@" + strings.Repeat("b.", 130) + "com" },
		"SMTP in the recipient":    func(m *mail.Message) { m.To = "\"a> NOTIFY=NEVER\r\nDATA\"@example.com" },
		"no sender":                func(m *mail.Message) { m.From = "" },
		"sender with LF":           func(m *mail.Message) { m.From = "x\n <noreply@bdash.example>" },
		"sender's address is long": func(m *mail.Message) { m.From = "x <" + long + ">" },
		"header with LF":           func(m *mail.Message) { m.Headers = map[string]string{"X-A": "b\nBcc: eve@example.com"} },
		"header name with colon":   func(m *mail.Message) { m.Headers = map[string]string{"X-A: b\nBcc": "eve@example.com"} },
		"header name not ASCII":    func(m *mail.Message) { m.Headers = map[string]string{"X-ä": "b"} },
		"header without name":      func(m *mail.Message) { m.Headers = map[string]string{"": "b"} },
		"another Bcc":              func(m *mail.Message) { m.Headers = map[string]string{"BCC": "eve@example.com"} },
		"another Content-Type":     func(m *mail.Message) { m.Headers = map[string]string{"content-type": "text/html"} },
	}
	srv := listen(t, &server{}, false, false)
	var out bytes.Buffer
	for _, tr := range []mail.Transport{srv.transport(t, nil), mail.NewConsole(&out)} {
		for name, spoil := range cases {
			m := hello()
			spoil(&m)
			if err := tr.Send(t.Context(), m); !mail.IsPermanent(err) {
				t.Errorf("%T, %s: Send = %v, want a permanent error", tr, name, err)
			}
		}
	}
	if len(srv.got) != 0 || out.Len() != 0 {
		t.Errorf("%d messages were sent, the console has %q", len(srv.got), out.String())
	}
}

func TestConsole(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	m := hello()
	m.Subject, m.HTML = "مرحبًا", "<p>Hello.</p>"
	m.Text = "Open https://bdash.example/verify?token=a=b\n\x1b[2Jend\n"
	m.Headers = map[string]string{"X-B": "2", "X-A": "1"}
	if err := mail.NewConsole(&out).Send(t.Context(), m); err != nil {
		t.Fatalf("Send: %v", err)
	}
	want := regexp.MustCompile(`^From: bdash <noreply@bdash\.example>
To: carol@example\.com
Subject: مرحبًا
Date: [^\n]+
X-A: 1
X-B: 2

Open https://bdash\.example/verify\?token=a=b
\[2Jend

\(The same in HTML: 13 bytes, not shown\.\)
-{79}
$`)
	if !want.MatchString(out.String()) {
		t.Errorf("console:\n%s", out.String())
	}
	if err := mail.NewConsole(broken{}).Send(t.Context(), hello()); err == nil || mail.IsPermanent(err) {
		t.Errorf("Send to a broken console = %v, want a passing error", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
