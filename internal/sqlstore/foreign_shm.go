package sqlstore

import (
	"encoding/binary"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"
)

const (
	walIndexVersion = 3007000
	walIndexHeader  = 16 // the part of it that is read
)

// shmFile is a -shm file mapped for reading, as SQLite maps it: a look at it is
// a look at memory, and sees what another process wrote there. SQLite never
// makes the file smaller while a connection is open. It holds POSIX locks on
// the file, and closing any descriptor of it drops all locks of the process: so
// the file is opened once per process, and closed when the last DB of that file
// has closed its connections.
type shmFile struct {
	f    *os.File
	info os.FileInfo
	refs int

	mu     sync.RWMutex // held to unmap
	mapped []byte       // nil once released
}

var shmFiles struct {
	sync.Mutex
	open []*shmFile
}

func openShm(path string) (*shmFile, error) {
	shmFiles.Lock()
	defer shmFiles.Unlock()
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	for _, s := range shmFiles.open {
		if os.SameFile(s.info, info) {
			s.refs++
			return s, nil
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	// f, not path: the file may have been replaced meanwhile. It cannot be one
	// that is open already, for the caller's connections hold path in place.
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	s := &shmFile{f: f, info: info, refs: 1}
	if info.Size() >= walIndexHeader { // or a look at it would be a fault
		s.mapped, _ = mapShared(f, walIndexHeader) // counter tells if it could not be
	}
	shmFiles.open = append(shmFiles.open, s)
	return s, nil
}

// counter gives iChange of the header, unless the header is being rebuilt.
func (s *shmFile) counter() (c uint32, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.mapped == nil {
		return 0, false
	}
	// Whoever cuts the file short from outside takes the memory away: then
	// nothing is known, but nothing falls over here either.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			c, ok = 0, false
		}
	}()
	h := (*[walIndexHeader / 4]uint32)(unsafe.Pointer(unsafe.SliceData(s.mapped)))
	var isInit [4]byte // and three bytes of no concern here
	binary.NativeEndian.PutUint32(isInit[:], atomic.LoadUint32(&h[3]))
	if atomic.LoadUint32(&h[0]) != walIndexVersion || isInit[0] != 1 {
		return 0, false
	}
	return atomic.LoadUint32(&h[2]), true
}

func (s *shmFile) release() {
	shmFiles.Lock()
	defer shmFiles.Unlock()
	if s.refs--; s.refs > 0 {
		return
	}
	for i, o := range shmFiles.open {
		if o == s {
			shmFiles.open = append(shmFiles.open[:i], shmFiles.open[i+1:]...)
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mapped != nil {
		unmapShared(s.mapped)
		s.mapped = nil
	}
	_ = s.f.Close()
}
