//go:build amd64 || arm64

package ipc

import (
	"sync"
	"sync/atomic"
)

// here says who calls, from where, and when, in a few nanoseconds:
//
//	agent   the goroutine's number, as printed stacks have it: no other goroutine of
//	        the process ever gets it
//	pc      where the function that called here was called
//	cycles  the CPU's counter, which runs at one rate on all CPUs of a machine
//
// A lock records all three, so that a deadlock can be explained. Go tells a goroutine
// its number in a printed stack only, which takes a microsecond; so it is read where
// the runtime keeps it. The descriptor's address would do without looking into it, but
// is given to a later goroutine when one ends: that one would own what the first left
// locked.
func here() (agent, pc, cycles uint64)

// hereSlowly is here where numberAt is not known.
func hereSlowly() (agent, pc, cycles uint64)

// self is the agent alone.
func self() uint64

// descriptor is the word of this goroutine's descriptor at an offset in bytes.
func descriptor(at uintptr) uint64

// pause tells the CPU that this is a loop that waits.
func pause()

func cycles() uint64 { _, _, c := here(); return c }

// numberAt is where descriptors have the number, as an offset in bytes; 0: it is not
// known, or not yet, and read from a printed stack. Who needs it first has it found, as
// most programs never do, and all would start later.
var numberAt uintptr

var findOnce sync.Once

// number is the calling goroutine's number, where numberAt is not known.
//
//lint:ignore U1000 here and self, in assembly, call it
func number() uint64 {
	findOnce.Do(func() { atomic.StoreUintptr(&numberAt, findNumber(descriptor)) })
	return printedNumber()
}

// descriptorBytes is how much of a descriptor is looked at: less than any has.
const descriptorBytes = 320

// findNumber looks for the number in the descriptors of some goroutines, and returns
// the one offset at which all of them have it, or 0.
func findNumber(word func(at uintptr) uint64) uintptr {
	found := map[uintptr]int{}
	look := func() {
		me := printedNumber()
		for at := uintptr(8); at < descriptorBytes; at += 8 {
			if word(at) == me {
				found[at]++
			}
		}
	}
	const goroutines = 3
	for range goroutines {
		done := make(chan bool)
		go func() { look(); close(done) }()
		<-done
	}
	at := uintptr(0)
	for where, n := range found {
		if n < goroutines {
			continue
		}
		if at != 0 {
			return 0 // it may be either
		}
		at = where
	}
	return at
}
