package cli

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// input is standard input read into memory that is given, in a way that can be
// stopped: a read of a terminal or a pipe may take for ever.
type input struct {
	file    *os.File
	bell    int // rings when stop was closed
	watched bool
	closed  chan struct{}
	halted  chan struct{} // closed: stop or closed was
}

// errStopped is the error of a read that was stopped.
var errStopped = errors.New("stopped")

// newInput makes ready to read f.
func newInput(f *os.File) (input, error) {
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return input{}, os.NewSyscallError("eventfd", err)
	}
	// A wide pipe means fewer reads; it is refused where pipes take much memory
	// already, and for what is no pipe.
	_, _ = unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, widePipe)
	return input{file: f, bell: bell, closed: make(chan struct{}), halted: make(chan struct{})}, nil
}

// widePipe is the most that an ordinary user may ask for.
const widePipe = 1 << 20

// watch has reads stopped when stop is closed. Only the first call counts.
func (in *input) watch(stop <-chan struct{}) {
	if in.watched {
		return
	}
	in.watched = true
	closed, halted, bell := in.closed, in.halted, in.bell
	go func() {
		select {
		case <-stop:
		case <-closed:
		}
		one := [8]byte{1}
		_, _ = unix.Write(bell, one[:]) // a counter that is full rings, too
		close(halted)
	}()
}

// read is one read of at least a byte: io.EOF at the end, os.ErrDeadlineExceeded
// when due, unless zero, has passed, errStopped when it was stopped.
func (in *input) read(buf []byte, due time.Time) (int, error) {
	fd := int(in.file.Fd())
	for {
		fds := [2]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(in.bell), Events: unix.POLLIN}}
		var wait *unix.Timespec
		if !due.IsZero() {
			left := unix.NsecToTimespec(int64(max(time.Until(due), 0)))
			wait = &left
		}
		n, err := unix.Ppoll(fds[:], wait, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, os.NewSyscallError("poll", err)
		case fds[1].Revents != 0:
			return 0, errStopped
		case n == 0:
			return 0, os.ErrDeadlineExceeded
		}
		n, err = unix.Read(fd, buf)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// end has reads stopped for good.
func (in *input) end() { close(in.closed) }

// close comes after end, when nobody reads.
func (in *input) close() error {
	if in.watched {
		<-in.halted
	}
	return os.NewSyscallError("close", unix.Close(in.bell))
}
