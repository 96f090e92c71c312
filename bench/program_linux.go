package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// program is a contender that is a process of its own.
type program struct {
	path  string
	args  []string
	input string // a file for its standard input; "" for none
	dir   string // where it runs; "" for here
}

// spent is what a run took: wall time from before the start until the process was
// reaped, and the CPU time, in user space and in the kernel, of the process and of
// all below it that were waited for, as wait4 gives it. The reader of its output
// is not in it.
type spent struct{ wall, cpu time.Duration }

// plainShell is the shell of the tools that use one: what /bin/sh is costs all of
// them the same.
var plainShell = []string{"SHELL=/bin/sh", "PARALLEL_SHELL=/bin/sh"}

// prepare makes the process of p. Its whole process group ends with ctx, and the
// process itself with the thread that starts it.
func (p program) prepare(ctx context.Context) (cmd *exec.Cmd, release func(), err error) {
	cmd = exec.CommandContext(ctx, p.path, p.args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), plainShell...)
	if p.input == "" {
		return cmd, func() {}, nil
	}
	f, err := os.Open(p.input)
	if err != nil {
		return nil, nil, err
	}
	cmd.Stdin = f
	return cmd, func() { f.Close() }, nil
}

// run runs p to its end, and returns what it printed and what it took.
func (p program) run(ctx context.Context) (stdout []byte, took spent, err error) {
	// The kernel's parent-death signal is tied to the thread that forked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, release, err := p.prepare(ctx)
	if err != nil {
		return nil, spent{}, err
	}
	defer release()
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	begin := time.Now()
	err = cmd.Run()
	took.wall = time.Since(begin)
	if err != nil {
		return nil, spent{}, p.failure(err, &complaint)
	}
	took.cpu = cpuOf(cmd)
	return out.Bytes(), took, nil
}

// drain runs p to its end, gives take all that comes through a pipe from its
// standard output, and returns what it took. It reads by plain blocking system
// calls, so that the reader costs as little as one can.
func (p program) drain(ctx context.Context, take func([]byte)) (took spent, err error) {
	runtime.LockOSThread() // as in run
	defer runtime.UnlockOSThread()
	cmd, release, err := p.prepare(ctx)
	if err != nil {
		return spent{}, err
	}
	defer release()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return spent{}, err
	}
	defer unix.Close(ends[0])
	output := os.NewFile(uintptr(ends[1]), "output")
	var complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = output, &complaint
	begin := time.Now()
	err = cmd.Start()
	output.Close()
	if err != nil {
		return spent{}, err
	}
	readErr := readAll(ends[0], take)
	err = cmd.Wait()
	took = spent{wall: time.Since(begin), cpu: cpuOf(cmd)}
	if err != nil {
		return spent{}, p.failure(err, &complaint)
	}
	return took, readErr
}

// readAll gives take all that fd has until its end.
func readAll(fd int, take func([]byte)) error {
	buffer := make([]byte, 1<<18)
	for {
		n, err := unix.Read(fd, buffer)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("read", err)
		case n == 0:
			return nil
		default:
			take(buffer[:n])
		}
	}
}

func cpuOf(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// failure is err with the end of what the program complained of.
func (p program) failure(err error, complaint *bytes.Buffer) error {
	said := oneLine(complaint.String())
	return fmt.Errorf("%s: %w: %s", p.path, err, said[max(0, len(said)-400):])
}

// outcome runs p and reads the line of JSON it prints.
func (p program) outcome(ctx context.Context) (outcome, error) {
	out, _, err := p.run(ctx)
	if err != nil {
		return outcome{}, err
	}
	return parseOutcome(out)
}

// forks returns how many processes and threads this machine has ever started: the
// check that a tool really started its commands.
func forks() (int64, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	_, after, found := strings.Cut(string(data), "\nprocesses ")
	var n int64
	if _, err := fmt.Sscan(after, &n); err != nil || !found {
		return 0, fmt.Errorf("/proc/stat has no count of processes: %w", err)
	}
	return n, nil
}

// echo is this executable started again, answering on a pipe or in shared memory.
type echo struct {
	cmd  *exec.Cmd
	ask  *os.File // each byte written here
	hear *os.File // comes back here; nil for echoes in memory
}

// startEcho starts the child role; files follow the pipe's two ends, from
// descriptor 5 on. The caller's goroutine must stay alive as long as the echo.
func startEcho(role string, files ...*os.File) (*echo, error) {
	theirRead, ask, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirRead.Close()
	hear, theirWrite, err := os.Pipe()
	if err != nil {
		ask.Close()
		return nil, err
	}
	defer theirWrite.Close()
	e := &echo{cmd: exec.Command("/proc/self/exe", "-child", role), ask: ask, hear: hear}
	e.cmd.ExtraFiles = append([]*os.File{theirRead, theirWrite}, files...)
	e.cmd.Stderr = os.Stderr
	if err := e.cmd.Start(); err != nil {
		ask.Close()
		hear.Close()
		return nil, err
	}
	return e, nil
}

// hello waits until the child has answered one byte.
func (e *echo) hello() error {
	var b [1]byte
	if _, err := e.ask.Write(b[:]); err != nil {
		return err
	}
	_, err := io.ReadFull(e.hear, b[:])
	return err
}

// stop ends the child and reaps it.
func (e *echo) stop() {
	e.cmd.Process.Kill()
	e.ask.Close()
	e.hear.Close()
	e.cmd.Wait() // it was killed: the error says so and nothing else
}
