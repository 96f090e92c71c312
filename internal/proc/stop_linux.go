package proc

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stop asks the tree to end, step by step, and then kills what is left. The output
// of these last moments is captured too.
func (r *run) stop(t *tree) {
	quiet := false
	for _, step := range r.command.Term {
		if step.Signal == syscall.SIGKILL {
			break
		}
		// A tree that cannot be listed is met again by kill.
		_ = t.signal(step.Signal)
		if quiet = r.awaitQuiet(t, step); quiet {
			break
		}
	}
	if !quiet {
		if r.group != nil {
			r.group.kill()
		}
		_ = t.kill(func(*member) {}) // what may not be killed remains in t
	}
	// A command that may not be killed (sudo) is waited for: it still runs, and to
	// say otherwise would let it be started a second time.
	r.closeInput()
	r.follow(nil, nil)
}

// awaitQuiet reads the streams until nothing of the tree is alive (true) or the step's
// time is over.
func (r *run) awaitQuiet(t *tree, step TermStep) bool {
	deadline := time.Now().Add(step.Wait)
	for {
		set := r.pollSet()
		fds := set[:pollWake]
		rootEnded := ended(r.child.pidfd, 0)
		if rootEnded {
			// The root says no more; now the rest of the tree is worth watching.
			fds[pollRoot].Fd = -1
			if _, err := t.scan(func(*member) {}); err != nil {
				return false
			}
			if len(t.members) == 0 {
				return true
			}
			t.tellOrphans(step.Signal)
			for _, m := range t.members {
				fds = append(fds, unix.PollFd{Fd: int32(m.pidfd), Events: unix.POLLIN})
			}
		}
		for changed := false; !changed; {
			left := time.Until(deadline)
			if left <= 0 {
				return false
			}
			// Rounded up: a wait of 0 ms would spin through the last millisecond.
			n, err := pollRetry(fds, int((left+time.Millisecond-1)/time.Millisecond))
			if err != nil || n == 0 {
				return false
			}
			r.take(fds[:pollRoot])
			for i := range r.streams {
				fds[i].Fd = int32(r.streams[i].fd)
			}
			for _, fd := range fds[pollRoot:] {
				changed = changed || fd.Fd >= 0 && fd.Revents != 0
			}
		}
	}
}
