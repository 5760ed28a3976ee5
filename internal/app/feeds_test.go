package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
	"github.com/bdash/bdash/internal/widget"
)

// counter is a source that answers how often it was asked.
type counter struct {
	uses widget.Uses
	n    atomic.Int64
	fail atomic.Pointer[widget.SourceError]
	gate chan struct{} // answers wait for it, if it is not nil
}

func (c *counter) Uses(string, json.RawMessage) (widget.Uses, error) { return c.uses, nil }

func (c *counter) Fetch(ctx context.Context, _ widget.Ask) (widget.Frame, error) {
	n := c.n.Add(1)
	if c.gate != nil {
		select {
		case <-c.gate:
		case <-ctx.Done():
			return widget.Frame{}, ctx.Err()
		}
	}
	if err := c.fail.Load(); err != nil {
		return widget.Frame{}, err
	}
	return widget.Frame{Columns: []widget.Column{{Name: "n", Kind: widget.Integer, Values: []any{n}}}}, nil
}

// shows reads the figure of a widget's answer.
func shows(t testing.TB, a apptest.Answer) float64 {
	t.Helper()
	var body struct{ Data struct{ Value float64 } }
	if err := json.Unmarshal(a.Body, &body); err != nil || a.Status != http.StatusOK {
		t.Fatalf("answer = %d %s", a.Status, a.Body)
	}
	return body.Data.Value
}

const liveWidget = `{"name":"Live","widget_type":"stats","is_public":true,"source":"static","query":{},"cache_ttl":600,"key":"live"}`

func newLive(t testing.TB, s *apptest.Server, owner apptest.Person, body string) (id int64, path string) {
	t.Helper()
	var made struct{ ID int64 }
	if err := json.Unmarshal(s.Expect(t, http.StatusCreated, owner.Access, http.MethodPost, "/api/widgets/", body).Body, &made); err != nil {
		t.Fatal(err)
	}
	return made.ID, fmt.Sprintf("/api/widgets/%d/", made.ID)
}

// A thousand clients of two instances ask for one cold widget: one question.
func TestColdWidgetIsOneQuestion(t *testing.T) {
	t.Parallel()
	eachFed(t, func(t *testing.T, source *counter, a, b *apptest.Server) {
		source.gate = make(chan struct{})
		editor := a.Person(t, identity.Editor)
		users := [10]apptest.Person{}
		for i := range users {
			users[i] = a.Person(t, identity.User)
		}
		_, path := newLive(t, a, editor, liveWidget)
		go func() {
			deadline := time.Now().Add(30 * time.Second)
			for source.n.Load() == 0 && time.Now().Before(deadline) {
				<-time.After(time.Millisecond)
			}
			close(source.gate)
		}()
		answers := together(1000, func(i int) apptest.Answer {
			return [2]*apptest.Server{a, b}[i%2].Do(t, users[i/2%10].Access, http.MethodGet, path+"data/", "")
		})
		wantAll(t, answers, http.StatusOK)
		for _, answer := range answers {
			if shows(t, answer) != 1 {
				t.Fatalf("answer = %s", answer.Body)
			}
		}
		if n := source.n.Load(); n != 1 {
			t.Errorf("the source was asked %d times, want 1", n)
		}
	})
}

// eachFed is eachCluster with a source of each test's own.
func eachFed(t *testing.T, test func(t *testing.T, source *counter, a, b *apptest.Server)) {
	t.Helper()
	sqltest.EachURL(t, func(t *testing.T, url string) {
		source := &counter{}
		s := apptest.Start(t, apptest.Options{Database: url, Frozen: true, Sources: source})
		if s.App.Config.Database.Engine == config.SQLite {
			test(t, source, s, s)
			return
		}
		test(t, source, s, s.Beside(t))
	})
}

