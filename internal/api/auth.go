package api

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/drf"
)

// credentials are the inputs of signing in and of passwords.
type credentials struct {
	email, username, password string
	hasEmail                  bool
	token, oldPassword        string
	all                       bool
}

// empty is the output side of serializers that are only read from.
type empty struct{}

func inputFields(name string, declare func(s *drf.Serializer[empty, credentials])) *drf.Serializer[empty, credentials] {
	s := drf.NewSerializer[empty, credentials](name)
	declare(s)
	return s
}

func setEmail(c *credentials, v string)       { c.email, c.hasEmail = v, true }
func setPassword(c *credentials, v string)    { c.password = v }
func setToken(c *credentials, v string)       { c.token = v }
func setOldPassword(c *credentials, v string) { c.oldPassword = v }

// newPasswordMax bounds what is hashed; a longer password is refused.
const newPasswordMax = 1024

var (
	loginFields = inputFields("Login", func(s *drf.Serializer[empty, credentials]) {
		s.Email("email", drf.Opt{Required: true, Example: `"demo@example.com"`}, nil, setEmail)
		s.Char("password", drf.Opt{Required: true, Format: "password", Example: `"demo-pass-123"`}, nil, setPassword)
	})
	tokenFields = inputFields("TokenObtainPair", func(s *drf.Serializer[empty, credentials]) {
		s.Char("username", drf.Opt{Required: true, Example: `"demo"`}, nil, func(c *credentials, v string) { c.username = v })
		s.Char("password", drf.Opt{Required: true, Format: "password"}, nil, setPassword)
	})
	tokenByEmailFields = inputFields("TokenObtainPairByEmail", func(s *drf.Serializer[empty, credentials]) {
		s.Email("email", drf.Opt{Required: true}, nil, setEmail)
		s.Char("password", drf.Opt{Required: true, Format: "password"}, nil, setPassword)
	})
	verifyTokenFields = inputFields("TokenVerify", func(s *drf.Serializer[empty, credentials]) {
		s.Char("token", drf.Opt{Required: true}, nil, setToken)
	})
	linkFields = inputFields("LinkToken", func(s *drf.Serializer[empty, credentials]) {
		s.Char("token", drf.Opt{Required: true, Max: 200, Help: "The token of the link in the mail."}, nil, setToken)
	})
	logoutFields = inputFields("Logout", func(s *drf.Serializer[empty, credentials]) {
		s.Bool("all", drf.Opt{Help: "Ends every session of the user."}, nil, func(c *credentials, v bool) { c.all = v })
	})
	changePasswordFields = inputFields("ChangePassword", func(s *drf.Serializer[empty, credentials]) {
		s.Char("old_password", drf.Opt{Required: true, Format: "password"}, nil, setOldPassword)
		s.Char("new_password", drf.Opt{Required: true, Format: "password", Max: newPasswordMax}, nil, setPassword)
	})
	resetFields = inputFields("PasswordReset", func(s *drf.Serializer[empty, credentials]) {
		s.Email("email", drf.Opt{Required: true, Max: 254}, nil, setEmail)
	})
	resetConfirmFields = inputFields("PasswordResetConfirm", func(s *drf.Serializer[empty, credentials]) {
		s.Char("token", drf.Opt{Required: true, Max: 200}, nil, setToken)
		s.Char("new_password", drf.Opt{Required: true, Format: "password", Max: newPasswordMax}, nil, setPassword)
	})
)

// refreshFields shows "access" as read-only, as simplejwt's OPTIONS does.
var refreshFields = declareRefresh()

func declareRefresh() *drf.Serializer[auth.Tokens, credentials] {
	s := drf.NewSerializer[auth.Tokens, credentials]("TokenRefresh")
	s.Char("refresh", drf.Opt{Required: true}, func(t *auth.Tokens) string { return t.Refresh }, setToken)
	s.Char("access", drf.Opt{}, func(t *auth.Tokens) string { return t.Access }, nil)
	return s
}

// registration is the input of register/.
type registration struct {
	draft   account.Draft
	confirm string
}

var registerFields = declareRegister()

