package ipc

// kin is what the space asks the system about its members, processes that may die
// at any time. Tests have another in which processes are goroutines.
type kin interface {
	pid() int
	started() uint64 // of this process, in ticks since the boot
	now() int64      // Unix time in nanoseconds
	name() string
	boot() [16]byte
	pidSpace() uint64

	// hold has the system mark the word when this process dies; release ends that.
	hold(lifeline *uint32) error
	release(lifeline *uint32)
	// gone reports whether there is no process pid any more.
	gone(pid int) bool
	// awaitGone waits until a dying process is certainly gone, with all its threads,
	// and then returns true. It returns false when it cannot be told.
	awaitGone(pid int, started uint64) bool
	// sameProgram reports whether a process runs the program that this one does. It says
	// no where that cannot be told.
	sameProgram(pid int) bool
	// kill ends a process, if it is still the one that began then.
	kill(pid int, started uint64) error
}
