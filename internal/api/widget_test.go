package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

// call is a request and what must come back; an empty body is not looked at.
type call struct {
	token, method, path, body string
	status                    int
	want                      string
}

func play(t *testing.T, s *apptest.Server, calls []call) {
	t.Helper()
	for _, c := range calls {
		a := s.Do(t, c.token, c.method, c.path, c.body)
		if got := string(a.Body); a.Status != c.status || c.want != "" && got != c.want {
			t.Errorf("%s %s %.80s = %d %s, want %d %s", c.method, c.path, c.body, a.Status, got, c.status, c.want)
		}
	}
}

const (
	notFoundBody  = `{"detail":"Not found."}`
	forbiddenBody = `{"detail":"You do not have permission to perform this action."}`
)

// newWidget makes a widget over the wire and gives its path.
func newWidget(t *testing.T, s *apptest.Server, token, body string) string {
	t.Helper()
	a := s.Do(t, token, http.MethodPost, "/api/widgets/", body)
	if a.Status != http.StatusCreated {
		t.Fatalf("POST widgets/ %s = %d %s, want 201", body, a.Status, a.Body)
	}
	return fmt.Sprintf("/api/widgets/%.0f/", a.JSON(t)["id"])
}

func TestWidgetLife(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		bob := s.Person(t, identity.User)
		a := s.Do(t, bob.Access, http.MethodPost, "/api/widgets/",
			`{"name":" Mine ","widget_type":"chart","key":"my-chart","config_schema":{"type":"object","b":1,"a":2},"created_by":1}`)
		if a.Status != http.StatusCreated {
			t.Fatalf("POST widgets/ = %d %s", a.Status, a.Body)
		}
		created := a.JSON(t)
		id, at, changed := created["id"].(float64), created["created_at"], created["updated_at"]
		shape := `{"id":%.0f,"name":"%s","widget_type":"chart","description":"%s","config_schema":{"type":"object","b":1,"a":2},` +
			`"is_public":false,"created_by":%d,"created_at":"%s","updated_at":"%s","key":%s,` +
			`"source":"push","datasource":null,"query":null,"mapping":null,"cache_ttl":null,"refresh_every":null,"variant":null}`
		if want := fmt.Sprintf(shape, id, "Mine", "", bob.ID, at, changed, `"my-chart"`); string(a.Body) != want {
			t.Errorf("created %s, want %s", a.Body, want)
		}
		path := fmt.Sprintf("/api/v1/widgets/%.0f/", id)
		a = s.Do(t, bob.Access, http.MethodPatch, path, `{"description":"d","key":null,"id":7,"name":"Ours"}`)
		if want := fmt.Sprintf(shape, id, "Ours", "d", bob.ID, at, a.JSON(t)["updated_at"], "null"); a.Status != http.StatusOK || string(a.Body) != want {
			t.Errorf("changed: %d %s, want %s", a.Status, a.Body, want)
		}
		play(t, s, []call{
			{bob.Access, http.MethodGet, path, "", 200, string(a.Body)},
			{bob.Access, http.MethodGet, "/api/widgets/?search=OUR&widget_type=chart&is_public=no", "", 200,
				`{"count":1,"next":null,"previous":null,"results":[` + string(a.Body) + `]}`},
			{bob.Access, http.MethodGet, "/api/widgets/?widget_type=robot", "", 400, `{"widget_type":["\"robot\" is not a valid choice."]}`},
			{bob.Access, http.MethodPut, path, `{}`, 405, `{"detail":"Method \"PUT\" not allowed."}`},
			{bob.Access, http.MethodDelete, path, "", 204, ""},
			{bob.Access, http.MethodDelete, path, "", 404, notFoundBody},
			{bob.Access, http.MethodGet, "/api/widgets/", "", 200, `{"count":0,"next":null,"previous":null,"results":[]}`},
			{"", http.MethodPost, "/api/widgets/", `{}`, 401, ""},
		})
	})
}