// What is kept of a widget follows every write at once, on every instance.
func TestKeptWidgetDataFollowsWrites(t *testing.T) {
	t.Parallel()
	eachFed(t, func(t *testing.T, source *counter, a, b *apptest.Server) {
		editor, user := a.Person(t, identity.Editor), a.Person(t, identity.User)
		id, path := newLive(t, a, editor, liveWidget)
		see := func(s *apptest.Server) apptest.Answer { return s.Do(t, user.Access, http.MethodGet, path+"data/", "") }
		for range 3 {
			for _, s := range []*apptest.Server{a, b} {
				if shows(t, see(s)) != 1 {
					t.Fatal("not the first data")
				}
			}
		}
		// Pushed data, a refresh, a change of the definition, and of who sees it.
		a.Expect(t, 200, editor.Access, http.MethodPut, path+"data/", fmt.Sprintf(`{"data":{"value":77},"user":%d}`, user.ID))
		for _, s := range []*apptest.Server{a, b} {
			if got := shows(t, see(s)); got != 77 {
				t.Errorf("after a push: %v", got)
			}
		}
		if got := shows(t, b.Do(t, editor.Access, http.MethodGet, path+"data/", "")); got != 1 {
			t.Errorf("the editor sees %v", got)
		}
		a.Expect(t, 200, editor.Access, http.MethodPatch, path, `{"is_public":false}`)
		for _, s := range []*apptest.Server{a, b} {
			if got := see(s); got.Status != http.StatusNotFound {
				t.Errorf("a private widget answers %d %s", got.Status, got.Body)
			}
		}
		b.Expect(t, 200, editor.Access, http.MethodPatch, path, `{"is_public":true}`)
		view := a.Expect(t, 201, user.Access, http.MethodPost, "/api/dashboard/views/", fmt.Sprintf(`{"name":"v","widgets_config":[{"instance_id":"i1","widget_id":%d,"position":{"x":0,"y":0,"width":3,"height":2},"visible":true,"config":{}}]}`, id))
		data := fmt.Sprintf("/api/dashboard/views/%v/data/", view.JSON(t)["id"])
		want := fmt.Sprintf(`"widgets":[{"instance_id":"i1","widget_id":%d,"widget_key":null,"data":{"value":77}`, id)
		for _, s := range []*apptest.Server{a, b, a} {
			got := s.Expect(t, 200, user.Access, http.MethodGet, data, "")
			if !contains(got.Body, want) {
				t.Errorf("the view shows %s, want %s", got.Body, want)
			}
		}
		a.Expect(t, 200, user.Access, http.MethodPatch, fmt.Sprintf("/api/dashboard/views/%v/", view.JSON(t)["id"]), `{"widgets_config":[]}`)
		if got := b.Expect(t, 200, user.Access, http.MethodGet, data, ""); !contains(got.Body, `"widgets":[]`) {
			t.Errorf("an empty view shows %s", got.Body)
		}
		a.Expect(t, 204, user.Access, http.MethodDelete, fmt.Sprintf("/api/dashboard/views/%v/", view.JSON(t)["id"]), "")
		b.Expect(t, 404, user.Access, http.MethodGet, data, "")
		a.Expect(t, 204, editor.Access, http.MethodDelete, path, "")
		b.Expect(t, 404, user.Access, http.MethodGet, path+"data/", "")
		if n := source.n.Load(); n != 1 {
			t.Errorf("the source was asked %d times, want 1", n)
		}
	})
}

