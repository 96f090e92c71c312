package cli

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/proc"
)

// programEnds are the ends of a program's pipes: its own, or the master's. Each start
// of a program has new ones, so that what an earlier one has not read, or a process
// that it left behind still writes, is never taken for the new one's. The master makes
// them and talks to the program itself; they go to the worker, whose child the program
// is, through a socket that each job slot has and that all workers inherit.
type programEnds struct {
	fds   [3]int      // standard input, output and error; -1: closed
	files [3]*os.File // the same, once attach made them
}

// newPipes makes the pipes of one start. The master's ends do not block.
func newPipes() (theirs, ours *programEnds, err error) {
	theirs, ours = &programEnds{fds: [3]int{-1, -1, -1}}, &programEnds{fds: [3]int{-1, -1, -1}}
	for i := range theirs.fds {
		var p [2]int
		if err = unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			err = os.NewSyscallError("pipe2", err)
			break
		}
		theirs.fds[i], ours.fds[i] = p[1], p[0]
		if i == 0 {
			theirs.fds[i], ours.fds[i] = p[0], p[1]
		}
		if err = unix.SetNonblock(ours.fds[i], true); err != nil {
			err = os.NewSyscallError("fcntl", err)
			break
		}
	}
	if err == nil {
		// A pipe of one page can be written to only when all in it is read: so that is
		// an event which can be waited for, see talk.sync.
		_, err = unix.FcntlInt(uintptr(ours.fds[0]), unix.F_SETPIPE_SZ, os.Getpagesize())
		err = os.NewSyscallError("fcntl", err)
	}
	if err != nil {
		theirs.close()
		ours.close()
	}
	return theirs, ours, err
}

// close closes what is open; nil has nothing.
func (e *programEnds) close() {
	if e == nil {
		return
	}
	for i := range e.fds {
		e.closeOne(i)
	}
}

func (e *programEnds) closeOne(i int) {
	switch {
	case e.fds[i] < 0:
	case e.files[i] != nil:
		_ = e.files[i].Close()
	default:
		_ = unix.Close(e.fds[i])
	}
	e.fds[i], e.files[i] = -1, nil
}

// attach has a command read and write them.
func (e *programEnds) attach(c *proc.Command) {
	for i, fd := range e.fds {
		e.files[i] = os.NewFile(uintptr(fd), "program")
	}
	c.Stdin, c.Stdout, c.Stderr = e.files[0], e.files[1], e.files[2]
}

// send gives them to whoever runs the program that is started under ticket.
func (e *programEnds) send(socket int, ticket uint64) error {
	var about [8]byte
	binary.NativeEndian.PutUint64(about[:], ticket)
	return os.NewSyscallError("sendmsg", unix.Sendmsg(socket, about[:], unix.UnixRights(e.fds[:]...), nil, unix.MSG_DONTWAIT))
}

// receiveEnds takes those that were sent for ticket. What was sent for an earlier
// start lies there where the worker that was to have it died.
func receiveEnds(socket int, ticket uint64) (*programEnds, error) {
	for {
		var about [8]byte
		rights := make([]byte, unix.CmsgSpace(3*4))
		n, rightsBytes, _, _, err := unix.Recvmsg(socket, about[:], rights, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("receive the program's files: %w", err)
		}
		e, err := endsOf(rights[:rightsBytes])
		if err != nil {
			return nil, err
		}
		if n == len(about) && binary.NativeEndian.Uint64(about[:]) == ticket {
			return e, nil
		}
		e.close()
	}
}

// endsOf are the descriptors that came with a message.
func endsOf(rights []byte) (*programEnds, error) {
	fds, err := proc.Rights(rights)
	if err != nil {
		return nil, fmt.Errorf("the program's files: %w", err)
	}
	e := &programEnds{fds: [3]int{-1, -1, -1}}
	n := copy(e.fds[:], fds)
	for _, fd := range fds[n:] {
		_ = unix.Close(fd)
	}
	if n < len(e.fds) {
		e.close()
		return nil, fmt.Errorf("receive the program's files: %d came; is the limit of open files (ulimit -n) reached?", n)
	}
	return e, nil
}
