package proc

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// tree is a set of processes that belong together. Scanning finds its members and
// pins each by a pidfd; close lets them go.
type tree struct {
	root int // 0: none; its starter reaps it if it was started here
	// all takes in every child of this process, started or adopted.
	all bool
	// claims decides about an adopted child that nothing ties to the tree; marked
	// tells that it bears another command's mark.
	claims func(p procStat, marked bool) bool

	members []*member
	// What members that were seen have in common with orphans that were not: their
	// marks, and their process groups and sessions (numbers of one kind).
	marks  map[string]struct{}
	groups map[int]struct{}
}

// member is one live process of a tree.
type member struct {
	procStat
	pidfd   int
	refused bool // the kernel lets us send it no signals
	told    bool // it was sent what the tree was sent
}

func newTree(root int) *tree {
	return &tree{
		root:   root,
		claims: func(procStat, bool) bool { return false },
		marks:  map[string]struct{}{},
		groups: map[int]struct{}{},
	}
}

func (t *tree) close() {
	for _, m := range t.members {
		_ = unix.Close(m.pidfd)
	}
	t.members = nil
}

// found counts the members that are not refused.
func (t *tree) found() int {
	n := 0
	for _, m := range t.members {
		if !m.refused {
			n++
		}
	}
	return n
}

// scan drops the members that have ended, reaps those that were adopted, and adds
// all that it finds new, calling visit for each. It returns how many were new.
func (t *tree) scan(visit func(*member)) (fresh int, err error) {
	t.prune()
	k, err := newKin()
	if err != nil {
		return 0, err
	}
	known := make(map[int]*member, len(t.members))
	queue := make([]int, 0, len(t.members)+1)
	for _, m := range t.members {
		known[m.pid] = m
		queue = append(queue, m.pid)
	}
	add := func(pid, parent int) error {
		if known[pid] != nil {
			return nil
		}
		m, err := t.pin(pid, parent)
		if m == nil || err != nil {
			return err
		}
		known[pid] = m
		t.members = append(t.members, m)
		t.remember(m.procStat)
		fresh++
		visit(m)
		queue = append(queue, pid)
		return nil
	}
	if err := t.addRoots(k, add); err != nil {
		return fresh, err
	}
	for i := 0; i < len(queue); i++ {
		pids, err := k.children(queue[i])
		if err != nil {
			return fresh, err
		}
		for _, pid := range pids {
			if err := add(pid, queue[i]); err != nil {
				return fresh, err
			}
		}
	}
	return fresh, nil
}

// addRoots adds what the tree hangs on: its root, and children of this process.
func (t *tree) addRoots(k kin, add func(pid, parent int) error) error {
	if t.root != 0 && (children.has(t.root) || !reapEnded(unix.P_PID, t.root)) {
		if err := add(t.root, 0); err != nil {
			return err
		}
	}
	self := os.Getpid()
	own, err := children.list(k, self)
	if err != nil {
		return err
	}
	for _, c := range own {
		if c.pid == t.root || !t.belongs(c) || !c.started && reapEnded(unix.P_PID, c.pid) {
			continue
		}
		if err := add(c.pid, self); err != nil {
			return err
		}
	}
	return nil
}

// ownChild is a child of this process.
type ownChild struct {
	pid     int
	started bool // in the table; else adopted
}

// list tells which children this process has.
func (t *childTable) list(k kin, self int) ([]ownChild, error) {
	t.starting.Lock()
	defer t.starting.Unlock()
	if k.byParent != nil {
		// That picture is older than this lock, so it may hold a child that was
		// between fork and table.
		var err error
		if k, err = scanParents(); err != nil {
			return nil, err
		}
	}
	pids, err := k.children(self)
	if err != nil {
		return nil, err
	}
	own := make([]ownChild, len(pids))
	for i, pid := range pids {
		own[i] = ownChild{pid, t.has(pid)}
	}
	return own, nil
}

// belongs decides whether a child of this process is part of the tree.
func (t *tree) belongs(c ownChild) bool {
	if t.all {
		return true
	}
	if c.started {
		return false
	}
	p, err := readStat(c.pid)
	if err != nil {
		return false
	}
	if mark, ok := readMark(c.pid); ok && mark != ownMark() {
		for m := range t.marks {
			if mark == m || strings.HasPrefix(mark, m+"/") {
				return true
			}
		}
		return t.claims(p, true)
	}
	_, group := t.groups[p.pgrp]
	_, session := t.groups[p.session]
	return group || session || t.claims(p, false)
}

// remember notes by what orphans of p can be recognised.
func (t *tree) remember(p procStat) {
	if mark, ok := readMark(p.pid); ok && mark != ownMark() {
		t.marks[mark] = struct{}{}
	}
	for _, id := range []int{p.pgrp, p.session} {
		if id != syscall.Getpgrp() && id != ownSession() {
			t.groups[id] = struct{}{}
		}
	}
}

