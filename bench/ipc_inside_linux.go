package main

import (
	"context"
	"fmt"
	"sync"
	"time"

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
