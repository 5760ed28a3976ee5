package mail_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"github.com/bdash/bdash/internal/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait; it is reached only when something is broken.
const patience = 20 * time.Second

// server is a real SMTP server in this process.
type server struct {
	host string
	port int
	cert *x509.CertPool

	// What to answer, set before the first connection.
	mailErr, rcptErr, dataErr error
	drop                      bool // hang up in the middle of DATA
	user, password            string

	got chan delivery
}

type delivery struct {
	from, to, user string
	secure         bool
	raw            string
}

// listen starts the server. implicit speaks TLS from the first byte; otherwise
// STARTTLS is offered if starttls is set.
func listen(t *testing.T, s *server, implicit, starttls bool) *server {
	t.Helper()
	s.got = make(chan delivery, 10)
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c}, nil
	}))
	srv.Domain = "mail.test"
	srv.ErrorLog = log.New(io.Discard, "", 0)
	srv.AllowInsecureAuth = true
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	addr, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("address %v", ln.Addr())
	}
	s.host, s.port = "127.0.0.1", addr.Port
	if implicit || starttls {
		var conf *tls.Config
		conf, s.cert = certificate(t)
		if implicit {
			ln = tls.NewListener(ln, conf)
		} else {
			srv.TLSConfig = conf
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		_ = ln.Close() // Close does not know a listener that Serve has not seen yet
		<-done
	})
	return s
}

// certificate makes one for 127.0.0.1 and the pool that trusts it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("key: %v", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatalf("certificate: %v", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("certificate: %v", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

type session struct {
	server *server
	conn   *smtp.Conn
	now    delivery
}

func (s *session) AuthMechanisms() []string {
	if s.server.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.server.user || password != s.server.password {
			return smtp.ErrAuthFailed
		}
		s.now.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.server.user != "" && s.now.user == "" {
		return smtp.ErrAuthRequired
	}
	s.now.from = from
	return s.server.mailErr
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.now.to = to
	return s.server.rcptErr
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.server.drop {
		return s.conn.Close()
	}
	if s.server.dataErr != nil {
		return s.server.dataErr
	}
	_, s.now.secure = s.conn.TLSConnectionState()
	s.now.raw = string(raw)
	s.server.got <- s.now
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func hello() mail.Message {
	return mail.Message{
		From: "bdash <noreply@bdash.example>", To: "carol@example.com", Subject: "Hello", Text: "Hello.\n",
	}
}

// transport makes the client side. set may change the config.
func (s *server) transport(t *testing.T, set func(*mail.SMTPConfig)) *mail.SMTP {
	t.Helper()
	cfg := mail.SMTPConfig{Host: s.host, Port: s.port, Timeout: patience}
	if s.cert != nil {
		cfg.TLS = &tls.Config{RootCAs: s.cert}
	}
	if set != nil {
		set(&cfg)
	}
	tr, err := mail.NewSMTP(cfg)
	if err != nil {
		t.Fatalf("NewSMTP: %v", err)
	}
	return tr
}

func TestSMTPDelivers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name               string
		security           mail.Security
		implicit, starttls bool
		user               string
	}{
		{"plain", mail.Plain, false, false, ""},
		{"plain with sign-in on this machine", mail.Plain, false, false, "mailer"},
		{"plain although STARTTLS is offered", mail.Plain, false, true, ""},
		{"STARTTLS", mail.StartTLS, false, true, ""},
		{"STARTTLS with sign-in", mail.StartTLS, false, true, "mailer"},
		{"TLS", mail.TLS, true, false, ""},
		{"TLS with sign-in", mail.TLS, true, false, "mailer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			srv := listen(t, &server{user: tc.user, password: tc.user}, tc.implicit, tc.starttls)
			tr := srv.transport(t, func(cfg *mail.SMTPConfig) {
				cfg.Security, cfg.Username, cfg.Password = tc.security, tc.user, tc.user
			})
			if err := tr.Check(t.Context()); err != nil {
				t.Fatalf("Check: %v", err)
			}
			if err := tr.Send(t.Context(), hello()); err != nil {
				t.Fatalf("Send: %v", err)
			}
			got := <-srv.got
			if got.from != "noreply@bdash.example" || got.to != "carol@example.com" || got.user != tc.user {
				t.Errorf("envelope %+v", got)
			}
			if want := tc.security != mail.Plain; got.secure != want && !tc.implicit {
				t.Errorf("TLS = %v, want %v", got.secure, want)
			}
		})
	}
}

