package engine

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/shm"
)

const (
	sigQuit = syscall.SIGQUIT
	sigKill = syscall.SIGKILL
)

// clockStart and clockOffset tie Go's cheap monotonic clock (25 ns through the
// vDSO; unix.ClockGettime is a system call of 320 ns) to CLOCK_MONOTONIC, which
// all processes of the machine share. The offset is off by the length of one
// call at most.
var clockStart = time.Now()

var clockOffset = func() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano() - int64(time.Since(clockStart))
}()

// now is the pool's clock in nanoseconds. Processes may compare what others
// wrote.
func now() int64 { return clockOffset + int64(time.Since(clockStart)) }

// yield offers the CPU to another thread of the machine.
func yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// limitMemory bounds what this process, and each that it starts, may have in memory
// that can be written and is its own (RLIMIT_DATA; what is shared, the pool's segment
// above all, does not count, as it would with RLIMIT_AS, which Go's reservations
// would exhaust at once). The collector is told to work harder before that.
func limitMemory(bytes int64) error {
	if bytes == 0 {
		return nil
	}
	limit := unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &limit); err != nil {
		return fmt.Errorf("limit the worker's memory to %d bytes: setrlimit: %w", bytes, err)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes / 2) // the runtime takes memory in large pieces, and counts less than the kernel
	}
	return nil
}

// crashFile makes the file that a worker writes its crash trace to. It has no
// name, so nothing can be left behind.
func crashFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("tutti-crash", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	return os.NewFile(uintptr(fd), "crash trace"), nil
}

// segmentFile is a second descriptor of the segment, to be handed to workers.
func segmentFile(seg *shm.Segment) (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(seg.FD()), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("fcntl: %w", err)
	}
	return os.NewFile(uintptr(fd), "segment"), nil
}

// lifelineFile opens the inherited lifeline for Go's netpoller, so that no
// thread waits on it.
func lifelineFile() *os.File {
	_ = unix.SetNonblock(fdLifeline, true)
	return os.NewFile(fdLifeline, "lifeline")
}

// errNothingNow is what readNow returns where a read would wait.
var errNothingNow = unix.EAGAIN

// readNow reads what is in a pipe, without waiting for more.
func readNow(r *os.File, b []byte) (n int, err error) {
	conn, err := r.SyscallConn()
	if err != nil {
		return 0, err
	}
	if e := conn.Read(func(fd uintptr) bool { n, err = unix.Read(int(fd), b); return true }); e != nil {
		return 0, e
	}
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
