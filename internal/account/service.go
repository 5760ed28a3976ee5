package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/password"
)

// Registration says who may make an account.
type Registration string

// The choices of the setting REGISTRATION.
const (
	Open     Registration = "open"     // verified = active
	Approval Registration = "approval" // an administrator decides
	Closed   Registration = "closed"
)

// Purpose of a one-time token.
type Purpose string

// The purposes.
const (
	VerifyEmail   Purpose = "verify_email"
	ResetPassword Purpose = "reset_password"
)

// How long the links in mails count.
const (
	VerifyLifetime = 3 * 24 * time.Hour
	ResetLifetime  = time.Hour
)

// Mail is a message to send, queued in the transaction that caused it.
type Mail struct {
	Template MailTemplate
	To       string
	// UserID is the account it is about. The language of its preferences counts,
	// and Locale before there are any; 0 has none.
	UserID int64
	Locale string
	// Link is where the text leads; ExpiresAt and At are told where the text
	// has a place for them: when the link ends, when something was done.
	Link          string
	ExpiresAt, At time.Time
}

// MailTemplate names the text of a mail.
type MailTemplate string

// The texts.
const (
	MailVerify       MailTemplate = "verify_email"     // Link, ExpiresAt
	MailReset        MailTemplate = "password_reset"   // Link, ExpiresAt
	MailChanged      MailTemplate = "password_changed" // Link, At
	MailAddressTaken MailTemplate = "address_taken"    // Link
	MailApproved     MailTemplate = "account_approved" // Link
)

// Link is a one-time token as it is stored: only its hash.
type Link struct {
	Hash      string
	Purpose   Purpose
	UserID    int64
	EmailKey  string
	ExpiresAt time.Time
	CreatedAt time.Time
}

// Update changes an account; nil leaves a field as it is.
type Update struct {
	Email, Username     *string
	FirstName, LastName *string
	Bio                 *string
	Avatar              **string
	Role                *identity.Role
	Status              *identity.Status
	IsActive            *bool
	PasswordHash        *string
}

// Store keeps accounts. Each method is one unit of work. Mails are queued in
// the same transaction.
type Store interface {
	// ByID: ErrNotFound.
	ByID(ctx context.Context, id int64) (User, error)
	// ByEmail finds the account that signs in with the address: an exact match
	// first, then the most recent open one. ErrNotFound.
	ByEmail(ctx context.Context, email string) (User, error)
	// ByUsername: ErrNotFound.
	ByUsername(ctx context.Context, username string) (User, error)
	// List orders by any field of users/.
	List(ctx context.Context, req page.Request) (page.Result[User], error)
	// Create stores a new account and gives it back with its id. A username
	// that is taken gets a number when derived is set. ErrEmailTaken,
	// ErrUsernameTaken.
	Create(ctx context.Context, u User, derived bool, link *Link, mails ...Mail) (User, error)
	// Update changes an account. A new password, and closing the account, end
	// its sessions and void its older tokens and links to reset the password in
	// the same transaction; role and status are read anew by every request. ErrLastAdmin, ErrEmailTaken,
	// ErrUsernameTaken, ErrNotFound.
	Update(ctx context.Context, id int64, change Update, now time.Time, mails ...Mail) (User, error)
	// Delete removes an account and what it owns; its public widgets pass to
	// the heir or, where that is the account itself, to another open
	// administrator. ErrLastAdmin, ErrNotFound; ErrForbidden when the heir is
	// not an open administrator.
	Delete(ctx context.Context, id, heir int64) error
	// AddLink stores a one-time token, in place of older ones of its purpose,
	// and queues the mail. ErrNotFound.
	AddLink(ctx context.Context, link Link, mails ...Mail) error
	// UseVerification consumes a token and marks the address as verified;
	// activate also makes a pending account active. ErrBadLink.
	UseVerification(ctx context.Context, hash string, activate bool, now time.Time) (User, error)
	// UseUpID takes the id that the next account would have had, so that no
	// account ever gets it, and queues the mails.
	UseUpID(ctx context.Context, mails ...Mail) (int64, error)
	// Admins counts the open accounts with the role admin.
	Admins(ctx context.Context) (int, error)
}

