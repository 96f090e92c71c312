package proc

import (
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// takeTerminal puts a process group in the foreground of a terminal. Who does that
// from the background is stopped by SIGTTOU, unless the signal is blocked.
func takeTerminal(fd, group int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, old unix.Sigset_t
	block.Val[0] = 1 << (unix.SIGTTOU - 1)
	if unix.PthreadSigmask(unix.SIG_BLOCK, &block, &old) != nil {
		return
	}
	_ = unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, group) // the terminal may be gone
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
}

// ShownElsewhere reports whether a program behind this one in a pipeline writes to
// the terminal tty: a pager or a filter. It is a child of one of this process's
// ancestors in the same group, reads a pipe and has the terminal as its standard
// output.
func ShownElsewhere(tty *os.File) bool {
	var terminal unix.Stat_t
	self, err := readStat(os.Getpid())
	if err != nil || unix.Fstat(int(tty.Fd()), &terminal) != nil {
		return false
	}
	k, err := newKin()
	if err != nil {
		return false
	}
	below := self.pid
	for above := self.ppid; above > 1; {
		pids, err := k.children(above)
		if err != nil {
			return false
		}
		for _, pid := range pids {
			if p, err := readStat(pid); pid != below && err == nil && p.pgrp == self.pgrp && filters(pid, terminal.Rdev) {
				return true
			}
		}
		p, err := readStat(above)
		if err != nil || p.session != self.session {
			return false
		}
		below, above = above, p.ppid
	}
	return false
}

// filters reports whether pid reads a pipe and writes to a terminal.
func filters(pid int, terminal uint64) bool {
	var in, out unix.Stat_t
	folder := "/proc/" + strconv.Itoa(pid) + "/fd/"
	return unix.Stat(folder+"0", &in) == nil && in.Mode&unix.S_IFMT == unix.S_IFIFO &&
		unix.Stat(folder+"1", &out) == nil && out.Mode&unix.S_IFMT == unix.S_IFCHR && out.Rdev == terminal
}
