// Package datasource holds the places that widgets are fed from: databases,
// HTTP services, Prometheus servers. Administrators register them; their
// settings are fields, and their secrets are sealed and never shown again.
//
// The room checks who asks and what is stored. How a kind is connected to is
// the Connector's affair.
package datasource

import (
	"context"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/widget"
)

// Datasource is one registered source, without its secrets.
type Datasource struct {
	ID          int64
	Name        string // unique
	Description string
	Kind        string // one of Kinds; never changes
	Settings    Settings
	// Sealed are the secrets as they are stored; "" for none. SealedBy names
	// the key.
	Sealed, SealedBy string
	// HasPassword and HasToken tell which secrets there are.
	HasPassword, HasToken bool
	// EditorsAllowed: editors may use it in their widgets.
	EditorsAllowed bool
	// Privileged is what an administrator confirmed that the role may do
	// besides reading; "" for nothing.
	Privileged string
	// Version moves with every change.
	Version   int64
	CreatedBy int64 // the user id of an administrator
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Kinds of data sources.
var Kinds = []string{widget.SourcePostgreSQL, widget.SourceMySQL, widget.SourceSQLite, widget.SourceHTTP, widget.SourcePrometheus}

// Settings of a connection. Which of them count depends on the kind.
type Settings struct {
	Host     string `json:"host,omitempty"`
	Port     int64  `json:"port,omitempty"` // 0 is the kind's own
	Database string `json:"database,omitempty"`
	Username string `json:"username,omitempty"`
	TLS      TLS    `json:"tls,omitempty"`
	// CA are certificates in PEM that replace the system's.
	CA   string `json:"ca,omitempty"`
	Path string `json:"path,omitempty"` // of an SQLite file, below DATASOURCE_DIR
	URL  string `json:"url,omitempty"`
	// Headers are sent with every request; what is secret belongs in Token.
	Headers map[string]string `json:"headers,omitempty"`
	// TokenHeader carries the token as it is; "" sends it as a bearer token in
	// Authorization.
	TokenHeader string `json:"token_header,omitempty"`
	// HasPassword and HasToken stand here so that nobody has to open the
	// secrets to know.
	HasPassword bool `json:"has_password,omitempty"`
	HasToken    bool `json:"has_token,omitempty"`
}

// TLS is how a connection is encrypted.
type TLS string

// The ways.
const (
	TLSVerify  TLS = "verify"  // and the certificate is checked: the default
	TLSRequire TLS = "require" // any certificate will do
	TLSOff     TLS = "off"
)

// Secrets of a connection.
type Secrets struct {
	Password string `json:"password,omitempty"`
	Token    string `json:"token,omitempty"`
}

// Draft is a new data source or a change of one; nil leaves a field as it is.
type Draft struct {
	Name, Description, Kind, Host, Database, Username *string
	Port                                              **int64
	TLS, CA, Path, URL, TokenHeader                   *string
	Headers                                           *map[string]string
	Password, Token                                   *string // "" takes them away
	EditorsAllowed                                    *bool
	// ConfirmPrivileged repeats in so many words what the role may do besides
	// reading.
	ConfirmPrivileged *string
}

// Connection is what a Connector needs.
type Connection struct {
	Kind     string
	Settings Settings
	Secrets  Secrets
}

// Report is what a Connector found out by connecting.
type Report struct {
	// Server names what answered, with its version.
	Server string
	// Privileges are what the role may do besides reading: "superuser",
	// "files", "write", in this order. Never set for HTTP and Prometheus.
	Privileges []string
}

// Connector connects to data sources, and answers for the built-in kinds.
// Failures are *widget.SourceError. Safe for concurrent use.
type Connector interface {
	Fetch(ctx context.Context, c Connection, ask widget.Ask) (widget.Frame, error)
	// Probe connects and signs in, and asks what the role may do.
	Probe(ctx context.Context, c Connection) (Report, error)
	Uses(kind string, query []byte) (widget.Uses, error)
}

// Store keeps data sources. Each method is one unit of work.
type Store interface {
	// ByID: ErrNotFound.
	ByID(ctx context.Context, id int64) (Datasource, error)
	List(ctx context.Context, req page.Request) (page.Result[Datasource], error)
	// Create gives it back with its id. ErrNameTaken.
	Create(ctx context.Context, d Datasource) (Datasource, error)
	// Update writes over the version that d holds. ErrNotFound, ErrNameTaken,
	// ErrChanged.
	Update(ctx context.Context, d Datasource) (Datasource, error)
	// Delete: ErrNotFound, ErrInUse.
	Delete(ctx context.Context, id int64) error
	// NotSealedBy gives up to n whose secrets another key sealed, by id, from
	// after on.
	NotSealedBy(ctx context.Context, key string, after int64, n int) ([]Datasource, error)
	// Reseal replaces the sealed secrets unless d changed meanwhile.
	Reseal(ctx context.Context, d Datasource) error
}

// Sealer seals secrets for a place.
type Sealer interface {
	KeyID() string
	Seal(place string, text []byte) string
	Open(place, sealed string) ([]byte, error)
}

// Errors of this room.
var (
	ErrForbidden = fault.New(fault.Forbidden, "datasource.forbidden", "You do not have permission to perform this action.")
	ErrNotFound  = fault.New(fault.NotFound, "datasource.not_found", "Not found.")
	// ErrNameTaken names the field name.
	ErrNameTaken = fault.New(fault.Invalid, "datasource.name_taken", "data source with this name already exists.")
	ErrInUse     = fault.New(fault.Conflict, "datasource.in_use", "Widgets show this data source. Change or delete them first.")
	ErrChanged   = fault.New(fault.Conflict, "datasource.changed", "The data source was changed meanwhile. Try again.")
)

// Service is the room. Safe for concurrent use.
type Service struct {
	Store     Store
	Connector Connector
	Sealer    Sealer
	Now       func() time.Time

	gates gates
	known verdicts
}

// List is one page of the data sources. ErrForbidden.
func (s *Service) List(ctx context.Context, actor identity.Actor, req page.Request) (page.Result[Datasource], error) {
	if !actor.IsAdmin() {
		return page.Result[Datasource]{}, ErrForbidden
	}
	return s.Store.List(ctx, req)
}

// ByID finds a data source. ErrForbidden, ErrNotFound.
func (s *Service) ByID(ctx context.Context, actor identity.Actor, id int64) (Datasource, error) {
	if !actor.IsAdmin() {
		return Datasource{}, ErrForbidden
	}
	return s.Store.ByID(ctx, id)
}

// Create registers a data source. It connects, to see what the role may do;
// one that cannot be reached is registered all the same, and looked at when it
// is used. ErrForbidden, ErrNameTaken; field faults.
func (s *Service) Create(ctx context.Context, actor identity.Actor, d Draft) (Datasource, error) {
	if !actor.IsAdmin() {
		return Datasource{}, ErrForbidden
	}
	now := s.now()
	made := Datasource{Version: 1, CreatedBy: actor.UserID, CreatedAt: now, UpdatedAt: now}
	var secrets Secrets
	if err := s.change(ctx, &made, &secrets, d); err != nil {
		return Datasource{}, err
	}
	return s.Store.Create(ctx, made)
}

// Update changes a data source. ErrForbidden, ErrNotFound, ErrNameTaken,
// ErrChanged; field faults.
func (s *Service) Update(ctx context.Context, actor identity.Actor, id int64, d Draft) (Datasource, error) {
	found, err := s.ByID(ctx, actor, id)
	if err != nil {
		return Datasource{}, err
	}
	secrets, err := s.open(&found)
	if err != nil && (d.Password == nil && found.HasPassword || d.Token == nil && found.HasToken) && d.reconnects() {
		return Datasource{}, fault.Fields(fault.Field{Name: secretName(&found), Code: "datasource.sealed", Message: msgSealed})
	}
	if err == nil || d.reconnects() {
		if err := s.change(ctx, &found, &secrets, d); err != nil {
			return Datasource{}, err
		}
	} else {
		d.describe(&found)
	}
	found.UpdatedAt = s.now()
	return s.Store.Update(ctx, found)
}

// Delete removes a data source that no widget shows. ErrForbidden,
// ErrNotFound, ErrInUse.
func (s *Service) Delete(ctx context.Context, actor identity.Actor, id int64) error {
	if !actor.IsAdmin() {
		return ErrForbidden
	}
	return s.Store.Delete(ctx, id)
}

// Datasource implements widget.Datasources.
func (s *Service) Datasource(ctx context.Context, id int64) (widget.Datasource, error) {
	d, err := s.Store.ByID(ctx, id)
	return widget.Datasource{ID: d.ID, Kind: d.Kind, EditorsAllowed: d.EditorsAllowed}, err
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }
