package main

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/topo"
)

// placing says where the two sides of a measurement run.
type placing bool

const (
	anywhere placing = false
	// aCPUEach is the calling thread on the first CPU that this process may use, and
	// the other process on the second. Peers and floors are placed as ours are: where
	// the kernel puts two sides that wake each other changes what it measures.
	aCPUEach placing = true
)

// place pins both sides, if it is to, until the function that it returns is called. The
// goroutine that calls it plays this side.
func (p placing) place(other *echo) (restore func(), err error) {
	if p == anywhere {
		return func() {}, nil
	}
	cpus, err := twoOfOurCPUs()
	if err != nil {
		return nil, err
	}
	if err := topo.PinOther(other.cmd.Process.Pid, cpus[1]); err != nil {
		return nil, err
	}
	return pinThread(cpus[0])
}

// twoOfOurCPUs are the first two that this process may use.
func twoOfOurCPUs() (cpus [2]int, err error) {
	all, err := topo.Affinity()
	if err != nil {
		return cpus, err
	}
	if copy(cpus[:], all) < len(cpus) {
		return cpus, errors.New("the two sides run on a CPU each, and this process may use one only")
	}
	return cpus, nil
}

// pinThread keeps the calling goroutine on a CPU until the function that it returns is
// called.
func pinThread(cpu int) (restore func(), err error) {
	runtime.LockOSThread()
	var before, one unix.CPUSet
	if err = unix.SchedGetaffinity(0, &before); err == nil {
		one.Set(cpu)
		err = unix.SchedSetaffinity(0, &one)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	return func() {
		_ = unix.SchedSetaffinity(0, &before) // it was allowed before
		runtime.UnlockOSThread()
	}, nil
}