func declareRegister() *drf.Serializer[empty, registration] {
	s := drf.NewSerializer[empty, registration]("Register")
	s.Email("email", drf.Opt{Required: true, Max: 254, Example: `"carol@example.com"`}, nil, func(d *registration, v string) { d.draft.Email = v })
	s.Char("first_name", drf.Opt{Blank: true, Max: 150}, nil, func(d *registration, v string) { d.draft.FirstName = v })
	s.Char("last_name", drf.Opt{Blank: true, Max: 150}, nil, func(d *registration, v string) { d.draft.LastName = v })
	s.Char("password", drf.Opt{Required: true, Format: "password", Min: 8, Max: newPasswordMax, Example: `"carol-pass-123"`}, nil, func(d *registration, v string) { d.draft.Password = v })
	s.Char("password_confirm", drf.Opt{Required: true, Format: "password", Example: `"carol-pass-123"`}, nil, func(d *registration, v string) { d.confirm = v })
	return s.Check(func(d *registration, _ bool) error {
		if d.draft.Password != d.confirm {
			return drf.Invalid("password", "Passwords do not match")
		}
		return nil
	})
}

// clientOf is where a sign-in comes from.
func (s *Server) clientOf(r *drf.Request) auth.Client {
	return auth.Client{IP: s.clientIP(r.Request).String(), UserAgent: strings.ToValidUTF8(strings.ReplaceAll(r.UserAgent(), "\x00", ""), "\uFFFD")}
}

func (s *Server) register(w http.ResponseWriter, r *drf.Request) error {
	var in registration
	err := registerFields.Decode(r, &in, drf.Whole)
	if err = s.addEmailTaken(r, &in, err); err != nil {
		return err
	}
	u, err := s.Accounts.Register(r.Context(), in.draft)
	if err != nil {
		return err
	}
	noteOf(r).ActorName = u.Email
	return userFields.Respond(w, r, http.StatusCreated, &u)
}

// addEmailTaken puts a taken address among the other field errors, where DRF's
// UniqueValidator would have put it.
func (s *Server) addEmailTaken(r *drf.Request, in *registration, err error) error {
	var fields *drf.FieldErrors
	if !errors.As(err, &fields) || in.draft.Email == "" || s.Accounts.Settings.Registration == account.Closed {
		return err
	}
	if taken, lookup := s.Accounts.EmailTaken(r.Context(), in.draft.Email); lookup != nil {
		return lookup
	} else if !taken {
		return err
	}
	out := drf.Invalid("email", account.ErrEmailTaken.Message)
	out.Merge(fields)
	return out
}

func (s *Server) login(w http.ResponseWriter, r *drf.Request) error {
	var in credentials
	if err := loginFields.Decode(r, &in, drf.Whole); err != nil {
		return err
	}
	if err := s.throttleLogin(r, account.EmailKey(in.email)); err != nil {
		return err
	}
	noteOf(r).try(in.email)
	u, tokens, err := s.Auth.Login(r.Context(), in.email, in.password, s.clientOf(r))
	if err != nil {
		return err
	}
	noteOf(r).by(&u)
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = userFields.Append(append(dst, `{"user":`...), &u)
		dst = appendTokens(append(dst, `,"tokens":`...), tokens)
		return append(dst, '}')
	})
}

// appendTokens writes them in the order of the guide's login.
func appendTokens(dst []byte, t auth.Tokens) []byte {
	dst = drf.AppendString(append(dst, `{"access":`...), t.Access)
	dst = drf.AppendString(append(dst, `,"refresh":`...), t.Refresh)
	return append(dst, '}')
}

