package datasource

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/widget"
)

// Texts of field faults.
const (
	msgRequired   = "This field is required."
	msgKindStays  = "The kind of a data source cannot be changed."
	msgHost       = "Enter a host name or an IP address, without port."
	msgPath       = "Enter the path of a file below DATASOURCE_DIR, without \"..\"."
	msgURL        = "Enter an http:// or https:// address without user, password, query and fragment."
	msgCA         = "Enter certificates in PEM."
	msgHeader     = "Not a name and a value of an HTTP header."
	msgHeaderName = "This header is not yours to set."
	msgSecretGoes = "Enter it again: it goes to another place now."
	msgSealed     = "Enter it again: the key that it was sealed with is not known any more."
	msgBoth       = "A user with a password, or a token: not both."
	msgToken      = "A token header needs a token."
)

// probeTimeout bounds the look at a data source that is saved.
const probeTimeout = 10 * time.Second

// fieldsOf says which settings a kind has; those marked true it needs.
var fieldsOf = map[string]map[string]bool{
	widget.SourcePostgreSQL: {"host": true, "port": false, "database": true, "username": true, "password": false, "tls": false, "ca": false},
	widget.SourceMySQL:      {"host": true, "port": false, "database": true, "username": true, "password": false, "tls": false, "ca": false},
	widget.SourceSQLite:     {"path": true},
	widget.SourceHTTP: {"url": true, "username": false, "password": false, "token": false, "token_header": false,
		"headers": false, "tls": false, "ca": false},
	widget.SourcePrometheus: {"url": true, "username": false, "password": false, "token": false, "token_header": false,
		"headers": false, "tls": false, "ca": false},
}

// reconnects reports whether the draft touches the connection.
func (d *Draft) reconnects() bool {
	return d.Kind != nil || d.Host != nil || d.Port != nil || d.Database != nil || d.Username != nil || d.TLS != nil || d.CA != nil ||
		d.Path != nil || d.URL != nil || d.TokenHeader != nil || d.Headers != nil || d.Password != nil || d.Token != nil ||
		d.ConfirmPrivileged != nil
}

// describe applies what is not about the connection.
func (d *Draft) describe(to *Datasource) {
	set(&to.Name, d.Name)
	set(&to.Description, d.Description)
	set(&to.EditorsAllowed, d.EditorsAllowed)
}

func set[T any](to *T, change *T) {
	if change != nil {
		*to = *change
	}
}

// change applies the draft to d and its secrets, checks the result, connects
// when the connection is touched, and seals the secrets.
func (s *Service) change(ctx context.Context, to *Datasource, secrets *Secrets, d Draft) error {
	before := *to
	d.describe(to)
	if d.Kind != nil && to.ID != 0 && *d.Kind != to.Kind {
		return fault.Fields(fault.Field{Name: "kind", Code: "datasource.kind", Message: msgKindStays})
	}
	set(&to.Kind, d.Kind)
	c := &to.Settings
	set(&c.Host, d.Host)
	if d.Port != nil {
		c.Port = 0
		set(&c.Port, *d.Port)
	}
	set(&c.Database, d.Database)
	set(&c.Username, d.Username)
	set((*string)(&c.TLS), d.TLS)
	set(&c.CA, d.CA)
	set(&c.Path, d.Path)
	set(&c.URL, d.URL)
	set(&c.TokenHeader, d.TokenHeader)
	set(&c.Headers, d.Headers)
	set(&secrets.Password, d.Password)
	set(&secrets.Token, d.Token)
	set(&to.Privileged, d.ConfirmPrivileged)
	if problems := append(check(to.Kind, c, secrets), resent(&before, to, secrets, d)...); len(problems) > 0 {
		return fault.Fields(problems...)
	}
	if to.ID == 0 || d.reconnects() {
		if err := s.look(ctx, to, *secrets); err != nil {
			return err
		}
	}
	return s.seal(to, *secrets)
}

// resent: a secret that would be sent to another place, or in the clear where
// it was not, has to be entered again. Else whoever may change the settings
// could have it sent to a place of their own.
func resent(before, after *Datasource, secrets *Secrets, d Draft) []fault.Field {
	if before.ID == 0 {
		return nil
	}
	weaker := strength[after.Settings.TLS] < strength[before.Settings.TLS] || after.Settings.CA != before.Settings.CA ||
		after.Settings.TokenHeader != before.Settings.TokenHeader
	if destination(&before.Settings) == destination(&after.Settings) && !weaker {
		return nil
	}
	var problems []fault.Field
	if secrets.Password != "" && d.Password == nil {
		problems = append(problems, fault.Field{Name: "password", Code: "datasource.secret_moves", Message: msgSecretGoes})
	}
	if secrets.Token != "" && d.Token == nil {
		problems = append(problems, fault.Field{Name: "token", Code: "datasource.secret_moves", Message: msgSecretGoes})
	}
	return problems
}

var strength = map[TLS]int{TLSOff: 1, TLSRequire: 2, TLSVerify: 3, "": 3}

func secretName(d *Datasource) string {
	if d.HasPassword {
		return "password"
	}
	return "token"
}

