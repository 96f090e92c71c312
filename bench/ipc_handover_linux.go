package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tutti-run/tutti/ipc"
)

// handOver is the median of the µs from before a lock is given back until its next owner,
// who slept, has it and has said so in a counter that this side polls.
func handOver(n int64) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		return withIPC(aCPUEach, "ipc-next-owner", func(*ipc.Space) error { return nil }, func(s *ipc.Space, _ *echo) (figure, error) {
			m, asked, got, err := openHandOver(s)
			if err != nil {
				return figure{}, err
			}
			number := int64(0)
			return medianOf(n, time.Microsecond, func() (time.Duration, error) {
				if err := m.Lock(ctx); err != nil {
					return 0, err
				}
				asked.Add(1)
				number++
				time.Sleep(rest)
				if done := got.Load(); done != number-1 {
					return 0, fmt.Errorf("owner %d has the lock before it was given back", done)
				}
				begin := time.Now()
				err := m.Unlock()
				for got.Load() != number {
				}
				return time.Since(begin), err
			})
		})
	}
}

func openHandOver(s *ipc.Space) (m *ipc.Mutex, asked, got *ipc.Counter, err error) {
	m, err1 := s.Mutex("m")
	asked, err2 := s.Counter("asked")
	got, err3 := s.Counter("got")
	return m, asked, got, errors.Join(err1, err2, err3)
}

// takeOver takes the lock each time it is asked to, which is when somebody else has it.
func takeOver(s *ipc.Space) error {
	m, asked, got, err := openHandOver(s)
	for number := int64(1); err == nil; number++ {
		for asked.Load() != number {
		}
		if err = m.Lock(context.Background()); err == nil {
			got.Add(1)
			err = m.Unlock()
		}
	}
	return err
}
