package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/notify"
)

var eventDoors = []string{"sse", "ws"}

// listening gives the instances that hear what happens on a: with Redis the
// second one does, too.
func listening(t *testing.T, a *apptest.Server) []*apptest.Server {
	t.Helper()
	if a.App.Config.RedisURL.Reveal() == "" {
		return []*apptest.Server{a}
	}
	return []*apptest.Server{a, a.Beside(t)}
}

// sendWith is Do with further headers.
func sendWith(t *testing.T, s *apptest.Server, token, method, path, body string, header ...string) apptest.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return apptest.Send(t, req)
}

func TestEventsOfRooms(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, a *apptest.Server) {
		p, other := a.Person(t, identity.User), a.Person(t, identity.User)
		for _, s := range listening(t, a) {
			for _, door := range eventDoors {
				l, foreign := s.Listen(t, door, p.Access, ""), s.Listen(t, door, other.Access, "")
				if e := l.Next("ready"); e.Data["user_id"] != float64(p.ID) {
					t.Errorf("ready %+v, want user %d", e, p.ID)
				}
				foreign.Next("ready")

				made := sendWith(t, a, p.Access, "POST", "/api/themes/", `{"name":"`+s.URL+door+`","color_mode":"dark"}`, "X-Client-ID", "tab 7")
				e := l.Next("theme:updated")
				if e.Data["theme_id"] != made.JSON(t)["id"] || e.Data["change"] != "created" || e.Origin == nil || *e.Origin != "tab 7" {
					t.Errorf("%s: event %+v of theme %s", door, e, made.Body)
				}
				id := fmt.Sprint(e.Data["theme_id"])
				a.Expect(t, 200, p.Access, "PATCH", "/api/themes/"+id+"/", `{"description":"x"}`)
				if e := l.Next("theme:updated"); e.Data["change"] != "updated" || e.Origin != nil {
					t.Errorf("%s: event %+v, want an update without origin", door, e)
				}
				a.Expect(t, 200, p.Access, "POST", "/api/themes/"+id+"/set_active/", "")
				a.Expect(t, 204, p.Access, "DELETE", "/api/themes/"+id+"/", "")
				for _, change := range []string{"activated", "deleted"} {
					if e := l.Next("theme:updated"); e.Data["change"] != change {
						t.Errorf("%s: event %+v, want %s", door, e, change)
					}
				}

				n, err := a.App.API.Notify.Add(t.Context(), p.ID, notify.Message{Kind: "test", Title: "x"})
				if err != nil {
					t.Fatal(err)
				}
				if e := l.Next("notification:new"); e.Data["notification_id"] != float64(n.ID) || e.Data["kind"] != "test" || len(e.Data) != 2 {
					t.Errorf("%s: event %+v of notification %d", door, e, n.ID)
				}
				l.Close()
				foreign.Close()
				select {
				case e := <-foreign.Events:
					t.Errorf("%s: another user heard %+v", door, e)
				default:
				}
			}
		}
	})
}

// What is revoked closes the streams of that session, key or user, on every
// instance, and they are told before.
func TestRevocationEndsStreams(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, a *apptest.Server) {
		admin := a.Person(t, identity.Admin).Access
		instances := listening(t, a)
		for _, r := range revocations {
			t.Run(strings.ReplaceAll(r.name, " ", "_"), func(t *testing.T) {
				p := a.Person(t, identity.User)
				_, other := a.SignIn(t, p.User)
				_, key := a.AddKey(t, p.User, "read")
				var ending, staying []*apptest.Listener
				for _, s := range instances {
					for _, door := range eventDoors {
						ending = append(ending, s.Listen(t, door, p.Access, ""))
						l, byKey := s.Listen(t, door, other.Access, ""), s.Listen(t, door, key, "")
						if r.others {
							ending = append(ending, l)
						} else {
							staying = append(staying, l)
						}
						if r.keys {
							ending = append(ending, byKey)
						} else {
							staying = append(staying, byKey)
						}
					}
				}
				for _, l := range append(ending, staying...) {
					l.Next("ready")
				}
				began := time.Now()
				r.end(t, a, p, admin)
				for _, l := range ending {
					l.Next("session:ended")
					l.End()
				}
				t.Logf("all ended after %s", time.Since(began))
				if len(staying) == 0 {
					return
				}
				if _, err := a.App.API.Notify.Add(t.Context(), p.ID, notify.Message{Kind: "test", Title: "x"}); err != nil {
					t.Fatal(err)
				}
				for _, l := range staying {
					l.Next("notification:new")
				}
			})
		}
	})
}

