package config

import (
	"log/slog"
	"net/url"
	"strings"
)

// mask stands for a secret wherever settings are shown. Its length says
// nothing about the secret's.
const mask = "********"

// Secret is a text that no printing shows: fmt, slog and encoders see a mask.
type Secret string

// Reveal is the text itself, for the one place that uses it.
func (s Secret) Reveal() string { return string(s) }

// String is a mask, or empty when nothing is set.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text as it is. It is here because MarshalText is:
// a Secret must be readable even though writing it shows a mask.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}

// SecretURL is an address that may hold a password; printing masks it.
type SecretURL string

// Reveal is the address itself, password and all.
func (u SecretURL) Reveal() string { return string(u) }

// String is the address with its password masked. What cannot be read as an
// address, and might hold a password, is masked whole, because nobody knows
// where the password stands.
func (u SecretURL) String() string {
	raw := string(u)
	p, err := url.Parse(raw)
	if err != nil || p.Scheme == "" || !strings.Contains(raw, "://") {
		if strings.Contains(raw, "@") || strings.Contains(strings.ToLower(raw), "pass") {
			return mask
		}
		return raw
	}
	_, has := p.User.Password()
	switch {
	case has:
		p.User = url.UserPassword(p.User.Username(), mask)
	case p.User != nil && strings.HasPrefix(p.Scheme, "redis"):
		p.User = url.User(mask) // redis://password@host is an old custom
	}
	if q := p.Query(); q.Has("password") {
		q.Set("password", mask)
		p.RawQuery = q.Encode()
	}
	// The mask's asterisks come out escaped.
	return strings.ReplaceAll(p.String(), "%2A", "*")
}

// GoString is String, for %#v.
func (u SecretURL) GoString() string { return u.String() }

// LogValue is String, for slog.
func (u SecretURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText is String, for encoders.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText takes the text as it is; Load checks the scheme and the parts.
func (u *SecretURL) UnmarshalText(text []byte) error {
	*u = SecretURL(text)
	return nil
}
