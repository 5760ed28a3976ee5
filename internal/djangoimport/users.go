package djangoimport

import (
	"fmt"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/identity"
)

// Django's limits of the columns that bdash keeps in an index.
const (
	maxUsername = 150
	maxEmail    = 254
	maxName     = 100
)

// hashFormats are the beginnings of the password hashes that can be checked.
// "!" marks an account without a usable password.
var hashFormats = []string{"pbkdf2_sha256$", "argon2$", "bcrypt_sha256$", "scrypt$", "!"}

func usersTable() *tableSpec {
	return &tableSpec{
		name:  "users",
		needs: []string{"id", "username", "password", "email"},
		wants: []string{
			"last_login", "is_superuser", "first_name", "last_name", "is_staff", "is_active", "date_joined", "role",
			"status", "avatar", "bio", "preferred_locale", "theme_mode", "sidebar_collapsed", "created_at", "updated_at",
		},
		columns: []column{
			textCol("username"), textCol("email"), derivedCol("email_key"), nullTextCol("email_claim"), textCol("password"),
			textCol("first_name"), textCol("last_name"), textCol("role"), textCol("status"), boolCol("is_active"),
			nullTextCol("avatar"), textCol("bio"), textCol("preferred_locale"), textCol("theme_mode"),
			boolCol("sidebar_collapsed"), nullTimeCol("last_login"), timeCol("date_joined"), derivedCol("search_text"),
			timeCol("created_at"), timeCol("updated_at"),
		},
		constants: []constant{{"themes_version", int64(1)}},
		keys: []uniqueKey{
			{columns: []string{"username"}, reason: "another account has this username"},
			{
				columns: []string{"email_claim"},
				soften:  func(c content) { c["email_claim"] = nil },
				reason: "another account of bdash owns this e-mail address and signs in with it: " +
					"this one signs in by username",
			},
		},
		identity: []string{"created_at"},
		identify: userCreatedAt,
		survey:   surveyUser,
		convert:  convertUser,
	}
}

// candidate is an account that may own an e-mail address.
type candidate struct {
	id     int64
	open   bool // may sign in
	joined time.Time
}

// before reports whether b has the better right to the address.
func (a candidate) before(b candidate) bool {
	if a.open != b.open {
		return b.open
	}
	if !a.joined.Equal(b.joined) {
		return a.joined.Before(b.joined)
	}
	return a.id < b.id
}

// surveyUser finds the owner of each e-mail address: of the accounts that may
// sign in, the one that joined last.
func surveyUser(im *run, r *reader) {
	key := userEmailKey(r.text("email", ""))
	if key == "" {
		return
	}
	c := candidate{id: r.id, joined: joinedAt(r)}
	c.open = isActive(r) && r.text("status", "") != string(identity.Inactive)
	owner, taken := im.owners[key]
	if taken {
		im.shared[key] = true
	}
	if !taken || owner.before(c) {
		im.owners[key] = c
	}
}

// userEmailKey is what addresses are compared by; empty for what cannot be an
// address: nobody signs in with that, and no index could hold any length.
func userEmailKey(email string) string {
	key := account.EmailKey(email)
	if len(clip(key, maxEmail)) < len(key) {
		return ""
	}
	return key
}

// userCreatedAt is createdAt; the guide's own code has date_joined only.
func userCreatedAt(r *reader) []any {
	if r.has("created_at") {
		return createdAt(r)
	}
	if v := r.raw("date_joined"); v != nil {
		if t, ok := parseTime(*v, time.UTC); ok {
			return []any{t}
		}
	}
	return nil
}

func joinedAt(r *reader) time.Time { return r.instant("date_joined", "created_at", "updated_at") }

