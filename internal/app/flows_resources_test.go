package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

// Administrators make, find, change and delete users.
func TestUserAdministration(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		admin := s.Person(t, identity.Admin)
		const carol = "carol@example.com"
		made := s.Expect(t, http.StatusCreated, admin.Access, "POST", "/api/users/",
			body{"email": carol, "password": apptest.Password, "role": "editor", "first_name": "Carol", "avatar": "https://example.com/c.png"}.String())
		wantFields(t, made, body{"email": carol, "username": carol, "role": "editor", "status": "active", "is_active": true, "avatar": "https://example.com/c.png"})
		if strings.Contains(string(made.Body), "password") {
			t.Errorf("user = %s, want no password", made.Body)
		}
		tokens := s.Login(t, carol)
		path := fmt.Sprintf("/api/users/%v/", made.JSON(t)["id"])
		for query, want := range map[string]int{"?role=editor": 1, "?search=CAROL": 1, "?search=nobody": 0, "?status=inactive": 0, "?role=editor&search=carol&ordering=-email": 1, "": 2} {
			if got := s.Expect(t, http.StatusOK, admin.Access, "GET", "/api/users/"+query, "").JSON(t)["count"]; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("users/%s = %v, want %d", query, got, want)
			}
		}
		wantFields(t, s.Expect(t, http.StatusBadRequest, admin.Access, "POST", "/api/users/", body{"email": "Carol@Example.com", "password": apptest.Password}.String()),
			body{"email": "[custom user with this email already exists.]"})
		s.Expect(t, http.StatusOK, admin.Access, "PATCH", path, `{"status":"inactive"}`)
		login(t, s, http.StatusBadRequest, carol, apptest.Password)
		s.Expect(t, http.StatusUnauthorized, tokens.Access, "GET", me, "")
		s.Expect(t, http.StatusOK, admin.Access, "PATCH", path, `{"status":"active"}`)
		s.Expect(t, http.StatusUnauthorized, tokens.Access, "GET", me, "") // what has ended stays so
		s.Login(t, carol)
		s.Expect(t, http.StatusNoContent, admin.Access, "DELETE", path, "")
		s.Expect(t, http.StatusNotFound, admin.Access, "GET", path, "")
		login(t, s, http.StatusBadRequest, carol, apptest.Password)
	})
}

// There is always one who can administer.
func TestLastAdmin(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		first, second := s.Person(t, identity.Admin), s.Person(t, identity.Admin)
		path := fmt.Sprintf("/api/users/%d/", first.ID)
		s.Expect(t, http.StatusOK, first.Access, "PATCH", fmt.Sprintf("/api/users/%d/", second.ID), `{"is_active":false}`)
		for _, change := range []string{`{"role":"user"}`, `{"role":"editor"}`, `{"status":"inactive"}`, `{"is_active":false}`} {
			s.Expect(t, http.StatusConflict, first.Access, "PATCH", path, change)
		}
		s.Expect(t, http.StatusConflict, first.Access, "DELETE", path, "")
		wantFields(t, s.Expect(t, http.StatusOK, first.Access, "GET", path, ""), body{"role": "admin", "status": "active", "is_active": true})
	})
}

// Two administrators who demote each other at the same time: one remains.
func TestLastAdminConcurrently(t *testing.T) {
	t.Parallel()
	eachCluster(t, apptest.Options{}, func(t *testing.T, a, b *apptest.Server) {
		for range 5 {
			pair := []apptest.Person{a.Person(t, identity.Admin), a.Person(t, identity.Admin)}
			together(2, func(i int) apptest.Answer {
				return []*apptest.Server{a, b}[i].Do(t, pair[i].Access, "PATCH", fmt.Sprintf("/api/users/%d/", pair[1-i].ID), `{"role":"user"}`)
			})
			n, err := a.App.API.Accounts.Store.Admins(t.Context())
			if err != nil || n < 1 {
				t.Fatalf("administrators = %d, %v: want at least one", n, err)
			}
		}
	})
}

// What a deleted user has published stays, with the one who deletes.
func TestDeletedUsersWidgets(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		admin, editor, user := s.Person(t, identity.Admin), s.Person(t, identity.Editor), s.Person(t, identity.User)
		public, private := addWidget(t, s, editor, true), addWidget(t, s, editor, false)
		s.Expect(t, http.StatusNoContent, admin.Access, "DELETE", fmt.Sprintf("/api/users/%d/", editor.ID), "")
		wantFields(t, s.Expect(t, http.StatusOK, user.Access, "GET", "/api/widgets/"+public+"/", ""), body{"created_by": admin.ID})
		s.Expect(t, http.StatusNotFound, admin.Access, "GET", "/api/widgets/"+private+"/", "")
		s.Expect(t, http.StatusOK, admin.Access, "PATCH", "/api/widgets/"+public+"/", `{"name":"Inherited"}`)
	})
}