func (s *Server) token(w http.ResponseWriter, r *drf.Request) error {
	data, err := r.Data()
	if err != nil {
		return err
	}
	byEmail := data.Kind() == drf.KindDict && data.Member("username").Kind() == drf.KindAbsent && data.Member("email").Kind() != drf.KindAbsent
	var in credentials
	fields := tokenFields
	if byEmail {
		fields = tokenByEmailFields
	}
	if err := fields.DecodeValue(data, &in, drf.Whole); err != nil {
		return err
	}
	if err := s.throttleLogin(r, account.EmailKey(in.username+in.email)); err != nil {
		return err
	}
	noteOf(r).try(in.username + in.email)
	var u account.User
	var tokens auth.Tokens
	if byEmail {
		u, tokens, err = s.Auth.TokenByEmail(r.Context(), in.email, in.password, s.clientOf(r))
	} else {
		u, tokens, err = s.Auth.Token(r.Context(), in.username, in.password, s.clientOf(r))
	}
	if errors.Is(err, auth.ErrCredentials) || errors.Is(err, auth.ErrUnverified) {
		return &drf.Error{Status: http.StatusUnauthorized, Detail: "No active account found with the given credentials"}
	}
	if err != nil {
		return err
	}
	noteOf(r).by(&u)
	return refreshFields.Respond(w, r, http.StatusOK, &tokens)
}

func (s *Server) refresh(w http.ResponseWriter, r *drf.Request) error {
	var in credentials
	if err := refreshFields.Decode(r, &in, drf.Whole); err != nil {
		return err
	}
	if err := s.throttleRefresh(r, in.token); err != nil {
		return err
	}
	_, tokens, err := s.Auth.Refresh(r.Context(), in.token, s.clientOf(r))
	if err != nil {
		return bodyTokenError(err)
	}
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte { return appendTokens(dst, tokens) })
}

// throttleRefresh counts a refresh for its user, not for everybody behind the
// address; a token that is none counts as a request by nobody.
func (s *Server) throttleRefresh(r *drf.Request, token string) error {
	claims, err := s.Auth.Keys.Parse(token, auth.RefreshToken)
	count := func() (time.Duration, bool) { return s.countUser(r.Context(), claims.UserID) }
	if err != nil {
		count = func() (time.Duration, bool) { return s.throttleView(r) }
	}
	if wait, ok := count(); !ok {
		return drf.ErrThrottled(wait)
	}
	return nil
}

func (s *Server) verifyToken(w http.ResponseWriter, r *drf.Request) error {
	var in credentials
	if err := verifyTokenFields.Decode(r, &in, drf.Whole); err != nil {
		return err
	}
	if err := s.Auth.VerifyToken(r.Context(), in.token); err != nil {
		return bodyTokenError(err)
	}
	return r.RespondJSON(w, http.StatusOK, []byte("{}"))
}

// logout never needs its body; {"all": true} is looked for and whatever else
// is there does not matter.
func (s *Server) logout(w http.ResponseWriter, r *drf.Request) error {
	var in credentials
	if data, err := r.Data(); err == nil && data.Kind() == drf.KindDict {
		_ = logoutFields.DecodeValue(data, &in, drf.Partial)
	}
	noteOf(r).say("all", in.all)
	if err := s.Auth.Logout(r.Context(), actor(r), bearer(r), in.all); err != nil {
		return err
	}
	return r.RespondJSON(w, http.StatusOK, []byte(`{"message":"Logout successful"}`))
}

func (s *Server) changePassword(w http.ResponseWriter, r *drf.Request) error {
	var in credentials
	if err := changePasswordFields.Decode(r, &in, drf.Whole); err != nil {
		return err
	}
	if err := s.throttleLogin(r, account.EmailKey(actor(r).Email)); err != nil {
		return err
	}
	noteOf(r).tried = true
	tokens, err := s.Auth.ChangePassword(r.Context(), actor(r), in.oldPassword, in.password, s.clientOf(r))
	if errors.Is(err, auth.ErrOldPassword) {
		return drf.Invalid("old_password", auth.ErrOldPassword.Message)
	}
	if err != nil {
		return err
	}
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = append(dst, `{"message":"Password changed","tokens":`...)
		return append(appendTokens(dst, tokens), '}')
	})
}

func (s *Server) requestReset(w http.ResponseWriter, r *drf.Request) error {
	var in credentials
	if err := resetFields.Decode(r, &in, drf.Whole); err != nil {
		return err
	}
	if err := s.throttleLogin(r, account.EmailKey(in.email)); err != nil {
		return err
	}
	noteOf(r).ActorName = in.email
	if err := s.Accounts.RequestReset(r.Context(), in.email); err != nil {
		return err
	}
	return r.RespondJSON(w, http.StatusOK, []byte(`{"message":"If the address belongs to an account, a mail is on its way."}`))
}