func convertUser(im *run, r *reader) (item, bool) {
	u := account.User{
		Username:     r.clipped("username", maxUsername),
		Email:        r.text("email", ""),
		PasswordHash: r.text("password", ""),
		FirstName:    r.text("first_name", ""),
		LastName:     r.text("last_name", ""),
		IsActive:     isActive(r),
	}
	joined := joinedAt(r)
	created := joined
	if r.has("created_at") {
		created = r.instant("created_at", "date_joined", "updated_at")
	}
	key := userEmailKey(u.Email)
	c := content{
		"username":          u.Username,
		"email":             u.Email,
		"email_key":         key,
		"email_claim":       emailClaim(im, r, key, u.Email),
		"password":          u.PasswordHash,
		"first_name":        u.FirstName,
		"last_name":         u.LastName,
		"role":              userRole(im, r),
		"status":            userStatus(r, u.IsActive),
		"is_active":         u.IsActive,
		"avatar":            r.nullText("avatar"),
		"bio":               r.text("bio", ""),
		"preferred_locale":  r.text("preferred_locale", "en"),
		"theme_mode":        r.choice("theme_mode", "system", "light", "dark", "system"),
		"sidebar_collapsed": r.boolean("sidebar_collapsed", false),
		"last_login":        r.nullInstant("last_login"),
		"date_joined":       joined,
		"search_text":       account.SearchText(&u),
		"created_at":        created,
		"updated_at":        updatedAt(r, created),
	}
	notePassword(r, u.PasswordHash)
	return item{id: r.id, content: c}, true
}

// isActive reads the flag; a value that says nothing opens no account.
func isActive(r *reader) bool { return r.boolean("is_active", !r.has("is_active")) }

// updatedAt is the row's updated_at, or its creation where there is none.
func updatedAt(r *reader, created time.Time) time.Time {
	if v := r.raw("updated_at"); v != nil {
		if t, ok := parseTime(*v, time.UTC); ok {
			return t
		}
		r.say(Changed, "updated_at could not be read and becomes the time of creation", show(*v))
	}
	return created
}

// emailClaim is the key for the one account that owns the address, else nil.
func emailClaim(im *run, r *reader, key, email string) any {
	if key == "" {
		reason := "has no e-mail address: signs in by username"
		if strings.TrimSpace(email) != "" {
			reason = fmt.Sprintf("the e-mail address is longer than %d characters: signs in by username", maxEmail)
		}
		r.say(Notable, reason, "")
		return nil
	}
	owner := im.owners[key].id
	if owner != r.id {
		r.say(Notable, "shares its e-mail address with the account that signs in with it: this one signs in by username",
			fmt.Sprintf("the address goes to user %d", owner))
		return nil
	}
	if im.shared[key] {
		r.say(Notable, "shares its e-mail address with other accounts and is the one that signs in with it", "")
	}
	return key
}

func userRole(im *run, r *reader) string {
	super := r.boolean("is_superuser", false)
	if !super && r.boolean("is_staff", false) {
		r.say(Notable, "is_staff is not taken: it opened Django's admin site only", "")
	}
	const unknown = "role is none that bdash knows and becomes user"
	role := identity.Role(r.text("role", string(identity.User)))
	switch {
	case super:
		if role != identity.Admin {
			r.say(Changed, "is_superuser becomes the role admin", "role was "+show(string(role)))
		}
		return string(identity.Admin)
	case role == identity.Admin && !im.opts.TrustRoles:
		r.say(Changed, "role admin without is_superuser had no power in Django and becomes editor", "")
		return string(identity.Editor)
	case !role.Valid():
		r.say(Changed, unknown, show(string(role)))
		return string(identity.User)
	}
	return string(role)
}

// userStatus maps the status, and tells whom bdash will bar: Django never
// looked at it.
func userStatus(r *reader, active bool) string {
	status := identity.Status(r.text("status", string(identity.Active)))
	if !status.Valid() {
		was := status
		status = identity.Inactive
		if active {
			status = identity.Active
		}
		r.say(Changed, fmt.Sprintf("status is none that bdash knows and becomes %s, after is_active", status),
			show(string(was)))
	}
	switch {
	case !active:
		r.say(Notable, "is_active is false: cannot sign in whatever the status is", "")
	case status == identity.Inactive:
		r.say(Notable, "status is inactive: could sign in at Django, cannot in bdash", "")
	case status == identity.Pending:
		r.say(Notable, "status is pending: could chat in Django, cannot in bdash until active", "")
	}
	return string(status)
}

func notePassword(r *reader, hash string) {
	for _, f := range hashFormats {
		if strings.HasPrefix(hash, f) {
			return
		}
	}
	format, _, _ := strings.Cut(hash, "$")
	r.say(Notable, "the password hash has a format that bdash cannot check: the password must be reset", show(clip(format, 20)))
}
