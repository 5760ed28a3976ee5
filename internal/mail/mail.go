// Package mail writes and delivers the application's few messages.
//
// A room queues SendArgs as a job; the worker hands them to Sender.Send, which
// renders the template and gives the message to a Transport: SMTP, or Console
// while no mail server is configured. Every error says whether trying again is
// of any use (IsPermanent).
//
// Texts come from templates and from data that the application made itself
// (links, times). Nothing a visitor typed gets into a message: a registration
// form that mails a stranger the visitor's words would be a spammer's tool.
package mail

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
)

// Limits of RFC 5321, section 4.5.3.1, in octets.
const (
	maxAddress = 254
	maxLocal   = 64
	maxSubject = 500 // ours: far above any honest subject
)

// Transport delivers one message. Implementations are safe for concurrent use
// and return an *Error.
type Transport interface {
	Send(ctx context.Context, m Message) error
}

// Message is one mail to one recipient.
type Message struct {
	// From is an address with or without a name: "bdash <noreply@example.com>".
	From string
	// To is a bare address.
	To      string
	Subject string
	Text    string
	// HTML is the same in HTML; empty sends the text alone.
	HTML string
	// Headers are further ones. Those that the package writes itself (From, To,
	// Subject, Date, Message-ID, MIME and Content fields) are refused.
	Headers map[string]string
}

// Error is a message that was not delivered.
type Error struct {
	// Permanent is set when the same message will fail again: a bad address, a
	// refusal with 5xx. Everything else is worth another attempt.
	Permanent bool
	// Code is the server's reply code; 0 if it gave none.
	Code int
	Err  error
}

// Error implements error. It may name the recipient, never the text.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// IsPermanent reports whether sending again is of no use.
func IsPermanent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Permanent
}

func permanent(format string, args ...any) *Error {
	return &Error{Permanent: true, Err: fmt.Errorf(format, args...)}
}

// Validate checks everything that could break out of its place in a message.
func (m Message) Validate() error {
	if _, err := parseFrom(m.From); err != nil {
		return err
	}
	if err := ValidateAddress(m.To); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(m.Subject) == "" || len(m.Subject) > maxSubject || !oneLine(m.Subject):
		return permanent("mail: the subject must be one line of 1 to %d bytes", maxSubject)
	case m.Text == "" || !utf8.ValidString(m.Text) || !utf8.ValidString(m.HTML):
		return permanent("mail: the text must be UTF-8 and not empty")
	}
	for name, value := range m.Headers {
		if !headerName(name) || !oneLine(value) {
			return permanent("mail: header %q is not allowed", name)
		}
	}
	return nil
}

// ValidateAddress checks a bare address, as a recipient must be.
func ValidateAddress(address string) error {
	parsed, err := mail.ParseAddress(address)
	switch {
	case err != nil || !oneLine(address):
		return permanent("mail: %q is not an e-mail address", address)
	case parsed.Address != address:
		return permanent("mail: %q is not a bare e-mail address", address)
	case len(address) > maxAddress || strings.LastIndexByte(address, '@') > maxLocal:
		return permanent("mail: the address %q is too long", address)
	}
	return nil
}

func parseFrom(from string) (*mail.Address, error) {
	parsed, err := mail.ParseAddress(from)
	if err != nil || !oneLine(from) {
		return nil, permanent("mail: the sender %q is not an e-mail address", from)
	}
	return parsed, ValidateAddress(parsed.Address)
}

// oneLine refuses what could end a header or act on a terminal: control
// characters and Unicode's line separators.
func oneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}

// headerName tells whether a caller may set the header. RFC 5322, section
// 3.6.8, allows any printable ASCII but the colon; letters, digits and hyphens
// suffice here.
func headerName(name string) bool {
	for _, r := range name {
		if r != '-' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)) {
			return false
		}
	}
	lower := strings.ToLower(name)
	switch lower {
	case "", "from", "sender", "reply-to", "to", "cc", "bcc", "subject", "date", "message-id",
		"mime-version", "return-path", "received", "auto-submitted":
		return false
	}
	return !strings.HasPrefix(lower, "content-") && !strings.HasPrefix(lower, "resent-")
}

// build makes the MIME message with its Date and a new Message-ID.
func (m Message) build() (*gomail.Msg, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	from, err := parseFrom(m.From)
	if err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(),
		gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingQP))
	msg.FromMailAddress(from)
	msg.ToMailAddress(&mail.Address{Address: m.To})
	msg.Subject(m.Subject)
	msg.SetDateWithValue(time.Now())
	msg.SetMessageIDWithValue(messageID(from.Address))
	// RFC 3834: no vacation notices in answer, please.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	for name, value := range m.Headers {
		msg.SetGenHeader(gomail.Header(name), value)
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg, nil
}

// messageID takes the sender's domain, so that the machine's own name stays
// private.
func messageID(from string) string {
	return rand.Text() + from[strings.LastIndexByte(from, '@'):]
}
