package proc

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a worker process that Start began. Its methods may be called from
// many goroutines at once. Wait must be called, or the process stays a zombie.
type Process struct {
	child  *child
	pidfd  *os.File
	kills  uint64      // what the kernel had counted of out-of-memory kills at its start
	killed atomic.Bool // we sent SIGKILL ourselves

	once   sync.Once
	status Status
}

// Start begins a process in a process group of its own, unless s.SameGroup. The error wraps the
// system's, ErrEnding, or errors.ErrUnsupported.
func Start(s Spec) (*Process, error) {
	kills := workerKills.count()
	p, err := launchWorker(s)
	if err == nil {
		p.kills = kills
	}
	return p, err
}

// launchWorker is Start, before which nothing was counted.
func launchWorker(s Spec) (*Process, error) {
	attr := &syscall.ProcAttr{Dir: s.Dir, Env: s.Env, Sys: &syscall.SysProcAttr{Setpgid: !s.SameGroup}}
	if attr.Env == nil {
		attr.Env = os.Environ()
	}
	for _, f := range []*os.File{s.Stdin, s.Stdout, s.Stderr} {
		fd, err := descriptor(f)
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", s.Path, err)
		}
		attr.Files = append(attr.Files, fd)
	}
	for _, f := range s.Extra {
		attr.Files = append(attr.Files, f.Fd())
	}
	name := s.Name
	if name == "" {
		name = s.Path
	}
	p := &Process{}
	var err error
	p.child, err = children.launch(s.Path, append([]string{name}, s.Args...), attr, nil)
	runtime.KeepAlive(s)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Path, err)
	}
	// Non-blocking is what makes os.NewFile hand the descriptor to the netpoller.
	if err := unix.SetNonblock(p.child.pidfd, true); err != nil {
		return nil, p.abandon(fmt.Errorf("watch process %d: %w", p.child.pid, err))
	}
	p.pidfd = os.NewFile(uintptr(p.child.pidfd), "pidfd:"+strconv.Itoa(p.child.pid))
	if s.OOMScoreAdj != 0 {
		path := "/proc/" + strconv.Itoa(p.child.pid) + "/oom_score_adj"
		if err := os.WriteFile(path, []byte(strconv.Itoa(s.OOMScoreAdj)), 0); err != nil && !ended(p.child.pidfd, 0) {
			return nil, p.abandon(fmt.Errorf("start %s: %w", s.Path, err))
		}
	}
	return p, nil
}

// abandon ends a process that was started and cannot be handed out.
func (p *Process) abandon(err error) error {
	_ = unix.PidfdSendSignal(p.child.pidfd, unix.SIGKILL, nil, 0)
	ended(p.child.pidfd, -1)
	p.child.reap()
	if p.pidfd == nil {
		return errors.Join(err, unix.Close(p.child.pidfd))
	}
	return errors.Join(err, p.pidfd.Close())
}

// PID is the process number. After Wait has returned it may name another process.
func (p *Process) PID() int { return p.child.pid }

// Signal sends sig to this process and never to another that got its number. After
// its end was seen by Wait the error is os.ErrProcessDone; to a process that is
// dead and not yet waited for a signal goes without error and effect.
func (p *Process) Signal(sig syscall.Signal) error {
	if sig == syscall.SIGKILL {
		p.killed.Store(true)
	}
	return p.send(sig)
}

// Finish sends SIGKILL to a process that is dying already, to be sure of its end:
// it is not taken for what killed it.
func (p *Process) Finish() error { return p.send(syscall.SIGKILL) }

func (p *Process) send(sig syscall.Signal) error {
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return os.ErrProcessDone
	}
	var sent error
	err = conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
	if err != nil || errors.Is(sent, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("pidfd_send_signal", sent)
}

// Wait blocks until the process has ended, reaps it and tells how it ended. No
// thread is held meanwhile. Every call gives the same answer.
func (p *Process) Wait() Status {
	p.once.Do(func() {
		if !p.parked() {
			ended(p.child.pidfd, -1)
		}
		p.status = p.child.reap()
		suspect := p.status.Exit == 128+int(syscall.SIGKILL) && !p.killed.Load()
		p.status.OOM = workerKills.death(time.Now(), p.kills, suspect)
		_ = p.pidfd.Close()
	})
	return p.status
}

// parked waits in Go's netpoller. It is false where the netpoller refuses the
// descriptor.
func (p *Process) parked() bool {
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return false
	}
	return conn.Read(func(fd uintptr) bool { return ended(int(fd), 0) }) == nil
}

// CloseOnExecFrom marks every descriptor from fd up to be closed by exec, so that
// programs started from here inherit none of them.
func CloseOnExecFrom(fd int) error {
	err := unix.CloseRange(uint(fd), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	if err := closeOnExecListed(fd); err != nil {
		return fmt.Errorf("mark descriptors close-on-exec: %w", err)
	}
	return nil
}

// closeOnExecListed does it one by one, for kernels before 5.11 and for sandboxes
// that refuse close_range.
func closeOnExecListed(from int) error {
	numbers, err := listed()
	if err != nil {
		return err
	}
	for _, fd := range numbers {
		if fd >= from {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
