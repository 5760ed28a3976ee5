package app_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/bdash/bdash/internal/app"
)

// terminal opens a pseudo-terminal: keys are pressed at the first end, and the
// program sits at the second.
func terminal(t *testing.T) (keys, program *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	var number, unlock int32
	for request, arg := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, keys.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Fatal(errno)
		}
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return keys, program
}

// answer waits for each prompt on the terminal and presses the keys.
func answer(t *testing.T, keys *os.File, answers [][2]string) {
	t.Helper()
	seen, buf := "", make([]byte, 1024)
	for _, a := range answers {
		for !strings.HasSuffix(strings.TrimSpace(seen), a[0]) {
			n, err := keys.Read(buf)
			if err != nil {
				t.Errorf("after %q: %v, want the prompt %q", seen, err, a[0])
				return
			}
			seen += string(buf[:n])
		}
		seen = ""
		if _, err := keys.WriteString(a[1]); err != nil {
			t.Error(err)
		}
	}
}

func TestSuperuserOnATerminal(t *testing.T) {
	t.Parallel()
	const mail, first, again = "E-mail address:", "Password:", "Password (again):"
	for name, tc := range map[string]struct {
		answers [][2]string
		code    int
		want    string
	}{
		"created":           {[][2]string{{mail, "a@example.com\r"}, {first, "Tangled-Horse-91\r"}, {again, "Tangled-Horse-91\r"}}, 0, ""},
		"asks again":        {[][2]string{{mail, "a\r"}, {mail, "a@example.com\r"}, {first, "b\r"}, {again, "c\r"}, {first, "Tangled-Horse-91\r"}, {again, "Tangled-Horse-91\r"}}, 0, ""},
		"Ctrl-C at once":    {[][2]string{{mail, "\x03"}}, 1, "interrupted"},
		"Ctrl-C in between": {[][2]string{{mail, "a@example.com\r"}, {first, "secret\x03"}}, 1, "interrupted"},
		"Ctrl-D":            {[][2]string{{mail, "\x04"}}, 1, "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, program := terminal(t)
			type result struct {
				code   int
				stderr string
			}
			done := make(chan result, 1)
			go func() {
				var errs strings.Builder
				code := app.Main(t.Context(), app.Process{
					Args: []string{"createsuperuser"}, Stdin: program, Stdout: program, Stderr: &errs, Version: "test", Dotenv: "-",
					Environ: []string{"METRICS_ADDR=", "DATA_DIR=" + t.TempDir()},
				})
				done <- result{code, errs.String()}
			}()
			answer(t, keys, tc.answers)
			if got := <-done; got.code != tc.code || !strings.Contains(got.stderr, tc.want) {
				t.Errorf("exit code %d, errors %q; want %d and %q", got.code, got.stderr, tc.code, tc.want)
			}
		})
	}
}
