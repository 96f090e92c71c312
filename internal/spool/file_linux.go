package spool

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// OpenUnnamed opens a file in dir that has no name: it goes with the last
// process that holds it, whatever kills that.
func OpenUnnamed(dir string) (*os.File, error) {
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

// punch gives the room of a range of the file back. Ranges are whole regions.
func (s *Store) punch(off, size int64) {
	// A file system that cannot do it keeps the room until the run has ended.
	_ = unix.Fallocate(int(s.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, size)
}
