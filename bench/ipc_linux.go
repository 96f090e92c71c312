package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/ipc"
)

// Measurements of package ipc. Two processes are this one and a child, on a CPU each
// where nothing else is said.

// words64 is a message of 64 bytes.
type words64 [8]uint64

const (
	ipcSpaceBytes = 16 << 20
	ipcRoom       = 1024    // messages that a channel has room for
	ipcPiece      = 1 << 20 // bytes of a stream's message
	ipcBatch      = 64
)

func init() {
	children["ipc-echo"] = func() error { return answerIPC(echoParked) }
	children["ipc-echo-polling"] = func() error { return answerIPC(echoPolling) }
	children["ipc-receive"] = func() error { return answerIPC(func(s *ipc.Space) error { return receiveAll(s, 1) }) }
	children["ipc-receive-batch"] = func() error { return answerIPC(func(s *ipc.Space) error { return receiveAll(s, ipcBatch) }) }
	children["ipc-receive-many"] = func() error { return answerIPC(receiveMany) }
	children["ipc-next-owner"] = func() error { return answerIPC(takeOver) }
	children["ipc-read"] = func() error { return answerIPC(readStream) }
	children["ipc-hold"] = func() error { return answerIPC(holdMutex) }
	children["ring-read"] = func() error { return answerMemory(readRing) }
	children["pipe-read"] = readPipe
}

// withIPC calls f with a space that a child in that role has open too. first prepares
// the space before the child comes.
func withIPC(where placing, role string, first func(*ipc.Space) error, f func(*ipc.Space, *echo) (figure, error)) (figure, error) {
	s, err := ipc.Anonymous(ipcSpaceBytes, ipc.Options{})
	if err != nil {
		return figure{}, err
	}
	defer s.Close()
	if err := first(s); err != nil {
		return figure{}, err
	}
	fd, err := unix.FcntlInt(uintptr(s.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return figure{}, err
	}
	memory := os.NewFile(uintptr(fd), "space")
	defer memory.Close()
	other, err := startEcho(role, memory)
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
	return f(s, other)
}

// answerIPC plays a role in the space behind descriptor 5, and answers the pipe once
// the space is open. The process ends with the pipe.
func answerIPC(role func(*ipc.Space) error) error {
	s, err := ipc.Attach(5, ipc.Options{})
	if err != nil {
		return err
	}
	go func() {
		if err := answerPipe(); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}()
	if err := role(s); err != nil {
		return err
	}
	select {}
}

func openBoth(s *ipc.Space) (there, back *ipc.Chan[words64], err error) {
	if there, err = ipc.OpenChan[words64](s, "there", ipcRoom); err == nil {
		back, err = ipc.OpenChan[words64](s, "back", ipcRoom)
	}
	return there, back, err
}

func makeBoth(s *ipc.Space) error {
	_, _, err := openBoth(s)
	return err
}

// receive waits for a message, polling if it is to.
func receive(ctx context.Context, c *ipc.Chan[words64], polling bool) (words64, error) {
	for {
		var v words64
		var ok bool
		var err error
		if polling {
			v, ok, _, err = c.TryReceive()
		} else if v, ok, err = c.Receive(ctx); !ok && err == nil {
			err = io.EOF
		}
		if ok || err != nil {
			return v, err
		}
	}
}

func echoParked(s *ipc.Space) error  { return echoMessages(s, false) }
func echoPolling(s *ipc.Space) error { return echoMessages(s, true) }

func echoMessages(s *ipc.Space, polling bool) error {
	there, back, err := openBoth(s)
	for ctx := context.Background(); err == nil; {
		var v words64
		if v, err = receive(ctx, there, polling); err == nil {
			err = back.Send(ctx, v)
		}
	}
	return err
}

func exchange(ctx context.Context, there, back *ipc.Chan[words64], polling bool, n uint64) error {
	if err := there.Send(ctx, words64{n}); err != nil {
		return err
	}
	v, err := receive(ctx, back, polling)
	if err == nil && v[0] != n {
		err = fmt.Errorf("message %d came back as %d", n, v[0])
	}
	return err
}

// messagePolling is the µs of 64 bytes there and back, with both sides polling.
func messagePolling(n int64) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		return withIPC(aCPUEach, "ipc-echo-polling", makeBoth, func(s *ipc.Space, _ *echo) (figure, error) {
			there, back, err := openBoth(s)
			begin := time.Now()
			for i := -n / 10; i < n && err == nil; i++ {
				if i == 0 {
					begin = time.Now()
				}
				err = exchange(ctx, there, back, true, uint64(i+n))
			}
			return outcome{N: n, Ns: time.Since(begin).Nanoseconds()}.microseconds(), err
		})
	}
}

