// Package identity says who is asking. An Actor is resolved once, at the
// edge, from a token or an API key, and handed to rooms as an argument; rooms
// decide by it what is allowed.
package identity

import (
	"context"
	"slices"
)

// Role is what a user may do.
type Role string

// The roles, from most to least.
const (
	Admin  Role = "admin"  // everything
	Editor Role = "editor" // a user who may also publish own widgets
	User   Role = "user"
)

// Roles lists every role, most powerful first.
var Roles = []Role{Admin, Editor, User}

// Valid reports whether r is one of Roles.
func (r Role) Valid() bool { return slices.Contains(Roles, r) }

// Status is where an account stands.
type Status string

// The statuses.
const (
	Active   Status = "active"
	Inactive Status = "inactive" // may not sign in
	Pending  Status = "pending"  // registered, not confirmed: may look, may not chat
)

// Valid reports whether s is a known status.
func (s Status) Valid() bool { return s == Active || s == Inactive || s == Pending }

// Scope is what an API key may do.
type Scope string

// The scopes.
const (
	ScopeRead  Scope = "read"  // GET, HEAD, OPTIONS
	ScopeWrite Scope = "write" // all other methods
	ScopeAdmin Scope = "admin" // users; only an admin can make such a key
)

// Actor is who is asking. The zero value is nobody.
type Actor struct {
	UserID int64
	Role   Role
	Status Status
	Email  string
	// SessionID is the login this request belongs to; "" for API keys and for
	// tokens that a Django deployment signed.
	SessionID string
	// KeyID is the API key that was used, 0 if none.
	KeyID int64
	// Scopes of the API key; nil without one.
	Scopes []Scope
}

// Anonymous reports whether nobody is signed in.
func (a Actor) Anonymous() bool { return a.UserID == 0 }

// IsAdmin reports whether the actor may act as an administrator: an admin who
// is signed in, or whose key was made with ScopeAdmin.
func (a Actor) IsAdmin() bool {
	return a.Role == Admin && (a.KeyID == 0 || slices.Contains(a.Scopes, ScopeAdmin))
}

// ByKey reports whether an API key was used.
func (a Actor) ByKey() bool { return a.KeyID != 0 }

// May reports whether the actor's key, if any, has the scope.
func (a Actor) May(s Scope) bool { return a.KeyID == 0 || slices.Contains(a.Scopes, s) }

type clientIDKey struct{}

// ClientIDKey is under which a context holds the name that a client gave itself
// (X-Client-ID), a string: for contexts that answer Value themselves. Others
// take WithClientID.
var ClientIDKey any = clientIDKey{}

// MaxClientID is the length of such a name, in bytes.
const MaxClientID = 100

// WithClientID returns a context of a request by that client.
func WithClientID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, clientIDKey{}, id)
}

// ClientID is the client whose request the context belongs to, or empty. With
// it a tab recognises the events that it caused itself.
func ClientID(ctx context.Context) string {
	id, _ := ctx.Value(clientIDKey{}).(string)
	return id
}

// ValidClientID reports whether id is up to MaxClientID printable characters of
// ASCII, and not empty.
func ValidClientID(id string) bool {
	for _, c := range []byte(id) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return id != "" && len(id) <= MaxClientID
}
