package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
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
	var set unix.CPUSet
	set.Set(cpus[1])
	if err := pinAll(other.cmd.Process.Pid, &set); err != nil {
		return nil, err
	}
	return pinThread(cpus[0])
}

// twoOfOurCPUs are the first two that this process may use.
func twoOfOurCPUs() (cpus [2]int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil {
		return cpus, err
	}
	n := 0
	for cpu := 0; cpu < len(set)*64 && n < 2; cpu++ {
		if set.IsSet(cpu) {
			cpus[n] = cpu
			n++
		}
	}
	if n < 2 {
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

// pinAll pins the threads that a process has; those that they start inherit it.
func pinAll(pid int, set *unix.CPUSet) error {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range threads {
		tid := 0
		if _, err := fmt.Sscan(t.Name(), &tid); err == nil {
			_ = unix.SchedSetaffinity(tid, set) // it may have ended
		}
	}
	return err
}
