package api_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/job"
	"github.com/bdash/bdash/internal/mail"
)

// wholeSecond is a time without a fraction.
var wholeSecond = time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)

func TestTasks(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		bob, admin := s.Person(t, identity.User), s.Person(t, identity.Admin)
		// In a queue that nobody works, the jobs stay as they are.
		queue := func(owner int64) int64 {
			t.Helper()
			id, err := s.App.Jobs.Insert(t.Context(), job.Insert{Args: mail.SendArgs{}, Opts: job.InsertOpts{
				Queue: "nobody", MaxAttempts: 3, ScheduledAt: wholeSecond, OwnerID: owner,
			}})
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		id, servers := queue(bob.ID), queue(0)
		path := func(id int64) string { return fmt.Sprintf("/api/tasks/%d/", id) }
		task, err := s.App.Jobs.Task(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		got := s.Do(t, bob.Access, http.MethodGet, path(id), "")
		want := fmt.Sprintf(`{"id":%d,"kind":"mail.send","state":"queued","attempt":0,"max_attempts":3,"error":"",`+
			`"created_at":"%s","scheduled_at":"2024-01-02T03:04:05Z","finished_at":null}`, id, got.JSON(t)["created_at"])
		if got.Status != http.StatusOK || string(got.Body) != want {
			t.Errorf("GET %s = %d %s, want %s", path(id), got.Status, got.Body, want)
		}
		if at, err := time.Parse(time.RFC3339Nano, got.JSON(t)["created_at"].(string)); err != nil || task.CreatedAt.Sub(at).Abs() > time.Microsecond {
			t.Errorf("created_at = %v, %v; want %v", at, err, task.CreatedAt)
		}
		play(t, s, []call{
			{admin.Access, http.MethodGet, path(id), "", 404, notFoundBody},
			{bob.Access, http.MethodGet, path(servers), "", 404, notFoundBody},
			{bob.Access, http.MethodGet, path(987654), "", 404, notFoundBody},
			{bob.Access, http.MethodGet, path(-1), "", 404, notFoundBody},
			{bob.Access, http.MethodGet, "/api/tasks/x/", "", 404, notFoundBody},
			{bob.Access, http.MethodDelete, path(id), "", 405, ""},
			{"", http.MethodGet, path(id), "", 401, ""},
		})
		if err := s.App.Jobs.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		after := s.Do(t, bob.Access, http.MethodGet, path(id), "").JSON(t)
		if after["state"] != "cancelled" || after["finished_at"] == nil || after["error"] != "" {
			t.Errorf("after the cancellation: %v", after)
		}
	})
}
