package proc

import (
	"fmt"
	"syscall"
)

// Status tells how a process ended.
type Status struct {
	// Exit is the exit code; after a death by signal it is 128 plus the signal's
	// number, as shells count. 126 and 127 mean that the command could not be
	// started when StartErr of its Result is set. It is -1 when there is no status:
	// nothing was started because ctx was done, or other code of this process waits
	// for any child and took it.
	Exit int
	// Signal is what killed the process, or 0.
	Signal syscall.Signal
	// CoreDumped tells that the kernel wrote a core file.
	CoreDumped bool
	// OOM tells that the process died of SIGKILL (itself, or as a shell reports it
	// of its child) which this process did not send, while the kernel's
	// out-of-memory killer struck in its cgroup. The kernel names no victim, so a
	// kill of a neighbour in the same cgroup at the same time looks alike.
	OOM bool
	// Rusage is what the process and the descendants that it waited for used.
	Rusage syscall.Rusage
}

// String tells how the process ended in a few words.
func (s Status) String() string {
	if s.OOM {
		return "killed: out of memory"
	}
	if s.Exit < 0 {
		return "no status"
	}
	if s.Signal == 0 {
		return fmt.Sprintf("exit status %d", s.Exit)
	}
	text := fmt.Sprintf("signal %d (%s)", int(s.Signal), s.Signal)
	if s.CoreDumped {
		text += ", core dumped"
	}
	return text
}
