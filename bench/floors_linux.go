package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// trueProgram is the command that does nothing.
const trueProgram = "/bin/true"

// rest is the pause before each call where the other side is to be asleep: far
// longer than anybody polls before it sleeps.
const rest = 500 * time.Microsecond

// twoCPUs is the ready function of contenders that spin on both sides.
func twoCPUs(context.Context) (string, error) {
	if runtime.NumCPU() < 2 {
		return "", errors.New("both sides spin, and this process may use one CPU only")
	}
	return "", nil
}

// betweenThreads plays n balls between two threads of this process; the figure is
// the µs there and back.
func betweenThreads(n int64, park bool) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		page := make([]atomic.Uint32, pageSize/4)
		r := rallyOn(unsafe.Pointer(&page[0]))
		var other sync.WaitGroup
		other.Go(func() { r.answer(park, park) })
		elapsed, balls := r.serve(uint32(n), park)
		other.Wait()
		return outcome{N: int64(balls), Ns: elapsed.Nanoseconds()}.microseconds(), nil
	}
}

// betweenProcesses is betweenThreads with the other side in a process of its own.
func betweenProcesses(where placing, n int64, park bool) func(context.Context) (figure, error) {
	return withOther(where, roleOf(park), 0, func(m memory) (figure, error) {
		elapsed, balls := m.rally().serve(uint32(n), park)
		return outcome{N: int64(balls), Ns: elapsed.Nanoseconds()}.microseconds(), nil
	})
}

// restedProcesses is betweenProcesses through a futex, with a rest before each
// ball, so that the other side is asleep and its CPU idle; the median in µs.
func restedProcesses(where placing, n int64) func(context.Context) (figure, error) {
	return withOther(where, roleOf(true), 0, func(m memory) (figure, error) { return m.rally().rested(n, true) })
}

// restedWake is the way there alone: from before the other side is woken until it has
// said so in a word that this side polls.
func restedWake(where placing, n int64) func(context.Context) (figure, error) {
	return withOther(where, "futex-there", 0, func(m memory) (figure, error) { return m.rally().rested(n, false) })
}

func roleOf(park bool) string {
	if park {
		return "futex"
	}
	return "spin"
}

// memory is a page for a rally and what follows it, which two processes share.
type memory []byte

func (m memory) rally() rally { return rallyOn(unsafe.Pointer(&m[0])) }

// mapMemory maps all of a file.
func mapMemory(fd int) (memory, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("how large the shared memory is: %w", err)
	}
	m, err := unix.Mmap(fd, 0, int(st.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the shared memory: %w", err)
	}
	return m, nil
}

// withOther runs one side here, with a child in a role as the other side, and a page
// and more bytes of memory between them.
func withOther(where placing, role string, more int64, side func(memory) (figure, error)) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		fd, err := unix.MemfdCreate("tutti-bench", unix.MFD_CLOEXEC)
		if err != nil {
			return figure{}, err
		}
		file := os.NewFile(uintptr(fd), "memfd")
		defer file.Close()
		if err := file.Truncate(pageSize + more); err != nil {
			return figure{}, err
		}
		m, err := mapMemory(fd)
		if err != nil {
			return figure{}, err
		}
		defer unix.Munmap(m)
		other, err := startEcho(role, file)
		if err != nil {
			return figure{}, err
		}
		defer other.stop()
		if err := other.hello(); err != nil {
			return figure{}, err
		}
		restore, err := where.place(other)
		if err != nil {
			return figure{}, err
		}
		defer restore()
		return side(m)
	}
}

// pipeRoundTrip sends n bytes, one by one, to another process and back through two
// pipes, with blocking system calls on both sides.
func pipeRoundTrip(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		other, err := startEcho("pipe")
		if err != nil {
			return figure{}, err
		}
		defer other.stop()
		if err := other.hello(); err != nil {
			return figure{}, err
		}
		// Fd makes the files blocking, so that Go's poller stays out of it.
		ask, hear := int(other.ask.Fd()), int(other.hear.Fd())
		var b [1]byte
		exchange := func(n int64) error {
			for range n {
				if _, err := syscall.Write(ask, b[:]); err != nil {
					return err
				}
				if got, err := syscall.Read(hear, b[:]); err != nil || got != 1 {
					return fmt.Errorf("the echo ended: %w", err)
				}
			}
			return nil
		}
		if err := exchange(n / 10); err != nil {
			return figure{}, err
		}
		begin := time.Now()
		err = exchange(n)
		return outcome{N: n, Ns: time.Since(begin).Nanoseconds()}.microseconds(), err
	}
}

// startTwo starts two bare processes of this executable and waits until both have
// answered: what any pool of two workers pays at least. The figure is the median
// of n starts in ms.
func startTwo(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		return medianOf(n, time.Millisecond, func() (time.Duration, error) {
			var echoes [2]*echo
			begin := time.Now()
			for i := range echoes {
				var err error
				if echoes[i], err = startEcho("pipe"); err != nil {
					return 0, err
				}
				defer echoes[i].stop()
			}
			for _, e := range echoes {
				if err := e.hello(); err != nil {
					return 0, err
				}
			}
			return time.Since(begin), nil
		})
	}
}

// deathNotice is the median of the ms from SIGKILL of a small process until its
// pidfd tells: nobody knows for certain of a death sooner.
func deathNotice(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		return medianOf(n, time.Millisecond, func() (time.Duration, error) {
			e, err := startEcho("pipe")
			if err != nil {
				return 0, err
			}
			defer e.stop()
			if err := e.hello(); err != nil {
				return 0, err
			}
			pidfd, err := unix.PidfdOpen(e.cmd.Process.Pid, 0)
			if err != nil {
				return 0, err
			}
			defer unix.Close(pidfd)
			begin := time.Now()
			if err := unix.Kill(e.cmd.Process.Pid, unix.SIGKILL); err != nil {
				return 0, err
			}
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, -1)
			return time.Since(begin), err
		})
	}
}

// medianOf repeats once n times and returns the median in the unit given, with the
// worst as a note.
func medianOf(n int64, in time.Duration, once func() (time.Duration, error)) (figure, error) {
	taken := make([]float64, 0, n)
	for range n {
		d, err := once()
		if err != nil {
			return figure{}, err
		}
		taken = append(taken, float64(d)/float64(in))
	}
	s := summarize(taken)
	return figure{value: s.Median, note: fmt.Sprintf("worst of %d: %s", n, formatFigure(s.Max))}, nil
}

// bareLoop starts n commands in Go with nothing around vfork, exec and wait4, as
// many at a time as there are loops.
func bareLoop(n int64, loops int) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		var wg sync.WaitGroup
		errs := make([]error, loops)
		begin := time.Now()
		for i := range loops {
			wg.Go(func() {
				for number := int64(i); number < n && errs[i] == nil; number += int64(loops) {
					errs[i] = forkExecWait(number)
				}
			})
		}
		wg.Wait()
		return outcome{N: n, Ns: time.Since(begin).Nanoseconds()}.perSecond(), errors.Join(errs...)
	}
}

func forkExecWait(number int64) error {
	argv := []string{trueProgram, strconv.FormatInt(number, 10)}
	pid, err := syscall.ForkExec(trueProgram, argv, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		_, err = syscall.Wait4(pid, &status, 0, nil)
		if err != syscall.EINTR {
			break
		}
	}
	if err == nil && status != 0 {
		err = fmt.Errorf("%s ended with wait status %#x", trueProgram, status)
	}
	return err
}