// look connects. What it cannot find out now is found out at the first use.
func (s *Service) look(ctx context.Context, d *Datasource, secrets Secrets) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	report, err := s.Connector.Probe(ctx, Connection{Kind: d.Kind, Settings: d.Settings, Secrets: secrets})
	var refused *widget.SourceError
	if errors.As(err, &refused) {
		switch refused.Code {
		case widget.CodeSettings, widget.CodeBlocked:
			return fault.Fields(fault.Field{Name: placeField(d.Kind), Code: "datasource." + string(refused.Code), Message: refused.Detail})
		}
		return nil
	}
	if err != nil {
		return err
	}
	if missing := unconfirmed(report.Privileges, d.Privileged); len(missing) > 0 {
		words := strings.Join(report.Privileges, ", ")
		return fault.Fields(fault.Field{Name: "confirm_privileged", Code: "datasource.privileged", Message: fmt.Sprintf(
			"This role can do more than read: %s. Take one that cannot, or confirm by sending %q here.", words, words)})
	}
	return nil
}

// placeField is the field that says where a kind connects to.
func placeField(kind string) string {
	switch kind {
	case widget.SourceSQLite:
		return "path"
	case widget.SourceHTTP, widget.SourcePrometheus:
		return "url"
	}
	return "host"
}

// unconfirmed are the privileges that the words do not name.
func unconfirmed(privileges []string, confirmed string) []string {
	words := strings.Split(confirmed, ", ")
	return slices.DeleteFunc(slices.Clone(privileges), func(p string) bool { return slices.Contains(words, p) })
}

// check gives what is wrong with the settings of a kind.
func check(kind string, c *Settings, secrets *Secrets) []fault.Field {
	fields, known := fieldsOf[kind]
	if !known {
		return []fault.Field{{Name: "kind", Code: "datasource.kind", Message: msgRequired}}
	}
	var problems []fault.Field
	report := func(name, message string) {
		problems = append(problems, fault.Field{Name: name, Code: "datasource." + name, Message: message})
	}
	for _, f := range []struct {
		name  string
		empty bool
	}{
		{"host", c.Host == ""}, {"port", c.Port == 0}, {"database", c.Database == ""}, {"username", c.Username == ""},
		{"password", secrets.Password == ""}, {"tls", c.TLS == ""}, {"ca", c.CA == ""}, {"path", c.Path == ""}, {"url", c.URL == ""},
		{"token", secrets.Token == ""}, {"token_header", c.TokenHeader == ""}, {"headers", len(c.Headers) == 0},
	} {
		needed, has := fields[f.name]
		switch {
		case f.empty && needed:
			report(f.name, msgRequired)
		case !f.empty && !has:
			report(f.name, fmt.Sprintf("A data source of the kind %s has no %s.", kind, f.name))
		case !f.empty:
			if message := checkField(f.name, c); message != "" {
				report(f.name, message)
			}
		}
	}
	if secrets.Token != "" && (c.Username != "" || secrets.Password != "") {
		report("token", msgBoth)
	}
	if c.TokenHeader != "" && secrets.Token == "" {
		report("token", msgToken)
	}
	if c.URL != "" && c.TLS == TLSOff {
		report("tls", "Encryption follows from the url: http:// or https://.")
	}
	return problems
}

func checkField(name string, c *Settings) string {
	switch name {
	case "host":
		if !validHost(c.Host) {
			return msgHost
		}
	case "path":
		if !validPath(c.Path) {
			return msgPath
		}
	case "url":
		if !validURL(c.URL) {
			return msgURL
		}
	case "ca":
		if !x509.NewCertPool().AppendCertsFromPEM([]byte(c.CA)) {
			return msgCA
		}
	case "token_header":
		return checkHeader(c.TokenHeader, "", true)
	case "headers":
		for name, value := range c.Headers {
			if message := checkHeader(name, value, false); message != "" {
				return name + ": " + message
			}
		}
	}
	return ""
}

func validHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Zone() == ""
	}
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return false
		}
	}
	return true
}

func validPath(p string) bool {
	return !path.IsAbs(p) && path.Clean(p) == p && p != "." && !strings.HasPrefix(p, "..") && !strings.ContainsAny(p, "\\\x00")
}

func validURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && validHost(u.Hostname()) && u.User == nil &&
		u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" && u.Opaque == ""
}

// ownHeaders are set by what is sent, or would change what connection it is.
var ownHeaders = []string{"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "cookie", "authorization",
	"proxy-authorization", "proxy-connection", "keep-alive", "accept-encoding"}

func checkHeader(name, value string, token bool) string {
	const marks = "!#$%&'*+-.^_`|~" // RFC 9110, section 5.6.2
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(marks, r) {
			return msgHeader
		}
	}
	if name == "" || len(name) > 100 || len(value) > 4096 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return msgHeader
	}
	if lower := strings.ToLower(name); slices.Contains(ownHeaders, lower) && (!token || lower != "authorization" && lower != "cookie") {
		return msgHeaderName
	}
	return ""
}