func TestSMTPFailures(t *testing.T) {
	t.Parallel()
	refuse := func(code int) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCodeNotSet, Message: "no"}
	}
	for _, tc := range []struct {
		name      string
		server    *server
		starttls  bool
		set       func(*mail.SMTPConfig)
		permanent bool
		code      int
	}{
		{"recipient 550", &server{rcptErr: refuse(550)}, false, nil, true, 550},
		{"recipient 451", &server{rcptErr: refuse(451)}, false, nil, false, 451},
		{"sender 553", &server{mailErr: refuse(553)}, false, nil, true, 553},
		{"text 554", &server{dataErr: refuse(554)}, false, nil, true, 554},
		{"text 421", &server{dataErr: refuse(421)}, false, nil, false, 421},
		{"hung up", &server{drop: true}, false, nil, false, 0},
		{"sign-in wanted 530", &server{mailErr: refuse(530)}, false, nil, false, 530},
		{"wrong password", &server{user: "mailer", password: "right"}, true, func(cfg *mail.SMTPConfig) {
			cfg.Security, cfg.Username, cfg.Password = mail.StartTLS, "mailer", "wrong"
		}, false, 0},
		{"no STARTTLS", &server{}, false, func(cfg *mail.SMTPConfig) { cfg.Security = mail.StartTLS }, false, 0},
		{"no TLS", &server{}, false, func(cfg *mail.SMTPConfig) { cfg.Security = mail.TLS }, false, 0},
		{"unknown certificate", &server{}, true, func(cfg *mail.SMTPConfig) {
			cfg.Security, cfg.TLS = mail.StartTLS, nil
		}, false, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			srv := listen(t, tc.server, false, tc.starttls)
			err := srv.transport(t, tc.set).Send(t.Context(), hello())
			var failure *mail.Error
			if !errors.As(err, &failure) {
				t.Fatalf("Send = %v, want *mail.Error", err)
			}
			if failure.Permanent != tc.permanent || failure.Code != tc.code || mail.IsPermanent(err) != tc.permanent {
				t.Errorf("Send = %+v (%v), want permanent %v, code %d", failure, err, tc.permanent, tc.code)
			}
			if strings.Contains(err.Error(), "wrong") {
				t.Errorf("the error shows the password: %v", err)
			}
			if len(srv.got) != 0 {
				t.Error("the message was delivered")
			}
		})
	}
}

func TestSMTPNobodyListens(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := ln.Addr().(*net.TCPAddr)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	tr := (&server{host: "127.0.0.1", port: addr.Port}).transport(t, nil)
	if err := tr.Send(t.Context(), hello()); err == nil || mail.IsPermanent(err) {
		t.Errorf("Send = %v, want a passing error", err)
	}
	if err := tr.Check(t.Context()); err == nil {
		t.Error("Check succeeded")
	}
}

// silent accepts connections, greets if told to, and says nothing more.
func silent(t *testing.T, greet bool) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				if greet {
					_ = textproto.NewConn(conn).PrintfLine("220 mail.test")
				}
				_, _ = io.Copy(io.Discard, conn) // until the client hangs up
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	addr, _ := ln.Addr().(*net.TCPAddr)
	return &server{host: "127.0.0.1", port: addr.Port}
}

func TestSMTPSlowServer(t *testing.T) {
	t.Parallel()
	for _, greet := range []bool{false, true} {
		tr := silent(t, greet).transport(t, func(cfg *mail.SMTPConfig) { cfg.Timeout = 100 * time.Millisecond })
		begin := time.Now()
		err := tr.Send(t.Context(), hello())
		if err == nil || mail.IsPermanent(err) || time.Since(begin) > patience/2 {
			t.Errorf("greeting %v: Send = %v after %v, want a passing error soon", greet, err, time.Since(begin))
		}
	}
}

func TestSMTPEndsWithItsContext(t *testing.T) {
	t.Parallel()
	tr := silent(t, true).transport(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(50*time.Millisecond, cancel)
	defer timer.Stop()
	begin := time.Now()
	if err := tr.Send(ctx, hello()); !errors.Is(err, context.Canceled) || time.Since(begin) > patience/2 {
		t.Errorf("Send = %v after %v, want context.Canceled soon", err, time.Since(begin))
	}
}

func TestNewSMTPRefuses(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]mail.SMTPConfig{
		"no host":          {},
		"an address":       {Host: "smtp://mail.test"},
		"port":             {Host: "mail.test", Port: 70000},
		"user alone":       {Host: "mail.test", Username: "a"},
		"password alone":   {Host: "mail.test", Password: "a"},
		"time-out":         {Host: "mail.test", Timeout: -1},
		"unknown security": {Host: "mail.test", Security: 9},
	} {
		if _, err := mail.NewSMTP(cfg); err == nil {
			t.Errorf("%s: NewSMTP succeeded", name)
		}
	}
}
