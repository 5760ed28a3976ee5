package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/identity"
)

var (
	roleChoices   = []drf.Choice{{Value: "admin", Label: "Admin"}, {Value: "editor", Label: "Editor"}, {Value: "user", Label: "User"}}
	statusChoices = []drf.Choice{{Value: "active", Label: "Active"}, {Value: "inactive", Label: "Inactive"}, {Value: "pending", Label: "Pending"}}
)

// userFields is the guide's UserSerializer: a user as signing in and me/ show it.
var userFields = declareUser()

func declareUser() *drf.Serializer[account.User, account.Profile] {
	s := drf.NewSerializer[account.User, account.Profile]("User")
	s.Int("id", drf.Opt{}, 0, 0, func(u *account.User) int64 { return u.ID }, nil)
	s.Email("email", drf.Opt{}, func(u *account.User) string { return u.Email }, nil)
	s.Char("first_name", drf.Opt{Blank: true, Max: 150},
		func(u *account.User) string { return u.FirstName }, func(p *account.Profile, v string) { p.FirstName = &v })
	s.Char("last_name", drf.Opt{Blank: true, Max: 150},
		func(u *account.User) string { return u.LastName }, func(p *account.Profile, v string) { p.LastName = &v })
	s.Choice("role", drf.Opt{}, roleChoices, func(u *account.User) string { return string(u.Role) }, nil)
	s.Choice("status", drf.Opt{}, statusChoices, func(u *account.User) string { return string(u.Status) }, nil)
	s.URLOrNull("avatar", drf.Opt{Blank: true, Max: 200, Example: `"https://example.com/a.png"`},
		func(u *account.User) *string { return u.Avatar }, func(p *account.Profile, v *string) { p.Avatar = &v })
	s.Char("bio", drf.Opt{Blank: true, Max: 10_000},
		func(u *account.User) string { return u.Bio }, func(p *account.Profile, v string) { p.Bio = &v })
	s.Time("created_at", drf.Opt{}, func(u *account.User) time.Time { return u.CreatedAt })
	s.Time("updated_at", drf.Opt{}, func(u *account.User) time.Time { return u.UpdatedAt })
	return s
}

func (s *Server) me(w http.ResponseWriter, r *drf.Request) error {
	return userFields.Respond(w, r, http.StatusOK, &access(r).User)
}

func (s *Server) patchMe(w http.ResponseWriter, r *drf.Request) error {
	var p account.Profile
	if err := userFields.Decode(r, &p, drf.Partial); err != nil {
		return err
	}
	u, err := s.Accounts.UpdateProfile(r.Context(), actor(r), p)
	if err != nil {
		return err
	}
	return userFields.Respond(w, r, http.StatusOK, &u)
}

// userDraft is what an administrator writes: the fields that were sent.
type userDraft struct {
	account.AdminUpdate
}

// adminUserFields is a user as users/ shows it.
var adminUserFields = declareAdminUser()

func declareAdminUser() *drf.Serializer[account.User, userDraft] {
	s := drf.NewSerializer[account.User, userDraft]("AdminUser")
	s.Int("id", drf.Opt{}, 0, 0, func(u *account.User) int64 { return u.ID }, nil)
	s.Email("email", drf.Opt{Required: true, Max: 254, Example: `"carol@example.com"`},
		func(u *account.User) string { return u.Email }, func(d *userDraft, v string) { d.Email = &v })
	s.Char("username", drf.Opt{Max: 150, Help: "The e-mail address when it is not given."},
		func(u *account.User) string { return u.Username }, func(d *userDraft, v string) { d.Username = &v })
	s.Char("first_name", drf.Opt{Blank: true, Max: 150},
		func(u *account.User) string { return u.FirstName }, func(d *userDraft, v string) { d.FirstName = &v })
	s.Char("last_name", drf.Opt{Blank: true, Max: 150},
		func(u *account.User) string { return u.LastName }, func(d *userDraft, v string) { d.LastName = &v })
	s.Choice("role", drf.Opt{}, roleChoices,
		func(u *account.User) string { return string(u.Role) }, func(d *userDraft, v string) { role := identity.Role(v); d.Role = &role })
	s.Choice("status", drf.Opt{}, statusChoices,
		func(u *account.User) string { return string(u.Status) }, func(d *userDraft, v string) { st := identity.Status(v); d.Status = &st })
	s.Bool("is_active", drf.Opt{Help: "false bars from signing in, whatever the status."},
		func(u *account.User) bool { return u.IsActive }, func(d *userDraft, v bool) { d.IsActive = &v })
	s.URLOrNull("avatar", drf.Opt{Blank: true, Max: 200},
		func(u *account.User) *string { return u.Avatar }, func(d *userDraft, v *string) { d.Avatar = &v })
	s.Char("bio", drf.Opt{Blank: true, Max: 10_000},
		func(u *account.User) string { return u.Bio }, func(d *userDraft, v string) { d.Bio = &v })
	s.Char("password", drf.Opt{Max: newPasswordMax, Help: "Required for a new user."}, nil, func(d *userDraft, v string) { d.Password = &v })
	s.TimeOrNull("email_verified_at", drf.Opt{}, func(u *account.User) *time.Time { return u.EmailVerifiedAt }, nil)
	s.TimeOrNull("last_login", drf.Opt{}, func(u *account.User) *time.Time { return u.LastLogin }, nil)
	s.Time("date_joined", drf.Opt{}, func(u *account.User) time.Time { return u.DateJoined })
	s.Time("created_at", drf.Opt{}, func(u *account.User) time.Time { return u.CreatedAt })
	s.Time("updated_at", drf.Opt{}, func(u *account.User) time.Time { return u.UpdatedAt })
	return s
}

