package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Security is how a connection to the mail server is protected.
type Security uint8

// The ways, with Django's names for them.
const (
	Plain    Security = iota // neither
	StartTLS                 // EMAIL_USE_TLS: refused if the server does not offer it
	TLS                      // EMAIL_USE_SSL: from the first byte
)

const defaultTimeout = 30 * time.Second

// SMTPConfig says where mail is handed in.
type SMTPConfig struct {
	Host string
	// Port defaults to 25, 587 or 465, as Security tells.
	Port     int
	Security Security
	// Username and Password are both set or both empty. Without TLS they are
	// sent to this machine only, or by a mechanism that does not show them.
	Username string
	Password string
	// Timeout bounds a whole delivery; 0 is 30 seconds.
	Timeout time.Duration
	// TLS adds to the verification of the server, for example own roots. nil
	// verifies Host against the system's roots.
	TLS *tls.Config
}

// SMTP hands messages to a mail server, one connection each.
type SMTP struct {
	cfg SMTPConfig
	tls *tls.Config
}

// NewSMTP checks the configuration. It does not connect.
func NewSMTP(cfg SMTPConfig) (*SMTP, error) {
	switch {
	case cfg.Host == "" || strings.ContainsAny(cfg.Host, " \r\n\t/@"):
		return nil, fmt.Errorf("mail: %q is not a host name", cfg.Host)
	case cfg.Port < 0 || cfg.Port > 65535:
		return nil, fmt.Errorf("mail: %d is not a port", cfg.Port)
	case cfg.Security > TLS:
		return nil, fmt.Errorf("mail: unknown security %d", cfg.Security)
	case (cfg.Username == "") != (cfg.Password == ""):
		return nil, errors.New("mail: user and password are needed both or not at all")
	case cfg.Timeout < 0:
		return nil, errors.New("mail: the time-out must not be negative")
	}
	cfg.Port = cmp.Or(cfg.Port, map[Security]int{Plain: 25, StartTLS: 587, TLS: 465}[cfg.Security])
	cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	t := &tls.Config{}
	if cfg.TLS != nil {
		t = cfg.TLS.Clone()
	}
	t.ServerName = cmp.Or(t.ServerName, cfg.Host)
	t.MinVersion = max(t.MinVersion, tls.VersionTLS12)
	return &SMTP{cfg: cfg, tls: t}, nil
}

// Check connects and signs in without sending anything.
func (s *SMTP) Check(ctx context.Context) error {
	return s.connect(ctx, func(ctx context.Context, c *gomail.Client) error {
		client, err := c.DialToSMTPClientWithContext(ctx)
		if err != nil {
			return err
		}
		return c.CloseWithSMTPClient(client)
	})
}

// Send implements Transport. After the server has accepted the message an
// error in taking leave does not count. A connection that breaks between the
// last byte and the answer leaves it unknown; the message is then sent again.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	msg, err := m.build()
	if err != nil {
		return err
	}
	err = s.connect(ctx, func(ctx context.Context, c *gomail.Client) error {
		return c.DialAndSendWithContext(ctx, msg)
	})
	if msg.IsDelivered() {
		return nil
	}
	return err
}

// connect gives a client to do. Its connection ends with do, or with ctx: the
// library heeds a context only while dialling.
func (s *SMTP) connect(ctx context.Context, do func(context.Context, *gomail.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	dial := func(dialCtx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(dialCtx, network, addr)
		if err != nil {
			return nil, err
		}
		// Closes it at the latest when connect returns: the library forgets
		// connections on which the sign-in failed.
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		if s.cfg.Security != TLS {
			return conn, nil
		}
		secure := tls.Client(conn, s.tls)
		return secure, secure.HandshakeContext(dialCtx)
	}
	client, err := gomail.NewClient(s.cfg.Host, s.options(dial)...)
	if err != nil {
		return &Error{Err: fmt.Errorf("mail: %w", err)}
	}
	if err := do(ctx, client); err != nil {
		return classify(ctx, err)
	}
	return nil
}

func (s *SMTP) options(dial gomail.DialContextFunc) []gomail.Option {
	opts := []gomail.Option{
		gomail.WithPort(s.cfg.Port), gomail.WithTimeout(s.cfg.Timeout), gomail.WithTLSConfig(s.tls),
		gomail.WithDialContextFunc(dial), gomail.WithoutNoop(), gomail.WithoutRset(),
	}
	switch s.cfg.Security {
	case TLS:
		opts = append(opts, gomail.WithSSL())
	case StartTLS:
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Plain:
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.cfg.Username == "" {
		return opts
	}
	// First what does not show the password. PLAIN and LOGIN refuse by
	// themselves to send it in the clear to another machine.
	return append(opts, gomail.WithUsername(s.cfg.Username), gomail.WithPassword(s.cfg.Password),
		gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1,
			gomail.SMTPAuthCramMD5, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
}

// classify tells refusals of this message from troubles of the server, the
// network or the settings, which an operator may mend before the next attempt.
func classify(ctx context.Context, err error) *Error {
	if ctx.Err() != nil {
		// A closed connection says less than the reason for closing it.
		return &Error{Err: fmt.Errorf("mail: %w: %w", context.Cause(ctx), err)}
	}
	var refused *gomail.SendError
	if !errors.As(err, &refused) {
		return &Error{Err: fmt.Errorf("mail: %w", err)}
	}
	code := refused.ErrorCode()
	return &Error{Permanent: aboutMessage(code), Code: code, Err: fmt.Errorf("mail: %w", err)}
}

// aboutMessage tells whether a reply code (RFC 5321, RFC 4954) blames the
// message or its addresses. 502 and 503 are about the order of commands, 530 to
// 539 about signing in.
func aboutMessage(code int) bool {
	switch {
	case code < 500 || code > 599, code == 502, code == 503, code >= 530 && code <= 539:
		return false
	default:
		return true
	}
}