// A refresh really fetches, in a task of the user's own.
func TestRefreshFetches(t *testing.T) {
	t.Parallel()
	eachFed(t, func(t *testing.T, source *counter, a, b *apptest.Server) {
		editor, user := a.Person(t, identity.Editor), a.Person(t, identity.User)
		_, path := newLive(t, a, editor, liveWidget)
		b.Expect(t, 200, user.Access, http.MethodGet, path+"data/", "")
		refresh := func(state string) map[string]any {
			t.Helper()
			a.Clock.Advance(time.Minute)
			answer := b.Expect(t, 200, user.Access, http.MethodPost, path+"refresh/", "").JSON(t)
			if answer["message"] != "Widget data refresh triggered" {
				t.Errorf("answer = %v", answer)
			}
			var task map[string]any
			apptest.Eventually(t, "the task", func() bool {
				task = a.Expect(t, 200, user.Access, http.MethodGet, fmt.Sprintf("/api/tasks/%v/", answer["task_id"]), "").JSON(t)
				return task["state"] == state
			})
			b.Expect(t, 404, editor.Access, http.MethodGet, fmt.Sprintf("/api/tasks/%v/", answer["task_id"]), "")
			return task
		}
		refresh("succeeded")
		if got := shows(t, b.Do(t, user.Access, http.MethodGet, path+"data/", "")); got != 2 {
			t.Errorf("after a refresh: %v", got)
		}
		source.fail.Store(&widget.SourceError{Code: widget.CodeTimeout, Message: "The source did not answer in time.", Detail: "db: i/o timeout"})
		if task := refresh("failed"); task["error"] != "The source did not answer in time." {
			t.Errorf("the task says %v", task["error"])
		}
		meta := b.Expect(t, 200, user.Access, http.MethodGet, path+"data/", "").JSON(t)["meta"].(map[string]any)
		if meta["error"] != "The source did not answer in time." || meta["error_detail"] != nil || meta["next_try"] == nil {
			t.Errorf("meta = %v", meta)
		}
		notes := a.Expect(t, 200, editor.Access, http.MethodGet, "/api/notifications/", "").JSON(t)
		if notes["count"] != 1.0 || !contains([]byte(fmt.Sprint(notes["results"])), "db: i/o timeout") {
			t.Errorf("the owner was told %v", notes)
		}
		source.fail.Store(nil)
		refresh("succeeded")
	})
}

// Widgets with a schedule are fetched while somebody looked in the last day.
func TestScheduledRefresh(t *testing.T) {
	t.Parallel()
	eachFed(t, func(t *testing.T, source *counter, a, b *apptest.Server) {
		editor := a.Person(t, identity.Editor)
		_, path := newLive(t, a, editor, `{"name":"Live","widget_type":"stats","source":"static","query":{},"refresh_every":60}`)
		_, quiet := newLive(t, a, editor, `{"name":"Quiet","widget_type":"stats","source":"static","query":{}}`)
		for _, p := range []string{path, quiet} {
			a.Expect(t, 200, editor.Access, http.MethodGet, p+"data/", "")
		}
		due := func(want int64) {
			t.Helper()
			answers := make(chan error, 2)
			for _, s := range []*apptest.Server{a, b} {
				go func() { answers <- s.App.API.Widgets.RefreshDue(t.Context()) }()
			}
			for range 2 {
				if err := <-answers; err != nil {
					t.Fatal(err)
				}
			}
			if n := source.n.Load(); n != want {
				t.Fatalf("the source was asked %d times, want %d", n, want)
			}
		}
		due(2)
		a.Clock.Advance(59 * time.Second)
		due(2)
		a.Clock.Advance(time.Second)
		due(3) // both instances at once
		a.Clock.Advance(23 * time.Hour)
		due(4)
		a.Clock.Advance(2 * time.Hour)
		due(4) // nobody looked for more than a day
	})
}

