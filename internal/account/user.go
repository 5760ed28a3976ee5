// Package account holds users: registration and its mails, the profile, roles
// and statuses, and their administration. It knows neither HTTP nor SQL, and
// nothing of sessions: ending them is part of the store's unit of work, so
// that a user who is deactivated is out at the same moment.
package account

import (
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// User is an account.
type User struct {
	ID       int64
	Username string
	// Email as the user wrote it; compared through EmailKey.
	Email string
	// EmailVerifiedAt is when the owner proved to read the address; nil: not yet.
	EmailVerifiedAt *time.Time
	// PasswordHash in Django's encoded form; "!" and more is unusable.
	PasswordHash        string
	FirstName, LastName string
	Role                identity.Role
	Status              identity.Status
	// IsActive false bars from signing in whatever Status says (Django's flag).
	IsActive bool
	// Avatar is an address of a picture; nil is none.
	Avatar *string
	Bio    string
	// PreferredLocale, ThemeMode and SidebarCollapsed are the guide's columns of
	// the user; what the dashboard uses are the preferences.
	PreferredLocale  string
	ThemeMode        string
	SidebarCollapsed bool
	LastLogin        *time.Time
	DateJoined       time.Time
	// TokensValidAfter refuses tokens without a session issued before it.
	TokensValidAfter *time.Time
	// ThemesVersion moves with every write to the user's themes.
	ThemesVersion int64
	// ViewsVersion moves with every write to the user's dashboard views.
	ViewsVersion int64
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// MaySignIn reports whether the account is open.
func (u *User) MaySignIn() bool { return u.IsActive && u.Status != identity.Inactive }

// Actor is the user as one who asks, without a session.
func (u *User) Actor() identity.Actor {
	return identity.Actor{UserID: u.ID, Role: u.Role, Status: u.Status, Email: u.Email}
}

// EmailKey folds an address for comparison: trimmed, without case, composed.
// The key of a key is itself. SQLite folds ASCII only, so it is done here for
// both engines.
func EmailKey(address string) string {
	// Decomposed before folding, or some marks would fold to letters out of
	// their order (The Unicode Standard, definition D145). Lower case after it:
	// Cherokee letters come out of Fold as what they were not.
	folded := cases.Fold().String(norm.NFD.String(strings.TrimSpace(address)))
	return norm.NFC.String(strings.ToLower(folded))
}

// NormalizeEmail trims the address and lower-cases its domain, as Django's
// normalize_email does; what has no @ stays as it is.
func NormalizeEmail(address string) string {
	if !strings.Contains(address, "@") {
		return address
	}
	address = strings.TrimSpace(address)
	at := strings.LastIndexByte(address, '@')
	return address[:at+1] + strings.ToLower(address[at+1:])
}

// SearchText is what a search over users looks into.
func SearchText(u *User) string {
	return strings.ToLower(strings.Join([]string{u.Email, u.Username, u.FirstName, u.LastName}, "\n"))
}

// Errors of this room.
var (
	ErrNotFound = fault.New(fault.NotFound, "account.not_found", "Not found.")
	// ErrEmailTaken: another account has the address, in whatever case.
	ErrEmailTaken = fault.New(fault.Invalid, "account.email_taken", "custom user with this email already exists.")
	// ErrUsernameTaken: another account has the name.
	ErrUsernameTaken = fault.New(fault.Invalid, "account.username_taken", "A user with that username already exists.")
	// ErrClosed: this installation takes no registrations.
	ErrClosed = fault.New(fault.Forbidden, "account.registration_closed", "Registration is closed.")
	// ErrForbidden: only administrators may.
	ErrForbidden = fault.New(fault.Forbidden, "forbidden", "You do not have permission to perform this action.")
	// ErrLastAdmin: the change would leave nobody who can administer.
	ErrLastAdmin = fault.New(fault.Conflict, "account.last_admin", "This is the last active administrator: it cannot be deleted, demoted or deactivated.")
	// ErrBadLink: the link's token is unknown, used, expired, or void because
	// the address changed since.
	ErrBadLink = fault.New(fault.Invalid, "account.bad_link", "This link is invalid or has expired.")
	// ErrVerified: there is nothing to verify.
	ErrVerified = fault.New(fault.Conflict, "account.already_verified", "The e-mail address is verified already.")
)
