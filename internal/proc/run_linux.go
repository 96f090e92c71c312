package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// run is one command on its way. One goroutine carries it; only signal may be
// called by others.
type run struct {
	command *Command
	mark    string
	child   *child
	group   *commandGroup // nil: no cgroup of its own
	oom     func() bool
	streams [2]stream // stdout, stderr
	group0  int       // process group that had the terminal before, 0: it has none
	input   int       // our end of the pipe to its standard input, -1: none or closed
	wake    *waker    // nil: ctx never ends

	// mu is held while the root's number must not become another process's.
	mu     sync.Mutex
	reaped bool
}

// stream is one captured stream of a command; fd is -1 after its end.
type stream struct {
	fd   int
	sink Sink
	wide bool // the pipe was enlarged
}

// pipeBytes is what a pipe holds at first, and widePipeBytes what one holds that
// was found full: fewer reads, and fewer waits of a command that writes much.
const (
	pipeBytes     = 64 << 10
	widePipeBytes = 256 << 10
)

// Run runs a command to its end and captures its output. When ctx is done it ends
// the whole tree, by c.Term and then SIGKILL, and returns when the tree is empty.
// When the command ends on its own, Run takes what is in the pipes and returns, even
// if a process in the background still holds them; those that are left are named in
// Strays and go on.
//
// Run expects that this process called BecomeSubreaper and starts processes with
// this package alone; otherwise it loses sight of orphans. It occupies a thread while
// it waits. It may be called from several goroutines.
func Run(ctx context.Context, c Command) Result {
	r := &run{command: &c, streams: [2]stream{{fd: -1}, {fd: -1}}, input: -1}
	res := Result{Start: time.Now()}
	if ctx.Err() != nil {
		res.Stopped, res.StartErr, res.Status.Exit = stopReason(ctx), context.Cause(ctx), -1
		return res
	}
	defer r.close()
	if err := r.start(ctx); err != nil {
		res.StartErr, res.Status.Exit = err, startExit(err)
		return res
	}
	defer children.leave(r)
	if c.Started != nil {
		c.Started(&Running{r.child.pid, r.signal})
	}
	t := r.newTree()
	defer t.close()
	if !r.follow(r.wake, &res) {
		res.Stopped = stopReason(ctx)
		r.stop(t)
	}
	r.drain()
	res.Runtime = time.Since(res.Start)
	res.Status = r.reap()
	if res.Stopped == "" {
		res.Strays = r.strays(t)
	} else {
		res.Strays = named(t.members)
	}
	res.Status.OOM = res.Stopped == "" && res.Status.Exit == 128+int(syscall.SIGKILL) && r.oom()
	return res
}

func stopReason(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "timeout"
	}
	return "cancelled"
}

// start makes the pipes and the cgroup and launches the command.
func (r *run) start(ctx context.Context) (err error) {
	c := r.command
	attr := &syscall.ProcAttr{Dir: c.Dir, Sys: &syscall.SysProcAttr{Setpgid: !c.SameGroup}}
	attr.Env, r.mark = markedEnv(c.Env)
	if c.Terminal != nil {
		attr.Sys.Foreground, attr.Sys.Ctty = true, int(c.Terminal.Fd())
		r.group0, err = unix.IoctlGetInt(attr.Sys.Ctty, unix.TIOCGPGRP)
		if err != nil {
			return fmt.Errorf("the terminal: %w", err)
		}
	}
	r.oom = OOMKills()
	if c.Cgroup != "" {
		if r.group, err = newCommandGroup(c.Cgroup); err != nil {
			return err
		}
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, r.group.fd
		if r.group.oom.file != nil {
			r.oom = r.group.oom.watch()
		}
	}
	if ctx.Done() != nil {
		if r.wake, err = newWaker(ctx); err != nil {
			return err
		}
	}
	files := [3]uintptr{}
	for i, f := range [3]*os.File{c.Stdin, c.Stdout, c.Stderr} {
		end := -1
		switch {
		case i == 0 && f == nil && c.Input != nil:
			end, err = r.feed()
		case i > 0 && r.sink(i-1) != nil:
			end, err = r.capture(i - 1)
		default:
			files[i], err = descriptor(f)
		}
		if err != nil {
			return err
		}
		if end >= 0 {
			defer unix.Close(end)
			files[i] = uintptr(end)
		}
	}
	attr.Files = placed(files[:], c.Handed)
	err = r.launch(attr)
	runtime.KeepAlive(c)
	return err
}

