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
)

// program is a contender that is a process of its own.
type program struct {
	path  string
	args  []string
	input string // a file for its standard input; "" for none
}

// run runs p to its end, and returns what it printed and the wall time from before
// its start until it was reaped. Its whole process group ends with ctx, and the
// process itself with us.
func (p program) run(ctx context.Context) (stdout []byte, wall time.Duration, err error) {
	// The kernel's parent-death signal is tied to the thread that forked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if p.input != "" {
		f, err := os.Open(p.input)
		if err != nil {
			return nil, 0, err
		}
		defer f.Close()
		cmd.Stdin = f
	}
	begin := time.Now()
	err = cmd.Run()
	wall = time.Since(begin)
	if err != nil {
		said := oneLine(complaint.String())
		return nil, 0, fmt.Errorf("%s: %w: %s", p.path, err, said[max(0, len(said)-400):])
	}
	return out.Bytes(), wall, nil
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
