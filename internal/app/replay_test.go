package app_test

import (
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/oracle"
)

// The recorded exchanges of the Django original, on every engine.
func TestReplay(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{Seed: true}, func(t *testing.T, s *apptest.Server) {
		oracle.Run(t, s.URL, oracle.Options{WithAI: true})
	})
}

func TestReplayThrottles(t *testing.T) {
	t.Parallel()
	env := []string{"THROTTLE_ANON=100/hour", "THROTTLE_USER=1000/hour"}
	apptest.Each(t, apptest.Options{Seed: true, Env: env}, func(t *testing.T, s *apptest.Server) {
		oracle.Run(t, s.URL, oracle.Options{Throttles: true})
	})
}