// A key that is deleted, a change of role.
func TestStreamsFollowRights(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, a *apptest.Server) {
		admin, p := a.Person(t, identity.Admin).Access, a.Person(t, identity.User)
		for _, s := range listening(t, a) {
			id, key := a.AddKey(t, p.User, "read")
			byKey := s.Listen(t, "ws", key, "")
			byKey.Next("ready")
			a.Expect(t, 204, p.Access, "DELETE", fmt.Sprintf("/api/auth/api-keys/%d/", id), "")
			byKey.Next("session:ended")
			byKey.End()

			l := s.Listen(t, "ws", p.Access, "")
			l.Next("ready")
			patchUser(`{"role":"admin"}`)(t, a, p, admin)
			l.End()
			if l.Code != websocket.CloseServiceRestart {
				t.Errorf("after a change of role closed with %d, want %d", l.Code, websocket.CloseServiceRestart)
			}
			l = s.Listen(t, "ws", p.Access, "")
			l.Next("ready")
			// Somebody who was not there before: a short absence is not told.
			other := a.Person(t, identity.User)
			s.Listen(t, "ws", other.Access, "").Next("ready")
			for { // the own coming may be told first
				if e := l.Next("user:online"); e.Data["user_id"] == float64(other.ID) {
					break
				}
			}
			answer := s.Expect(t, 200, p.Access, "GET", "/api/users/online/", "")
			if !strings.Contains(string(answer.Body), fmt.Sprint(other.ID)) {
				t.Errorf("users/online/ = %s, want %d in it", answer.Body, other.ID)
			}
			patchUser(`{"role":"user"}`)(t, a, p, admin)
			l.End()
		}
		_, unread := a.AddKey(t, p.User, "write")
		if got := a.Status(t, unread, "GET", "/api/events/"); got != http.StatusForbidden {
			t.Errorf("a key without the scope read = %d, want 403", got)
		}
	})
}

func ticket(t *testing.T, s *apptest.Server, token string) string {
	t.Helper()
	text, _ := s.Expect(t, 201, token, "POST", "/api/auth/ticket/", "").JSON(t)["ticket"].(string)
	return text
}

func TestTickets(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		p := s.Person(t, identity.User)
		for _, door := range eventDoors {
			query := "?ticket=" + ticket(t, s, p.Access)
			s.Listen(t, door, "", query).Next("ready")
			if got := s.Status(t, "", "GET", "/api/events/"+query); got != http.StatusUnauthorized {
				t.Errorf("%s: a ticket used twice = %d, want 401", door, got)
			}
			if got := handshake(t, s, "/ws/"+query, nil); got != http.StatusUnauthorized {
				t.Errorf("%s: a ticket used twice at the socket = %d, want 401", door, got)
			}
		}
		for _, query := range []string{"?ticket=", "?ticket=x", "?token=" + p.Access, "?access_token=" + p.Access} {
			if got := s.Status(t, "", "GET", "/api/events/"+query); got != http.StatusUnauthorized {
				t.Errorf("events/%s = %d, want 401", query[:8], got)
			}
		}
		// A ticket is good at the doors only, and ends with its session.
		text := ticket(t, s, p.Access)
		if got := s.Status(t, "", "GET", "/api/auth/me/?ticket="+text); got != http.StatusUnauthorized {
			t.Errorf("auth/me/ by ticket = %d, want 401", got)
		}
		s.Expect(t, 200, p.Access, "POST", "/api/auth/logout/", "")
		if got := s.Status(t, "", "GET", "/api/events/?ticket="+text); got != http.StatusUnauthorized {
			t.Errorf("a ticket of an ended session = %d, want 401", got)
		}
	})
}