func (r *run) sink(i int) Sink { return [2]Sink{r.command.Out, r.command.Err}[i] }

// capture makes the pipe of a stream and returns the command's end of it.
func (r *run) capture(i int) (end int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, os.NewSyscallError("pipe2", err)
	}
	r.streams[i] = stream{fd: p[0], sink: r.sink(i)}
	return p[1], nil
}

// feed makes the pipe of the standard input and returns the command's end of it.
func (r *run) feed() (end int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, os.NewSyscallError("pipe2", err)
	}
	r.input = p[1]
	if err := unix.SetNonblock(p[1], true); err != nil {
		_ = unix.Close(p[0])
		return -1, os.NewSyscallError("fcntl", err)
	}
	return p[0], nil
}

func (r *run) closeInput() {
	if r.input >= 0 {
		_ = unix.Close(r.input)
		r.input = -1
	}
}

// close releases all that start made.
func (r *run) close() {
	for i := range r.streams {
		r.streams[i].close()
	}
	r.closeInput()
	if r.group0 > 0 {
		takeTerminal(int(r.command.Terminal.Fd()), r.group0)
	}
	if r.wake != nil {
		r.wake.close()
	}
	if r.child != nil {
		_ = unix.Close(r.child.pidfd)
	}
	if r.group != nil {
		r.group.close()
	}
}

// Places in the poll set.
const (
	pollOut = iota
	pollErr
	pollRoot
	pollWake
	pollIn
	pollCount
)

// pollSet is what the command is watched by. Unused places are -1, which poll
// skips.
func (r *run) pollSet() [pollCount]unix.PollFd {
	fds := [pollCount]unix.PollFd{
		pollRoot: {Fd: int32(r.child.pidfd), Events: unix.POLLIN},
		pollWake: {Fd: -1, Events: unix.POLLIN},
		pollIn:   {Fd: int32(r.input), Events: unix.POLLOUT},
	}
	for i := range r.streams {
		fds[i] = unix.PollFd{Fd: int32(r.streams[i].fd), Events: unix.POLLIN}
	}
	return fds
}

// follow reads the streams until the command has ended (true) or wake, unless nil,
// rings. res is told of a fault of the input.
func (r *run) follow(wake *waker, res *Result) (ended bool) {
	brief := children.alone() && r.input < 0
	for {
		fds := r.pollSet()
		if wake != nil {
			fds[pollWake].Fd = int32(wake.fd)
		}
		if !brief || pollBriefly(fds[:]) == 0 {
			if _, err := pollRetry(fds[:], -1); err != nil {
				panic("proc: " + os.NewSyscallError("poll", err).Error())
			}
		}
		brief = false
		if fds[pollRoot].Revents != 0 {
			return true
		}
		r.take(fds[:pollRoot])
		if fds[pollIn].Revents != 0 {
			r.give(res)
		}
		if fds[pollWake].Revents != 0 {
			return false
		}
	}
}

// briefly is how long a command may run that is waited for with the scheduler's
// leave: in a system call that it is told of, it would look every 20 µs whether
// the call still lasts, and that costs a tenth of what /bin/true takes. Other
// goroutines of a process with one P wait for as long, so only the one command
// of a process is treated so.
var briefly = unix.Timespec{Nsec: 3_000_000}