// Built-in themes are the same for all and cannot be changed; choosing one
// makes a copy, once.
func TestBuiltInThemes(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		p := s.Person(t, identity.User)
		var builtIn struct {
			Count   int
			Results []struct {
				ID       int64
				Name     string
				IsSystem bool `json:"is_system"`
			}
		}
		if err := json.Unmarshal(s.Expect(t, http.StatusOK, p.Access, "GET", "/api/themes/?is_system=true&page_size=100&ordering=-id", "").Body, &builtIn); err != nil {
			t.Fatal(err)
		}
		if builtIn.Count == 0 || len(builtIn.Results) != builtIn.Count || builtIn.Results[0].ID != -1 {
			t.Fatalf("built-in themes = %+v, want those from -1 downwards", builtIn)
		}
		for _, theme := range builtIn.Results {
			if theme.ID >= 0 || !theme.IsSystem {
				t.Errorf("built-in theme = %+v, want a negative id and is_system", theme)
			}
			path := fmt.Sprintf("/api/themes/%d/", theme.ID)
			s.Expect(t, http.StatusForbidden, p.Access, "PATCH", path, `{"name":"mine"}`)
			s.Expect(t, http.StatusForbidden, p.Access, "DELETE", path, "")
		}
		if own := s.Expect(t, http.StatusOK, p.Access, "GET", "/api/themes/", ""); string(own.Body) != noRows {
			t.Errorf("own themes = %s, want none", own.Body)
		}

		name := builtIn.Results[0].Name
		s.Expect(t, http.StatusCreated, p.Access, "POST", "/api/themes/", body{"name": name, "color_mode": "dark"}.String())
		made := s.Expect(t, http.StatusOK, p.Access, "POST", "/api/themes/-1/set_active/", "")
		wantFields(t, made, body{"name": name + " 2", "is_active": true, "is_system": false, "source_id": -1})
		again := s.Expect(t, http.StatusOK, p.Access, "PUT", "/api/themes/active/", `{"theme_id":-1}`)
		wantFields(t, again, body{"id": made.JSON(t)["id"], "name": name + " 2"})
		wantFields(t, s.Expect(t, http.StatusOK, p.Access, "GET", "/api/themes/active/", ""), body{"id": made.JSON(t)["id"]})
		// The copy is the user's own.
		path := fmt.Sprintf("/api/themes/%v/", made.JSON(t)["id"])
		s.Expect(t, http.StatusOK, p.Access, "PATCH", path, `{"name":"mine"}`)
		s.Expect(t, http.StatusNoContent, p.Access, "DELETE", path, "")
		s.Expect(t, http.StatusNotFound, p.Access, "GET", "/api/themes/active/", "")
	})
}

// PUT themes/active/ does what set_active does, for own themes only.
func TestChooseTheme(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		p, stranger := s.Person(t, identity.User), s.Person(t, identity.User)
		ids := addNamed(t, s, p, "/api/themes/", 2)
		for _, id := range ids {
			wantFields(t, s.Expect(t, http.StatusOK, p.Access, "PUT", "/api/themes/active/", `{"theme_id":`+id+`}`), body{"id": id, "is_active": true})
			wantFields(t, s.Expect(t, http.StatusOK, p.Access, "GET", "/api/themes/active/", ""), body{"id": id})
		}
		answer := s.Expect(t, http.StatusBadRequest, stranger.Access, "PUT", "/api/themes/active/", `{"theme_id":`+ids[0]+`}`)
		want := fmt.Sprintf(`{"theme_id":["Invalid pk \"%s\" - object does not exist."]}`, ids[0])
		if string(answer.Body) != want {
			t.Errorf("choice of a foreign theme = %s, want %s", answer.Body, want)
		}
		wantFields(t, s.Expect(t, http.StatusOK, p.Access, "GET", "/api/themes/active/", ""), body{"id": ids[1]})
	})
}

// An exported theme comes in again elsewhere as it was.
func TestThemeExportAndImport(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		from, to := s.Person(t, identity.User), s.Person(t, identity.User)
		made := s.Expect(t, http.StatusCreated, from.Access, "POST", "/api/themes/", colours("oklch(60% 0.1 20)"))
		file := s.Expect(t, http.StatusOK, from.Access, "GET", fmt.Sprintf("/api/themes/%v/export/", made.JSON(t)["id"]), "")
		imported := s.Expect(t, http.StatusCreated, to.Access, "POST", "/api/themes/import_theme/", string(file.Body))
		if diff := cmp.Diff(made.JSON(t)["colors"], imported.JSON(t)["colors"]); diff != "" {
			t.Errorf("colours differ after export and import (-before +after):\n%s", diff)
		}
		wantFields(t, s.Expect(t, http.StatusBadRequest, to.Access, "POST", "/api/themes/import_theme/", string(file.Body)),
			body{"name": "[theme with this name already exists.]"})
	})
}

