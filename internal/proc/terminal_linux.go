package proc

import (
	"runtime"

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
