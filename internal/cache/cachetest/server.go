// Package cachetest starts Redis servers that a test may stop, start again and
// stall, so that what depends on Redis can be tested while Redis misbehaves.
package cachetest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience bounds every wait for a server, generously for busy machines.
const patience = 20 * time.Second

// Server is a redis-server of the test's own, on a socket in a temporary
// directory and without persistence. It is not running until Start. A socket,
// because a free port may be taken by another test before the server has it.
type Server struct {
	dir string
	cmd *exec.Cmd
}

// NewServer prepares a server, and stops it when the test ends. The test is
// skipped on machines where redis-server is not installed.
func NewServer(t testing.TB) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: absence and return of Redis are not tested")
	}
	s := &Server{dir: t.TempDir()}
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// Socket is the path of the server's Unix socket; the same after a restart.
func (s *Server) Socket() string { return filepath.Join(s.dir, "s") }

// URL is the server's redis URL.
func (s *Server) URL() string { return "unix://" + s.Socket() }

// Start runs the server and returns when it accepts connections. It is empty.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command("redis-server", "--port", "0", "--unixsocket", s.Socket(),
		"--dir", s.dir, "--save", "", "--appendonly", "no")
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	if !Eventually(t, func() bool {
		conn, err := net.Dial("unix", s.Socket())
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}) {
		t.Fatalf("redis-server does not accept connections on %s", s.Socket())
	}
}

// Stop kills the server, which loses everything it held. Stopping a stopped
// server does nothing.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Errorf("kill redis-server: %v", err)
	}
	_ = s.cmd.Wait() // always an error: it was killed
	s.cmd = nil
}

// Eventually asks again until done says yes, and reports whether it did so in
// time.
func Eventually(t testing.TB, done func() bool) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// URL is the Redis of TEST_REDIS_URL, or a server of the test's own where that is
// not set.
func URL(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("TEST_REDIS_URL"); url != "" {
		return url
	}
	server := NewServer(t)
	server.Start(t)
	return server.URL()
}
