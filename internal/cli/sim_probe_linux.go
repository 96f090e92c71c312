package cli

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti"
)

// probe is what tutti sim --calibrate has a worker do.
type probe struct {
	Kind probeKind
	Ns   int64
}

type probeKind uint8

const (
	probeNothing probeKind = iota
	probeClocks            // only look at them
	probeBusy              // for Ns of this process's CPU time
	probeDie               // at once
)

// probed is what a worker saw.
type probed struct {
	Worker int64
	Begin  int64 // monotonic, ns
	CPU    int64 // that its process has had at the end, ns
}

// runProbe is the function of the workers that are measured.
var runProbe = tutti.NewFunc("tutti.probe", func(ctx context.Context, p probe) (r probed, err error) {
	if info, ok := tutti.Info(ctx); ok {
		r.Worker = int64(info.Worker)
	}
	if p.Kind == probeNothing {
		return r, nil
	}
	r.Begin = clockNs(unix.CLOCK_MONOTONIC)
	switch p.Kind {
	case probeBusy:
		for end := cpuNs() + p.Ns; cpuNs() < end; {
		}
	case probeDie:
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL) // nobody may forbid it
	}
	r.CPU = cpuNs()
	return r, nil
})

// clockNs reads a clock.
func clockNs(clock int32) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		panic("tutti: a clock that every Linux has cannot be read: " + err.Error())
	}
	return t.Nano()
}

// cpuNs is the CPU time that this process has had.
func cpuNs() int64 { return clockNs(unix.CLOCK_PROCESS_CPUTIME_ID) }