// /api/v1/ is /api/, also in the links of pages.
func TestVersionedPath(t *testing.T) {
	t.Parallel()
	// The clock stands: some answers tell the time.
	apptest.Each(t, apptest.Options{Frozen: true}, func(t *testing.T, s *apptest.Server) {
		p := s.Person(t, identity.Admin)
		addNamed(t, s, p, "/api/v1/themes/", 5)
		s.Expect(t, http.StatusOK, p.Access, "GET", "/api/user/preferences/", "")
		s.Expect(t, http.StatusOK, p.Access, "GET", "/api/dashboard/layout/", "")
		for _, v := range s.App.API.Views() {
			path := strings.NewReplacer("{id}", "1", "{role}", "user").Replace(v.Path)
			if v.Path == "events/" || v.Path == "users/online/" { // the one does not end by itself, the other tells who just left it
				if a, b := s.Status(t, p.Access, "GET", "/api/"+path), s.Status(t, p.Access, "GET", "/api/v1/"+path); a != http.StatusOK || b != a {
					t.Errorf("GET %s = %d and %d, want 200", path, a, b)
				}
				continue
			}
			query := "?page_size=2&page=2&search=" + url.QueryEscape("row")
			a, b := s.Do(t, p.Access, "GET", "/api/"+path+query, ""), s.Do(t, p.Access, "GET", "/api/v1/"+path+query, "")
			if want := strings.ReplaceAll(string(a.Body), s.URL+"/api/", s.URL+"/api/v1/"); a.Status != b.Status || string(b.Body) != want {
				t.Errorf("GET /api/v1/%s = %d %s, want %d %s", path, b.Status, b.Body, a.Status, want)
			}
		}
		page := s.Expect(t, http.StatusOK, p.Access, "GET", "/api/v1/themes/?page_size=2&page=2&ordering=id", "")
		wantFields(t, page, body{"count": 5, "next": s.URL + "/api/v1/themes/?ordering=id&page=3&page_size=2", "previous": s.URL + "/api/v1/themes/?ordering=id&page_size=2"})
	})
}

// The first look at the layout makes a view from the role's default; later
// ones, and writes, stay with it.
func TestLayout(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		admin, p := s.Person(t, identity.Admin), s.Person(t, identity.User)
		if views := s.Expect(t, http.StatusOK, p.Access, "GET", "/api/dashboard/views/", ""); string(views.Body) != noRows {
			t.Errorf("views of a new user = %s, want none", views.Body)
		}
		s.Expect(t, http.StatusForbidden, p.Access, "PUT", "/api/dashboard/defaults/user/", `{"widgets_config":[]}`)
		s.Expect(t, http.StatusBadRequest, admin.Access, "PUT", "/api/dashboard/defaults/user/", `{"widgets_config":{}}`)
		stored := s.Expect(t, http.StatusOK, admin.Access, "PUT", "/api/dashboard/defaults/user/", `{"widgets_config":[{"note":"welcome"}]}`)
		wantFields(t, stored, body{"role": "user", "widgets_config": "[map[note:welcome]]"})
		if got := s.Expect(t, http.StatusOK, p.Access, "GET", "/api/dashboard/defaults/user/", ""); string(got.Body) != string(stored.Body) {
			t.Errorf("default of the role = %s, want %s", got.Body, stored.Body)
		}
		first := s.Expect(t, http.StatusOK, p.Access, "GET", "/api/dashboard/layout/", "")
		wantFields(t, first, body{"is_active": true, "widgets_config": "[map[note:welcome]]"})
		if again := s.Expect(t, http.StatusOK, p.Access, "GET", "/api/dashboard/layout/", ""); string(again.Body) != string(first.Body) {
			t.Errorf("second look = %s, want %s", again.Body, first.Body)
		}
		wantFields(t, s.Expect(t, http.StatusOK, p.Access, "PUT", "/api/dashboard/layout/", `{"widgets_config":[1]}`), body{"id": first.JSON(t)["id"], "widgets_config": "[1]"})
		wantFields(t, s.Expect(t, http.StatusOK, p.Access, "GET", "/api/dashboard/views/", ""), body{"count": 1})
		// The default has not moved, nor the views of others.
		wantFields(t, s.Expect(t, http.StatusOK, s.Person(t, identity.User).Access, "GET", "/api/dashboard/layout/", ""), body{"widgets_config": "[map[note:welcome]]"})
	})
}

// The root leads to places that exist.
func TestRootLinks(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	p := s.Person(t, identity.Admin)
	for _, root := range []string{"/api/", "/api/v1/"} {
		for name, link := range s.Expect(t, http.StatusOK, p.Access, "GET", root, "").JSON(t) {
			path, ours := strings.CutPrefix(fmt.Sprint(link), s.URL)
			if !ours || !strings.HasPrefix(path, root) {
				t.Errorf("link %s of %s = %v, want one below %s", name, root, link, root)
				continue
			}
			s.Expect(t, http.StatusOK, p.Access, "GET", path, "")
		}
	}
}

// The probes tell that the server works.
func TestProbes(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		for _, path := range []string{"/healthz", "/readyz"} {
			s.Expect(t, http.StatusOK, "", "GET", path, "")
		}
	})
}
