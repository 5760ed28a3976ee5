package mail

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Template names one of the application's mails.
type Template string

// The mails, with the data each needs.
const (
	VerifyEmail     Template = "verify_email"     // link, expires_at
	PasswordReset   Template = "password_reset"   // link, expires_at
	PasswordChanged Template = "password_changed" // link (to a reset), changed_at
	AddressTaken    Template = "address_taken"    // link (to the sign-in)
	AccountApproved Template = "account_approved" // link (to the sign-in)
)

// Keys of SendArgs.Data.
const (
	Link      = "link"       // absolute http or https URL
	ExpiresAt = "expires_at" // RFC 3339
	ChangedAt = "changed_at" // RFC 3339
)

const maxLink = 2000

// needs lists the data of each template: all of it, and nothing else.
var needs = map[Template][]string{
	VerifyEmail:     {Link, ExpiresAt},
	PasswordReset:   {Link, ExpiresAt},
	PasswordChanged: {Link, ChangedAt},
	AddressTaken:    {Link},
	AccountApproved: {Link},
}

// SendArgs is a mail to be sent, as a job carries it.
//
// The link may hold a token that gives access to an account, and the job's row
// holds the link. The kind is therefore to be registered so that its payload
// is forgotten: the row deleted after success, its arguments emptied after
// failure. Until then whoever reads the table can follow the link.
type SendArgs struct {
	Template Template `json:"template"`
	// Locale is a language tag; what is neither English nor Arabic is English.
	Locale string            `json:"locale"`
	To     string            `json:"to"`
	Data   map[string]string `json:"data"`
}

// Kind names the job.
func (SendArgs) Kind() string { return "mail.send" }

// Validate checks the recipient and the data. Called before queueing, it finds
// early what Send would refuse later.
func (a SendArgs) Validate() error {
	keys, ok := needs[a.Template]
	if !ok {
		return permanent("mail: there is no template %q", a.Template)
	}
	if err := ValidateAddress(a.To); err != nil {
		return err
	}
	for key := range a.Data {
		if !slices.Contains(keys, key) {
			return permanent("mail: template %q has no place for %q", a.Template, key)
		}
	}
	for _, key := range keys {
		if err := validateDatum(key, a.Data[key]); err != nil {
			return permanent("mail: template %q: %s %w", a.Template, key, err)
		}
	}
	return nil
}

// validateDatum does not repeat the value in its error: it may be secret.
func validateDatum(key, value string) error {
	if key != Link {
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			return fmt.Errorf("is not a time in RFC 3339")
		}
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") ||
		len(value) > maxLink || !oneLine(value) || strings.ContainsAny(value, " <>\"") {
		return fmt.Errorf("is not an absolute http or https URL of up to %d bytes", maxLink)
	}
	return nil
}

// Config says who writes.
type Config struct {
	Transport Transport
	// From is the sender, with or without a name.
	From string
	// Site is the application's name in the texts; empty is "bdash".
	Site string
}

// Sender renders and delivers mails. It is safe for concurrent use.
type Sender struct {
	cfg   Config
	texts map[string]map[Template]text // by language
}

// NewSender reads the templates and checks the configuration.
func NewSender(cfg Config) (*Sender, error) {
	if cfg.Site == "" {
		cfg.Site = "bdash"
	}
	switch {
	case cfg.Transport == nil:
		return nil, fmt.Errorf("mail: no transport")
	case len(cfg.Site) > 100 || !oneLine(cfg.Site):
		return nil, fmt.Errorf("mail: the site's name must be one line of up to 100 bytes")
	}
	if _, err := parseFrom(cfg.From); err != nil {
		return nil, err
	}
	texts, err := loadTexts()
	if err != nil {
		return nil, err
	}
	return &Sender{cfg: cfg, texts: texts}, nil
}

// Send renders a mail and delivers it. Errors are *Error: what Validate refuses
// is permanent.
func (s *Sender) Send(ctx context.Context, a SendArgs) error {
	m, err := s.Render(a)
	if err != nil {
		return err
	}
	if err := s.cfg.Transport.Send(ctx, m); err != nil {
		return fmt.Errorf("send %q: %w", a.Template, err)
	}
	return nil
}

// Render makes the message that Send would deliver.
func (s *Sender) Render(a SendArgs) (Message, error) {
	if err := a.Validate(); err != nil {
		return Message{}, err
	}
	lang := language(a.Locale)
	m, err := s.texts[lang][a.Template].render(view{
		Site: isolate(lang, s.cfg.Site), Lang: lang, Dir: languages[lang], Link: a.Data[Link],
		ExpiresAt: isolate(lang, utc(a.Data[ExpiresAt])), ChangedAt: isolate(lang, utc(a.Data[ChangedAt])),
	})
	if err != nil {
		return Message{}, permanent("mail: template %q: %w", a.Template, err)
	}
	m.From, m.To = s.cfg.From, a.To
	return m, nil
}

// utc writes a time the way every reader understands; a recipient's zone is
// not known. Empty stays empty.
func utc(value string) string {
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}
