package api_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

// sourceFolder holds one SQLite file, shop.db.
func sourceFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(dir, "shop.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(`CREATE TABLE orders (day TEXT, total REAL); INSERT INTO orders VALUES ('2026-03-01', 1.5), ('2026-03-02', 2), ('2026-04-01', 9)`); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDatasourceLife(t *testing.T) {
	t.Parallel()
	dir := sourceFolder(t)
	apptest.Each(t, apptest.Options{Env: []string{"DATASOURCE_DIR=" + dir, "OUTBOUND_ALLOW=127.0.0.1:9"}}, func(t *testing.T, s *apptest.Server) {
		admin, editor := s.Person(t, identity.Admin), s.Person(t, identity.Editor)
		a := s.Do(t, admin.Access, http.MethodPost, "/api/datasources/", `{"name":"Shop","kind":"sqlite","path":"shop.db"}`)
		if a.Status != http.StatusCreated {
			t.Fatalf("POST datasources/ = %d %s", a.Status, a.Body)
		}
		if keys := keysOf(t, a); keys != "id name description kind host port database username tls ca path url headers token_header editors_allowed confirm_privileged has_password has_token created_by created_at updated_at" {
			t.Errorf("members %q", keys)
		}
		id := a.JSON(t)["id"].(float64)
		path := fmt.Sprintf("/api/v1/datasources/%.0f/", id)
		const query = `"query":{"sql":"SELECT day, total FROM orders WHERE day >= :period_from AND day < :period_to ORDER BY day"},"from":"2026-03-01T00:00:00Z","to":"2026-04-01T00:00:00Z"`
		a = s.Do(t, admin.Access, http.MethodPost, path+"preview/", `{`+query+`}`)
		if want := `{"columns":[{"name":"day","type":"time"},{"name":"total","type":"number"}],"rows":[["2026-03-01T00:00:00Z",1.5],["2026-03-02T00:00:00Z",2]],"truncated":false,`; a.Status != 200 || !strings.HasPrefix(string(a.Body), want) {
			t.Errorf("preview = %d %s, want %s…", a.Status, a.Body, want)
		}
		a = s.Do(t, admin.Access, http.MethodPost, path+"test/", "")
		if got := a.JSON(t); got["ok"] != true || got["error"] != nil || !strings.HasPrefix(fmt.Sprint(got["server"]), "SQLite ") {
			t.Errorf("test = %s", a.Body)
		}
		widget := fmt.Sprintf(`{"name":"W","widget_type":"table","datasource":%.0f,"query":{"sql":"SELECT 1 AS one"}}`, id)
		play(t, s, []call{
			{editor.Access, http.MethodPost, "/api/widgets/", widget, 400, `{"datasource":["Only administrators, and editors where the data source allows it, can use a data source."]}`},
			{admin.Access, http.MethodPatch, path, `{"editors_allowed":true,"description":" d "}`, 200, ""},
			{editor.Access, http.MethodPost, "/api/widgets/", widget, 201, ""},
			{editor.Access, http.MethodPost, "/api/widgets/", strings.Replace(widget, "SELECT 1", "SELECT :nope", 1), 400, ""},
			{editor.Access, http.MethodGet, path, "", 403, forbiddenBody},
			{admin.Access, http.MethodDelete, path, "", 409, `{"detail":"Widgets show this data source. Change or delete them first."}`},
			{admin.Access, http.MethodPut, path, `{}`, 405, ""},
			{admin.Access, http.MethodGet, "/api/datasources/?kind=sqlite&search=sho&ordering=-name", "", 200, ""},
			{admin.Access, http.MethodPost, path + "preview/", `{"query":{"sql":"DELETE FROM orders"}}`, 400, ""},
			{admin.Access, http.MethodPost, path + "preview/", `{"query":{"sql":"SELECT * FROM nowhere"}}`, 400, `{"query":["SQL logic error: no such table: nowhere (1)"]}`},
			{admin.Access, http.MethodPost, path + "preview/", `{}`, 400, `{"query":["This field is required."]}`},
			{admin.Access, http.MethodPost, path + "preview/", `{` + query + `,"time_zone":"Mars/Olympus"}`, 400, `{"time_zone":["Enter the name of a time zone, such as Europe/Berlin."]}`},
			{admin.Access, http.MethodPost, path + "preview/", `{"query":{},"from":"2026-03-02T00:00:00Z","to":"2026-03-01T00:00:00Z"}`, 400, `{"from":["Enter a time before to."]}`},
			{admin.Access, http.MethodPost, path + "preview/", `{"query":{},"rows":1001}`, 400, `{"rows":["Ensure this value is less than or equal to 1000."]}`},
			{admin.Access, http.MethodPost, "/api/datasources/", `{"name":"X","kind":"sqlite","path":"nope.db"}`, 400, `{"path":["there is no file nope.db below DATASOURCE_DIR"]}`},
			{admin.Access, http.MethodPost, "/api/datasources/", `{"name":"X","kind":"postgresql","host":"127.0.0.1","database":"d","username":"u"}`, 400,
				`{"host":["127.0.0.1:5432 is not a public address and not listed in OUTBOUND_ALLOW"]}`},
			{admin.Access, http.MethodPost, "/api/datasources/", `{"name":"X","kind":"http","url":"http://127.0.0.1:9","headers":[1]}`, 400, ""},
			{admin.Access, http.MethodPost, "/api/datasources/", `{"name":"X","kind":"oracle"}`, 400, `{"kind":["\"oracle\" is not a valid choice."]}`},
			{admin.Access, http.MethodPost, "/api/datasources/", `{}`, 400, `{"name":["This field is required."],"kind":["This field is required."]}`},
			{admin.Access, http.MethodGet, "/api/datasources/987654/", "", 404, notFoundBody},
		})
	})
}

