package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tutti-run/tutti/ipc"
)

// ipcMany is how many goroutines send, and how many receive.
const ipcMany = 4

// eachOf runs f in that many goroutines, and gives each its number.
func eachOf(n int, f func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// shareOf is what the ith of the senders sends of the numbers up to n: each ipcManyth.
func shareOf(n int64, i int, send func(uint64) error) error {
	for v := uint64(i); v < uint64(n); v += ipcMany {
		if err := send(v); err != nil {
			return err
		}
	}
	return nil
}

// manyRate is chanRate from several goroutines of this process to as many of another.
// Each process may use all CPUs, as programs do.
func manyRate(n int64) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		return withIPC(anywhere, "ipc-receive-many", makeNumbers, func(s *ipc.Space, _ *echo) (figure, error) {
			sum, err := ipc.OpenVar(s, "sum", uint64(0))
			if err != nil {
				return figure{}, err
			}
			begin := time.Now()
			err = eachOf(ipcMany, func(i int) error {
				c, err := openNumbers(s)
				if err != nil {
					return err
				}
				return shareOf(n, i, func(v uint64) error { return c.Send(ctx, v) })
			})
			c, err2 := openNumbers(s)
			if err := errors.Join(err, err2); err != nil {
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

func receiveMany(s *ipc.Space) error {
	sum, err := ipc.OpenVar(s, "sum", uint64(0))
	if err != nil {
		return err
	}
	var sums [ipcMany]uint64
	err = eachOf(ipcMany, func(i int) error {
		c, err := openNumbers(s)
		if err != nil {
			return err
		}
		total := uint64(0)
		defer func() { sums[i] = total }()
		for ctx := context.Background(); ; {
			v, ok, err := c.Receive(ctx)
			if !ok || err != nil {
				return err
			}
			total += v
		}
	})
	if err != nil {
		return err
	}
	total := uint64(0)
	for _, v := range sums {
		total += v
	}
	return sum.Store(total)
}

// goChannelManyRate is manyRate over a Go channel within this process.
func goChannelManyRate(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		c := make(chan uint64, ipcRoom)
		begin := time.Now()
		var sums [ipcMany]uint64
		var received sync.WaitGroup
		for i := range ipcMany {
			received.Go(func() {
				total := uint64(0)
				for v := range c {
					total += v
				}
				sums[i] = total
			})
		}
		err := eachOf(ipcMany, func(i int) error {
			return shareOf(n, i, func(v uint64) error { c <- v; return nil })
		})
		close(c)
		received.Wait()
		o := outcome{N: n, Ns: time.Since(begin).Nanoseconds()}
		for _, v := range sums {
			o.Sum += int64(v)
		}
		return o.perSecond(), errors.Join(err, o.check(n, sumOfIDs(n)))
	}
}