// Settings of the room.
type Settings struct {
	Registration Registration
	// VerificationRequired: who has not verified the address may not sign in,
	// and registration does not tell whether an address is taken.
	VerificationRequired bool
	// FrontendURL is where links in mails lead.
	FrontendURL string
	// AnswerFloor is the least time that an answer takes where its time would
	// tell whether an address is known.
	AnswerFloor time.Duration
}

// Service is the room.
type Service struct {
	Store    Store
	Hasher   *password.Hasher
	Settings Settings
	Now      func() time.Time
	// Events is told when what an account may do has changed; nil tells nobody.
	Events Events
}

// Events is told, after the commit, that an account was closed or deleted, or
// has another role or password. It must not wait.
type Events interface {
	AccessChanged(ctx context.Context, userID int64)
}

// changed tells Events; err is what the change ended with.
func (s *Service) changed(ctx context.Context, userID int64, err error) error {
	if err == nil && s.Events != nil {
		s.Events.AccessChanged(ctx, userID)
	}
	return err
}

// Draft is what a new account is made from.
type Draft struct {
	Email, Username     string
	FirstName, LastName string
	Password            string
	Role                identity.Role
	Status              identity.Status
	IsActive            bool
	Bio                 string
	Avatar              *string
}

// Register makes a pending account and mails a link that proves the address.
// Under VerificationRequired an address that is taken looks like success, and
// its owner is told by mail. Errors: ErrClosed, ErrEmailTaken, field faults of
// the password.
func (s *Service) Register(ctx context.Context, d Draft) (User, error) {
	if s.Settings.Registration == Closed {
		return User{}, ErrClosed
	}
	d.Email = NormalizeEmail(d.Email)
	if d.Username == "" {
		d.Username = d.Email
	}
	if err := CheckPassword("password", d.Password, &d); err != nil {
		return User{}, err
	}
	d.Role, d.Status, d.IsActive = identity.User, identity.Pending, true
	u, err := s.build(ctx, d)
	if err != nil {
		return User{}, err
	}
	token, link := s.newLink(VerifyEmail, 0, d.Email, VerifyLifetime)
	created, err := s.Store.Create(ctx, u, true, &link, s.verifyMail(&u, token, link.ExpiresAt))
	if errors.Is(err, ErrEmailTaken) && s.Settings.VerificationRequired {
		return s.hideTaken(ctx, u)
	}
	return created, err
}

// hideTaken answers the registration of a taken address with an account that
// was not made: it differs from a new one in nothing, its id included.
func (s *Service) hideTaken(ctx context.Context, u User) (User, error) {
	var mails []Mail
	owner, err := s.Store.ByEmail(ctx, u.Email)
	switch {
	case err == nil:
		// To the owner's own spelling: the one that was typed may be another
		// mailbox.
		mails = append(mails, Mail{Template: MailAddressTaken, To: owner.Email, UserID: owner.ID, Locale: owner.PreferredLocale, Link: s.frontend("/auth/login", "")})
	case !errors.Is(err, ErrNotFound): // deleted just now: nobody to tell
		return User{}, err
	}
	u.ID, err = s.Store.UseUpID(ctx, mails...)
	return u, err
}

func (s *Service) build(ctx context.Context, d Draft) (User, error) {
	hash, err := s.Hasher.Hash(ctx, d.Password)
	if err != nil {
		return User{}, err
	}
	now := s.now()
	return User{
		Username: d.Username, Email: d.Email, PasswordHash: hash,
		FirstName: d.FirstName, LastName: d.LastName,
		Role: d.Role, Status: d.Status, IsActive: d.IsActive,
		Bio: d.Bio, Avatar: d.Avatar,
		PreferredLocale: "en", ThemeMode: "system",
		DateJoined: now, CreatedAt: now, UpdatedAt: now,
	}, nil
}

// CheckPassword runs Django's rules; the fault names the field.
func CheckPassword(field, pass string, about *Draft) error {
	problems := password.Check(pass, password.Attributes{
		Username: about.Username, FirstName: about.FirstName, LastName: about.LastName, Email: about.Email,
	})
	if len(problems) == 0 {
		return nil
	}
	fields := make([]fault.Field, len(problems))
	for i, p := range problems {
		fields[i] = fault.Field{Name: field, Code: p.Code, Message: p.Message}
	}
	return fault.Fields(fields...)
}

// EmailTaken reports whether registering with the address would be refused.
// Under VerificationRequired it never tells.
func (s *Service) EmailTaken(ctx context.Context, email string) (bool, error) {
	if s.Settings.VerificationRequired {
		return false, nil
	}
	_, err := s.Store.ByEmail(ctx, NormalizeEmail(email))
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	return err == nil, err
}