func TestWidgetRightsOverTheWire(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		admin, editor, user := s.Person(t, identity.Admin), s.Person(t, identity.Editor), s.Person(t, identity.User)
		public := newWidget(t, s, editor.Access, `{"name":"P","widget_type":"stats","is_public":true}`)
		private := newWidget(t, s, editor.Access, `{"name":"S","widget_type":"stats"}`)
		_, key := s.AddKey(t, admin.User, "read write")
		_, reader := s.AddKey(t, editor.User, "read")
		push := `{"data":1}`
		play(t, s, []call{
			// Rights are looked at before the body is read.
			{user.Access, http.MethodPatch, public, `{"name":`, 403, forbiddenBody},
			{user.Access, http.MethodPatch, private, `{"name":`, 404, notFoundBody},
			{user.Access, http.MethodPut, public + "data/", `{`, 403, forbiddenBody},
			{user.Access, http.MethodPut, private + "data/", `{`, 404, notFoundBody},
			{user.Access, http.MethodPut, private + "config/", `{`, 404, notFoundBody},
			{user.Access, http.MethodDelete, public, "", 403, forbiddenBody},
			{user.Access, http.MethodDelete, private, "", 404, notFoundBody},
			{user.Access, http.MethodPost, private + "refresh/", "", 404, notFoundBody},
			{user.Access, http.MethodPost, "/api/widgets/", `{"name":"x","widget_type":"stats","is_public":true}`, 400,
				`{"is_public":["Only editors and administrators can publish widgets."]}`},
			{admin.Access, http.MethodGet, private, "", 404, notFoundBody},
			{admin.Access, http.MethodPatch, private, `{"name":"By the admin"}`, 200, ""},
			{key, http.MethodPatch, private, `{"name":"By the admin's key"}`, 200, ""},
			{key, http.MethodPut, private + "data/", push, 200, ""},
			{reader, http.MethodPut, private + "data/", push, 403, `{"detail":"This API key does not have the scope \"write\"."}`},
			{reader, http.MethodGet, private + "data/", "", 200, ""},
			{admin.Access, http.MethodDelete, private, "", 204, ""},
		})
	})
}

func TestWidgetBadInput(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	bob := s.Person(t, identity.Editor).Access
	path := newWidget(t, s, bob, `{"name":"W","widget_type":"stats","key":"taken"}`)
	list := "/api/widgets/"
	play(t, s, []call{
		{bob, http.MethodPost, list, `{}`, 400, `{"name":["This field is required."],"widget_type":["This field is required."]}`},
		{bob, http.MethodPost, list, `[]`, 400, ""},
		{bob, http.MethodPost, list, `{`, 400, ""},
		{bob, http.MethodPost, list, `{"name":"` + strings.Repeat("x", 101) + `","widget_type":"robot","config_schema":null,"is_public":2,"key":""}`, 400,
			`{"name":["Ensure this field has no more than 100 characters."],"widget_type":["\"robot\" is not a valid choice."],` +
				`"config_schema":["This field may not be null."],"is_public":["Must be a valid boolean."],"key":["This field may not be blank."]}`},
		{bob, http.MethodPost, list, `{"name":"x","widget_type":"stats","key":"Not a slug","config_schema":[]}`, 400,
			`{"config_schema":["A JSON Schema is an object or a boolean."],"key":["Enter a key of 1 to 100 lower-case letters, digits and hyphens."]}`},
		{bob, http.MethodPost, list, `{"name":"x","widget_type":"stats","key":"taken"}`, 400, `{"key":["widget with this key already exists."]}`},
		{bob, http.MethodPost, list, `{"name":"a\u0000b","widget_type":"stats"}`, 400, `{"name":["Null characters are not allowed."]}`},
		{bob, http.MethodPatch, path, `{"config_schema":{"type":"robot"}}`, 400, ""},
		{bob, http.MethodPatch, path, `{"config_schema":{"minimum":1e400}}`, 400, `{"config_schema":["Value must be valid JSON."]}`},
		{bob, http.MethodPut, path + "data/", `{}`, 400, `{"data":["This field is required."]}`},
		{bob, http.MethodPut, path + "data/", `{"data":null,"cache_ttl":0,"user":"x"}`, 400,
			`{"data":["This field may not be null."],"cache_ttl":["Ensure this value is greater than or equal to 1."],"user":["A valid integer is required."]}`},
		{bob, http.MethodPut, path + "data/", `{"data":1,"user":987654}`, 400, `{"user":["Invalid pk \"987654\" - object does not exist."]}`},
		{bob, http.MethodPut, path + "config/", `{}`, 400, `{"config":["This field is required."]}`},
		{bob, http.MethodPut, path + "config/", `{"config":[1]}`, 400, `{"config":["Settings are a JSON object."]}`},
		{bob, http.MethodGet, "/api/widgets/x/data/", "", 404, notFoundBody},
		{bob, http.MethodGet, "/api/widgets/99999999999999999999/", "", 404, notFoundBody},
		{bob, http.MethodPatch, "/api/widgets/0/", `{`, 404, notFoundBody},
	})
}

