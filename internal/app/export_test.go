package app

import (
	"context"

	"github.com/bdash/bdash/internal/job"
)

// KeepHeap exposes keepHeap, which `bdash serve` calls.
func KeepHeap(environ []string) { keepHeap(environ) }

// LeastHeap is leastHeap.
const LeastHeap = leastHeap

// MakeBackup runs the scheduled backup now.
func MakeBackup(ctx context.Context, a *App) error {
	return a.makeBackup(ctx, job.Job[backupArgs]{})
}