// Secrets go in and never come out, and are not in the database as they are.
func TestDatasourceSecrets(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{Env: []string{"OUTBOUND_ALLOW=127.0.0.1:9"}}, func(t *testing.T, s *apptest.Server) {
		admin := s.Person(t, identity.Admin)
		a := s.Do(t, admin.Access, http.MethodPost, "/api/datasources/",
			`{"name":"Shop","kind":"postgresql","host":"127.0.0.1","port":9,"database":"d","username":"u","password":"top-secret","tls":"off"}`)
		if a.Status != http.StatusCreated || a.JSON(t)["has_password"] != true || a.JSON(t)["has_token"] != false {
			t.Fatalf("POST = %d %s", a.Status, a.Body)
		}
		path := fmt.Sprintf("/api/datasources/%.0f/", a.JSON(t)["id"])
		for _, c := range []call{
			{method: http.MethodGet, path: path}, {method: http.MethodGet, path: "/api/datasources/"}, {method: http.MethodPost, path: path + "test/"},
			{method: http.MethodPatch, path: path, body: `{"username":"v"}`}, {method: http.MethodOptions, path: path},
			{method: http.MethodPost, path: path + "preview/", body: `{"query":{"sql":"SELECT 1"}}`},
		} {
			got := s.Do(t, admin.Access, c.method, c.path, c.body)
			if strings.Contains(string(got.Body), "top-secret") || got.Status >= 500 && got.Status != http.StatusBadGateway {
				t.Errorf("%s %s = %d %s", c.method, c.path, got.Status, got.Body)
			}
		}
		a = s.Do(t, admin.Access, http.MethodPost, path+"test/", "")
		if want := `"error":{"code":"refused","message":"The data source does not accept connections.","detail":"dial tcp 127.0.0.1:9: connect: connection refused"}}`; !strings.HasSuffix(string(a.Body), want) {
			t.Errorf("test = %s, want …%s", a.Body, want)
		}
		a = s.Do(t, admin.Access, http.MethodPost, path+"preview/", `{"query":{"sql":"SELECT 1"}}`)
		if a.Status != http.StatusBadGateway || a.JSON(t)["code"] != "refused" {
			t.Errorf("preview = %d %s", a.Status, a.Body)
		}
		var settings, secrets string
		err := s.App.DB.ReadDBTX().QueryRow(t.Context(), "SELECT settings, secrets FROM datasources").Scan(&settings, &secrets)
		if err != nil || strings.Contains(settings+secrets, "top-secret") || !strings.HasPrefix(secrets, "v1.") {
			t.Errorf("stored %s %s, %v", settings, secrets, err)
		}
	})
}

// The figures of bdash itself feed an administrator's widget.
func TestBdashFigures(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		admin, editor := s.Person(t, identity.Admin), s.Person(t, identity.Editor)
		for _, figure := range []string{"users", "sessions", "requests", "ai", "jobs"} {
			body := `{"name":"` + figure + `","widget_type":"table","source":"bdash","query":{"figure":"` + figure + `"}}`
			if a := s.Do(t, editor.Access, http.MethodPost, "/api/widgets/", body); a.Status != http.StatusBadRequest {
				t.Errorf("an editor's %s: %d", figure, a.Status)
			}
			path := newWidget(t, s, admin.Access, body)
			a := s.Do(t, admin.Access, http.MethodGet, path+"data/", "")
			if a.Status != http.StatusOK || strings.Contains(string(a.Body), `"error"`) || !strings.Contains(string(a.Body), `"source":"bdash"`) {
				t.Errorf("%s: %d %s", figure, a.Status, a.Body)
			}
		}
		play(t, s, []call{{admin.Access, http.MethodPost, "/api/widgets/", `{"name":"x","widget_type":"table","source":"bdash","query":{"figure":"secrets"}}`, 400,
			`{"query":["figure is one of [users sessions requests ai jobs]"]}`}})
	})
}

func TestDatasourcesOfDeletedUsers(t *testing.T) {
	t.Parallel()
	dir := sourceFolder(t)
	if _, err := os.Stat(filepath.Join(dir, "shop.db")); err != nil {
		t.Fatal(err)
	}
	apptest.Each(t, apptest.Options{Env: []string{"DATASOURCE_DIR=" + dir}}, func(t *testing.T, s *apptest.Server) {
		admin, leaving := s.Person(t, identity.Admin), s.Person(t, identity.Admin)
		a := s.Do(t, leaving.Access, http.MethodPost, "/api/datasources/", `{"name":"Shop","kind":"sqlite","path":"shop.db"}`)
		path := fmt.Sprintf("/api/datasources/%.0f/", a.JSON(t)["id"])
		play(t, s, []call{{admin.Access, http.MethodDelete, fmt.Sprintf("/api/users/%d/", leaving.ID), "", 204, ""}})
		if got := s.Do(t, admin.Access, http.MethodGet, path, "").JSON(t)["created_by"]; got != float64(admin.ID) {
			t.Errorf("created_by = %v, want %d", got, admin.ID)
		}
	})
}