// handshake is the status of an attempt to open a socket.
func handshake(t *testing.T, s *apptest.Server, path string, header http.Header) int {
	t.Helper()
	conn, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(s.URL, "http")+path, header)
	if res == nil {
		t.Fatal(err)
	}
	if conn != nil {
		_ = conn.Close()
	}
	return res.StatusCode
}

func TestDoorsRefuse(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Env: []string{"CORS_ALLOWED_ORIGINS=https://app.example.com", "FRONTEND_URL=https://app.example.com"}})
	p := s.Person(t, identity.User)
	for _, path := range []string{"/ws/", "/connection/websocket"} {
		for origin, want := range map[string]int{
			"https://app.example.com": 101, s.URL: 101, "": 101,
			"https://evil.example.com": 403, "null": 403, "http://app.example.com": 403, "https://app.example.com.evil.com": 403,
		} {
			header := http.Header{"Authorization": {"Bearer " + p.Access}}
			if origin != "" {
				header.Set("Origin", origin)
			}
			if got := handshake(t, s, path, header); got != want {
				t.Errorf("%s from %q = %d, want %d", path, origin, got, want)
			}
		}
		if got := handshake(t, s, path, http.Header{"Authorization": {"Bearer x"}}); got != http.StatusUnauthorized {
			t.Errorf("%s with a bad token = %d, want 401", path, got)
		}
		plain := s.Do(t, p.Access, "GET", path, "")
		if plain.Status != http.StatusUpgradeRequired || plain.Header.Get("Content-Type") != "application/json" {
			t.Errorf("GET %s = %d %s, want 426 in JSON", path, plain.Status, plain.Body)
		}
		if got := s.Do(t, p.Access, "POST", path, "{}"); got.Status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s = %d, want 405", path, got.Status)
		}
	}
	if got := s.Do(t, "", "GET", "/api/events/", ""); got.Status != 401 || !json.Valid(got.Body) {
		t.Errorf("events/ for nobody = %d %s, want 401 in JSON", got.Status, got.Body)
	}
	if got := s.Do(t, p.Access, "HEAD", "/api/v1/events/", ""); got.Status != 200 || got.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD events/ = %d %s", got.Status, got.Header)
	}
}

// The first message signs in, with a token or a key.
func TestFirstMessageSignsIn(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	p := s.Person(t, identity.User)
	_, key := s.AddKey(t, p.User, "read")
	_, unread := s.AddKey(t, p.User, "write")
	for token, want := range map[string]string{p.Access: "ready", key: "ready", unread: "", p.Refresh: "", "x": ""} {
		conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(s.URL, "http")+"/ws/", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.WriteJSON(map[string]string{"type": "auth", "token": token}); err != nil {
			t.Fatal(err)
		}
		var e apptest.Event
		err = conn.ReadJSON(&e)
		if e.Type != want || want == "" && !websocket.IsCloseError(err, 4401) {
			t.Errorf("signing in with %.12s: %+v, %v, want %q", token, e, err, want)
		}
	}
}