// A view: every item with its data or its own error, hidden ones left out.
func TestViewData(t *testing.T) {
	t.Parallel()
	eachFed(t, func(t *testing.T, source *counter, a, b *apptest.Server) {
		source.uses = widget.Uses{Settings: []string{"limit"}, Period: true}
		editor, user := a.Person(t, identity.Editor), a.Person(t, identity.User)
		id, _ := newLive(t, a, editor, liveWidget)
		broken, _ := newLive(t, a, editor, `{"name":"Broken","widget_type":"calendar","is_public":true,"source":"static","query":{}}`)
		empty, _ := newLive(t, a, editor, `{"name":"Empty","widget_type":"stats","is_public":true}`)
		gone, gonePath := newLive(t, a, editor, `{"name":"Gone","widget_type":"stats","is_public":true}`)
		item := func(n int, more string) string {
			return fmt.Sprintf(`{"instance_id":"i%d","position":{"x":0,"y":%d,"width":3,"height":1},%s}`, n, n, more)
		}
		layout := `[` + item(1, fmt.Sprintf(`"widget_id":%d`, id)) + `,` + item(2, `"widget_key":"live","config":{"limit":3}`) + `,{"anything":1},` +
			item(3, fmt.Sprintf(`"widget_id":%d,"visible":false`, id)) + `,` + item(4, fmt.Sprintf(`"widget_id":%d`, broken)) + `,` +
			item(5, fmt.Sprintf(`"widget_id":%d`, empty)) + `,` + item(6, fmt.Sprintf(`"widget_id":%d`, gone)) + `]`
		view := a.Expect(t, 201, user.Access, http.MethodPost, "/api/dashboard/views/", `{"name":"v","widgets_config":`+layout+`}`).JSON(t)
		a.Expect(t, 204, editor.Access, http.MethodDelete, gonePath, "")
		path := fmt.Sprintf("/api/dashboard/views/%v/data/", view["id"])
		var got struct {
			Widgets []struct {
				InstanceID string `json:"instance_id"`
				WidgetID   int64  `json:"widget_id"`
				Data       struct{ Value *float64 }
				Message    string
				Meta       *struct {
					Error, Period string
				}
				Error *struct{ Code, Detail string }
			}
		}
		if err := json.Unmarshal(b.Expect(t, 200, user.Access, http.MethodGet, path+"?period=7d", "").Body, &got); err != nil {
			t.Fatal(err)
		}
		w := got.Widgets
		if len(w) != 5 || w[0].WidgetID != id || w[1].WidgetID != id || w[1].InstanceID != "i2" || w[0].Data.Value == nil || w[0].Meta.Period != "7d" {
			t.Fatalf("view = %+v", got)
		}
		if *w[0].Data.Value == *w[1].Data.Value {
			t.Error("an item's own settings make no difference")
		}
		if w[2].Meta.Error != "A column of times (start) is missing." || w[3].Message != "No data available" || w[3].Meta != nil {
			t.Errorf("view = %+v", got)
		}
		if w[4].Error == nil || w[4].Error.Code != "widget.not_found" || w[4].WidgetID != gone {
			t.Errorf("view = %+v", got)
		}
		b.Expect(t, 400, user.Access, http.MethodGet, path+"?period=2d", "")
		// A link shows the same, item by item, and asks no source.
		b.Expect(t, 200, user.Access, http.MethodGet, path, "")
		asked := source.n.Load()
		link := a.Expect(t, 201, user.Access, http.MethodPost, fmt.Sprintf("/api/dashboard/views/%v/share/", view["id"]), `{}`).JSON(t)
		var shared struct {
			Widgets []struct {
				InstanceID string `json:"instance_id"`
				Data       struct{ Value *float64 }
			}
			Omitted int
		}
		if err := json.Unmarshal(b.Expect(t, 200, "", http.MethodGet, fmt.Sprintf("/api/share/%v/", link["token"]), "").Body, &shared); err != nil {
			t.Fatal(err)
		}
		values := map[string]float64{}
		for _, one := range shared.Widgets {
			if one.Data.Value != nil {
				values[one.InstanceID] = *one.Data.Value
			}
		}
		if len(values) != 3 || values["i1"] == values["i2"] || values["i1"] != values["i3"] || shared.Omitted != 1 || source.n.Load() != asked {
			t.Errorf("the link shows %v and leaves out %d after %d questions", values, shared.Omitted, source.n.Load()-asked)
		}
		b.Expect(t, 404, editor.Access, http.MethodGet, path, "")
	})
}

func contains(body []byte, part string) bool { return bytes.Contains(body, []byte(part)) }