var (
	userOrderings = []string{"id", "email", "username", "first_name", "last_name", "role", "status", "is_active", "avatar", "last_login", "date_joined", "created_at", "updated_at"}
	userFilters   = []drf.Filter{{Field: "role", Choices: []string{"admin", "editor", "user"}},
		{Field: "status", Choices: []string{"active", "inactive", "pending"}}, {Field: "is_active", Boolean: true}}
)

func (s *Server) listUsers(w http.ResponseWriter, r *drf.Request) error {
	req, err := pageRequest(r, userOrderings, userFilters)
	if err != nil {
		return err
	}
	res, err := s.Accounts.List(r.Context(), actor(r), req)
	if err != nil {
		return err
	}
	return respondPage(w, r, adminUserFields, res)
}

func (s *Server) createUser(w http.ResponseWriter, r *drf.Request) error {
	var in userDraft
	if err := adminUserFields.Decode(r, &in, drf.Whole); err != nil {
		return err
	}
	if in.Password == nil {
		return drf.Invalid("password", "This field is required.")
	}
	u, err := s.Accounts.Create(r.Context(), actor(r), newAccount(in))
	if err != nil {
		return err
	}
	noteOf(r).TargetKind, noteOf(r).TargetID = "user", strconv.FormatInt(u.ID, 10)
	noteOf(r).say("role", u.Role)
	return adminUserFields.Respond(w, r, http.StatusCreated, &u)
}

// newAccount fills what was not sent: an active user.
func newAccount(in userDraft) account.Draft {
	d := account.Draft{Password: *in.Password, Role: identity.User, Status: identity.Active, IsActive: true}
	set(&d.Email, in.Email)
	set(&d.Username, in.Username)
	set(&d.FirstName, in.FirstName)
	set(&d.LastName, in.LastName)
	set(&d.Role, in.Role)
	set(&d.Status, in.Status)
	set(&d.IsActive, in.IsActive)
	set(&d.Bio, in.Bio)
	set(&d.Avatar, in.Avatar)
	return d
}

// set assigns *to where something was sent.
func set[T any](to *T, sent *T) {
	if sent != nil {
		*to = *sent
	}
}

func (s *Server) retrieveUser(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	u, err := s.Accounts.ByID(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	return adminUserFields.Respond(w, r, http.StatusOK, &u)
}

func (s *Server) patchUser(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	before, err := s.Accounts.ByID(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	var in userDraft
	if err := adminUserFields.Decode(r, &in, drf.Partial); err != nil {
		return err
	}
	u, err := s.Accounts.Update(r.Context(), actor(r), id, in.AdminUpdate)
	if err != nil {
		return err
	}
	noteOf(r).sayChange(&before, &u)
	return adminUserFields.Respond(w, r, http.StatusOK, &u)
}

func (s *Server) deleteUser(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if err := s.Accounts.Delete(r.Context(), actor(r), id); err != nil {
		return err
	}
	return r.NoContent(w)
}