// pollBriefly returns how many descriptors are ready, 0 when none was in time.
func pollBriefly(fds []unix.PollFd) int {
	ts := briefly
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// take reads once from each stream that has something. The descriptors block, but a
// read that poll announced does not: we are the only reader.
func (r *run) take(fds []unix.PollFd) {
	for i, fd := range fds {
		switch {
		case fd.Revents&unix.POLLIN != 0:
			r.streams[i].read(math.MaxInt)
		case fd.Revents != 0: // closed by its last writer, and empty
			r.streams[i].close()
		}
	}
}

// drain takes what is in the pipes now. A process in the background may hold them
// open, so it does not wait for their end; and it may go on writing, so what is
// there is counted once.
func (r *run) drain() {
	for i := range r.streams {
		s := &r.streams[i]
		if s.fd < 0 {
			continue
		}
		left, err := unix.IoctlGetInt(s.fd, unix.TIOCINQ)
		for err == nil && left > 0 && s.fd >= 0 {
			left -= s.read(left)
		}
	}
}

// give feeds the standard input, and closes it at its end.
func (r *run) give(res *Result) {
	switch err := r.command.Input.Feed(r.input); err {
	case nil:
		return
	case io.EOF, unix.EPIPE:
	default:
		res.InputErr = err
	}
	r.closeInput()
}

// read takes what one read gives, most at most, which ends the stream when it is
// nothing.
func (s *stream) read(most int) int {
	for {
		buf := s.sink.Room()
		n, err := unix.Read(s.fd, buf[:min(len(buf), most)])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			s.close()
			return 0
		}
		s.sink.Took(n)
		if n >= pipeBytes && !s.wide {
			s.wide = true // refused where pipes take too much memory already
			_, _ = unix.FcntlInt(uintptr(s.fd), unix.F_SETPIPE_SZ, widePipeBytes)
		}
		return n
	}
}

func (s *stream) close() {
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
		s.fd = -1
	}
}

// reap takes the status of the command, which has ended.
func (r *run) reap() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reaped = true
	return r.child.reap()
}

// signal is SignalCommands for one command.
func (r *run) signal(sig syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reaped {
		return
	}
	t := r.newTree()
	defer t.close()
	_ = t.signal(sig)
}

// newTree is the command's tree. An orphan without a tie is the command's if no
// other runs.
func (r *run) newTree() *tree {
	t := newTree(r.child.pid)
	t.marks[r.mark] = struct{}{}
	t.groups[r.child.pid] = struct{}{}
	t.claims = func(p procStat, marked bool) bool { return !marked && children.unclaimed(r, p) }
	return t
}

// strays lists what is left of the tree after the command was reaped, and notes it
// as left alone.
func (r *run) strays(t *tree) []Stray {
	if !hasChildren() {
		return nil
	}
	t.root = 0
	// A tree that cannot be listed is not a failure of the command.
	if fresh, _ := t.scan(func(*member) {}); fresh == 0 {
		return nil
	}
	children.keep(t.members)
	return named(t.members)
}

func named(members []*member) []Stray {
	var strays []Stray
	for _, m := range members {
		strays = append(strays, Stray{PID: m.pid, Comm: m.comm})
	}
	return strays
}

// waker makes a descriptor readable when a context is done.
type waker struct {
	mu   sync.Mutex
	fd   int
	stop func() bool
}

// silent are the descriptors of wakers that never rang, for the next ones.
var silent = make(chan int, 16)

func newWaker(ctx context.Context) (*waker, error) {
	var fd int
	select {
	case fd = <-silent:
	default:
		var err error
		if fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
			return nil, os.NewSyscallError("eventfd", err)
		}
	}
	w := &waker{fd: fd}
	w.stop = context.AfterFunc(ctx, w.ring)
	return w, nil
}

// ring holds the lock, or it might write to whoever got the number after close.
func (w *waker) ring() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd >= 0 {
		_, _ = unix.Write(w.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

func (w *waker) close() {
	kept := w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	fd := w.fd
	w.fd = -1
	if kept {
		select {
		case silent <- fd:
			return
		default:
		}
	}
	_ = unix.Close(fd)
}
