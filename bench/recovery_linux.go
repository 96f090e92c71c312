package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti"
)

// casualty is what a task that is to lose its worker tells the bench, in memory
// that the kernel shares and tutti knows nothing of.
//
//	field  writer           meaning
//	pid    first attempt    the worker to kill; 0 until the task runs
//	again  second attempt   when it ran, by the monotonic clock in ns
type casualty struct{ pid, again atomic.Int64 }

// casualtiesMax is how many fit into the memory.
const casualtiesMax = 1 << 16

// casualtiesFD is the descriptor of that memory in a worker: the first of
// tutti.Config.Files.
const casualtiesFD = 6

var casualties = sync.OnceValues(func() ([]casualty, error) { return mapCasualties(casualtiesFD) })

func mapCasualties(fd int) ([]casualty, error) {
	data, err := unix.Mmap(fd, 0, casualtiesMax*int(unsafe.Sizeof(casualty{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the casualties: %w", err)
	}
	return unsafe.Slice((*casualty)(unsafe.Pointer(&data[0])), casualtiesMax), nil
}

// survive waits to be killed when it runs first, and notes the time when it runs
// again. It returns the second worker's process id.
var survive = tutti.NewFunc("bench.survive", func(ctx context.Context, number int64) (int64, error) {
	began := monotonic()
	all, err := casualties()
	if err != nil {
		return 0, err
	}
	c := &all[number]
	if c.pid.CompareAndSwap(0, int64(os.Getpid())) {
		<-ctx.Done()
		return 0, errors.New("was cancelled and not killed")
	}
	c.again.Store(began)
	return int64(os.Getpid()), nil
})

// monotonic is the clock that all processes of the machine share, in ns.
func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("bench: the monotonic clock: " + err.Error()) // it exists on every Linux
	}
	return t.Nano()
}

// oursRecovery kills a worker of two under its task, n times, and takes the time
// until the task runs in the other one. The next kill waits for the replacement.
func oursRecovery(n int64) contender {
	return contender{name: "tutti, a plain task of two workers", kind: ours, round: func(ctx context.Context) (figure, error) {
		fd, err := unix.MemfdCreate("tutti-bench", unix.MFD_CLOEXEC)
		if err != nil {
			return figure{}, err
		}
		memory := os.NewFile(uintptr(fd), "memfd")
		defer memory.Close()
		if err := memory.Truncate(casualtiesMax * int64(unsafe.Sizeof(casualty{}))); err != nil {
			return figure{}, err
		}
		all, err := mapCasualties(fd)
		if err != nil {
			return figure{}, err
		}
		defer unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(&all[0])), casualtiesMax*int(unsafe.Sizeof(casualty{}))))
		var f figure
		_, err = withPool(ctx, tutti.Config{Workers: 2, Files: []*os.File{memory}, MaxRestarts: casualtiesMax},
			func(pool *tutti.Pool) (o outcome, err error) {
				number := int64(-1)
				f, err = medianOf(n, time.Millisecond, func() (time.Duration, error) {
					number++
					return killUnder(ctx, pool, &all[number], number)
				})
				return o, err
			})
		return f, err
	}}
}

// killUnder runs one task, kills its worker and returns how long the task was gone.
func killUnder(ctx context.Context, pool *tutti.Pool, c *casualty, number int64) (time.Duration, error) {
	if err := poll(ctx, func() bool { return allReady(pool) }); err != nil {
		return 0, err
	}
	future, err := survive.Go(ctx, pool, number)
	if err != nil {
		return 0, err
	}
	if err := poll(ctx, func() bool { return c.pid.Load() != 0 }); err != nil {
		return 0, err
	}
	victim := c.pid.Load()
	killed := monotonic()
	if err := unix.Kill(int(victim), unix.SIGKILL); err != nil {
		return 0, err
	}
	other, err := future.Wait(ctx)
	switch {
	case err != nil:
		return 0, err
	case other == victim || c.again.Load() <= killed:
		return 0, fmt.Errorf("the task of worker %d ran again in %d, %d ns after the kill", victim, other, c.again.Load()-killed)
	}
	return time.Duration(c.again.Load() - killed), nil
}

func allReady(pool *tutti.Pool) bool {
	for _, s := range pool.Stats().Workers {
		if !s.Ready {
			return false
		}
	}
	return true
}

// poll asks every 200 µs, which leaves the CPU to the workers. It is used between
// measurements only.
func poll(ctx context.Context, done func() bool) error {
	ticker := time.NewTicker(200 * time.Microsecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}