func TestWidgetDataOverTheWire(t *testing.T) {
	t.Parallel()
	clock := apptest.NewClock()
	apptest.Each(t, apptest.Options{Now: clock.Now}, func(t *testing.T, s *apptest.Server) {
		editor, user := s.Person(t, identity.Editor), s.Person(t, identity.User)
		path := newWidget(t, s, editor.Access, `{"name":"P","widget_type":"stats","is_public":true}`)
		play(t, s, []call{
			{user.Access, http.MethodGet, path + "data/", "", 200, `{"data":{},"message":"No data available"}`},
			{user.Access, http.MethodPost, path + "refresh/", `{"a`, 200, `{"message":"Widget data refresh triggered","task_id":null}`},
		})
		stamps := `"meta":\{"fetched_at":"([^"]*)","expires_at":"([^"]*)","stale":false,"source":"push"\}\}$`
		put := s.Do(t, editor.Access, http.MethodPut, path+"data/", `{"data":{"b":[1,2.50,null],"a":"✓"},"cache_ttl":"60"}`)
		found := regexp.MustCompile(`^\{"data":\{"b":\[1,2\.5,null\],"a":"✓"\},` + stamps).FindStringSubmatch(string(put.Body))
		if put.Status != http.StatusOK || found == nil {
			t.Fatalf("PUT data/ = %d %s", put.Status, put.Body)
		}
		fetched, err1 := time.Parse(time.RFC3339Nano, found[1])
		expires, err2 := time.Parse(time.RFC3339Nano, found[2])
		if err1 != nil || err2 != nil || expires.Sub(fetched) != time.Minute {
			t.Errorf("fetched %q, expires %q, want a minute between", found[1], found[2])
		}
		if got := s.Do(t, user.Access, http.MethodGet, path+"data/", ""); string(got.Body) != string(put.Body) {
			t.Errorf("GET data/ = %s, want what PUT answered: %s", got.Body, put.Body)
		}
		own := s.Do(t, editor.Access, http.MethodPut, path+"data/", fmt.Sprintf(`{"data":false,"user":%d}`, user.ID))
		if !strings.HasPrefix(string(own.Body), `{"data":false,`) {
			t.Errorf("PUT data/ for one user = %d %s", own.Status, own.Body)
		}
		for token, want := range map[string]string{user.Access: string(own.Body), editor.Access: string(put.Body)} {
			if got := s.Do(t, token, http.MethodGet, path+"data/", ""); string(got.Body) != want {
				t.Errorf("GET data/ = %s, want %s", got.Body, want)
			}
		}
	})
}

func TestWidgetConfigOverTheWire(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		editor, user := s.Person(t, identity.Editor).Access, s.Person(t, identity.User).Access
		path := newWidget(t, s, editor, `{"name":"P","widget_type":"stats","is_public":true,
			"config_schema":{"type":"object","properties":{"limit":{"type":"integer","minimum":1}}}}`) + "config/"
		play(t, s, []call{
			{user, http.MethodGet, path, "", 200, `{"config":{}}`},
			{user, http.MethodPut, path, `{"config":{"x":1,"limit":5}}`, 200, `{"config":{"x":1,"limit":5}}`},
			{user, http.MethodPut, path, `{"config":{"limit":0}}`, 400, `{"config":["/limit: minimum: got 0, want 1"]}`},
			{user, http.MethodGet, path, "", 200, `{"config":{"x":1,"limit":5}}`},
			{editor, http.MethodGet, path, "", 200, `{"config":{}}`},
			{user, http.MethodPatch, path, `{}`, 405, ""},
		})
	})
}

// OPTIONS of one widget tells of no input, as recorded; the list's does now.
func TestWidgetOptions(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Seed: true})
	token := s.Person(t, identity.User).Access
	one, all := s.Do(t, token, http.MethodOptions, "/api/widgets/1/", ""), s.Do(t, token, http.MethodOptions, "/api/widgets/", "")
	if _, ok := one.JSON(t)["actions"]; ok || one.Status != http.StatusOK {
		t.Errorf("OPTIONS widgets/1/ = %d %s, want no actions", one.Status, one.Body)
	}
	actions, _ := all.JSON(t)["actions"].(map[string]any)
	fields, _ := actions["POST"].(map[string]any)
	if _, hidden := fields["key"]; len(fields) != 9 || hidden {
		t.Errorf("OPTIONS widgets/ tells of the fields %v, want the guide's nine", fields)
	}
}
