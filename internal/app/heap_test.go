package app_test

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/app"
)

const heapEnv = "APP_TEST_HEAP"

// The collector belongs to the whole process, so each case is a process of its
// own.
func TestKeepHeap(t *testing.T) {
	t.Parallel()
	switch os.Getenv(heapEnv) {
	case "small":
		app.KeepHeap(nil)
		awaitGC(t, "a small heap is left to grow", func(percent, goal uint64) bool { return percent > 100 && goal >= app.LeastHeap*9/10 })
	case "large":
		app.KeepHeap(nil)
		func() {
			live := make([]byte, 4*app.LeastHeap)
			awaitGC(t, "a large heap gets the default", func(percent, _ uint64) bool { return percent == 100 })
			runtime.KeepAlive(live)
		}()
		awaitGC(t, "a heap that shrank is left to grow again", func(percent, _ uint64) bool { return percent > 100 })
	case "tuned":
		app.KeepHeap([]string{"GOGC=100"})
		app.KeepHeap([]string{"GOMEMLIMIT=1GiB"})
		runtime.GC()
		if percent, _ := readGC(); percent != 100 {
			t.Errorf("with GOGC given the percentage is %d, want it left alone", percent)
		}
	default:
		for _, name := range []string{"small", "large", "tuned"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKeepHeap$")
				cmd.Env = append(os.Environ(), heapEnv+"="+name, "GOGC=100")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}

func readGC() (percent, goal uint64) {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/heap/goal:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}

// awaitGC collects until ok holds: finalizers run when they get to it.
func awaitGC(t *testing.T, what string, ok func(percent, goal uint64) bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(readGC()); runtime.GC() {
		if time.Now().After(deadline) {
			percent, goal := readGC()
			t.Fatalf("%s: the percentage is %d and the goal %d bytes", what, percent, goal)
		}
	}
}
