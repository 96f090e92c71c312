package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNoSegment is wrapped by the error of [OpenFile] for what cannot be a segment.
var ErrNoSegment = errors.New("not memory")

// CreateFile makes a segment of size bytes in a file without a name in folder, of
// which the first committed bytes have memory behind them. [Segment.Link] gives it a
// name. folder must lie in memory (tmpfs): what a power cut leaves of a mapped file on
// a disk is in no order. Unlike that of [Create] the size cannot be sealed: who may
// write the file may cut it off, and make an access of all others a SIGBUS.
func CreateFile(folder string, size, committed int64, mode fs.FileMode) (*Segment, error) {
	if size <= 0 || size > math.MaxInt || committed < 0 || committed > size {
		return nil, fmt.Errorf("create segment: cannot commit %d of %d bytes", committed, size)
	}
	var sys unix.Statfs_t
	if err := unix.Statfs(folder, &sys); err != nil {
		return nil, &fs.PathError{Op: "statfs", Path: folder, Err: err}
	}
	if sys.Type != unix.TMPFS_MAGIC && sys.Type != unix.RAMFS_MAGIC {
		return nil, fmt.Errorf("create segment: %s is on a disk; name a folder in memory, such as /dev/shm", folder)
	}
	fd, err := unix.Open(folder, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, uint32(mode.Perm()))
	if err != nil {
		return nil, &fs.PathError{Op: "create a file in", Path: folder, Err: err}
	}
	s, err := sized(fd, size, mode)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("create segment in %s: %w", folder, err)
	}
	if err := s.Commit(0, committed); err != nil {
		return nil, errors.Join(fmt.Errorf("create segment in %s: %w", folder, err), s.Close())
	}
	return s, nil
}

// sized gives the new file its size and permissions, whatever the umask, and maps it.
func sized(fd int, size int64, mode fs.FileMode) (*Segment, error) {
	if err := unix.Fchmod(fd, uint32(mode.Perm())); err != nil {
		return nil, fmt.Errorf("fchmod: %w", err)
	}
	if err := unix.Ftruncate(fd, size); err != nil {
		return nil, fmt.Errorf("ftruncate to %d bytes: %w", size, err)
	}
	return mapSegment(fd, size)
}

// Link gives a file that CreateFile made its name. The error wraps [fs.ErrExist]
// when there is a file of that name.
func (s *Segment) Link(path string) error {
	from := fmt.Sprintf("/proc/self/fd/%d", s.fd)
	if err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "link", Old: from, New: path, Err: err}
	}
	return nil
}

// OpenFile maps a file that CreateFile made. The error wraps [fs.ErrNotExist],
// [fs.ErrPermission] or [ErrNoSegment] where that is so.
func OpenFile(path string) (*Segment, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		switch {
		case st.Mode&unix.S_IFMT != unix.S_IFREG:
			err = fmt.Errorf("%w: it is no regular file", ErrNoSegment)
		case st.Size == 0:
			err = fmt.Errorf("%w: it is empty", ErrNoSegment)
		case st.Size < 0 || st.Size > math.MaxInt:
			err = fmt.Errorf("%w: %d bytes", ErrNoSegment, st.Size)
		default:
			var s *Segment
			if s, err = mapSegment(fd, st.Size); err == nil {
				return s, nil
			}
		}
	}
	unix.Close(fd)
	return nil, &fs.PathError{Op: "map", Path: path, Err: err}
}
