package main

import (
	"context"
	"time"
)

// goroutinePool is what Go offers inside one process: two goroutines fed and
// emptied over buffered channels, a goroutine that submits, and the caller, who
// collects.
func goroutinePool(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		throughChannels(n / 10)
		begin := time.Now()
		sum := throughChannels(n)
		o := outcome{N: n, Ns: time.Since(begin).Nanoseconds(), Sum: sum}
		return o.perSecond(), o.check(n, sumOfAddOne(n))
	}
}

func throughChannels(n int64) (sum int64) {
	const workers, buffer = 2, 1024
	in, out := make(chan int64, buffer), make(chan int64, buffer)
	for range workers {
		go func() {
			for x := range in {
				out <- x + 1
			}
		}()
	}
	go func() {
		for i := range n {
			in <- i
		}
		close(in)
	}()
	for range n {
		sum += <-out
	}
	return sum
}

// goroutineCall is the round trip to one goroutine over two unbuffered channels.
func goroutineCall(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		in, out := make(chan int64), make(chan int64)
		defer close(in)
		go func() {
			for x := range in {
				out <- x + 1
			}
		}()
		trips := func(n int64) (sum int64) {
			for i := range n {
				in <- i
				sum += <-out
			}
			return sum
		}
		trips(n / 10)
		begin := time.Now()
		sum := trips(n)
		o := outcome{N: n, Ns: time.Since(begin).Nanoseconds(), Sum: sum}
		return o.microseconds(), o.check(n, sumOfAddOne(n))
	}
}
