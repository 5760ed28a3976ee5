package config

import (
	"net/mail"
	"strconv"
	"strings"
)

// MailTransport is how mails leave.
type MailTransport string

// The transports.
const (
	MailConsole MailTransport = "console"
	MailSMTP    MailTransport = "smtp"
)

// UnmarshalText reads a transport by its name or by Django's path.
func (t *MailTransport) UnmarshalText(text []byte) error {
	switch strings.ToLower(string(text)) {
	case "console", "django.core.mail.backends.console.emailbackend":
		*t = MailConsole
	case "smtp", "django.core.mail.backends.smtp.emailbackend":
		*t = MailSMTP
	default:
		return adviceError("set it to smtp or console; of Django's backends, django.core.mail.backends.smtp.EmailBackend and django.core.mail.backends.console.EmailBackend are understood")
	}
	return nil
}

// MailTLS is how the connection to the mail server is encrypted.
type MailTLS string

// The ways to encrypt.
const (
	MailPlain    MailTLS = "none"
	MailStartTLS MailTLS = "starttls" // required: nothing is sent without it
	MailImplicit MailTLS = "tls"      // from the first byte
)

// Mail is how mails leave, and from whom.
type Mail struct {
	Transport MailTransport
	Host      string
	Port      int
	TLS       MailTLS
	User      string // no sign-in when empty
	Password  Secret
	From      mail.Address
}

// checkMail works out Mail.
func (l *loader) checkMail() {
	c := &l.cfg
	m := Mail{Transport: c.EmailBackend, Host: c.EmailHost, TLS: MailPlain, User: c.EmailHostUser, Password: c.EmailHostPass}
	m.Port = 25
	switch {
	case c.EmailUseTLS && c.EmailUseSSL:
		l.problem("EMAIL_USE_SSL", "EMAIL_USE_TLS and EMAIL_USE_SSL are both on, and exclude each other: keep EMAIL_USE_TLS for port 587, or EMAIL_USE_SSL for port 465.")
	case c.EmailUseTLS:
		m.TLS, m.Port = MailStartTLS, 587
	case c.EmailUseSSL:
		m.TLS, m.Port = MailImplicit, 465
	}
	if l.set("EMAIL_PORT") {
		m.Port = c.EmailPort
	} else {
		l.derive("EMAIL_PORT", strconv.Itoa(m.Port))
	}
	if strings.ContainsAny(m.Host, "/@ ") || (strings.Count(m.Host, ":") == 1) {
		l.problem("EMAIL_HOST", "EMAIL_HOST is %q: give the host alone, such as smtp.example.com; the port goes into EMAIL_PORT.", m.Host)
	}
	l.mailSender(&m)
	l.mailWarnings(m)
	c.Mail = m
}

// mailSender picks the From address. Mail providers refuse senders other than
// the user who signed in, so that user comes before Django's default.
func (l *loader) mailSender(m *Mail) {
	c := &l.cfg
	if c.DefaultFromEmail != "" {
		from, err := mail.ParseAddress(c.DefaultFromEmail)
		if err != nil {
			l.problem("DEFAULT_FROM_EMAIL", "DEFAULT_FROM_EMAIL is %q: it must be an address, such as bdash@example.com or Dashboard <bdash@example.com>.", c.DefaultFromEmail)
			return
		}
		m.From = *from
		return
	}
	m.From = mail.Address{Address: "webmaster@localhost"}
	if user, err := mail.ParseAddress(c.EmailHostUser); err == nil {
		m.From = *user
	}
	l.derive("DEFAULT_FROM_EMAIL", m.From.Address)
}

func (l *loader) mailWarnings(m Mail) {
	if m.Transport != MailSMTP {
		if l.set("EMAIL_HOST") && !l.set("EMAIL_BACKEND") {
			l.warn("EMAIL_BACKEND", "EMAIL_HOST is set, but mails only go to the log: set EMAIL_BACKEND=smtp to send them.")
		}
		return
	}
	switch {
	case m.User != "" && m.Password == "":
		l.warn("EMAIL_HOST_PASSWORD", "EMAIL_HOST_USER is set without EMAIL_HOST_PASSWORD: the mail server may refuse to let bdash sign in.")
	case m.User == "" && m.Password != "":
		l.warn("EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD is set without EMAIL_HOST_USER, so bdash does not sign in to the mail server.")
	}
	if m.TLS == MailPlain && m.Password != "" && !isLoopback(m.Host) {
		l.warn("EMAIL_USE_TLS", "the mail password crosses the network unencrypted: set EMAIL_USE_TLS=True for port 587, or EMAIL_USE_SSL=True for port 465.")
	}
}
