package proc

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// child is a process that this one started and alone reaps.
type child struct {
	pid   int
	pidfd int
}

// childTable knows every child that was started and not yet reaped, so that the
// rest of this process's children are known to be adopted.
type childTable struct {
	// starting is held shared from before a fork until the child is in the table,
	// and whole while the kernel's list of children is read. Otherwise a child
	// between fork and table would pass for an adopted one.
	starting sync.RWMutex
	ending   bool // guarded by starting

	mu       sync.Mutex
	started  map[int]*child
	commands map[*run]struct{}
	kept     map[int]uint64 // strays named once already: pid to start time
}

var children = childTable{
	started:  map[int]*child{},
	commands: map[*run]struct{}{},
	kept:     map[int]uint64{},
}

// launch forks, executes and enters the child in the table, as that of command r if
// it is one.
func (t *childTable) launch(path string, argv []string, attr *syscall.ProcAttr, r *run) (*child, error) {
	t.starting.RLock()
	defer t.starting.RUnlock()
	if t.ending {
		return nil, ErrEnding
	}
	c := &child{pidfd: -1}
	attr.Sys.PidFD = &c.pidfd
	var err error
	if c.pid, err = syscall.ForkExec(path, argv, attr); err != nil {
		return nil, err
	}
	if c.pidfd < 0 {
		_ = syscall.Kill(c.pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(c.pid, nil, 0, nil)
		return nil, fmt.Errorf("clone with CLONE_PIDFD (Linux 5.2 or later is needed): %w", errors.ErrUnsupported)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.started[c.pid] = c
	if r != nil {
		r.child = c
		t.commands[r] = struct{}{}
	}
	return c, nil
}

// forget takes a reaped child out. The number may have been given to a new child
// in the meantime, which stays.
func (t *childTable) forget(c *child) {
	t.mu.Lock()
	if t.started[c.pid] == c {
		delete(t.started, c.pid)
	}
	t.mu.Unlock()
}

func (t *childTable) has(pid int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.started[pid] != nil
}

// leave takes a command out that launch entered.
func (t *childTable) leave(r *run) {
	t.mu.Lock()
	delete(t.commands, r)
	t.mu.Unlock()
}

// unclaimed reports whether r may claim an orphan that nothing ties to any command:
// only while no other command runs, and not if it was named as a stray before.
func (t *childTable) unclaimed(r *run, p procStat) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if start, ok := t.kept[p.pid]; ok && start == p.start {
		return false
	}
	for other := range t.commands {
		if other != r {
			return false
		}
	}
	return true
}

// running lists the commands that run, one that is being started included.
func (t *childTable) running() []*run {
	t.starting.Lock()
	defer t.starting.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.commands))
}

// alone reports whether one command runs and no other.
func (t *childTable) alone() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.commands) == 1
}

// keep notes strays that were named and left alone.
func (t *childTable) keep(strays []*member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for pid, start := range t.kept {
		if p, err := readStat(pid); err != nil || p.start != start {
			delete(t.kept, pid) // else the table would grow with the worker's life
		}
	}
	for _, m := range strays {
		t.kept[m.pid] = m.start
	}
}

// exitInfo is siginfo_t as waitid fills it.
type exitInfo struct {
	signo, errno, code int32
	_                  [unsafe.Sizeof(uintptr(0)) / 8]int32 // the union is aligned as a pointer
	pid                int32
	uid                uint32
	status             int32
	_                  [128 - 6*4 - 4*(unsafe.Sizeof(uintptr(0))/8)]byte
}

var _ [128]byte = [unsafe.Sizeof(exitInfo{})]byte{}

// What waitid says in code; see sigaction(2).
const (
	codeExited = 1
	codeDumped = 3
)

// waitid is unix.Waitid with the fields of siginfo_t that it hides.
func waitid(kind, id, options int, info *exitInfo, usage *syscall.Rusage) error {
	for {
		_, _, errno := syscall.Syscall6(unix.SYS_WAITID, uintptr(kind), uintptr(id),
			uintptr(unsafe.Pointer(info)), uintptr(options), uintptr(unsafe.Pointer(usage)), 0)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return errno
		}
	}
}

// reap takes the status of a child whose pidfd is readable.
func (c *child) reap() Status {
	var info exitInfo
	var s Status
	if err := waitid(unix.P_PIDFD, c.pidfd, unix.WEXITED, &info, &s.Rusage); err != nil {
		// Other code in this process waits for any child (as init programs in
		// containers do) and took the status.
		children.forget(c)
		return Status{Exit: -1}
	}
	children.forget(c)
	if info.code == codeExited {
		s.Exit = int(info.status)
		return s
	}
	s.Signal = syscall.Signal(info.status)
	s.Exit = 128 + int(info.status)
	s.CoreDumped = info.code == codeDumped
	return s
}

// hasChildren reports whether this process has any child at all, dead or alive.
func hasChildren() bool {
	var info exitInfo
	return waitid(unix.P_ALL, 0, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, &info, nil) == nil
}

// hasZombies reports whether any child of this process is dead and not yet reaped.
func hasZombies() bool {
	var info exitInfo
	err := waitid(unix.P_ALL, 0, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, &info, nil)
	return err == nil && info.pid != 0
}

// pollRetry is poll(2) that goes on after a signal. A negative timeout, in
// milliseconds, waits for ever.
func pollRetry(fds []unix.PollFd, timeoutMs int) (int, error) {
	for {
		n, err := unix.Poll(fds, timeoutMs)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// ended reports whether the process behind pidfd is dead, waiting as long as
// timeoutMs says.
func ended(pidfd, timeoutMs int) bool {
	fds := [1]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := pollRetry(fds[:], timeoutMs)
	return err == nil && n == 1
}

// devNull is /dev/null, opened once for all commands.
var devNull = sync.OnceValues(func() (*os.File, error) {
	return os.OpenFile(os.DevNull, os.O_RDWR, 0)
})

// descriptor is f's number for a child, or that of /dev/null.
func descriptor(f *os.File) (uintptr, error) {
	if f == nil {
		var err error
		if f, err = devNull(); err != nil {
			return 0, err
		}
	}
	fd := f.Fd()
	if fd == ^uintptr(0) {
		return 0, os.ErrClosed
	}
	return fd, nil
}
