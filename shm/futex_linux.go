package shm

import (
	"fmt"
	"runtime"
	"structs"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FUTEX_PRIVATE_FLAG is never set here: the kernel would look for waiters in
// this process alone.
const (
	futexWait = 0
	futexWake = 1

	futex2SizeU32 = 2
)

// Wait sleeps while *addr holds val, until somebody calls [Wake] on the word or
// timeout passes (no timeout if it is 0 or less). It returns false on a timeout
// and true otherwise; true means only that the caller must look at the word
// again, since a signal ends a wait too. addr is aligned to 4 bytes, else Wait
// panics. Only the calling goroutine is blocked.
func Wait(addr *uint32, val uint32, timeout time.Duration) bool {
	// Not RawSyscall: the scheduler would never get this thread's P back.
	var errno unix.Errno
	if timeout > 0 {
		ts := unix.NsecToTimespec(int64(timeout))
		_, _, errno = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)),
			futexWait, uintptr(val), uintptr(unsafe.Pointer(&ts)), 0, 0)
	} else {
		_, _, errno = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)),
			futexWait, uintptr(val), 0, 0, 0)
	}
	if errno == unix.EINVAL || errno == unix.EFAULT {
		panic(fmt.Sprintf("shm: wait on the word at %p: %v", addr, errno))
	}
	return errno != unix.ETIMEDOUT
}

// Wake wakes at most n of those that wait on *addr, in any process, and returns
// how many it woke. It does not block.
func Wake(addr *uint32, n int) int {
	// RawSyscall: it only takes a bucket lock, and a sleeping peer is waiting.
	woken, _, errno := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)),
		futexWake, uintptr(min(n, 1<<30)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(woken)
}

// futexWaiter is the kernel's struct futex_waitv.
type futexWaiter struct {
	_        structs.HostLayout
	val      uint64
	uaddr    uint64
	flags    uint32
	reserved uint32
}

var _ [24]byte = [unsafe.Sizeof(futexWaiter{})]byte{}

// WaitAny sleeps while every word holds its value, until one of them is woken
// or timeout passes (no timeout if it is 0 or less). It returns the index of a
// word that was woken or whose value differs, or -1 on a timeout. As with
// [Wait] the caller must look at the words again: a value that changed and
// changed back is reported as index 0. There may be 1 to [MaxWaitWords] words.
// Only the calling goroutine is blocked; nothing is allocated.
func WaitAny(ws []WaitWord, timeout time.Duration) (int, error) {
	if len(ws) == 0 || len(ws) > MaxWaitWords {
		return 0, fmt.Errorf("wait for any of %d words: 1 to %d are possible", len(ws), MaxWaitWords)
	}
	var list [MaxWaitWords]futexWaiter
	for i, w := range ws {
		list[i].val = uint64(w.Val)
		list[i].uaddr = uint64(uintptr(unsafe.Pointer(w.Addr)))
		list[i].flags = futex2SizeU32
	}
	var until unix.Timespec // absolute, so that a repeated call does not wait longer
	var untilPtr *unix.Timespec
	if timeout > 0 {
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &until); err != nil {
			return 0, fmt.Errorf("wait for any word: clock_gettime: %w", err)
		}
		now := until.Nano()
		until = unix.NsecToTimespec(now + min(int64(timeout), 1<<62-now))
		untilPtr = &until
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, uintptr(unsafe.Pointer(&list)),
			uintptr(len(ws)), 0, uintptr(unsafe.Pointer(untilPtr)), unix.CLOCK_MONOTONIC, 0)
		runtime.KeepAlive(ws)
		switch errno {
		case 0:
			return int(n), nil
		case unix.ETIMEDOUT:
			return -1, nil
		case unix.EINTR: // nothing was woken, or the kernel would have said so
		case unix.EAGAIN:
			for i, w := range ws {
				if atomic.LoadUint32(w.Addr) != w.Val {
					return i, nil
				}
			}
			return 0, nil
		default:
			return 0, fmt.Errorf("wait for any of %d words: futex_waitv: %w", len(ws), errno)
		}
	}
}
