package engine

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// tracer is a thread of this process that traces: the kernel takes each request
// only from the thread that attached.
type tracer struct {
	ask chan func()
}

func newTracer() *tracer {
	tr := &tracer{ask: make(chan func())}
	go func() {
		runtime.LockOSThread() // ends with the goroutine, and lets go of what it traces
		for f := range tr.ask {
			f()
		}
	}()
	return tr
}

// do has the tracing thread call f and returns when it has.
func (tr *tracer) do(f func()) {
	done := make(chan struct{})
	tr.ask <- func() { defer close(done); f() }
	<-done
}

func (tr *tracer) end() { close(tr.ask) }

// seize attaches to a thread without stopping it. Where that is forbidden the test
// is skipped.
func (tr *tracer) seize(tb testing.TB, tid, options int) {
	tb.Helper()
	var err unix.Errno
	tr.do(func() {
		_, _, err = unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(tid), 0, uintptr(options), 0, 0)
	})
	if err == unix.EPERM || err == unix.ENOSYS || err == unix.EACCES {
		tr.end()
		tb.Skipf("ptrace is refused here: %v", err)
	}
	if err != 0 {
		tb.Fatalf("ptrace seize %d: %v", tid, err)
	}
}

// wait returns the next stop or end of a traced thread.
func (tr *tracer) wait(tid int) (status unix.WaitStatus, err error) {
	for {
		_, err = unix.Wait4(tid, &status, unix.WALL, nil)
		if err != unix.EINTR {
			return status, err
		}
	}
}

// holdExit has one thread of a process stop at its exit, so that the process dies
// and is not gone until the function that is returned is called. lifeline is the
// word that holds the thread that is not to be stopped.
func holdExit(tb testing.TB, pid int, lifeline uint32) (release func()) {
	tb.Helper()
	const tidMask = 1<<30 - 1
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		tb.Fatal(err)
	}
	tid := 0
	for _, task := range tasks {
		if n, _ := strconv.Atoi(task.Name()); n != pid && n != int(lifeline&tidMask) {
			tid = n
		}
	}
	tr := newTracer()
	tr.seize(tb, tid, unix.PTRACE_O_TRACEEXIT)
	return func() {
		tr.do(func() {
			for {
				status, err := tr.wait(tid)
				if err != nil || !status.Stopped() {
					return
				}
				_ = unix.PtraceCont(tid, 0)
			}
		})
		tr.end()
	}
}