// Verify consumes the token of a verification mail.
func (s *Service) Verify(ctx context.Context, token string) (User, error) {
	return s.Store.UseVerification(ctx, HashToken(token), s.Settings.Registration != Approval, s.now())
}

// ResendVerification mails a new link; older ones stop counting. ErrVerified.
func (s *Service) ResendVerification(ctx context.Context, userID int64) error {
	u, err := s.Store.ByID(ctx, userID)
	if err != nil {
		return err
	}
	if u.EmailVerifiedAt != nil {
		return ErrVerified
	}
	token, link := s.newLink(VerifyEmail, u.ID, u.Email, VerifyLifetime)
	return s.Store.AddLink(ctx, link, s.verifyMail(&u, token, link.ExpiresAt))
}

// RequestReset mails a link to choose a new password, if the address belongs
// to an open account. It never tells whether it does.
func (s *Service) RequestReset(ctx context.Context, email string) error {
	began := s.Now()
	defer func() { password.HoldBack(ctx, s.Now().Sub(began), s.Settings.AnswerFloor) }()
	u, err := s.Store.ByEmail(ctx, email)
	if fault.KindOf(err) == fault.NotFound || err == nil && !u.MaySignIn() {
		return nil
	}
	if err != nil {
		return err
	}
	token, link := s.newLink(ResetPassword, u.ID, u.Email, ResetLifetime)
	return s.Store.AddLink(ctx, link, Mail{Template: MailReset, To: u.Email, UserID: u.ID, Locale: u.PreferredLocale,
		Link: s.frontend("/auth/reset-password", token), ExpiresAt: link.ExpiresAt})
}

// Profile is what users may change of themselves.
type Profile struct {
	FirstName, LastName, Bio *string
	Avatar                   **string
}

// UpdateProfile changes the actor's own account.
func (s *Service) UpdateProfile(ctx context.Context, actor identity.Actor, p Profile) (User, error) {
	return s.Store.Update(ctx, actor.UserID,
		Update{FirstName: p.FirstName, LastName: p.LastName, Bio: p.Bio, Avatar: p.Avatar}, s.now())
}

// CreateSuperuser makes an administrator; it is the command's door. The
// password must follow the rules.
func (s *Service) CreateSuperuser(ctx context.Context, d Draft) (User, error) {
	d.Email = NormalizeEmail(strings.TrimSpace(d.Email))
	if d.Username == "" {
		d.Username = d.Email
	}
	if err := CheckPassword("password", d.Password, &d); err != nil {
		return User{}, err
	}
	d.Role, d.Status, d.IsActive = identity.Admin, identity.Active, true
	u, err := s.build(ctx, d)
	if err != nil {
		return User{}, err
	}
	now := s.now()
	u.EmailVerifiedAt = &now
	return s.Store.Create(ctx, u, false, nil)
}

func (s *Service) newLink(p Purpose, userID int64, email string, life time.Duration) (token string, link Link) {
	token = rand.Text()
	now := s.now()
	return token, Link{
		Hash: HashToken(token), Purpose: p, UserID: userID, EmailKey: EmailKey(email),
		ExpiresAt: now.Add(life), CreatedAt: now,
	}
}

func (s *Service) verifyMail(u *User, token string, expires time.Time) Mail {
	return Mail{Template: MailVerify, To: u.Email, UserID: u.ID, Locale: u.PreferredLocale,
		Link: s.frontend("/auth/verify-email", token), ExpiresAt: expires}
}

// PasswordNotice tells a user that the password was changed, and where to go if
// it was somebody else.
func (s *Service) PasswordNotice(u *User, at time.Time) Mail {
	return Mail{Template: MailChanged, To: u.Email, UserID: u.ID, Locale: u.PreferredLocale,
		Link: s.frontend("/auth/forgot-password", ""), At: at}
}

// frontend is an address of the frontend, never taken from a request.
func (s *Service) frontend(path, token string) string {
	address := strings.TrimSuffix(s.Settings.FrontendURL, "/") + path
	if token != "" {
		address += "?token=" + url.QueryEscape(token)
	}
	return address
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// HashToken is how one-time tokens are stored. They are random and long, so a
// plain hash cannot be turned back.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
