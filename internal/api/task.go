package api

import (
	"net/http"
	"time"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/job"
)

var taskStates = []drf.Choice{{Value: string(job.Queued), Label: "Queued"}, {Value: string(job.Running), Label: "Running"},
	{Value: string(job.Succeeded), Label: "Succeeded"}, {Value: string(job.Failed), Label: "Failed"}, {Value: string(job.Cancelled), Label: "Cancelled"}}

var taskFields = declareTask()

func declareTask() *drf.Serializer[job.Task, struct{}] {
	s := drf.NewSerializer[job.Task, struct{}]("Task")
	s.Int("id", drf.Opt{}, 0, 0, func(t *job.Task) int64 { return t.ID }, nil)
	s.Char("kind", drf.Opt{}, func(t *job.Task) string { return t.Kind }, nil)
	s.Choice("state", drf.Opt{}, taskStates, func(t *job.Task) string { return string(t.State) }, nil)
	s.Int("attempt", drf.Opt{Help: "1 on the first try, 0 before it."}, 0, 0, func(t *job.Task) int64 { return int64(t.Attempt) }, nil)
	s.Int("max_attempts", drf.Opt{}, 0, 0, func(t *job.Task) int64 { return int64(t.MaxAttempts) }, nil)
	s.Char("error", drf.Opt{Help: "Why the last attempt failed; empty when nothing did."}, func(t *job.Task) string { return t.Error }, nil)
	s.Time("created_at", drf.Opt{}, func(t *job.Task) time.Time { return t.CreatedAt })
	s.Time("scheduled_at", drf.Opt{Help: "The earliest time of the next try."}, func(t *job.Task) time.Time { return t.ScheduledAt })
	s.TimeOrNull("finished_at", drf.Opt{}, finishedAt, nil)
	return s
}

func finishedAt(t *job.Task) *time.Time {
	if t.FinishedAt.IsZero() {
		return nil
	}
	return &t.FinishedAt
}

// retrieveTask shows tasks to their owner; the server's own have none.
func (s *Server) retrieveTask(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	t, err := s.Tasks.Task(r.Context(), id)
	if err != nil {
		return err
	}
	if t.OwnerID == 0 || t.OwnerID != actor(r).UserID {
		return job.ErrNotFound
	}
	return taskFields.Respond(w, r, http.StatusOK, &t)
}
