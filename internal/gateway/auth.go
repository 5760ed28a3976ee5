package gateway

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
type credentials struct{ email, password, name, token, refreshToken string }

// none is the output side of what is only read.
type none struct{}

func inputs(name string, declare func(s *drf.Serializer[none, credentials])) *drf.Serializer[none, credentials] {
	s := drf.NewSerializer[none, credentials](name)
	declare(s)
	return s
}

// maxPassword bounds what is hashed, in characters.
const maxPassword = 1024

func emailInput(s *drf.Serializer[none, credentials]) {
	s.Email("email", drf.Opt{Required: true, Max: 254}, nil, func(c *credentials, v string) { c.email = v })
}

func passwordInput(s *drf.Serializer[none, credentials], least int) {
	s.Char("password", drf.Opt{Required: true, Min: least, Max: maxPassword}, nil, func(c *credentials, v string) { c.password = v })
}

var (
	loginInput = inputs("FrontendLogin", func(s *drf.Serializer[none, credentials]) {
		emailInput(s)
		passwordInput(s, 0)
	})
	registerInput = inputs("FrontendRegister", func(s *drf.Serializer[none, credentials]) {
		emailInput(s)
		passwordInput(s, 8)
		s.Char("name", drf.Opt{Blank: true, Max: 300}, nil, func(c *credentials, v string) { c.name = v })
	})
	forgotInput = inputs("FrontendForgot", emailInput)
	resetInput  = inputs("FrontendReset", func(s *drf.Serializer[none, credentials]) {
		s.Char("token", drf.Opt{Required: true, Max: 200}, nil, func(c *credentials, v string) { c.token = v })
		passwordInput(s, 0)
	})
	refreshInput = inputs("FrontendRefresh", func(s *drf.Serializer[none, credentials]) {
		s.Char("refreshToken", drf.Opt{Blank: true}, nil, func(c *credentials, v string) { c.refreshToken = v })
	})
)

// done is a success without data.
type done struct {
	Success bool   `json:"success"`
	Message string `json:"message,omitempty"`
}

// data is a success.
type data[T any] struct {
	Success bool   `json:"success"`
	Data    T      `json:"data"`
	Message string `json:"message,omitempty"`
}

// session is what a sign-in gives. The copies at the top are where the
// integration guide looks for them.
type session struct {
	User  *userBody `json:"user"`
	Token string    `json:"token"`
}

type signedInBody struct {
	data[session]
	session
}

func (s *Server) client(r *request) auth.Client {
	return auth.Client{IP: r.ip.String(), UserAgent: strings.ToValidUTF8(strings.ReplaceAll(r.UserAgent(), "\x00", ""), "\uFFFD")}
}

func (s *Server) login(r *request) (any, error) {
	var in credentials
	if err := decode(r, loginInput, &in, drf.Whole); err != nil {
		return nil, s.readable(err)
	}
	if wait, ok := s.Gate.SignIn(r.Context(), r.ip, account.EmailKey(in.email)); !ok {
		return nil, throttled(wait)
	}
	u, tokens, err := s.Auth.Login(r.Context(), in.email, in.password, s.client(r))
	if errors.Is(err, auth.ErrCredentials) || errors.Is(err, auth.ErrUnverified) {
		return nil, s.readable(problem{status: http.StatusUnauthorized, code: "INVALID_CREDENTIALS", message: "The e-mail address or the password is wrong."})
	}
	if err != nil {
		return nil, err
	}
	s.setCookie(r, tokens.Access, s.Auth.Settings.AccessLifetime)
	body := session{showUser(&u), tokens.Access}
	return signedInBody{data[session]{true, body, "Signed in."}, body}, nil
}

// readable gives a refused sign-in the status at which the frontend shows the
// message: any other it replaces by "Request failed with status code 401".
func (s *Server) readable(err error) error {
	if !s.LoginErrorsOK {
		return err
	}
	p := s.problemOf(err)
	if p.status == http.StatusBadRequest || p.status == http.StatusUnauthorized {
		p.status = http.StatusOK
	}
	return p
}

func (s *Server) me(r *request) (any, error) {
	return data[*userBody]{Success: true, Data: showUser(&r.access.User)}, nil
}

// logout ends the session of the bearer, and forgets the cookie in any case.
func (s *Server) logout(r *request) (any, error) {
	s.clearCookie(r)
	if r.access != nil {
		if err := s.Auth.Logout(r.Context(), r.actor(), r.token, false); err != nil {
			return nil, err
		}
	}
	return done{true, "Signed out."}, nil
}

// renewed is the answer to refresh: the frontend sends no body, others a
// refresh token.
type renewed struct {
	Token        string `json:"token"`
	ExpiresIn    int64  `json:"expiresIn"` // seconds
	RefreshToken string `json:"refreshToken,omitempty"`
}

func (s *Server) refresh(r *request) (any, error) {
	var in credentials
	if err := decode(r, refreshInput, &in, drf.Partial); err != nil {
		return nil, err
	}
	life := s.Auth.Settings.AccessLifetime
	out := renewed{}
	switch {
	case in.refreshToken != "":
		_, tokens, err := s.Auth.Refresh(r.Context(), in.refreshToken, s.client(r))
		if err != nil {
			return nil, err
		}
		out.Token, out.RefreshToken = tokens.Access, tokens.Refresh
	case r.access != nil:
		token, expires, err := s.Auth.Renew(r.Context(), r.token)
		if err != nil {
			return nil, err
		}
		out.Token, life = token, min(life, expires.Sub(s.Auth.Now()))
	default:
		return nil, errSignIn
	}
	out.ExpiresIn = int64(life / time.Second)
	s.setCookie(r, out.Token, life)
	return data[renewed]{Success: true, Data: out}, nil
}

func (s *Server) register(r *request) (any, error) {
	var in credentials
	if err := decode(r, registerInput, &in, drf.Whole); err != nil {
		return nil, err
	}
	first, last, err := splitName(in.name)
	if err != nil {
		return nil, err
	}
	u, err := s.Accounts.Register(r.Context(), account.Draft{Email: in.email, FirstName: first, LastName: last, Password: in.password})
	if err != nil {
		return nil, err
	}
	writeJSON(r.w, http.StatusCreated, data[*userBody]{true, showUser(&u), "The account was made. A mail with a link is on its way."})
	return nil, nil
}

func (s *Server) forgotPassword(r *request) (any, error) {
	var in credentials
	if err := decode(r, forgotInput, &in, drf.Whole); err != nil {
		return nil, err
	}
	if err := s.Accounts.RequestReset(r.Context(), in.email); err != nil {
		return nil, err
	}
	return done{true, "If the address belongs to an account, a mail is on its way."}, nil
}

func (s *Server) resetPassword(r *request) (any, error) {
	var in credentials
	if err := decode(r, resetInput, &in, drf.Whole); err != nil {
		return nil, err
	}
	if err := s.Auth.ResetPassword(r.Context(), in.token, in.password); err != nil {
		return nil, err
	}
	return done{true, "The password was changed."}, nil
}