func ownSession() int {
	id, _ := unix.Getsid(0)
	return id
}

// pin takes hold of pid if it is alive and still a child of parent (0: anyone's) or
// was adopted meanwhile. A nil member is one that is not there any more.
func (t *tree) pin(pid, parent int) (*member, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pin process %d: %w", pid, os.NewSyscallError("pidfd_open", err))
	}
	p, err := readStat(pid)
	// The number was not free between pidfd_open and now if the process has not
	// ended yet: so what was read is about the process that is pinned.
	m := &member{procStat: p, pidfd: fd}
	if ended(fd, 0) {
		m.pid = pid
		m.release()
		return nil, nil
	}
	if err != nil || parent != 0 && p.ppid != parent && p.ppid != os.Getpid() {
		return nil, unix.Close(fd)
	}
	return m, nil
}

// release lets go of a member that has ended, and reaps it if it was adopted.
func (m *member) release() {
	if !children.has(m.pid) {
		reapEnded(unix.P_PIDFD, m.pidfd)
	}
	_ = unix.Close(m.pidfd)
}

// prune lets go of the members that have ended.
func (t *tree) prune() {
	live := t.members[:0]
	for _, m := range t.members {
		if !ended(m.pidfd, 0) {
			live = append(live, m)
			continue
		}
		m.release()
	}
	clear(t.members[len(live):])
	t.members = live
}

// reapEnded reaps a dead child of this process, named by number (unix.P_PID) or
// pidfd (unix.P_PIDFD), and reports whether it did. A number is as good as a pidfd
// for what stands in our own list: a dead child keeps it until we reap it.
func reapEnded(kind, id int) bool {
	var info exitInfo
	return waitid(kind, id, unix.WEXITED|unix.WNOHANG, &info, nil) == nil && info.pid != 0
}

// send sends sig to one member.
func (m *member) send(sig syscall.Signal) {
	if errors.Is(unix.PidfdSendSignal(m.pidfd, sig, nil, 0), unix.EPERM) {
		m.refused = true
	}
}

// signal sends sig to the process group of the root, whose number the caller keeps
// from being reaped, and to all of the tree outside it. A stopped process is woken,
// or it would not act on the signal.
func (t *tree) signal(sig syscall.Signal) error {
	_, err := t.scan(func(*member) {})
	t.sendAll(sig)
	if sig != syscall.SIGSTOP && sig != syscall.SIGTSTP && sig != syscall.SIGCONT {
		t.sendAll(syscall.SIGCONT)
	}
	return err
}

func (t *tree) sendAll(sig syscall.Signal) {
	_ = syscall.Kill(-t.root, sig) // ESRCH: all have left the group
	for _, m := range t.members {
		if m.pgrp != t.root {
			m.send(sig)
		}
		m.told = true
	}
}

// tellOrphans sends sig to those who came too late for it and whose parents are gone.
// The others' parents are alive and were told: what they start now may be how they
// clean up.
func (t *tree) tellOrphans(sig syscall.Signal) {
	for _, m := range t.members {
		if m.told {
			continue
		}
		if p, err := readStat(m.pid); err == nil && p.ppid == os.Getpid() {
			m.send(sig)
			m.send(syscall.SIGCONT)
			m.told = true
		}
	}
}

// stopPasses bounds how often a tree is searched for processes that are not stopped
// yet before what was found is killed: fewer would do for all but fork bombs, which
// are worn down by the rounds of killing.
const stopPasses = 16

// kill ends the tree: it returns when nothing of it is alive, or with an error that
// names what may not be killed. See the package comment for the method. killed is
// called for each process that was killed. Those that may not be killed remain
// members.
func (t *tree) kill(killed func(*member)) error {
	stop := func(m *member) { m.send(syscall.SIGSTOP) }
	for _, m := range t.members {
		stop(m)
	}
	for {
		var scanErr error
		for range stopPasses {
			var fresh int
			if fresh, scanErr = t.scan(stop); fresh == 0 || scanErr != nil {
				break
			}
		}
		if t.found() == 0 {
			return errors.Join(scanErr, t.refusals())
		}
		// A scan that failed for want of descriptors goes on once these are gone.
		for _, m := range t.members {
			if !m.refused {
				m.send(syscall.SIGKILL)
			}
		}
		for _, m := range t.members {
			if !m.refused {
				ended(m.pidfd, -1)
				killed(m)
			}
		}
	}
}

// refusals is the error for the members that may not be signalled.
func (t *tree) refusals() error {
	t.prune()
	var errs []error
	for _, m := range t.members {
		errs = append(errs, fmt.Errorf("kill process %d (%s): %w", m.pid, m.comm, syscall.EPERM))
	}
	return errors.Join(errs...)
}
