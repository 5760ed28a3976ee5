// Command bdash is the backend of a customisable dashboard. See `bdash --help`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/bdash/bdash/internal/app"
)

// version is set by the build (-ldflags "-X main.version=…").
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks to finish; from then on another one ends bdash at once.
	context.AfterFunc(ctx, stop)
	code := app.Main(ctx, app.Process{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: version,
	})
	stop()
	if code != 0 {
		os.Exit(code)
	}
}
