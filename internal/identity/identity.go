// Package identity says who is asking. An Actor is resolved once, at the
// edge, from a token or an API key, and handed to rooms as an argument; rooms
// decide by it what is allowed.
package identity

import "slices"

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
