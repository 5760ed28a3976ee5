//go:build bench && linux

package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
	"testing"

	"github.com/bdash/bdash/internal/app"
)

// TestMain is also the twin, and the bdash that is profiled.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "twin":
		var plan twinPlan
		if err = json.Unmarshal([]byte(os.Getenv(planEnv)), &plan); err == nil {
			err = runTwin(plan, os.Getenv("ADDR"))
		}
	case "page":
		err = runPage(os.Getenv("ADDR"))
	case "proxy":
		err = runProxy(os.Getenv("ADDR"), os.Getenv(upstreamEnv))
	case "bdash":
		err = runProfiled(os.Getenv(profileEnv))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runProfiled is `bdash serve` with a processor profile.
func runProfiled(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := app.Main(ctx, app.Process{Args: []string{"serve"}, Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Dotenv: "-"})
	if code != 0 {
		return fmt.Errorf("bdash ended with code %d", code)
	}
	return nil
}
