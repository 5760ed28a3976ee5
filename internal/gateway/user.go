package gateway

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

// userBody is a user as the frontend draws it: a name that is null, or a role
// that is no word, would crash its page, and neither can be written here.
type userBody struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Email     string  `json:"email"`
	Role      string  `json:"role"`
	Status    string  `json:"status"`
	Avatar    *string `json:"avatar"`
	CreatedAt string  `json:"createdAt"`
	UpdatedAt string  `json:"updatedAt"`
}

func showUser(u *account.User) *userBody {
	role, status := u.Role, u.Status
	if !role.Valid() {
		role = identity.User
	}
	if !status.Valid() {
		status = identity.Inactive
	}
	return &userBody{
		ID: strconv.FormatInt(u.ID, 10), Name: nameOf(u), Email: u.Email, Role: string(role), Status: string(status), Avatar: u.Avatar,
		CreatedAt: timeText(u.CreatedAt), UpdatedAt: timeText(u.UpdatedAt),
	}
}

// timeText is a time as JavaScript writes it: UTC with a Z, milliseconds.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// nameOf is never empty: its initials are drawn.
func nameOf(u *account.User) string {
	mail, _, _ := strings.Cut(u.Email, "@")
	for _, name := range []string{strings.TrimSpace(u.FirstName + " " + u.LastName), strings.TrimSpace(u.Username), mail} {
		if name != "" {
			return name
		}
	}
	return "User " + strconv.FormatInt(u.ID, 10)
}

// maxNamePart is the length of each of a user's two names, in characters.
const maxNamePart = 150

// splitName divides a name into the two that are stored: the first word, and
// the rest.
func splitName(name string) (first, last string, err error) {
	first, last, _ = strings.Cut(strings.TrimSpace(name), " ")
	last = strings.TrimSpace(last)
	if utf8.RuneCountInString(first) > maxNamePart || utf8.RuneCountInString(last) > maxNamePart {
		return "", "", drf.Invalid("name", "Ensure that each part of the name has no more than 150 characters.")
	}
	return first, last, nil
}

// Bounds of pageSize.
const (
	defaultPageSize = 10
	maxPageSize     = 100
)

type userList struct {
	Success bool        `json:"success"`
	Data    []*userBody `json:"data"`
	Meta    pageMeta    `json:"meta"`
}

// pageMeta has the code's names and the guide's.
type pageMeta struct {
	Total      int  `json:"total"`
	Page       int  `json:"page"`
	PageSize   int  `json:"pageSize"`
	TotalPages int  `json:"totalPages"`
	Limit      int  `json:"limit"`
	HasMore    bool `json:"hasMore"`
}

// listUsers never answers a page beyond the end with an error: that is an empty
// list.
func (s *Server) listUsers(r *request) (any, error) {
	q := r.URL.Query()
	req := page.Request{
		Number: positive(q.Get("page"), 1, math.MaxInt32), Size: positive(q.Get("pageSize"), defaultPageSize, maxPageSize),
		Search: strings.ToValidUTF8(strings.ReplaceAll(q.Get("search"), "\x00", ""), "\uFFFD"), Filters: map[string]string{},
	}
	for _, name := range []string{"role", "status"} {
		if v := q.Get(name); v != "" {
			if !identity.Role(v).Valid() && !identity.Status(v).Valid() {
				v = "-" // nobody has it
			}
			req.Filters[name] = v
		}
	}
	number := req.Number
	res, err := s.Accounts.List(r.Context(), r.actor(), req)
	if err == page.ErrInvalid { //nolint:errorlint // the store gives the value itself
		req.Last = true
		res, err = s.Accounts.List(r.Context(), r.actor(), req)
		res.Items = nil
	}
	if err != nil {
		return nil, err
	}
	body := userList{Success: true, Data: make([]*userBody, 0, len(res.Items)), Meta: pageMeta{
		Total: res.Count, Page: number, PageSize: req.Size, TotalPages: res.Pages(), Limit: req.Size, HasMore: number < res.Pages(),
	}}
	for i := range res.Items {
		body.Data = append(body.Data, showUser(&res.Items[i]))
	}
	return body, nil
}

// positive reads a number of a query; what is none is otherwise.
func positive(text string, otherwise, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return otherwise
	}
	return min(n, most)
}

// userID reads an id of a path; what is none belongs to nobody.
func userID(r *request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, account.ErrNotFound
	}
	return id, nil
}

// retrieveUser shows users to administrators, and everybody themselves.
func (s *Server) retrieveUser(r *request) (any, error) {
	id, err := userID(r)
	if err != nil {
		return nil, err
	}
	if id == r.actor().UserID {
		return s.me(r)
	}
	u, err := s.Accounts.ByID(r.Context(), r.actor(), id)
	if err != nil {
		return nil, err
	}
	return data[*userBody]{Success: true, Data: showUser(&u)}, nil
}

// userChange is a part of a User.
type userChange struct {
	account.Update
	name *string
}

var userInput = declareUser()

func declareUser() *drf.Serializer[none, userChange] {
	s := drf.NewSerializer[none, userChange]("FrontendUser")
	s.Char("name", drf.Opt{Max: 300}, nil, func(c *userChange, v string) { c.name = &v })
	s.Email("email", drf.Opt{Max: 254}, nil, func(c *userChange, v string) { c.Email = &v })
	s.Choice("role", drf.Opt{}, choices("admin", "editor", "user"), nil, func(c *userChange, v string) { role := identity.Role(v); c.Role = &role })
	s.Choice("status", drf.Opt{}, choices("active", "inactive", "pending"), nil, func(c *userChange, v string) { st := identity.Status(v); c.Status = &st })
	s.URLOrNull("avatar", drf.Opt{Blank: true, Max: 200}, nil, func(c *userChange, v *string) {
		if v != nil && *v == "" {
			v = nil
		}
		c.Avatar = &v
	})
	return s
}

func choices(values ...string) []drf.Choice {
	out := make([]drf.Choice, len(values))
	for i, v := range values {
		out[i] = drf.Choice{Value: v, Label: v}
	}
	return out
}

// updateUser changes a user for an administrator; others may change the name
// and the picture of themselves.
func (s *Server) updateUser(r *request) (any, error) {
	id, err := userID(r)
	if err != nil {
		return nil, err
	}
	var change userChange
	if err := decode(r, userInput, &change, drf.Partial); err != nil {
		return nil, err
	}
	if change.name != nil {
		first, last, err := splitName(*change.name)
		if err != nil {
			return nil, err
		}
		change.FirstName, change.LastName = &first, &last
	}
	var u account.User
	if !r.actor().IsAdmin() && id == r.actor().UserID && change.Email == nil && change.Role == nil && change.Status == nil {
		u, err = s.Accounts.UpdateProfile(r.Context(), r.actor(), account.Profile{FirstName: change.FirstName, LastName: change.LastName, Avatar: change.Avatar})
	} else {
		u, err = s.Accounts.Update(r.Context(), r.actor(), id, account.AdminUpdate{Update: change.Update})
	}
	if err != nil {
		return nil, err
	}
	return data[*userBody]{Success: true, Data: showUser(&u)}, nil
}

func (s *Server) deleteUser(r *request) (any, error) {
	id, err := userID(r)
	if err != nil {
		return nil, err
	}
	if err := s.Accounts.Delete(r.Context(), r.actor(), id); err != nil {
		return nil, err
	}
	r.w.WriteHeader(http.StatusNoContent)
	return nil, nil
}
