package cli

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/spool"
)

const errPipe = syscall.EPIPE

// watchSignals has signals end, pause and continue the run, and show what runs.
// What this program was started to ignore (nohup) stays ignored. The function
// returned ends the watch.
func (r *mapRun) watchSignals() func() {
	ch := make(chan os.Signal, 8)
	for _, s := range []os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGUSR1, syscall.SIGUSR2,
	} {
		if !ignored(s) {
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
				r.screen.leave()
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			case syscall.SIGCONT:
				r.control.pause(false)
				r.screen.back()
			case syscall.SIGUSR1:
				go r.list()
			case syscall.SIGUSR2:
				r.screen.hidden.Store(!r.screen.hidden.Load())
			case syscall.SIGHUP: // what runs may end
				r.ends(syscall.SIGHUP)
				r.stop(draining)
				r.waits("SIGHUP")
			default:
				if asked++; s == syscall.SIGQUIT {
					asked = max(asked, 2) // it kills at once
				}
				r.interrupted(s.(syscall.Signal), asked)
			}
		}
	}()
	return func() { signal.Stop(ch) }
}

// ignored reports whether this process was started to ignore a signal. Go's runtime
// keeps that of SIGINT and SIGHUP alone and takes SIGQUIT for itself before anybody
// can look. Shells have both keys ignored, or none, in what a script starts in the
// background: so SIGINT tells of SIGQUIT.
func ignored(s os.Signal) bool {
	if s == syscall.SIGQUIT {
		s = syscall.SIGINT
	}
	return signal.Ignored(s)
}

// quitEarly has SIGQUIT end this process before there is a run that it could end,
// where Go would print all stacks. The function returned ends that.
func quitEarly() func() {
	if ignored(syscall.SIGQUIT) {
		signal.Ignore(syscall.SIGQUIT)
		return func() {}
	}
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGQUIT)
	go func() {
		if s, ok := <-ch; ok {
			os.Exit(128 + int(s.(syscall.Signal)))
		}
	}()
	return func() {
		signal.Stop(ch)
		close(ch)
	}
}

// list says what runs, for SIGUSR1.
func (r *mapRun) list() {
	for _, line := range r.screen.view().Running(r.screen.state(true)) {
		r.screen.say("%s", line)
	}
}

// waits says, where jobs still run and are not ended, that nothing more is started
// because of why.
func (r *mapRun) waits(why string) {
	if r.control.now() != draining {
		return
	}
	running := 0
	r.store.Views(func(spool.View) { running++ })
	if running > 0 {
		r.screen.say("%s: nothing more is started; jobs that run and are waited for: %d; SIGTERM ends them", why, running)
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

// cuts notes what ends the jobs that run.
func (r *mapRun) cuts(by string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason.cutBy == "" {
		r.reason.cutBy = by
	}
}

// interrupted ends the run because of signal number nth of its kind.
func (r *mapRun) interrupted(s syscall.Signal, nth int) {
	if s == syscall.SIGINT || s == syscall.SIGQUIT {
		r.screen.pressed()
	}
	r.ends(s)
	r.cuts(unix.SignalName(s))
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
