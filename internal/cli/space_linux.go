package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/ipc"
)

// shellSpace is the space that the commands for shells share.
//
// Who uses it has a shared flock on its file; whoever leaves and finds that nobody
// else has, removes it, if there is nothing in it that outlives processes. So nothing
// is left in /dev/shm, names of semaphores that were used once do not pile up, and
// what was left by somebody killed goes with the next one that leaves.
type shellSpace struct {
	*ipc.Space
	ref spaceRef
	fd  int // of the file, after the space was closed too
}

// shellObjects is how many names a space has room for that is made here: locks of
// which nobody else leaves in between.
const shellObjects = 4096

// shellBytes is how much the messages of all channels and topics may have together, in a
// space that is made here: several times ipc.MessageMax.
const shellBytes = 256 << 20

func (r spaceRef) options() ipc.Options {
	return ipc.Options{Folder: r.Folder, Objects: shellObjects, Data: shellRoom()}
}

// shellRoom is shellBytes, or what ulimit -f leaves beside the locks.
func shellRoom() int64 {
	const locks = 4 << 20
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil || limit.Cur > shellBytes+locks {
		return shellBytes
	}
	return max(int64(limit.Cur)-locks, 0)
}

// enterShellSpace opens the space, and makes it if it is not there.
func enterShellSpace(r spaceRef) (*shellSpace, error) {
	for {
		s, err := ipc.OpenWith(r.Name, 0, r.options())
		if errors.Is(err, ipc.ErrTooMany) {
			return nil, fmt.Errorf("%w; wait for some of them to end, or use another space with --space NAME", err)
		}
		if err != nil {
			return nil, err
		}
		fd, err := unix.FcntlInt(uintptr(s.FD()), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("space %s: fcntl: %w", r, err), s.Close())
		}
		var st unix.Stat_t
		if err = errors.Join(flock(fd, unix.LOCK_SH), unix.Fstat(fd, &st)); err == nil && st.Nlink > 0 {
			return &shellSpace{s, r, fd}, nil
		}
		// Else the last one that left removed it meanwhile.
		if err = errors.Join(err, unix.Close(fd), s.Close()); err != nil {
			return nil, fmt.Errorf("lock space %s: %w", r, err)
		}
	}
}

func flock(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); err != unix.EINTR {
			return err
		}
	}
}

// leave closes the space, and removes it if nobody needs it any more.
func (s *shellSpace) leave() error {
	err := s.Close() // first: else two that leave would each see the other
	defer unix.Close(s.fd)
	if flock(s.fd, unix.LOCK_EX|unix.LOCK_NB) != nil {
		return err
	}
	var st unix.Stat_t
	if unix.Fstat(s.fd, &st) != nil || st.Nlink == 0 {
		return err
	}
	if stat, statErr := s.ref.peek(); statErr == nil && len(stat.Members) == 0 && forgettable(stat) {
		_ = ipc.Remove(s.ref.Name, s.ref.options())
	}
	return err
}

// peek looks into a space, without what belongs to the dead.
func (r spaceRef) peek() (ipc.Stat, error) {
	st, err := ipc.Peek(r.Name, r.options())
	buryDead(&st, processGone)
	return st, err
}

// buryDead takes what belongs to the dead out of what is in a space, as a member will
// that buries them: a lock that one had was its owner's who died.
func buryDead(st *ipc.Stat, isGone func(pid int) bool) {
	gone := map[int]bool{}
	st.Members = slices.DeleteFunc(st.Members, func(m ipc.MemberStat) bool {
		gone[m.PID] = isGone(m.PID)
		return gone[m.PID]
	})
	for i := range st.Objects {
		o := &st.Objects[i]
		dead := func(c ipc.ClaimStat) bool { return gone[c.PID] }
		if o.Kind == "rwmutex" && slices.ContainsFunc(o.Holders, func(c ipc.ClaimStat) bool { return dead(c) && c.Exclusive }) {
			o.OwnerDied = true
		}
		o.Holders, o.Waiters = slices.DeleteFunc(o.Holders, dead), slices.DeleteFunc(o.Waiters, dead)
		o.Waiting = len(o.Waiters)
	}
}

func processGone(pid int) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err == unix.ESRCH
	}
	defer unix.Close(fd)
	n, err := pollFor(fd, 0)
	return err == nil && n == 1
}