// messageParked is the µs of 64 bytes there and back after a rest.
func messageParked(n int64) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		return withIPC(aCPUEach, "ipc-echo", makeBoth, func(s *ipc.Space, _ *echo) (figure, error) {
			there, back, err := openBoth(s)
			if err != nil {
				return figure{}, err
			}
			number := uint64(0)
			return medianOf(n, time.Microsecond, func() (time.Duration, error) {
				time.Sleep(rest)
				number++
				begin := time.Now()
				err := exchange(ctx, there, back, false, number)
				return time.Since(begin), err
			})
		})
	}
}

func openNumbers(s *ipc.Space) (*ipc.Chan[uint64], error) {
	return ipc.OpenChan[uint64](s, "numbers", ipcRoom)
}

func makeNumbers(s *ipc.Space) error {
	_, err := openNumbers(s)
	return err
}

func receiveAll(s *ipc.Space, batch int) error {
	c, err := openNumbers(s)
	if err != nil {
		return err
	}
	sum, err := ipc.OpenVar(s, "sum", uint64(0))
	if err != nil {
		return err
	}
	into, total := make([]uint64, batch), uint64(0)
	for ctx := context.Background(); ; {
		n, ok := 1, false
		if batch == 1 {
			into[0], ok, err = c.Receive(ctx)
		} else {
			n, ok, err = c.ReceiveMany(ctx, into)
		}
		if err != nil {
			return err
		}
		if !ok {
			return sum.Store(total)
		}
		for _, v := range into[:n] {
			total += v
		}
	}
}

// chanRate is how many numbers a second go to the other process. The sum of what came
// must be right.
func chanRate(n int64, batch int) func(context.Context) (figure, error) {
	role := "ipc-receive"
	if batch > 1 {
		role = "ipc-receive-batch"
	}
	return func(ctx context.Context) (figure, error) {
		return withIPC(aCPUEach, role, makeNumbers, func(s *ipc.Space, _ *echo) (figure, error) {
			c, err := openNumbers(s)
			if err != nil {
				return figure{}, err
			}
			sum, err := ipc.OpenVar(s, "sum", uint64(0))
			if err != nil {
				return figure{}, err
			}
			begin := time.Now()
			if err := sendNumbers(ctx, c, n, batch); err != nil {
				return figure{}, err
			}
			if err := errors.Join(c.Close(), sum.Wait(ctx, 0)); err != nil {
				return figure{}, err
			}
			took := time.Since(begin)
			got, err := sum.Load()
			o := outcome{N: n, Ns: took.Nanoseconds(), Sum: int64(got)}
			return o.perSecond(), errors.Join(err, o.check(n, sumOfIDs(n)))
		})
	}
}

func sendNumbers(ctx context.Context, c *ipc.Chan[uint64], n int64, batch int) error {
	if batch == 1 {
		for i := range uint64(n) {
			if err := c.Send(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	vs := make([]uint64, 0, batch)
	for i := uint64(0); i < uint64(n); {
		for vs = vs[:0]; len(vs) < batch && i < uint64(n); i++ {
			vs = append(vs, i)
		}
		if _, err := c.SendMany(ctx, vs); err != nil {
			return err
		}
	}
	return nil
}

func holdMutex(s *ipc.Space) error {
	m, err := s.Mutex("m")
	if err != nil {
		return err
	}
	if err := m.Lock(context.Background()); err != nil && !errors.Is(err, ipc.ErrOwnerDied) {
		return err
	}
	held, err := s.Event("held")
	if err == nil {
		held.Set()
	}
	return err
}

// ownerDeath is the median of the ms from SIGKILL of a lock's owner until the next has
// it, who sleeps meanwhile.
func ownerDeath(n int64) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		return medianOf(n, time.Millisecond, func() (took time.Duration, err error) {
			nothing := func(*ipc.Space) error { return nil }
			_, err = withIPC(aCPUEach, "ipc-hold", nothing, func(s *ipc.Space, other *echo) (figure, error) {
				m, err := s.Mutex("m")
				if err != nil {
					return figure{}, err
				}
				held, err := s.Event("held")
				if err == nil {
					err = held.Wait(ctx)
				}
				if err != nil {
					return figure{}, err
				}
				begins := make(chan time.Time, 1)
				go func() {
					time.Sleep(rest) // until the lock's next owner is asleep
					begins <- time.Now()
					_ = unix.Kill(other.cmd.Process.Pid, unix.SIGKILL)
				}()
				err = m.Lock(ctx)
				took = time.Since(<-begins)
				if !errors.Is(err, ipc.ErrOwnerDied) {
					return figure{}, fmt.Errorf("the next owner was told %v", err)
				}
				return figure{}, nil
			})
			return took, err
		})
	}
}
