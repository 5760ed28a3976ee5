package account

import (
	"context"

	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

// List is for administrators.
func (s *Service) List(ctx context.Context, actor identity.Actor, req page.Request) (page.Result[User], error) {
	if !actor.IsAdmin() {
		return page.Result[User]{}, ErrForbidden
	}
	return s.Store.List(ctx, req)
}

// ByID is for administrators.
func (s *Service) ByID(ctx context.Context, actor identity.Actor, id int64) (User, error) {
	if !actor.IsAdmin() {
		return User{}, ErrForbidden
	}
	return s.Store.ByID(ctx, id)
}

// Create makes an account on behalf of an administrator: any role and status,
// the address taken as verified.
func (s *Service) Create(ctx context.Context, actor identity.Actor, d Draft) (User, error) {
	if !actor.IsAdmin() {
		return User{}, ErrForbidden
	}
	d.Email = NormalizeEmail(d.Email)
	derived := d.Username == ""
	if derived {
		d.Username = d.Email
	}
	if err := CheckPassword("password", d.Password, &d); err != nil {
		return User{}, err
	}
	u, err := s.build(ctx, d)
	if err != nil {
		return User{}, err
	}
	now := s.now()
	u.EmailVerifiedAt = &now
	return s.Store.Create(ctx, u, derived, nil)
}

// AdminUpdate is what an administrator may change of an account.
type AdminUpdate struct {
	Update
	// Password, when set, replaces the password.
	Password *string
}

// Update changes an account on behalf of an administrator. A pending user who
// becomes active is told by mail. An API key never sets passwords: ErrForbidden.
func (s *Service) Update(ctx context.Context, actor identity.Actor, id int64, change AdminUpdate) (User, error) {
	if !actor.IsAdmin() || change.Password != nil && actor.ByKey() {
		return User{}, ErrForbidden
	}
	before, err := s.Store.ByID(ctx, id)
	if err != nil {
		return User{}, err
	}
	if change.Email != nil {
		email := NormalizeEmail(*change.Email)
		change.Update.Email = &email
	}
	if change.Password != nil {
		about := Draft{Email: before.Email, Username: before.Username, FirstName: before.FirstName, LastName: before.LastName}
		if err := CheckPassword("password", *change.Password, &about); err != nil {
			return User{}, err
		}
		hash, err := s.Hasher.Hash(ctx, *change.Password)
		if err != nil {
			return User{}, err
		}
		change.PasswordHash = &hash
	}
	to := before.Email
	if change.Email != nil {
		to = *change.Email
	}
	var mails []Mail
	if before.Status == identity.Pending && change.Status != nil && *change.Status == identity.Active {
		mails = append(mails, Mail{Template: MailApproved, To: to, UserID: id, Locale: before.PreferredLocale,
			Link: s.frontend("/auth/login", "")})
	}
	u, err := s.Store.Update(ctx, id, change.Update, s.now(), mails...)
	return u, s.changed(ctx, id, err)
}

// Delete removes an account on behalf of an administrator, who inherits its
// public widgets and its data sources; those of one who deletes the own account pass to another
// administrator.
func (s *Service) Delete(ctx context.Context, actor identity.Actor, id int64) error {
	if !actor.IsAdmin() {
		return ErrForbidden
	}
	return s.changed(ctx, id, s.Store.Delete(ctx, id, actor.UserID))
}