// pollFor waits so many milliseconds for a descriptor to become readable.
func pollFor(fd, ms int) (int, error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, ms)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// forgettable reports whether all that is in a space was made by commands for shells,
// and means nothing once nobody holds or awaits any of it.
func forgettable(st ipc.Stat) bool {
	return !slices.ContainsFunc(st.Objects, func(o ipc.ObjectStat) bool {
		switch o.Kind {
		case "rwmutex":
			return o.Lost || o.OwnerDied && !isOwn(o.Name) // which the next holder is to hear
		case "barrier":
			return false
		case "byte channel": // what nobody has received yet
			return o.Messages > 0 || !strings.HasPrefix(o.Name, chanPrefix)
		case "byte topic": // what a subscriber who comes later may read
			return o.Messages > 0 && !o.Closed || !strings.HasPrefix(o.Name, topicPrefix)
		case "semaphore":
			return !strings.HasPrefix(o.Name, semPrefix) && !isOwn(o.Name)
		case "mutex":
			return !isOwn(o.Name)
		}
		return true
	})
}

// semUnits is how many units a semaphore of the shell has. As in GNU sem each command
// line says how many commands may run, and not the semaphore: who wants to be one of
// n takes all units but n-1 and gives back all but one.
const semUnits = core.MaxJobs

// take takes what is needed, and waits for it until ctx is done.
func (s *shellSpace) take(ctx context.Context, n need) error {
	if n.Most > 0 {
		sem, err := s.Semaphore(n.Name, semUnits)
		if err == nil {
			err = sem.Acquire(ctx, semUnits-n.Most+1)
		}
		if err == nil && n.Most < semUnits {
			err = sem.Release(semUnits - n.Most)
		}
		return err
	}
	l, err := s.RWMutex(n.Name)
	if err != nil {
		return err
	}
	if n.Shared {
		return s.inherit(l, n, l.RLock(ctx))
	}
	return s.inherit(l, n, l.Lock(ctx))
}

// try takes a lock if it is free.
func (s *shellSpace) try(n need) (bool, error) {
	l, err := s.RWMutex(n.Name)
	if err != nil {
		return false, err
	}
	try := l.TryLock
	if n.Shared {
		try = l.TryRLock
	}
	ok, err := try()
	return ok, s.inherit(l, n, err)
}

// inherit is about a lock whose last holder was killed: what was protected is the
// command's business.
func (s *shellSpace) inherit(l *ipc.RWMutex, n need, err error) error {
	if !errors.Is(err, ipc.ErrOwnerDied) {
		return err
	}
	if !strings.HasPrefix(n.Name, runningPrefix) {
		complain("who held lock %q last was killed, and its command ended: what it was about may be half done", n.Name)
	}
	if n.Shared {
		return nil // the next who has it alone says so again
	}
	return l.MarkConsistent()
}

// seize takes a unit of a semaphore without waiting.
func (s *shellSpace) seize(n need) error {
	sem, err := s.Semaphore(n.Name, semUnits)
	if err != nil {
		return err
	}
	return sem.Seize(1)
}

// give gives back what take, try or seize took in this goroutine.
func (s *shellSpace) give(n need) error {
	if n.Most > 0 {
		sem, err := s.Semaphore(n.Name, semUnits)
		if err != nil {
			return err
		}
		return sem.Release(1)
	}
	l, err := s.RWMutex(n.Name)
	if err != nil {
		return err
	}
	if n.Shared {
		return l.RUnlock()
	}
	return l.Unlock()
}

// inTurn takes a mutex that the commands use among themselves.
func (s *shellSpace) inTurn(name string) (*ipc.Mutex, error) {
	m, err := s.Mutex(ownPrefix + name)
	if err != nil {
		return nil, err
	}
	err = m.Lock(context.Background())
	if errors.Is(err, ipc.ErrOwnerDied) {
		err = m.MarkConsistent()
	}
	return m, err
}

// spaceNames lists the spaces of a folder, for completion.
func spaceNames(folder string) []string {
	names, _ := ipc.Names(ipc.Options{Folder: folder})
	return names
}

// objectNames lists the objects of a kind in a space, or of all kinds with their whole
// names, for completion; it makes none.
func objectNames(r spaceRef, kind string) (names []string) {
	st, _ := r.peek()
	for _, o := range st.Objects {
		switch {
		case isOwn(o.Name):
		case kind == "":
			names = append(names, o.Name)
		case o.Kind == kind:
			names = append(names, ownName(o.Name))
		}
	}
	return names
}

// terminalOf is the path of the terminal that f is; "" if it is none.
func terminalOf(f *os.File) string {
	if !isTerminal(f) {
		return ""
	}
	name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	return name
}
