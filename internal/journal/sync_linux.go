package journal

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Sync waits until the data of the file are on the disk, with what it takes to find them
// there; the time of the last write, for one, may come later.
func (f dataFile) Sync() error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		for failed = unix.EINTR; errors.Is(failed, unix.EINTR); {
			failed = unix.Fdatasync(int(fd))
		}
	})
	return errors.Join(err, failed)
}
