package sqlstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Accounts implements account.Store.
type Accounts struct {
	DB    *DB
	Mails Outbox
}

// Outbox queues mails inside a transaction.
type Outbox interface {
	QueueTx(ctx context.Context, tx *Tx, mails ...account.Mail) error
}

func userOf(r *db.User) account.User {
	return account.User{
		ID: r.ID, Username: r.Username, Email: r.Email, EmailVerifiedAt: r.EmailVerifiedAt, PasswordHash: r.Password,
		FirstName: r.FirstName, LastName: r.LastName, Role: identity.Role(r.Role), Status: identity.Status(r.Status),
		IsActive: r.IsActive, Avatar: r.Avatar, Bio: r.Bio, PreferredLocale: r.PreferredLocale, ThemeMode: r.ThemeMode,
		SidebarCollapsed: r.SidebarCollapsed, LastLogin: r.LastLogin, DateJoined: r.DateJoined,
		TokensValidAfter: r.TokensValidAfter, ThemesVersion: r.ThemesVersion, ViewsVersion: r.ViewsVersion,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

// oneUser maps the outcome of a query for one user.
func oneUser(r db.User, err error) (account.User, error) {
	if IsNoRows(err) {
		return account.User{}, account.ErrNotFound
	}
	if err != nil {
		return account.User{}, err
	}
	return userOf(&r), nil
}

// ByID implements account.Store.
func (s *Accounts) ByID(ctx context.Context, id int64) (account.User, error) {
	return oneUser(s.DB.R().UserByID(ctx, id))
}

// ByUsername implements account.Store.
func (s *Accounts) ByUsername(ctx context.Context, username string) (account.User, error) {
	return oneUser(s.DB.R().UserByUsername(ctx, username))
}

// ByEmail implements account.Store.
func (s *Accounts) ByEmail(ctx context.Context, email string) (account.User, error) {
	return oneUser(s.DB.R().UserByEmail(ctx, db.UserByEmailParams{EmailKey: account.EmailKey(email), Email: email}))
}

// Admins implements account.Store.
func (s *Accounts) Admins(ctx context.Context) (int, error) {
	n, err := s.DB.R().OpenAdmins(ctx)
	return int(n), err
}

// userFault names the rule that a write to users broke.
func userFault(err error) error {
	switch {
	case Violates(err, "users_email_claim_key"):
		return fieldFault(account.ErrEmailTaken, "email", err)
	case Violates(err, "users_username_key"):
		return fieldFault(account.ErrUsernameTaken, "username", err)
	case IsNoRows(err):
		return account.ErrNotFound
	}
	return err
}

// fieldFault is a declared fault that names its field.
func fieldFault(declared *fault.Error, field string, cause error) error {
	e := declared.Because(cause)
	e.Fields = []fault.Field{{Name: field, Code: declared.Code, Message: declared.Message}}
	return e
}

// maxNameTries bounds the search for a free username.
const maxNameTries = 100

// Create implements account.Store.
func (s *Accounts) Create(ctx context.Context, u account.User, derived bool, link *account.Link, mails ...account.Mail) (account.User, error) {
	base := u.Username
	for try := 1; ; try++ {
		if try > 1 {
			u.Username = fmt.Sprintf("%s-%d", base, try)
		}
		created, err := s.create(ctx, u, link, mails)
		if derived && Violates(err, "users_username_key") && try < maxNameTries {
			continue
		}
		return created, userFault(err)
	}
}

func (s *Accounts) create(ctx context.Context, u account.User, link *account.Link, mails []account.Mail) (account.User, error) {
	var created account.User
	err := s.DB.InTx(ctx, func(tx *Tx) error {
		key := account.EmailKey(u.Email)
		// Imported accounts may share an address without claiming it.
		taken, err := tx.EmailKeyTaken(ctx, db.EmailKeyTakenParams{EmailKey: key, NotID: 0})
		if err != nil {
			return err
		}
		if taken {
			return fieldFault(account.ErrEmailTaken, "email", nil)
		}
		row, err := tx.InsertUser(ctx, db.InsertUserParams{
			Username: u.Username, Email: u.Email, EmailKey: key, EmailVerifiedAt: u.EmailVerifiedAt,
			Password: u.PasswordHash, FirstName: u.FirstName, LastName: u.LastName, Role: string(u.Role),
			Status: string(u.Status), IsActive: u.IsActive, Avatar: u.Avatar, Bio: u.Bio,
			PreferredLocale: u.PreferredLocale, ThemeMode: u.ThemeMode, SidebarCollapsed: u.SidebarCollapsed,
			DateJoined: u.DateJoined, SearchText: account.SearchText(&u), CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
		})
		if err != nil {
			return err
		}
		created = userOf(&row)
		if link != nil {
			link.UserID = created.ID
			if err := addLink(ctx, tx, *link); err != nil {
				return err
			}
		}
		return s.Mails.QueueTx(ctx, tx, mails...)
	})
	return created, err
}

// voidResets takes back the links to choose a new password: once there is one,
// a link that somebody else may have asked for must not replace it.
func voidResets(ctx context.Context, tx *Tx, userID int64) error {
	return tx.DeleteLinks(ctx, db.DeleteLinksParams{UserID: userID, Purpose: string(account.ResetPassword)})
}

func addLink(ctx context.Context, tx *Tx, l account.Link) error {
	err := tx.DeleteLinks(ctx, db.DeleteLinksParams{UserID: l.UserID, Purpose: string(l.Purpose)})
	if err != nil {
		return err
	}
	return tx.InsertLink(ctx, db.InsertLinkParams{
		Hash: l.Hash, Purpose: string(l.Purpose), UserID: l.UserID, EmailKey: l.EmailKey,
		ExpiresAt: l.ExpiresAt, CreatedAt: l.CreatedAt,
	})
}

// Update implements account.Store.
func (s *Accounts) Update(ctx context.Context, id int64, c account.Update, now time.Time, mails ...account.Mail) (account.User, error) {
	var updated account.User
	err := s.DB.InTx(ctx, func(tx *Tx) error {
		// Administrators are locked before the account itself: changes of two
		// of them come one after the other and cannot wait for each other.
		if c.Role != nil || c.Status != nil || c.IsActive != nil {
			if _, err := tx.LockAdmins(ctx); err != nil {
				return err
			}
		}
		if _, err := tx.LockUser(ctx, id); err != nil {
			return err
		}
		row, err := tx.UserByID(ctx, id)
		if err != nil {
			return err
		}
		before := userOf(&row)
		after := changedUser(before, c, now)
		if isOpenAdmin(&before) && !isOpenAdmin(&after) {
			if n, err := tx.OpenAdminsBut(ctx, id); err != nil {
				return err
			} else if n == 0 {
				return account.ErrLastAdmin
			}
		}
		shut := before.MaySignIn() && !after.MaySignIn()
		if shut || c.PasswordHash != nil {
			after.TokensValidAfter = &now
			reason := "password_changed"
			if shut {
				reason = "account_closed"
			}
			if _, err := tx.EndSessions(ctx, db.EndSessionsParams{UserID: id, Now: &now, Reason: reason}); err != nil {
				return err
			}
			if err := voidResets(ctx, tx, id); err != nil {
				return err
			}
		}
		if updated, err = s.write(ctx, tx, &row, after); err != nil {
			return err
		}
		tx.AfterCommit(func() { s.DB.forgetAccess(id) })
		return s.Mails.QueueTx(ctx, tx, mails...)
	})
	return updated, userFault(err)
}

// write stores the changed account; a new address must be free, and is
// claimed by this account.
func (s *Accounts) write(ctx context.Context, tx *Tx, before *db.User, u account.User) (account.User, error) {
	key, claim := account.EmailKey(u.Email), before.EmailClaim
	if key != before.EmailKey {
		taken, err := tx.EmailKeyTaken(ctx, db.EmailKeyTakenParams{EmailKey: key, NotID: u.ID})
		if err != nil {
			return account.User{}, err
		}
		if taken {
			return account.User{}, fieldFault(account.ErrEmailTaken, "email", nil)
		}
		claim = &key
	}
	row, err := tx.UpdateUser(ctx, db.UpdateUserParams{
		ID: u.ID, Username: u.Username, Email: u.Email, EmailKey: key, EmailClaim: claim,
		EmailVerifiedAt: u.EmailVerifiedAt, Password: u.PasswordHash, FirstName: u.FirstName, LastName: u.LastName,
		Role: string(u.Role), Status: string(u.Status), IsActive: u.IsActive, Avatar: u.Avatar, Bio: u.Bio,
		TokensValidAfter: u.TokensValidAfter, SearchText: account.SearchText(&u), UpdatedAt: u.UpdatedAt,
	})
	if err != nil {
		return account.User{}, err
	}
	return userOf(&row), nil
}

func isOpenAdmin(u *account.User) bool { return u.Role == identity.Admin && u.MaySignIn() }

func changedUser(u account.User, c account.Update, now time.Time) account.User {
	set(&u.Email, c.Email)
	set(&u.Username, c.Username)
	set(&u.FirstName, c.FirstName)
	set(&u.LastName, c.LastName)
	set(&u.Bio, c.Bio)
	set(&u.Avatar, c.Avatar)
	set(&u.Role, c.Role)
	set(&u.Status, c.Status)
	set(&u.IsActive, c.IsActive)
	set(&u.PasswordHash, c.PasswordHash)
	u.UpdatedAt = now
	return u
}

// set assigns *to where a change was asked for.
func set[T any](to *T, change *T) {
	if change != nil {
		*to = *change
	}
}

// Delete implements account.Store.
func (s *Accounts) Delete(ctx context.Context, id, heir int64) error {
	return s.DB.InTx(ctx, func(tx *Tx) error {
		admins, err := tx.LockAdmins(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.LockUser(ctx, id); err != nil {
			return err
		}
		row, err := tx.UserByID(ctx, id)
		if err != nil {
			return userFault(err)
		}
		u := userOf(&row)
		if isOpenAdmin(&u) {
			if n, err := tx.OpenAdminsBut(ctx, id); err != nil {
				return err
			} else if n == 0 {
				return account.ErrLastAdmin
			}
		}
		to, ok := heirOf(admins, heir, id)
		if !ok {
			return account.ErrForbidden
		}
		if err := tx.InheritWidgets(ctx, db.InheritWidgetsParams{Heir: to, ID: id}); err != nil {
			return err
		}
		if err := tx.InheritDatasources(ctx, db.InheritDatasourcesParams{Heir: to, ID: id}); err != nil {
			return err
		}
		if err := tx.DeleteWidgetsOf(ctx, id); err != nil {
			return err
		}
		if _, err := tx.DeleteUser(ctx, id); err != nil {
			return err
		}
		tx.AfterCommit(func() { s.DB.forgetAccess(id) })
		return s.DB.moveWidgets(ctx, tx)
	})
}

// heirOf chooses who inherits: the one who was asked for, and another open
// administrator where that one is about to go. ok is false when who deletes has
// ceased to be an open administrator meanwhile.
func heirOf(admins []int64, asked, leaving int64) (id int64, ok bool) {
	if !slices.Contains(admins, asked) {
		return 0, false
	}
	if asked != leaving {
		return asked, true
	}
	for _, other := range slices.Sorted(slices.Values(admins)) {
		if other != leaving {
			return other, true
		}
	}
	return 0, false
}

// AddLink implements account.Store.
func (s *Accounts) AddLink(ctx context.Context, l account.Link, mails ...account.Mail) error {
	return s.DB.InTx(ctx, func(tx *Tx) error {
		// The lock orders two links for the same user: the later one stays.
		if n, err := tx.LockUser(ctx, l.UserID); err != nil {
			return err
		} else if n == 0 {
			return account.ErrNotFound
		}
		if err := addLink(ctx, tx, l); err != nil {
			return err
		}
		return s.Mails.QueueTx(ctx, tx, mails...)
	})
}

// UseUpID implements account.Store: an account comes and goes in one
// transaction. Neither engine gives its id out again.
func (s *Accounts) UseUpID(ctx context.Context, mails ...account.Mail) (int64, error) {
	var id int64
	err := s.DB.InTx(ctx, func(tx *Tx) error {
		name, now := rand.Text(), s.DB.Now()
		row, err := tx.InsertUser(ctx, db.InsertUserParams{
			Username: name, Email: name, EmailKey: name, Role: string(identity.User), Status: string(identity.Inactive),
			DateJoined: now, CreatedAt: now, UpdatedAt: now,
		})
		if err != nil {
			return err
		}
		id = row.ID
		if _, err := tx.DeleteUser(ctx, id); err != nil {
			return err
		}
		return s.Mails.QueueTx(ctx, tx, mails...)
	})
	return id, err
}

// UseVerification implements account.Store.
func (s *Accounts) UseVerification(ctx context.Context, hash string, activate bool, now time.Time) (account.User, error) {
	var u account.User
	err := s.DB.InTx(ctx, func(tx *Tx) error {
		link, err := tx.TakeLink(ctx, db.TakeLinkParams{Hash: hash, Purpose: string(account.VerifyEmail), Now: now})
		if err != nil {
			return err
		}
		row, err := tx.VerifyUser(ctx, db.VerifyUserParams{ID: link.UserID, EmailKey: link.EmailKey, Activate: activate, Now: &now})
		if err != nil {
			return err
		}
		u = userOf(&row)
		tx.AfterCommit(func() { s.DB.forgetAccess(u.ID) })
		return nil
	})
	if IsNoRows(err) {
		return u, account.ErrBadLink
	}
	return u, err
}

var userList = ListSpec{
	Columns: "id, username, email, email_verified_at, first_name, last_name, role, status, is_active, avatar, bio, last_login, date_joined, created_at, updated_at",
	From:    "users",
	ID:      "id",
	Order: orderKeysOf(map[string]bool{
		"id": false, "username": false, "email": false, "first_name": false, "last_name": false, "role": false, "status": false,
		"is_active": false, "avatar": true, "last_login": true, "date_joined": false, "created_at": false, "updated_at": false,
	}),
	Default: []page.Order{{Field: "date_joined", Desc: true}},
	Filters: map[string]Filter{"role": {Expr: "role"}, "status": {Expr: "status"}, "is_active": {Expr: "is_active", Parse: FilterBool}},
	Search:  "search_text",
}

// orderKeysOf lists columns that may be ordered by under their own names, and
// whether they may be NULL.
func orderKeysOf(nullable map[string]bool) map[string]OrderKey {
	keys := make(map[string]OrderKey, len(nullable))
	for name, null := range nullable {
		keys[name] = OrderKey{Expr: name, Nullable: null}
	}
	return keys
}

// List implements account.Store. Password hashes are not read.
func (s *Accounts) List(ctx context.Context, req page.Request) (page.Result[account.User], error) {
	return ListPage(ctx, s.DB.ReadDBTX(), userList, req, func(rows pgx.Rows) (account.User, error) {
		var u account.User
		var role, status string
		err := rows.Scan(&u.ID, &u.Username, &u.Email, &u.EmailVerifiedAt, &u.FirstName, &u.LastName, &role, &status,
			&u.IsActive, &u.Avatar, &u.Bio, &u.LastLogin, &u.DateJoined, &u.CreatedAt, &u.UpdatedAt)
		u.Role, u.Status = identity.Role(role), identity.Status(status)
		return u, err
	})
}
