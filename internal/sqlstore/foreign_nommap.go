//go:build !linux && !darwin && !freebsd

package sqlstore

import (
	"errors"
	"os"
)

// Elsewhere nobody has tried whether the file can be mapped beside SQLite.
func mapShared(*os.File, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapShared([]byte) {}
