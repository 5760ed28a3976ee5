//go:build linux || darwin || freebsd

package sqlstore

import (
	"os"
	"syscall"
)

// mapShared maps the first bytes of a file for reading.
func mapShared(f *os.File, bytes int) ([]byte, error) {
	return syscall.Mmap(int(f.Fd()), 0, bytes, syscall.PROT_READ, syscall.MAP_SHARED)
}

func unmapShared(mapped []byte) { _ = syscall.Munmap(mapped) }