// centrifuge's own protocol: signed in by the first command, served from the
// same streams.
func TestNativeDoor(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		p := s.Person(t, identity.User)
		conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(s.URL, "http")+"/connection/websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(apptest.Patience))
		exchange := func(command string) string {
			t.Helper()
			if command != "" {
				if err := conn.WriteMessage(websocket.TextMessage, []byte(command)); err != nil {
					t.Fatal(err)
				}
			}
			_, reply, err := conn.ReadMessage()
			if err != nil {
				return err.Error()
			}
			return string(reply)
		}
		if reply := exchange(`{"id":1,"connect":{"token":"` + p.Access + `"}}`); !strings.Contains(reply, fmt.Sprintf(`"user:%d"`, p.ID)) || strings.Contains(reply, `"admins"`) {
			t.Fatalf("connect = %s", reply)
		}
		// Nothing else than listening to the own channels is allowed.
		for i, command := range []string{`"subscribe":{"channel":"admins"}`, `"publish":{"channel":"all","data":{}}`, `"presence":{"channel":"all"}`, `"history":{"channel":"all"}`, `"rpc":{"method":"x"}`} {
			if reply := exchange(fmt.Sprintf(`{"id":%d,%s}`, i+2, command)); !strings.Contains(reply, `"error"`) {
				t.Errorf("%s = %s, want an error", command, reply)
			}
		}
		s.Expect(t, 201, p.Access, "POST", "/api/themes/", `{"name":"n","color_mode":"dark"}`)
		if reply := exchange(""); !strings.Contains(reply, `"type":"theme:updated"`) || !strings.Contains(reply, `"offset":1`) {
			t.Errorf("event = %s", reply)
		}
		s.Expect(t, 200, p.Access, "POST", "/api/auth/logout/", "")
		if reply := exchange(""); !strings.Contains(reply, `session:ended`) {
			t.Errorf("after logout = %s", reply)
		}
		if reply := exchange(""); !strings.Contains(reply, "4501") {
			t.Errorf("after logout = %s, want the end", reply)
		}
	})
}

// Open streams do not hold up the end of the server, and are told to come back.
func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{Env: []string{"SHUTDOWN_TIMEOUT=20s"}}, func(t *testing.T, s *apptest.Server) {
		p := s.Person(t, identity.User)
		ws, sse := s.Listen(t, "ws", p.Access, ""), s.Listen(t, "sse", p.Access, "")
		ws.Next("ready")
		sse.Next("ready")
		began := time.Now()
		s.Stop()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("stopping took %s", took)
		}
		ws.End()
		sse.End()
		if ws.Code != websocket.CloseServiceRestart {
			t.Errorf("socket closed with %d, want %d", ws.Code, websocket.CloseServiceRestart)
		}
	})
}

// Views tell their owner, widgets everybody who sees them.
func TestEventsOfDashboards(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, a *apptest.Server) {
		editor, other := a.Person(t, identity.Editor), a.Person(t, identity.User)
		for _, s := range listening(t, a) {
			own, foreign := s.Listen(t, "ws", editor.Access, ""), s.Listen(t, "sse", other.Access, "")
			own.Next("ready")
			foreign.Next("ready")
			view := sendWith(t, a, editor.Access, "POST", "/api/dashboard/views/", `{"name":"`+s.URL+`"}`, "X-Client-ID", "tab").JSON(t)
			if e := own.Next("dashboard:updated"); e.Data["view_id"] != view["id"] || e.Origin == nil || *e.Origin != "tab" {
				t.Errorf("event %+v of view %v", e, view["id"])
			}
			for _, public := range []bool{false, true} {
				made := a.Expect(t, 201, editor.Access, "POST", "/api/widgets/", fmt.Sprintf(`{"name":"w","widget_type":"custom","is_public":%t}`, public)).JSON(t)
				a.Expect(t, 200, editor.Access, "PUT", fmt.Sprintf("/api/widgets/%v/data/", made["id"]), `{"data":{"secret":1}}`)
				hearing := []*apptest.Listener{own}
				if public {
					hearing = append(hearing, foreign)
				}
				for _, l := range hearing {
					if e := l.Next("widget:data"); e.Data["widget_id"] != made["id"] || len(e.Data) != 1 {
						t.Errorf("event %+v of widget %v", e, made["id"])
					}
				}
			}
		}
	})
}
