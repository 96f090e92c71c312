//go:build amd64 || arm64

package ipc

// here says who calls, from where, and when, in a few nanoseconds:
//
//	agent   the goroutine: the address of its descriptor, which no other has while
//	        it lives. It is compared and never looked into.
//	pc      where the function that called here was called
//	cycles  the CPU's counter, which runs at one rate on all CPUs of a machine
//
// A lock records all three, so that a deadlock can be explained. Go has no other
// way to name a goroutine but its printed stack, which takes a microsecond.
func here() (agent, pc, cycles uint64)

// self is the agent alone.
func self() uint64

// pause tells the CPU that this is a loop that waits.
func pause()

func cycles() uint64 { _, _, c := here(); return c }