func (s *Server) confirmReset(w http.ResponseWriter, r *drf.Request) error {
	var in credentials
	if err := resetConfirmFields.Decode(r, &in, drf.Whole); err != nil {
		return err
	}
	noteOf(r).tried = true
	if err := s.Auth.ResetPassword(r.Context(), in.token, in.password); err != nil {
		return linkError(err)
	}
	return r.RespondJSON(w, http.StatusOK, []byte(`{"message":"Password changed"}`))
}

// linkError puts a bad link under the field that carried it.
func linkError(err error) error {
	if errors.Is(err, account.ErrBadLink) {
		return drf.Invalid("token", account.ErrBadLink.Message)
	}
	return err
}

func (s *Server) verifyEmail(w http.ResponseWriter, r *drf.Request) error {
	var in credentials
	if err := linkFields.Decode(r, &in, drf.Whole); err != nil {
		return err
	}
	u, err := s.Accounts.Verify(r.Context(), in.token)
	if err != nil {
		return linkError(err)
	}
	noteOf(r).by(&u)
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = append(dst, `{"message":"E-mail address verified","status":`...)
		return append(drf.AppendString(dst, string(u.Status)), '}')
	})
}

func (s *Server) resendVerification(w http.ResponseWriter, r *drf.Request) error {
	if err := s.Accounts.ResendVerification(r.Context(), actor(r).UserID); err != nil {
		return err
	}
	return r.RespondJSON(w, http.StatusOK, []byte(`{"message":"A new mail is on its way."}`))
}

// throttleLogin counts a try to sign in: per address and account, and per
// address alone.
func (s *Server) throttleLogin(r *drf.Request, name string) error {
	if wait, ok := s.gate().SignIn(r.Context(), s.clientIP(r.Request), name); !ok {
		return drf.ErrThrottled(wait)
	}
	return nil
}

var sessionFields = declareSession()

// shownSession is a session as its owner sees it.
type shownSession struct {
	auth.Session
	current bool
}

func declareSession() *drf.Serializer[shownSession, empty] {
	s := drf.NewSerializer[shownSession, empty]("Session")
	s.Char("id", drf.Opt{}, func(x *shownSession) string { return x.ID }, nil)
	s.Char("device", drf.Opt{Help: "What the client called itself (User-Agent)."}, func(x *shownSession) string { return x.UserAgent }, nil)
	s.Char("ip", drf.Opt{}, func(x *shownSession) string { return x.IP }, nil)
	s.Time("created_at", drf.Opt{}, func(x *shownSession) time.Time { return x.CreatedAt })
	s.Time("last_seen_at", drf.Opt{Help: "To about a minute."}, func(x *shownSession) time.Time { return x.LastSeenAt })
	s.Time("expires_at", drf.Opt{}, func(x *shownSession) time.Time { return x.ExpiresAt })
	s.Bool("current", drf.Opt{Help: "The session of this very request."}, func(x *shownSession) bool { return x.current }, nil)
	return s
}

func (s *Server) listSessions(w http.ResponseWriter, r *drf.Request) error {
	sessions, err := s.Auth.Sessions(r.Context(), actor(r))
	if err != nil {
		return err
	}
	shown := make([]shownSession, len(sessions))
	for i, x := range sessions {
		shown[i] = shownSession{x, x.ID == actor(r).SessionID}
	}
	return respondList(w, r, sessionFields, shown)
}

func (s *Server) endSession(w http.ResponseWriter, r *drf.Request) error {
	if err := s.Auth.EndSession(r.Context(), actor(r), r.PathValue("id")); err != nil {
		return err
	}
	return r.NoContent(w)
}

func (s *Server) ticket(w http.ResponseWriter, r *drf.Request) error {
	ticket, expires, err := s.Auth.Ticket(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return r.Respond(w, http.StatusCreated, func(dst []byte) []byte {
		dst = drf.AppendString(append(dst, `{"ticket":`...), ticket)
		return append(drf.AppendTime(append(dst, `,"expires_at":`...), expires), '}')
	})
}
