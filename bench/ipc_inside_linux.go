package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/ipc"
)

// What is measured of package ipc within one process, and what it is compared with.

// perCall is the ns of a call of f in a loop within the process, the first tenth apart.
func perCall(n int64, f func() error) (figure, error) {
	for range n / 10 {
		if err := f(); err != nil {
			return figure{}, err
		}
	}
	begin := time.Now()
	for range n {
		if err := f(); err != nil {
			return figure{}, err
		}
	}
	return figure{value: float64(time.Since(begin).Nanoseconds()) / float64(n)}, nil
}

func inSpace(f func(*ipc.Space) (figure, error)) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		s, err := ipc.Anonymous(ipcSpaceBytes, ipc.Options{})
		if err != nil {
			return figure{}, err
		}
		defer s.Close()
		return f(s)
	}
}

func lockAlone(n int64) func(context.Context) (figure, error) {
	return inSpace(func(s *ipc.Space) (figure, error) {
		m, err := s.Mutex("m")
		if err != nil {
			return figure{}, err
		}
		ctx := context.Background()
		return perCall(n, func() error {
			if err := m.Lock(ctx); err != nil {
				return err
			}
			return m.Unlock()
		})
	})
}

func syncMutexAlone(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		var m sync.Mutex
		return perCall(n, func() error {
			m.Lock()
			//lint:ignore SA2001 that is what is measured
			m.Unlock()
			return nil
		})
	}
}

func varRead(n int64) func(context.Context) (figure, error) {
	return inSpace(func(s *ipc.Space) (figure, error) {
		v, err := ipc.OpenVar(s, "v", int64(1))
		if err != nil {
			return figure{}, err
		}
		sum := int64(0)
		begin := time.Now()
		for range n {
			x, err := v.Load()
			if err != nil {
				return figure{}, err
			}
			sum += x
		}
		took := time.Since(begin)
		if sum != n {
			return figure{}, fmt.Errorf("%d loads of 1 sum to %d", n, sum)
		}
		return figure{value: float64(took.Nanoseconds()) / float64(n)}, nil
	})
}

// goChannelRate is chanRate between two goroutines over a Go channel.
func goChannelRate(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		c := make(chan uint64, ipcRoom)
		begin := time.Now()
		go func() {
			for i := range uint64(n) {
				c <- i
			}
			close(c)
		}()
		sum := uint64(0)
		for v := range c {
			sum += v
		}
		o := outcome{N: n, Ns: time.Since(begin).Nanoseconds(), Sum: int64(sum)}
		return o.perSecond(), o.check(n, sumOfIDs(n))
	}
}

func readStream(s *ipc.Space) error {
	st, err := s.Stream("bytes", 4*ipcPiece)
	if err != nil {
		return err
	}
	r, err := st.Reader(context.Background())
	if err != nil {
		return err
	}
	into := make([]byte, ipcPiece)
	for {
		if _, err := io.ReadFull(r, into); err == io.EOF {
			over, err := s.Event("over")
			if err == nil {
				over.Set()
			}
			return err
		} else if err != nil {
			return err
		}
	}
}

// streamRate is how fast messages of 1 MiB go to the other process: written from the
// caller's memory, read into that of the other.
func streamRate(n int64) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		first := func(s *ipc.Space) error {
			_, err := s.Stream("bytes", 4*ipcPiece)
			return err
		}
		return withIPC("ipc-read", first, func(s *ipc.Space, _ *echo) (figure, error) {
			st, err := s.Stream("bytes", 0)
			if err != nil {
				return figure{}, err
			}
			w, err := st.Writer(ctx)
			if err != nil {
				return figure{}, err
			}
			over, err := s.Event("over")
			if err != nil {
				return figure{}, err
			}
			piece := writtenPiece()
			begin := time.Now()
			for range n {
				if _, err := w.Write(piece); err != nil {
					return figure{}, err
				}
			}
			err = errors.Join(w.End(), over.Wait(ctx))
			return figure{value: gibPerSecondOf(n*ipcPiece, time.Since(begin))}, err
		})
	}
}

// writtenPiece is memory of its own: what was never written to is one page of zeroes.
func writtenPiece() []byte {
	b := make([]byte, ipcPiece)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// copyRate is a bare copy of 1 MiB, over and over.
func copyRate(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		from, to := writtenPiece(), make([]byte, ipcPiece)
		copy(to, from) // touches both
		begin := time.Now()
		for range n {
			copy(to, from)
		}
		return figure{value: gibPerSecondOf(n*ipcPiece, time.Since(begin))}, nil
	}
}

// readPipe reads what comes behind the byte that it answers.
func readPipe() error {
	var b [1]byte
	if _, err := unix.Read(3, b[:]); err != nil {
		return err
	}
	if _, err := unix.Write(4, b[:]); err != nil {
		return err
	}
	into := make([]byte, ipcPiece)
	for {
		if n, err := unix.Read(3, into); n == 0 || err != nil && err != unix.EINTR {
			return err
		}
	}
}

// pipeRate is streamRate through a pipe, with blocking system calls; its end is the
// end of the process that reads.
func pipeRate(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		other, err := startEcho("pipe-read")
		if err != nil {
			return figure{}, err
		}
		defer other.stop()
		if err := other.hello(); err != nil {
			return figure{}, err
		}
		fd, piece := int(other.ask.Fd()), writtenPiece()
		begin := time.Now()
		for range n {
			for at := 0; at < ipcPiece; {
				got, err := unix.Write(fd, piece[at:])
				if err != nil && err != unix.EINTR {
					return figure{}, err
				}
				at += max(got, 0)
			}
		}
		if err := other.ask.Close(); err != nil {
			return figure{}, err
		}
		var b [1]byte
		if _, err := other.hear.Read(b[:]); err != io.EOF && !errors.Is(err, os.ErrClosed) {
			return figure{}, fmt.Errorf("the reader said more than its end: %w", err)
		}
		return figure{value: gibPerSecondOf(n*ipcPiece, time.Since(begin))}, nil
	}
}

func gibPerSecondOf(bytes int64, took time.Duration) float64 {
	return float64(bytes) / (1 << 30) / took.Seconds()
}
