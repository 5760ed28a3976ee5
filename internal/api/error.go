package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/password"
)

// statusOf turns the kind of a fault into a status.
var statusOf = map[fault.Kind]int{
	fault.Invalid:         http.StatusBadRequest,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Forbidden:       http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.Conflict:        http.StatusConflict,
	fault.TooLarge:        http.StatusRequestEntityTooLarge,
	fault.Throttled:       http.StatusTooManyRequests,
	fault.Unavailable:     http.StatusServiceUnavailable,
	fault.PaymentRequired: http.StatusPaymentRequired,
	fault.Precondition:    http.StatusPreconditionFailed,
}

// retryUnavailable is when to come back while the database is away.
const retryUnavailable = 2 * time.Second

// mapError is where faults of the rooms become answers, once.
func (s *Server) mapError(_ *drf.Request, err error) error {
	if errors.Is(err, page.ErrInvalid) {
		return drf.ErrInvalidPage
	}
	if errors.Is(err, password.ErrBusy) {
		return &drf.Error{Status: http.StatusServiceUnavailable, Detail: "The server is busy with sign-ins. Try again in a moment.", RetryAfter: time.Second, Err: err}
	}
	f, ok := fault.As(err)
	if !ok {
		if s.Unavailable != nil && s.Unavailable(err) {
			return &drf.Error{Status: http.StatusServiceUnavailable, Detail: "The database cannot be reached. Try again in a moment.", RetryAfter: retryUnavailable, Err: err}
		}
		return nil
	}
	if f.Kind == fault.Unauthenticated {
		return tokenError(f)
	}
	if len(f.Fields) > 0 {
		fields := &drf.FieldErrors{}
		for _, field := range f.Fields {
			fields.Add(field.Name, field.Message)
		}
		return fields
	}
	if f.Kind == fault.Invalid {
		return drf.Invalid(drf.NonField, f.Message)
	}
	status, ok := statusOf[f.Kind]
	if !ok {
		return nil
	}
	return &drf.Error{Status: status, Detail: f.Message, RetryAfter: f.RetryAfter, Err: f.Err}
}

// tokenError words a refused token as simplejwt does for the Authorization
// header: what is wrong stands in "messages".
func tokenError(f *fault.Error) error {
	switch f.Code {
	case auth.ErrUserNotFound.Code, auth.ErrUserInactive.Code, auth.ErrKey.Code:
		return &drf.Error{Status: http.StatusUnauthorized, Detail: f.Message, Code: f.Code}
	case auth.ErrTokenNoUser.Code:
		return &drf.Error{Status: http.StatusUnauthorized, Detail: f.Message, Code: auth.ErrToken.Code}
	}
	message := append([]byte(`"messages":[{"token_class":"AccessToken","token_type":"access","message":`), drf.AppendString(nil, f.Message)...)
	return &drf.Error{
		Status: http.StatusUnauthorized, Code: auth.ErrToken.Code,
		Detail: "Given token not valid for any token type",
		Extra:  string(append(message, "}]"...)),
	}
}

// bodyTokenError words a refused token that stood in a body: refresh/, verify/.
func bodyTokenError(err error) error {
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Unauthenticated {
		return err
	}
	return &drf.Error{Status: http.StatusUnauthorized, Detail: f.Message, Code: auth.ErrToken.Code}
}

// faultMessages are the messages of a fault about one field.
func faultMessages(err error) []string {
	f, ok := fault.As(err)
	if !ok {
		return nil
	}
	messages := make([]string, len(f.Fields))
	for i, field := range f.Fields {
		messages[i] = field.Message
	}
	return messages
}
