package proc

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// BecomeSubreaper makes this process the parent of every descendant whose own
// parent dies, so that no descendant escapes it. It holds until the process ends
// and is not inherited.
func BecomeSubreaper() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// KillTree ends root and everything below it, and returns when all of it is dead.
// The error names processes that may not be killed. Root is left for its Wait if
// Start began it, and reaped if this process adopted it; a child of this process
// that was started by other means must not be given.
func KillTree(root int) error {
	t := newTree(root)
	defer t.close()
	return t.kill(func(*member) {})
}

// KillOrphans ends every child of this process that neither this package started
// nor mine knows, and everything below those, reaps them, and returns when none is
// left. killed lists the processes that were alive; the error names those that may
// not be killed.
func KillOrphans(mine func(pid int) bool) (killed []int, err error) {
	if !hasChildren() {
		return nil, nil
	}
	t := newTree(0)
	defer t.close()
	t.claims = func(p procStat, _ bool) bool { return !mine(p.pid) }
	err = t.kill(func(m *member) { killed = append(killed, m.pid) })
	return killed, err
}

// KillAllChildren ends every tree below this process and returns when all of it is
// dead; children that Start began remain for their Wait. What MakeFile made is then
// removed. From then on Start, Run and MakeFile return ErrEnding: it is meant for a
// process that is about to exit.
func KillAllChildren() error {
	children.starting.Lock()
	children.ending = true
	children.starting.Unlock()
	t := newTree(0)
	defer t.close()
	t.all = true
	err := t.kill(func(*member) {})
	removeFiles()
	return err
}

// ReapZombies reaps the dead children of this process that neither this package
// started nor mine knows, and returns how many. It does not block.
func ReapZombies(mine func(pid int) bool) int {
	if !hasZombies() {
		return 0
	}
	k, err := newKin()
	if err != nil {
		return 0
	}
	own, err := children.list(k, os.Getpid())
	if err != nil {
		return 0
	}
	n := 0
	for _, c := range own {
		if !c.started && !mine(c.pid) && reapEnded(unix.P_PID, c.pid) {
			n++
		}
	}
	return n
}

// SignalCommands sends sig to the whole tree of every command that Run is running
// in this process, as a shell does for Ctrl-Z and fg.
func SignalCommands(sig syscall.Signal) {
	for _, r := range children.running() {
		r.signal(sig)
	}
}
