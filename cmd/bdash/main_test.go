//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// With this in its environment the test binary is bdash itself.
const asBdash = "BDASH_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asBdash) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// The first signal waits for running requests; the second one does not.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	addr := freeAddress(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "serve")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{asBdash + "=1", "ADDR=" + addr, "METRICS_ADDR=", "SHUTDOWN_TIMEOUT=10m"}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	lines := bufio.NewScanner(out)
	match := func(want string) {
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the output ended without %q", want)
	}
	match("is running")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// "Expect" shows that the request has begun: the answer 100 comes when its body is read.
	fmt.Fprint(conn, "POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
	if status, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(status, "100") {
		t.Fatalf("the server answered %q, %v; want 100 Continue", status, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	match("stopping")
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// A signal that comes in the same moment as the first one is part of it.
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
				t.Errorf("the server ended with %v, want by SIGTERM", err)
			}
			return
		}
	}
}

// freeAddress is one where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
