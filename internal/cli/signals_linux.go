package cli

import (
	"os"
	"os/signal"
	"syscall"
)

const errPipe = syscall.EPIPE

// watchSignals has signals end, pause and continue the run, and show what runs.
// What this program was started to ignore (nohup) stays ignored. The function
// returned ends the watch.
func (r *mapRun) watchSignals() func() {
	ch := make(chan os.Signal, 8)
	for _, s := range []os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGUSR1, syscall.SIGUSR2,
	} {
		if !signal.Ignored(s) {
			signal.Notify(ch, s)
		}
	}
	go func() {
		asked := 0
		for s := range ch {
			switch s {
			case syscall.SIGTSTP:
				// The workers hold their commands, each in a group of its own, that
				// the terminal's Ctrl-Z does not reach; then this process stops.
				r.control.pause(true)
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			case syscall.SIGCONT:
				r.control.pause(false)
			case syscall.SIGUSR1:
				r.list()
			case syscall.SIGUSR2:
				r.screen.hidden.Store(!r.screen.hidden.Load())
			case syscall.SIGHUP: // what runs may end
				r.ends(syscall.SIGHUP)
				r.stop(draining)
			default:
				asked++
				r.interrupted(s.(syscall.Signal), asked)
			}
		}
	}()
	return func() { signal.Stop(ch) }
}

// list says what runs, for SIGUSR1.
func (r *mapRun) list() {
	for _, line := range r.screen.view().Running(r.screen.state(true)) {
		complain("%s", line)
	}
}

// ends notes the signal that ends the run.
func (r *mapRun) ends(s syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason.signal == 0 {
		r.reason.signal = int(s)
	}
}

// interrupted ends the run because of signal number nth of its kind.
func (r *mapRun) interrupted(s syscall.Signal, nth int) {
	r.ends(s)
	switch nth {
	case 1:
		r.stop(ending)
	case 2:
		r.stop(killing)
	default:
		// The workers end their trees by themselves when this process is gone.
		os.Exit(128 + int(s))
	}
}
