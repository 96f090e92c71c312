package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/proc"
)

// openUnlinked opens a file in dir that has no name: it goes with the last
// process that holds it, whatever kills that.
func openUnlinked(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), filepath.Join(dir, "(unnamed)")), nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EINVAL) {
		return nil, &os.PathError{Op: "open a temporary file in", Path: dir, Err: err}
	}
	// A file system without O_TMPFILE: the name lives for a moment.
	f, err := os.CreateTemp(dir, "tutti-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// The spool is one unnamed file for what commands write beyond what workers
// keep in memory. A command takes regions of it by an addition in the control
// page, the first of regionMin bytes, each further one twice as long, so that its
// extents stay few and nobody else's bytes lie between them; a region that a
// dying worker leaves is a hole that takes no room. The master reads the extents
// and gives their room back.
const (
	regionMin = 1 << 20
	regionMax = 64 << 20
)

// spool is the spool of one command.
type spool struct {
	file   *os.File
	tail   interface{ Add(int64) int64 }
	at     int64 // in the current region
	left   int64 // of it
	region int64 // length of the next one
}

// Write stores p, which may be cut by the end of a region: then the rest waits
// in the next one, so that every extent is whole.
func (s *spool) Write(p []byte) (proc.Extent, error) {
	if s.left < int64(len(p)) {
		s.region = min(max(2*s.region, regionMin), regionMax)
		s.at = s.tail.Add(s.region) - s.region
		s.left = s.region
	}
	n, err := s.file.WriteAt(p, s.at)
	if err != nil {
		return proc.Extent{}, spillFault(err)
	}
	e := proc.Extent{Off: s.at, Len: int64(n)}
	s.at += int64(n)
	s.left -= int64(n)
	return e, nil
}

// spillFault says what can be done about a temporary file that cannot be written.
func spillFault(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err
	}
	return fmt.Errorf("write a temporary file in %s: %w; set TMPDIR to a folder with more room", os.TempDir(), err)
}

// release gives the room of an extent back. Regions are aligned to pages and
// belong to one command, so whole pages can go.
func release(f *os.File, e proc.Extent) {
	from := e.Off &^ (pageBytes - 1)
	to := (e.Off + e.Len + pageBytes - 1) &^ (pageBytes - 1)
	// A file system that cannot do it keeps the room until the run has ended.
	_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from, to-from)
}

const pageBytes = 4096
