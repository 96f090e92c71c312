package proc

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Spare is a process that was started before anybody knew what for: it is on its way
// while its parent works that out. It waits in AwaitRole, and what it has no role for
// ends when its parent does, or closes it.
//
//	started ──Become──→ a process like any other, of whoever became its owner
//	        ──Close───→ killed and reaped
//	        parent dies → the socket ends, and so does it
//
// Its methods may be called from many goroutines at once; the first Become or Close has it.
type Spare struct {
	mu     sync.Mutex
	proc   *Process // nil: it has a role, or is closed
	socket *os.File
}

// spareRoom is how many descriptors from 3 on a spare keeps free for a role, and with
// them the numbers that the Go runtime would take for its own.
const spareRoom = 61

// errNoRole says that a spare cannot become what is asked for.
var errNoRole = errors.New("the spare process is closed, or what it is to become has too many files")

// StartSpare begins a spare process. Of s it takes Path, Name, Args, Env, SameGroup and
// OOMScoreAdj; files come with its role, and until then it has none.
func StartSpare(s Spec) (*Spare, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start %s: socketpair: %w", s.Path, err)
	}
	ours, theirs := os.NewFile(uintptr(ends[0]), "spare"), os.NewFile(uintptr(ends[1]), "spare")
	defer theirs.Close()
	s.Stdin, s.Stdout, s.Stderr, s.Extra = nil, nil, nil, nil
	for range spareRoom {
		s.Extra = append(s.Extra, theirs)
	}
	p, err := launchWorker(s)
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	return &Spare{proc: p, socket: ours}, nil
}

// PID is the process number; 0 once it has a role, or is closed.
func (r *Spare) PID() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.proc == nil {
		return 0
	}
	return r.proc.PID()
}

// Become gives the process its role: message is what AwaitRole returns there, and the
// files of s get their numbers. With an error the spare is gone, and nothing has begun.
func (r *Spare) Become(message string, s Spec) (*Process, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.proc == nil || len(s.Extra) > spareRoom || message == "" {
		return nil, errors.Join(errNoRole, r.end())
	}
	var fds []int
	for _, f := range []*os.File{s.Stdin, s.Stdout, s.Stderr} {
		fd, err := descriptor(f)
		if err != nil {
			return nil, errors.Join(err, r.end())
		}
		fds = append(fds, int(fd))
	}
	null := fds[0]
	if s.Stdin != nil {
		f, err := devNull()
		if err != nil {
			return nil, errors.Join(err, r.end())
		}
		null = int(f.Fd())
	}
	about := make([]byte, 0, len(s.Extra)+1+len(message)) // for each: whether it is to be there
	for _, f := range s.Extra {
		if fd := f.Fd(); fd != ^uintptr(0) {
			fds, about = append(fds, int(fd)), append(about, 'y')
		} else {
			fds, about = append(fds, null), append(about, 'n')
		}
	}
	about = append(append(about, ':'), message...)
	r.proc.kills = workerKills.count() // it has done nothing yet
	conn, err := r.socket.SyscallConn()
	if err == nil {
		e := conn.Control(func(fd uintptr) { err = unix.Sendmsg(int(fd), about, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL) })
		err = errors.Join(e, os.NewSyscallError("sendmsg", err))
	}
	runtime.KeepAlive(s)
	if err != nil {
		return nil, errors.Join(err, r.end())
	}
	p := r.proc
	r.proc = nil
	_ = r.socket.Close() // what was sent is there
	return p, nil
}

// Close ends the process, unless it has a role. A nil one needs no Close.
func (r *Spare) Close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.end()
}

// end ends the process, if there is one without a role.
func (r *Spare) end() error {
	if r.proc == nil {
		return nil
	}
	p := r.proc
	r.proc = nil
	_ = p.Signal(unix.SIGKILL)
	p.Wait()
	return r.socket.Close()
}

// AwaitRole waits, in a process that StartSpare has started, for what it is to become.
// Then its files have their numbers, from 3 on close-on-exec, and the message is what
// Become was given; ok is false where it is to end, having become nothing.
func AwaitRole() (message string, ok bool, err error) {
	about := make([]byte, 64<<10)
	rights := make([]byte, unix.CmsgSpace((firstFree+spareRoom)*4))
	var n, size int
	for {
		n, size, _, _, err = unix.Recvmsg(firstFree, about, rights, unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return "", false, os.NewSyscallError("recvmsg", err)
	}
	if n == 0 {
		return "", false, nil
	}
	fds, err := Rights(rights[:size])
	if err != nil {
		return "", false, err
	}
	return takeRole(about[:n], fds)
}

// Rights are the descriptors that came with a message, in order, by its control data.
func Rights(rights []byte) (all []int, err error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, fmt.Errorf("receive descriptors: %w", err)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, fmt.Errorf("receive descriptors: %w", err)
		}
		all = append(all, fds...)
	}
	return all, nil
}

// takeRole puts the descriptors that came where a message says. They came under numbers
// above those that are kept free.
func takeRole(about []byte, fds []int) (message string, ok bool, err error) {
	room := len(fds) - firstFree
	if room < 0 || room > spareRoom || len(about) <= room || about[room] != ':' {
		return "", false, fmt.Errorf("a role of %d bytes came with %d descriptors; is the limit of open files (ulimit -n) reached?", len(about), len(fds))
	}
	for to, fd := range fds {
		flags := unix.O_CLOEXEC
		if to < firstFree {
			flags = 0
		}
		if fd < firstFree+spareRoom {
			return "", false, errors.New("descriptor " + strconv.Itoa(fd) + " came where room was kept")
		}
		if err = unix.Dup3(fd, to, flags); err != nil {
			return "", false, os.NewSyscallError("dup3", err)
		}
		_ = unix.Close(fd)
		if to >= firstFree && about[to-firstFree] == 'n' {
			_ = unix.Close(to)
		}
	}
	for fd := firstFree + room; fd < firstFree+spareRoom; fd++ {
		_ = unix.Close(fd)
	}
	return string(about[room+1:]), true, nil
}
