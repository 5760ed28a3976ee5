//go:build bench && linux

package bench_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// process is a server under measurement.
type process struct {
	name    string
	address string
	cmd     *exec.Cmd
	client  *client
}

const startLimit = 20 * time.Second

// launch starts a server whose log goes into a file in dir. The environment is
// env and nothing else.
func launch(t testing.TB, name, dir string, env []string, path string, args ...string) *process {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p := &process{name: name, address: freeAddress(t)}
	p.cmd = exec.Command(path, args...)
	p.cmd.Dir = dir
	p.cmd.Env = append([]string{"ADDR=" + p.address, "HOME=" + dir}, env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(t) })
	return p
}

// freeAddress is a loopback address that nobody listens on just now.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await returns when the request is answered for the first time.
func (p *process) await(t testing.TB, request []byte) {
	t.Helper()
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for deadline := time.Now().Add(startLimit); ; <-tick.C {
		_, err := ask(p.address, request)
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v; its log is %s", p.name, err, p.log())
		}
	}
}

func (p *process) log() string {
	data, _ := os.ReadFile(filepath.Join(p.cmd.Dir, p.name+".log"))
	return string(data[:min(len(data), 4000)])
}

// connect opens the connections over which the process is driven.
func (p *process) connect(t testing.TB) {
	t.Helper()
	c, err := dial(p.address, connections)
	if err != nil {
		t.Fatal(err)
	}
	p.client = c
}

// stop ends the process in good order; calling it again does nothing.
func (p *process) stop(t testing.TB) {
	t.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	if p.client != nil {
		p.client.close()
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%s ended with %v; its log is %s", p.name, err, p.log())
	}
}

// cpu is the processor time that the process has used, of all its threads, by
// the kernel's own clock: /proc counts in hundredths of a second.
func (p *process) cpu(t testing.TB) time.Duration {
	t.Helper()
	// The clock of another process: clock_getcpuclockid(3), MAKE_PROCESS_CPUCLOCK.
	const scheduled = 2
	id := int32(^p.cmd.Process.Pid)<<3 | scheduled
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(id), uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		t.Fatalf("processor time of %s: %v", p.name, errno)
	}
	return time.Duration(ts.Nano())
}

var residentLine = regexp.MustCompile(`(?m)^(VmRSS|RssAnon):\s+(\d+) kB$`)

// memory is what the process holds, in KiB: all of it, and without the pages
// of the binary and other files.
func (p *process) memory(t testing.TB) (resident, anonymous int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range residentLine.FindAllStringSubmatch(string(status), -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		if m[1] == "VmRSS" {
			resident = n
		} else {
			anonymous = n
		}
	}
	return resident, anonymous
}

// build makes the binary as `make build` does.
func build(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bdash")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=bench", "-o", path, "../../cmd/bdash")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, strings.TrimSpace(string(out)))
	}
	return path
}
